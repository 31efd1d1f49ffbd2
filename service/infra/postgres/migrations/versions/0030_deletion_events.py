"""Events of deletions, as the database writes them."""

from service.infra.postgres.migrations.script import run_script

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Run the script beside this file in one transaction."""
    run_script(__file__)
