"""A count of the changes to the files of each package, by which an index is known before it is made."""

from service.infra.postgres.migrations.script import run_steps

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
