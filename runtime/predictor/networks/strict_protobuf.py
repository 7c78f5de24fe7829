"""Protocol buffers, strictly: only fields that a schema lists, each number in as few bytes as it takes.

Readers of protocol buffers differ in what they make of odd bytes: numbers with leading zeros, fields that come twice,
fields that they do not know. Here all of that is refused, so that what was checked is what another reader finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...core.errors import ModelError

MAX_FIELDS = 1 << 14
"""Fields of a file, all messages together."""
_NUMBER, _BYTES = 0, 2
"""Wire types: a varint, or bytes with their length in front."""
_LONGEST = 10
"""Bytes of a 64-bit number."""


@dataclass(frozen=True)
class Field:
    """One field of a message.

    Attributes
    ----------
    name : str
    kind : type or mapping of int to Field
        `int` (64 bits with a sign), `str`, `bytes`, or the fields of a message by their numbers.
    many : bool
        Whether it may come more than once; its value is a list then.
    refused : str or None
        Why a file that has it is not read.
    """

    name: str
    kind: Any = bytes
    many: bool = False
    refused: str | None = None


def parse(data: bytes, schema: dict[int, Field], place: str = "the file") -> dict[str, Any]:
    """Return the fields of a message by name: values, lists of them, and dictionaries for messages.

    A field that is absent is 0, empty or, for a message, the message without fields.

    Raises
    ------
    ModelError
        The bytes are not a message of this schema; the text names the place.
    """
    return _Walk(MAX_FIELDS).message(data, schema, place)


class _Walk:
    """A walk through all messages of a file.

    Parameters
    ----------
    left : int
        Fields that may still come.
    """

    def __init__(self, left: int):
        self._left = left

    def message(self, data: bytes, schema: dict[int, Field], place: str) -> dict[str, Any]:
        found: dict[str, Any] = {field.name: [] for field in schema.values() if field.many}
        at = 0
        while at < len(data):
            key, at = _varint(data, at, place)
            if (field := schema.get(key >> 3)) is None:
                raise ModelError(f"{place} has a field (number {key >> 3}) that models do not have")
            if field.refused is not None:
                raise ModelError(f"{place} has {field.refused}, which is refused")
            self._left -= 1
            if self._left < 0:
                raise ModelError(f"a model of more than {MAX_FIELDS} fields")
            if key & 7 != (_NUMBER if field.kind is int else _BYTES):
                raise ModelError(f"{place}: {field.name} is of the wrong kind")
            value, at = _varint(data, at, place)
            if field.kind is not int:
                if value > len(data) - at:
                    raise ModelError(f"{place} ends within {field.name}")
                value, at = self._value(data[at : at + value], field), at + value
            if field.many:
                found[field.name].append(value)
            elif field.name in found:
                raise ModelError(f"{place}: {field.name} comes twice")
            else:
                found[field.name] = value if field.kind is not int else value - (value >> 63 << 64)
        return {field.name: self._absent(field) for field in schema.values() if field.name not in found} | found

    def _value(self, data: bytes, field: Field) -> Any:
        if isinstance(field.kind, dict):
            return self.message(data, field.kind, f"a {field.name}")
        try:
            return data.decode() if field.kind is str else data
        except UnicodeDecodeError:
            raise ModelError(f"a {field.name} is not text") from None

    def _absent(self, field: Field) -> Any:
        if field.refused is not None:
            return None
        return self.message(b"", field.kind, field.name) if isinstance(field.kind, dict) else field.kind()


def _varint(data: bytes, at: int, place: str) -> tuple[int, int]:
    """Return the unsigned number at an offset, and the offset behind it."""
    value, first = 0, at
    while at < len(data) and at - first < _LONGEST:
        byte = data[at]
        value |= (byte & 0x7F) << 7 * (at - first)
        at += 1
        if not byte & 0x80:
            if (byte == 0 and at - first > 1) or value >> 64:
                raise ModelError(f"{place} has a number in more bytes than it needs, which is refused")
            return value, at
    raise ModelError(f"{place} has a number without an end")
