"""Adds holds, late undoing, bulk calls and idempotency keys for deletions."""

from service.infra.postgres.migrations.script import run_steps

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
