"""Parts of addresses under which the instance is reached."""

from yarl import URL


def host_of(base: str) -> str:
    """Return the host of a base address."""
    return URL(base).host or "localhost"
