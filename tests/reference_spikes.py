"""Spike chunks for `reference.py`: docs/format.md section 12, sample by sample."""

import struct
import zlib

from reference_chunk import Bits, implant_sample, level, must, q8, stored_bytes


class Distribution:
    """How likely the classes of a number are (section 12.1)."""

    def __init__(self):
        self.counts = [1] * 32

    def find(self, slot):
        total, number = sum(self.counts), 0
        while slot >= (sum(self.counts[: number + 1]) << 20) // total:
            number += 1
        start, end = ((sum(self.counts[:n]) << 20) // total for n in (number, number + 1))
        self.counts[number] += 24
        if total + 24 > 1 << 13:
            self.counts = [count + 1 >> 1 for count in self.counts]
        return number, start, end - start


class Symbols:
    """The numbers of section 12.1, from one state and its words."""

    def __init__(self, data):
        (self.state,), self.words = take_states(Bits(data), 1)

    def step(self, start, frequency):
        self.state = frequency * (self.state >> 20) + (self.state & 0xFFFFF) - start
        if self.state < 1 << 24:
            must(self.words, "too few words of numbers")
            self.state = self.state << 32 | self.words.pop()

    def bits(self, width):
        value = 0
        while width:
            some = min(width, 16)
            width -= some
            part = (self.state & 0xFFFFF) >> 20 - some
            self.step(part << 20 - some, 1 << 20 - some)
            value = value << some | part
        return value

    def small(self, distribution):
        c, start, frequency = distribution.find(self.state & 0xFFFFF)
        self.step(start, frequency)
        return c

    def number(self, distribution):
        c = self.small(distribution)
        return (1 << c) - 1 + self.bits(c)

    def sparse(self, count):
        values, at = [0] * count, 0
        skips, sizes = Distribution(), Distribution()
        for _ in range(self.number(Distribution())):
            at += self.number(skips)
            must(at < count, "a number for something that is not there")
            z = self.number(sizes)
            values[at] = -(z + 1 >> 1) if z & 1 else (z >> 1) + 1
            at += 1
        return values

    def near(self, count, width):
        usual = self.bits(width)
        values = [usual + more for more in self.sparse(count)]
        must(all(0 <= value < 1 << width for value in values), "a parameter of a channel")
        return values

    def residuals(self, rows, count):
        first, later, large = Distribution(), Distribution(), Distribution()
        sizes = [[self.small(later if n else first) for n in range(count)] for _ in range(rows)]
        signs = [[self.bits(1) if size else 0 for size in row] for row in sizes]
        sizes = [[size + self.number(large) if size == 31 else size for size in row] for row in sizes]
        return [[-a if b else a for a, b in zip(*pair, strict=True)] for pair in zip(sizes, signs, strict=True)]

    def finish(self):
        must(not self.words and self.state == 1 << 24, "numbers do not end where they should")


def varint(data, at):
    value = shift = 0
    while True:
        must(at < len(data) and shift < 63, "a number's end")
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            must(byte or shift == 7, "a number in more bytes than it needs")
            return value, at


def decode_spikes(body, frames, channels, bits, model):
    """A list of frames, each a list of samples; `body` is what follows the coding byte."""
    must(len(body) >= 8, "a spike chunk's length")
    crc, lanes, bound, flags = struct.unpack_from("<IHBB", body)
    numbers, at = [], 8
    for _ in range(6):
        number, at = varint(body, at)
        numbers.append(number)
    _, before, after, lift, folded, size = numbers
    base = -(folded + 1 >> 1) if folded & 1 else folded >> 1
    must(not flags & 12 and before and after and lanes <= 4096, "a spike chunk's head")
    must(max(numbers[:5]) < 1 << 16 and size <= len(body) - at, "a spike chunk's plan")
    units = Units(model, bound, flags & 1, flags >> 4, bits)
    must((units.linear or not units.shift) and units.low <= base <= -1 - units.low, "a spike chunk's head")
    must(units.linear or bits == 16, "an implant's table of 8 bits")
    plan = read_plan(body[at : at + size], frames, channels, base, before, after, units)
    windows = [window for channel in plan for window in channel["windows"]]
    must(bool(lanes) == bool(windows), "a spike chunk's lanes")
    rest = body[at + size :]
    if flags & 2:
        curves, rest = field_potential(rest, frames, channels)
        for channel, curve in zip(plan, curves, strict=True):
            channel["curve"] = curve
    decode_windows(plan, lanes, units, rest)
    columns = [[units.sample(v) for v in draw(channel, frames, base, before, lift, units)] for channel in plan]
    samples = [list(frame) for frame in zip(*columns, strict=True)]
    must(zlib.crc32(stored_bytes(samples, 16)) == crc, "a spike chunk's samples have another checksum")
    return samples


class Units:
    """Values, bins and Q6 units."""

    def __init__(self, model, bound, linear, shift, bits):
        self.model, self.bound, self.linear, self.shift = model, bound, linear, shift
        self.low = -(1 << bits - 1) if linear else -512
        first, self.codes = [], []
        step = 2 * bound + 1
        below = list(range(510, 0, -step))
        for top in reversed(below if bound else []):
            first.append(max(top - step, 0))
            self.codes.append(max(top - 1 - bound, 0))
        for start in [510, *range(512, 1024, step)] if bound else []:
            first.append(start)
            self.codes.append(start if start == 510 else min(start + bound, 1023))
        if not bound:
            first = self.codes = list(range(1024))
        levels = [model.implant_levels[f] for f in first] + [1 << 24] * (1025 - len(first))
        self.levels = model.linear_levels if linear else [-(1 << 24), *levels[1:]]

    def value(self, q):
        if not self.linear:
            return self.codes[min(q, len(self.codes) - 1)] - 512
        return min(max(q * (2 * self.bound + 1) + self.bound, self.low), -1 - self.low)

    def q6(self, q):
        if not self.linear:
            return self.model.reconstruction[self.value(q) + 512]
        return (2 * q + 1 << 5) >> self.shift

    def level_q6(self, value):
        value = min(max(value, self.low), -1 - self.low)
        return self.q6(value // (2 * self.bound + 1)) if self.linear else self.model.reconstruction[value + 512]

    def sample(self, value):
        return value if self.linear else implant_sample(value)


def read_plan(data, frames, channels, base, before, after, units):
    """Section 12.1."""
    reader, gaps = Symbols(data), Distribution()
    plan = [{"windows": [], "curve": None} for _ in range(channels)]
    width, place, used = frames + before + after, 0, []
    count = reader.bits(24)
    must(count <= 8 * len(data), "a number of spikes")
    for _ in range(count):
        place += reader.number(gaps) + 1
        number, e = divmod(place, width)
        must(number < channels and e, "a spike's place")
        channel = plan[number]
        start, end = max(e - after - before, 0), min(e, frames)
        if channel["windows"] and start <= channel["windows"][-1]["start"] + channel["windows"][-1]["length"] + 6:
            channel["windows"][-1]["length"] = end - channel["windows"][-1]["start"]
        else:
            channel["windows"].append({"channel": channel, "start": start, "length": end - start})
        if not used or used[-1] is not channel:
            used.append(channel)
    for channel, scale in zip(used, reader.near(len(used), 7), strict=True):
        channel["scale"] = scale
    windows = [window for channel in plan for window in channel["windows"]]
    for window, correction in zip(windows, reader.sparse(len(windows)), strict=True):
        window["correction"] = correction
        must(abs(correction) <= 255, "a correction pulse's height")
    for channel, more in zip(plan, reader.sparse(channels), strict=True):
        channel["level"] = base + more
        must(units.low <= base + more <= -1 - units.low, "a channel's level")
    must(all(0 <= raised < 256 for raised in reader.sparse(channels)), "a channel's threshold")
    reader.finish()
    return plan


def decode_windows(plan, lanes, units, data):
    """Section 12.2: fills in `values`."""
    windows = [window for channel in plan for window in channel["windows"]]
    reader = Bits(data)
    total = sum(window["length"] for window in windows)
    low = [reader.take(units.shift) for _ in range(total)] if units.shift else [0] * total
    escapes = []
    if units.linear:
        count = int.from_bytes(reader.rest()[:4], "little")
        must(len(reader.rest()) >= 4 + 2 * count, "escapes end early")
        escapes = list(struct.unpack_from(f"<{count}h", reader.rest(), 4))
        reader.at += 32 + 16 * count
    states, words = take_states(reader, lanes)
    low = iter(low)
    for window in windows:
        window["low"] = [next(low) for _ in range(window["length"])]
    queues, first = [[] for _ in range(lanes)], 0
    for window in windows:
        queues[first * lanes // total].append(window)
        first += window["length"]
    run([coder(queue, states, lane, units, escapes, words) for lane, queue in enumerate(queues)], units)
    must(all(state == 1 << 24 for state in states), "a state does not end at 2^24")
    must(not words and not escapes, "words or escapes are left over")


def run(coders, units):
    """All lanes, step by step."""
    while coders:
        asked = [(c, next(c, None)) for c in coders]  # features, or None where a lane has ended
        rows = [row for _, row in asked if row is not None]
        answers = iter(units.model.run(rows)) if rows else iter(())
        for lane, row in asked:
            if row is not None:
                lane.send(next(answers))
        coders = [lane for lane, row in asked if row is not None]


def take_states(reader, lanes):
    """States, and words in reverse order."""
    reader.align()
    lengths = [reader.take(5) + 25 for _ in range(lanes)]
    states = [reader.take(length - 1) | 1 << (length - 1) for length in lengths]
    data = reader.rest()
    must(len(data) % 4 == 0, "words end early")
    return states, list(struct.unpack(f"<{len(data) // 4}I", data))[::-1]


def coder(queue, states, lane, units, escapes, words):
    """One lane: gives features and is sent what the network says, sample by sample."""
    channel, x, state = None, 0, states[lane]
    for window in queue:
        fresh, channel = window["channel"] is not channel, window["channel"]
        if channel["curve"] is not None:
            x = units.level_q6(channel["curve"][window["start"]])
        elif fresh:
            x = units.level_q6(channel["level"])
        window["values"], window["q6"], residuals = [], [], [128] * 16
        means = [(16 + (140 & 15)) << (140 + 128 >> 4)] * 3
        for place in range(window["length"]):
            r = x
            offset, scale = yield [*residuals, 128, *map(level, means)]
            if not place:
                offset, scale = 0, channel["scale"]
            c = r + 32 >> 6 if units.linear else 0
            slot = state & (1 << 20) - 1
            code, start, frequency = units.model.find(slot, units.levels, r + 4 * offset - 64 * c, scale)
            state = frequency * (state >> 20) + slot - start
            if state < 1 << 24:
                must(words, "too few words")
                state = state << 32 | words.pop()
            if not units.linear:
                q = code
            elif code in (0, 1023):
                must(escapes, "too few escapes")
                q = escapes.pop(0)
            else:
                q = code + c - 512 << units.shift | window["low"][place]
            q6 = units.q6(q)
            window["values"].append(units.value(q))
            window["q6"].append(q6)
            states[lane] = state
            if place:
                e = q6 - r
                residuals = [*residuals[1:], q8(e)]
                a = min(abs(e), 65535) << 12
                means = [m + (a - m >> rate) for m, rate in zip(means, (4, 7, 11), strict=True)]
            x = q6
            yield None


def line(a, b, n):
    return [a + (2 * (b - a) * t + n) // (2 * n) for t in range(1, n)]


def draw(channel, frames, base, before, lift, units):
    """Section 12.3: all values of a channel."""
    curve = channel["curve"]
    out = list(curve) if curve is not None else [channel["level"]] * frames
    at, last = -1, channel["level"]
    for window in channel["windows"]:
        start, values = window["start"], window["values"]
        if curve is None:
            out[at + 1 : start] = line(last, values[0], start - at)
        else:
            blend(out, curve, at, last if at >= 0 else None, start, values[0], before)
        for j in range(2 * before) if window["correction"] else ():
            t = start - 2 * before + j
            if t > at:
                out[t] += (2 * window["correction"] * lift * (before - abs(j - before)) + before) // (2 * before)
        out[start : start + len(values)] = values
        at, last = start + len(values) - 1, values[-1]
    if at >= 0:
        if curve is not None:
            blend(out, curve, at, last, frames, None, before)
        else:
            out[at + 1 :] = line(last, base, frames - at)
    return [min(max(v, units.low), -1 - units.low) for v in out]


def blend(out, curve, at, last, start, first, before):
    """What windows deviate from the slow band by, between frames `at` and `start`."""
    gap = start - at - 1
    m = min(before, gap + 1)
    added = [0] * gap
    behind = last - curve[at] if last is not None else None
    ahead = first - curve[start] if first is not None else None
    if behind is not None and ahead is not None and gap < 2 * before:
        added = line(behind, ahead, gap + 1)
    else:
        if behind is not None:
            added[: m - 1] = line(behind, 0, m)
        if ahead is not None:
            added[gap - m + 1 :] = line(0, ahead, m)
    for t, value in enumerate(added, at + 1):
        out[t] += value


def field_potential(data, frames, channels):
    """Section 12.4: the curve of every channel, and what follows."""
    must(len(data) >= 6, "a field potential's length")
    d, size = struct.unpack_from("<HI", data)
    must(1 <= d <= 4096 and size <= len(data) - 6, "a field potential's head")
    reader = Symbols(data[6 : 6 + size])
    steps, means, a, b = (reader.near(channels, width) for width in (7, 17, 6, 6))
    knots = -(-(frames - 1) // d) + 1
    rows = iter(reader.residuals(sum(step > 0 for step in steps), knots))
    reader.finish()
    sides = zip(steps, means, a, b, strict=True)
    curves = [curve_of(side, next(rows) if side[0] else [0] * knots, d, frames) for side in sides]
    return curves, data[6 + size :]


def curve_of(side, residuals, d, frames):
    index, mean, a, b = side
    step = 8 + (index - 1) % 8 << (index - 1) // 8 if index else 0
    u = [0, 0]
    for v in residuals:
        u.append(v + ((a - 32) * u[-1] + (b - 32) * u[-2] + 8 >> 4))
    k = [(mean - 65536 + x) * step for x in u[2:]]
    must(all(abs(x) <= 1 << 20 for x in k), "a field potential's range")
    if len(k) == 1:
        return [k[0] + 4 >> 3] * frames
    k = [2 * k[0] - k[1], *k, 2 * k[-1] - k[-2]]
    out = []
    for t in range(frames):
        i, f = divmod(t, d)
        p, q, r, s = [*k, 0][i : i + 4]  # the last knot is a curve's last value
        total = (-f * d * d + 2 * f * f * d - f**3) * p + (2 * d**3 - 5 * f * f * d + 3 * f**3) * q
        total += (f * d * d + 4 * f * f * d - 3 * f**3) * r + (f**3 - f * f * d) * s
        out.append((total + 8 * d**3) // (16 * d**3))
    return out
