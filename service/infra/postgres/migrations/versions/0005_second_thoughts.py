"""What lets a deletion be held, undone late, done with many others, and asked for once."""

from service.infra.postgres.migrations.script import run_steps

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
