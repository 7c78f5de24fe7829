"""Identities of model files."""

from __future__ import annotations

import hashlib

IDENTITY_BYTES = 16


def identity_of(model_data: bytes) -> bytes:
    """Return the first 16 bytes of the SHA-256 of a model file."""
    return hashlib.sha256(model_data).digest()[:IDENTITY_BYTES]
