"""Small files of acquisition systems, written by their published specifications, and what a parser has to find."""

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

INFO_NOTES = ("first note", "", "µ")


@dataclass
class Case:
    """A file, those beside it, and its samples.

    files : contents by path; the first one is the recording
    samples : [frames, channels], in the file's own type
    header : bytes in front of the samples that a parser reads
    """

    files: dict[str, bytes]
    samples: np.ndarray
    dtype: str
    sample_rate: float
    ids: list[str] | None = None
    gain: list[float] | None = None
    header: int = 0
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return next(iter(self.files))

    @property
    def data(self) -> bytes:
        return self.files[self.name]

    def write(self, folder: Path, data: bytes | None = None) -> Path:
        """Write all files, the recording with other contents if they are given; returns its path."""
        for name, contents in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents if data is None or name != self.name else data)
        return folder / self.name


def numbers(seed: int, frames: int, channels: int, dtype: str) -> np.ndarray:
    random = np.random.default_rng(seed)
    if dtype[1] == "f":
        return random.normal(0, 100, (frames, channels)).astype(dtype)
    if dtype == "<i3":
        return random.integers(-(1 << 23), 1 << 23, (frames, channels), np.int32)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max + 1, (frames, channels), np.dtype(dtype).newbyteorder("="))


def raw(samples: np.ndarray, dtype: str) -> bytes:
    if dtype == "<i3":
        return np.ascontiguousarray(samples, "<i4").view(np.uint8).reshape(*samples.shape, 4)[..., :3].tobytes()
    return samples.astype(dtype).tobytes()


def edf(bits24: bool = False, records_field: int | None = None) -> Case:
    """Signals of two rates with annotations between them, in 4 records of 2 s."""
    width, dtype = (3, "<i3") if bits24 else (2, "<i2")
    labels = ["Fp1", "Fp1", "Resp", "BDF Annotations" if bits24 else "EDF Annotations", "Cz", ""]
    counts, units = [20, 20, 4, 8, 20, 20], ["uV", "uV", "mV", "", "uV", "uV"]
    records, signals = 4, len(labels)
    samples = numbers(1, records * 20, 4, dtype)
    slow = numbers(2, records * 4, 1, dtype)
    low, high = (-8388608, 8388607) if bits24 else (-32768, 32767)

    def column(width: int, values: list[Any]) -> bytes:
        return b"".join(f"{value:<{width}}".encode() for value in values)

    header = (b"\xffBIOSEMI" if bits24 else b"0       ") + f"{'X M 01-MAY-1951 name':<80}".encode()
    header += f"{'Startdate 02-MAR-2002 X X X':<80}02.03.0211.12.13{256 * (signals + 1):<8}".encode()
    header += f"{'24BIT' if bits24 else 'EDF+C':<44}".encode()
    header += column(8, [records if records_field is None else records_field, 2]) + column(4, [signals])
    header += column(16, labels) + column(80, ["electrode"] * signals) + column(8, units)
    header += column(8, [-1000] * signals) + column(8, [1000] * signals)
    header += column(8, [low] * signals) + column(8, [high] * signals)
    header += column(80, ["HP:0.1Hz"] * signals) + column(8, counts) + column(32, [""] * signals)
    body = b""
    for i in range(records):
        own = samples[20 * i : 20 * i + 20]
        note = f"+{2 * i}\x14\x14".encode().ljust(8 * width, b"\0")
        parts = [own[:, 0], own[:, 1], slow[4 * i : 4 * i + 4, 0], note, own[:, 2], own[:, 3]]
        body += b"".join(part if isinstance(part, bytes) else raw(part[:, None], dtype) for part in parts)
    gain = [2000 / (high - low)] * 4
    name = "a.bdf" if bits24 else "a.edf"
    start = {"start_time": "2002-03-02T11:12:13"}
    return Case({name: header + body}, samples, dtype, 10.0, ["Fp1", "Fp1-2", "Cz", "3"], gain, len(header), start)


def _qstring(value: str) -> bytes:
    if not value:
        return struct.pack("<I", 0xFFFFFFFF)
    data = value.encode("utf-16-le")
    return struct.pack("<I", len(data)) + data


