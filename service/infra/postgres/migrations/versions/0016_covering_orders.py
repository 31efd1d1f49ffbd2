"""Indexes of the orders of a list that answer alone."""

from service.infra.postgres.migrations.script import run_steps

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
