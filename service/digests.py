"""Digests: the only form in which tokens are stored and searched for."""

import hashlib


def token_digest(token: str) -> bytes:
    """Return what is stored in place of *token*: the SHA-256 of its UTF-8 bytes."""
    return text_digest(token)


def text_digest(text: str) -> bytes:
    """Return the SHA-256 of any text that a client sent; a lone surrogate is no error, and equals no valid text."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
