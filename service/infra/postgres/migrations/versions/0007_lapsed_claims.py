"""The index that lapsed claims are found by."""

from service.infra.postgres.migrations.script import run_steps

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
