"""Whatever goes wrong with one file is an error of a known class, of that file alone."""

import io
import struct
import warnings

import numpy as np
import pytest

import runtime
from runtime.batch import coders, codings
from runtime.batch.files import encode_files, verify_files
from runtime.cli import main as cli
from runtime.container.blocks import BlockWriter
from runtime.container.index import Index
from runtime.container.random_access import read_layout
from runtime.core.errors import CorruptError, FileFormatError, MiddleoutError, ModelError
from runtime.recording.npy import read_header


class Fail(Exception):
    """As onnxruntime raises them."""


Fail.__module__ = "onnxruntime.capi.onnxruntime_pybind11_state"


@pytest.fixture
def recordings(tmp_path):
    """Three .npy files, whose chunks go into one batch."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{name}.npy" for name in "abc"]
    for number, path in enumerate(paths):
        np.save(path, np.cumsum(rng.integers(-9, 10, 500 + number)).astype(np.int16))
    return paths


@pytest.mark.parametrize(
    "error, kind",
    [(MemoryError(), MiddleoutError), (Fail("x"), ModelError), (KeyError("x"), FileFormatError)],
)
@pytest.mark.parametrize("name", ["encode", "decode"])
def test_one_bad_chunk_of_a_batch_fails_its_own_file_only(recordings, monkeypatch, name, error, kind):
    real = getattr(codings, name)
    encode_files(recordings, jobs=1)
    bad = {len(chunk.payload) for chunk in map(first_task, recordings)}
    assert len(bad) == 3
    wanted = len(first_task(recordings[1]).payload)

    def fails(tasks, model):
        for task in tasks:
            if len(task.samples) == 501 if name == "encode" else len(task.payload) == wanted:
                raise error
        return real(tasks, model)

    monkeypatch.setattr(codings, name, fails)
    coded = [path.with_suffix(".mdo") for path in recordings]
    outcomes = encode_files(recordings, force=True, jobs=1) if name == "encode" else verify_files(coded, jobs=1)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert type(outcomes[1].error) is kind


def first_task(path):
    """The task of a coded file's first chunk."""
    with runtime.open(path.with_suffix(".mdo")) as reader:
        return reader._chunks.task(0)


def test_unexpected_errors_have_their_traceback_in_the_log(recordings, monkeypatch, capsys, caplog):
    def fails(*_):
        raise ZeroDivisionError("a mistake in the program")

    monkeypatch.setattr(coders.codings, "encode", fails)
    assert cli.main(["encode", "--verbose", "-q", str(recordings[0])]) == 1
    assert "ZeroDivisionError: a mistake in the program; please report this" in capsys.readouterr().err
    assert any(record.exc_info and "in fails" in caplog.handler.format(record) for record in caplog.records)


def test_unexpected_errors_of_other_commands_are_no_tracebacks(monkeypatch, capsys):
    def fails(*_):
        raise ZeroDivisionError("x")

    monkeypatch.setattr("runtime.predictor.model.available", fails)
    assert cli.main(["models"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_reading_more_than_the_memory_is_a_typed_error():
    with runtime.open(io.BytesIO(runtime.encode(np.zeros(99, np.int16), 100))) as reader:
        reader.frames = 1 << 60
        for read in (reader.read, reader.mask):
            with pytest.raises(MiddleoutError, match="out of memory"):
                read()


def test_an_index_of_zero_frames_is_damage():
    data = runtime.encode(np.arange(200, dtype=np.int16), 100, chunk_frames=100)
    layout = read_layout(io.BytesIO(data))
    file = io.BytesIO()
    writer = BlockWriter(file, layout.header, None)
    first = writer.offset
    writer._index = Index(first)
    writer._index.frames.extend([0, 0])
    writer._index.sizes.extend([0, 0])
    writer._block(b"E", writer._index.pack())
    for call in (runtime.open, lambda source: runtime.decode(source.getvalue())):
        with pytest.raises(CorruptError):
            call(file)


PIECES = [
    *"{}()[],:",
    *("'descr'", "'shape'", "'fortran_order'", "'<i2'", "'V0'", "'O'", "','", "''", "[('a','<i2')]", "'(2,)<i2'"),
    *("True", "False", "(3,)", "(2,3)", "()", "10**9", "-1", "None", "1j", "b'1'", "\\x00", "lambda", "9" * 5000),
]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_odd_headers_of_npy_files_are_refused():
    rng = np.random.default_rng(0)
    warnings.simplefilter("ignore")
    for _ in range(2000):
        text = "".join(rng.choice(PIECES, rng.integers(0, 12)))
        if rng.random() < 0.7:
            descr, order, shape = rng.choice(PIECES, 3)
            text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"
        data = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode()
        with pytest.raises(MiddleoutError):
            read_header(io.BytesIO(data))
            raise FileFormatError("by chance a good one")
