"""The command line of streams: `runtime stream encode | decode | events | calibrate`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

from ..core.errors import UsageError
from ..core.file_io import write_all
from ..core.names import printable
from ..core.terms import FILLS
from . import memory, stream_events
from .received import READ, received, receiving_options, tell
from .shared_options import add_command, bound, given_by, hertz, input_options, number_of, positive, verbose, window

if TYPE_CHECKING:
    from ..streaming.decoder import StreamDecoder
    from ..streaming.parity import Encoder, RateShare


def add(commands: Any) -> None:
    """Add the command `stream` with its own commands."""
    summary = "code frames as they come, in real time"
    stream = commands.add_parser("stream", help=summary, description=summary)
    commands = stream.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_encode(commands)
    summary = "int16 frames on standard output, from packets on standard input"
    decode = commands.add_parser("decode", help=summary, description=_DECODE)
    decode.add_argument("--model", metavar="PATH", help="the model, where it is not a shipped one")
    fill = "frames in the place of lost ones, so that time does not shift: zeros, or the last frame before"
    decode.add_argument("--fill", choices=FILLS, help=f"{fill} (default: lost frames are left out)")
    receiving_options(decode)
    decode.set_defaults(run=_decode)
    stream_events.add(commands)
    summary = "fit the parameters of channels to a recording, for their streams"
    calibrate = add_command(commands, "calibrate", _calibrate, summary)
    calibrate.add_argument("files", nargs="+", metavar="RECORDING")
    calibrate.add_argument("-o", "--output", required=True, metavar="OUT", help="the file to write")
    calibrate.add_argument("-f", "--force", action="store_true", help="overwrite an existing file")
    calibrate.add_argument("--model", metavar="NAME|PATH", help="the model of the streams (default: implant-small)")
    input_options(calibrate)


_DECODE = (
    "Packets on standard input, interleaved little-endian int16 frames on standard output. Frames that are lost are "
    "reported on standard error. Without --fill they are left out, so that frames behind them come too early. "
    "Exit codes: 0 all frames decoded, 1 some are missing, 2 usage, 3 model."
)
_ENCODE = "Interleaved little-endian int16 frames on standard input, packets on standard output, block by block."


def _add_encode(commands: Any) -> None:
    encode = commands.add_parser("encode", help="packets on standard output, from int16 frames", description=_ENCODE)
    encode.add_argument("--channels", type=positive, required=True, metavar="N")
    encode.add_argument("--sample-rate", type=hertz, required=True, metavar="HZ")
    block = "frames of a packet (default: 0.4 ms; 0.7 ms for few channels, 5 ms for fewer than 16; with --keep 50 ms)"
    encode.add_argument("--block", type=positive, metavar="FRAMES", help=block)
    model = "the model to code with (default: implant-small; with --keep spikes)"
    encode.add_argument("--model", metavar="NAME|PATH", help=model)
    _add_loss(encode)
    encode.add_argument("--calibration", metavar="FILE", help="of `stream calibrate`: parameters of the channels")
    resync = "time between points where a decoder can join, or go on after a loss (default: 1)"
    seconds = number_of("seconds, up to a day", 86400)
    encode.add_argument("--resync", type=seconds, default=1.0, metavar="SECONDS", help=resync)
    encode.add_argument("--stream", type=int, default=0, metavar="NUMBER", help="number of the stream, 0 to 255")
    parity = "after every N packets one more, with which a decoder restores a lost one of them, 1 to 31 (default: none)"
    encode.add_argument("--parity", type=positive, metavar="N", help=parity)
    encode.add_argument("-q", "--quiet", action="store_true", help="no summary")
    verbose(encode)
    encode.set_defaults(run=_encode)


def _add_loss(encode: argparse.ArgumentParser) -> None:
    error = "not lossless: every sample stays within E of the original, as in `encode` (default: 0; with --keep 3)"
    encode.add_argument("--max-error", type=bound, metavar="E", help=error)
    keep = "not lossless: windows around spikes, and lines between them; with lfp a band below 200 Hz as well"
    encode.add_argument("--keep", metavar="spikes[,lfp]", help=keep)
    target = "with --keep: bits per second; errors grow, and then the least clear windows are left out, to keep it"
    encode.add_argument("--target-rate", type=float, metavar="BITS", help=target)
    threshold = "of spikes, in robust deviations (default: 4.5)"
    encode.add_argument("--threshold", type=float, metavar="K", help=threshold)
    length = "milliseconds before and after a spike's threshold crossing (default: 0.5,1.5)"
    encode.add_argument("--window", type=window, metavar="BEFORE,AFTER", help=length)


def _pipes() -> tuple[int, BinaryIO]:
    """Return standard input as a descriptor, whose reads do not block for more, and standard output."""
    if sys.stdout.isatty():
        raise UsageError("coded data and samples are not written to a terminal; redirect standard output")
    return sys.stdin.fileno(), sys.stdout.buffer


def _encode(options: argparse.Namespace) -> int:
    from ..spikes import resolve
    from ..streaming.calibration import DEFAULT_MODEL
    from ..streaming.encoder import StreamEncoder

    if options.keep is not None:
        return _encode_spikes(options)
    if options.target_rate is not None:
        raise UsageError("in streams a target rate goes with --keep")
    _, bound = resolve(None, options.max_error, options.threshold, options.window)
    settings = {name: getattr(options, name) for name in ("block", "calibration", "resync", "stream")}
    settings |= {"max_error": bound, "model": options.model or DEFAULT_MODEL}
    encoder = StreamEncoder(options.channels, options.sample_rate, **settings)
    return _encode_all(encoder, *_pipes(), options)


def _encode_spikes(options: argparse.Namespace) -> int:
    from ..spikes import resolve
    from ..streaming.parity import RateShare
    from ..streaming.spikes import SpikeStreamEncoder, default_block

    if options.calibration is not None:
        raise UsageError("with --keep there is no calibration")
    kept, _ = resolve(options.keep, options.max_error, options.threshold, options.window)
    settings = {name: getattr(options, name) for name in ("target_rate", "block", "resync", "stream", "model")}
    share = None
    if options.parity is not None and options.target_rate is not None:
        block = options.block or default_block(options.channels, options.sample_rate)
        share = RateShare(options.target_rate, options.sample_rate / block, options.parity)
        settings["target_rate"] = share.packets_rate
    encoder = SpikeStreamEncoder(options.channels, options.sample_rate, kept, **settings)
    code = _encode_all(encoder, *_pipes(), options, share, encoder.report, lambda: encoder.crowded)
    if encoder.crowded:
        print(f"runtime: {encoder.crowded} packets are beyond the target rate: they can't be smaller", file=sys.stderr)
        return code or 1
    return code


def _encode_all(
    encoder: Encoder,
    source: int,
    out: BinaryIO,
    options: argparse.Namespace,
    share: RateShare | None = None,
    report: Callable[[], str] = str,
    crowded: Callable[[], int] = int,
) -> int:
    import numpy as np

    from ..streaming.parity import ParityEncoder

    reports = [report]
    if options.parity is not None:
        encoder = ParityEncoder(encoder, options.parity, share)
        reports.append(encoder.report)
    memory.keep()
    width, rest, frames, size, told = 2 * encoder.channels, b"", 0, 0, False

    def send(packets: list[bytes]) -> None:
        nonlocal size
        if packets:
            data = b"".join(packets)
            size += len(data)
            write_all(out, data)
            out.flush()

    while data := os.read(source, max(READ, width)):
        rest = rest + data if rest else data
        whole = len(rest) - len(rest) % width
        samples = np.frombuffer(rest, "<i2", whole // 2).astype(np.int16, copy=False).reshape(-1, encoder.channels)
        rest = rest[whole:]
        frames += len(samples)
        for first in range(0, len(samples), encoder.block):
            send(encoder.push(samples[first : first + encoder.block]))
        if not told and crowded():
            told = True
            print("runtime: packets are beyond the target rate from now on: they can't be smaller", file=sys.stderr)
    send(encoder.finish())
    if not options.quiet:
        count = frames * encoder.channels
        bits = f", {8 * size / count:.3f} bits/sample" if count else ""
        print(f"{frames} frames of {encoder.channels} channels: {2 * count} -> {size} bytes{bits}", file=sys.stderr)
        print(*(f"{text}\n" for text in (each() for each in reports) if text), sep="", end="", file=sys.stderr)
    if rest:
        print(f"runtime: the input ends within a frame: {len(rest)} bytes were left out", file=sys.stderr)
        return 1
    return 0


def _decode(options: argparse.Namespace) -> int:
    from ..streaming.decoder import StreamDecoder

    _, out = _pipes()
    decoder = StreamDecoder(model=options.model, join=options.join, reorder=options.reorder, stream=options.stream)
    return _decode_all(decoder, out, options)


def _decode_all(decoder: StreamDecoder, out: BinaryIO, options: argparse.Namespace) -> int:
    import numpy as np

    from ..streaming.filling import Filler

    frames, end, bad = 0, 0, False
    begin: int | None = None
    filler = None if options.fill is None else Filler(options.fill, options.join)
    memory.keep()

    def write(samples: np.ndarray) -> None:
        write_all(out, np.ascontiguousarray(samples, "<i2").data)

    def deliver(blocks: list) -> None:
        nonlocal frames, end, bad, begin
        for first, samples in blocks:
            begin = first if begin is None else begin
            frames += len(samples)
            for piece in (samples,) if filler is None else filler.add(first, samples):
                write(piece)
        if blocks:
            out.flush()
        end = max([end, *(event.first + event.frames for event in decoder.events)])
        bad |= tell(decoder.events, blocks)

    for blocks in received(decoder):
        deliver(blocks)
    bad |= tell(decoder.events)
    if filler is not None and decoder.description is not None:
        for piece in filler.up_to(end, decoder.description.channels):
            write(piece)
    if not options.quiet:
        lost = f", {decoder.missing} missing" if decoder.missing else ""
        lost += f", {filler.frames} filled with {options.fill}" if filler is not None and filler.frames else ""
        since = f" from frame {begin} on" if options.join and begin is not None else ""
        print(f"{frames} frames{since}{lost}", file=sys.stderr)
    return int(bad)


def _calibrate(options: argparse.Namespace) -> int:
    from ..core.terms import STREAM
    from ..recording.outputs import paths
    from ..recording.sources import Given, Recording
    from ..streaming.calibration import DEFAULT_MODEL, MOST_FRAMES, Calibration

    outputs = paths.Outputs(options.output, force=options.force)
    target = outputs.claim(STREAM, str, options.files)
    if len(options.files) > 1 and not options.array:
        raise UsageError("a calibration is made from one recording; several files of one channel each need --array")
    with Recording(options.files, Given(**given_by(options)), options.array) as recording:
        samples = recording.source.read(MOST_FRAMES)
        made = Calibration.of_samples(samples, options.model or DEFAULT_MODEL)
    outputs.open(target).complete(made.pack())
    print(f"{printable(options.output)}: {made.channels} channels, from {len(samples)} frames", file=sys.stderr)
    return 0
