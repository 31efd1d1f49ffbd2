"""`python -m workers.cli` is `packyard`."""

from workers.cli import main

main()
