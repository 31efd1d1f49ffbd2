"""Addresses with several hosts, one of which takes writes: each host gets its share of the time to connect."""

from urllib.parse import urlsplit


def one_host_each(url: str) -> list[str]:
    """Return an address for each host of *url*, in their order.

    The driver tries the hosts of an address one after the other within one time limit. A silent host would therefore
    leave no time for the next one.
    """
    parts = urlsplit(url)
    if "," not in parts.netloc:
        return [url]
    account, at, places = parts.netloc.rpartition("@")
    return [parts._replace(netloc=f"{account}{at}{place}").geturl() for place in places.split(",")]
