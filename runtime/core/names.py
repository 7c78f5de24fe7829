"""Names of files and channels that are fit to be stored; identities of model files."""

from __future__ import annotations

import hashlib

from . import limits

IDENTITY_BYTES = 8


def is_suffix(text: str) -> bool:
    """Return whether a text is fit to be put behind a file name's stem: short, and no way out of the folder."""
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    return _clean(text) and size <= limits.MAX_SUFFIX_BYTES and (text == "" or (text[0] == "." and text != "."))


def is_file_name(text: str) -> bool:
    """Return whether a text is a file name everywhere, and no way out of the folder."""
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    return _clean(text) and 1 <= size <= limits.MAX_NAME_BYTES and text not in (".", "..")


def _clean(text: str) -> bool:
    return not any(c in '/\\:"*?<>|' or not c.isprintable() for c in text)


def printable(text: str) -> str:
    """Return a text with everything escaped that is not printable: a file's name may hold what terminals obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def channel_names(channels: int) -> list[str]:
    """Return names for the channels of a recording that does not name them: their numbers."""
    return [f"{channel:04d}" for channel in range(channels)]


def identity_of(model_data: bytes) -> bytes:
    """Return the first 8 bytes of the SHA-256 of a model file."""
    return hashlib.sha256(model_data).digest()[:IDENTITY_BYTES]