def intan_header(
    version: tuple[int, int], groups: list[tuple[str, list[tuple[str, int, int]]]], temperatures=0
) -> bytes:
    """A .rhd header; signals are name, type, whether they are on."""
    header = struct.pack("<Ihhf", 0xC6912702, *version, 20000.0)
    header += struct.pack("<h6fh2f", 1, *[1.0] * 6, 0, 1000.0, 1000.0) + b"".join(map(_qstring, INFO_NOTES))
    header += struct.pack("<h", temperatures) if version >= (1, 1) else b""
    header += struct.pack("<h", 0) if version >= (1, 3) else b""
    header += _qstring("n/a") if version >= (2, 0) else b""
    header += struct.pack("<h", len(groups))
    for group, signals in groups:
        header += _qstring(group) + _qstring(group[:1]) + struct.pack("<hhh", 1, len(signals), 0)
        for order, (name, kind, is_on) in enumerate(signals):
            header += _qstring(name) + _qstring(name.lower())
            header += struct.pack("<10h2f", order, order, kind, is_on, order, 0, 0, 0, 0, 0, 1e5, 0)
    return header


RHD_GROUPS = [
    ("Port A", [("A-000", 0, 1), ("A-001", 0, 0), ("A-002", 0, 1), ("A-AUX1", 1, 1), ("A-VDD1", 2, 1)]),
    ("Port B", [("B-000", 0, 1)]),
    ("Board ADC Inputs", [("ANALOG-IN-1", 3, 1)]),
    ("Board Digital Inputs", [("DIGITAL-IN-1", 4, 1), ("DIGITAL-IN-2", 4, 1)]),
]


