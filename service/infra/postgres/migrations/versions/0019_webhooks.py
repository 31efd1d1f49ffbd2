"""Webhooks: what to send where, how far each one is, and the deliveries that failed."""

from service.infra.postgres.migrations.script import run_script

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Run the script beside this file in one transaction."""
    run_script(__file__)
