"""What was used last, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from .locks import ForkSafeLock

_ENTRY = 250
"""Bytes that an entry takes besides its data: key, array and their places."""


class ByteCache:
    """Keep arrays and bytes by key, those that were used last. Threads may share it.

    Parameters
    ----------
    most : int
        Bytes to keep; 0 for nothing.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()
        self._held = 0
        self._lock = ForkSafeLock()

    def get(self, keys: Iterable[Hashable]) -> dict[Hashable, Any]:
        """Return what is kept of some keys."""
        found = {}
        with self._lock:
            for key in keys:
                if key in self._entries:
                    self._entries.move_to_end(key)
                    found[key] = self._entries[key]
        return found

    def put(self, values: Mapping[Hashable, Any]) -> None:
        """Keep contiguous arrays or bytes; what was not used for longest goes. They must own their memory."""
        with self._lock:
            for key, value in values.items():
                size = _size(value)
                if size > self.most:
                    continue
                if key in self._entries:
                    self._held -= _size(self._entries.pop(key))
                self._entries[key] = value
                self._held += size
                while self._held > self.most and self._entries:
                    self._held -= _size(self._entries.popitem(last=False)[1])


def _size(value: Any) -> int:
    return memoryview(value).nbytes + _ENTRY
