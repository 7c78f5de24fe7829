"""Blocks: what is written is read again, and nothing else is."""

import hashlib
import io
import struct
import zlib
from dataclasses import replace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from runtime.container import metadata
from runtime.container.blocks import VERSION, BlockReader, BlockWriter, block_crc
from runtime.container.chunk_head import chunk_frames
from runtime.container.header import Header, check_sample_rate, parse_foreign, parse_model
from runtime.container.index import Index
from runtime.container.random_access import read_layout, scan_layout
from runtime.core import limits
from runtime.core.compressed_bytes import pack_blob, parse_blob
from runtime.core.errors import CorruptError, FileFormatError, MiddleoutError
from runtime.core.names import is_suffix

MODEL = b"a model" * 50
IDENTITY = hashlib.sha256(MODEL).digest()[:8]


def payload(frames, body=b"coded"):
    return struct.pack("<IB", frames, 1) + body


CHUNKS = (payload(3), payload(4), payload(5))


def coded(chunks=CHUNKS, front=b"front", back=b"back", about=b"", **changes):
    """A file with a block of every kind; of metadata if they are given."""
    fields = {"channels": 2, "sample_rate": 20000, "model": IDENTITY, "source": "wav", "embedded": True, "mtime": -5}
    header = Header(**{**fields, **changes})
    file = io.BytesIO()
    writer = BlockWriter(file, header, MODEL, about)
    writer.front(front)
    for chunk in chunks:
        writer.chunk(chunk)
    writer.back(back)
    writer.end()
    assert writer.offset == len(file.getvalue())
    return file.getvalue()


def read(data):
    """Everything that reading strictly forward gives."""
    reader = BlockReader(io.BytesIO(data))
    return reader, [(block.tag, block.payload) for block in reader]


def rebuilt(data, change):
    """The file with its blocks changed by a function on the list of (tag, payload), and new CRCs."""
    reader, blocks = read(data)
    out, header_crc = data[:5], 0
    for sequence, (tag, body) in enumerate(change([(b"H", reader.header.pack()), *blocks])):
        crc = block_crc(sequence, header_crc, tag, body)
        header_crc = header_crc or crc
        out += tag + struct.pack("<I", len(body)) + body + struct.pack("<I", crc)
    return out


def test_a_file_comes_back_block_by_block():
    reader, blocks = read(coded())
    assert [tag for tag, _ in blocks] == [b"M", b"F", b"C", b"C", b"C", b"B", b"E"]
    assert parse_model(blocks[0][1], IDENTITY) == MODEL
    assert parse_foreign(blocks[1][1]) == b"front"
    assert blocks[3][1] == payload(4)
    assert parse_foreign(blocks[5][1]) == b"back"
    assert reader.index.total == 12
    assert list(reader.index.sizes) == [len(payload(3)) + 9] * 3


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": 2**63 - 2, "mtime": 2**63 - 1, "suffix": "", "source": "raw"},
        {"frames": None, "mtime": None, "suffix": ".wäv"},
        {"frames": 0, "source": "wav", "canonical": True, "dtype": "|u1", "channels": 65535, "sample_rate": 2**32 - 1},
    ],
)
def test_headers_round_trip(changes):
    header = Header(**{"channels": 1, "sample_rate": 0, "model": bytes(range(8)), **changes})
    assert Header.parse(header.pack()) == header


@given(st.just(0) | st.floats(limits.MIN_SAMPLE_RATE, limits.MAX_SAMPLE_RATE) | st.integers(1, limits.MAX_SAMPLE_RATE))
def test_every_sample_rate_comes_back(rate):
    found = Header.parse(Header(1, check_sample_rate(rate), IDENTITY).pack()).sample_rate
    assert found == rate
    assert isinstance(found, int) == (rate == int(rate))


@pytest.mark.parametrize("rate", [-1.5, 2.0**-21, 2.0**32, float("nan"), float("inf"), float("-inf"), 30000])
def test_impossible_sample_rates_are_refused(rate):
    packed = Header(1, 0.1, IDENTITY).pack()
    with pytest.raises(CorruptError, match="sample rate"):
        Header.parse(packed.replace(struct.pack("<d", 0.1), struct.pack("<d", rate)))


def test_metadata_come_back_behind_the_model():
    known = {"gain_to_uV": [0.5, 2], "own": ["µ"]}
    data = coded(about=metadata.pack(known, 2))
    reader, blocks = read(data)
    assert [tag for tag, _ in blocks] == [b"M", b"J", b"F", b"C", b"C", b"C", b"B", b"E"]
    assert reader.metadata == known
    layout = read_layout(io.BytesIO(data))
    assert (layout.metadata, layout.embedded, layout.first_sequence) == (known, MODEL, 4)
    assert scan_layout(io.BytesIO(data)) == layout
    assert read(coded())[0].metadata == read_layout(io.BytesIO(coded())).metadata == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda blocks: [blocks[0], blocks[2], blocks[1], *blocks[3:]],  # in front of the model
        lambda blocks: [*blocks[:2], blocks[3], blocks[2], *blocks[4:]],  # behind the front
        lambda blocks: [*blocks[:2], *blocks[3:-1], blocks[2], blocks[-1]],  # behind the chunks
        lambda blocks: [*blocks[:3], *blocks[2:]],  # twice
        lambda blocks: [*blocks[:2], (b"J", b""), *blocks[3:]],
        lambda blocks: [*blocks[:2], (b"J", b"\0[]"), *blocks[3:]],
    ],
)
def test_metadata_have_their_place(change):
    good = coded(about=metadata.pack({"a": 1}, 2))
    with pytest.raises(CorruptError):
        read(rebuilt(good, change))


