"""`python -m workers.cli` is `packyard`."""

from workers.cli import run

run()
