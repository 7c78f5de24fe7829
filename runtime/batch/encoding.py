"""What the chunks of one recording have in common: header, model, topology and budget, decided once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np

from ..codec.coding import EncodeTask
from ..codec.short_coding import is_best
from ..container import metadata
from ..container.blocks import BlockWriter, read_through
from ..container.header import Header
from ..core import sample_formats
from ..core.compressed_bytes import pack_blob
from ..core.errors import MiddleoutError, UsageError
from ..core.terms import KEPT
from ..fit import topology as topologies
from ..predictor import model as models
from ..recording.outputs.output_file import Output
from ..wide.wide_coding import narrowed
from .coders import Encoder
from .model_choice import CHOICE_FRAMES, choose
from .options import EncodeOptions
from .rate_control import FILE_COST, Budget, bit_rate

_LARGE = 1 << 20
"""Bytes of an original from which on its SHA-256 is kept by default."""


def check_coded(output: Output) -> None:
    """Read a coded file again from the disk. Raises `CorruptError` if its blocks are not what was written."""
    output.file.seek(0)
    read_through(output.file)


def is_complete(path: str, mtime: int | None, lossy: bool, suffix: str | None) -> bool:
    """Tell whether a path holds a coded file, all of it intact, of the original that is to be encoded.

    Parameters
    ----------
    mtime : time of modification of the original
    lossy : whether it is to be encoded with a loss
    suffix : of its name; None if that does not matter
    """
    try:
        with open(path, "rb") as file:
            header = read_through(file)
    except (OSError, MiddleoutError):
        return False
    as_asked = header.source == KEPT or header.bounded == lossy
    return header.mtime is not None and header.mtime == mtime and as_asked and suffix in (None, header.suffix)


@dataclass(frozen=True)
class Loaded:
    """Options with what they name: the model (None to choose one for each recording) and the topology."""

    options: EncodeOptions
    network: models.Model | None
    topology: topologies.Topology | None

    @classmethod
    def of(cls, options: EncodeOptions) -> Loaded:
        """Load what options name. Raises `ModelError`, `UsageError`."""
        network = None if options.model is None else models.load(options.model)
        return cls(options, network, None if options.topology is None else topologies.load(options.topology))

    def digital(self, found: Mapping[str, Any], channels: int) -> list[int]:
        """Return the channels of digital words, by the metadata of the original or those that are given."""
        told = (metadata.digital_channels(one, channels) for one in (found, self.options.json_object))
        return sorted(set().union(*told))

    def without_windows(self) -> Loaded:
        """Return the same without spike mode, for recordings of which no sample is to change."""
        options = replace(self.options, keep=None, threshold=None, window=None, max_error=1, target_rate=None)
        return replace(self, options=options)

    def for_kept(self) -> Loaded:
        """Return what of it concerns files without samples, which are kept as they are."""
        options = self.options
        about = {key: value for key, value in options.json_object.items() if key not in metadata.OF_CHANNELS}
        return replace(
            self, options=EncodeOptions(verify=options.verify, metadata=about or None, sha256=options.sha256)
        )


def _is_large(header: Header, foreign: int) -> bool:
    """Return whether a block `S` is next to nothing in a file."""
    if header.frames is None:
        return True
    return header.frames * header.channels * sample_formats.width(header.dtype) + foreign >= _LARGE


class Encoding:
    """Decide what holds for a whole recording, and make tasks of its chunks.

    Parameters
    ----------
    loaded : Loaded
    header : Header
        Of the recording; the fields on how it is encoded are filled in here.
    names : list of str
        Names of the channels, by which a topology knows them.
    first : list of ndarray
        The first chunks, plain samples [frames, channels], by which a model is chosen.
    foreign : int
        Bytes besides the samples that are to be stored, as far as that is known.
    found : mapping
        Metadata that the original holds; those of the options take their place, key by key.
    """

    def __init__(
        self,
        loaded: Loaded,
        header: Header,
        names: list[str],
        first: list[np.ndarray],
        foreign: int = 0,
        found: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        options = loaded.options
        target_bits = None
        if options.target_rate is not None and header.sample_rate:
            target_bits = options.target_rate / (header.sample_rate * header.channels)
        lossy = options.bound, target_bits, options.keep is not None
        plain = sample_formats.plain_type(header.dtype)
        if options.lossy and plain != np.int16:
            raise UsageError(
                f"samples of {sample_formats.name(header.dtype)} are coded without loss only: no --max-error "
                "(max_error), no --target-rate (target_rate), no --keep (keep)"
            )
        start = np.concatenate([np.empty((0, header.channels), plain), *(chunk[:CHOICE_FRAMES] for chunk in first)])
        any_will_do = is_best(EncodeTask(start, short=options.short_chunks and not options.lossy))
        self._network = loaded.network or models.load(
            models.DEFAULT if any_will_do else choose(narrowed(start), options.independent, *lossy)
        )
        embed = options.embed_model
        self.header = replace(
            header,
            model=self._network.identity,
            embedded=embed,
            bounded=header.bounded or options.lossy,
            summed=_is_large(header, foreign) if options.sha256 is None else options.sha256,
        )
        self.encoder = Encoder(self._network, options.verify)
        self._bound, self._independent = options.bound, options.independent
        self._short = options.short_chunks
        self._spikes = options.spikes and options.spikes.with_rate(header.sample_rate)
        known = {**found, **options.json_object}
        self._metadata = metadata.pack(known, header.channels) if known else b""
        self._exact = loaded.digital(found, header.channels)
        self._topology = None
        if loaded.topology is not None and len(names) > 1:
            self._topology = loaded.topology.subset(names).prediction_order()
        self._budget: Budget | None = None
        if options.target_rate is not None:
            embedded = len(pack_blob(self._network.data, always=True)[1]) if embed else 0
            reserve = FILE_COST + foreign + embedded + len(self._metadata)
            self._budget = Budget(options.target_rate, header.sample_rate, header.frames, reserve)

    def task(self, samples: np.ndarray) -> EncodeTask:
        """Make a task of the next chunk, plain samples [frames, channels]."""
        budget = None if self._budget is None else self._budget.take(len(samples))
        return EncodeTask(
            samples,
            self.header.sample_bits,
            max_error=self._bound,
            independent=self._independent,
            order=self._topology,
            budget=budget,
            spikes=self._spikes,
            short=self._short,
            exact=self._exact,
        )

    def exact(self, signals: np.ndarray) -> EncodeTask:
        """Make a task of signals beside the recording's channels, plain samples [frames, signals]; it is lossless."""
        return EncodeTask(signals, self.header.sample_bits, independent=self._independent)

    def writer(self, file: BinaryIO) -> BlockWriter:
        """Begin the file."""
        embedded = self._network.data if self.header.embedded else None
        return BlockWriter(file, self.header, embedded, self._metadata)

    def end(self, writer: BlockWriter, digest: bytes | None = None) -> float | None:
        """End the file, with the SHA-256 of the original if it is to hold one.

        Returns its bits per second where there is a target; raises `RateError` if it is missed."""
        frames = writer.end(digest).total
        if self._budget is None:
            return None
        self._budget.check(writer.offset, frames)
        return bit_rate(writer.offset, frames, self.header.sample_rate)
