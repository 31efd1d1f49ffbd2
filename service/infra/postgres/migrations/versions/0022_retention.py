"""Rules of retention and their runs, when a package came here, and the orders of versions of PyPI and Maven."""

from service.infra.postgres.migrations.script import run_steps

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
