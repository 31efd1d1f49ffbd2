"""Adds the parts that listings by semantic version need, and the order of a package's builds."""

from service.infra.postgres.migrations.script import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the script beside this file."""
    run_script(__file__)
