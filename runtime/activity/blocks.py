"""Activity chunks of short blocks, one after the other, as an implant would send them.

Unlike files, whose chunks stand alone, blocks follow each other: the noise estimate runs on, a window may go on in the
next block, and what is drawn between windows goes on where it was.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..bounded import check
from ..errors import UsageError
from ..lattice import CODES, codes_of
from ..model import Model
from . import chunk as chunks
from . import detector
from .codec import code
from .encoder import LIFT_STEP, THRESHOLD_UNIT
from .options import Activity
from .rendering import Frame, Lines, render_lead
from .sequence import lane_count
from .times import gaps
from .units import Units
from .watch import Watched, lifts
from .windows import Windows, around

_NOISE_SECONDS = 0.1
_DEAD_SECONDS = 0.001
_LANE_SHARE, _LEAST_LANE = 0.25, 64
"""Samples of a lane, in frames of a block: a decoder's steps shall not take longer than the block."""
_RAMP = 8
"""Frames a unit of level: lines that lead back to the base may not be steeper."""


class ActivityEncoder:
    """Takes frames and gives self-contained activity chunks (payloads of `C` blocks) every so many frames.

    Of leads on the implant's lattice. A block comes out when what follows it is known, by half the filter and the front
    of a window: see `delay`. Tents need room in front of a window within its block, so that a few less of the weakest
    crossings are found again than in files.

    Parameters
    ----------
    leads : int
    options : Activity, with its rate; a slow band is not kept in blocks
    block : frames of a chunk
    model : Model
    """

    def __init__(self, leads: int, options: Activity, block: int, model: Model):
        if options.slow:
            raise UsageError("a slow band is kept in files only")
        if block < 1 or leads < 1:
            raise UsageError("a block needs a frame and a lead")
        check(options.max_error)
        self._options, self._block, self._model = options, block, model
        self._taps = detector.band_taps(options.rate)
        self._reach = len(self._taps) // 2
        self._values = np.zeros((0, leads), np.int16)
        self._samples = np.zeros((0, leads), np.int16)
        self._noise: detector.Noise | None = None
        self._below = np.zeros(leads, bool)
        self._quiet_until = np.zeros(leads, np.int64)
        self._open_until = np.zeros(leads, np.int64)
        self._level = np.zeros(leads, np.int64)
        self._shown = np.zeros((self._reach, leads), np.int64)
        self._first = True

    @property
    def delay(self) -> int:
        """Frames behind a block that must be known before it comes out."""
        return self._reach + self._options.frames[0]

    def push(self, samples: np.ndarray) -> list[bytes]:
        """Take int16 [frames, leads]; the chunks that are complete. Raises `UsageError` off the lattice."""
        codes = codes_of(np.ascontiguousarray(samples))
        if samples.ndim != 2 or samples.shape[1] != self._values.shape[1] or (codes < 0).any():
            raise UsageError("blocks are int16 [frames, leads] on the implant's lattice")
        if self._first and len(samples):  # the past of the first frame is that frame
            self._values, self._first = np.repeat(codes[:1] - np.int16(CODES // 2), self._reach, axis=0), False
        self._values = np.concatenate([self._values, codes - np.int16(CODES // 2)])
        self._samples = np.concatenate([self._samples, samples])
        made = []
        while len(self._samples) >= self._block + self.delay:
            made.append(self._encode(self._block))
        return made

    def flush(self) -> list[bytes]:
        """What is left, as chunks; the encoder then begins anew but for its noise estimate."""
        if not len(self._samples):
            return []
        self._values = np.concatenate([self._values, np.repeat(self._values[-1:], self.delay, axis=0)])
        left, made = len(self._samples), []
        while left > 0:
            made.append(self._encode(min(self._block, left)))
            left = len(self._samples)
        self._first = True
        self._level[:] = self._open_until[:] = self._quiet_until[:] = 0
        self._below[:] = False
        self._shown[:] = 0
        return made

    def _encode(self, frames: int) -> bytes:
        """The next block; `_values` has half a filter in front of it."""
        before, after = self._options.frames
        ahead = before
        filtered = detector.band(self._values[: frames + ahead + 2 * self._reach], self._taps)
        self._estimate(filtered[:frames])
        threshold = self._noise.deviation * self._options.threshold
        lead, frame = detector.crossings(
            filtered, threshold, max(1, round(_DEAD_SECONDS * self._options.rate)), self._below
        )
        new = frame >= self._quiet_until[lead]
        lead, frame = lead[new], frame[new]
        windows = self._windows(lead, frame, frames)
        self._below = filtered[frames - 1] < -threshold
        inside = frame < frames
        self._open_until = np.maximum(self._open_until - frames, 0)
        self._quiet_until = np.maximum(self._quiet_until - frames, 0)
        dead = max(1, round(_DEAD_SECONDS * self._options.rate))
        np.maximum.at(self._open_until, lead[inside], frame[inside] + after - frames)
        np.maximum.at(self._quiet_until, lead[inside], frame[inside] + dead - frames)
        payload = self._coded(windows, frames, Watched(windows, lead, frame, threshold, threshold, self._quiet_until))
        self._samples, self._values = self._samples[frames:], self._values[frames:]
        return payload

    def _estimate(self, filtered: np.ndarray) -> None:
        """Let the noise estimate run on, in parts of at least some 0.1 s where blocks are that long."""
        if self._noise is None:
            self._noise = detector.Noise(filtered)
            return
        self._noise.update(filtered)

    def _windows(self, lead: np.ndarray, frame: np.ndarray, frames: int) -> Windows:
        """Windows of this block: what goes on from the last one, what begins, and the front of what is about to."""
        before, after = self._options.frames
        going = np.flatnonzero(self._open_until > 0)
        leads = np.concatenate([going, lead])
        times = np.concatenate([self._open_until[going] - after, frame])
        order = np.lexsort((times, leads))
        made = around(leads[order], times[order], before, after, frames)
        made.start = np.minimum(made.start, frames)
        made.length = np.minimum(made.length, frames - made.start)
        keep = made.length > 0
        return Windows(made.lead[keep], made.start[keep], made.length[keep], made.lift[keep])

    def _coded(self, windows: Windows, frames: int, watched: Watched) -> bytes:
        options, samples = self._options, self._samples[:frames]
        units = Units(self._model.coarse(options.max_error).entropy, options.max_error, False, 0, 16)
        hold = np.zeros(samples.shape[1], bool)
        last = np.full(samples.shape[1], -1, np.int64)
        last[windows.lead] = windows.stop - 1
        ends = units.middles(units.bins(units.values(samples[np.maximum(last, 0), np.arange(len(last))])))
        hold = (last >= 0) & (frames - last < _RAMP * np.abs(ends))
        lines = Lines(0, self._level.copy(), hold)
        shape = round(options.threshold * THRESHOLD_UNIT), options.frames[0], sum(options.frames), LIFT_STEP
        inside = units.middles(units.bins(units.values(samples[windows.flat()])))
        frame = Frame(frames, options.frames[0], LIFT_STEP, units.low, units.high)
        shown = _drawn(frame, lines, windows, inside)
        if len(windows):
            windows.lift[:] = self._tents(watched, shown)
            shown = _drawn(frame, lines, windows, inside) if windows.lift.any() else shown
        self._shown = np.concatenate([self._shown, shown])[-self._reach :]
        lanes = lane_count(len(inside), max(_LEAST_LANE, round(_LANE_SHARE * self._block)))
        made = code(samples, units, windows, lines, None, shape, self._model, lanes)
        self._level = np.where(hold, ends, np.where(last >= 0, 0, self._level))
        return chunks.pack(made)

    def _tents(self, watched: Watched, shown: np.ndarray) -> np.ndarray:
        """Lifts of the windows, from what is shown without in this block, before it, and, as far as is known, after."""
        frames, (before, after) = len(shown), self._options.frames
        past, ahead = self._reach, self.delay
        values = self._values[: past + frames + ahead].astype(np.int64)
        drawn = np.concatenate([self._shown, shown, np.repeat(shown[-1:], ahead, axis=0)])
        until = self._open_until.copy()  # windows that go on behind the block, or begin in it for what comes there
        np.maximum.at(until, watched.lead, watched.frame + after - frames)
        number = np.arange(ahead)[:, None]
        last = past + frames + np.clip(until, 0, ahead) - 1
        following = np.where(number < until, values[-ahead:], values[last, np.arange(len(last))])
        drawn[-ahead:] = np.where(until > 0, following, drawn[-ahead:])
        windows = watched.windows
        room = gaps(windows) >= 2 * before
        moved = Windows(windows.lead, windows.start + past, windows.length, windows.lift)
        found = replace(watched, windows=moved, frame=watched.frame + past)
        return lifts(found, values, drawn, self._options, LIFT_STEP) * room


def _drawn(frame: Frame, lines: Lines, windows: Windows, inside: np.ndarray) -> np.ndarray:
    """What a decoder shows, int64 values [frames, leads]."""
    out = np.repeat(lines.level[None], frame.frames, axis=0)
    offset = windows.offset
    for lead in np.unique(windows.lead).tolist():
        own = windows.of_lead(lead)
        part = Windows(*(getattr(windows, name)[own] for name in ("lead", "start", "length", "lift")))
        out[:, lead] = render_lead(frame, lines, lead, part, inside[offset[own.start] : offset[own.stop]])
    return out


def decode_blocks(payloads: list[bytes], leads: int, model: Model) -> np.ndarray:
    """Samples int16 [frames, leads] of chunks of an `ActivityEncoder`."""
    from .codec import decode

    parts = [decode(payload, leads, 16, model) for payload in payloads]
    return np.concatenate(parts) if parts else np.zeros((0, leads), np.int16)
