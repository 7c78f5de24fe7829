"""What a caller may ask for: options that check themselves, each documented here and nowhere else."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..container.metadata import normal
from ..core.errors import UsageError
from ..core.limits import real, target_rate, whole
from ..spikes.options import SpikeOptions, resolve

if TYPE_CHECKING:
    from ..fit.topology import Topology

_LEAST_SECONDS, _MOST_SECONDS = 1e-9, 1e9


@dataclass(frozen=True)
class EncodeOptions:
    """Say how recordings are encoded.

    Attributes
    ----------
    model : str, os.PathLike, bytes or None
        Name, path or bytes of the model; None for the best one for each recording.
    max_error : int or None
        How far a decoded sample may be from the original one, 0 to 255: in codes for channels on the implant's table,
        in sample units for others. 0 is lossless, and the default without `keep`.
    keep : str, iterable of str or None
        "spikes" keeps no more than windows around spikes, in which `max_error` holds (3 by default), and a smooth
        rendering between them; "spikes,lfp" a slow band (0 to 200 Hz) as well; None keeps everything.
    threshold : float or None
        Of spikes, in robust deviations of a channel's band from 300 to 3000 Hz; 4.5 by default.
    window : (float, float) or None
        Milliseconds before and after a spike's threshold crossing; (0.5, 1.5) by default.
    target_rate : float or None
        Bits per second of all channels together to stay under: every chunk gets the smallest error that keeps it
        there. A recording that cannot be kept there is a `RateError` and is not written.
    independent : bool
        Encode each channel alone.
    topology : Topology, str, os.PathLike or None
        Topology, or the path of its file, by which channels predict each other; None to find out from the recording.
    embed_model : bool
        Put the model into the file, so that decoding needs nothing else.
    verify : bool
        Decode what was encoded, and compare.
    chunk_duration : float or None
        Seconds that chunks have, about; None for 131072 frames, fewer beyond 128 channels, and fewer where the
        magnitude of samples changes for long. Short chunks take more bits, and less to decode a part of.
    chunk_frames : int or None
        The same in frames.
    short_chunks : bool
        Try the coding for short chunks as well, of those of up to 131072 samples. It is for arrays that are cut into
        pieces of tens of frames of many channels.
    metadata : dict, str, os.PathLike or None
        What is to be kept of the recording besides its samples, values of JSON, or the path of a JSON file. Known keys
        are checked: `channel_ids`, `gain_to_uV`, `offset_to_uV` (one for each channel, or one number), `probe` (a
        dictionary of probeinterface), `start_time` (ISO 8601) and `annotations` (a dictionary).
    sha256 : bool or None
        Put the SHA-256 of the original and a second copy of the header into the file, some 70 bytes; None for originals
        of 1 MiB and more.
    spikes : SpikeOptions or None
        What is kept of spikes, by `keep`, `max_error`, `threshold` and `window`; not to be given.
    bound : int
        The largest error of a sample, or with `keep` of one in a window; not to be given.

    Raises
    ------
    UsageError
        The options are impossible, or contradict each other.
    """

    model: str | os.PathLike | bytes | None = None
    max_error: int | None = None
    keep: str | Iterable[str] | None = None
    threshold: float | None = None
    window: tuple[float, float] | None = None
    target_rate: float | None = None
    independent: bool = False
    topology: Topology | str | os.PathLike | None = None
    embed_model: bool = False
    verify: bool = True
    chunk_duration: float | None = None
    chunk_frames: int | None = None
    short_chunks: bool = False
    metadata: dict[str, Any] | str | os.PathLike | None = field(default=None, hash=False)
    sha256: bool | None = None
    spikes: SpikeOptions | None = field(init=False, repr=False, compare=False)
    bound: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str | os.PathLike | bytes | None):
            raise UsageError(f"a model is a name, a path or bytes, not {self.model!r}")
        if isinstance(self.topology, int):
            raise UsageError(f"a topology is an object or the path of a file, not {self.topology}")
        if self.independent and self.topology is not None:
            raise UsageError("each channel alone, or predicted along a topology: give only one of the two")
        if self.sha256 not in (None, False, True):
            raise UsageError(f"a SHA-256 is kept (True), is not (False), or by size (None); not {self.sha256!r}")
        kept, bound = resolve(self.keep, self.max_error, self.threshold, self.window)
        object.__setattr__(self, "spikes", kept)
        object.__setattr__(self, "keep", kept and kept.keep)
        object.__setattr__(self, "bound", bound)
        if self.target_rate is not None:
            if bound and not kept:
                raise UsageError("a target rate picks the largest error itself: give only one of the two")
            object.__setattr__(self, "target_rate", target_rate(self.target_rate))
        if self.metadata is not None:
            object.__setattr__(self, "metadata", normal(self.metadata))
        self._check_chunks()

    def _check_chunks(self) -> None:
        duration, frames = self.chunk_duration, self.chunk_frames
        if duration is not None and frames is not None:
            raise UsageError("give the chunk length in seconds or in frames, not both")
        if duration is not None:
            real(duration, _LEAST_SECONDS, _MOST_SECONDS, "a chunk length is a number of seconds above 0")
        if frames is not None:
            frames = whole(frames, 1, 1 << 62, "a chunk length is a whole number of frames from 1 on")
            object.__setattr__(self, "chunk_frames", frames)

    @property
    def json_object(self) -> dict[str, Any]:
        """The metadata as values of JSON; empty without any."""
        return self.metadata if isinstance(self.metadata, dict) else {}

    @property
    def lossy(self) -> bool:
        """Whether decoded samples may differ from the original ones."""
        return self.bound > 0 or self.target_rate is not None or self.keep is not None


@dataclass(frozen=True)
class Destination:
    """Say where the outputs of a command go.

    Attributes
    ----------
    output : str or None
        Name of the only output, `-` for standard output.
    folder : str or None
        Folder of the outputs, made if it is not there; None for beside the inputs.
    force : bool
        Replace existing files.
    remove : bool
        Remove inputs once their output is complete. Files that are no recordings, and were kept as they are, go when
        all others have gone, since they may describe them.
    below : mapping of str to str
        For inputs by path, a folder in `folder` for their outputs: the tree that they came from.
    whole : collection of str
        Inputs, by path, whose coded files are named by their whole names: `a.bin.mdo` beside `a.meta.mdo`.
    skip_done : bool
        Leave recordings whose output is there already, complete and of the same time of modification.
    sums : bool
        Find out the SHA-256 of every original, also of those whose coded file holds none.
    """

    output: str | None = None
    folder: str | None = None
    force: bool = False
    remove: bool = False
    below: Mapping[str, str] = field(default_factory=dict)
    whole: Collection[str] = ()
    skip_done: bool = False
    sums: bool = False

    def __post_init__(self) -> None:
        for name in ("output", "folder"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, os.fspath(value))
        if self.output is not None and self.folder is not None:
            raise UsageError("an output, or a folder for outputs: give only one of the two")


def from_fields(fields: dict[str, Any], *kinds: Any) -> list[Any]:
    """Build one object of each kind from those of the keywords that are its fields.

    Parameters
    ----------
    fields : dict
        Keywords of a caller.
    kinds : dataclasses, or objects of them
        An object is taken as it is but for the fields among the keywords.

    Raises
    ------
    TypeError
        A keyword is no field of any kind.
    """
    made, left = [], dict(fields)
    for kind in kinds:
        names = [entry.name for entry in dataclasses.fields(kind) if entry.init]
        own = {name: left.pop(name) for name in names if name in left}
        made.append(kind(**own) if isinstance(kind, type) else dataclasses.replace(kind, **own))
    if left:
        raise TypeError(f"unknown options: {', '.join(sorted(left))}")
    return made
