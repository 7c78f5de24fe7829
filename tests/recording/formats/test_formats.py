"""Each format, from files written by its specification: samples, metadata, and all bytes back."""

import struct

import numpy as np
import pytest
from acquisition_files import (
    CASES,
    abf_first,
    blackrock,
    brainvision,
    edf,
    intan_folder,
    kilosort,
    neuralynx,
    open_ephys,
    open_ephys_legacy,
    rhs,
    spikeglx,
)
from parsed import describe_data, parse

import runtime
from runtime.recording import records
from runtime.recording.formats import blackrock as blackrock_files


@pytest.mark.parametrize("name", CASES)
def test_samples_and_metadata_are_found_and_all_bytes_come_back(name, tmp_path):
    case = CASES[name]()
    parsed = parse(case.data, case.write(tmp_path))
    assert parsed is not None
    described = parsed.described
    assert parsed.back == case.data
    assert described.dtype == case.dtype and described.channels == case.samples.shape[1]
    assert np.array_equal(parsed.samples, case.samples)
    assert described.sample_rate == case.sample_rate
    assert described.metadata.get("channel_ids") == case.ids
    if case.gain is not None:
        assert described.metadata["gain_to_uV"] == pytest.approx(case.gain, rel=1e-6)
    assert case.more.items() <= described.metadata.items()
    assert not described.warnings
    assert described.form and isinstance(described, records.Description)


@pytest.mark.parametrize("name", CASES)
def test_files_whose_contents_tell_need_no_name(name):
    case = CASES[name]()
    described = describe_data(case.data)
    assert (described is None) == (len(case.files) > 1)


@pytest.mark.parametrize("make", [neuralynx, open_ephys_legacy])
def test_records_are_no_channels_of_an_array(make, tmp_path):
    """Only fronts and backs of such files are kept, not what lies between samples."""
    case = make()
    first = case.write(tmp_path)
    files = [first, first.with_name(f"other {first.name}")]
    files[1].write_bytes(case.data)
    (outcome,) = runtime.encode_files(files, array=True, output=tmp_path / "x.mdo", remove=True)
    assert isinstance(outcome.error, runtime.UsageError) and "by itself" in str(outcome.error)
    assert all(path.read_bytes() == case.data for path in files)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("amp-A-002", "amp-B-000"), {"channel_ids": ["A-002", "B-000"], "gain_to_uV": [0.195, 0.195]}),
        (("amp-A-002", "amp-a-002"), {"gain_to_uV": [0.195, 0.195]}),
        (("board-DIGITAL-IN-00", "board-DIGITAL-IN-01"), {"annotations": {"units": ["bits", "bits"]}}),
        (("board-ANALOG-IN-1", "board-ANALOG-IN-2"), {"channel_ids": ["ANALOG-IN-1", "ANALOG-IN-2"]}),
        (
            ("dc-A-000", "dc-A-001"),
            {"channel_ids": ["A-000_DC", "A-001_DC"], "gain_to_uV": [-19230] * 2, "offset_to_uV": [9845760] * 2},
        ),
    ],
)
def test_an_array_has_what_each_of_its_files_tells(names, told, tmp_path):
    info, whole = intan_folder("time.dat").files["info.rhd"], rhs()
    files = [tmp_path / f"{name}.dat" for name in names]
    for file in files:
        file.write_bytes(bytes(2000))
    (tmp_path / "info.rhd").write_bytes(whole.data[: whole.header] if names[0].startswith("dc") else info)
    (outcome,) = runtime.encode_files(files, array=True, output=tmp_path / "x.mdo")
    with runtime.open(outcome.output) as reader:
        assert reader.metadata == told


def test_units_that_are_no_volts_are_said(tmp_path):
    case = open_ephys()
    files = {name: data.replace(b'"units": "V"', b'"units": "N"') for name, data in case.files.items()}
    case.files = files
    metadata = parse(case.data, case.write(tmp_path)).described.metadata
    assert metadata["gain_to_uV"][4] == 0.00015
    assert metadata["annotations"]["units"] == ["uV"] * 4 + ["N"]


def test_analog_inputs_and_auxiliary_channels_of_open_ephys_are_of_volts(tmp_path):
    case = open_ephys()
    for name, data in case.files.items():
        data = data.replace(b'"units": "V"', b'"units": ""').replace(b'"CH2"', b'"A1_AUX2"')
        case.files[name] = data.replace(
            b'"CH3", "bit_volts": 0.195, "units": ""', b'"AUX3", "bit_volts": 1, "units": "mV"'
        )
    metadata = parse(case.data, case.write(tmp_path)).described.metadata
    assert metadata["gain_to_uV"] == [0.195, 0.195, 195000.0, 1000.0, 150.0]
    data = open_ephys_legacy().data
    for name in (b"ADC7", b"AUX7"):
        renamed = data.replace(b"'CH7'", b"'%s'" % name).replace(b"  ", b" ", 1)
        assert describe_data(renamed).metadata["gain_to_uV"] == [195000.0]