def rhd(version: tuple[int, int] = (3, 1), temperatures: int = 0) -> Case:
    """Three amplifiers, an auxiliary and a supply voltage, sensors of temperature, an analog input, digital inputs."""
    block = 128 if version >= (2, 0) else 60
    blocks = 5
    header = intan_header(version, RHD_GROUPS, temperatures)
    samples = numbers(3, blocks * block, 4, "<u2")
    body = b""
    for i in range(blocks):
        own = samples[i * block : (i + 1) * block]
        body += np.arange(i * block, (i + 1) * block, dtype="<i4").tobytes() + own[:, :3].T.astype("<u2").tobytes()
        body += numbers(i, block // 4 + 1 + temperatures, 1, "<u2").tobytes()
        body += own[:, 3].astype("<u2").tobytes() + np.full(block, 3, "<u2").tobytes()
    ids = ["A-000", "A-002", "B-000", "ANALOG-IN-1"]
    gain = [0.195] * 3 + [50.354]
    return Case({"a.rhd": header + body}, samples, "<u2", 20000.0, ids, gain, len(header))


def rhs(dc: bool = True) -> Case:
    """Two amplifiers with stimulation, an analog input and output, digital inputs."""
    header = struct.pack("<Ihhf", 0xD69127AC, 3, 1, 30000.0) + struct.pack(
        "<h8fh2f2h3f", 1, *[1.0] * 8, 0, 1, 1, 0, 0, 1e-6, 1, 1
    )
    header += b"".join(map(_qstring, INFO_NOTES)) + struct.pack("<hh", dc, 0) + _qstring("hardware")
    groups = [
        ("Port A", [("A-000", 0), ("A-001", 0)]),
        ("Analog In", [("ANALOG-IN-1", 3)]),
        ("Analog Out", [("ANALOG-OUT-1", 4)]),
        ("Digital In", [("DIGITAL-IN-1", 5)]),
    ]
    header += struct.pack("<h", len(groups))
    for group, signals in groups:
        header += _qstring(group) + _qstring(group[:1]) + struct.pack("<hhh", 1, len(signals), 0)
        for order, (name, kind) in enumerate(signals):
            header += _qstring(name) + _qstring(name)
            header += struct.pack("<11h2f", order, order, kind, 1, order, 0, 0, 0, 0, 0, 0, 1e5, 0)
    channels = 8 if dc else 6
    samples = numbers(4, 3 * 128, channels, "<u2")
    body = b""
    for i in range(3):
        body += np.arange(i * 128, (i + 1) * 128, dtype="<i4").tobytes()
        body += samples[i * 128 : (i + 1) * 128].T.astype("<u2").tobytes() + np.full(128, 1, "<u2").tobytes()
    ids = ["A-000", "A-001", *(["A-000_DC", "A-001_DC"] if dc else []), "A-000_STIM", "A-001_STIM"]
    ids += ["ANALOG-IN-1", "ANALOG-OUT-1"]
    return Case({"a.rhs": header + body}, samples, "<u2", 30000.0, ids, None, len(header))


def intan_folder(name: str) -> Case:
    """One of the files beside `info.rhd`."""
    info = intan_header((3, 1), RHD_GROUPS)
    ids = {
        "amplifier.dat": ["A-000", "A-002", "B-000"],
        "auxiliary.dat": ["A-AUX1"],
        "supply.dat": ["A-VDD1"],
        "analogin.dat": ["ANALOG-IN-1"],
        "amp-A-002.dat": ["A-002"],
        "aux-A-AUX1.dat": ["A-AUX1"],
        "board-ANALOG-IN-1.dat": ["ANALOG-IN-1"],
    }.get(name)
    dtype = "<i4" if name == "time.dat" else "<i2" if name.startswith("amp") else "<u2"
    samples = numbers(5, 500, len(ids or [""]), dtype)
    return Case({name: raw(samples, dtype), "info.rhd": info}, samples, dtype, 20000.0, ids)


def open_ephys() -> Case:
    samples = numbers(6, 300, 5, "<i2")
    channels = [{"channel_name": f"CH{i}", "bit_volts": 0.195, "units": ""} for i in range(4)]
    channels.append({"channel_name": "ADC1", "bit_volts": 0.00015, "units": "V"})
    stream = {"folder_name": "Rhythm-100.A/", "sample_rate": 30000.0, "num_channels": 5, "channels": channels}
    other = {"folder_name": "Rhythm-100.B/", "sample_rate": 2500.0, "num_channels": 2, "channels": channels[:2]}
    files = {
        "Record Node 101/experiment1/recording1/continuous/Rhythm-100.A/continuous.dat": raw(samples, "<i2"),
        "Record Node 101/experiment1/recording1/structure.oebin": json.dumps({"continuous": [other, stream]}).encode(),
    }
    return Case(files, samples, "<i2", 30000.0, ["CH0", "CH1", "CH2", "CH3", "ADC1"], [0.195] * 4 + [150.0])


def open_ephys_legacy() -> Case:
    header = (
        "header.format = 'Open Ephys Data Format'; \nheader.version = 0.4; \nheader.header_bytes = 1024;\n"
        "header.description = 'each record contains one 64-bit timestamp, one 16-bit sample count (N), 1 uint16 "
        "recordingNumber, N 16-bit samples, and one 10-byte record marker (0 1 2 3 4 5 6 7 8 255)'; \n"
        "header.date_created = '12-Sep-2014 170312';\nheader.channel = 'CH7';\nheader.channelType = 'Continuous';\n"
        "header.sampleRate = 30000;\nheader.blockLength = 1024;\nheader.bufferSize = 1024;\nheader.bitVolts = 0.195;\n"
    ).ljust(1024)
    samples = numbers(7, 3 * 1024, 1, ">i2")
    body = b""
    for i in range(3):
        body += struct.pack("<qHH", 1024 * i + 77, 1024, 0) + samples[1024 * i :][:1024].astype(">i2").tobytes()
        body += bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 255])
    start = {"start_time": "2014-09-12T17:03:12"}
    name = "100_CH7.continuous"
    return Case({name: header.encode() + body}, samples, ">i2", 30000.0, ["CH7"], [0.195], 1024, start)