def test_every_changed_missing_or_added_byte_is_noticed():
    data = coded()
    read(data)
    for at in range(len(data) + 1):
        variants = [data[:at] + b"\0" + data[at:], data[:at] + b"\xff" + data[at:], data[:at]]
        if at < len(data):
            variants += [data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] for bit in range(8)]
            variants.append(data[:at] + data[at + 1 :])
        for variant in variants:
            if variant == data:
                continue
            for way in (read, lambda changed: read_layout(io.BytesIO(changed))):
                try:
                    way(variant)
                except (CorruptError, FileFormatError):
                    continue
                # by the index only: damage inside a chunk is found when the chunk is read
                assert way is not read, f"byte {at}"
                layout = read_layout(io.BytesIO(variant))
                assert layout.index.first <= at < layout.index.first + sum(layout.index.sizes)


def test_messages_say_what_is_wrong():
    data = coded()
    with pytest.raises(FileFormatError, match="not a middleout file"):
        read(b"RIFF" + data)
    with pytest.raises(FileFormatError, match=f"version 9 is not supported, only version {VERSION}"):
        read(data[:4] + b"\x09" + data[5:])
    with pytest.raises(CorruptError, match="truncated"):
        read(data[:-40])
    with pytest.raises(CorruptError, match="behind the end"):
        read(data + b"x")
    with pytest.raises(CorruptError, match="truncated"):
        read(data[:4])


@pytest.mark.parametrize("order", [(1, 0), (0, 0), (0,), (2, 1, 0), (0, 1, 2, 2)])
def test_chunks_cannot_be_moved_dropped_or_repeated(order):
    data = coded()
    start = read_layout(io.BytesIO(data)).index.first
    size = len(payload(3)) + 9
    chunks = [data[start + i * size : start + (i + 1) * size] for i in range(3)]
    moved = data[:start] + b"".join(chunks[i] for i in order) + data[start + 3 * size :]
    with pytest.raises(CorruptError):
        read(moved)


def test_chunks_of_another_file_are_noticed():
    one, other = coded(), coded(sample_rate=20001)
    layout = read_layout(io.BytesIO(one))
    start = layout.index.first
    with pytest.raises(CorruptError):
        read(one[:start] + other[start : start + layout.index.sizes[0]] + one[start + layout.index.sizes[0] :])


@pytest.mark.parametrize(
    "change",
    [
        lambda blocks: [blocks[0], *blocks[2:]],  # no model
        lambda blocks: [blocks[0], blocks[1], *blocks[1:]],  # two models
        lambda blocks: [*blocks[:2], *blocks[3:]],  # no front
        lambda blocks: [*blocks[:3], blocks[4], blocks[3], *blocks[5:]],  # other lengths than the index's
        lambda blocks: [*blocks[:2], blocks[3], blocks[2], *blocks[4:]],  # front behind a chunk
        lambda blocks: [*blocks[:5], *blocks[6:]],  # one chunk fewer
        lambda blocks: [*blocks[:5], blocks[5], blocks[5], *blocks[6:]],  # one chunk more
        lambda blocks: [*blocks[:-1], (b"X", b""), blocks[-1]],  # unknown
        lambda blocks: [*blocks[:-1], blocks[0], blocks[-1]],  # header twice
        lambda blocks: [*blocks[:3], (b"C", struct.pack("<IB", 0, 1)), *blocks[4:]],  # no frames
        lambda blocks: [*blocks[:3], (b"C", struct.pack("<IB", 1 << 25, 1)), *blocks[4:]],  # too many
    ],
)
def test_well_formed_blocks_in_a_wrong_arrangement_are_refused(change):
    good = coded()
    assert rebuilt(good, lambda blocks: blocks) == good
    with pytest.raises(CorruptError):
        read(rebuilt(good, change))


@pytest.mark.parametrize(
    "changes",
    [{"channels": 0}, {"source": "wav", "dtype": "<u2"}, {"canonical": True, "frames": 1}, {"canonical": True}],
)
def test_impossible_headers_are_refused(changes):
    packed = Header(**{"channels": 1, "sample_rate": 1, "model": IDENTITY, **changes}).pack()
    with pytest.raises(CorruptError):
        Header.parse(packed)


@pytest.mark.parametrize("suffix", ["/../x", ".a/b", ".a\\b", ".a\0", ".\n", ".", "wav", "." + "a" * 32, ".\udcff"])
def test_suffixes_that_lead_out_of_the_folder_are_refused(suffix):
    assert not is_suffix(suffix)
    if suffix != ".\udcff":
        with pytest.raises(CorruptError):
            Header.parse(Header(1, 1, IDENTITY, suffix=suffix).pack())


