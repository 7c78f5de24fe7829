"""Spike chunks for `reference.py`: docs/format.md section 12, sample by sample."""

import struct
import zlib

from reference_chunk import Bits, implant_sample, level, must, q8, stored_bytes


class Fields(Bits):
    """The codes of a plan."""

    def rice(self, k):
        ones = 0
        while ones < 24 and self.take(1):
            ones += 1
        return self.take(27) if ones == 24 else ones << k | self.take(k)

    def gamma(self):
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros | self.take(zeros)) - 1

    def signed(self, value):
        return -(value >> 1) - 1 if value & 1 else value >> 1


def decode_spikes(body, frames, channels, bits, model):
    """A list of frames, each a list of samples; `body` is what follows the coding byte."""
    must(len(body) >= 22, "a spike chunk's length")
    crc, lanes, bound, flags, _, before, standard, lift, base, size = struct.unpack_from("<IHBBHHHHhI", body)
    must(not flags & 12 and before and standard and lanes <= 4096, "a spike chunk's head")
    must(size <= len(body) - 22, "a spike chunk's plan")
    units = Units(model, bound, flags & 1, flags >> 4, bits)
    must((units.linear or not units.shift) and units.low <= base <= -1 - units.low, "a spike chunk's head")
    must(units.linear or bits == 16, "an implant's table of 8 bits")
    plan = read_plan(Fields(body[22 : 22 + size]), channels, base, standard, units)
    windows = [window for channel in plan for window in channel["windows"]]
    must(bool(lanes) == bool(windows), "a spike chunk's lanes")
    must(all(w["start"] <= frames - w["length"] < frames for w in windows), "a window leaves the chunk")
    rest = body[22 + size :]
    if flags & 2:
        curves, rest = field_potential(rest, frames, channels, model)
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
        self.level_bits = bits if linear else 10
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


def read_plan(reader, channels, base, standard, units):
    """Section 12.1."""
    ranges = [(reader.take(low), reader.take(width)) for low, width in ((8, 4), (7, 3), (5, 3))]
    if reader.take(1):
        for _ in range(channels):
            reader.gamma()
    plan = []
    for _ in range(channels):
        channel = {"level": base, "windows": [], "hold": 0, "curve": None}
        plan.append(channel)
        if not reader.take(1):
            continue
        if not reader.take(1):
            channel["level"] = reader.take(units.level_bits, signed=True)
        count = reader.gamma()
        if not count:
            continue
        channel["hold"] = reader.take(1)
        initial_scale, scale, k = (low + reader.take(width) for low, width in ranges)
        must(initial_scale <= 255 and scale <= 127 and k <= 26, "a channel's parameters")
        common = {
            "channel": channel,
            "initial_scale": initial_scale,
            "scale": scale,
            "length": standard,
            "correction": 0,
        }
        channel["windows"] = [{**common, "gap": reader.rice(k)} for _ in range(count)]
    windows = [window for channel in plan for window in channel["windows"]]
    count, at = reader.gamma(), -1
    if count:
        a, b = (min(reader.take(5), 26) for _ in range(2))
    for _ in range(count):
        at += 1 + reader.rice(a)
        must(at < len(windows), "an exception without a window")
        windows[at]["length"] = standard + reader.signed(reader.rice(b))
        windows[at]["correction"] = reader.signed(reader.gamma())
        must(abs(windows[at]["correction"]) <= 255, "a correction pulse's height")
    must(8 * len(reader.data) - reader.at < 8 and not reader.take(8 * len(reader.data) - reader.at), "a plan's end")
    for channel in plan:
        end = 0
        for window in channel["windows"]:
            window["start"] = end + window["gap"]
            end = window["start"] + window["length"]
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
    channel, template, rank, x, state = None, [], 0, 0, states[lane]
    for window in queue:
        fresh = window["channel"] is not channel
        rank = 0 if fresh else rank + 1
        if fresh:
            channel, template = window["channel"], [0] * 64
        if channel["curve"] is not None:
            x = units.level_q6(channel["curve"][window["start"]])
        elif fresh:
            x = units.level_q6(channel["level"])
        window["values"], window["q6"], residuals = [], [], [128] * 16
        means = [(16 + (window["initial_scale"] & 15)) << (window["initial_scale"] + 128 >> 4)] * 3
        for place in range(window["length"]):
            r = x + (template[place] >> 4 if 0 < place < 64 else 0)
            offset, scale = yield [*residuals, q8(x - r), *map(level, means)]
            if not place:
                offset, scale = 0, window["scale"]
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
            if 0 < place < 64:
                step = q6 - x
                template[place] += ((step << 4) - template[place]) >> min(rank + 1, 3)
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
            out[at + 1 :] = [last] * (frames - at - 1) if channel["hold"] else line(last, base, frames - at)
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


