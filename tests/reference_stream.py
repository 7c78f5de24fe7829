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
    stream = Stream(model)
    for packet in packets(data):
        if stream.number not in (None, packet["stream"]):
            continue
        stream.number = packet["stream"]
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
        good = len(head) == HEAD and head[11] == zlib.crc32(head[:11]) & 255 and len(whole) == size and head[2] < 4
        if not good or zlib.crc32(whole[:-4]) != int.from_bytes(whole[-4:], "little"):
            at += 1
            continue
        flags, stream, sequence = struct.unpack_from("<BBI", head, 2)
        flags = {"key": bool(flags & 1), "last": bool(flags & 2)}
        yield {**flags, "stream": stream, "sequence": sequence, "payload": whole[HEAD:-4]}
        at += size


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