def test_only_continuous_dat_in_the_folder_of_a_stream_is_the_stream(tmp_path):
    case = open_ephys()
    path = case.write(tmp_path)
    for other in ("temp_wh.dat", "kilosort4/continuous.dat", "kilosort4/temp_wh.dat"):
        assert describe_data(case.data, path.parent / other) is None
    assert describe_data(case.data, path) is not None


def test_records_of_unknown_number_are_counted():
    case = edf(records_field=-1)
    parsed = parse(case.data)
    assert np.array_equal(parsed.samples, case.samples) and not parsed.described.warnings


def test_a_wrong_number_of_records_is_a_warning():
    parsed = parse(edf(records_field=9).data)
    assert parsed.described.warnings == ("its header tells of 9 records, and 4 are there",)


def test_what_is_behind_the_records_that_a_header_tells_is_none():
    case = edf(records_field=2)
    for more in (b"", b"notes behind"):
        parsed = parse(case.data + more)
        assert np.array_equal(parsed.samples, case.samples[:40]) and parsed.back == case.data + more
        assert parsed.described.warnings == ("its header tells of 2 records, and 4 are there",)


@pytest.mark.parametrize("bits24", [False, True])
def test_a_start_between_two_seconds_is_told_by_the_first_annotation(bits24):
    case = edf(bits24)
    for onset, more in ((b"+0.5", ".500000"), (b"+.0625", ".062500"), (b"+0", "")):
        data = case.data.replace(b"+0\x14\x14".ljust(9, b"\0"), (onset + b"\x14\x14").ljust(9, b"\0"), 1)
        assert parse(data).described.metadata["start_time"] == "2002-03-02T11:12:13" + more


@pytest.mark.parametrize(
    ("written", "clock"),
    [
        *(("170312", "17:03:12"), ("93059", "09:30:59"), ("15055", None), ("1125", "01:12:05"), ("01030", "00:10:30")),
        *(("11:05:33", "11:05:33"), ("11:05:3", "11:05:03"), ("", None), ("7", None), ("1:2", None)),
    ],
)
def test_hours_and_seconds_of_open_ephys_may_be_of_one_digit(written, clock):
    data = open_ephys_legacy().data
    header = data[:1024].replace(b"170312", written.encode()).ljust(1024)[:1024]
    start = describe_data(header + data[1024:]).metadata.get("start_time")
    assert start == (clock and f"2014-09-12T{clock}")


def with_stamp(case, at, form, stamp):
    """Return the bytes of a file with another time stamp of a record."""
    data = bytearray(case.data)
    struct.pack_into(form, data, at, stamp)
    return bytes(data)


APART = "its records do not follow each other in time"


def test_gaps_between_records_are_a_warning():
    case = neuralynx()
    data = with_stamp(case, case.header + 3 * 1044, "<Q", 10**9 + 12_048_000)
    told = f"its clock runs over 12.048 s, its samples over 0.048 s: {APART}"
    assert parse(data).described.warnings == (told,)
    data = with_stamp(case, case.header + 3 * 1044 + 16, "<I", 100)
    assert parse(data).described.warnings == ("100 samples of its last record are valid, all 512 are kept",)
    case = open_ephys_legacy()
    data = with_stamp(case, case.header + 2 * 2070, "<q", 77 + 30000)
    told = f"its clock runs over 1.000 s, its samples over 0.068 s: {APART}"
    assert parse(data).described.warnings == (told,)
    for make in (edf, lambda: edf(bits24=True)):
        data = make().data
        assert parse(data[:192] + b"EDF+D" + data[197:]).described.warnings == (APART,)


@pytest.mark.parametrize(
    ("spec", "cut", "packet", "seconds"), [("2.3", 0, 21, 1.8), ("2.3", 30, 9009, 0.3), ("3.0", 0, 19, 0.899)]
)
def test_pauses_between_packets_are_a_warning(spec, cut, packet, seconds):
    """The last packet begins `packet` bytes in front of the end, of which `cut` are left out first."""
    case = blackrock(spec)
    form, clock = ("<I", 30000) if spec == "2.3" else ("<Q", 10**9)
    data = with_stamp(case, len(case.data) - cut - packet + 1, form, 60 * clock)
    told = f"its clock runs over 60.000 s, its samples over {seconds:.3f} s: {APART}"
    assert parse(data[: len(data) - cut]).described.warnings == (told,)


def test_the_end_of_a_file_of_too_many_packets_is_kept(monkeypatch):
    case = blackrock("2.3")
    pair = b"".join(struct.pack("<BII", 1, 0, count) + bytes(6 * count) for count in (5, 6))
    with monkeypatch.context() as patched:
        patched.setattr(blackrock_files, "_MOST_SECTIONS", 60)
        for pairs in (30, 31):
            warnings = describe_data(case.data[: case.header] + pairs * pair).warnings
            assert any("so many packets" in told for told in warnings) == (pairs > 30)
    described = describe_data(case.data[: case.header] + 22500 * pair)
    assert 10000 < described.layout.frames < 22500 * 11
    assert "it has so many packets that its end is kept as it is" in described.warnings


