"""An index for lists of groups: what decides which projects are read, without a read of their rows."""

from service.infra.postgres.migrations.script import run_steps

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
