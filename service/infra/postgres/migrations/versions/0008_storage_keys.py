"""Objects and file rows in the same order."""

from service.infra.postgres.migrations.script import run_steps

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
