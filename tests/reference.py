"""A second decoder, written from docs/format.md alone: slow and plain, to compare the real one with.

Nothing comes from `runtime`. The coder works on Python's integers, the network (`reference_network.py`) on int64; onnx
only parses the model file (chunks: `reference_chunk.py`). Whatever is not as the format says raises `Refused`.
"""

import datetime
import hashlib
import json
import re
import struct
import zlib

from reference_chunk import Refused, decode_chunk, must
from reference_network import Model
from reference_records import FORMATS, OTHERS, foreign, number, original_bytes, records, unpack
from reference_wide import decode_wide

MAGIC = b"\x8fMDO\x01"
ORDER = b"HMJFCBSE"
KINDS = ("wav", "raw", "npy", "files", "records", "kept")
BITS = {8: 8, 16: 16, 24: 24, 32: 32, 48: 32, 64: 64}
"""Bits of a sample by sample format without its lowest two bits."""
WIDE = {24: 0, 26: 0, 32: 0, 33: 0, 34: 0, 35: 0, 48: 1, 50: 1, 64: 2, 66: 2}
"""The type of wide chunks (section 3.3) by sample format."""


def decode(data, model=None):
    """Decode a file.

    Parameters
    ----------
    data : bytes of the file
    model : bytes of the model file, where it is not embedded

    Returns
    -------
    bytes, or dict of str to bytes
        The original file, or a WAV file where there was none; all files by name where each holds a channel.
    """
    blocks = read_blocks(data)
    header = parse_header(blocks[0][1])
    check_order(header, [tag for tag, _, _ in blocks])
    check_sum(blocks, header)
    chunks = [(payload, size) for tag, payload, size in blocks if tag == b"C"]
    kept = [b""] * len(chunks)
    if header["kind"] == "records":
        kept = [payload[len(payload) - 4 - read(payload, len(payload) - 4, "<I") : -4] for payload, _ in chunks]
        chunks = [(payload[: len(payload) - 4 - len(k)], size) for (payload, size), k in zip(chunks, kept)]
    frames = [int.from_bytes(payload[:4], "little") for payload, _ in chunks]
    first = len(MAGIC) + sum(size for tag, _, size in blocks if tag in b"HMJF")
    check_end(blocks[-1][1], first, frames, [size for _, size in chunks])
    must(header["frames"] in (None, sum(frames)), "the chunks do not add up to the header's frames")
    metadata(blocks, header)
    for tag, payload, _ in blocks:
        model = unpack(1, payload) if tag == b"M" else model
    front, back = (b"".join(foreign(p) for tag, p, _ in blocks if tag == kind) for kind in (b"F", b"B"))
    network = None
    if chunks:
        must(model is not None and hashlib.sha256(model).digest()[:8] == header["model"], "the model is another one")
        network = Model(model)
    for payload, _ in chunks:
        bounded = len(payload) > 4 and (payload[4] & 8 or payload[4] == 3)
        must(header["flags"] & 256 or not bounded, "a bounded error against the flags")
    samples = [decode_any(payload, header["channels"], header, network) for payload, _ in chunks]

    def decode_signals(payload, signals):
        must(len(payload) > 4 and not payload[4] & 8 and payload[4] != 3, "other signals with a bounded error")
        return decode_any(payload, signals, header, network)

    found = restored(header, front, samples, kept, back, decode_signals)
    for tag, payload, _ in blocks:
        if tag == b"S" and any(payload[:32]) and not header["flags"] & 256:
            must(hashlib.sha256(found).digest() == payload[:32], "the original's checksum is wrong")
    return found


def decode_any(payload, channels, header, network):
    """Section 3: the frames of a chunk, of the type that the header tells."""
    wide = len(payload) > 5 and payload[4] & 7 == 2
    must(wide == (header["format"] in WIDE), "a chunk of another type than the header's")
    must(not wide or payload[5] == WIDE[header["format"]], "a chunk of another type than the header's")
    more = () if wide else (header["bits"],)
    return (decode_wide if wide else decode_chunk)(payload, channels, *more, network)


def restored(header, front, samples, kept, back, decode_signals):
    """Section 2.1: the original, from its parts."""
    if header["kind"] == "records":
        return records(front, header, samples, kept, decode_signals) + back
    frames = [frame for part in samples for frame in part]
    if header["kind"] == "files":
        return files(front, header, frames)
    if header["kind"] == "samples":
        header["format"] = header["format"] & ~3 if header["format"] > 16 else header["bits"]
    if header["kind"] == "samples" or header["flags"] & 2:
        front = wav_header(header, len(frames))
    if header["flags"] & 16:
        frames = zip(*frames)
    return front + original_bytes([sample for frame in frames for sample in frame], header["format"]) + back


def about(data):
    """Return the sample rate in Hz and the metadata of a file."""
    blocks = read_blocks(data)
    header = parse_header(blocks[0][1])
    check_order(header, [tag for tag, _, _ in blocks])
    return header["rate"], metadata(blocks, header)