def spikeglx(kind: str = "np1") -> Case:
    """Streams of a Neuropixels 1.0 (`np1`, a part of its channels), a 2.0 (`np2`), and of NI inputs (`nidq`)."""
    if kind == "nidq":
        ids = ["MN0C1", "XA0", "XA1", "XD0"]
        samples, rate = numbers(8, 400, 4, "<i2"), 25000.127236
        fields = {"typeThis": "nidq", "niSampRate": rate, "niAiRangeMax": 5, "niMNGain": 200, "niMAGain": 1}
        fields |= {"snsMnMaXaDw": "1,0,2,1", "niMaxInt": 32768}
        gain = [5 / 32768 / 200 * 1e6, 5 / 32768 * 1e6, 5 / 32768 * 1e6, 1]
        name, entries = "run_g0_t0.nidq", None
    else:
        ids = ["AP0", "AP2", "AP5", "SY0"]
        samples, rate = numbers(8, 400, 4, "<i2"), 30000.053
        fields = {"typeThis": "imec", "imSampRate": rate, "snsApLfSy": "3,0,1", "snsSaveChanSubset": "0,2,5,384"}
        gains = (500, 250, 1500) if kind == "np1" else (80, 80, 80)
        fields |= {"imDatPrb_type": 0 if kind == "np1" else 24, "imAiRangeMax": 0.6 if kind == "np1" else 0.5}
        fields |= {"imDatPrb_pn": "NP1000" if kind == "np1" else "NP2010"} | (
            {} if kind == "np1" else {"imMaxInt": 8192}
        )
        gain = [(0.6 / 512 if kind == "np1" else 0.5 / 8192) / one * 1e6 for one in gains] + [1]
        name = "run_g0_t0.imec0.ap"
        entries = [f"({i} 0 0 {dict(zip((0, 2, 5), gains)).get(i, 300)} 250 1)" for i in range(6)]
        entries = ["(0,6)" if kind == "np1" else "(24,6)", *(entries if kind == "np1" else ["(0 0 0 0 0)"])]
    fields |= {"nSavedChans": 4, "fileSizeBytes": samples.nbytes, "fileCreateTime": "2020-11-03T10:35:10"}
    fields |= {"fileName": f"D:/{name}.bin", "appVersion": 20190327}
    meta = "".join(f"{key}={value}\r\n" for key, value in fields.items())
    meta += f"~imroTbl={''.join(entries)}\r\n" if entries else ""
    meta += "~snsChanMap=(6,0,1)" + "".join(f"({one};{i}:{i})" for i, one in enumerate(ids)) + "\r\n"
    meta += "" if kind == "nidq" else "~snsGeomMap=(NP2013,2,250,70)(0:27:0:1)(0:27:20:1)(1:59:40:1)\r\n"
    files = {f"{name}.bin": raw(samples, "<i2"), f"{name}.meta": meta.encode()}
    start = {"start_time": "2020-11-03T10:35:10"}
    return Case(files, samples, "<i2", rate, ids, gain, 0, start)


