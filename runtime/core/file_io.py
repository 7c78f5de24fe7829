"""Reading from files that may be pipes."""

from __future__ import annotations

import os
from typing import BinaryIO

_READ_STEP = 1 << 22


def read_up_to(file: BinaryIO, count: int) -> bytes:
    """Read `count` bytes, fewer only at the end of the file; what is allocated follows what is there."""
    pieces = []
    while count > 0:
        piece = file.read(min(count, _READ_STEP))
        if not piece:
            break
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def skip_bytes(file: BinaryIO, count: int) -> None:
    """Pass over bytes of a file, which may be a pipe."""
    if file.seekable():
        file.seek(count, os.SEEK_CUR)
        return
    while count > 0 and (piece := file.read(min(count, _READ_STEP))):
        count -= len(piece)
