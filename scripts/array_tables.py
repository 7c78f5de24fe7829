"""The tables of `scripts/arrays`; each prints its lines as they are measured."""

from __future__ import annotations

import filecmp
import itertools
import os
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from roundtrip import runtime_command

import runtime
from runtime.codec.rans_chunk import CodedChunk, parse
from runtime.container.blocks import read_block
from runtime.container.index import read_layout
from runtime.core.implant_table import CODE_TO_SAMPLE, codes_of
from runtime.fit.correlation import correlate, whiten
from runtime.predictor.channel_parameters import pack
from training import baselines
from training.data import read_pairs, read_samples, validation_names
from training.linear_bound import linear_bound
from training.simulate_array import ArraySimulation, write_array

RATE = 20000
CODES = (-512, 511)


class Failure(SystemExit):
    """Something was not restored, or a command failed."""


@dataclass(frozen=True)
class Usage:
    """Of a command with its workers: bytes written, seconds (by the clock and of processors), peak megabytes of the
    largest process."""

    bytes: int
    seconds: float
    processor: float
    megabytes: float


def command(*arguments: object, output: Path) -> Usage:
    """Run `runtime ARGUMENTS -o OUTPUT`."""
    program, environment = runtime_command()
    line = [*program, *map(str, arguments), "-q", "-f", "-o", str(output)]
    start = time.perf_counter()
    pid = os.spawnvpe(os.P_NOWAIT, line[0], line, environment)
    _, status, used = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise Failure(f"{' '.join(line)} failed with status {status}")
    return Usage(output.stat().st_size, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def coded(source: Path, work: Path, *options: object, jobs: int = 1) -> tuple[Path, Usage, Usage]:
    """Encode, decode, compare: the coded file, and what both took."""
    packed, restored = work / "packed.mdo", work / f"restored{source.suffix}"
    encode = command("encode", source, "--no-verify", "--jobs", jobs, *options, output=packed)
    decode = command("decode", packed, "--jobs", jobs, output=restored)
    if not filecmp.cmp(source, restored, shallow=False):
        raise Failure(f"{source} was not restored")
    restored.unlink()
    return packed, encode, decode


def save(work: Path, name: str, samples: np.ndarray) -> Path:
    """Samples [time, channel] as .npy in an own folder."""
    path = work / f"{name}.npy"
    np.save(path, np.ascontiguousarray(samples))
    return path


def side_bytes(packed: Path) -> tuple[int, int]:
    """Bytes of side information of a file, and those of them that are about peers."""
    total = about_baselines = 0
    with open(packed, "rb") as file:
        layout = read_layout(file)
        file.seek(layout.index.first)
        for sequence in itertools.count(layout.first_sequence):
            if sequence - layout.first_sequence == len(layout.index.frames):
                return total, about_baselines
            payload, *_ = read_block(file, sequence, layout.header_crc, b"C")
            chunk = parse(payload, layout.header.channels, layout.header.sample_bits)
            if not isinstance(chunk, CodedChunk):
                continue
            size = len(pack(chunk.side))
            chunk.side.baselines[:] = -1
            total, about_baselines = total + size, about_baselines + size - len(pack(chunk.side))


def audio_bytes(codes: np.ndarray, baseline: baselines.Baseline) -> int:
    """The smaller of: a file for each channel; files of eight channels."""
    alone = sum(baselines.measure_codes(codes[:, [channel]], RATE, baseline).bytes for channel in range(codes.shape[1]))
    return min(alone, baselines.measure_codes(codes, RATE, baseline).bytes)


def delta_zlib(codes: np.ndarray) -> int:
    """Differences over time, zlib, in blocks of a second."""
    blocks = [codes[first : first + RATE] for first in range(0, len(codes), RATE)]
    return sum(len(zlib.compress(np.diff(block, axis=0, prepend=block[:1] * 0).tobytes())) for block in blocks)


def recordings(options) -> list[tuple[str, np.ndarray]]:
    """Names and samples [time, channel] of all arrays, each in its forms."""
    found = []
    for path in sorted((options.data / "multilead").glob("*.npy")) + options.files:
        samples = np.load(path) if path.suffix == ".npy" else read_samples(path)[0]
        samples = samples.T if samples.shape[0] < samples.shape[1] else samples
        name = f"{path.stem}, {samples.shape[1]} channels, {len(samples)} frames"
        if samples.dtype != np.int16 or (codes_of(samples) >= 0).all() or np.abs(samples.astype(int)).max() < 512:
            found.append((name, samples))
            continue
        clipped = np.clip(samples >> 3, *CODES)
        found.append((f"{name}, floor(x/8)", clipped))
        if share := float(((samples >> 3) != clipped).mean()):
            found[-1] = (f"{found[-1][0]}, {share:.1%} clipped", clipped)
            found.append((f"{name}, x >> 3, not clipped", samples >> 3))
        found.append((f"{name}, 16 bits", samples))
    for channels in options.simulated:
        simulation = ArraySimulation(int(options.seconds * RATE), channels, RATE, seed=channels)
        samples = CODE_TO_SAMPLE[np.concatenate(list(simulation.blocks())).astype(np.intp) + 512]
        found.append((f"simulated, {channels} channels, {len(samples)} frames", samples))
    return found


def arrays(options, work: Path) -> None:
    """Bits per sample of arrays by others, alone and together, and the linear bound."""
    print(
        "\n| array | FLAC -8 | WavPack -hhx4 | delta + zlib | `--independent` | default | gain, bits | gain | fewer "
        "than the best of FLAC and WavPack | side information, bits (of peers) | linear bound: 2 order levels | 4 order levels | "
        "one by one | of alone |"
    )
    print("|---" * 14 + "|")
    model = ["--model", options.model] if options.model else []
    for name, samples in recordings(options):
        source = save(work, "array", samples)
        codes = codes_of(samples) - np.int16(512) if samples.dtype == np.int16 else samples.astype(np.int16)
        codes = samples.astype(np.int16) if (codes < CODES[0]).any() else codes
        bits = lambda size, count=samples.size: 8 * size / count  # noqa: E731
        flac, wavpack = (bits(audio_bytes(codes, baseline)) for baseline in baselines.AUDIO_BASELINES)
        alone = bits(coded(source, work, "--independent", *model)[1].bytes)
        packed, encode, _ = coded(source, work, *model)
        together = bits(encode.bytes)
        side, about_baselines = map(bits, side_bytes(packed))
        bounds = linear_bound(codes)
        print(
            f"| {name} | {flac:.3f} | {wavpack:.3f} | {bits(delta_zlib(codes)):.3f} | {alone:.4f} | {together:.4f} | "
            f"{alone - together:.4f} | {1 - together / alone:.2%} | {1 - together / min(flac, wavpack):.2%} | "
            f"{side:.4f} ({about_baselines:.4f}) | "
            + " | ".join(f"{bound:.3f}" for bound in bounds)
            + f" | {bounds[-1] / alone:.1%} |",
            flush=True,
        )


def significance(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two channels in deviations of chance."""
    rows = np.stack([whiten(a), whiten(b)])
    return float(abs(correlate(rows, 1)[0][0, 1]) * np.sqrt(rows.shape[1]))


def pairs(options, work: Path) -> None:
    """Simultaneous validation recordings of the challenge: two files as one recording against each alone."""
    folder, listed = options.data / "neuralink", options.data / "neuralink_pairs.json"
    names = set(validation_names(folder, listed))
    found = [pair for pair in read_pairs(listed) if names.issuperset(pair)][: options.pairs]
    paths = [str(folder / f"{name}.wav") for name in sorted(set(sum(found, ())))]
    alone = {}
    settings = {"model": options.model, "verify": True, "force": True}
    for outcome in runtime.encode_files(paths, folder=str(work), **settings):
        alone[Path(outcome.path).stem] = size_of(outcome)
    rows = []
    for pair in found:
        both = [str(folder / f"{name}.wav") for name in pair]
        (outcome,) = runtime.encode_files(both, output=str(work / "pair.mdo"), array=True, jobs=1, **settings)
        signals = [read_samples(path)[0][:, 0] for path in both]
        saved = 8 * (sum(alone[name] for name in pair) - size_of(outcome)) / sum(map(len, signals))
        rows.append((significance(*signals), saved))
    rows = np.array(rows)
    print(
        "\n| correlation, deviations of chance | pairs | larger than alone | better by 0.001 bit or more | "
        "mean gain, bits per sample | least | most |"
    )
    print("|---" * 7 + "|")
    limits = (0, 5, 10, 20, 40, np.inf)
    for low, high in [*itertools.pairwise(limits), (0, np.inf)]:
        saved = rows[(rows[:, 0] >= low) & (rows[:, 0] < high), 1]
        if len(saved):
            label = "all" if (low, high) == (0, np.inf) else f"{low} to {high}"
            print(
                f"| {label} | {len(saved)} | {(saved < 0).sum()} | {(saved >= 0.001).sum()} | {saved.mean():.4f} | "
                f"{saved.min():.4f} | {saved.max():.4f} |",
                flush=True,
            )


def size_of(outcome) -> int:
    """Bytes of a coded file."""
    if outcome.error is not None:
        raise Failure(f"{outcome.path}: {outcome.error}")
    return outcome.coded_bytes


def cost(options, work: Path) -> None:
    """Time and memory for many channels."""
    source = work / f"array{options.channels}.npy"
    write_array(source, ArraySimulation(int(options.cost_seconds * RATE), options.channels, RATE, seed=1))
    samples = options.channels * int(options.cost_seconds * RATE)
    print(
        f"\n{options.channels} simulated channels, {options.cost_seconds} s; nanoseconds per sample, of processors and by "
        "the clock, whole commands without verification.\n"
    )
    print(
        "| coded | processes | bits per sample | encode: processors, clock | decode: processors, clock | "
        "times alone: encode, decode (processors) | peak MB: encode, decode |"
    )
    print("|---" * 7 + "|")
    model = ["--model", options.model] if options.model else []
    for jobs in (1, 2):
        reference = None
        for name, extra in (("alone", ["--independent"]), ("together", [])):
            packed, *both = coded(source, work, *extra, *model, jobs=jobs)
            ns = [(1e9 * use.processor / samples, 1e9 * use.seconds / samples) for use in both]
            reference = reference or ns
            times = [a[0] / b[0] for a, b in zip(ns, reference, strict=True)]
            peaks = ", ".join(f"{use.megabytes:.0f}" for use in both)
            print(
                f"| {name} | {jobs} | {8 * both[0].bytes / samples:.4f} | "
                + " | ".join(f"{a:.0f}, {b:.0f}" for a, b in ns)
                + f" | {times[0]:.2f}, {times[1]:.2f} | {peaks} |",
                flush=True,
            )


def faults(options, work: Path) -> None:
    """What single channels with faults add to a real array, in bits of each of their samples."""
    samples = np.load(options.data / "multilead" / "olveczky_fast_64ch_a_30k.npy").T
    frames = len(samples)
    base = coded(save(work, "base", samples), work)[1].bytes
    early, late = samples[:, 5].copy(), samples[:, 5].copy()
    early[frames // 2 :], late[: frames // 2] = early[frames // 2], late[frames // 2]
    quiet = np.random.default_rng(0).normal(0, 1, frames).astype(np.int16)
    wide = 8 * samples[:, 5].astype(np.int32)
    cases = {
        "flat": np.full(frames, -37, np.int16),
        "copy of another": samples[:, 9],
        "copy of another, one sample later": np.roll(samples[:, 9], 1),
        "negative of another": -samples[:, 9],
        "dies in the middle": early,
        "starts in the middle": late,
        "channel 5, inverted in time": samples[::-1, 5],
        "noise of one unit": quiet,
        "saturated": np.clip(wide, -1000, 1000).astype(np.int16),
    }
    print("\n| a further channel | alone, bits per sample of it | in the array |")
    print("|---" * 3 + "|")
    for name, channel in cases.items():
        alone = coded(save(work, "channel", channel[:, None]), work)[1].bytes
        more = coded(save(work, "more", np.column_stack([samples, channel])), work)[1].bytes - base
        print(f"| {name} | {8 * alone / frames:.4f} | {8 * more / frames:.4f} |", flush=True)
