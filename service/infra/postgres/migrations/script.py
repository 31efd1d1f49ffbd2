"""Plain SQL as a migration."""

import re
from pathlib import Path
from typing import Final

from alembic import op

_STEP: Final = re.compile(r"^-- step: .*$", re.MULTILINE)


def run_script(module: str) -> None:
    """Run the SQL script beside *module*, all its statements in the migration's transaction."""
    _execute(_read(module))


def run_steps(module: str) -> None:
    """Run the steps of the script beside *module*, each on its own and outside any transaction.

    A step begins with a line `-- step: …`. Whatever ran before a failure stays, so each has to bear being repeated.
    """
    with op.get_context().autocommit_block():
        for step in _STEP.split(_read(module))[1:]:
            _execute(step)


def _read(module: str) -> str:
    return Path(module).with_suffix(".sql").read_text(encoding="utf-8")


def _execute(script: str) -> None:
    op.get_bind().exec_driver_sql(script, execution_options={"no_parameters": True})
