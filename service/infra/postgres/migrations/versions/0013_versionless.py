"""An index of packages without a version."""

from service.infra.postgres.migrations.script import run_steps

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
