"""Packed channels for `reference_chunk.py`: docs/format.md, section 4.5."""

import itertools
import struct

import zstandard


def read_packed(reader, constant, frames, must):
    """Samples of packed channels, by channel."""
    channels = [number for number in constant if reader.take(1)]
    reader.align()
    size = int.from_bytes(bytes(reader.take(8) for _ in range(4)), "little")
    must(channels and 0 < size, "packed channels")
    must(size <= len(reader.rest()), "packed channels")
    frame = reader.rest()[:size]
    reader.at += 8 * size
    try:
        body = Body(zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False), must)
        must(len(body.data) == zstandard.get_frame_parameters(frame).content_size, "a zstd frame")
    except zstandard.ZstdError as error:
        must(False, f"a zstd frame: {error}")
    found = {channel: samples_of(body, frames, must) for channel in channels}
    must(not body.data, "bytes behind the packed channels")
    return found


class Body:
    """Bytes that are read from the front."""

    def __init__(self, data, must):
        self.data, self.must = data, must

    def take(self, size):
        self.must(size <= len(self.data), "packed channels end early")
        part, self.data = self.data[:size], self.data[size:]
        return part

    def numbers(self, count, size):
        """Low bytes, then high bytes."""
        planes = [self.take(count) for _ in range(size)]
        return [sum(byte << 8 * i for i, byte in enumerate(some)) for some in zip(*planes, strict=True)]


def samples_of(body, frames, must):
    form, values = struct.unpack("<BH", body.take(3))
    values += 1
    must(form < 4 and values <= frames, "a packed channel's form")
    table = struct.unpack(f"<{values}h", body.take(2 * values))
    runs = int.from_bytes(body.take(4), "little") if form & 2 else frames
    must(1 <= runs <= frames, "runs")
    numbers = body.numbers(runs, 2 if values > 256 else 1)
    must(max(numbers) < values, "a value")
    lengths = [n + 1 for n in body.numbers(runs, 2)] if form & 2 else [1] * runs
    must(sum(lengths) == frames, "lengths of runs")
    samples = [table[n] for n, length in zip(numbers, lengths, strict=True) for _ in range(length)]
    if form & 1:
        samples = [(total + 32768) % 65536 - 32768 for total in itertools.accumulate(samples)]
    return samples
