"""The lock of a version that leaves, and runs of retention rules that somebody refused."""

from service.infra.postgres.migrations.script import run_steps

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
