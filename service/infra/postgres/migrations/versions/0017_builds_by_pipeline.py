"""An index for the page of a pipeline: the packages that it built."""

from service.infra.postgres.migrations.script import run_steps

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
