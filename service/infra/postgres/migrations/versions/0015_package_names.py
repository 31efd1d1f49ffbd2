"""Names of packages as rows of their own."""

from service.infra.postgres.migrations.script import run_steps

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
