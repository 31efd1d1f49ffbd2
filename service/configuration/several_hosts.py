"""Addresses with several hosts: a database of which one takes writes, a broker of several nodes."""

from urllib.parse import urlsplit


def one_host_each(url: str) -> list[str]:
    """Return an address for each host of *url*, in their order.

    The drivers know one host, or try the hosts one after the other within one time limit. A silent host would then
    leave no time for the next one, so each host gets its share of the time to connect.
    """
    parts = urlsplit(url)
    if "," not in parts.netloc:
        return [url]
    account, at, places = parts.netloc.rpartition("@")
    return [parts._replace(netloc=f"{account}{at}{place}").geturl() for place in places.split(",")]


def at_hosts(url: str) -> str:
    """Return " at " and the hosts of *url* with their ports, for a message; empty if the address is only a path."""
    places = urlsplit(url).netloc.rpartition("@")[2]
    return f" at {places}" if places else ""
