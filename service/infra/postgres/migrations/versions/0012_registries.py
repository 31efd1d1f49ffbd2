"""Normal forms of names and versions, and the details that package managers send with a file."""

from service.infra.postgres.migrations.script import run_steps

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
