"""Old paths of projects, what groups say of duplicates, and whose jobs may come in."""

from service.infra.postgres.migrations.script import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the script beside this file."""
    run_script(__file__)
