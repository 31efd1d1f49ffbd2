"""The log of events."""

from service.infra.postgres.migrations.script import run_script

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Run the script beside this file in one transaction."""
    run_script(__file__)
