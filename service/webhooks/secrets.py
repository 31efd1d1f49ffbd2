"""Secrets of webhooks, encrypted at rest: the first key encrypts, all of them decrypt."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import SecretStr

from schemas.webhooks import KEY_BYTES, SIGNING_PREFIX
from service.errors import PackyardError
from service.refusals import SecretsNotKeptError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet, MultiFernet


class UnreadableSecretError(PackyardError):
    """None of the keys decrypts it: one that was taken away had encrypted it."""


@dataclass(frozen=True, slots=True)
class PlainSecrets:
    """The secrets of one webhook, as its deliveries need them."""

    signing_tokens: tuple[str, ...]
    """The current one, and for a while the one before."""
    token: str | None = None
    custom_headers: dict[str, str] = field(default_factory=dict)


class SecretBox:
    """Encrypts and decrypts texts with the keys of PACKYARD_SECRET_KEYS."""

    def __init__(self, keys: tuple[SecretStr, ...]) -> None:
        """Take the keys; without any, nothing can be kept."""
        self._all: MultiFernet | None = None
        if keys:
            self._all, self._first = _opened(keys)

    @property
    def has_keys(self) -> bool:
        """Whether secrets can be kept."""
        return self._all is not None

    def encrypt(self, text: str) -> str:
        """Return *text*, encrypted with the first key.

        Raises:
            SecretsNotKeptError: there is no key.
        """
        if self._all is None:
            raise SecretsNotKeptError
        return self._all.encrypt(text.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Return what was encrypted.

        Raises:
            UnreadableSecretError: none of the keys decrypts it.
        """
        plain = None if self._all is None else _decrypted(self._all, encrypted)
        if plain is None:
            raise UnreadableSecretError("no key of PACKYARD_SECRET_KEYS decrypts the secrets of this webhook")
        return plain

    def renewed(self, encrypted: str) -> str | None:
        """Return the same secret, encrypted with the first key; None where that is so already.

        Raises:
            UnreadableSecretError: none of the keys decrypts it.
        """
        if self._all is not None and _decrypted(self._first, encrypted):
            return None
        return self.encrypt(self.decrypt(encrypted))


def _opened(keys: Sequence[SecretStr]) -> "tuple[MultiFernet, Fernet]":
    from cryptography.fernet import Fernet, MultiFernet  # 6 MiB that only an installation with keys needs

    fernets = [Fernet(key.get_secret_value()) for key in keys]
    return MultiFernet(fernets), fernets[0]


def _decrypted(box: "MultiFernet | Fernet", encrypted: str) -> str | None:
    """Return what was encrypted; None: not with this key, or none of these."""
    from cryptography.fernet import InvalidToken

    try:
        return box.decrypt(encrypted.encode()).decode()
    except InvalidToken:
        return None


def new_signing_token() -> str:
    """Return a new random signing token."""
    return SIGNING_PREFIX + base64.b64encode(os.urandom(KEY_BYTES)).decode()
