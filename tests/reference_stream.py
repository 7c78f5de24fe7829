"""A second decoder of streams, from docs/format.md section 11: packets of a whole stream at once."""

import struct
import zlib

import zstandard
from reference_chunk import IMPLANT, LINEAR, Bits, Lane, Refused, middles_of_bins, must, read_channels, stored_bytes
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
    stream, found = Stream(model), list(packets(data))
    found = [packet for packet in found if packet["stream"] == found[0]["stream"]]
    for packet in in_order(found) if found and found[0]["group"] else found:
        try:
            stream.take(packet)
        except Refused:
            stream.expected = None
    frames = {}
    for block, rows in stream.blocks.items():
        frames |= {block * stream.block + i: row for i, row in enumerate(rows)}
    return frames, stream.end


def packets(data):
    """Section 11.1: packets with right checksums, in the order in which they come."""
    at = 0
    while (at := data.find(b"\xa7\x4d", at)) >= 0:
        head = data[at : at + HEAD]
        size = int.from_bytes(head[8:11], "little") + HEAD + 4
        whole = data[at : at + size]
        good = len(head) == HEAD and head[11] == zlib.crc32(head[:11]) & 255 and len(whole) == size
        good = good and (not head[2] & 4 or head[2] >= 8 and not head[2] & 3)
        if not good or zlib.crc32(whole[:-4]) != int.from_bytes(whole[-4:], "little"):
            at += 1
            continue
        yield fields(whole)
        at += size


def fields(whole):
    """The fields of a packet."""
    flags, stream, sequence = struct.unpack_from("<BBI", whole, 2)
    kinds = {"key": bool(flags & 1), "last": bool(flags & 2), "parity": bool(flags & 4), "group": flags >> 3}
    return {**kinds, "stream": stream, "sequence": sequence, "payload": whole[HEAD:-4], "whole": whole}


def in_order(found):
    """Section 11.5: packets of a stream with parity, in order, and those that parity restores."""
    blocks = {}
    for packet in reversed(found):
        if not packet["parity"] and packet["group"] == found[0]["group"]:
            blocks[packet["sequence"]] = packet
    for packet in found:
        if packet["parity"]:
            restore(packet, blocks)
    return [blocks[number] for number in sorted(blocks)]


def record(whole):
    """A packet's flags, length, crc and payload."""
    return whole[2:3] + whole[8:11] + whole[-4:] + whole[HEAD:-4]


def restore(parity, blocks):
    """Put the one packet into `blocks` that a group lacks, if parity gives it."""
    first, (count, check), bits = (
        parity["sequence"],
        struct.unpack_from("<BI", parity["payload"]),
        parity["payload"][5:],
    )
    numbers = range(first, first + count)
    lost = [number for number in numbers if number not in blocks]
    if len(lost) != 1 or first % parity["group"] or count > parity["group"] or first + count > 1 << 32:
        return
    for number in numbers:
        other = record(blocks[number]["whole"]) if number in blocks else b""
        size = max(len(bits), len(other))
        bits = bytes(a ^ b for a, b in zip(bits.ljust(size, b"\0"), other.ljust(size, b"\0")))
    end = 8 + int.from_bytes(bits[1:4], "little")
    head = struct.pack("<2sBBI3s", b"\xa7\x4d", bits[0], parity["stream"], lost[0], bits[1:4])
    whole = head + bytes([zlib.crc32(head) & 255]) + bits[8:end]
    whole += struct.pack("<I", zlib.crc32(whole))
    same = bits[0] >> 3 == parity["group"] and not bits[0] & 4 and whole[-4:] == bits[4:8]
    if not same or len(bits) < end or any(bits[end:]):
        return
    crcs = [whole[-4:] if number == lost[0] else blocks[number]["whole"][-4:] for number in numbers]
    if zlib.crc32(b"".join(crcs)) == check:
        blocks[lost[0]] = fields(whole)


class Stream:
    """A stream's state."""

    def __init__(self, model):
        self.model, self.number, self.block, self.behind = model, None, None, 0
        self.expected, self.blocks, self.end = None, {}, None

    def take(self, packet):
        block, payload = packet["sequence"], packet["payload"]
        if block < self.behind:
            return
        self.behind = block + 1
        if packet["key"]:
            payload = self.begin(payload, self.expected == block)
        elif packet["last"] and self.block:
            self.end = block * self.block + int.from_bytes(payload[:2], "little")
        if self.block and self.spikes:
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
            rows = middles_of_bins(rows, [channel.kind == LINEAR for channel in self.channels], 16, self.bound)
        self.crc = zlib.crc32(stored_bytes(rows, 16), self.crc)
        if packet["last"]:
            must(after == struct.pack("<I", self.crc), "samples have another checksum")
            self.end = block * self.block + frames
        self.blocks[block], self.expected = rows, block + 1

    def chunk(self, payload, last):
        """Section 11.4: the frames of a packet of spike mode."""
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
        version, model, rate, block, period, self.bound, self.count = struct.unpack_from("<B8sIHIBH", payload)
        must(version in (1, 2) and period > 0 and self.count > 0, "a description's values")
        self.block, self.spikes = block + 1, version == 2
        if self.spikes:
            return payload[22:]
        coding, size = struct.unpack_from("<BI", payload, 22)
        side, rest = payload[27 : 27 + size], payload[27 + size :]
        reader = Bits(zstandard.ZstdDecompressor().decompress(side) if coding else side)
        self.channels = read_channels(reader, self.count, self.model, self.bound)
        must({channel.kind for channel in self.channels} <= {IMPLANT, LINEAR}, "a channel's kind")
        for number, channel in enumerate(self.channels):
            channel.check(number, self.channels)
        must(reader.rest() == b"", "something follows the parameters")
        self.lanes = [Lane(channel, 0) for channel in self.channels]
        if going_on:
            must(rest[:4] == struct.pack("<I", self.crc), "samples have another checksum")
        self.crc = 0
        return rest[4:]
