"""The settings of groups on duplicates of Maven packages."""

from service.infra.postgres.migrations.script import run_steps

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
