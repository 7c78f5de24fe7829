"""Chunks for `reference.py`: docs/format.md, sections 3 to 5, 7 and 8, sample by sample."""

import itertools
import struct
import zlib

import numpy as np
from reference_maps import Map, read_maps
from reference_packed import read_packed

CONSTANT, IMPLANT, LINEAR, COPY = 0, 1, 2, 3


class Refused(ValueError):
    """The bytes are not a middleout file of version 1."""


def must(condition, message):
    if not condition:
        raise Refused(message)


def decode_chunk(payload, channels, bits, model):
    """Section 3: a list of frames, each a list of samples."""
    must(len(payload) >= 5, "a chunk's length")
    frames, coding = struct.unpack_from("<IB", payload)
    must(1 <= frames <= 2**24 and frames * channels <= 2**26, "a chunk's frames")
    body = payload[5:]
    if coding == 0:
        must(len(body) == frames * channels * bits // 8, "a stored chunk's length")
        flat = [b - 128 for b in body] if bits == 8 else struct.unpack(f"<{frames * channels}h", body)
        return [list(flat[i * channels : (i + 1) * channels]) for i in range(frames)]
    if coding == 3:
        from reference_spikes import decode_spikes

        return decode_spikes(body, frames, channels, bits, model)
    if coding == 4:
        from reference_short import decode_short

        return decode_short(body, frames, channels, bits, must)
    must(coding & ~248 == 1 and len(body) >= 7, "a chunk's coding")
    crc, segments = struct.unpack_from("<IH", body)
    bound, body = (body[6], body[7:]) if coding & 8 else (0, body[6:])
    must(bound > 0 or not coding & 8, "a chunk's bound")
    must(segments >= 1 and (segments - 1) * -(-frames // segments) < frames, "a chunk's segments")
    chunk = CodedChunk(body, frames, channels, segments, model, bound, coding)
    samples = chunk.decode()
    samples = [[part.value(q, must) for q, part in zip(row, chunk.maps, strict=True)] for row in samples]
    if bound:
        sources = zip(chunk.map_sources(), chunk.maps, strict=True)
        linear = [source is not None and part.slope is None for source, part in sources]
        samples = middles_of_bins(samples, linear, bits, bound)
    samples = [
        [part.sample(value, frame, must) for value, part in zip(row, chunk.maps, strict=True)]
        for frame, row in enumerate(samples)
    ]
    must(zlib.crc32(stored_bytes(samples, 16)) == crc, "a chunk's samples have another checksum")
    return samples


def middles_of_bins(samples, linear, bits, bound):
    """Section 3.2: samples of linear channels for the numbers of their bins."""
    top = 2 ** (bits - 1) - 1
    reconstruction = lambda q: min(max(q * (2 * bound + 1) + bound, -top - 1), top)  # noqa: E731
    return [[reconstruction(s) if bins else s for s, bins in zip(row, linear, strict=True)] for row in samples]


def implant_bins(bound):
    """Section 3.2: first code and decoded code of each bin of a implant channel."""
    step, first = 2 * bound + 1, 510
    bins = [(510, 510)] + [(v, min(v + bound, 1023)) for v in range(512, 1024, step)]
    while first > 0:
        bins.insert(0, (max(first - step, 0), max(first - 1 - bound, 0)))
        first -= step
    return bins


def stored_bytes(samples, bits):
    """Samples, one list per frame, as they lie in the original."""
    flat = [s for frame in samples for s in frame]
    return bytes(s + 128 for s in flat) if bits == 8 else struct.pack(f"<{len(flat)}h", *flat)


class Bits:
    """Reads bit strings, most significant bit first."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, width, signed=False):
        end = self.at + width
        must(end <= 8 * len(self.data), "a bit string ends early")
        first, last = self.at // 8, (end + 7) // 8
        value = int.from_bytes(self.data[first:last], "big") >> (8 * last - end) & (1 << width) - 1
        self.at = end
        return value - (1 << width) if signed and width and value >> (width - 1) else value

    def align(self):
        self.at = -(-self.at // 8) * 8

    def rest(self):
        self.align()
        return self.data[self.at // 8 :]


class CodedChunk:
    """One rANS-coded chunk."""

    def __init__(self, body, frames, channels, segments, model, bound=0, coding=0):
        self.frames, self.segments, self.model = frames, segments, model
        self.length = -(-frames // segments)
        reader = Bits(body)
        self.channels = read_channels(reader, channels, model, bound, coding)
        shifts = {channel.shift for channel in self.channels if channel.kind == LINEAR}
        must(len(shifts) < 2 or min(shifts) >= 0, "different Q6 units of linear channels")
        for number, channel in enumerate(self.channels):
            channel.check(number, self.channels)
        reader.align()
        self.maps = [Map() for _ in self.channels]
        if coding & 32:
            self.maps = read_maps(reader, self.map_sources(), frames, must)
        self.packed = {}
        if coding & 64:
            constant = [number for number, channel in enumerate(self.channels) if channel.kind == CONSTANT]
            self.packed = read_packed(reader, constant, frames, must)
        for channel in self.channels:
            channel.low = (
                [reader.take(channel.shift) for _ in range(frames)]
                if channel.kind == LINEAR and channel.shift > 0
                else []
            )
        reader.align()
        self.escapes = 0
        self.lanes = []
        for segment in range(segments):
            lanes = {
                n: Lane(x, segment * self.length) for n, x in enumerate(self.channels) if x.kind in (IMPLANT, LINEAR)
            }
            for lane in lanes.values():
                lane.references = [lanes[number] for number, *_ in lane.channel.references]
            self.lanes += lanes.values()
        self.set_order_levels()
        lengths = [reader.take(5) + 25 for _ in self.lanes]
        for lane, length in zip(self.lanes, lengths, strict=True):
            lane.state = reader.take(length - 1) | 1 << (length - 1)
        reader.align()
        if self.lanes:
            least = reader.take(reader.take(5))
            width = reader.take(5)
            for lane in self.lanes:
                lane.words = least + reader.take(width)
        words = reader.rest()
        must(len(words) == 4 * sum(lane.words for lane in self.lanes), "number of words")
        for lane in self.lanes:
            lane.words, words = iter(struct.unpack_from(f"<{lane.words}I", words)), words[4 * lane.words :]
        self.lanes.sort(key=lambda lane: lane.channel.order_level)

    def map_sources(self):
        """Section 4.4: for each channel which linear one it is, or is a copy of."""
        sources = [x.mean if x.kind == COPY else number for number, x in enumerate(self.channels)]
        return [source if self.channels[source].kind == LINEAR else None for source in sources]

    def set_order_levels(self):
        """Section 4: channels of level 0, then those that refer to these, and so on."""
        waiting = [channel for channel in self.channels if channel.references]
        for order_level in itertools.count(1):
            before = [channel for channel in self.channels if channel not in waiting]
            ready = [x for x in waiting if all(self.channels[p] in before for p, *_ in x.references)]
            for channel in ready:
                channel.order_level = order_level
                waiting.remove(channel)
            if not ready:
                break
        must(not waiting, "references in a circle")

    def decode(self):
        samples = [self.packed.get(n, [channel.mean] * self.frames) for n, channel in enumerate(self.channels)]
        for t in range(self.length if self.lanes else 0):
            for order_level in sorted({lane.channel.order_level for lane in self.lanes}):
                active = [
                    lane
                    for lane in self.lanes
                    if lane.channel.order_level == order_level and lane.start + t < self.frames
                ]
                rows = [lane.features(t) + (lane.messages() if self.model.has_messages else []) for lane in active]
                states = [lane.carried for lane in active]
                outputs, after = self.model.outputs(rows, states) if rows else ([], [])
                for lane, (offset, scale), lane.carried in zip(active, outputs, after, strict=True):
                    code, linear_value = lane.next(self.model, offset, scale)
                    if lane.channel.kind == LINEAR and code in (0, 1023):
                        sample = lane.raw()
                        self.escapes += 1
                    else:
                        sample = lane.channel.sample(code, linear_value, lane.start + t)
                    lane.learn(lane.channel.q6(sample, lane.channel.decoded(code)))
                    samples[self.channels.index(lane.channel)][lane.start + t] = sample
        for channel, values in zip(self.channels, samples, strict=True):
            values[:] = samples[channel.mean] if channel.kind == COPY else values
        must(all(lane.state == 1 << 24 for lane in self.lanes), "a state does not end at 2^24")
        must(all(next(lane.words, None) is None for lane in self.lanes), "words are left over")
        return [list(frame) for frame in zip(*samples, strict=True)]


def read_channels(reader, count, model, bound=0, coding=0):
    """Section 4: what describes every channel."""
    kinds, common = [reader.take(2) for _ in range(count)], None
    if sum(kind in (IMPLANT, LINEAR) for kind in kinds) > 1:
        common = Common(reader, coding & 8)
    return [Channel(kind, reader, model, bound, count if coding & 16 else 0, coding, common) for kind in kinds]


class Common:
    """Section 4: ranges of fields, and coefficients that are shared."""

    def __init__(self, reader, fine):
        self.coefficients, self.fine = None, fine
        fields = ("mean", 16, True), ("initial scale", 8, False), ("shift", 4, fine), ("magnitude bits", 5, False)
        self.ranges = {name: (reader.take(width, signed), reader.take(5)) for name, width, signed in fields}

    def take(self, reader, name, allowed):
        least, width = self.ranges[name]
        value = least + reader.take(width)
        must(value in allowed, f"a channel's {name}")
        return value


class Channel:
    """Section 4: what is fixed for a channel in a chunk."""

    def __init__(self, kind, reader, model, bound, channels, coding=0, sharing=None):
        self.kind, self.model, self.shift, self.order_level, self.references = kind, model, 0, 0, []
        self.adaptive = 0
        alone = sharing is None or kind in (CONSTANT, COPY)
        take = (
            (lambda name, width, allowed, signed=False: reader.take(width, signed))
            if alone
            else (lambda name, width, allowed, signed=False: sharing.take(reader, name, allowed))
        )
        means = range(1024) if kind == IMPLANT else range(-32768, 32768)
        self.mean = take("mean", 10 if kind == IMPLANT else 16, means, kind in (CONSTANT, LINEAR))
        if kind in (CONSTANT, COPY):
            return
        self.initial_scale, self.magnitude_bits = take("initial scale", 8, range(256)), 16
        if kind == LINEAR:
            self.shift = take("shift", 4, range(-8, 8) if coding & 8 else range(16), coding & 8)
            self.magnitude_bits = take("magnitude bits", 5, range(32))
        shared = sharing is not None and reader.take(1)
        if shared and sharing.coefficients:
            self.coefficients = sharing.coefficients
        else:
            widths = [reader.take(4) for _ in range(4)]
            self.coefficients = [reader.take(widths[i // 4], signed=True) for i in range(16)]
        if shared:
            sharing.coefficients = self.coefficients
        must(self.magnitude_bits <= 22, "a channel's reach")
        if channels:
            for _ in range(reader.take(3)):
                number, metric = reader.take(max(1, (channels - 1).bit_length())), reader.take(6, signed=True)
                width = reader.take(4)
                self.references.append((number, metric, [reader.take(width, signed=True) for _ in range(4)]))
        if coding & 128:
            self.adaptive = reader.take(1)
        self.set_levels(bound)

    def set_levels(self, bound):
        """Levels, bins and the Q6 value of the mean."""
        self.bound = bound
        finer = max(-self.shift, 0)
        linear_levels = [max(min(a << finer, 2**24), -(2**24)) for a in self.model.linear_levels]
        self.levels = self.model.implant_levels if self.kind == IMPLANT else linear_levels
        self.bins = implant_bins(bound) if bound and self.kind == IMPLANT else None
        if self.bins:
            self.levels = [self.levels[first] for first, _ in self.bins] + [2**24] * (1025 - len(self.bins))
        self.mean_q6 = self.q6(self.mean, self.mean)

    def decoded(self, code):
        """The code that a implant channel has where `code` was coded."""
        return self.bins[min(code, len(self.bins) - 1)][1] if self.bins else code

    def check(self, number, channels):
        """What a channel says of others."""
        if self.kind == COPY:
            must(self.mean < number and channels[self.mean].kind != COPY, "a copy")
        if self.kind in (CONSTANT, COPY):
            return
        heard = [reference for reference, *_ in self.references]
        must(len(heard) <= 4 and len(set(heard)) == len(heard), "a channel's references")
        must(
            all(p < len(channels) and p != number and channels[p].kind in (IMPLANT, LINEAR) for p in heard),
            "a channel's references",
        )
        total = sum(map(abs, self.coefficients)) * 2**self.magnitude_bits
        total += sum(sum(map(abs, h)) * 2 ** channels[p].magnitude_bits for p, _, h in self.references)
        must(total + 512 < 2**31, "a channel's coefficients")

    def q6(self, sample, code):
        if self.kind == IMPLANT:
            return self.model.reconstruction[code]
        return (2 * sample + 1 << 5 + max(-self.shift, 0)) >> max(self.shift, 0)

    def sample(self, code, linear_value, frame):
        """The sample that a code stands for; `grid_value` is q of section 4.2."""
        if self.kind == IMPLANT:
            return implant_sample(self.decoded(code) - 512)
        sample = linear_value << max(self.shift, 0) | (self.low[frame] if self.shift > 0 else 0)
        must(-32768 <= sample <= 32767, "a sample is out of range")
        return sample


def implant_sample(c):
    """Section 8, in integers: millionths."""
    if c < 0:
        return -implant_sample(-c - 1) - 1
    return (64_061_577 * c + 31_034_184 + 500_000) // 1_000_000


def clipped(residual):
    """Section 5.7: a residual in the units of the adaptive predictor."""
    return min(max(residual >> 2, -511), 511)


class Lane:
    """Sections 5 and 7: a channel within a segment."""

    def __init__(self, channel, start):
        self.channel, self.start = channel, start
        self.past = [0] * 16  # y, newest first
        self.residuals = [128] * 16  # q8 of e, oldest first
        self.means = [(16 + (channel.initial_scale & 15)) << ((channel.initial_scale + 128) >> 4)] * 3
        self.steps, self.references = 0, []
        self.message = [128] * 4  # n[t], n[t-1], n[t-2], L
        self.carried = [0] * channel.model.state  # section 5.6
        self.weights, self.recent = [0] * 32, [0] * 32  # section 5.7, newest first

    def messages(self):
        """Section 5.4: 8 bytes for each of four reference channels."""
        found = []
        for reference, (_, metric, _) in zip(self.references, self.channel.references, strict=True):
            products = [min(128 + (metric * (n - 128) >> 5), 255) for n in reference.message[:3]]
            found += [*reference.message, 128 + 4 * metric, *products]
        return found + [128] * (32 - len(found))

    def features(self, t):
        total = sum(c * y for c, y in zip(self.channel.coefficients, self.past, strict=True))
        for reference, (_, _, heard) in zip(self.references, self.channel.references, strict=True):
            must(reference.steps == t + 1, "a reference's time")
            total += sum(h * y for h, y in zip(heard, reference.past[:4], strict=True))
        self.prediction = (total + 512 >> 10) + self.adaptive_part()
        rows = [*self.residuals, q8(self.past[0] - self.prediction), *map(level, self.means)]
        self.level = rows[18]
        return rows

    def adaptive_part(self):
        """Section 5.7."""
        return sum(w * u for w, u in zip(self.weights, self.recent, strict=True)) + 2048 >> 12

    def adapt(self, residual):
        """Section 5.7: move the weights."""
        part = self.adaptive_part()
        power = sum(u * u for u in self.recent)
        quotient = np.float32(clipped(residual) << 14) / np.float32(power + 512 >> 3)
        moves = [u * int(quotient) + 512 >> 10 for u in self.recent]
        self.weights = [min(max(w + move, -32768), 32767) for w, move in zip(self.weights, moves, strict=True)]
        self.recent = [clipped(residual + part), *self.recent[:-1]]

    def next(self, model, offset, scale):
        """Decode a code; also gives q, if the channel is a linear channel and it is no escape."""
        location = self.channel.mean_q6 + self.prediction
        step = 64 << max(-self.channel.shift, 0)
        centre = (location + step // 2) // step if self.channel.kind == LINEAR else 0
        location += 4 * offset - step * centre
        slot = self.state & (1 << 20) - 1
        code, start, frequency = model.find(slot, self.channel.levels, location, scale)
        self.advance(slot - start, frequency)
        return code, code + centre - 512

    def raw(self):
        """A sample that is coded as it is."""
        slot = self.state & (1 << 20) - 1
        self.advance(slot & 15, 16)
        return (slot >> 4) - (slot >> 19 << 16)

    def advance(self, inside, frequency):
        self.state = frequency * (self.state >> 20) + inside
        if self.state < 1 << 24:
            word = next(self.words, None)
            must(word is not None, "too few words")
            self.state = self.state << 32 | word

    def learn(self, q6):
        y = q6 - self.channel.mean_q6
        residual = y - self.prediction
        if self.channel.adaptive:
            self.adapt(residual)
        self.past, self.steps = [y, *self.past[:-1]], self.steps + 1
        self.residuals = [*self.residuals[1:], q8(residual)]
        n = (min(max(residual, -32767), 32767) * INVERSE[self.level] >> 11) + 128
        self.message = [min(max(n, 0), 255), *self.message[:2], self.level]
        a = min(abs(residual), 65535)
        self.means = [m + ((a << 12) - m >> rate) for m, rate in zip(self.means, (4, 7, 11), strict=True)]


INVERSE = [round(2 ** (23 - (level + 128) / 16)) for level in range(256)]


def q8(difference):
    return min(max((difference >> 5) + 128, 0), 255)


def level(mean):
    q = mean >> 4
    if q == 0:
        return 0
    n = q.bit_length() - 1
    return min(max(16 * n + ((q << 4 >> n) & 15) - 128, 0), 255)
