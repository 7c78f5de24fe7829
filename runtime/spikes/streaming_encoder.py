"""Activity chunks of short blocks, one after the other, as an implant would send them.

Unlike files, whose chunks stand alone, blocks follow each other: the noise estimate runs on, a window may go on in the
next block, and what is drawn between windows goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import UsageError
from ..core.implant_table import CODE_TO_SAMPLE, CODES, codes_of
from ..core.near_lossless import MAX_ERROR, check
from ..predictor.model import Model
from . import chunk as chunks
from .chunk import ActivityChunk
from .codec import code
from .detection import filters
from .detection.offline import lifts
from .detection.online import Spotted, Spotter
from .encoder import LIFT_STEP, THRESHOLD_UNIT
from .layout.sequence import lane_count
from .layout.times import gaps
from .options import Activity
from .render.corrections import Frame, Lines, render_all
from .render.lfp import SlowBand
from .render.lfp_fit import RunningBand, reach_of
from .token_bucket import Bucket
from .waveforms.fitting import units_of
from .windows import Windows

_LANE_SHARE, _LEAST_LANE = 0.25, 64
"""Samples of a lane, in frames of a block: a decoder's steps shall not take longer than the block."""
_RAMP = 8
"""Frames a unit of level: lines that channel back to the base may not be steeper."""
_CODE = 64
"""Samples that are a code, about: off the implant's table what is said in codes is taken by so much."""
_ENOUGH = 0.85
"""A block that takes less than this share of what it may lets the next one have a smaller error."""


@dataclass
class _Made:
    """A block as it may be coded."""

    spotted: Spotted
    chunk: ActivityChunk
    shown: np.ndarray
    ends: np.ndarray
    last: np.ndarray
    payload: bytes


