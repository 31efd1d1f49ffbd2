"""Plain SQL as a migration."""

from pathlib import Path

from alembic import op


def run_script(module: str) -> None:
    """Run the SQL script that stands beside *module*, all its statements in the migration's transaction."""
    script = Path(module).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(script, execution_options={"no_parameters": True})
