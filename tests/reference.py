"""A second decoder, written from docs/format.md alone: slow and plain, to compare the real one with.

Nothing comes from `runtime`. The coder works on Python's integers, the network (`reference_network.py`) on int64; onnx
only parses the model file (chunks: `reference_chunk.py`). Whatever is not as the format says raises `Refused`.
"""

import hashlib
import struct
import zlib

import zstandard
from reference_chunk import Refused, decode_chunk, must, stored_bytes
from reference_network import Model

MAGIC = b"\x8fMDO\x01"
ORDER = b"HMFCBE"


def decode(data, model=None):
    """Decode a file.

    Parameters
    ----------
    data : bytes of the file
    model : bytes of the model file, where it is not embedded

    Returns
    -------
    bytes
        The recording as a WAV file.
    """
    blocks = read_blocks(data)
    header = parse_header(blocks[0][1])
    check_order(header, [tag for tag, _, _ in blocks])
    chunks = [(payload, size) for tag, payload, size in blocks if tag == b"C"]
    frames = [int.from_bytes(payload[:4], "little") for payload, _ in chunks]
    first = len(MAGIC) + sum(size for tag, _, size in blocks if tag in b"HMF")
    check_end(blocks[-1][1], first, frames, [size for _, size in chunks])
    must(header["frames"] in (2**64 - 1, sum(frames)), "the chunks do not add up to the header's frames")
    for tag, payload, _ in blocks:
        model = unpack(1, payload) if tag == b"M" else model
    front, back = (b"".join(unpack(p[0], p[1:]) for tag, p, _ in blocks if tag == kind) for kind in (b"F", b"B"))
    samples = []
    if chunks:
        must(model is not None and hashlib.sha256(model).digest()[:16] == header["model"], "the model is another one")
        network = Model(model)
        bounded = [p[4] & 8 for p, _ in chunks if len(p) > 4]
        must(header["flags"] & 128 or not any(bounded), "a bounded error against the flags")
        samples = [decode_chunk(payload, header["leads"], header["bits"], network) for payload, _ in chunks]
    if header["flags"] & 3 != 1:
        front = wav_header(header, sum(frames))
    return front + b"".join(stored_bytes(part, header["bits"]) for part in samples) + back


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
    must(40 <= len(payload) <= 72, "the header's length")
    flags, bits, leads, rate, frames, model, _ = struct.unpack_from("<BBHIQ16sq", payload)
    must(not flags & 0x70 and bits in (8, 16) and leads > 0, "the header's values")
    must(not flags & 2 or flags & 1 and frames != 2**64 - 1, "the header's flags")
    suffix = payload[40:].decode()
    printable = suffix.isprintable() and not set('/\\:"*?<>|') & set(suffix)
    must(suffix != ".wav" and not (flags & 8 and suffix), "the suffix and its flag")
    must(suffix == "" or suffix[0] == "." and suffix != "." and printable, "the suffix")
    return {"flags": flags, "bits": bits, "leads": leads, "rate": rate, "frames": frames, "model": model}


def check_order(header, tags):
    places = [ORDER.index(tag) for tag in tags]
    must(places == sorted(places), "blocks are out of order")
    must(tags.count(b"H") == 1 and tags.count(b"E") == 1, "one header and one end")
    must(tags.count(b"M") == bool(header["flags"] & 4), "an embedded model against the flags")
    foreign = header["flags"] & 3 == 1
    must(foreign if b"F" in tags else not foreign, "the front bytes and the flags disagree")
    must(foreign or b"B" not in tags, "back bytes against the flags")


def check_end(payload, first, frames, sizes):
    """Section 2.4."""
    must(len(payload) >= 4, "the end's length")
    if len(frames) <= 1:
        must(payload == struct.pack("<I", 13), "the end's size")
        return
    must(len(payload) >= 17, "the end's length")
    coding, chunks, at = struct.unpack_from("<BIQ", payload)
    must(struct.unpack("<I", payload[-4:])[0] == len(payload) + 9, "the end's size")
    index = unpack(coding, payload[13:-4])
    must((chunks, at) == (len(frames), first), "the index disagrees with the chunks")
    must(index == struct.pack(f"<{2 * chunks}I", *frames, *sizes), "the index disagrees with the chunks")


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


def wav_header(header, frames):
    """Section 2.5."""
    block = header["leads"] * header["bits"] // 8
    size, rate = frames * block, header["rate"]
    fmt = struct.pack("<IHHIIHH", 16, 1, header["leads"], rate, rate * block % 2**32, block % 2**16, header["bits"])
    riff = min(size + 36, 2**32 - 1)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", min(size, 2**32 - 1))
