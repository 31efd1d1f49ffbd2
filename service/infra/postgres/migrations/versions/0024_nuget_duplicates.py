"""Whether the groups around a project let a NuGet version be pushed again."""

from service.infra.postgres.migrations.script import run_steps

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
