"""Making checksums right again, so that changes reach what is behind them."""

from __future__ import annotations

import struct
import zlib

from runtime.container.blocks import BLOCK_HEAD, MAGIC, block_crc
from runtime.predictor.model import CRC_FIELD
from runtime.streaming.packets import HEAD_BYTES, OVERHEAD, PACKETS

_CRC = struct.Struct("<I")


def of_blocks(data: bytes) -> bytes:
    """Return a coded file with the right checksum in every block, up to where lengths do not fit any more."""
    made, at, sequence, header_crc = bytearray(data), len(MAGIC) + 1, 0, 0
    while at + BLOCK_HEAD + _CRC.size <= len(made):
        end = at + BLOCK_HEAD + int.from_bytes(made[at + 1 : at + BLOCK_HEAD], "little")
        if end + _CRC.size > len(made):
            break
        crc = block_crc(sequence, header_crc, bytes(made[at : at + 1]), bytes(made[at + BLOCK_HEAD : end]))
        made[end : end + _CRC.size] = _CRC.pack(crc)
        header_crc = header_crc or crc
        at, sequence = end + _CRC.size, sequence + 1
    return bytes(made)


def of_packets(data: bytes) -> bytes:
    """Return a stream with the right checks in every packet that begins with the marker."""
    made, at = bytearray(data), data.find(PACKETS)
    while 0 <= at <= len(made) - OVERHEAD:
        end = at + OVERHEAD + int.from_bytes(made[at + HEAD_BYTES - 4 : at + HEAD_BYTES - 1], "little")
        if end > len(made):
            break
        made[at + HEAD_BYTES - 1] = zlib.crc32(made[at : at + HEAD_BYTES - 1]) & 255
        made[end - _CRC.size : end] = _CRC.pack(zlib.crc32(made[at : end - _CRC.size]))
        at = made.find(PACKETS, end)
    return bytes(made)


def of_model(data: bytes) -> bytes:
    """Return a model file with the right checksum, if it has the place for one."""
    start = data.find(CRC_FIELD) + len(CRC_FIELD)
    if start < len(CRC_FIELD) or start + 8 > len(data):
        return data
    plain = data[:start] + b"0" * 8 + data[start + 8 :]
    return data[:start] + b"%08x" % zlib.crc32(plain) + data[start + 8 :]


def of_tail(data: bytes) -> bytes:
    """Return bytes that end with the CRC-32 of all others."""
    return data[:-4] + _CRC.pack(zlib.crc32(data[:-4]))
