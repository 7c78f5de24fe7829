"""The split of recordings into training and validation, by their names."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

VALIDATION = 100  # recordings, at most

Pair = tuple[str, str]
"""Names of channels recorded at the same time."""


def read_pairs(path: str | Path | None) -> list[Pair]:
    """Read pairs of names recorded at the same time, from a JSON list of [name, name, ...]; none without a file."""
    if path is None or not Path(path).exists():
        return []
    return [(row[0], row[1]) for row in json.loads(Path(path).read_text())]


def split(
    names: Iterable[str], pairs: Iterable[Pair] = (), validation: int = VALIDATION
) -> tuple[list[str], list[str]]:
    """Split recordings into training and validation, simultaneous channels on the same side.

    Groups of simultaneous channels are ordered by the SHA-256 of a member's name, so the split depends on names and
    pairs alone; the first groups, until `validation` names are reached, are for validation.

    Returns
    -------
    training, validation : lists of str, sorted
    """
    parent = {name: name for name in sorted(names)}

    def root(name):
        while parent[name] != name:
            name = parent[name]
        return name

    for a, b in pairs:
        if a in parent and b in parent:
            parent[root(a)] = root(b)
    groups = {}
    for name in parent:
        groups.setdefault(root(name), []).append(name)
    held: set[str] = set()
    for key in sorted(groups, key=lambda k: hashlib.sha256(k.encode()).hexdigest()):
        if len(held) >= validation:
            break
        held.update(groups[key])
    return [n for n in parent if n not in held], sorted(held)


def held_out(names: Sequence[str], pairs: Iterable[Pair] = ()) -> set[str]:
    """Return the names kept from training: a fifth of the recordings, `VALIDATION` at most, at least one."""
    return set(split(names, pairs, max(1, min(VALIDATION, len(names) // 5)))[1])


def validation_names(folder: str | Path, pairs: str | Path | None = None, validation: int = VALIDATION) -> list[str]:
    """Return the names of the validation recordings among the WAV files of a folder; `pairs` is a path."""
    names = [p.stem for p in sorted(Path(folder).glob("*.wav"))]
    return split(names, read_pairs(pairs), validation)[1]
