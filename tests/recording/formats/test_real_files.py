"""Real files: what readers of others say of them, all bytes back, and little kept beside the samples."""

from dataclasses import dataclass

import numpy as np
import pytest
from parsed import parse

import runtime

OPEN_EPHYS = "openephys/experiment1/recording1/continuous"


@dataclass(frozen=True)
class Known:
    """What neo 0.14.6 and pyedflib 0.1.42 say of a file; the last fields are bounds of bytes that are kept."""

    channels: int
    frames: int
    sample_rate: float
    dtype: str
    first_ids: tuple[str, ...] | None
    gain: float | None = None
    kept: int = 0
    tail: int = 0


FILES = {
    "eeg_138ch.edf": Known(139, 3072, 512, "<i2", ("A1", "A2"), 1.0, 120),
    "eeg_73ch_24bit.bdf": Known(73, 2048, 2048, "<i3", ("Fp1", "AF7"), 524287 / 16777215),
    "intan_hum_32ch.rhd": Known(32, 31104, 20000, "<u2", ("A-000", "A-001"), 0.195, 20000),
    "intan_per_type/amplifier.dat": Known(128, 10000, 30000, "<i2", ("A-000", "A-001"), 0.195),
    "intan_per_type/auxiliary.dat": Known(6, 10000, 30000, "<u2", ("A-AUX1", "A-AUX2"), 37.4),
    "intan_per_type/digitalin.dat": Known(1, 10000, 30000, "<u2", None),
    "intan_per_type/time.dat": Known(1, 10000, 30000, "<i4", None),
    f"{OPEN_EPHYS}/NI-DAQmx-103.PXIe-6341/continuous.dat": Known(8, 100, 30000, "<i2", ("AI0", "AI1")),
    f"{OPEN_EPHYS}/Neuropix-PXI-100.ProbeB/continuous.dat": Known(384, 100, 30000, "<i2", ("CH1", "CH2"), 0.195),
    f"{OPEN_EPHYS}/Neuropix-PXI-100.ProbeC/continuous.dat": Known(384, 100, 30000, "<i2", ("CH1", "CH2"), 0.195),
    "patch_171116sh_0011.abf": Known(1, 200000, 20000, "<i2", ("IN 0",), None, 0, 896),
    "ramp.ncs": Known(1, 65536, 32000, "<i2", ("1",), None, 60),
}
OTHERS = ("intan_per_type/info.rhd", "openephys/settings.xml", "openephys/experiment1/recording1/structure.oebin")


@pytest.fixture
def folder(shared_data):
    if not (shared_data / "files").is_dir():
        pytest.skip(f"no files of acquisition systems in {shared_data}")
    return shared_data / "files"


@pytest.mark.parametrize("name", FILES)
def test_real_files_are_described_and_come_back(name, folder):
    data, known = (folder / name).read_bytes(), FILES[name]
    parsed = parse(data, folder / name, step=1 << 17)
    described = parsed.described
    assert parsed.back == data
    assert (described.channels, len(parsed.samples)) == (known.channels, known.frames)
    assert (described.sample_rate, described.dtype) == (known.sample_rate, known.dtype)
    assert not described.warnings
    ids, gains = described.metadata.get("channel_ids"), described.metadata.get("gain_to_uV")
    assert (None if ids is None else tuple(ids[: len(known.first_ids)])) == known.first_ids
    assert known.gain is None or gains[0] == pytest.approx(known.gain)
    assert parsed.kept <= known.kept and parsed.tail == known.tail


@pytest.mark.parametrize("name", OTHERS)
def test_files_without_samples_are_none(name, folder):
    assert parse((folder / name).read_bytes(), folder / name) is None


def test_triggers_of_an_eeg_stay_exact_with_a_bound(folder, tmp_path):
    path, coded = folder / "eeg_138ch.edf", tmp_path / "x.mdo"
    runtime.encode_file(path, coded, max_error=3)
    samples = parse(path.read_bytes(), path).samples
    with runtime.open(coded) as reader:
        triggers = list(reader.channel_ids).index("Status")
        assert np.array_equal(reader[:, triggers], samples[:, triggers]) and not np.array_equal(reader, samples)


def test_samples_are_those_of_other_readers(folder):
    rawio = pytest.importorskip("neo.rawio")
    readers = {
        "intan_hum_32ch.rhd": rawio.IntanRawIO,
        "patch_171116sh_0011.abf": rawio.AxonRawIO,
    }
    for name, kind in readers.items():
        reader = kind(filename=str(folder / name))
        reader.parse_header()
        segments = range(reader.segment_count(0))
        theirs = np.concatenate([reader.get_analogsignal_chunk(0, part, stream_index=0) for part in segments])
        assert np.array_equal(parse((folder / name).read_bytes(), folder / name).samples, theirs)


def test_samples_are_those_of_pyedflib(folder):
    pyedflib = pytest.importorskip("pyedflib")
    parsed = parse((folder / "eeg_138ch.edf").read_bytes())
    with pyedflib.EdfReader(str(folder / "eeg_138ch.edf")) as reader:
        theirs = np.stack([reader.readSignal(i, digital=True) for i in range(139)], axis=1)
        labels = reader.getSignalLabels()[:139]
    assert np.array_equal(parsed.samples, theirs)
    assert parsed.described.metadata["channel_ids"] == labels
