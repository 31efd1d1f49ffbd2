"""Header fields of kept answers."""

from service.infra.postgres.migrations.script import run_steps

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
