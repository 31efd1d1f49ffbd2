"""An index of the deletions of rules that wait for a worker."""

from service.infra.postgres.migrations.script import run_steps

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
