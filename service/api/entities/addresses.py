"""Parts of addresses under which the instance is reached."""

from functools import lru_cache

from yarl import URL


@lru_cache(maxsize=16)
def host_of(base: str) -> str:
    """Return the host of a base address; all rows of a page ask for the same."""
    return URL(base).host or "localhost"
