"""Short chunks for `reference.py`: docs/format.md, section 3.4."""

import struct
import zlib


def varint(data, at, must):
    value, shift = 0, 0
    while True:
        must(at < len(data) and shift < 63, "a varint")
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            must(byte or shift == 7, "a varint's last byte")
            return value, at


class Binary:
    """Decodes bits."""

    def __init__(self, data):
        self.data, self.low, self.high, self.taken = data, 0, 2**32 - 1, 4
        self.value = int.from_bytes(data[:4] + bytes(4 - len(data[:4])), "big")

    def bit(self, chance=32768):
        middle = self.low + (self.high - self.low) * chance // 65536
        found = int(self.value > middle)
        if found:
            self.low = middle + 1
        else:
            self.high = middle
        while self.low // 2**24 == self.high // 2**24:
            following = self.data[self.taken] if self.taken < len(self.data) else 0
            self.taken += 1
            self.value = self.value % 2**24 * 256 + following
            self.low, self.high = self.low % 2**24 * 256, self.high % 2**24 * 256 + 255
        return found

    def number(self, width):
        value = 0
        for _ in range(width):
            value = 2 * value + self.bit()
        return value


class Sizes:
    """Decodes sizes of errors, of which the mean is known in sixteenths."""

    def __init__(self, coder):
        self.coder, self.chances = coder, {}

    def next(self, mean, must):
        level = mean.bit_length() - 1
        shift = max(level - 5, 0)
        context = min(level, 5), mean * 4 // 2**level % 4
        steps = 0
        while steps < 24 and self._more((*context, steps), mean, shift):
            steps += 1
        if steps == 24:
            length = 0
            while length < 17 and self.coder.bit():
                length += 1
            steps += 2**length - 1 + self.coder.number(length)
        return steps * 2**shift + self.coder.number(shift)

    def _more(self, key, mean, shift):
        unit = 16 * 2**shift
        chance, seen = self.chances.get(key, (clip(unit * 65536 // (unit + mean), 64, 65472), 0))
        bit, seen = self.coder.bit(chance), min(seen + 1, 120)
        self.chances[key] = clip(chance + ((0 if bit else 65536) - chance) // (seen + 1), 64, 65472), seen
        return bit


def clip(value, least, most):
    return max(least, min(value, most))


def decode_short(body, frames, channels, bits, must):
    """Section 3.4: a list of frames, each a list of samples."""
    must(frames * channels <= 2**17 and len(body) >= 4, "a short chunk's length")
    (crc,) = struct.unpack_from("<I", body)
    step, at = varint(body, 4, must)
    step, rate = step // 8, step % 8
    offset, at = varint(body, at, must)
    must(1 <= step <= 65535 and offset < step, "a short chunk's step")
    coder = Binary(bytes(body[at:]))
    must(not coder.data.endswith(b"\0"), "a short chunk's end")
    rows = decode_rows(coder, frames, channels, rate, must)
    must(len(coder.data) <= coder.taken, "a short chunk's end")
    samples = [[q * step + offset for q in frame] for frame in zip(*rows, strict=True)]
    flat = [s for frame in samples for s in frame]
    must(min(flat) >= -(2 ** (bits - 1)) and max(flat) < 2 ** (bits - 1), "a short chunk's samples")
    must(zlib.crc32(struct.pack(f"<{len(flat)}h", *flat)) == crc, "a chunk's samples have another checksum")
    return samples


def decode_rows(coder, frames, channels, rate, must):
    """The numbers of each channel."""
    sizes, weights, mean, rows = Sizes(coder), [0] * 10, 256, []
    for c in range(channels):
        row = []
        rows.append(row)
        for t in range(frames):
            difference = lambda k, i: rows[k][i] - rows[k][i - 1] if k >= 0 and i >= 1 else 0  # noqa: E731
            d = [difference(c, t - i) for i in range(1, 7)]
            d += [difference(c - k, t - j) if t else 0 for k in (1, 2) for j in (0, 1)]
            before = row[t - 1] if t else rows[c - 1][0] if c else 0
            total = sum(w * x for w, x in zip(weights, d, strict=True))
            guess = clip(before + (total + 32768) // 65536, -32768, 32767)
            size = sizes.next(max(mean, 1) if t else 16 * (mean + 1), must)
            error = -size if size and coder.bit() else size
            row.append(guess + error)
            must(-32768 <= row[t] <= 32767, "a number of a short chunk")
            if t:
                gain = error * 65536 // (sum(x * x for x in d) + mean * mean // 256 + 16)
                weights = [clip(w + x * gain // 2**rate, -(2**20), 2**20) for w, x in zip(weights, d, strict=True)]
                mean += (16 * size - mean) // (2 if t == 1 else 4 if t < 8 else 16)
    return rows
