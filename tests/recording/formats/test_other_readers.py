"""What is written for the tests is what other readers understand, and what other writers write is understood."""

import numpy as np
import pytest
from acquisition_files import CASES
from parsed import parse

READERS = {
    "rhd 1.0": "IntanRawIO",
    "rhd 1.5": "IntanRawIO",
    "rhd 3.1": "IntanRawIO",
    "rhs": "IntanRawIO",
    "rhs without dc": "IntanRawIO",
    "open ephys legacy": "OpenEphysRawIO",
    "spikeglx np1": "SpikeGLXRawIO",
    "spikeglx np2": "SpikeGLXRawIO",
    "spikeglx nidq": "SpikeGLXRawIO",
    "blackrock 2.3": "BlackrockRawIO",
    "blackrock 3.0": "BlackrockRawIO",
    "neuralynx": "NeuralynxRawIO",
    "abf 1": "AxonRawIO",
    "abf 2": "AxonRawIO",
    "abf 2 of floats": "AxonRawIO",
    "brainvision int16": "BrainVisionRawIO",
    "brainvision float32": "BrainVisionRawIO",
}
OTHER_GAINS = {
    ("spikeglx np1", "AP"),
    ("spikeglx nidq", "XD"),
    ("rhs", "DC"),
    *(("brainvision float32", end) for end in ("P1", "B", "OG")),
}
"""Where neo differs.

It takes the gains of a probe's first channels for those that were kept; digital words are volts; the sign of Intan's DC
amplifiers is another than in Intan's own readers; floats have no resolution.
"""
OF_FOLDERS = ("OpenEphysRawIO", "SpikeGLXRawIO", "NeuralynxRawIO")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("ignore")
def test_neo_reads_the_same_samples_and_gains(name, tmp_path):
    rawio = pytest.importorskip("neo.rawio")
    case = CASES[name]()
    path = case.write(tmp_path)
    kind = READERS[name]
    if kind == "BrainVisionRawIO":
        (tmp_path / "a.vmrk").write_text("Brain Vision Data Exchange Marker File, Version 1.0\n[Marker Infos]\n")
        path = path.with_suffix(".vhdr")
    reader = getattr(rawio, kind)(str(tmp_path if kind in OF_FOLDERS else path))
    reader.parse_header()
    parsed = parse(case.data, case.write(tmp_path))
    metadata = parsed.described.metadata
    signals = reader.header["signal_channels"]
    compared = 0
    for index, stream in enumerate(reader.header["signal_streams"]):
        own = signals[signals["stream_id"] == stream["id"]]
        if own["dtype"][0] == "int16" and "STIM" in own["name"][0] or "sync" in stream["name"].lower():
            continue  # what neo takes out of words
        for number, channel in enumerate(own):
            names = [channel["name"], channel["id"], f"{channel['name']}_DC", str(channel["id"]).split("#")[-1]]
            at = next((metadata["channel_ids"].index(one) for one in names if one in metadata["channel_ids"]), None)
            if at is None:
                continue
            parts = [
                reader.get_analogsignal_chunk(0, part, stream_index=index, channel_indexes=[number])
                for part in range(reader.segment_count(0))
            ]
            assert channel["sampling_rate"] == pytest.approx(parsed.described.sample_rate)
            assert np.array_equal(np.concatenate(parts)[:, 0], parsed.samples[:, at])
            factor = {"uV": 1, "mV": 1e3, "V": 1e6}.get(channel["units"], 1)
            if "gain_to_uV" in metadata and not any(one == name and end in channel["name"] for one, end in OTHER_GAINS):
                assert metadata["gain_to_uV"][at] == pytest.approx(channel["gain"] * factor)
                offset = metadata.get("offset_to_uV", [0] * len(metadata["channel_ids"]))[at]
                assert offset == pytest.approx(channel["offset"] * factor)
            compared += 1
    assert compared >= min(2, parsed.described.channels)


@pytest.mark.parametrize("kind", ["EDF", "BDF"])
def test_files_of_pyedflib_are_understood(kind, tmp_path):
    pyedflib = pytest.importorskip("pyedflib")
    path, bdf = str(tmp_path / f"a.{kind.lower()}"), kind == "BDF"
    low, high = (-8388608, 8388607) if bdf else (-32768, 32767)
    random = np.random.default_rng(0)
    signals = [random.integers(-3000, 3000, 5 * rate).astype(np.int32) for rate in (200, 200, 50, 200)]
    with pyedflib.EdfWriter(path, 4, file_type=pyedflib.FILETYPE_BDFPLUS if bdf else pyedflib.FILETYPE_EDFPLUS) as file:
        for i, rate in enumerate((200, 200, 50, 200)):
            header = {"label": f"C{i}", "dimension": "uV", "sample_frequency": rate, "transducer": "", "prefilter": ""}
            limits = {"physical_min": -500, "physical_max": 500, "digital_min": low, "digital_max": high}
            file.setSignalHeader(i, header | limits)
        file.writeSamples(signals, digital=True)
        file.writeAnnotation(1.5, -1, "an event")
    with open(path, "rb") as file:
        data = file.read()
    parsed = parse(data)
    assert parsed.back == data and not parsed.described.warnings
    assert np.array_equal(parsed.samples, np.stack([signals[i] for i in (0, 1, 3)], axis=1))
    assert parsed.described.sample_rate == 200
    assert parsed.described.metadata["channel_ids"] == ["C0", "C1", "C3"]
    assert parsed.described.metadata["gain_to_uV"] == pytest.approx([1000 / (high - low)] * 3)
