"""Inputs made of others by chance, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_ODD = (0, 1, 0x7F, 0x80, 0xFF, 0xFE, 0x40, 0x20)


def mutated(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Return one of the seeds, changed in one to six places."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        rng.choice(_CHANGES)(data, seeds, rng)
    return bytes(data)


def _place(data: bytearray, rng: random.Random) -> int:
    """Return a place, more often one near the beginning."""
    most = len(data) if rng.random() < 0.5 else min(len(data), 64)
    return rng.randrange(max(most, 1))


def _bit(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    if data:
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _byte(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    if data:
        data[_place(data, rng)] = rng.choice(_ODD) if rng.random() < 0.5 else rng.randrange(256)


def _number(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    """Write a number of 2, 4 or 8 bytes near a power of two."""
    size, at = rng.choice((2, 4, 8)), _place(data, rng)
    value = (1 << rng.randrange(8 * size)) + rng.randrange(-2, 3)
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, rng.choice(("little", "big")))


def _cut(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _remove(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    del data[at : at + rng.choice((1, 1, 2, 4, 30))]


def _insert(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = rng.randbytes(rng.choice((1, 1, 2, 4, 30)))


def _repeat(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    piece = data[at : at + rng.randrange(1, 40)]
    data[at:at] = piece * rng.choice((1, 1, 3))


def _splice(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    """Go on with a part of another seed."""
    other, at = rng.choice(seeds), _place(data, rng)
    start = rng.randrange(max(len(other), 1))
    data[at : at + rng.choice((8, 64, len(data)))] = other[start : start + rng.choice((8, 64, len(other)))]


_CHANGES: tuple[Callable[[bytearray, Sequence[bytes], random.Random], None], ...]
_CHANGES = (_bit, _bit, _byte, _byte, _number, _cut, _remove, _insert, _repeat, _splice)
