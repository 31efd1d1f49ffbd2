"""The values that settings take: how each is written, and what is refused."""

import base64
import re
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork, SecretStr

from schemas.fields import Duration
from service.configuration.secret_files import has_readable_hosts
from service.ip_addresses import Network, plain_network

_TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_KEY_BYTES: Final = 32
_ORIGIN: Final = re.compile(r"https?://[^/\s,]+")


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("should be more than 0")
    return value


def _read_list(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("should be *, or origins such as https://app.example.com with commas between them")
    return origins


def _check_times(text: str) -> str:
    if text != "never" and not all(_TIME_OF_DAY.fullmatch(part.strip()) for part in text.split(",")):
        raise ValueError("should be never, or times of the day such as 03:00 with commas between them")
    return text


def _check_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    bare = tuple(host.removeprefix("[").removesuffix("]") for host in hosts)
    if not all(_is_address(host) or (_HOST.fullmatch(host) and not _is_number(host)) for host in bare):
        raise ValueError("should be addresses or host names without ports, such as 0.0.0.0,:: with commas between them")
    return tuple(dict.fromkeys(bare))


def _is_number(host: str) -> bool:
    """Return whether a URL would take *host* for an IPv4 address: its last part is a number."""
    return host.rstrip(".").rpartition(".")[2].isdigit()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _plain_networks(networks: tuple[Network, ...]) -> tuple[Network, ...]:
    return tuple(map(plain_network, networks))


def scheme_in(*schemes: str) -> AfterValidator:
    """Return what checks that an address begins with one of the schemes, and that its hosts can be read."""

    def check(value: SecretStr | str) -> SecretStr | str:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError("should begin with " + " or ".join(f"{scheme}://" for scheme in schemes))
        if not has_readable_hosts(text):
            raise ValueError("should have a host, perhaps with a port; percent-encode what is special in a password")
        return value

    return AfterValidator(check)


class LogFormat(StrEnum):
    """How a log line is written."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least severe line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _read_keys(value: object) -> object:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _check_key(key: SecretStr) -> SecretStr:
    try:
        is_key = len(base64.urlsafe_b64decode(key.get_secret_value())) == _KEY_BYTES
    except ValueError:
        is_key = False
    if not is_key:
        raise ValueError("should be keys of 32 bytes in URL-safe base64, with commas between them")
    return key


PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
List = BeforeValidator(_read_list)
"""A list is written with commas between its parts."""
Hosts = Annotated[tuple[str, ...], Field(min_length=1), List, AfterValidator(_check_hosts)]
"""Addresses or host names without ports."""
Networks = Annotated[tuple[IPvAnyNetwork, ...], List, AfterValidator(_plain_networks)]
Origins = Annotated[tuple[str, ...], List, AfterValidator(_check_origins)]
"""Web origins, or `*`."""
TimesOfDay = Annotated[str, AfterValidator(_check_times)]
"""Times such as `03:00`, or `never`."""
Port = Annotated[int, Field(ge=0, le=65_535)]
MASKED: Final = "masked"
"""Marks a setting whose whole value is a secret."""
SecretKeys = Annotated[
    tuple[Annotated[SecretStr, AfterValidator(_check_key)], ...], BeforeValidator(_read_keys), MASKED
]
"""Keys of Fernet."""