class ActivityEncoder:
    """Takes frames and gives self-contained activity chunks (payloads of `C` blocks) every so many frames.

    A block comes out when what follows it is known: see `delay`. Tents need room in front of a window within its block,
    so that a few less of the weakest crossings are found again than in files. Samples count as codes until one is off
    the implant's table.

    Parameters
    ----------
    channels : int
    options : Activity, with its rate
    block : frames of a chunk
    model : Model
    bucket : what chunks may take: errors grow for its sake, and then the busiest channels have fewer windows

    Attributes
    ----------
    errors : set of int, bounds that blocks have had
    crowded : int, blocks that took more than they should have
    """

    def __init__(self, channels: int, options: Activity, block: int, model: Model, bucket: Bucket | None = None):
        if block < 1 or channels < 1:
            raise UsageError("a block needs a frame and a channel")
        check(options.max_error)
        self._options, self._block, self._model, self._bucket = options, block, model, bucket
        self._reach = len(filters.band_taps(options.rate)) // 2
        self._past = max(self._reach, reach_of(options.rate) if options.slow else 0)
        self._values = np.zeros((0, channels), np.int16)
        self._samples = np.zeros((0, channels), np.int16)
        self._spotter = Spotter(channels, options, -(CODES // 2), CODES // 2 - 1)
        self._band = RunningBand(channels, options.rate) if options.slow else None
        self._linear, self._base = False, 0
        self._level = np.zeros(channels, np.int64)
        self._shown = np.zeros((self._reach, channels), np.int64)
        self._first = True
        self._error = options.max_error
        self.errors: set[int] = set()
        self.crowded = 0

    @property
    def delay(self) -> int:
        """Frames behind a block that must be known before it comes out."""
        return max(self._reach + self._options.frames[0], self._band.ahead if self._band else 0)

    @property
    def raised(self) -> np.ndarray:
        """int64 [channels], by how many steps thresholds are raised now."""
        return self._spotter.raised

    def push(self, samples: np.ndarray) -> list[bytes]:
        """Take int16 [frames, channels]; the chunks that are complete."""
        if samples.ndim != 2 or samples.shape[1] != self._values.shape[1]:
            raise UsageError("blocks are int16 [frames, channels]")
        samples = np.ascontiguousarray(samples)
        values = samples if self._linear else codes_of(samples) - np.int16(CODES // 2)
        if not self._linear and len(values) and values.min() < -(CODES // 2):
            self._leave_implant(samples)
            values = samples
        if self._first and len(values):  # the past of the first frame is that frame
            self._values, self._first = np.repeat(values[:1], self._past, axis=0), False
        self._values = np.concatenate([self._values, values])
        self._samples = np.concatenate([self._samples, samples])
        made = []
        while len(self._samples) >= self._block + self.delay:
            made.append(self._encode(self._block))
        return made

    def _leave_implant(self, samples: np.ndarray) -> None:
        """Values are samples from now on."""
        convert = lambda values: CODE_TO_SAMPLE[values + CODES // 2]  # noqa: E731
        fresh = self._spotter.fresh
        self._linear, self._values = True, convert(self._values)
        self._base = int(np.median(samples)) if fresh else int(convert(self._base))
        self._shown, self._level = (convert(x).astype(np.int64) for x in (self._shown, self._level))
        if fresh:
            self._shown[:] = self._level[:] = self._base
        self._spotter.change_unit(_CODE, -(1 << 15), (1 << 15) - 1)
        if self._band:
            self._band.change_unit(_CODE)

    def flush(self) -> list[bytes]:
        """What is left, as chunks; the encoder then begins anew but for what it knows of channels."""
        if not len(self._samples):
            return []
        self._values = np.concatenate([self._values, np.repeat(self._values[-1:], self.delay, axis=0)])
        made = []
        while len(self._samples):
            made.append(self._encode(min(self._block, len(self._samples))))
        self._first = True
        self._level[:] = self._shown[:] = self._base
        self._spotter.begin()
        return made

    def _encode(self, frames: int) -> bytes:
        """The next block; `_values` has the past in front of it."""
        spotted = self._spotter.spot(self._values[self._past - self._reach :], frames)
        band = self._band.fit(self._values, self._past, frames, self._model) if self._band else None
        if self._bucket is None:
            made, room = self._coded(spotted, frames, band, self._error), True
        else:
            made, room = self._within(spotted, frames, band), self._bucket.room
            self._bucket.take(len(made.payload), frames)
        kept = np.zeros(len(self._level), bool)
        kept[made.spotted.windows.channel] = True
        wanted = np.zeros(len(self._level), bool)
        wanted[spotted.windows.channel] = True
        self._spotter.advance(made.spotted, frames, wanted & ~kept, room)
        lines = made.chunk.plan.lines
        self._level = np.where(lines.hold, made.ends, np.where(made.last >= 0, self._base, self._level))
        self._shown = np.concatenate([self._shown, made.shown])[-self._reach :]
        self._samples, self._values = self._samples[frames:], self._values[frames:]
        self.errors.add(made.chunk.units.max_error)
        return made.payload

    def _within(self, spotted: Spotted, frames: int, band: SlowBand | None) -> _Made:
        """A block within what it may take: with a larger error, and then with fewer windows."""
        (wanted, allowed), error, least = self._bucket.allowance(frames), self._error, self._options.max_error
        highest = min(max(least, int(np.median(self._spotter.noise))), MAX_ERROR)
        made = self._coded(spotted, frames, band, error)
        while len(made.payload) > min(wanted, allowed) and error < highest:
            error = min(error + 1 + error // 4, highest)
            made = self._coded(spotted, frames, band, error)
        self._error = error - (error > least and len(made.payload) < _ENOUGH * wanted)
        if len(made.payload) > allowed:
            made = self._fewer(spotted, frames, band, error, allowed)
            self.crowded += len(made.payload) > allowed
        return made

    def _fewer(self, spotted: Spotted, frames: int, band: SlowBand | None, error: int, allowed: int) -> _Made:
        """A block from which the busiest channels are left out, as few as possible."""
        channels = np.unique(spotted.windows.channel)
        busiest = channels[np.argsort(-self._spotter.busy[channels], kind="stable")]
        low, high, best = 0, len(busiest), None
        while high - low > 1 or best is None:
            count = (low + high + 1) // 2 if best else high
            dropped = np.zeros(len(self._level), bool)
            dropped[busiest[:count]] = True
            made = self._coded(self._spotter.without(spotted, dropped), frames, band, error)
            if best is None or len(made.payload) <= allowed:
                high, best = count, made
            else:
                low = count
            if len(best.payload) > allowed:
                break
        return best

    def _coded(self, spotted: Spotted, frames: int, band: SlowBand | None, error: int) -> _Made:
        """A block with this error."""
        options, samples = self._options, self._samples[:frames]
        change = np.abs(np.diff(samples.astype(np.int32), axis=0, prepend=samples[:1])) if self._linear else samples[:1]
        units = units_of(samples, np.median(change, axis=0), error, 16, self._model, self._linear)
        step = LIFT_STEP * ((2 * error + 1 << units.shift) if self._linear else 1)
        windows = replace(spotted.windows, lift=np.zeros(len(spotted.windows), np.int64))
        last = np.full(samples.shape[1], -1, np.int64)
        last[windows.channel] = windows.stop - 1
        ends = units.middles(units.bins(units.values(samples[np.maximum(last, 0), np.arange(len(last))])))
        away = np.abs(ends - self._base) // (_CODE if self._linear else 1)
        hold = (last >= 0) & (frames - last < _RAMP * away) & (band is None)
        lines = Lines(self._base, self._level.copy() if band is None else np.full(len(last), self._base), hold)
        shape = round(options.threshold * THRESHOLD_UNIT), options.frames[0], sum(options.frames), min(step, 0xFFFF)
        inside = units.middles(units.bins(units.values(samples[windows.flat()])))
        frame = Frame(frames, options.frames[0], shape[3], units.low, units.high)
        shown = render_all(frame, lines, windows, inside, band)
        if len(windows):
            windows.lift[:] = self._tents(spotted, windows, shown, shape[3])
            shown = render_all(frame, lines, windows, inside, band) if windows.lift.any() else shown
        lanes = lane_count(len(inside), max(_LEAST_LANE, round(_LANE_SHARE * self._block)))
        made = code(samples, units, windows, lines, band, shape, self._model, lanes, shown=shown)
        return _Made(spotted, made, shown, ends, last, chunks.pack(made))

    def _tents(self, spotted: Spotted, windows: Windows, shown: np.ndarray, step: int) -> np.ndarray:
        """Lifts of the windows, from what is shown without in this block, before it, and, as far as is known, after."""
        frames, (before, after) = len(shown), self._options.frames
        past, ahead = self._reach, self._reach + before
        values = self._values[self._past - past :][: past + frames + ahead].astype(np.int64)
        drawn = np.concatenate([self._shown, shown, np.repeat(shown[-1:], ahead, axis=0)])
        until = self._spotter.open_until.copy()  # windows that go on behind the block, or begin in it for what comes
        np.maximum.at(until, spotted.channel, spotted.frame + after - frames)
        number = np.arange(ahead)[:, None]
        last = past + frames + np.clip(until, 0, ahead) - 1
        following = np.where(number < until, values[-ahead:], values[last, np.arange(len(last))])
        drawn[-ahead:] = np.where(until > 0, following, drawn[-ahead:])
        room = gaps(windows) >= 2 * before
        moved = Windows(windows.channel, windows.start + past, windows.length, windows.lift)
        found = replace(self._spotter.watched(spotted), windows=moved, frame=spotted.frame + past)
        return lifts(found, values, drawn, self._options, step) * room


def decode_blocks(payloads: list[bytes], channels: int, model: Model) -> np.ndarray:
    """Samples int16 [frames, channels] of chunks of an `ActivityEncoder`."""
    from .codec import decode

    parts = [decode(payload, channels, 16, model) for payload in payloads]
    return np.concatenate(parts) if parts else np.zeros((0, channels), np.int16)