def test_a_size_that_differs_from_the_meta_file_is_a_warning(tmp_path):
    case = spikeglx()
    data = case.data[:-3]
    parsed = parse(data, case.write(tmp_path, data))
    assert parsed.back == data
    assert parsed.described.warnings == (
        "the file ends inside a frame",
        "its .meta file tells of 3200 bytes, and 3197 are there",
    )


def test_sidecars_of_other_files_are_not_used(tmp_path):
    for case in (brainvision(), kilosort()):
        path = case.write(tmp_path).with_name(f"other{case.name[-4:]}")
        for name, data in case.files.items():
            if name.endswith(".vhdr"):
                path.with_suffix(".vhdr").write_bytes(data.replace(b"$b.eeg", b"a.eeg"))
        assert describe_data(case.data, path) is None


def test_params_are_never_run(tmp_path):
    case = kilosort()
    case.files["params.py"] = case.files["params.py"].replace(b"= 6", b"= __import__('os').mkdir('made')")
    assert describe_data(case.data, case.write(tmp_path)) is None


@pytest.mark.parametrize("data", [b"", b"0", bytes(100), bytes(range(256)) * 300, b"RIFF\0\0\0\0WAVEfmt "])
def test_other_files_are_none(data, tmp_path):
    for name in (None, tmp_path / "a.bin", tmp_path / "a.dat", tmp_path / "a.eeg"):
        assert describe_data(data, name) is None


def test_samples_behind_a_short_header_are_no_gains():
    case = abf_first()
    data = bytearray(case.data[:2048] + b"\1\0" * 6000)
    struct.pack_into("<i", data, 40, 4)
    assert describe_data(bytes(data)).metadata["gain_to_uV"] == pytest.approx(case.gain)


@pytest.mark.parametrize(("kind", "gain"), [(21, 80), (24, 80), (2003, 100), (2004, 100), (2013, 100), (2014, 100)])
def test_gains_of_probes_that_have_one_gain(kind, gain, tmp_path):
    case = spikeglx("np2")
    case.files = {name: data.replace(b"type=24", b"type=%d" % kind) for name, data in case.files.items()}
    metadata = parse(case.data, case.write(tmp_path)).described.metadata
    assert metadata["gain_to_uV"][:3] == pytest.approx([0.5 / 8192 / gain * 1e6] * 3)


def test_the_probe_of_neuropixels_is_known(tmp_path):
    case = spikeglx()
    probe = parse(case.data, case.write(tmp_path)).described.metadata["probe"]
    assert probe["contact_positions"] == [[27, 0], [27, 20], [309, 40]]
    assert probe["device_channel_indices"] == [0, 1, 2] and probe["shank_ids"] == ["0", "0", "1"]
    made = pytest.importorskip("probeinterface").Probe.from_dict(probe)
    assert made.get_contact_count() == 3


def test_sync_channels_and_digital_files_stay_exact(tmp_path):
    case = spikeglx()
    samples = np.cumsum(np.random.default_rng(1).normal(0, 9, (4000, 4)), axis=0).astype("<i2")
    samples[:, 3] = 64 * (np.arange(4000) // 1000 % 2) + (np.arange(4000) // 300 % 5 == 0)
    path = case.write(tmp_path, samples.tobytes())
    runtime.encode_file(path, max_error=3)
    with runtime.open(path.with_suffix(".mdo")) as reader:
        assert np.array_equal(reader[:, 3], samples[:, 3]) and not np.array_equal(reader, samples)
    notes = runtime.encode_file(path, keep="spikes", force=True).notes
    assert "of the digital words of SY0, only windows around spikes are kept" in notes
    words = np.arange(4000, dtype=np.int16)[:, None] // 300 % 3
    given = {"metadata": {"annotations": {"units": ["bits"]}}, "sample_rate": 20000, "keep": "spikes"}
    np.save(tmp_path / "words.npy", words)
    with runtime.open(runtime.encode_file(tmp_path / "words.npy", **given).output) as reader:
        assert np.array_equal(reader, words)
    path = CASES["intan digitalin.dat"]().write(tmp_path)
    for options in ({"max_error": 3}, {"keep": "spikes"}):
        runtime.encode_file(path, path.with_suffix(".mdo"), force=True, **options)
        with runtime.open(path.with_suffix(".mdo")) as reader:
            assert np.array_equal(np.asarray(reader).ravel(), np.fromfile(path, "<u2"))


def test_early_continuous_files_have_no_number_of_the_recording():
    case = open_ephys_legacy()
    records = [case.data[1024 + 2070 * i :][:2070] for i in range(3)]
    data = case.data[:1024].replace(b"version = 0.4", b"version = 0.1")
    data += b"".join(record[:10] + record[12:] for record in records)
    parsed = parse(data)
    assert np.array_equal(parsed.samples, case.samples) and parsed.back == data and not parsed.described.warnings
    assert np.array_equal(parse(data[: 1024 + 2068]).samples, case.samples[:1024])
    assert describe_data(case.data.replace(bytes([*range(9), 255]), bytes(10))) is None
