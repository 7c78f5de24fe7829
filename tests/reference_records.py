"""Part of the second decoder (see reference.py): numbers, coded parts, samples of originals, files of records."""

import struct

import zstandard
from reference_chunk import Refused, must

FORMATS = {8: ("<B", 128), 9: ("<b", 0), 16: ("<h", 0), 17: ("<H", 32768), 18: (">h", 0), 19: (">H", 32768)}
FORMATS |= {32: ("<i", 0), 33: ("<I", 2**31), 34: (">i", 0), 35: (">I", 2**31)}
"""How Python's `struct` calls a sample format, and what is added to a sample for it."""
OTHERS = {24: ("little", 3), 26: ("big", 3), 48: ("little", 4), 50: ("big", 4), 64: ("little", 8), 66: ("big", 8)}
"""Byte order and bytes of the other ones: integers of 24 bits, floats."""


def number(data, at):
    """Section 1: a number of 7 bits a byte at an offset, and the offset behind it."""
    value, size = 0, 0
    while True:
        must(at + size < len(data) and size < 9, "a number without end")
        value |= (data[at + size] & 127) << 7 * size
        size += 1
        if not data[at + size - 1] & 128:
            break
    must(size == 1 or data[at + size - 1], "a number in more bytes than it needs")
    return value, at + size


def unpack(coding, body):
    """A coded part: as it is, or one zstd frame."""
    must(coding in (0, 1), "unknown coding")
    if coding == 0:
        return body
    try:
        must(zstandard.get_frame_parameters(body).content_size <= 1 << 28, "a coded part is too large")
        return zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Refused(str(error)) from None


def original_bytes(samples, form):
    """Samples in a sample format of section 2.1."""
    if form in OTHERS:
        order, width = OTHERS[form]
        little = [x.to_bytes(width, "little", signed=True) if isinstance(x, int) else x for x in samples]
        return b"".join(x if order == "little" else x[::-1] for x in little)
    kind, reconstruction = FORMATS[form]
    return struct.pack(f"{kind[0]}{len(samples)}{kind[1]}", *(sample + reconstruction for sample in samples))


def foreign(payload):
    """Section 2.3: what is in a block F or B."""
    must(payload, "an empty block")
    if payload[0] != 2:
        return unpack(payload[0], payload[1:])
    return integers(unpack(1, payload[1:]), 8)


def integers(data, width):
    """Section 2.3: integers of so many bytes from the bytes of their differences."""
    count, total, values = len(data) // width, 0, []
    must(count * width == len(data), "half an integer")
    for i in range(count):
        folded = int.from_bytes(data[i::count], "little")
        total += folded // 2 if folded % 2 == 0 else -(folded + 1) // 2
        values.append((total % (1 << 8 * width)).to_bytes(width, "little"))
    return b"".join(values)


def records(layout, header, chunks, kept, decode_signals):
    """Section 2.9: the file up to the end of its last section; `decode_signals` decodes a chunk of other signals."""
    width = len(original_bytes([0], header["format"])) if header["format"] in FORMATS else OTHERS[header["format"]][1]
    sections = list(sections_of(layout, header["channels"], width))
    starts, at = [], 0
    for number_, (count, fields) in enumerate(sections):
        if fields is not None:
            size = next(field[2] for field in fields if field[0] in (2, 3))
            starts += [(at + i * size, number_, size) for i in range(count)]
            at += count * size
    must(at == header["frames"], "the frames of the records")
    beside = []
    begin = 0
    for chunk, packed in zip(chunks, kept, strict=True):
        here = [entry for entry in starts if begin <= entry[0] < begin + len(chunk)]
        begin += len(chunk)
        runs = []
        while here:
            runs.append([entry for entry in here if entry[1] == here[0][1]])
            here = here[len(runs[-1]) :]
        coded = []
        for run in runs:
            fields, found = sections[run[0][1]][1], {}
            for size in dict.fromkeys(field[2] for field in fields if field[0] == 4):
                length, at = number(packed, 0)
                must(at + length <= len(packed), "a chunk of other signals is cut off")
                payload, packed = packed[at : at + length], packed[at + length :]
                if length:
                    signals = sum(field[0] == 4 and field[2] == size for field in fields)
                    must(signals < 1 << 16, "too many signals")
                    must(payload[:4] == (len(run) * size).to_bytes(4, "little"), "the frames of other signals")
                    found[size] = zip(*decode_signals(payload, signals))
            coded.append(found)
        data = unpack(packed[0], packed[1:]) if packed else b""
        must(not packed or data, "no bytes of records, packed")
        for run, found in zip(runs, coded):
            columns = []
            for field in sections[run[0][1]][1]:
                if field[0] == 4 and field[2] in found:
                    part = original_bytes(next(found[field[2]]), header["format"])
                elif field[0] not in (2, 3):
                    size = len(run) * field[1] * field[2]
                    must(len(data) >= size, "bytes of records are missing")
                    part, data = data[:size], data[size:]
                    if field[0] == 0 or field[1] == 3:
                        part = b"".join(part[i :: len(run)] for i in range(len(run)))
                    else:
                        part = integers(part, field[1])
                else:
                    continue
                size = field[1] * field[2]
                columns.append([part[i * size : (i + 1) * size] for i in range(len(run))])
            beside += [[column[i] for column in columns] for i in range(len(run))]
        must(not data, "more bytes than the records have")
    frames = [frame for chunk in chunks for frame in chunk]
    out, place = [], 0
    for number_, (count, fields) in enumerate(sections):
        if fields is None:
            out.append(count)
        for start, _, size in [entry for entry in starts if entry[1] == number_]:
            others, channel = iter(beside[place]), 0
            place += 1
            for field in fields:
                if field[0] not in (2, 3):
                    out.append(next(others))
                    continue
                block = [frame[channel : channel + field[1]] for frame in frames[start : start + size]]
                block = zip(*block) if field[0] == 3 else block
                out.append(original_bytes([sample for row in block for sample in row], header["format"]))
                channel += field[1]
    return b"".join(out)


def sections_of(layout, channels, width):
    """Bytes and None, or a count of records and their fields: kind, two numbers."""
    at = parts = 0
    while at < len(layout):
        parts += 1
        must(parts <= 1 << 18, "too many parts")
        kind = layout[at]
        count, at = number(layout, at + 1)
        must(kind < 2, "the kind of a section")
        if kind == 0:
            must(at + count <= len(layout), "the layout ends early")
            yield layout[at : at + count], None
            at += count
            continue
        total, at = number(layout, at)
        fields, beside = [], 0
        parts += total
        must(parts <= 1 << 18, "too many parts")
        for _ in range(total):
            must(at + 1 < len(layout), "the layout ends early")
            kind, at = layout[at], at + 1
            must(kind < 5, "the kind of a field")
            first = (1, layout[at], None, None, width)[kind]
            at += kind == 1
            if kind in (2, 3):
                first, at = number(layout, at)
            second, at = number(layout, at)
            must(kind != 1 or first in (1, 2, 4, 8), "the width of integers")
            must(kind != 4 or second, "a signal without samples")
            beside += first * second if kind not in (2, 3) else 0
            fields.append((kind, first, second))
        samples = [field for field in fields if field[0] in (2, 3)]
        must(count and sum(field[1] for field in samples) == channels, "records without samples of each channel")
        must(len({field[2] for field in samples}) == 1 and samples[0][2], "records without frames")
        must(samples[0][2] * channels <= 1 << 26 and beside <= 1 << 20, "records beyond the limits")
        yield count, fields
