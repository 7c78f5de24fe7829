"""How the conformance vectors are made; tests and streams rely on the files, not on this."""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial

import conformance
import numpy as np
import zstandard
from conformance import Vector
from edf_files import edf, waves
from signal_kinds import changing_spectrum
from wide_recipes import WIDE_WHAT, wide_originals

from runtime.container import varint
from runtime.container.index import Index
from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.predictor.index_maps import map_sources
from runtime.predictor.index_maps import pack as pack_maps
from runtime.predictor.index_maps import unpack as unpack_maps
from runtime.predictor.parameter_bits import pack, unpack
from training.simulate import RATE, simulate


def wav(samples, rate=RATE, extra=b"", behind=b"", riff=None, size=None, bits=None):
    """A WAV file of int16 or uint8 [frames, channels]; `extra` chunks in front of the samples, any bytes behind."""
    width, channels = samples.dtype.itemsize, samples.shape[1]
    data = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    fmt = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * width, channels * width, bits or 8 * width)
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + extra
    body += b"data" + struct.pack("<I", len(data) if size is None else size) + data + behind
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


def noise(seed, deviation, frames, channels=1):
    """White noise, float."""
    return np.random.default_rng(seed).normal(0, deviation, (frames, channels))


def implant(codes):
    """Samples of codes -512..511, given as any numbers."""
    return CODE_TO_SAMPLE[np.clip(np.rint(codes), -512, 511).astype(int) + 512]


def whole(values, kind=np.int16):
    """Numbers as samples, clipped."""
    limits = np.iinfo(kind)
    return np.clip(np.rint(values), limits.min, limits.max).astype(kind)


def wave_of(amplitude, frames):
    """A slow wave, float."""
    return amplitude * 40 * np.sin(np.arange(frames)[:, None] / 250)


