"""Whole jobs as somebody meets them: a chunk of zarr, commands, random reads, a call from somebody's program."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from results import Results
from roundtrip import RoundTrip, Usage, execute, round_trip, run, runtime_command

import runtime

from . import coders, engines, recordings

CHUNK_CHANNELS, MANY_CHANNELS, FILES, FILE_SECONDS = 384, 1024, 100, 5.0
READS, LEAST_READS, READING = 30, 3, 10
"""Most reads, least reads, and how many times as long as other work reading goes on beyond these."""
CORES = os.cpu_count() or 1
CALL = (
    "import sys, numpy, runtime; samples = numpy.load(sys.argv[1]); "
    "runtime.encode(samples, int(sys.argv[2]), layout='time-channel', verify=False)"
)
"""A program that encodes an array, as another laboratory may write it."""
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Setting:
    """What jobs run with.

    Attributes
    ----------
    data, work : Path
        Folder of recordings, and one for files.
    engines : list of str
    scale : float
        Of the lengths and numbers of channels and files.
    repeats : int
        Runs of each command, of which the fastest counts.
    patience : float
        Seconds that short work is repeated for.
    """

    data: Path
    work: Path
    engines: list[str]
    scale: float
    repeats: int
    patience: float

    def few(self, count: float) -> int:
        """Return a number at the scale, at least 2."""
        return max(2, round(count * self.scale))

    def chunk(self, seconds: float = 1.0) -> recordings.Recording:
        """Return a simulated array at 30 kHz."""
        frames = self.few(seconds * recordings.ARRAY_RATE)
        return recordings.array(self.data, self.few(CHUNK_CHANNELS), frames, real=False)


def zarr_chunk(setting: Setting, results: Results) -> None:
    """Code one chunk of a zarr array, beside WavPack."""
    recording = setting.chunk()
    others, _ = coders.baselines()
    wavpack = [coder for coder in others if coder.name == coders.WAVPACK_3]
    own = [coders.ours(engine, alone) for alone in (True, False) for engine in setting.engines]
    for coder in own:
        coders.measure(coder, recording.start(), 0)
    found = {coder.name: coders.measure(coder, recording, setting.patience) for coder in [*wavpack, *own]}
    rows = []
    for name, used in found.items():
        seconds = (used.encode_seconds, used.decode_seconds)
        row = [name, f"{8 * used.bytes / recording.samples.size:.3f}", *(f"{1000 * value:.0f}" for value in seconds)]
        if base := found.get(coders.WAVPACK_3):
            row += [f"{a / b:.2f}" for a, b in zip(seconds, (base.encode_seconds, base.decode_seconds))]
        rows.append([*row, *[""] * (6 - len(row))])
    columns = ("coder", "bits per sample", "encode ms", "decode ms", "encode / WavPack 3", "decode / WavPack 3")
    results.table(f"One chunk of {recording.channels} channels, {recording.name}, one core", columns, rows)


def commands(setting: Setting, results: Results) -> None:
    """Run the command line on an array, on many files and on one file."""
    recording = recordings.implant(setting.data, setting.few(MANY_CHANNELS), setting.few(6 * recordings.RATE))
    path = setting.work / "channels.wav"
    soundfile.write(path, recording.samples, recording.rate, subtype="PCM_16")
    what, files = recordings.wavs(
        setting.data, setting.few(FILES), max(0.1, FILE_SECONDS * setting.scale), setting.work
    )
    jobs = [
        (
            f"{recording.channels} channels, each alone, {CORES} cores ({recording.name})",
            [path],
            ["--independent"],
            CORES,
        ),
        (f"{what} in one command, {CORES} cores", files, [], CORES),
        ("the first of them, start of the interpreter included", files[:1], [], 1),
    ]
    rows = [row for job in jobs for row in command_rows(setting, *job)]
    columns = ("encode without verification, then decode", "engine", "bits per sample", "encode s", "decode s")
    results.table("Whole commands, wall time", (*columns, "encode Ms/s", "decode Ms/s", "peak MB"), rows)


def command_rows(setting: Setting, name: str, paths: list[Path], options: list[str], jobs: int) -> Iterator[list[str]]:
    """Yield a row for each engine that a command may use: the fastest of some runs."""
    samples = sum(info.frames * info.channels for info in map(soundfile.info, map(str, paths)))
    forced = setting.engines if len(setting.engines) > 1 else []
    for engine in (engines.AUTOMATIC, *forced):
        runs = [round_trip(paths, setting.work, options, jobs, engines.command(engine)) for _ in range(setting.repeats)]
        if bad := [run for run in runs if run.different]:
            raise SystemExit(f"{name}: {bad[0].summary()}")
        encode, decode = (fastest(runs, part) for part in ("encode", "decode"))
        speeds = (f"{samples / used.seconds / 1e6:.2f}" for used in (encode, decode))
        seconds = (f"{used.seconds:.2f}" for used in (encode, decode))
        bits = f"{8 * sum(runs[0].packed_bytes) / samples:.4f}"
        yield [name, engine, bits, *seconds, *speeds, f"{max(encode.megabytes, decode.megabytes):.0f}"]


def fastest(runs: list[RoundTrip], part: str) -> Usage:
    """Return what the fastest of some commands took."""
    return min((getattr(run, part) for run in runs), key=lambda used: used.seconds)


def random_reads(setting: Setting, results: Results) -> None:
    """Read parts of a long array at random places, each with a reader of its own."""
    recording = setting.chunk(FILE_SECONDS)
    asked = {"10 ms of 1 channel": (0.01, 1), "100 ms of all": (0.1, recording.channels)}
    rows = []
    for alone in (True, False):
        path = setting.work / "array.mdo"
        path.write_bytes(coders.ours(setting.engines[0], alone).encode(recording.samples, recording.rate))
        for engine in setting.engines:
            engines.use(engine)
            for name, (seconds, channels) in asked.items():
                frames = max(1, round(seconds * recording.rate))
                times = read_times(path, recording, (frames, channels), READING * setting.patience)
                figures = (f"{value:.3f}" for value in (statistics.median(times), max(times)))
                rows.append([name, "alone" if alone else "joint", engine, *figures])
    title = f"Random reads at {recording.channels} channels, {recording.name}: seconds of one core, opening included"
    results.table(title, ("read", "mode", "engine", "median", "worst"), rows)


def read_times(path: Path, recording: recordings.Recording, shape: tuple[int, int], patience: float) -> list[float]:
    """Return the processor times of reads of a shape, after one that does not count; what is read is compared."""
    random, times = np.random.default_rng(0), []
    frames, channels = min(shape[0], len(recording.samples)), shape[1]
    while len(times) <= READS and (len(times) <= LEAST_READS or sum(times) < patience):
        start = int(random.integers(len(recording.samples) - frames + 1))
        chosen = np.sort(random.permutation(recording.channels)[:channels])
        begin = time.process_time()
        with runtime.open(path) as reader:
            part = reader.read(start, start + frames, channels=chosen.tolist())
        times.append(time.process_time() - begin)
        if not np.array_equal(part, recording.samples[start : start + frames, chosen]):
            raise SystemExit(f"a read at {start} gave other samples")
    return times[1:]


def caller(setting: Setting, results: Results) -> None:
    """Encode an array jointly, by the command and from a program that calls the package: processor time."""
    recording = setting.chunk()
    path = setting.work / "array.npy"
    np.save(path, recording.samples)
    words, environment = runtime_command()
    environment = {name: value for name, value in environment.items() if name not in THREADS}
    rate = str(recording.rate)
    encode = ("encode", "-q", "-f", "--no-verify", "--jobs", "1", "-d", str(setting.work / "packed"), "--", str(path))
    call = [sys.executable, "-c", CALL, str(path), rate]
    ways: dict[str, Callable[[], Usage]] = {
        "`runtime encode --no-verify --jobs 1`": lambda: run(*encode, command=(words, environment)),
        "`runtime.encode(samples, ..., verify=False)`": lambda: execute(call, environment),
    }
    used = {
        name: min((way() for _ in range(setting.repeats)), key=lambda usage: usage.processor)
        for name, way in ways.items()
    }
    base = next(iter(used.values())).processor
    rows = [[n, f"{u.processor:.2f}", f"{u.seconds:.2f}", f"{u.processor / base:.2f}"] for n, u in used.items()]
    title = f"Joint encoding of {recording.channels} channels, {recording.name}, in a process of its own"
    results.table(title, ("called by", "processor s", "wall s", "processor time / the command's"), rows)


JOBS = {"chunk": zarr_chunk, "commands": commands, "reads": random_reads, "caller": caller}
