"""Options that several commands have, and kinds of arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ..core.terms import CHANNEL_TIME, LAYOUTS, TYPES


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str, epilog: str | None = None
) -> argparse.ArgumentParser:
    """Add a command to those of a parser: its name, what runs it, its summary."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary, epilog=epilog)
    verbose(command)
    command.set_defaults(run=run)
    return command


def model_options(command: argparse.ArgumentParser) -> None:
    """Add the options on the model that decodes."""
    given_model(command)
    refuse = "refuse models in files: only shipped ones and --model are run"
    command.add_argument("--no-embedded-model", dest="embedded_model", action="store_false", help=refuse)


def given_model(command: argparse.ArgumentParser) -> None:
    """Add the option for a model that decodes."""
    command.add_argument("--model", metavar="PATH", help="the model, where it is neither shipped nor in the file")


def input_options(command: argparse.ArgumentParser) -> None:
    """Add the options on how recordings lie in their files."""
    more = command.add_argument_group("recordings that are no WAV files")
    more.add_argument("--channels", type=positive, metavar="N", help="of raw samples: how many channels")
    more.add_argument("--dtype", default="int16", choices=TYPES, help="of raw samples, little-endian (default: int16)")
    skip = "of raw samples: so many bytes in front of them are kept as they are"
    more.add_argument("--skip", type=positive, default=0, metavar="BYTES", help=skip)
    rate = "of raw samples and .npy (default: unknown)"
    more.add_argument("--sample-rate", type=hertz, default=0, metavar="HZ", help=rate)
    layout = more.add_mutually_exclusive_group()
    layout.add_argument("--layout", choices=LAYOUTS, help="order of the axes of raw samples and .npy")
    more_help = "the same as --layout channel-time"
    layout.add_argument("--channels-first", dest="layout", action="store_const", const=CHANNEL_TIME, help=more_help)
    only = "of FLAC, AIFF, CAF, W64, mtscomp: keep the samples, not the file; decodes to .wav, .bin"
    more.add_argument("--samples-only", action="store_true", help=only)
    command.add_argument("--array", action="store_true", help="the files hold one channel each of the same recording")


def loss_options(command: argparse.ArgumentParser) -> None:
    """Add the options on what may be lost."""
    loss = command.add_argument_group("what may be lost (by default nothing)")
    loss.add_argument(
        "--target-rate",
        type=float,
        metavar="BITS",
        help="not lossless: in every chunk the smallest error that keeps all channels together under so many bit/s",
    )
    loss.add_argument(
        "--max-error",
        type=bound,
        metavar="E",
        help="not lossless: every sample stays within E of the original, in codes of the implant's table, in sample "
        "units for other recordings; 0 to 255 (default: 0, lossless; with --keep 3, where spikes are)",
    )
    loss.add_argument(
        "--keep",
        metavar="WHAT",
        help="not lossless: spikes, for windows around spikes and smooth lines between them; spikes,lfp for a slow "
        "band (0 to 200 Hz) as well",
    )
    more = "of spikes, in robust deviations (default: 4.5)"
    loss.add_argument("--threshold", type=float, metavar="K", help=more)
    more = "milliseconds before and after a spike's threshold crossing (default: 0.5,1.5)"
    loss.add_argument("--window", type=window, metavar="BEFORE,AFTER", help=more)


def given_by(options: argparse.Namespace) -> dict[str, Any]:
    """Return the values of `input_options` that are fields of `Given`."""
    return {
        name: getattr(options, name) for name in ("channels", "sample_rate", "dtype", "layout", "skip", "samples_only")
    }


def hertz(text: str) -> float:
    """Parse a sample rate."""
    from ..container.header import check_sample_rate

    try:
        return check_sample_rate(float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of Hz from 2^-20 to 2^32 - 1, or 0") from None


def verbose(command: argparse.ArgumentParser) -> None:
    """Add the option that shows what is logged."""
    more = "tell on standard error what is noticed on the way, and where unexpected errors come from"
    command.add_argument("--verbose", action="store_true", help=more)


def positive(text: str) -> int:
    """Parse a count, from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def number_of(what: str, most: float) -> Callable[[str], float]:
    """Return a parser of numbers above 0, up to some."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {what}")
        return value

    return parse


def shard(text: str) -> tuple[int, int]:
    """Parse a share of the files: I/N."""
    number, _, shares = text.partition("/")
    return positive(number), positive(shares)


def bound(text: str) -> int:
    """Parse the largest error of a sample."""
    if not text.isdecimal() or int(text) > 255:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 255")
    return int(text)


def chunk_length(text: str) -> dict[str, float | int]:
    """Parse the length of chunks: frames, or seconds like 0.1s or 100ms. Returns a field of `EncodeOptions`."""
    try:
        if not text.endswith("s"):
            return {"chunk_frames": int(text)}
        number, unit = (text[:-2], 0.001) if text.endswith("ms") else (text[:-1], 1.0)
        return {"chunk_duration": float(number) * unit}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a length like 0.1s, 100ms or 4096 (frames)") from None


def window(text: str) -> tuple[float, float]:
    """Parse milliseconds before and after."""
    try:
        before, after = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not two numbers of milliseconds like 0.5,1.5") from None
    return before, after
