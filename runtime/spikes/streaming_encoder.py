"""Encode short blocks that follow each other into spike chunks, as an implant would send them.

Unlike a file's chunks, which stand alone, blocks follow each other: the noise estimate goes on, a window may continue
in the next block, and what is drawn between windows continues where it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import UsageError
from ..core.near_lossless import MAX_ERROR
from ..predictor.model import Model
from . import chunk as chunks
from .codec import Draft, encode_draft
from .detection import filters
from .detection.corrections import corrections
from .detection.offline import Detections
from .detection.online import BlockDetections, OnlineDetector
from .link_budget import LinkBudget
from .options import SpikeOptions
from .payload.sequence import lane_count
from .render.lfp import Lfp
from .render.lfp_fit import RunningLfp, reach_of
from .render.rendering import Lines
from .shape import ChunkShape
from .stream_signal import HALF_CODES, StreamSignal
from .waveforms.fitting import units_of

_LANE_SAMPLES = 4096
"""Samples of a lane: more lanes are quicker to decode, and take more bits."""
_CODE = 64
"""Samples that are about a code of the implant."""
_SEARCHES, _FULL, _AIM = 5, 0.93, 0.97
"""Candidates in a search for the windows that fit, the share of what a block may take that is enough, and what is
aimed at."""
_ENOUGH = 0.85
"""Share of what a block may take, below which the next one has a smaller error."""
_SAMPLE_BITS = 16


@dataclass
class _Block:
    """A block that is to be encoded.

    samples : int16 [frames, channels]
    found : BlockDetections
    lfp : Lfp or None
    """

    samples: np.ndarray
    found: BlockDetections
    lfp: Lfp | None


@dataclass
class _Candidate:
    """A candidate encoding of a block.

    found : Detections that were coded
    max_error : int
    rendered : int16 [frames, channels], values
    payload : bytes
    """

    found: Detections
    max_error: int
    rendered: np.ndarray
    payload: bytes


class SpikeEncoder:
    """Takes frames and returns spike chunks, each of which decodes on its own, every so many frames.

    A block comes out when a little of what follows it is known. A correction pulse needs room in front of a window
    within its block, so that a few less of the weakest crossings are found again than in files.

    Parameters
    ----------
    channels : int
    options : SpikeOptions, with a sample rate
    block : frames of a chunk
    model : Model
    budget : limits the bytes of chunks, by larger errors, and then without the least clear windows

    Attributes
    ----------
    delay : int, frames behind a block that must be known before it comes out: the front of a window, and what the
        filter waits for
    errors : set of int, bounds that blocks have had
    windows, left_out : int, windows that were found, and that were left out for want of bytes
    crowded : int, blocks that took more than they should have
    """

    def __init__(
        self, channels: int, options: SpikeOptions, block: int, model: Model, budget: LinkBudget | None = None
    ):
        if block < 1 or channels < 1:
            raise UsageError("a block needs a frame and a channel")
        self._channels, self._options, self._block, self._model, self._budget = channels, options, block, model, budget
        self._reach = len(filters.band_taps(options.sample_rate)) // 2
        self.delay = options.window_frames[0] + filters.frames_ahead(options.sample_rate)
        self._past = max(self._reach, reach_of(options.sample_rate) if options.lfp else 0)
        self._signal = StreamSignal(channels, self._past, self._reach)
        self._detector = OnlineDetector(channels, options, -HALF_CODES, HALF_CODES - 1)
        self._lfp = RunningLfp(channels, options.sample_rate) if options.lfp else None
        self._error = options.max_error
        self.errors: set[int] = set()
        self.crowded = self.windows = self.left_out = 0

    @property
    def raised(self) -> np.ndarray:
        """Steps by which thresholds are raised now, int64 [channels]."""
        return self._detector.raised

    def push(self, samples: np.ndarray) -> list[bytes]:
        """Take int16 [frames, channels]; return the chunks that are complete."""
        if samples.ndim != 2 or samples.shape[1] != self._channels:
            raise UsageError("blocks are int16 [frames, channels]")
        if self._signal.add(samples, self._detector.is_fresh):
            self._detector.change_unit(_CODE, -(1 << 15), (1 << 15) - 1)
            if self._lfp:
                self._lfp.change_unit(_CODE)
        payloads = []
        while len(self._signal.samples) >= self._block + self.delay:
            payloads.append(self._encode(self._block))
        known = min(len(self._signal.samples), self._block + self.delay) - self._reach
        self._detector.prepare(self._signal.values[self._past - self._reach :], known)
        return payloads

    def flush(self) -> list[bytes]:
        """Return what is left, as chunks; the encoder then begins anew, with what it knows of channels."""
        signal = self._signal
        if not len(signal.samples):
            return []
        signal.repeat_last(self.delay)
        payloads = []
        while len(signal.samples):
            payloads.append(self._encode(min(self._block, len(signal.samples))))
        signal.restart()
        self._detector.restart()
        return payloads

    def _encode(self, frames: int) -> bytes:
        """Return the payload of the next block."""
        signal, detector = self._signal, self._detector
        known = signal.values[: self._past + frames + self.delay]
        found = detector.detect(known[self._past - self._reach :], frames)
        lfp = self._lfp.fit(known, self._past, frames) if self._lfp else None
        block = _Block(signal.samples[:frames], found, lfp)
        if self._budget is None:
            best = self._candidate(block, found, self._error)
        else:
            best = self._within(block, *self._budget.allowance())
            self._budget.spend(len(best.payload))
        self.windows += len(found.windows)
        self.left_out += len(found.windows) - len(best.found.windows)
        detector.advance(best.found, frames)
        signal.advance(best.rendered)
        self.errors.add(best.max_error)
        return best.payload

    def _within(self, block: _Block, wanted: int, allowed: int) -> _Candidate:
        """Return a block within the bytes that it may take: with a larger error, and then with fewer windows.

        Where it takes more than wanted, the next block has a larger error, so that most blocks are encoded once.
        """
        least = self._options.max_error
        highest = min(max(least, int(np.median(block.found.noise))), MAX_ERROR)
        error = self._error
        best = self._candidate(block, block.found, error)
        while len(best.payload) > allowed and error < highest:
            error = _larger(error, highest)
            best = self._candidate(block, block.found, error)
        self._error = error - (error > least and len(best.payload) < _ENOUGH * wanted)
        if len(best.payload) > wanted:
            self._error = _larger(error, highest)
        if len(best.payload) > allowed:
            best = self._fewer(block, best, allowed)
            self.crowded += len(best.payload) > allowed
        return best

    def _fewer(self, block: _Block, full: _Candidate, allowed: int) -> _Candidate:
        """Return a block without its least clear windows, as few as `_SEARCHES` candidates find.

        full : with all of them
        """
        order = np.argsort(-block.found.clarity(), kind="stable")
        samples = np.concatenate([[0], np.cumsum(block.found.windows.length[order])])
        kept = np.zeros(len(order), bool)
        best = self._candidate(block, block.found.only(kept), full.max_error)
        low, high = (0, len(best.payload)), (len(order), len(full.payload))
        for _ in range(_SEARCHES):
            if high[0] - low[0] <= 1 or low[1] > _FULL * allowed:
                break
            share = (_AIM * allowed - low[1]) / (high[1] - low[1])
            count = int(np.searchsorted(samples, samples[low[0]] + share * (samples[high[0]] - samples[low[0]])))
            count = min(max(count, low[0] + 1), high[0] - 1)
            kept[:], kept[order[:count]] = False, True
            candidate = self._candidate(block, block.found.only(kept), full.max_error)
            if len(candidate.payload) > allowed:
                high = count, len(candidate.payload)
            else:
                low, best = (count, len(candidate.payload)), candidate
        return best

    def _candidate(self, block: _Block, found: Detections, error: int) -> _Candidate:
        """Return a block with these spikes and this bound of the error."""
        signal, samples = self._signal, block.samples
        change = np.diff(samples.astype(np.int32), axis=0, prepend=samples[:1]) if signal.linear else samples[:1]
        noise = np.median(np.abs(change), axis=0)
        units = units_of(samples, noise, error, _SAMPLE_BITS, self._model, signal.linear)
        shape = ChunkShape.of(self._options, units, len(samples))
        draft = Draft(samples, shape, units, found.events, self._lines(), block.lfp)
        rendered = draft.render()
        if len(draft.windows):
            rendered = draft.correct(self._heights(found, rendered, shape), rendered)
        lanes = lane_count(int(draft.windows.length.sum()), _LANE_SAMPLES)
        chunk = encode_draft(draft, rendered, self._model, lanes)
        return _Candidate(found, error, rendered, chunks.pack(chunk))

    def _lines(self) -> Lines:
        return Lines(self._signal.base, np.full(self._channels, self._signal.base))

    def _heights(self, found: Detections, rendered: np.ndarray, shape: ChunkShape) -> np.ndarray:
        """Return the heights of correction pulses, from what is rendered before the block, in it, and probably behind.

        Behind the block, channels are assumed to be exact in windows that are open, and to keep their last value
        elsewhere.
        """
        after, past, ahead = self._options.window_frames[1], self._reach, self.delay
        values = self._signal.values[self._past - past :][: past + shape.frames + ahead]
        behind = np.repeat(rendered[-1:], ahead, axis=0)
        until = self._detector.open_frames.copy()
        np.maximum.at(until, found.channel, found.frame + after - shape.frames)
        last = past + shape.frames + np.clip(until, 0, ahead) - 1
        number = np.arange(ahead)[:, None]
        following = np.where(number < until, values[-ahead:], values[last, np.arange(len(last))])
        behind = np.where(until > 0, following, behind)
        drawn = np.concatenate([self._signal.rendered, rendered, behind])
        return corrections(found, values, drawn, self._options, shape.correction_step, past)


def _larger(error: int, highest: int) -> int:
    """Return the next larger bound of the error, up to the highest one, or the same where it is beyond."""
    return max(min(error + 1 + error // 4, highest), error)