def test_announced_frames_must_come():
    with pytest.raises(MiddleoutError, match="12 frames"):
        coded(frames=13)
    data = coded(frames=12)
    assert read(data)[0].header.frames == 12
    with pytest.raises(CorruptError, match="add up"):
        read(rebuilt(data, lambda blocks: [(b"H", replace(Header.parse(blocks[0][1]), frames=13).pack()), *blocks[1:]]))


def test_lengths_are_checked_before_anything_is_read():
    class NoSilly(io.BytesIO):
        def read(self, count=-1):
            assert 0 <= count <= 1 << 22
            return super().read(count)

    data = coded()
    for length in (0xFFFFFFFF, limits.MAX_CHUNK_SAMPLES * 2):
        at = read_layout(io.BytesIO(data)).index.first
        with pytest.raises(CorruptError):
            for _ in BlockReader(NoSilly(data[: at + 1] + struct.pack("<I", length) + data[at + 5 :])):
                pass


def test_compressed_parts_keep_to_their_limit():
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 20))
    assert parse_blob(1, bomb, 1 << 20) == bytes(1 << 20)
    writer = zstandard.ZstdCompressor().compressobj()
    unsized = writer.compress(b"x" * 100) + writer.flush()
    for bad in (bomb, unsized, bomb[:-1], bomb[:9] + b"x" + bomb[10:], b"", b"x"):
        with pytest.raises(CorruptError):
            parse_blob(1, bad, (1 << 20) - 1)
    with pytest.raises(CorruptError):
        parse_blob(1, bomb + b"x", 1 << 20)
    with pytest.raises(CorruptError):
        parse_blob(2, b"", 10)
    with pytest.raises(CorruptError):
        parse_blob(0, b"123", 2)


def test_blobs_do_not_grow():
    for data in (b"", b"a", bytes(1000), bytes(range(256))):
        coding, body = pack_blob(data)
        assert len(body) <= len(data)
        assert parse_blob(coding, body, len(data)) == data


def test_fixed_cost_and_cost_per_chunk_are_small():
    def size(chunks):
        plain = {"embedded": False, "source": "samples", "front": b"", "back": b"", "channels": 1}
        return len(coded([payload(1000, bytes(2000))] * chunks, **plain)) - chunks * 2000

    assert size(0) <= 96
    for chunks in (1, 2, 10, 100, 5000):
        assert size(chunks) <= 96 + 16 * chunks


def test_random_access_finds_the_blocks():
    data = coded()
    layout = read_layout(io.BytesIO(data))
    assert layout.embedded == MODEL
    assert layout.first_sequence == 3
    assert list(layout.index.frames) == [3, 4, 5]
    assert data[layout.index.first : layout.index.first + 1] == b"C"


def test_scanning_finds_all_chunks_in_front_of_the_damage():
    data = coded()
    layout = read_layout(io.BytesIO(data))
    assert scan_layout(io.BytesIO(data)) == layout
    cut = layout.index.first + sum(layout.index.sizes) - 1
    scanned = scan_layout(io.BytesIO(data[:cut]))
    assert (list(scanned.index.frames), scanned.first_sequence) == ([3, 4], 3)
    assert scan_layout(io.BytesIO(data[: layout.index.first - 1])).index.total == 0


def test_large_foreign_parts_go_into_pieces(monkeypatch):
    monkeypatch.setattr(limits, "MAX_FOREIGN_PIECE", 10)
    _, blocks = read(coded(front=b"0123456789abcdef", back=b"x" * 25))
    assert b"".join(parse_foreign(body) for tag, body in blocks if tag == b"F") == b"0123456789abcdef"
    assert [len(parse_foreign(body)) for tag, body in blocks if tag == b"B"] == [10, 10, 5]


def test_an_index_must_be_whole():
    index = Index(50)
    index.frames.extend([1] * 100)
    index.sizes.extend(range(100))
    assert Index.parse(index.pack()) == index
    for bad in (index.pack()[:-1], index.pack() + b"x", b"\0", b"\0" * 20):
        with pytest.raises(CorruptError):
            Index.parse(bad)
    with pytest.raises(CorruptError):
        chunk_frames(b"\1\0\0\0")


def test_the_crc_is_the_documented_one():
    data = coded()
    length = int.from_bytes(data[6:10], "little")
    covered = struct.pack("<II", 0, 0) + data[5 : 10 + length]
    assert zlib.crc32(covered) == int.from_bytes(data[10 + length : 14 + length], "little")


@pytest.mark.parametrize("frames", [0, limits.MAX_CHUNK_FRAMES + 1, 2**32 - 1])
def test_an_index_with_impossible_frames_is_refused(frames):
    forged = Index(read_layout(io.BytesIO(coded())).index.first)
    forged.frames.extend([frames] * 3)
    forged.sizes.extend([len(payload(3)) + 9] * 3)
    data = rebuilt(coded(), lambda blocks: [*blocks[:-1], (b"E", forged.pack())])
    with pytest.raises(CorruptError, match="impossible"):
        read_layout(io.BytesIO(data))
