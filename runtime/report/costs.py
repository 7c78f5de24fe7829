"""Where the bits of a coded file are: by channel and time, and which channel is predicted from which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ..codec import rans_payload
from ..codec.packed_channels import best_form
from ..codec.rans_payload import CodedChunk
from ..container.chunk_head import CHUNK_HEAD, CODING, RANS, SPIKES, WIDE, chunk_frames
from ..container.header import BLOCK_OVERHEAD
from ..predictor.channel_parameters import COPY
from ..spikes.chunk import parse_head
from ..wide import payload as wide_payload

_PIECES = 240
"""Most pieces of time that are told apart."""


@dataclass
class Costs:
    """Bits by channel and time.

    Attributes
    ----------
    edges : int64 [pieces + 1], frames between which the pieces lie
    bits : float64 [pieces, channels], bits per sample; what is known of channels is shared by the coded ones
    windows : float64 [channels], share of the samples in windows around spikes; None without spike mode
    references : chunks in which the second channel is predicted from the first, by both numbers
    chunks : frames and bytes of each chunk
    levels : int64 [channels], highest order level of a channel in any chunk
    """

    edges: np.ndarray
    bits: np.ndarray
    windows: np.ndarray | None = None
    references: Counter[tuple[int, int]] = field(default_factory=Counter)
    chunks: list[tuple[int, int]] = field(default_factory=list)
    levels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def by_channel(self) -> np.ndarray:
        """Bits per sample of each channel, float64 [channels]."""
        return np.average(self.bits, axis=0, weights=np.diff(self.edges))

    @property
    def by_time(self) -> np.ndarray:
        """Bits per sample of all channels together, float64 [pieces]."""
        return self.bits.mean(axis=1)


@dataclass
class _Piece:
    """Frames, and the bits that they take of each channel, float64 [channels]."""

    frames: int
    bits: np.ndarray


def costs(payloads: Iterable[bytes], channels: int, sample_bits: int) -> Costs | None:
    """Return where the bits of chunks are; None without any. Raises `CorruptError`.

    Parameters
    ----------
    payloads : payloads of the chunks of a file, in order
    channels, sample_bits : of its header
    """
    pieces: list[_Piece] = []
    found = Costs(np.zeros(1, np.int64), np.zeros((0, channels)), levels=np.zeros(channels, np.int64))
    kept = np.zeros(channels)
    for payload in payloads:
        found.chunks.append((chunk_frames(payload, channels), len(payload) + BLOCK_OVERHEAD))
        number = payload[CHUNK_HEAD.size - 1] & CODING
        if number == SPIKES:
            pieces.append(_spike_piece(payload, channels, sample_bits, kept))
        elif number in (RANS, WIDE):
            pieces += _coded_pieces(payload, channels, found)
        else:
            pieces.append(_even(payload, channels))
    if not pieces:
        return None
    found.edges, found.bits = _together(pieces)
    if kept.any():
        found.windows = kept / found.edges[-1]
    return found


def _even(payload: bytes, channels: int) -> _Piece:
    """Return a chunk whose channels take the same."""
    return _Piece(chunk_frames(payload, channels), np.full(channels, 8 * len(payload) / channels))


def _spike_piece(payload: bytes, channels: int, sample_bits: int, kept: np.ndarray) -> _Piece:
    """Return a chunk in spike mode, whose bits go by the samples in windows; these are added to `kept`."""
    windows = parse_head(payload, channels, sample_bits).plan.windows
    inside = np.bincount(windows.channel, windows.length, channels)
    kept += inside
    share = inside / inside.sum() if inside.any() else np.full(channels, 1 / channels)
    return _Piece(chunk_frames(payload, channels), 8 * len(payload) * share)


def _coded_pieces(payload: bytes, channels: int, found: Costs) -> list[_Piece]:
    """Return the segments of a chunk, and note its references."""
    own, inner = np.zeros(channels), payload
    if payload[CHUNK_HEAD.size - 1] & CODING == WIDE:
        wide = wide_payload.parse(payload, channels)
        if wide.inner is None or wide.inner[CHUNK_HEAD.size - 1] & CODING != RANS:
            return [_even(payload, channels)]
        inner = wide.inner
        widths = [8 * wide.dtype.itemsize if channel is None else channel.shift for channel in wide.channels]
        outside = 8 * (len(payload) - len(inner))
        own += outside * np.array(widths) / max(sum(widths), 1)
    chunk = rans_payload.parse(inner, channels)
    _note_references(chunk, found)
    lengths = np.diff(np.minimum(np.arange(chunk.segments + 1) * chunk.steps, chunk.frames))
    bits = np.zeros((chunk.segments, channels))
    bits[:, chunk.side.coded] = 32.0 * chunk.counts.reshape(chunk.segments, -1)
    low = rans_payload.channels_with_low_bits(chunk.side)
    bits[:, low] += chunk.side.shift[low] * lengths[:, None]
    for channel, column in chunk.packed.items():
        own[channel] += 8 * best_form(column)[1]
    share = lengths[:, None] / chunk.frames
    bits += own * share
    live = bits.any(axis=0)
    rest = max(8 * len(payload) - bits.sum(), 0.0) * (live / live.sum() if live.any() else 1 / channels)
    return [_Piece(*pair) for pair in zip(lengths.tolist(), bits + rest * share, strict=True)]


def _note_references(chunk: CodedChunk, found: Costs) -> None:
    side = chunk.side
    users, places = np.nonzero(side.references >= 0)
    found.references.update(zip(side.references[users, places].tolist(), users.tolist(), strict=True))
    copies = np.flatnonzero(side.kind == COPY)
    found.references.update(zip(side.mean[copies].tolist(), copies.tolist(), strict=True))
    found.levels = np.maximum(found.levels, side.order_levels())


def _together(pieces: list[_Piece]) -> tuple[np.ndarray, np.ndarray]:
    """Return edges, and bits per sample; pieces that are too many are merged."""
    bounds = np.unique(np.linspace(0, len(pieces), min(len(pieces), _PIECES) + 1).astype(int))
    parts = [pieces[low:high] for low, high in pairwise(bounds.tolist())]
    lengths = np.array([sum(piece.frames for piece in part) for part in parts])
    bits = np.stack([np.sum([piece.bits for piece in part], axis=0) for part in parts])
    return np.concatenate([[0], np.cumsum(lengths)]), bits / lengths[:, None]