def field_potential(data, frames, channels, model):
    """Section 12.4: the curve of every channel, and what follows."""
    must(len(data) >= 8, "a field potential's length")
    d, lanes, size = struct.unpack_from("<HHI", data)
    must(1 <= d <= 4096 and size <= len(data) - 8, "a field potential's head")
    reader, rest = Bits(data[8 : 8 + size]), data[8 + size :]
    sides = read_sides(reader, channels)
    knots = -(-(frames - 1) // d) + 1
    scales = [side[2] for side in sides if side[0] for _ in range(knots)]
    total = len(scales)
    steps = -(-total // max(lanes, 1))
    must(lanes <= 4096 and lanes == (-(-total // steps) if total else 0), "a field potential's lanes")
    states, words = take_states(reader, lanes)
    symbols = [0] * total
    for t in range(steps):
        for lane in range(lanes):
            i = lane * steps + t
            if i >= total:
                continue
            slot = states[lane] & (1 << 20) - 1
            code, start, frequency = model.find(slot, model.linear_levels, 32, scales[i])
            states[lane] = frequency * (states[lane] >> 20) + slot - start
            if states[lane] < 1 << 24:
                must(words, "a field potential has too few words")
                states[lane] = states[lane] << 32 | words.pop()
            symbols[i] = code - 512
    must(not words and all(state == 1 << 24 for state in states), "a field potential's end")
    rows = iter([symbols[i : i + knots] for i in range(0, total, knots)])
    return [curve_of(side, next(rows) if side[0] else [0] * knots, d, frames) for side in sides], rest


def read_sides(reader, channels):
    """Step, mean, scale, a, b of every channel."""
    least = [reader.take(width) for width in (12, 17, 7, 6, 6)]
    widths = [reader.take(width) for width in (4, 5, 3, 3, 3)]
    must(max(widths) <= 20, "a field potential's widths")
    sides = []
    for _ in range(channels):
        step, mean, scale, a, b = (low + reader.take(width) for low, width in zip(least, widths, strict=True))
        fits = step < 1 << 12 and mean < 1 << 17 and scale < 1 << 7 and a < 1 << 6 and b < 1 << 6
        must(fits, "a field potential's parameters")
        sides.append([step, mean - 65536, scale, a - 32, b - 32])
    return sides


def curve_of(side, residuals, d, frames):
    step, mean, _, a, b = side
    u = [0, 0]
    for v in residuals:
        u.append(v + (a * u[-1] + b * u[-2] + 8 >> 4))
    k = [(mean + x) * step for x in u[2:]]
    must(all(abs(x) <= 1 << 24 for x in k), "a field potential's range")
    if len(k) == 1:
        return [k[0]] * frames
    k = [2 * k[0] - k[1], *k, 2 * k[-1] - k[-2]]
    out = []
    for t in range(frames):
        i, f = divmod(t, d)
        if i + 3 == len(k):  # the last knot
            out.append(k[i + 1])
            continue
        p, q, r, s = k[i : i + 4]
        total = (-f * d * d + 2 * f * f * d - f**3) * p + (2 * d**3 - 5 * f * f * d + 3 * f**3) * q
        total += (f * d * d + 4 * f * f * d - 3 * f**3) * r + (f**3 - f * f * d) * s
        out.append((total + d**3) // (2 * d**3))
    return out
