"""The command line: `runtime encode | decode | test | info | topology | salvage | stream | report | ...`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..core.errors import MiddleoutError, UsageError, as_error
from ..core.imports import one_thread
from . import completion, facts, memory, report, salvage
from . import stream as live
from .outcomes import complain, run, say
from .parser import Parser
from .shared_options import (
    add_command,
    chunk_length,
    given_by,
    input_options,
    loss_options,
    model_options,
    positive,
    shard,
)

if TYPE_CHECKING:
    from ..archive.folders import Archive

_ENCODING = ("model", "max_error", "keep", "threshold", "window", "target_rate")
_HOW = ("independent", "topology", "embed_model", "verify", "metadata", "sha256")
_INTERRUPTED = 130
_EPILOG = "`-` stands for standard input or output. Exit codes: 0 fine, 1 bad or damaged data, 2 usage, 3 model."


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Returns the exit code."""
    one_thread()
    memory.give_back()
    options = _parser().parse_args(arguments)
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
        logging.getLogger("runtime").setLevel(logging.DEBUG)
    handler = signal.signal(signal.SIGTERM, _interrupt)
    try:
        code: int = options.run(options)
        if sys.stdout is not None:  # it may be closed
            sys.stdout.flush()
        return code
    except MiddleoutError as error:
        return complain(error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # whoever reads our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return complain(as_error(error))
    finally:
        signal.signal(signal.SIGTERM, handler)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    description = "Lossless codec for recordings of brain implants."
    parser = Parser("runtime", description=description, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"middleout {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    encode = _command(commands, "encode", _encode, "code recordings, NAME.wav to NAME.mdo")
    _coding_options(encode)
    input_options(encode)
    encode.add_argument(
        "--model",
        metavar="NAME|PATH",
        help="default: implant or device, by the recording; near-lossless for a --max-error from 5 on",
    )
    encode.add_argument("--embed-model", action="store_true", help="put the model into the file")
    encode.add_argument("--independent", action="store_true", help="code each channel alone")
    encode.add_argument("--topology", metavar="FILE", help="which channels predict which, of `topology`")
    loss_options(encode)
    length = "about how long chunks are: 0.1s, 100ms, or frames (default: 131072, fewer beyond 128 channels)"
    encode.add_argument("--chunk", type=chunk_length, default={}, metavar="LENGTH", help=length)
    kept = "keep this JSON: channel_ids, gain_to_uV, offset_to_uV, probe, start_time, annotations, or other keys"
    encode.add_argument("--metadata", metavar="FILE.json", help=kept)
    summed = "keep the SHA-256 of the original and a second copy of the header (default: from 1 MiB on)"
    encode.add_argument("--sha256", action=argparse.BooleanOptionalAction, help=summed)
    encode.add_argument("--no-verify", dest="verify", action="store_false", help="do not decode and compare")

    decode = _command(commands, "decode", _decode, "restore the original files")
    _coding_options(decode)
    test = _command(commands, "test", _test, "check files by decoding them")
    test.add_argument("--against", metavar="ORIGINAL", help="also compare with the original, for one file")
    for command in (decode, test):
        model_options(command)
    done = "leave files whose output is there already, complete and of the same time of modification"
    encode.add_argument("--skip-done", action="store_true", help=done)
    for command in (encode, decode, test):
        _many_options(command)
        command.add_argument("--jobs", type=positive, metavar="N", help="threads (default: one per core)")
        command.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary; only errors")

    facts.add(commands, _EPILOG)
    salvage.add(commands)
    live.add(commands)
    report.add(commands, _EPILOG)
    completion.add(commands, parser)
    return parser


def _command(commands: Any, name: str, run: Any, summary: str) -> argparse.ArgumentParser:
    command = add_command(commands, name, run, summary, _EPILOG)
    command.add_argument("files", nargs="*", metavar="FILE")
    return command


def _coding_options(command: argparse.ArgumentParser) -> None:
    place = command.add_mutually_exclusive_group()
    place.add_argument("-o", "--output", metavar="OUT", help="name of the output, for one input")
    place.add_argument("-d", "--directory", metavar="DIR", help="where to put the outputs (default: beside the inputs)")
    command.add_argument("-f", "--force", action="store_true", help="overwrite existing files")
    command.add_argument("--rm", action="store_true", help="remove inputs once their output is complete")


def _many_options(command: argparse.ArgumentParser) -> None:
    """Add the options for many files."""
    many = command.add_argument_group("many files")
    more = "take the recordings in folders and all below; with -d the tree is kept"
    many.add_argument("-r", "--recursive", action="store_true", help=more)
    many.add_argument("--files-from", metavar="LIST", help="more files, one a line of this text file")
    more = "do the I-th of N shares of the files: all N jobs of an array with the same list do each once"
    many.add_argument("--shard", type=shard, metavar="I/N", help=more)
    many.add_argument("--log", metavar="FILE", help="append a JSON line for each file: bytes, seconds, SHA-256, error")
    many.add_argument("--json", action="store_true", help="print a summary in JSON on standard output")


def _encode(options: argparse.Namespace) -> int:
    from ..batch import files
    from ..batch.options import EncodeOptions

    given = given_by(options)
    if options.array and (options.recursive or options.shard is not None):
        raise UsageError("--array is for the files of one recording: not with -r or --shard")
    roots = _select(options, coded=False)
    made = EncodeOptions(**{name: getattr(options, name) for name in _ENCODING + _HOW}, **options.chunk)
    if made.lossy and options.rm and not options.quiet:
        say("warning: lossy, with --rm: what is left out of the originals is lost with them")
    call = partial(files.encode_files, options=made, array=options.array, **given, **_destination(options))
    if _is_archive(options):
        from ..archive.folders import Archive

        more = {"archive": True, "sums": True, "skip_done": options.skip_done or not options.force}
        archive = Archive(options.directory, roots, options.below, options.shard)
        call = partial(archive.encode, partial(call, **more))
    return run("encode", call, options, files.expected_samples(options.files))


def _decode(options: argparse.Namespace) -> int:
    from ..batch import files

    roots = _select(options, coded=True)
    call = partial(
        files.decode_files, model=options.model, embedded_model=options.embedded_model, **_destination(options)
    )
    if roots and options.recursive:
        from ..archive.folders import decode

        call = partial(decode, _archives(options, roots), options.directory, partial(call, sums=True))
    return run("decode", call, options, files.coded_samples(options.files))


def _test(options: argparse.Namespace) -> int:
    from ..batch import files

    roots = _select(options, coded=True)
    call = partial(files.verify_files, model=options.model, embedded_model=options.embedded_model)
    if options.against is not None:
        from ..archive.folders import against

        if len(options.files) != 1 or options.recursive:
            raise UsageError("--against is for one file")
        call = partial(against, partial(call, sums=True), options.against)
    elif roots and options.recursive:
        from ..archive.folders import decode

        call = partial(decode, _archives(options, roots), None, partial(call, sums=True))
    return run("test", call, options, files.coded_samples(options.files))


def _archives(options: argparse.Namespace, roots: list[str]) -> list[Archive]:
    """Return the folders that are decoded as archives, each with a manifest of its own."""
    from ..archive.folders import Archive

    return [Archive(root, (), options.below) for root in roots]


def _is_archive(options: argparse.Namespace) -> bool:
    """Tell whether whole folders go into another one: all their files, and what is to be known of them."""
    return options.recursive and options.directory is not None


def _select(options: argparse.Namespace, coded: bool) -> list[str]:
    """Put all files of folders and lists into `files`, and their folders into `below`. Returns the folders."""
    from ..recording.outputs import paths
    from . import selection

    wanted = selection.is_coded
    if not coded and _is_archive(options):
        wanted = selection.is_any
    elif not coded:
        wanted = partial(selection.is_recording, raw=options.channels is not None)
    names = options.files + ([] if options.files_from is None else selection.listed(options.files_from))
    if not names:
        raise UsageError("no files")
    if wrong := [name for name in names if name.startswith("-") and name != "-" and not os.path.exists(name)]:
        raise UsageError(f"there is no option {wrong[0]}, and no such file")
    below = selection.select(names, wanted, None if coded else options.directory) if options.recursive else {}
    options.files = list(below) if options.recursive else names
    options.whole = frozenset()
    if not coded and _is_archive(options):  # names that do not depend on what else is there
        options.whole = frozenset(options.files)
    elif not coded:
        places = {name: below.get(name, options.directory or os.path.dirname(name)) for name in options.files}
        options.whole = paths.same_stems(places)
    if options.shard is not None:
        options.files = selection.share(options.files, *options.shard)
    options.below = below
    return [name for name in names if os.path.isdir(name)]


def _destination(options: argparse.Namespace) -> dict[str, Any]:
    several = len(options.files) > 1 and not getattr(options, "array", False)
    if several and (options.output is not None or "-" in options.files):
        raise UsageError("-o and `-` are for one input; for several say with -d into which folder")
    if options.directory is not None and "-" in options.files:
        raise UsageError("standard input has no name: say with -o what to write, not with -d")
    to_stdout = options.output == "-" or (options.output is None and "-" in options.files)
    if to_stdout and options.json:
        raise UsageError("--json does not go with coded data or samples on standard output")
    if to_stdout and options.rm:
        raise UsageError("--rm does not go with standard output")
    if options.shard is not None and options.rm:
        raise UsageError("--rm changes what the shares of other jobs are: remove inputs when all of them are done")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("coded data and samples are not written to a terminal; use -o")
    return {
        "output": "-" if to_stdout else options.output,
        "folder": options.directory,
        "force": options.force,
        "remove": options.rm,
        "below": options.below,
        "whole": options.whole,
        "skip_done": getattr(options, "skip_done", False),
    }