def read_blocks(data):
    """Section 2: (tag, payload, size of the block) of each block, checksums checked."""
    must(data[:5] == MAGIC, "not a middleout file of version 1")
    blocks, offset, header_crc = [], 5, 0
    while offset < len(data):
        must(not blocks or blocks[-1][0] != b"E", "something follows the end")
        must(len(data) >= offset + 9, "truncated")
        tag, length = struct.unpack_from("<cI", data, offset)
        must(tag in ORDER, "unknown tag")
        must(len(data) >= offset + 9 + length, "truncated")
        payload = data[offset + 5 : offset + 5 + length]
        place = struct.pack("<II", len(blocks), header_crc)
        crc = zlib.crc32(place + data[offset : offset + 5 + length])
        must(data[offset + 5 + length : offset + 9 + length] == struct.pack("<I", crc), "a checksum is wrong")
        header_crc = header_crc if blocks else crc
        blocks.append((tag, payload, length + 9))
        offset += length + 9
    must(blocks and blocks[-1][0] == b"E", "truncated")
    return blocks


def parse_header(payload):
    """Section 2.1."""
    flags, at = number(payload, 0)
    must(len(payload) > at, "the header's length")
    form, real = payload[at] & 127, payload[at] >> 7
    channels, at = number(payload, at + 1)
    rate, at = (read(payload, at, "<d"), at + 8) if real else number(payload, at)
    frames, at = number(payload, at)
    frames = frames - 1 if frames else None
    model = payload[at : at + 8]
    at += 16 if flags & 1 else 8
    must(len(payload) >= at, "the header's length")
    must((form in FORMATS or form in OTHERS) and 0 < channels < 1 << 16, "the header's values")
    must(rate == 0 or 2**-20 <= rate <= 2**32 - 1, "the sample rate")
    must(not real or rate % 1, "a whole sample rate as another one")
    must(flags < 1 << 10 and flags >> 5 & 7 < len(KINDS), "unknown flags")
    kind = KINDS[flags >> 5 & 7] if flags & 1 else "samples"
    must(flags & 1 or not flags & 0xE0, "a kind of file without a file")
    must(kind != "kept" or (frames, channels, flags & 256) == (0, 1, 0), "samples of a file without")
    must(not flags & 2 or kind == "wav" and frames is not None, "the header's flags")
    must(not flags & 16 or kind in ("raw", "npy") and frames is not None, "channels one after the other")
    must(kind not in ("files", "records") or frames is not None, "files of unknown length")
    must(form in (8, 16, 24, 32, 48, 64) or kind != "wav", "the sample format of a WAV file")
    must(form % 8 not in (2, 3) or kind != "samples", "the sample format of no file")
    suffix = payload[at:].decode()
    printable = suffix.isprintable() and not set('/\\:"*?<>|') & set(suffix)
    must(suffix != ".wav" and not (flags & 8 and suffix), "the suffix and its flag")
    must(suffix == "" or suffix[0] == "." and suffix != "." and printable, "the suffix")
    found = {"kind": kind, "format": form, "bits": BITS[form & ~3], "flags": flags}
    return found | {"channels": channels, "rate": rate, "frames": frames, "model": model}


def read(data, at, form):
    """One value at an offset."""
    must(at + struct.calcsize(form) <= len(data), "the header's length")
    return struct.unpack_from(form, data, at)[0]


def check_order(header, tags):
    places = [ORDER.index(tag) for tag in tags]
    must(places == sorted(places), "blocks are out of order")
    must(tags.count(b"H") == 1 and tags.count(b"E") == 1, "one header and one end")
    must(tags.count(b"J") <= 1, "metadata twice")
    must(tags.count(b"M") == bool(header["flags"] & 4), "an embedded model against the flags")
    must(tags.count(b"S") == bool(header["flags"] & 512), "a checksum of the original against the flags")
    front = header["kind"] in ("npy", "files", "records") or header["kind"] == "wav" and not header["flags"] & 2
    must(front if b"F" in tags else not front, "the front bytes and the flags disagree")
    back = header["kind"] == "kept" or front and header["kind"] != "files"
    must(back or b"B" not in tags, "back bytes against the flags")


def check_sum(blocks, header):
    """Section 2.8."""
    for tag, payload, _ in blocks:
        if tag == b"S":
            must(len(payload) > 32 and payload[32:] == blocks[0][1], "the second header is another one")
            none = header["kind"] in ("samples", "files") or header["flags"] & 16
            must(not none or not any(payload[:32]), "a checksum of nothing")