def blackrock(spec: str) -> Case:
    """Specifications 2.1; 2.3 with packets of 300, 1500 and 0 frames; 3.0 with packets of one frame."""
    channels = 3
    if spec == "2.1":
        samples = numbers(9, 700, channels, "<i2")
        header = struct.pack("<8s16sII3I", b"NEURALSG", b"30 kS/s", 1, channels, 1, 2, 7)
        return Case(
            {"a.ns5": header + raw(samples, "<i2")}, samples, "<i2", 30000.0, ["1", "2", "7"], None, len(header)
        )
    size = 314 + 66 * channels
    clock = 30000 if spec == "2.3" else 10**9
    name, major = (b"NEURALCD", 2) if spec == "2.3" else (b"BRSMPGRP", 3)
    header = struct.pack(
        "<8sBBI16s256sII", name, major, 3 if major == 2 else 0, size, b"1 kS/s", b"a comment", 30, clock
    )
    header += struct.pack("<8HI", 2021, 6, 2, 15, 10, 20, 30, 250, channels)
    for i in range(channels):
        header += struct.pack(
            "<2sH16sBB4h16s", b"CC", i + 1, f"chan{i + 1}".encode(), 1, i, -8191, 8191, -8191, 8191, b"uV"
        )
        header += struct.pack("<IIHIIH", 300, 1, 1, 7500000, 3, 1)
    lengths = [300, 1500, 0, 2] if spec == "2.3" else [1] * 900
    samples = numbers(10, sum(lengths), channels, "<i2")
    body, at = b"", 0
    for length in lengths:
        body += struct.pack("<BII" if major == 2 else "<BQI", 1, clock // 1000 * at, length)
        body += raw(samples[at : at + length], "<i2")
        at += length
    ids, start = ["chan1", "chan2", "chan3"], {"start_time": "2021-06-15T10:20:30.250000Z"}
    return Case({"a.ns2": header + body}, samples, "<i2", 1000.0, ids, [1.0] * 3, len(header), start)


def neuralynx() -> Case:
    header = (
        "######## Neuralynx Data File Header\r\n## File Name C:\\CheetahData\\CSC1.ncs\r\n-FileType NCS\r\n"
        "-AcquisitionSystem AcqSystem1 DigitalLynxSX\r\n-FileVersion 3.4\r\n-RecordSize 1044\r\n"
        "-TimeCreated 2019/08/28 16:29:28\r\n-SamplingFrequency 32000\r\n"
        "-ADMaxValue 32767\r\n-ADBitVolts 0.000000036621093749999997\r\n-AcqEntName CSC1\r\n-NumADChannels 1\r\n"
        '-ADChannel 0\r\n-InputRange 1200\r\n-InputInverted True\r\n-ApplicationName Cheetah "5.7.4"\r\n'
        "-TimeClosed 2019/08/28 16:30:28\r\n"
    )
    samples = numbers(11, 4 * 512, 1, "<i2")
    body = b""
    for i in range(4):
        body += struct.pack("<QIII", 10**9 + 16000 * i, 0, 32000, 512) + raw(samples[512 * i : 512 * i + 512], "<i2")
    start = {"start_time": "2019-08-28T16:29:28"}
    data = header.encode().ljust(16384, b"\0") + body
    return Case({"CSC1.ncs": data}, samples, "<i2", 32000.0, ["CSC1"], [-0.03662109375], 16384, start)


def abf_first() -> Case:
    """Version 1.83: two channels in the order 1, 0; a gain of 2 beside the instrument's 0.01 V/mV."""
    header = bytearray(6144)
    header[:4] = b"ABF "
    samples = numbers(12, 600, 2, "<i2")
    struct.pack_into("<fhih", header, 4, 1.83, 3, samples.size, 0)
    struct.pack_into("<ii", header, 20, 20050318, 4000)
    struct.pack_into("<i", header, 40, 12)
    struct.pack_into("<h", header, 100, 0)
    struct.pack_into("<hf", header, 120, 2, 50.0)
    struct.pack_into("<f", header, 244, 10.24)
    struct.pack_into("<i", header, 252, 2048)
    struct.pack_into("<16h", header, 378, *range(16))
    struct.pack_into("<16h", header, 410, 1, 0, *[-1] * 14)
    for i in range(16):
        header[442 + 10 * i : 452 + 10 * i] = f"Vm {i}".ljust(10).encode()
        header[602 + 8 * i : 610 + 8 * i] = b"mV      "
    for at, value in ((730, 1.0), (922, 0.01), (986, 0.0), (1050, 2.0), (1114, 0.0)):
        struct.pack_into("<16f", header, at, *[value] * 16)
    data = bytes(header) + raw(samples, "<i2") + b"tags behind the samples"
    gain = [10.24 / 2048 / 0.01 / 2 * 1e3] * 2
    start = {"start_time": "2005-03-18T01:06:40"}
    return Case({"a.abf": data}, samples, "<i2", 10000.0, ["Vm 1", "Vm 0"], gain, 6144, start)


def abf_second(dtype: str = "<i2") -> Case:
    """Version 2.0: two channels."""
    samples, width = numbers(13, 500, 2, dtype), int(dtype[2])
    header = bytearray(512 * 6)
    struct.pack_into("<4s4bIIIIIHH", header, 0, b"ABF2", 0, 0, 0, 2, 512, 1, 20171116, 3600_000, 0, 1, dtype == "<f4")
    strings = (
        b"SSCH" + bytes(40) + b"\0" + b"\0".join([b"Clampex", b"C:\\p.pro", b"IN 0", b"mV", b"IN 1", b"V"]) + b"\0"
    )
    places = {0: (1, 512, 1), 1: (2, 128, 2), 9: (3, len(strings), 1), 10: (6, width, samples.size)}
    for number, place in places.items():
        struct.pack_into("<IIq", header, 76 + 16 * number, *place)
    struct.pack_into("<hf", header, 512, 3, 100.0)
    struct.pack_into("<f", header, 512 + 110, 10.0)
    struct.pack_into("<i", header, 512 + 118, 32768)
    for i in range(2):
        at = 1024 + 128 * i
        struct.pack_into("<hh", header, at, i, 0)
        struct.pack_into("<f", header, at + 28, 1.0)
        struct.pack_into("<4f", header, at + 40, 0.01 if i == 0 else 1, 0, 1.0, 0)
        struct.pack_into("<ii", header, at + 74, 3 + 2 * i, 4 + 2 * i)
    header[1536 : 1536 + len(strings)] = strings
    gain = [1e3, 1e6] if dtype == "<f4" else [10 / 32768 / 0.01 * 1e3, 10 / 32768 * 1e6]
    start = {"start_time": "2017-11-16T01:00:00"}
    data = bytes(header) + raw(samples, dtype) + bytes(100)
    return Case({"a.abf": data}, samples, dtype, 10000.0, ["IN 0", "IN 1"], gain, len(header), start)


def brainvision(dtype: str = "<i2", by_channel: bool = False) -> Case:
    samples = numbers(14, 400, 3, dtype)
    kind = {"<i2": "INT_16", "<i4": "INT_32", "<f4": "IEEE_FLOAT_32"}[dtype]
    header = (
        "Brain Vision Data Exchange Header File Version 1.0\r\n; a comment\r\n\r\n[Common Infos]\r\nCodepage=UTF-8\r\n"
        f"DataFile=$b.eeg\r\nMarkerFile=$b.vmrk\r\nDataFormat=BINARY\r\n"
        f"DataOrientation={'VECTORIZED' if by_channel else 'MULTIPLEXED'}\r\nNumberOfChannels=3\r\n"
        f"SamplingInterval=2000\r\n\r\n[Binary Infos]\r\nBinaryFormat={kind}\r\n\r\n[Channel Infos]\r\n"
        "Ch1=FP1,,0.5,µV\r\nCh2=A\\1B,,0.5,µV\r\nCh3=EOG,,10\r\n"
    )
    files = {"a.eeg": raw(samples.T if by_channel else samples, dtype), "a.vhdr": header.encode()}
    return Case(files, samples, dtype, 500.0, ["FP1", "A,B", "EOG"], [0.5, 0.5, 10.0])


def kilosort() -> Case:
    samples = numbers(15, 300, 6, "<i2")
    params = "dat_path = r'..\\data\\temp_wh.dat'\nn_channels_dat = 6\ndtype = 'int16'\noffset = 10\n"
    params += "sample_rate = 25000.5\nhp_filtered = True  # done\n"
    files = {"temp_wh.dat": b"0123456789" + raw(samples, "<i2"), "params.py": params.encode()}
    return Case(files, samples, "<i2", 25000.5, None, None, 10)


def rf64(name: bytes = b"RF64", dtype: str = "<i2") -> Case:
    """RF64, BW64, or RIFX, which is big-endian."""
    order = ">" if name == b"RIFX" else "<"
    width, channels = int(dtype[2]), 2
    samples = numbers(16, 300, channels, dtype.replace(">", "<"))
    body = raw(samples, dtype)
    form = (3 if dtype[1] == "f" else 1, channels, 48000, 48000 * width * channels, width * channels, 8 * width)
    fmt = b"fmt " + struct.pack(order + "IHHIIHH", 16, *form)
    if name == b"RIFX":
        data = name + struct.pack(">I", len(body) + 36) + b"WAVE" + fmt + b"data" + struct.pack(">I", len(body))
    else:
        sizes = b"ds64" + struct.pack("<IQQQI", 28, len(body) + 72, len(body), 300, 0)
        unknown = struct.pack("<I", 0xFFFFFFFF)
        data = name + unknown + b"WAVE" + sizes + fmt + b"data" + unknown
    return Case({"a.wav": data + body + b"LIST"}, samples, dtype, 48000.0, None, None, len(data))


def w64() -> Case:
    samples = numbers(17, 301, 3, "<i3")
    body = raw(samples, "<i3")
    end = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    fmt = struct.pack("<HHIIHH", 1, 3, 44100, 44100 * 9, 9, 24)
    head = bytes.fromhex("726966662e91cf11a5d628db04c10000") + struct.pack("<Q", 104 + len(body)) + b"wave" + end
    head += b"junk" + end + struct.pack("<Q", 29) + b"12345\0\0\0"
    head += b"fmt " + end + struct.pack("<Q", 40) + fmt + b"data" + end + struct.pack("<Q", 24 + len(body))
    return Case({"a.w64": head + body + bytes(-len(body) % 8)}, samples, "<i3", 44100.0, None, None, len(head))


def axona() -> Case:
    samples = numbers(18, 9, 64, "<i2")
    data = b""
    for i in range(3):
        data += b"ADU1" + struct.pack("<IHH", i, 0, 0) + bytes(20) + raw(samples[3 * i : 3 * i + 3], "<i2") + bytes(16)
    second = [str(one) for eight in (1, 3, 5, 7, 0, 2, 4, 6) for one in range(8 * eight + 1, 8 * eight + 9)]
    return Case({"a.bin": data}, samples, "<i2", 48000.0, second)


def axona_text() -> Case:
    samples = numbers(19, 500, 1, "|i1")
    head = "trial_date Tuesday, 14 Dec 2010\r\ntrial_time 10:44:07\r\nduration 2\r\nsample_rate 250.0 hz\r\n"
    head += "EEG_samples_per_position 5\r\nbytes_per_sample 1\r\nnum_EEG_samples 500\r\ndata_start"
    data = head.encode() + raw(samples, "|i1") + b"\r\ndata_end\r\n"
    return Case({"a.eeg": data}, samples, "|i1", 250.0, None, None, len(head))


CASES = {
    "edf": edf,
    "bdf": lambda: edf(bits24=True),
    "rhd 1.0": lambda: rhd((1, 0)),
    "rhd 1.5": lambda: rhd((1, 5)),
    "rhd 3.1": rhd,
    "rhd with temperatures": lambda: rhd((3, 0), temperatures=2),
    "rhs": rhs,
    "rhs without dc": lambda: rhs(dc=False),
    **{
        f"intan {name}": lambda name=name: intan_folder(name)
        for name in (
            *("amplifier.dat", "auxiliary.dat", "supply.dat", "analogin.dat", "digitalin.dat", "time.dat"),
            *("amp-A-002.dat", "aux-A-AUX1.dat", "board-ANALOG-IN-1.dat", "board-DIGITAL-IN-02.dat"),
        )
    },
    "open ephys": open_ephys,
    "open ephys legacy": open_ephys_legacy,
    "spikeglx np1": spikeglx,
    "spikeglx np2": lambda: spikeglx("np2"),
    "spikeglx nidq": lambda: spikeglx("nidq"),
    **{f"blackrock {spec}": lambda spec=spec: blackrock(spec) for spec in ("2.1", "2.3", "3.0")},
    "neuralynx": neuralynx,
    "abf 1": abf_first,
    "abf 2": abf_second,
    "abf 2 of floats": lambda: abf_second("<f4"),
    "brainvision int16": brainvision,
    "brainvision int32": lambda: brainvision("<i4"),
    "brainvision float32": lambda: brainvision("<f4"),
    "brainvision vectorized": lambda: brainvision("<i2", by_channel=True),
    "kilosort": kilosort,
    "rf64": rf64,
    "bw64 of 24 bits": lambda: rf64(b"BW64", "<i3"),
    "rf64 of floats": lambda: rf64(b"RF64", "<f4"),
    "rifx": lambda: rf64(b"RIFX", ">i2"),
    "rifx of floats": lambda: rf64(b"RIFX", ">f4"),
    "w64": w64,
    "axona": axona,
    "axona text": axona_text,
}
"""What makes each kind of file, by its name."""
