"""Quotas of bytes, and rules for the names of deleted packages."""

from service.infra.postgres.migrations.script import run_steps

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
