"""A second decoder of streams, from docs/format.md section 11: packets of a whole stream at once."""

import struct
import zlib

import zstandard
from reference_chunk import IMPLANT, LINEAR, Channel, Lane, Refused, middles_of_bins, must, stored_bytes
from reference_rice import decode_body
from reference_spikes import decode_spikes

HEAD = 12


def decode(data, model):
    """All frames of a stream that can be decoded.

    Parameters
    ----------
    data : bytes, perhaps damaged
    model : Model

    Returns
    -------
    dict of frame number to list of samples, and the number of frames of the stream (None if it has no last packet)
    """
    groups, size, end = {}, None, None
    for packet in packets(data):
        group = groups.setdefault(packet["group"], Group(model))
        try:
            group.take(packet)
        except Refused:
            group.expected = None
        size = group.block if group.block else size
        if packet["last"] and group.end is not None:
            end = group.end
    if size is None:
        return {}, None
    frames = {}
    for block in range(max(group.magnitude_bits for group in groups.values())):
        parts = [groups[number].blocks.get(block) for number in sorted(groups)]
        if None not in parts and len(parts) == groups[0].groups:
            for i, rows in enumerate(zip(*parts, strict=True)):
                frames[block * size + i] = [s for row in rows for s in row]
    return frames, end


def packets(data):
    """Section 11.1: packets with right checksums, in the order in which they come."""
    at = 0
    while (at := data.find(b"\xa7\x4d", at)) >= 0:
        head = data[at : at + HEAD]
        size = int.from_bytes(head[8:11], "little") + HEAD + 4
        whole = data[at : at + size]
        good = len(head) == HEAD and head[11] == zlib.crc32(head[:11]) & 255 and len(whole) == size
        if not good or zlib.crc32(whole[:-4]) != int.from_bytes(whole[-4:], "little"):
            at += 1
            continue
        kind, stream, sequence = struct.unpack_from("<BBI", head, 2)
        flags = {"group": kind & 63, "key": bool(kind & 64), "last": bool(kind & 128)}
        yield {**flags, "stream": stream, "sequence": sequence, "payload": whole[HEAD:-4]}
        at += size


class Group:
    """A group of channels."""

    def __init__(self, model):
        self.model, self.block, self.magnitude_bits, self.expected, self.blocks, self.end = (
            model,
            None,
            0,
            None,
            {},
            None,
        )

    def take(self, packet):
        block, payload = packet["sequence"], packet["payload"]
        if block < self.magnitude_bits:
            return
        self.magnitude_bits = block + 1
        if packet["key"]:
            payload = self.begin(payload, self.expected == block)
        elif packet["last"] and self.block:
            self.end = block * self.block + int.from_bytes(payload[:2], "little")
        if self.block and self.activity:
            self.blocks[block] = self.chunk(payload, packet["last"])
            if packet["last"]:
                self.end = block * self.block + len(self.blocks[block])
            return
        if not packet["key"] and self.expected != block:
            return
        frames = self.block
        if packet["last"]:
            frames, payload, after = int.from_bytes(payload[:2], "little"), payload[2:-4], payload[-4:]
            must(frames < self.block, "too many frames in a last packet")
        rows = decode_body(payload, self.lanes, frames, self.model) if frames else []
        if self.bound:
            rows = middles_of_bins(rows, self.channels, 16, self.bound)
        self.crc = zlib.crc32(stored_bytes(rows, 16), self.crc)
        if packet["last"]:
            must(after == struct.pack("<I", self.crc), "samples have another checksum")
            self.end = block * self.block + frames
        self.blocks[block], self.expected = rows, block + 1

    def chunk(self, payload, last):
        """Section 11.4: the frames of a packet of activity mode."""
        frames = self.block
        if last:
            frames, payload = int.from_bytes(payload[:2], "little"), payload[2:]
            must(frames < self.block, "too many frames in a last packet")
        if not frames:
            must(not payload, "a packet without frames holds something")
            return []
        must(payload[:5] == struct.pack("<IB", frames, 3) and payload[11] >= self.bound, "a packet's chunk")
        return decode_spikes(payload[5:], frames, self.count, 16, self.model)

    def begin(self, payload, going_on):
        """Sections 11.2 and 11.3; the rest of the payload."""
        version, model, rate, block, period, self.bound, groups, channels, first, count = struct.unpack_from(
            "<B16sIHIBBHHH", payload
        )
        must(version in (1, 2) and period > 0 and 0 < count <= channels - first, "a description's values")
        self.block, self.groups, self.count, self.activity = block + 1, groups + 1, count, version == 2
        if self.activity:
            return payload[35:]
        coding, size = struct.unpack_from("<BI", payload, 35)
        side, rest = payload[40 : 40 + size], payload[40 + size :]
        if coding:
            side = zstandard.ZstdDecompressor().decompress(side)
        must(len(side) == 38 * count, "the side information's size")
        self.channels = [StreamChannel(side[38 * i : 38 * i + 38], self.model, self.bound) for i in range(count)]
        self.lanes = [Lane(channel, 0) for channel in self.channels]
        if going_on:
            must(rest[:4] == struct.pack("<I", self.crc), "samples have another checksum")
        self.crc = 0
        return rest[4:]


class StreamChannel(Channel):
    """A channel from a record of section 11.3."""

    def __init__(self, record, model, bound):
        self.kind, self.initial_scale, self.shift, self.magnitude_bits, self.mean, *self.coefficients = struct.unpack(
            "<4Bh16h", record
        )
        must(self.kind in (IMPLANT, LINEAR) and self.magnitude_bits <= 22, "a record's values")
        self.model, self.order_level, self.references = model, 0, []
        self.check(0, [])
        self.set_levels(bound)
