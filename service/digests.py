"""Digests: the one way in which tokens are stored and looked up."""

import hashlib


def token_digest(token: str) -> bytes:
    """Return what stands for *token* in the database: SHA-256 of its UTF-8 bytes."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
