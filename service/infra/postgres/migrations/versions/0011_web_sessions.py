"""Sessions of browsers, and an index for lists of deletions by their state."""

from service.infra.postgres.migrations.script import run_steps

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
