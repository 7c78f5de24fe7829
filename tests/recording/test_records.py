"""Originals in records: what is split into samples and kept bytes comes together again, however it is cut."""

import io
import struct

import numpy as np
import pytest

from runtime.container.record_bytes import Packed, Unpacked, detach
from runtime.container.records import Bytes, Integers, Layout, Records, Samples, Signal
from runtime.core import sample_formats
from runtime.core.errors import CorruptError
from runtime.recording.records import Assembler, Description, RecordsReader

MIXED = Records(6, (Signal(0, 7), Samples(1, 5), Signal(0, 2), Integers(2), Samples(2, 5), Signal(0, 7), Bytes(2)))
STAMPED = Records(7, (Integers(8), Bytes(3), Samples(2, 5, by_channel=True), Integers(2, 4), Samples(1, 5), Bytes(1)))
LAYOUTS = {
    "frames": Layout((b"header", Records(50, (Samples(3),)))),
    "records": Layout((b"head", STAMPED, b"between", Records(4, (Samples(3, 3), Integers(4, 2))))),
    "records only": Layout((STAMPED,)),
    "other signals": Layout((b"head", MIXED, Records(4, (Samples(3, 3), Signal(0, 7))), b"last")),
    "nothing in front": Layout((Records(3, (Bytes(4), Samples(3, 9))), b"last")),
}


def original(layout: Layout, dtype: str) -> bytes:
    random = np.random.default_rng(1)
    size = layout.places(sample_formats.width(dtype))[-1]
    data = random.integers(0, 256, size, np.uint8)
    for part, at in zip(layout.sections, layout.places(sample_formats.width(dtype)), strict=False):
        if isinstance(part, bytes):
            data[at : at + len(part)] = np.frombuffer(part, np.uint8)
    return data.tobytes()


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<u2", "<i3", "<f4", "|u1"])
@pytest.mark.parametrize("cuts", [(1000,), (1, 2, 3, 1000), (7,) * 30])
@pytest.mark.parametrize("name", LAYOUTS)
def test_an_original_comes_together_again(name, cuts, dtype):
    layout = Layout.parse(LAYOUTS[name].pack(), 3, sample_formats.width(dtype))
    data = original(layout, dtype) + b"tail"
    reader = RecordsReader(io.BytesIO(data), Description("test", 3, 0, dtype, layout))
    assembler, at = Assembler(layout, dtype), 0
    back = list(assembler.start())
    for count in cuts:
        samples = reader.read(count)
        unpacked = reader.record_bytes(len(samples))
        for _ in unpacked.signals():
            assert unpacked.take(b"")
        assert not unpacked.take(b"")
        runs = list(layout.begun(at, at + len(samples)))
        packed, at = Packed(unpacked.pack(), layout, runs, dtype), at + len(samples)
        assert not packed.take(samples) and packed.whole
        back += assembler.add(samples, packed.rows)
    back += reader.back()
    assert b"".join(back) == data
    assert layout.frames == reader.frames == 50 if name == "frames" else True


@pytest.mark.parametrize("name", LAYOUTS)
def test_frames_can_be_passed_over(name):
    layout = LAYOUTS[name]
    data = original(layout, "<i2")
    whole = RecordsReader(io.BytesIO(data), Description("test", 3, 0, "<i2", layout)).read(1000)
    for steps in ((1, 2, 3), (7, 0, 12), (20, 3, 2), (0, 5, 0)):
        reader, at = RecordsReader(io.BytesIO(data), Description("test", 3, 0, "<i2", layout)), 0
        for step in steps:
            reader.skip(step)
            at += step
            assert (reader.read(2) == whole[at : at + 2]).all()
            at += 2


def test_time_stamps_cost_almost_nothing():
    records = Records(1000, (Integers(8), Samples(1, 10)))
    stamps = (np.arange(1000, dtype="<u8") * 333 + 10**15).view(np.uint8).reshape(1000, 8)
    assert len(Unpacked([(records, stamps)], "<i2").pack()) < 60


@pytest.mark.parametrize(
    "sections",
    [
        (Records(0, (Samples(3),)),),
        (Records(1, (Samples(2),)),),
        (Records(1, (Samples(3, 0),)),),
        (Records(1, (Samples(1, 2), Samples(2, 3))),),
        (Records(1, (Samples(3), Integers(3))),),
        (Records(1, (Samples(3), Bytes(1 << 21))),),
        (Records(1, (Bytes(3),)),),
        (Records(1, (Samples(3), Signal(2, 0))),),
        (Records(1, (Samples(3), Signal(2, 1 << 20))),),
        (Records(1, (Bytes(0),) * (1 << 18) + (Samples(3),)),),
        (b"",) * ((1 << 18) + 1),
    ],
)
def test_impossible_layouts_are_refused(sections):
    with pytest.raises(CorruptError):
        Layout.parse(Layout(sections).pack(), 3, 2)


def test_damaged_layouts_are_refused():
    packed = LAYOUTS["records"].pack()
    for end in range(1, len(packed)):
        try:
            assert Layout.parse(packed[:end], 3, 2).frames < LAYOUTS["records"].frames
        except CorruptError:
            pass
    with pytest.raises(CorruptError):
        Layout.parse(b"\x02\x01", 3, 2)


def test_bytes_of_records_have_the_size_of_the_layout():
    layout = LAYOUTS["records"]
    runs = list(layout.begun(0, layout.frames))
    for packed in (b"", b"\0abc"):
        with pytest.raises(CorruptError):
            _ = Packed(packed, layout, runs, "<i2").rows
    with pytest.raises(CorruptError):
        detach(b"abc")


def test_signals_are_a_chunk_where_that_is_smaller():
    records = Records(300, (Signal(2, 4), Samples(1, 2), Signal(2, 4), Integers(4)))
    layout = Layout((records,))
    kept = np.random.default_rng(2).integers(0, 256, (300, records.kept), np.uint8)
    unpacked = Unpacked([(records, kept)], "<i2")
    (signals,) = unpacked.signals()
    assert (signals[:4, 1] == kept[0, 8:16].view("<i2")).all()
    chunk = struct.pack("<IB", 1200, 0) + b"in its own form"
    assert unpacked.take(chunk)
    data, runs = unpacked.pack(), list(layout.begun(0, 600))
    packed = Packed(data, layout, runs, "<i2")
    assert packed.chunks == [(chunk, 2)]
    assert packed.take(signals) and not packed.take(signals)
    (row,) = packed.rows
    assert (row == kept).all()
    damaged = Packed(data, layout, runs, "<i2")
    assert damaged.take(signals[:, :1]) and not damaged.whole
    for wrong in (struct.pack("<IB", 1199, 0), struct.pack("<IB", 1200, 2) + b"\0", struct.pack("<IB", 1200, 3), b"\0"):
        with pytest.raises(CorruptError):
            Packed(data[:1] + wrong + data[1 + len(wrong) :], layout, runs, "<i2")
    for end in range(len(chunk)):
        with pytest.raises(CorruptError):
            Packed(data[:end], layout, runs, "<i2")
