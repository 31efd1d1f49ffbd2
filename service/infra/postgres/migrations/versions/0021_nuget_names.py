"""Normal forms of NuGet's names and versions."""

from service.infra.postgres.migrations.script import run_steps

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
