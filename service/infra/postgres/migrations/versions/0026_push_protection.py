"""Protection rules that say who may publish."""

from service.infra.postgres.migrations.script import run_steps

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
