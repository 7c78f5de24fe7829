"""Originals in records: what is split into samples and kept bytes comes together again, however it is cut."""

import io

import numpy as np
import pytest

from runtime.container import record_bytes
from runtime.container.records import Bytes, Integers, Layout, Records, Samples
from runtime.core import sample_formats
from runtime.core.errors import CorruptError
from runtime.recording.records import Assembler, Description, RecordsReader

STAMPED = Records(7, (Integers(8), Bytes(3), Samples(2, 5, by_channel=True), Integers(2, 4), Samples(1, 5), Bytes(1)))
LAYOUTS = {
    "frames": Layout((b"header", Records(50, (Samples(3),)))),
    "records": Layout((b"head", STAMPED, b"between", Records(4, (Samples(3, 3), Integers(4, 2))))),
    "records only": Layout((STAMPED,)),
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
    layout = Layout.parse(LAYOUTS[name].pack(), 3)
    data = original(layout, dtype) + b"tail"
    reader = RecordsReader(io.BytesIO(data), Description("test", 3, 0, dtype, layout))
    assembler = Assembler(layout, dtype)
    back = list(assembler.start())
    for count in cuts:
        samples = reader.read(count)
        back += assembler.add(samples, reader.record_bytes(len(samples)))
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
    assert len(record_bytes.pack([(records, stamps)])) < 60


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
        (Records(1, (Bytes(0),) * (1 << 18) + (Samples(3),)),),
        (b"",) * ((1 << 18) + 1),
    ],
)
def test_impossible_layouts_are_refused(sections):
    with pytest.raises(CorruptError):
        Layout.parse(Layout(sections).pack(), 3)


def test_damaged_layouts_are_refused():
    packed = LAYOUTS["records"].pack()
    for end in range(1, len(packed)):
        try:
            assert Layout.parse(packed[:end], 3).frames < LAYOUTS["records"].frames
        except CorruptError:
            pass
    with pytest.raises(CorruptError):
        Layout.parse(b"\x02\x01", 3)


def test_bytes_of_records_have_the_size_of_the_layout():
    layout = LAYOUTS["records"]
    runs = list(layout.begun(0, layout.frames))
    with pytest.raises(CorruptError):
        record_bytes.unpack(b"", layout, runs)
    with pytest.raises(CorruptError):
        record_bytes.unpack(b"\0abc", layout, runs)
    with pytest.raises(CorruptError):
        record_bytes.detach(b"abc")
