"""The check of an address when somebody saves it: it resolves, and only to where requests may go."""

import asyncio
import socket
from typing import Final
from urllib.parse import urlsplit

from service.errors import PackyardError
from service.infra.egress.addresses import AllowedAddresses

_SETTING: Final = "PACKYARD_WEBHOOK_ALLOWED_NETWORKS"
"""The setting that adds networks: the owner of a webhook may ask an administrator for it."""
OUTSIDE: Final = f"leads outside the public internet, and to no network of {_SETTING}"
"""Why most URLs are refused."""
_WITHIN_S: Final = 3.0
_PORTS: Final = {"http": 80, "https": 443}


class UrlNotAllowedError(PackyardError):
    """Nothing may be sent to that URL; the text says why."""


async def check_url(url: str, allowed: AllowedAddresses) -> None:
    """Check that each address of the host is allowed now. A connection checks its own address again.

    Raises:
        UrlNotAllowedError: it is not, or the host has no address.
    """
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    try:
        async with asyncio.timeout(_WITHIN_S):
            found = await asyncio.get_running_loop().getaddrinfo(
                parts.hostname or "", parts.port or _PORTS[parts.scheme], type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError, ValueError):  # TimeoutError is an OSError
        raise UrlNotAllowedError("the host name cannot be resolved") from None
    if not all(allowed.has(str(entry[4][0]), is_tls=is_tls) for entry in found):
        if not is_tls and all(allowed.has(str(entry[4][0]), is_tls=True) for entry in found):
            raise UrlNotAllowedError(f"should begin with https://, or lead into a network of {_SETTING}")
        raise UrlNotAllowedError(OUTSIDE)
