"""Semantic versions of the packages that were there before, and their index."""

from service.infra.postgres.migrations.script import run_steps

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
