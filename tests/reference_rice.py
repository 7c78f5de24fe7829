"""The Rice coder for `reference_stream.py`: docs/format.md, section 10, sample by sample."""

from bisect import bisect_right

from reference_chunk import IMPLANT, LINEAR, must


def decode_body(body, lanes, frames, model):
    """Frames, each a list of one sample a lane, from a body of section 10.3."""
    reader, rows = Body(body, model), []
    for t in range(frames):
        rows.append([])
        outputs = model.run([lane.features(t) for lane in lanes])
        for lane, (offset, scale) in zip(lanes, outputs, strict=True):
            sample, q6 = reader.next(lane, offset, min(max(scale, 0), 127))
            lane.learn(q6)
            rows[-1].append(sample)
    reader.finish()
    return rows


class Body:
    """Section 10.3."""

    def __init__(self, data, model):
        self.tables = model.__dict__.setdefault("rice", {})
        self.model = model
        must(len(data) > 0 and data[0] & 0x7F <= 24, "the head of a body")
        has_runs, parameter, offset = data[0] >> 7, data[0] & 0x7F, 1
        size, offset = varint(data, offset)
        runs, offset = varint(data, offset) if has_runs else (0, offset)
        must(offset + size + runs <= len(data), "a body ends early")
        self.bins = unary(data[offset : offset + size])
        quotients = unary(data[offset + size : offset + size + runs])
        offset += size + runs
        rests = Low(data[offset:])
        self.runs = [q << parameter | rests.take(parameter) for q in quotients]
        self.remainders = Low(data[offset + (len(self.runs) * parameter + 7) // 8 :])
        self.has_runs, self.behind, self.count = has_runs, 0, 0  # samples of rank 0 since the last hit
        self.bins.reverse(), self.runs.reverse()

    def next(self, lane, offset, scale):
        """The next sample, and its Q6 value."""
        channel = lane.channel
        location = channel.mean_q6 + lane.prediction
        centre = location + 32 >> 6 if channel.kind == LINEAR else 0
        location += 4 * offset - 64 * centre
        place = min(max((location >> 6) + 512, 0), 1023)
        order, first = self.ranking(channel, scale // 16, place)
        quiet = bool(self.has_runs) and first >= 589824 and not channel.shift
        if quiet:
            if not self.runs or self.behind < self.runs[-1]:
                self.behind += 1
                return self.value(channel, order[0], centre, 0)
            self.runs.pop()
            self.behind = 0
        must(self.bins, "too few bins")
        number = self.bins.pop()
        must(number <= 15, "an impossible bin")
        if number == 15:
            sample = self.remainders.take(16)
            sample -= (sample >> 15) << 16
            return sample, channel.q6(sample, (sample >> 6) + 512)
        widths = self.widths(channel, scale, quiet)
        low = self.remainders.take(channel.shift)
        rank = sum(1 << w for w in widths[:number]) + quiet + self.remainders.take(widths[number])
        must(rank < 256, "a rank that does not exist")
        return self.value(channel, order[rank], centre, low)

    def value(self, channel, code, centre, low):
        if channel.kind == IMPLANT:
            sample = channel.sample(code, None, None)
            return sample, channel.q6(sample, channel.decoded(code))
        sample = code - 512 + centre << channel.shift | low
        must(-32768 <= sample <= 32767, "a sample is out of range")
        return sample, channel.q6(sample, None)

    def finish(self):
        must(not self.bins and not self.runs, "bins or runs are left over")
        must(-(-self.remainders.at // 8) == len(self.remainders.data), "remainders are left over")

    def ranking(self, channel, kind, place):
        """Section 10.1: codes by rank, and the first frequency."""
        key = (channel.kind, channel.bound, kind, place)
        if key not in self.tables:
            self.tables[key] = self.sorted_codes(channel.levels, place, 16 * kind + 8)
        return self.tables[key]

    def sorted_codes(self, levels, place, scale):
        m = 64 * (place - 512) + 32
        first = min(max(min(bisect_right(levels, m) - 1, 1023) - 128, 0), 768)
        table, multiplier = self.model.tables[self.model.shape[scale]], self.model.multiplier[scale]
        z = [min(max((level - m) * multiplier >> 16, -2048), 2047) for level in levels[first : first + 257]]
        cumulative = [table[x + 2048] + n for n, x in enumerate(z)]
        frequency = [b - a for a, b in zip(cumulative, cumulative[1:])]
        distance = [abs(levels[v] + levels[v + 1] - 2 * m) for v in range(first, first + 256)]
        order = sorted(range(256), key=lambda n: (-frequency[n], distance[n], n))
        self.frequencies = [frequency[n] for n in order]
        return [first + n for n in order], self.frequencies[0]

    def widths(self, channel, scale, quiet):
        """Section 10.2."""
        key = (channel.kind, channel.bound, "bins", scale, quiet)
        if key not in self.tables:
            weights = [0] * 256
            for place in range(480, 544, 2):
                self.sorted_codes(channel.levels, place, scale)
                weights = [a + b for a, b in zip(weights, self.frequencies)]
            self.tables[key] = cheapest(weights[1:] + [0] if quiet else weights)
        return self.tables[key]


def cheapest(weights):
    above = [sum(weights[n:]) for n in range(257)]
    cost, choices = [32 * x for x in above], []
    for b in range(14, -1, -1):
        row, best = [], []
        for n in range(257):
            ends = [min(n + 2**w, 256) for w in range(8)]
            totals = [(above[n] - above[e]) * (b + 1 + w) + cost[e] for w, e in enumerate(ends)]
            row.append(min(totals))
            best.append(totals.index(min(totals)))
        cost = row
        choices.insert(0, best)
    widths, n = [], 0
    for best in choices:
        widths.append(best[n])
        n = min(n + 2 ** best[n], 256)
    return widths


class Low:
    """Reads bit strings, least significant bit first."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, width):
        must(self.at + width <= 8 * len(self.data), "a bit string ends early")
        first, last = self.at // 8, (self.at + width + 7) // 8
        value = int.from_bytes(self.data[first:last], "little") >> (self.at - 8 * first) & (1 << width) - 1
        self.at += width
        return value


def unary(data):
    """Numbers as zeros in front of ones."""
    numbers, zeros = [], 0
    for bit in (byte >> place & 1 for byte in data for place in range(8)):
        if bit:
            numbers.append(zeros)
        zeros = 0 if bit else zeros + 1
    must(zeros < 8, "a unary string is too long")
    return numbers


def varint(data, offset):
    value = 0
    for place in range(5):
        must(offset < len(data), "a length ends early")
        value |= (data[offset] & 127) << 7 * place
        offset += 1
        if data[offset - 1] < 128:
            return value, offset
    must(False, "a length of more than 5 bytes")