def metadata(blocks, header):
    """Section 2.7."""
    for tag, payload, _ in blocks:
        if tag != b"J":
            continue
        must(payload, "metadata without a coding byte")
        text = unpack(payload[0], payload[1:])
        must(len(text) <= 1 << 24, "too many metadata")
        try:
            found = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
            json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8")
        except (ValueError, RecursionError) as error:
            raise Refused(str(error)) from None
        must(isinstance(found, dict), "metadata that are no object")
        check_values(found, 100)
        check_known(found, header["channels"])
        return found
    return {}


def unique(pairs):
    must(len(dict(pairs)) == len(pairs), "a name twice")
    return dict(pairs)


def check_values(value, left):
    must(not isinstance(value, int) or abs(value) <= 2**1024 - 2**970, "a number beyond float64")
    if isinstance(value, dict | list):
        must(left, "metadata that are too deep")
        for inner in value.values() if isinstance(value, dict) else value:
            check_values(inner, left - 1)


def check_known(found, channels):
    """Section 2.7, known keys."""
    for key in ("gain_to_uV", "offset_to_uV"):
        must(key not in found or are_numbers(found[key], channels), key)
    ids = found.get("channel_ids", list(range(channels)))
    must(isinstance(ids, list) and all(type(one) in (int, str) for one in ids), "channel_ids")
    must(len(ids) == len(set(ids)) == channels, "channel_ids")
    must(isinstance(found.get("annotations", {}), dict), "annotations")
    time = found.get("start_time", "2000-01-01T00:00:00Z")
    clock = r"([01]\d|2[0-3]):[0-5]\d"
    pattern = rf"\d{{4}}-\d\d-\d\dT{clock}:[0-5]\d(\.\d{{1,9}})?(Z|[+-]{clock})?"
    must(isinstance(time, str) and re.fullmatch(pattern, time, re.ASCII), "start_time")
    try:
        datetime.datetime.fromisoformat(time)
    except ValueError as error:
        raise Refused(str(error)) from None
    probe = found.get("probe", {"probes": []})
    must(isinstance(probe, dict), "probe")
    probes = probe.get("probes", [probe])
    must(isinstance(probes, list), "probe")
    for one in probes:
        must(isinstance(one, dict), "probe")
        positions, indices = one.get("contact_positions"), one.get("device_channel_indices")
        must(isinstance(positions, list), "contact_positions")
        must(all(are_numbers(at, 2) or are_numbers(at, 3) for at in positions), "contact_positions")
        if indices is not None:
            must(isinstance(indices, list) and len(indices) == len(positions), "device_channel_indices")
            must(all(type(at) is int and -1 <= at < channels for at in indices), "device_channel_indices")


def are_numbers(values, count):
    if not isinstance(values, list) or len(values) != count:
        return False
    return all(type(x) in (int, float) for x in values)


def files(table, header, frames):
    """Section 2.6: the files by name."""
    found, at = {}, 0
    must(len(table) <= 1 << 28, "the table is too large")
    usual = wav_header({**header, "channels": 1}, len(frames))
    for channel in range(header["channels"]):
        must(len(table) >= at + 10, "the table ends early")
        flags = table[at]
        must(flags < 2, "a flag of a file")
        length = table[at + 9]
        at += 10
        name = table[at : at + length]
        at += length
        counts = (0, 0)
        if not flags & 1:
            must(len(table) >= at + 8, "the table ends early")
            counts = struct.unpack_from("<II", table, at)
            at += 8
        must(len(table) >= at + sum(counts), "the table ends early")
        name = name.decode()
        must(name.isprintable() and not set('/\\:"*?<>|') & set(name) and name not in ("", ".", ".."), "a name")
        must(name not in found, "a name twice")
        samples = original_bytes([frame[channel] for frame in frames], header["format"])
        outside = table[at : at + sum(counts)]
        front = usual if flags & 1 else outside[: counts[0]]
        found[name] = front + samples + outside[counts[0] :]
        at += sum(counts)
    must(at == len(table), "something follows the table")
    return found


def check_end(payload, first, frames, sizes):
    """Section 2.4."""
    if len(frames) <= 1:
        must(not payload, "the end's length")
        return
    must(len(payload) >= 17, "the end's length")
    coding, chunks, at = struct.unpack_from("<BIQ", payload)
    must(struct.unpack("<I", payload[-4:])[0] == len(payload) + 9, "the end's size")
    index = unpack(coding, payload[13:-4])
    must((chunks, at) == (len(frames), first), "the index disagrees with the chunks")
    must(index == struct.pack(f"<{2 * chunks}I", *frames, *sizes), "the index disagrees with the chunks")


def wav_header(header, frames):
    """Section 2.5."""
    block = header["channels"] * header["bits"] // 8
    size, rate = frames * block, round(header["rate"])
    encoding = 3 if header["format"] >= 48 else 1
    rates = (rate, rate * block % 2**32, block % 2**16)
    fmt = struct.pack("<IHHIIHH", 16, encoding, header["channels"], *rates, header["bits"])
    riff = min(size + 36, 2**32 - 1)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", min(size, 2**32 - 1))
