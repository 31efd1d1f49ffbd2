"""Figures of projects, kept in the transactions that change them; and what a check of the storage remembers."""

from service.infra.postgres.migrations.script import run_steps

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