def signals():
    """Samples by name."""
    random = np.random.default_rng(7)
    t = np.arange(3000)[:, None]
    wave = 12000 * np.sin(t / 250)
    impulses = np.where(random.random((800, 2)) < 0.004, random.choice([-32768, 32767], (800, 2)), noise(1, 6, 800, 2))
    extremes = np.where(random.random((900, 1)) < 0.03, random.choice([-512, 511], (900, 1)), noise(2, 30, 900))
    codes, linear = noise(3, 8, 500, 5), whole(wave[:500] + noise(4, 90, 500, 2))
    mixed = np.hstack(
        [implant(codes[:, :1]), linear[:, :1], np.full((500, 1), -77), implant(codes[:, 1:2]), linear[:, 1:]]
    )
    stages = np.vstack([np.full((400, 1), 5), random.integers(-32768, 32768, (400, 1)), noise(5, 3, 400)])
    return {
        "implant": simulate(2500, 1, seed=11).samples,
        "implant-channels": simulate(600, 4, seed=12).samples,
        "implant-extremes": implant(extremes),
        "implant-steps": implant(np.where(t[:1200] // 150 % 2, 400, -400) + noise(6, 5, 1200)),
        "implant-many-channels": implant(noise(7, 6, 90, 40).cumsum(axis=0)),
        "implant-prime": simulate(3001, 1, seed=13).samples,
        "linear": whole(wave + noise(8, 300, 3000)),
        "linear-fine": whole(noise(9, 2, 700, 2)),
        "linear-escapes": whole(impulses),
        "linear-heavy-tails": whole(np.random.default_rng(10).standard_cauchy((900, 1)) * 40),
        "mixed": mixed.astype(np.int16),
        "references": references(),
        "adaptive": adaptive(),
        "maps": mapped(),
        "maps-short": np.concatenate([mapped()[:90, :3]] * 4, axis=1),
        "packed": packed(),
        "packed-only": packed()[:, :2],
        "constant": np.tile(np.int16([[-32768, 0, 32767]]), (1000, 1)),
        "stored": random.integers(-32768, 32768, (300, 1)).astype(np.int16),
        "stored-8-bit": random.integers(0, 256, (300, 1)).astype(np.uint8),
        "8-bit": whole(128 + 60 * np.sin(t[:900] / [[30, 47]]) + noise(11, 2, 900, 2), np.uint8),
        "one-sample": np.int16([[64]]),
        "sparse": implant(np.concatenate([np.zeros((60, 1)), [[9], [-4], [7]]])),
        "no-samples": np.zeros((0, 2), np.int16),
        "stages": whole(stages),
        "short": simulate(200, 1, seed=14).samples,
    }


def references():
    """Ten channels with a source in common: implant and linear, one flat, one twice."""
    common = noise(15, 20, 1500)
    codes = common * [[1, -0.9, 0.8, 1.2, 0.7, -1.1]] + noise(16, 6, 1500, 6).cumsum(axis=1)
    linear = whole(common * [[40, 5]] + noise(17, 60, 1500, 2))
    return np.hstack([implant(codes), np.full((1500, 1), 31), implant(codes[:, 1:2]), linear]).astype(np.int16)


def short_chunks():
    """Six channels whose samples are multiples of 16 plus 5, with a source in common, impulses, rails and one flat."""
    common, steps = noise(31, 30, 350).cumsum(axis=0), noise(32, 8, 350, 4)
    impulses = np.where(noise(33, 1, 350) > 2.6, 2**15 - 11, 0) // 16
    samples = np.hstack([common + steps, impulses + steps[:, :1], np.full((350, 1), 3)])
    samples[200:] = samples[200:] * 40 + 1500
    return whole((16 * samples.round() + 5).clip(16 * -2048 + 5, 16 * 2047 + 5))


def adaptive():
    """Noise whose spectrum changes now and then, and noise that stays the same, a little of which is the first."""
    changing = changing_spectrum(noise(25, 60, 4200), 450)
    return whole(np.hstack([changing, noise(26, 60, 4200) + 0.2 * changing]))


def mapped():
    """Channels with index maps: left-justified words with some off by one, scaled codes, a copy, few values, none."""
    random, t = np.random.default_rng(21), np.arange(1200)[:, None]
    codes = np.rint(noise(22, 9, 1200, 3) + 30 * np.sin(t / [[90, 70, 50]]))
    words = codes[:, :1] * 16 + 3 + random.choice([-1, 0, 1], (1200, 1), p=[0.01, 0.98, 0.01])
    scaled = np.floor(codes[:, 1:] * 3.9125 + [[0.5, 2.2]])
    levels = np.cumsum(random.random((1200, 1)) < 0.02, axis=0) % 4
    few = np.array([-9000, -20, 5, 12000])[levels] + np.rint(noise(23, 1, 1200))
    same = np.floor(codes[:, 1:2] * 3.9125 + 1.3)
    return whole(np.hstack([words, scaled, few, same, scaled[:, :1], noise(24, 40, 1200)]))


def packed():
    """Channels that repeat themselves, one of them twice: levels, a counter, runs of differences; noise; a flat one."""
    random, t = np.random.default_rng(31), np.arange(1500)[:, None]
    levels = np.cumsum(random.random((1500, 1)) < 0.01, axis=0) % 3 * 4000
    counter, pulses = t * 257 - 30000, np.where(random.random((1500, 1)) < 0.02, 32767, 0)
    return whole(np.hstack([levels, counter, noise(32, 9, 1500), levels, np.full((1500, 1), 5), pulses]))


ODD = ["odd-chunks", "odd-length", "odd-partial-frame", "odd-size-fields", "odd-12-bit", "odd-empty"]


def recordings():
    """(vector, recording) of all valid ones."""
    s = signals()
    plain = {name: (Vector(name, ""), wav(samples)) for name, samples in s.items()}
    short, listing = s["short"], b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    odd = {
        "odd-chunks": wav(short, extra=listing, behind=b"bext" + struct.pack("<I", 600) + bytes(600)),
        "odd-length": wav(s["stored-8-bit"][:177], behind=b"\0" + listing),
        "odd-partial-frame": wav(s["implant-channels"][:200], size=1606, behind=b"\1\2\3\4\5\6"),
        "odd-size-fields": wav(short, riff=0xFFFFFFFF, size=0xFFFFFFFF),
        "odd-12-bit": wav(short, bits=12),
        "odd-empty": wav(short[:0], behind=listing),
    }
    made = list(plain.values()) + [(Vector(name, ""), data) for name, data in odd.items()]
    implant_wav, stages, arrays = plain["implant-prime"][1], plain["stages"][1], plain["mixed"][1]
    made += [
        (Vector("chunks", "", chunk_frames=700), implant_wav),
        (Vector("chunks-of-all-kinds", "", chunk_frames=400), stages),
        (Vector("short-chunk", "", options={"short_chunks": True}), wav(short_chunks()[:37])),
        (Vector("short-chunks", "", chunk_frames=90, options={"short_chunks": True}), wav(short_chunks())),
        (Vector("short-8-bit", "", options={"short_chunks": True}), wav(s["8-bit"][:50])),
        (Vector("chunks-one-frame", "", chunk_frames=1), wav(s["mixed"][:5])),
        (Vector("embedded", "", embed=True), plain["short"][1]),
        (Vector("messages", "", messages=True, embed=True), wav(s["references"][:700])),
        (Vector("messages-chunks", "", messages=True, embed=True, chunk_frames=90), wav(s["references"][700:1100, :7])),
        (
            Vector("recurrent", "", recurrent=True, embed=True, chunk_frames=400),
            wav(s["references"][:700, [0, 1, 6, 8, 9]]),
        ),
        (Vector("array", "", array=True), arrays),
        (Vector("array-8-bit", "", array=True), wav(s["8-bit"][:301, :1])),
    ]
    made += other_originals(s)
    made += wide_originals()
    made += [decoded(name, wav(samples), bound, chunk) for name, samples, bound, chunk in bounded_signals()]
    made += spike_signals()
    return [(Vector(**{**vars(vector), "what": WHAT[vector.name]}), data) for vector, data in made]


def other_originals(s):
    """(vector, recording) of what is no WAV file."""
    array, unsigned = s["implant-channels"][:180], np.uint16(s["linear-fine"][:240].astype(np.int32) * 40 + 30000)
    signed = np.int8(s["8-bit"][:300].astype(np.int16) - 128)
    last = {"layout": "channel-time"}
    odd = {"channels": 2, "dtype": "uint16", "skip": 5, "sha256": True}
    linear = s["linear-fine"][:200].tobytes()
    files = {
        f"{channel}-µ.wav": wav(array[:, channel : channel + 1], behind=b"tail" * (channel % 2)) for channel in range(3)
    }
    return [
        (Vector("npy", "", form="npy", options={"sample_rate": 30000}), npy(array)),
        (Vector("npy-channel-time", "", 70, form="npy", options=last), npy(unsigned.astype(">u2").T) + b"tail"),
        (Vector("npy-fortran", "", form="npy"), npy(np.asfortranarray(array.astype(">i2")), (2, 0))),
        (Vector("npy-one-channel", "", form="npy"), npy(signed[:, 0], (3, 0))),
        (Vector("raw", "", form="bin", options={"channels": 2, "dtype": "uint16"}), unsigned.astype("<u2").tobytes()),
        (
            Vector("raw-channel-time", "", 80, form="bin", options={"channels": 2, "dtype": "int8"} | last),
            signed.T.tobytes(),
        ),
        (Vector("raw-stored", "", form="bin", options={"channels": 1, "dtype": "uint8"}), s["stored-8-bit"].tobytes()),
        (Vector("raw-odd", "", 80, form="bin", options=odd), b"front" + unsigned.astype("<u2").tobytes() + b"end"),
        (Vector("raw-sum", "", 90, form="bin", options={"channels": 2, "sha256": True}), linear),
        (Vector("signals", "", 300, form="edf", options={"sha256": True}), signals_of_three_rates()),
        (Vector("signals-24-bit", "", form="bdf"), signals_of_24_bits()),
        (Vector("kept", "", form="txt"), "Not a recording: 20 µV, 30 kHz.\n".encode() * 9),
        (Vector("kept-stamps", "", form="txt"), (10**15 + 333 * np.arange(400, dtype="<u8")).tobytes()),
        (Vector("kept-empty", "", form="txt", options={"sha256": True}), b""),
        (Vector("files", "", 70, form="tar"), conformance.packed(files)),
        (Vector("array-uint16", "", array=True, options={"dtype": "uint16"}), wav(s["linear-fine"][:120])),
        (Vector("array-rate", "", array=True, options={"sample_rate": 29999.4325}), wav(s["short"], rate=29999)),
        (Vector("metadata", "", form="npy", options=described()), npy(array)),
    ]


def signals_of_three_rates():
    """EDF: two channels, annotations, signals of a lower rate among them, one of one sample a record."""
    channels, slow = waves(768, 2, 31), waves(384, 2, 32)
    return edf([channels[0], slow[0], channels[1], slow[1], np.arange(12) % 3 * 1000], 12, notes=9)


def signals_of_24_bits():
    """BDF: a channel and two slower signals, one of noise."""
    noisy = np.random.default_rng(33).integers(-(1 << 23), 1 << 23, 2)
    return edf([*waves(240, 1, 34, 900), *waves(120, 1, 35, 900), np.repeat(noisy, 2)], 4, width=3)


def described():
    """A sample rate and metadata of four channels, known keys and others."""
    probe = {"ndim": 2, "si_units": "um", "annotations": {"name": "four"}, "contact_shapes": ["circle"] * 5}
    probe |= {"contact_positions": [[0.0, 20.5 * at] for at in range(5)], "device_channel_indices": [3, 2, -1, 1, 0]}
    metadata = {"channel_ids": ["AP0", "AP1", 7, "µ"], "gain_to_uV": [2.34375, 2.34375, 1, 1e-3]}
    metadata |= {"offset_to_uV": [0, 0, -4.5, 0], "start_time": "2026-11-29T02:30:00.123456789+01:00"}
    metadata |= {"probe": {"specification": "probeinterface", "version": "0.2.21", "probes": [probe]}}
    metadata |= {"annotations": {"subject": "m1", "depth": 1.5}, "lab": [None, True, {"day": 3}]}
    return {"sample_rate": 30000.149579831934, "metadata": metadata}


def npy(samples, version=(1, 0)):
    """An .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, samples, version)
    return file.getvalue()


def spike_signals():
    """(vector, recording before it is encoded) of spike mode."""
    codes = np.round(simulate(1100, 3, seed=21).codes * [1.0, 1.0, 0.0] + [0, 0, 9])
    linear = whole(codes[:700, :2] * 45 + [[700, -3000]] + noise(20, 6, 700, 2))
    linear[300::200, 0] = -32768  # beyond the reach of the location
    eight = np.clip(codes[:800, :1] // 2 + 128, 0, 255).astype(np.uint8)
    options = {"keep": "spikes", "threshold": 3.0}
    slow = options | {"keep": "spikes,lfp"}
    return [
        (Vector("spikes", "", max_error=3, options=options, once=True), wav(implant(codes))),
        (Vector("spikes-exact", "", 300, options=options | {"window": [0.2, 0.6]}, once=True), wav(implant(codes))),
        (Vector("spikes-lfp", "", max_error=2, options=slow, once=True), wav(implant(codes[:600]))),
        (Vector("spikes-linear", "", max_error=5, options=options, once=True), wav(linear)),
        (Vector("spikes-linear-lfp", "", options=slow, once=True), wav(linear)),
        (Vector("spikes-8-bit", "", max_error=1, options=slow, once=True), wav(eight)),
    ]


def bounded_signals():
    """(name, samples, bound, frames of a chunk) of vectors that are not lossless."""
    s, t = signals(), np.arange(700)[:, None]
    ends = whole(np.where(t // 70 % 2, 32767, -32768) - np.sign(t // 70 % 2 - 0.5) * abs(noise(15, 9, 700)))
    slow = np.hstack([implant(noise(16, 3, 500)), np.int16(noise(17, 1.2, 500)), implant(noise(18, 0.4, 500))])
    return [
        ("bounded-1", s["implant"], 1, None),
        ("bounded-3", s["implant-channels"], 3, 250),
        ("bounded-255", s["implant-steps"], 255, None),
        ("bounded-implant-ends", s["implant-extremes"], 2, None),
        ("bounded-linear", s["linear"][:1000], 12, None),
        ("bounded-linear-quiet", whole(wave_of(20, 400) + noise(19, 20, 400, 2)), 60, None),
        ("bounded-linear-ends", ends, 4, None),
        ("bounded-mixed", np.hstack([s["mixed"], slow]), 5, 300),
        ("bounded-stages", s["stages"], 1, 400),
        ("bounded-stored", s["mixed"][:3], 1, 1),
        ("bounded-8-bit", s["8-bit"], 2, None),
        ("bounded-maps", s["maps"][:700, [0, 1, 3, 6]], 1, None),
    ]


def decoded(name, recording, bound, chunk):
    """The vector of a recording under a bound, and what it decodes to, which then comes back as it is."""
    vector = Vector(name, "", chunk_frames=chunk, max_error=bound)
    return vector, conformance.decode(conformance.encode(vector, recording, verify=True))


WHAT = WIDE_WHAT | {
    "short-chunk": "the coding for short chunks",
    "short-chunks": "that with steps, large errors and rails, in several chunks",
    "short-8-bit": "that of samples of 8 bits",
    "spikes": "windows around spikes, 3 codes; one channel is flat",
    "spikes-exact": "exact windows, chunks",
    "spikes-lfp": "windows on a field potential",
    "spikes-linear": "windows off the implant's table, with low bits and escapes",
    "spikes-linear-lfp": "exact windows off the implant's table on a field potential",
    "spikes-8-bit": "windows and a field potential, 8 bits",
    "implant": "one channel on the implant's table, two segments",
    "implant-channels": "four channels on the implant's table",
    "implant-extremes": "codes at both ends of the implant's table",
    "implant-steps": "steps of 800 codes",
    "implant-many-channels": "40 channels, 90 frames",
    "implant-prime": "a last segment that is shorter",
    "linear": "off the implant's table, with low bits",
    "linear-fine": "off the implant's table, no low bits",
    "linear-escapes": "off the implant's table, with escapes",
    "linear-heavy-tails": "low bits and escapes",
    "references": "channels that are predicted from each other, a flat one and a copy",
    "adaptive": "a channel with an adaptive predictor, and one that may have the first as its reference",
    "maps": "multiples of 16 with exceptions, two scales, copies, a palette, and a channel without index map",
    "packed": "packed channels beside a linear and a constant one",
    "packed-only": "packed channels and no lanes",
    "maps-short": "index maps of twelve channels and 90 frames",
    "mixed": "implant, linear and constant channels in one chunk",
    "constant": "constant channels only",
    "stored": "a chunk that does not compress",
    "stored-8-bit": "a chunk of 8-bit samples that does not compress",
    "8-bit": "two channels of 8 bits",
    "one-sample": "one sample",
    "sparse": "nearly all samples are equal: most coefficients are 0",
    "no-samples": "no samples: no chunk",
    "stages": "a channel that changes its nature",
    "short": "a short recording",
    "odd-chunks": "RIFF chunks in front of the samples and behind them",
    "odd-length": "an odd number of data bytes, a pad byte, a chunk behind",
    "odd-partial-frame": "the last frame is incomplete",
    "odd-size-fields": "size fields of a writer into a pipe",
    "odd-12-bit": "12 bits in 16",
    "odd-empty": "no samples, a chunk behind",
    "chunks": "several chunks",
    "chunks-of-all-kinds": "a constant, a stored and a coded chunk",
    "chunks-one-frame": "chunks of one frame",
    "embedded": "the model in the file",
    "messages": "channels that are predicted from each other, with a model that does: in the file",
    "messages-chunks": "such channels in several chunks",
    "recurrent": "a network with a state, which is in the file; channels that are predicted from each other, chunks",
    "array": "never a file: restored with a canonical header",
    "bounded-1": "bounded error on the implant's table, 1 code",
    "bounded-3": "bounded error, 3 codes, four channels, chunks",
    "bounded-255": "bounded error, 255 codes: five bins",
    "bounded-implant-ends": "bounded error, codes at both ends of the implant's table",
    "bounded-linear": "bounded error off the implant's table, with low bits",
    "bounded-linear-quiet": "bounded error of three deviations: Q6 units finer than bins, two channels",
    "bounded-linear-ends": "bounded error at both ends of 16 bits",
    "bounded-mixed": "bounded error: implant, linear and constant channels in one chunk",
    "bounded-stages": "bounded error: a channel that changes its nature",
    "bounded-stored": "bounded error allowed, but the chunks do not compress and are exact",
    "bounded-8-bit": "bounded error, 8 bits",
    "bounded-maps": "bounded error: channels with steps wider than a bin, with a palette of bins, and with neither",
    "npy": "an .npy file [time, channel]",
    "npy-channel-time": "an .npy file [channel, time] of big-endian uint16, chunks, bytes behind",
    "npy-fortran": "an .npy file of version 2 [time, channel] in Fortran order, big-endian int16",
    "npy-one-channel": "an .npy file of version 3 [time], int8",
    "raw": "raw uint16, frame by frame",
    "raw-channel-time": "raw int8, channel by channel, chunks",
    "raw-stored": "raw uint8 that do not compress",
    "signals": "records with other signals than channels: as chunks where that is smaller; annotations, SHA-256",
    "signals-24-bit": "records of 24 bits with other signals than channels",
    "raw-odd": "bytes in front of raw samples and behind the last whole frame: records, chunks, SHA-256",
    "raw-sum": "SHA-256 of the original, chunks",
    "kept": "a file that is kept as it is",
    "kept-stamps": "a file that is kept as it is, by differences of integers of 8 bytes",
    "kept-empty": "an empty file, SHA-256",
    "files": "a file for each of three channels, one with bytes behind, chunks",
    "array-uint16": "never a file, uint16: restored as int16",
    "array-rate": "never a file, a sample rate that is no integer: restored with the nearest one",
    "metadata": "metadata beside the bytes of a header, a sample rate that is no integer",
    "array-8-bit": "never a file, 8 bits, an odd number of bytes",
}


# --- faulty ones -----------------------------------------------------------------------------------------------------


def split(stream):
    """[tag, payload] of each block."""
    blocks, offset = [], 5
    while offset < len(stream):
        tag, length = struct.unpack_from("<cI", stream, offset)
        blocks.append([tag, stream[offset + 5 : offset + 5 + length]])
        offset += length + 9
    return blocks


def joined(blocks):
    """A file of blocks, with right checksums and a right index but for what `blocks` says."""
    out, header_crc = b"\x8fMDO\x01", 0
    for sequence, (tag, payload) in enumerate(blocks):
        block = tag + struct.pack("<I", len(payload)) + payload
        crc = zlib.crc32(struct.pack("<II", sequence, header_crc) + block)
        header_crc = header_crc or crc
        out += block + struct.pack("<I", crc)
    return out


def patched(stream, tag, offset, new, number=0):
    """The stream with bytes of a block's payload replaced and its checksum right."""
    blocks = split(stream)
    block = [b for b in blocks if b[0] == tag][number]
    end = offset + len(new) if offset >= 0 else len(block[1]) + offset + len(new)
    start = end - len(new)
    block[1] = block[1][:start] + new + block[1][end:]
    return joined(blocks)


def with_header(stream, **changed):
    """The stream with fields of its header replaced, each given as its bytes: flags, format, channels, rate, frames,
    model, time, suffix."""
    blocks = split(stream)
    payload = blocks[0][1]
    at = varint.parse(payload, 0)[1] + 1
    fields = {"flags": payload[: at - 1], "format": payload[at - 1 : at]}
    for name in ("channels", "rate", "frames", "model", "time"):
        end = at + (8 if payload[0] & 1 else 0) if name == "time" else at + 8
        if name in ("channels", "frames") or name == "rate" and fields["format"][0] < 128:
            end = varint.parse(payload, at)[1]
        fields[name], at = payload[at:end], end
    fields["suffix"] = payload[at:]
    blocks[0][1] = b"".join((fields | changed).values())
    return joined(blocks)


def piece(stream, coding, data):
    """The stream with other bytes behind the samples."""
    blocks = split(stream)
    next(b for b in blocks if b[0] == b"B")[1] = coding + zstandard.compress(data)
    return joined(blocks)


def front_of(stream, data):
    """The stream with other bytes in front of the samples."""
    blocks = split(stream)
    next(b for b in blocks if b[0] == b"F")[1] = b"\0" + data
    return joined(blocks)


def beside(stream, data):
    """The stream with other bytes of records in its first chunk."""
    blocks = split(stream)
    block = next(b for b in blocks if b[0] == b"C")
    there = int.from_bytes(block[1][-4:], "little")
    block[1] = block[1][: len(block[1]) - 4 - there] + data + struct.pack("<I", len(data))
    return joined(blocks)


def indexed(stream):
    """The stream with the index that its chunks should have."""
    blocks, index = split(stream), Index(5 + sum(len(payload) + 9 for tag, payload in split(stream) if tag in b"HMJF"))
    for payload in (payload for tag, payload in blocks if tag == b"C"):
        index.frames.append(int.from_bytes(payload[:4], "little"))
        index.sizes.append(len(payload) + 9)
    blocks[-1][1] = index.pack()
    return joined(blocks)


def swapped(stream, first, second):
    """The blocks with two changed over, and no checksum touched."""
    ends = [5]
    for _, payload in split(stream):
        ends.append(ends[-1] + len(payload) + 9)
    parts = [stream[a:b] for a, b in zip(ends, ends[1:])]
    parts[first], parts[second] = parts[second], parts[first]
    return stream[:5] + b"".join(parts)


def short_faults(one):
    """name -> (what, stream) of short chunks."""
    head, (_, chunk), end = split(one)
    with_chunk = lambda payload: joined([head, [b"C", payload], end])  # noqa: E731
    long = patched(with_header(one, frames=varint.pack(30001)), b"C", 0, struct.pack("<I", 30000))
    return {
        "short-flags": ("a short chunk with a flag", patched(one, b"C", 4, b"\x14")),
        "short-step": ("a short chunk of step 0", patched(one, b"C", 9, b"\x03\0\0")),
        "short-offset": ("a short chunk whose offset is its step", patched(one, b"C", 11, b"\x10")),
        "short-head": ("a short chunk that ends in its head", with_chunk(chunk[:11])),
        "short-long": ("a short chunk of too many samples", long),
        "short-zeros": ("a short chunk with zeros behind it", with_chunk(chunk + bytes(1))),
        "short-bytes": ("a short chunk with bytes behind it", with_chunk(chunk + b"12345")),
        "short-range": ("a short chunk of impossible samples", patched(one, b"C", 12, b"\xff" * 20)),
        "short-crc": ("a short chunk of samples with another checksum", patched(one, b"C", 5, b"1234")),
    }


def faulty_signals(stream):
    """What can be wrong about other signals than channels, which are in the first chunk as one of their own."""
    payload = next(payload for tag, payload in split(stream) if tag == b"C")
    kept = payload[-4 - int.from_bytes(payload[-4:], "little") : -4]
    length, at = varint.parse(kept, 0)
    chunk, rest = kept[at : at + length], kept[at + length :]

    def of(chunk):
        return indexed(beside(stream, varint.pack(len(chunk)) + chunk + rest))

    frames, head = int.from_bytes(chunk[:4], "little"), chunk[:4]
    assert of(chunk) == stream and frames > 1
    return {
        "signals-frames": ("other signals with other frames", of((frames - 1).to_bytes(4, "little") + chunk[4:])),
        "signals-missing": ("bytes of other signals that are not there", of(b"")),
        "signals-cut": ("ends inside the chunk of other signals", indexed(beside(stream, kept[: at + length // 2]))),
        "signals-spikes": ("other signals in spike mode", of(head + b"\3" + chunk[5:])),
        "signals-bounded": (
            "other signals with a bounded error",
            of(head + b"\x09" + chunk[5:11] + b"\1" + chunk[11:]),
        ),
        "signals-wide": ("other signals of another type", of(head + b"\2\0" + bytes(20))),
        "signals-wrong": ("samples of other signals of another checksum", of(chunk[:5] + bytes(4) + chunk[9:])),
        "signals-number": ("a number in more bytes than it needs", indexed(beside(stream, b"\x80\0" + rest))),
    }


def faulty(streams):
    """name -> (what, error class, stream), from valid streams by name."""
    one, many, embedded, close = streams["short"], streams["chunks"], streams["embedded"], streams["bounded-1"]
    flip = lambda at: one[:at] + bytes([one[at] ^ 16]) + one[at + 1 :]  # noqa: E731
    kinds, raw, array, files = (split(streams[name]) for name in ("short", "raw", "npy", "files"))
    table = partial(with_table, streams["files"])
    no_end = joined(kinds[:-1])
    odd, kept = streams["raw-odd"], streams["kept"]
    summed = split(odd)
    corrupt = {
        "sum-missing": ("no block S against the flags", joined([b for b in summed if b[0] != b"S"])),
        "sum-unclaimed": ("a block S against the flags", joined([*kinds[:-1], summed[-2], kinds[-1]])),
        "sum-twice": ("two blocks S", joined([*summed[:-1], *summed[-2:]])),
        "sum-header": ("the second header is another one", patched(odd, b"S", 40, b"\x77")),
        "sum-short": ("a block S of 32 bytes", joined([*summed[:-2], [b"S", bytes(32)], summed[-1]])),
        "sum-other": ("another SHA-256", patched(odd, b"S", 0, b"12345678")),
        "kind-unknown": ("an unknown kind of original", with_header(kept, flags=b"\xc1\x03")),
        "kept-frames": ("a kept file with frames", with_header(kept, frames=b"\x02")),
        "kept-half-integer": ("a piece of a kept file with half an integer", piece(kept, b"\x02", b"1234567")),
        "records-frames": ("the records have other frames", with_header(odd, frames=b"\xf2\x01")),
        "records-layout": ("a layout that ends early", front_of(odd, b"\0\5fron")),
        "records-channels": ("records of too few channels", front_of(odd, b"\1\xf0\1\1\2\1\1")),
        "records-kinds": ("records without samples of channels", front_of(odd, b"\1\xf0\1\1\4\2\1")),
        "records-unknown": ("a field of an unknown kind", front_of(odd, b"\1\xf0\1\2\5\2\2\2\1")),
        **faulty_signals(streams["signals"]),
        "records-bytes": ("bytes of records that have none", beside(odd, b"\0x")),
        "records-too-long": ("more bytes of records than the chunk", patched(odd, b"C", -4, b"\xff\xff\xff\0")),
        "truncated-header": ("ends within the header", one[:20]),
        "truncated-chunk": ("ends within a chunk", one[: len(one) // 2]),
        "truncated-end": ("the last byte is missing", one[:-1]),
        "no-end": ("no end block", no_end),
        "trailing": ("a byte behind the end", one + b"\0"),
        "flipped-header": ("a bit of the header", flip(20)),
        "flipped-chunk": ("a bit of a chunk", flip(len(one) // 2)),
        "flipped-end": ("a bit of the index", flip(len(one) - 15)),
        "reordered": ("two chunks changed over", swapped(many, 1, 2)),
        "foreign-chunk": ("a chunk of another file", swapped(many, 1, 2)[:-4] + many[-4:]),
        "unknown-tag": ("a block of an unknown kind", joined([kinds[0], [b"X", b""], *kinds[1:]])),
        **short_faults(streams["short-chunk"]),
        "unknown-coding": ("a chunk of an unknown coding", patched(one, b"C", 4, b"\x07")),
        "huge-frames": ("2^31 frames in a chunk", patched(one, b"C", 0, struct.pack("<I", 2**31))),
        "huge-segments": ("more segments than frames", patched(one, b"C", 9, b"\xff\xff")),
        "no-segments": ("no segments", patched(one, b"C", 9, b"\0\0")),
        "huge-index": ("2^31 chunks in the index", patched(many, b"E", 1, struct.pack("<I", 2**31))),
        "wrong-index": ("the index and the chunks disagree", patched(many, b"E", 1, b"\2")),
        "wrong-kind": ("a channel of kind 3", patched(one, b"C", 11, b"\xff")),
        "wrong-total": ("frames of header and chunks", with_header(one, frames=varint.pack(202))),
        "long-number": ("a number in more bytes than it needs", with_header(one, channels=b"\x81\0")),
        "endless-number": ("a number of more than 9 bytes", with_header(one, frames=b"\x80" * 10)),
        "wrong-samples": ("samples of another checksum", patched(one, b"C", 5, b"\0\0\0\0")),
        "wrong-word": ("a coded word", patched(one, b"C", -1, b"\0")),
        "no-channels": ("0 channels", with_header(one, channels=b"\0")),
        "wrong-flags": ("unknown flags", patched(one, b"H", 0, b"\x1b")),
        "wrong-suffix": ("a suffix that leaves the folder", with_header(one, flags=b"\x03", suffix=b"/../")),
        "other-embedded-model": ("not the model that the header names", with_header(embedded, model=bytes(8))),
        "bounded-by-nothing": ("a bounded error of 0", patched(close, b"C", 11, b"\0")),
        "bounded-otherwise": ("another bound", patched(close, b"C", 11, b"\2")),
        "bounded-unannounced": ("a bounded error against the header", patched(close, b"H", 0, b"\x0b")),
        "bounded-stored": ("a stored chunk with a bound", patched(streams["stored"], b"C", 4, b"\x08")),
        "references-circle": ("channels that refer to each other", _with_circle(streams["references"])),
        "bounded-short": ("ends in front of the bound", _cut_chunk(close, 11)),
        "unknown-format": ("a sample format that is not one", patched(one, b"H", 1, b"\x0a")),
        "format-of-wav": ("a WAV file of uint16", patched(one, b"H", 1, b"\x11")),
        "kind-without-file": ("raw, but never a file", with_header(streams["array"], flags=b"\x28")),
        "channel-time-unknown": (
            "channel by channel, frames unknown",
            with_header(streams["raw-channel-time"], frames=b"\0"),
        ),
        "raw-with-front": ("raw samples with bytes in front", joined([raw[0], [b"F", b"\0x"], *raw[1:]])),
        "npy-without-front": ("an .npy file without its header", joined([array[0], *array[2:]])),
        "files-way-out": ("a name that leads out of the folder", table(b"0-\xc2\xb5.w", b"../../")),
        "files-same-name": ("two files of the same name", table(b"1-\xc2\xb5", b"0-\xc2\xb5")),
        "files-long-name": ("a name beyond the table", table(b"\x08", b"\xff")),
        "files-behind": ("bytes behind files", joined([*files[:-1], [b"B", b"\0x"], files[-1]])),
        **about_faults(streams["metadata"]),
        **map_faults(streams["maps"]),
        **wide_faults(streams),
        **spike_faults(streams),
        "huge-embedded-model": ("a model that claims 2^40 bytes", _huge_model(embedded)),
    }
    made = {name: (what, "CorruptError", stream) for name, (what, stream) in corrupt.items()}
    made["wrong-magic"] = ("another kind of file", "FileFormatError", b"RIFF" + one[4:])
    made["wrong-version"] = ("format version 2", "FileFormatError", one[:4] + b"\x02" + one[5:])
    made["unknown-model"] = ("a model that is not here", "ModelError", with_header(one, model=bytes(8)))
    return made


def about_faults(stream):
    """name -> (what, stream) of sample rates and metadata, which block 1 holds."""
    blocks, frame = split(stream), b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 2**40) + b"\x01\0\0"
    deepest = zstandard.ZstdCompressor().compress(b'{"a":' + b"[" * 20000 + b"]" * 20000 + b"}")
    rate = lambda value: with_header(stream, format=b"\x90", rate=struct.pack("<d", value))  # noqa: E731
    text = lambda data, coding=b"\0": joined([blocks[0], [b"J", coding + data], *blocks[2:]])  # noqa: E731
    return {
        "rate-whole": ("a whole sample rate as another one", rate(30000.0)),
        "rate-nan": ("a sample rate that is no number", rate(float("nan"))),
        "rate-negative": ("a sample rate below 0", rate(-30000.0)),
        "rate-infinite": ("an infinite sample rate", rate(float("inf"))),
        "rate-small": ("a sample rate of less than 2^-20 Hz", rate(2.0**-21)),
        "metadata-nothing": ("metadata without a coding byte", text(b"", b"")),
        "metadata-empty": ("metadata of no bytes", text(b"")),
        "metadata-list": ("metadata that are no object", text(b'["a"]')),
        "metadata-cut": ("metadata that end early", text(b'{"a":[1,2')),
        "metadata-behind": ("bytes behind the object", text(b'{"a":1}x')),
        "metadata-nan": ("a number that JSON does not have", text(b'{"a":NaN}')),
        "metadata-infinite": ("a number beyond float64", text(b'{"a":1e999}')),
        "metadata-integer": ("an integer beyond float64", text(b'{"a":1' + b"0" * 400 + b"}")),
        "metadata-name-twice": ("a name twice in an object", text(b'{"a":{"b":1,"b":1}}')),
        "metadata-not-utf-8": ("a text that is not UTF-8", text(b'{"a":"\xff"}')),
        "metadata-surrogate": ("half of a surrogate pair", text(rb'{"a":"\ud800"}')),
        "metadata-deep": ("101 lists in each other", text(b'{"a":' + b"[" * 100 + b"]" * 100 + b"}")),
        "metadata-deepest": ("20000 lists in each other", text(deepest, b"\1")),
        "metadata-coding": ("an unknown coding byte", text(b"{}", b"\2")),
        "metadata-huge": ("metadata that claim 2^40 bytes", text(frame, b"\1")),
        "metadata-twice": ("two blocks of metadata", joined([*blocks[:2], *blocks[1:]])),
        "metadata-late": (
            "metadata behind the block that is to follow",
            joined([blocks[0], blocks[2], blocks[1], *blocks[3:]]),
        ),
        "metadata-gains": ("a gain too few", text(b'{"gain_to_uV":[1,1,1]}')),
        "metadata-ids": ("an id twice", text(b'{"channel_ids":["a","b","c","a"]}')),
        "metadata-probe": (
            "a contact at a channel that is not there",
            text(b'{"probe":{"contact_positions":[[0,0]],"device_channel_indices":[4]}}'),
        ),
        "metadata-time": ("a day that is not there", text(b'{"start_time":"2026-02-30T00:00:00"}')),
    }


def wide_faults(streams):
    """name -> (what, stream) of wide chunks."""
    plain, noise, floats, bits = (streams[f"wide-{name}"] for name in ("plain", "noise", "floats", "float-bits"))
    return {
        "wide-other-type": ("a chunk of floats, against the header", patched(plain, b"C", 5, b"\1")),
        "wide-unknown-type": ("a type of samples that is not one", patched(plain, b"C", 5, b"\3")),
        "wide-unknown-form": ("a form of channels that is not one", patched(plain, b"C", 6, b"\xc0")),
        "wide-plain-floats": ("floats that are int16 values", patched(bits, b"C", 6, b"\x40")),
        "wide-flags": ("a wide chunk with a bound", patched(plain, b"C", 4, b"\x0a")),
        "wide-in-wide": ("a wide chunk in a wide chunk", patched(plain, b"C", 7, b"\2")),
        "wide-unannounced": ("a wide chunk in a recording of int16", patched(plain, b"H", 1, b"\x10")),
        "wide-missing": ("a chunk of int16 in a recording of int32", patched(streams["raw"], b"H", 1, b"\x20")),
        "wide-divisor": ("a divisor of 0", patched(noise, b"C", 6, b"\0\0\0\0\0")),
        "wide-step": ("a step that is not finite", patched(floats, b"C", 6, b"\x0f\xfe")),
        "wide-stored-end": ("ends within stored channels", _cut_chunk(bits, 100)),
        "wide-channels-end": ("ends within the channels", _cut_chunk(floats, 12)),
        "wide-part-size": ("stored channels that are too long", patched(bits, b"C", 8, b"\xff")),
    }


def map_faults(stream):
    """name -> (what, stream) of index maps."""
    (header, chunk) = (next(payload for tag, payload in split(stream) if tag == wanted) for wanted in (b"H", b"C"))
    side, start = unpack(chunk, 11, varint.parse(header, 2)[0], has_references=bool(chunk[4] & 16))
    sources = map_sources(side.kind, side.mean)
    _, end = unpack_maps(chunk, start, sources, int.from_bytes(chunk[:4], "little"))

    def changed(change):
        maps, _ = unpack_maps(chunk, start, sources, int.from_bytes(chunk[:4], "little"))
        change(maps)
        return _with_chunk(stream, chunk[:start] + pack_maps(maps, sources) + chunk[end:])

    def of_bits(*fields):
        text = "".join(fields) + "0" * (len(sources) + 20)
        data = int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")
        return _with_chunk(stream, chunk[:start] + data + chunk[end:])

    def shorter(maps):
        maps.palettes = {channel: values[:2] for channel, values in maps.palettes.items()}

    def wider(maps):
        maps.slopes <<= 9

    def late(maps):
        for found in maps.exceptions.values():
            found.frames[-1] = 1200

    def far(maps):
        for found in maps.exceptions.values():
            found.differences[:] = 40000

    def beyond(maps):
        maps.palettes = {channel: values.astype(np.int64) + 30000 for channel, values in maps.palettes.items()}

    step = ("00000", "000010", "10", "00000", "10")
    return {
        "maps-without-value": ("an index that a palette does not have", changed(shorter)),
        "maps-far": ("steps that lead out of 16 bits", changed(wider)),
        "maps-late-exception": ("an exception behind the chunk", changed(late)),
        "maps-large-exception": ("an exception that leads out of 16 bits", changed(far)),
        "maps-large-value": ("a palette beyond 16 bits", changed(beyond)),
        "maps-small-slope": ("steps below 1", of_bits("001", "00001", "000001", "1", "00000", "1")),
        "maps-digits": ("slopes of 25 digits", of_bits("001", "11001", "011010", "1" * 26)),
        "maps-wide-slope": ("a slope of 41 bits", of_bits("001", "11000", "101001", "1" * 41)),
        "maps-offset": (
            "an offset beyond the slope",
            of_bits("001", "00000", "000011", "101", "00000", "1", "111", "001"),
        ),
        "maps-step": ("a step that is not there", of_bits("010", *step, *step, "00", "1" * 99)),
        "maps-exception": ("exceptions without steps", of_bits("000", "01", "1" * 99)),
        "maps-end": ("ends within a list", _with_chunk(stream, chunk[: end - 9])),
    }


def spike_faults(streams):
    """name -> (what, stream) of spike mode."""
    plain, slow, linear = (streams[f"spikes{name}"] for name in ("", "-lfp", "-linear"))
    band = _plan_of(slow).stop
    number = next(payload for tag, payload in split(slow) if tag == b"C")[band + 12]
    head = next(payload for tag, payload in split(plain) if tag == b"C")
    plan = _plan_of(plain)
    size = varint.pack(plan.stop - plan.start)
    longer = varint.pack(plan.stop - plan.start + 1)
    longer = head[: plan.start - len(size)] + longer + head[plan] + b"\0" + head[plan.stop :]
    return {
        "spikes-unannounced": ("spike mode against the header", patched(plain, b"H", 0, b"\x0b")),
        "spikes-no-lanes": ("windows but no lanes", patched(plain, b"C", 9, b"\0\0")),
        "spikes-many-lanes": ("65535 lanes", patched(plain, b"C", 9, b"\xff\xff")),
        "spikes-flags": ("unknown flags", patched(plain, b"C", 12, b"\x0c")),
        "spikes-shift": ("low bits on the implant's table", patched(plain, b"C", 12, b"\x10")),
        "spikes-no-front": ("windows without a front", patched(plain, b"C", 15, b"\0")),
        "spikes-no-window": ("windows that end with the crossing", patched(plain, b"C", 16, b"\0")),
        "spikes-otherwise-windows": ("windows of another length", patched(plain, b"C", 16, b"\x7f")),
        "spikes-huge-plan": ("a plan beyond the chunk", patched(plain, b"C", plan.start - 1, b"\x7f")),
        "spikes-plan": ("a byte of the plan", patched(plain, b"C", plan.start + 4, bytes([head[plan.start + 4] ^ 64]))),
        "spikes-plan-end": ("a plan with a byte too many", _with_chunk(plain, longer)),
        "spikes-otherwise": ("another bound", patched(plain, b"C", 11, b"\x04")),
        "spikes-word": ("a coded word", patched(linear, b"C", -1, b"\0")),
        "spikes-spacing": ("a field potential of 5000 frames", patched(slow, b"C", band, struct.pack("<H", 5000))),
        "spikes-lfp-numbers": ("a byte of a field potential", patched(slow, b"C", band + 12, bytes([number ^ 64]))),
        "spikes-lfp-size": ("a field potential beyond the chunk", patched(slow, b"C", band + 2, b"\xff\xff\xff\x7f")),
        "spikes-short": ("ends within the plan", _cut_chunk(plain, plan.start + 2)),
    }


def _plan_of(stream):
    """Where the plan of a stream's spike chunk lies."""
    chunk = next(payload for tag, payload in split(stream) if tag == b"C")
    at = 13
    for _ in range(6):
        size, at = varint.parse(chunk, at)
    return slice(at, at + size)


def _with_chunk(stream, chunk):
    return joined([[tag, chunk if tag == b"C" else payload] for tag, payload in split(stream)])


def _with_circle(stream):
    (header, chunk) = (next(payload for tag, payload in split(stream) if tag == wanted) for wanted in (b"H", b"C"))
    side, end = unpack(chunk, 11, varint.parse(header, 2)[0], has_references=True)
    channel = int(np.flatnonzero(side.references[:, 0] >= 0)[0])
    side.references[side.references[channel, 0], 0] = channel
    return _with_chunk(stream, chunk[:11] + pack(side) + chunk[end:])


def _cut_chunk(stream, size):
    blocks = split(stream)
    return joined([[tag, payload[:size] if tag == b"C" else payload] for tag, payload in blocks])


def with_table(stream, old, new):
    """The stream of a recording in several files with the first `old` in its table replaced."""
    blocks = split(stream)
    coding, body = blocks[1][1][0], blocks[1][1][1:]
    table = zstandard.ZstdDecompressor().decompress(body) if coding else body
    assert old in table
    blocks[1][1] = b"\0" + table.replace(old, new, 1)
    return joined(blocks)


def _huge_model(embedded):
    frame = b"\x28\xb5\x2f\xfd" + bytes([0xC0 | 0x20]) + struct.pack("<Q", 2**40) + b"\x01\0\0"
    blocks = split(embedded)
    blocks[1][1] = frame
    return joined(blocks)
