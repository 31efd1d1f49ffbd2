"""The directory, the catalogue, deletions and the outbox."""

from service.infra.postgres.migrations.script import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the script beside this file."""
    run_script(__file__)
