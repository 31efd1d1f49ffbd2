"""An index of all names of a type, in whatever project they are."""

from service.infra.postgres.migrations.script import run_steps

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Run the steps of the script beside this file, outside any transaction."""
    run_steps(__file__)
