"""Deletions that were there before, and the indexes that batches and holds are found by."""

from service.infra.postgres.migrations.script import run_steps

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
