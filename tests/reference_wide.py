"""Wide chunks for `reference.py`: docs/format.md, section 3.3, sample by sample."""

import struct

import zstandard
from reference_chunk import Bits, Refused, decode_chunk, must
from reference_maps import read_list

TYPES = {0: ("<i", 4), 1: ("<f", 4), 2: ("<d", 8)}
"""Section 3.3: how `struct` calls a type, and its bytes."""


def decode_wide(payload, channels, model):
    """A list of frames, each a list of samples: numbers, or for floats their bytes."""
    must(len(payload) >= 6, "a chunk's length")
    frames, body = int.from_bytes(payload[:4], "little"), payload[5:]
    must(1 <= frames <= 2**24 and frames * channels <= 2**26, "a chunk's frames")
    must(payload[4] == 2 and body[0] in TYPES, "a type of samples")
    kind, width = TYPES[body[0]]
    bits = Bits(body[1:])
    form = bits.take(2)
    must(form < 3 and not (form == 1 and body[0]), "a form of channels")
    plain = {"step": None, "divisor": 1, "phase": 0, "shift": 0, "knots": [0], "spacing": 0, "exceptions": {}}
    known = [plain if form == 1 else None] * channels
    for number in range(channels if form == 0 else 0):
        before = next((channel for channel in reversed(known[:number]) if channel), plain)
        known[number] = read_channel(bits, before, frames, body[0])
    rest = bits.rest()
    stored, rest = read_part(rest, frames * width * known.count(None))
    row = -(-frames // 8)
    low, rest = read_part(rest, row * sum(channel["shift"] for channel in known if channel))
    inner = [[0] * channels] * frames
    if any(known):
        must(rest and rest[0] & 15 in (0, 1), "a coding in a wide chunk")
        inner = decode_chunk(payload[:4] + rest, channels, 16, model)
    else:
        must(not rest, "something follows stored channels")
    columns = []
    for number, channel in enumerate(known):
        if channel is None:
            column = [stored[frame : frames * width : frames] for frame in range(frames)]
            columns.append(column if body[0] else [struct.unpack(kind, x)[0] for x in column])
            stored = stored[frames * width :]
        else:
            values = [line[number] for line in inner]
            columns.append([sample(channel, q, t, low, row, kind) for t, q in enumerate(values)])
            low = low[row * channel["shift"] :]
    return [list(line) for line in zip(*columns, strict=True)]


def read_part(body, size):
    """Bytes that may be compressed, and what follows them."""
    if not size:
        return b"", body
    must(len(body) >= 5, "a part's length")
    coding, count = struct.unpack_from("<BI", body)
    part, rest = body[5 : 5 + count], body[5 + count :]
    must(coding < 2 and len(part) == count, "a part's coding")
    if coding:
        try:
            must(zstandard.get_frame_parameters(part).content_size == size, "a part's size")
            part = zstandard.ZstdDecompressor().decompress(part, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise Refused(str(error)) from None
    must(len(part) == size, "a part's size")
    return part, rest


def read_channel(bits, before, frames, floats):
    if bits.take(1):
        return None
    step = before["step"] if floats else None
    if floats and not bits.take(1):
        step = struct.unpack(">d", bits.take(64).to_bytes(8, "big"))[0]
    must(not floats or step is not None and 0 < step < float("inf"), "a step")
    divisor, phase = before["divisor"], before["phase"]
    if not bits.take(1):
        divisor = bits.take(32)
        phase = bits.take(max(divisor - 1, 0).bit_length())
    shift, spacing = bits.take(5), bits.take(5)
    must(phase < divisor and shift <= 16 and spacing <= 23, "a parameter")
    knots = read_signed(bits, ((frames - 1) >> spacing) + 2 if spacing else 1)
    exceptions = {}
    if bits.take(1):
        places = read_list(bits, bits.take(24), frames, must)
        exceptions = dict(zip(places, read_signed(bits, len(places)), strict=True))
    fields = {"step": step, "divisor": divisor, "phase": phase, "shift": shift}
    return fields | {"spacing": spacing, "knots": knots, "exceptions": exceptions}


def read_signed(bits, count):
    width = bits.take(6)
    must(width <= 34, "a width")
    return [bits.take(width, signed=True) for _ in range(count)]


def sample(channel, q, t, low, row, kind):
    """One sample; floats as their bytes."""
    spacing, knots, shift = channel["spacing"], channel["knots"], channel["shift"]
    base = knots[0]
    if spacing:
        i, j = t >> spacing, t & (1 << spacing) - 1
        base = knots[i] + ((knots[i + 1] - knots[i]) * j >> spacing)
    bits = [low[row * bit + t // 8] >> 7 - t % 8 & 1 for bit in range(shift)]
    part = ((q + base) << shift) + int("".join(map(str, bits)) or "0", 2)
    part = channel["exceptions"].get(t, part)
    must(-(2**31) <= part < 2**31, "a part beyond 32 bits")
    number = part * channel["divisor"] + channel["phase"]
    must(-(2**31) <= number < 2**31, "a number beyond 32 bits")
    if kind == "<i":
        return number
    value = number * channel["step"]
    try:
        return struct.pack(kind, value)
    except OverflowError:  # of float32
        return struct.pack(kind, float("inf") if value > 0 else float("-inf"))
