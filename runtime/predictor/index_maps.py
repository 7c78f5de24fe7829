"""Index maps of linear channels: small whole numbers that are coded in place of samples (docs/format.md section 4.4).

Many devices write samples that are multiples of a number, or scaled codes of a converter that were rounded, or a few
values only. What is predicted and coded of such a channel is the index of the sample among these values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..core import bits
from ..core.errors import CorruptError
from .channel_parameters import COPY, LINEAR
from .lanes import as_columns

FRACTION = 24
"""Binary digits of slopes and offsets behind the point."""
ONE = 1 << FRACTION
MAX_STEPS = 7
MAX_SLOPE_BITS = FRACTION + 16
NO_STEP = -1

_STEPS_BITS, _FRACTION_BITS, _SLOPE_BITS = 3, 5, 6
_COUNT_BITS, _EXCEPTIONS_BITS, _DIFFERENCE_BITS = 16, 24, 5
_MAX_DIFFERENCE_BITS = 17
_LOWEST = 1 << 15
_BLOCK = 1 << 17
"""Samples that are restored at once."""


@dataclass(frozen=True)
class Exceptions:
    """Samples of a channel that are not where its map puts them.

    frames : int64 [n], increasing
    differences : int64 [n], what these samples are more
    """

    frames: np.ndarray
    differences: np.ndarray

    def within(self, frames: slice) -> Exceptions:
        """Return those in some frames, counted from the first of these."""
        first, last = np.searchsorted(self.frames, [frames.start, frames.stop])
        return Exceptions(self.frames[first:last] - frames.start, self.differences[first:last])


@dataclass
class IndexMaps:
    """The index maps of a chunk's channels.

    Index q stands for the value v = palette[q], without a palette q itself. With a step, its sample is
    (v * slope + offset) >> 24. Without one, it is v, or in near-lossless chunks the middle of bin v.

    slopes : int64 [steps], units of 2^-24, at least 1
    step : int64 [channels], number of the step; -1 for none
    offset : int64 [channels], units of 2^-24, 0 <= offset < slope
    palettes : by channel, int16 [n], increasing; copies have that of their source
    exceptions : by channel; channels with steps only
    """

    slopes: np.ndarray
    step: np.ndarray
    offset: np.ndarray
    palettes: dict[int, np.ndarray] = field(default_factory=dict)
    exceptions: dict[int, Exceptions] = field(default_factory=dict)

    @classmethod
    def none(cls, channels: int) -> IndexMaps:
        """Return maps of channels that have none."""
        return cls(np.zeros(0, np.int64), np.full(channels, NO_STEP), np.zeros(channels, np.int64))

    @property
    def mapped(self) -> np.ndarray:
        """Which channels have a map, bool [channels]."""
        out = self.step != NO_STEP
        out[list(self.palettes)] = True
        return out

    def share_palettes(self, sources: np.ndarray) -> None:
        """Let copies have the palettes of their sources, which are those of `map_sources`."""
        own = self.palettes
        self.palettes = {n: own[source] for n, source in enumerate(sources.tolist()) if source in own}

    def part(self, frames: slice, channels: np.ndarray) -> IndexMaps:
        """Return the maps of some channels, bool [channels], for some frames."""
        return IndexMaps(
            self.slopes,
            np.where(channels, self.step, NO_STEP),
            self.offset,
            {channel: values for channel, values in self.palettes.items() if channels[channel]},
            {channel: found.within(frames) for channel, found in self.exceptions.items() if channels[channel]},
        )

    def names(self) -> dict[int, str]:
        """Return what the maps of channels are, in words."""
        sizes = [len(palette) for palette in self.palettes.values()]
        few = f"{min(sizes)} values" if sizes and min(sizes) == max(sizes) else "few values"
        if len(set(sizes)) > 1:
            few = f"{min(sizes)} to {max(sizes)} values"
        words: dict[int, list[str]] = {}
        for channel in np.flatnonzero(self.step != NO_STEP).tolist():
            slope = int(self.slopes[self.step[channel]])
            whole = slope % ONE == 0
            words[channel] = [f"steps of {slope // ONE}" if whole else f"steps of {slope / ONE:.6g}"]
        for channel in self.palettes:
            words.setdefault(channel, []).append(few)
        return {channel: ", ".join(parts) for channel, parts in words.items()}

    def restore_values(self, indices: np.ndarray) -> None:
        """Put values in place of indices int16 [frames, channels]. Raises `CorruptError` if there are none for some."""
        for block in _blocks(indices, len(self.palettes)):
            for channel, palette in self.palettes.items():
                numbers = block[:, channel]
                if numbers.min() < 0 or numbers.max() >= len(palette):
                    raise CorruptError("a sample is not one of its channel's values")
                block[:, channel] = palette[numbers]

    def restore_samples(self, values: np.ndarray) -> None:
        """Put samples in place of values int16 [frames, channels]. Raises `CorruptError` beyond 16 bits."""
        stepped = np.flatnonzero(self.step != NO_STEP)
        slope, offset = self.slopes[self.step[stepped]], self.offset[stepped]
        places = as_columns(stepped) if len(stepped) else slice(0)
        for block in _blocks(values, len(stepped)):
            block[:, places] = _narrow((block[:, places] * slope + offset) >> FRACTION)
        for channel, found in self.exceptions.items():
            values[found.frames, channel] = _narrow(values[found.frames, channel] + found.differences)


def _blocks(samples: np.ndarray, channels: int) -> Iterator[np.ndarray]:
    """Yield blocks of frames, of which so many channels stay in the cache; none for no channels."""
    rows = max(_BLOCK // max(channels, 1), 1)
    for first in range(0, len(samples) if channels else 0, rows):
        yield samples[first : first + rows]


def _narrow(values: np.ndarray) -> np.ndarray:
    samples = values.astype(np.int16)
    if (samples != values).any():
        raise CorruptError("a sample does not fit 16 bits")
    return samples


def most_exceptions(frames: int) -> int:
    """Return how many exceptions a channel may have."""
    return (frames + 3) // 4


def map_sources(kind: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return for channels that may have a map the linear channel that they are, or are a copy of; -1 for others.

    Parameters
    ----------
    kind, mean : int64 [channels], of the side information
    """
    source = np.where(kind == COPY, mean, np.arange(len(kind)))
    return np.where(kind[source] == LINEAR, source, -1)


def pack(maps: IndexMaps, sources: np.ndarray) -> bytes:
    """Serialise to whole bytes; `sources` is that of `map_sources`."""
    places, linear = np.flatnonzero(sources >= 0), np.flatnonzero(sources == np.arange(len(sources)))
    step, offset = maps.step[places], maps.offset[places]
    fractions = [_fraction(offset[step == number]) for number in range(len(maps.slopes))]
    parts = [bits.pack(np.array([len(maps.slopes)]), np.array([_STEPS_BITS]))]
    common = []
    for number, (slope, fraction) in enumerate(zip(maps.slopes.tolist(), fractions, strict=True)):
        offsets = np.unique(offset[step == number])
        common.append(len(offsets) == 1)
        parts.append(_pack_step(slope, fraction, int(offsets[0]) if common[-1] else None))
    flags = [len(maps.palettes) > 0, len(maps.exceptions) > 0]
    parts.append(bits.pack(np.array(flags), np.ones(2, np.int64)))
    parts.append(bits.pack(step + 1, np.full(len(places), _selector_bits(len(maps.slopes)))))
    for some, channels, flag in zip((linear, places), (list(maps.palettes), list(maps.exceptions)), flags):
        parts.append(bits.pack(np.isin(some, channels), np.full(len(some), int(flag))))
    own = np.array([*(not x for x in common), False])[step]
    fraction, slopes = np.array([*fractions, 0])[step[own]], maps.slopes[step[own]]
    parts.append(bits.pack(offset[own] >> FRACTION - fraction, _offset_bits(slopes, fraction)))
    parts += [_pack_palette(maps.palettes[channel]) for channel in linear.tolist() if channel in maps.palettes]
    parts += [_pack_exceptions(maps.exceptions[c]) for c in places.tolist() if c in maps.exceptions]
    return bits.to_bytes(np.concatenate(parts))


def _selector_bits(steps: int) -> int:
    return steps.bit_length()


def _fraction(values: np.ndarray) -> int:
    """Return how many binary digits behind the point some numbers need, in units of 2^-24."""
    together = int(np.bitwise_or.reduce(values, initial=0)) | ONE
    return FRACTION - ((together & -together).bit_length() - 1)


def _offset_bits(slopes: np.ndarray, fraction: np.ndarray | int) -> np.ndarray:
    """Bits of an offset with so many digits behind the point."""
    return bits.bit_length((slopes - 1) >> FRACTION - np.asarray(fraction))


def _pack_step(slope: int, fraction: int, offset: int | None) -> np.ndarray:
    digits = _fraction(np.array([slope]))
    value = slope >> FRACTION - digits
    fields = [(digits, _FRACTION_BITS), (value.bit_length(), _SLOPE_BITS), (value, value.bit_length())]
    fields += [(fraction, _FRACTION_BITS), (offset is not None, 1)]
    if offset is not None:
        fields.append((offset >> FRACTION - fraction, int(_offset_bits(np.array([slope]), fraction)[0])))
    values, widths = np.array(fields).T
    return bits.pack(values, widths)


def _pack_palette(palette: np.ndarray) -> np.ndarray:
    head = bits.pack(np.array([len(palette) - 1]), np.array([_COUNT_BITS]))
    return np.concatenate([head, bits.pack_increasing(palette + np.int64(_LOWEST))])


def _pack_exceptions(found: Exceptions) -> np.ndarray:
    differences = found.differences
    width = 1 + int(bits.bit_length(np.where(differences < 0, ~differences, differences)).max())
    head = bits.pack(np.array([len(differences) - 1, width]), np.array([_EXCEPTIONS_BITS, _DIFFERENCE_BITS]))
    places = bits.pack_increasing(found.frames)
    return np.concatenate([head, places, bits.pack(differences, np.full(len(differences), width))])


def unpack(data: bytes, offset: int, sources: np.ndarray, frames: int) -> tuple[IndexMaps, int]:
    """Parse at `offset`; the maps and the offset behind them.

    Parameters
    ----------
    sources : int64 [channels]
        Of `map_sources`.

    Raises
    ------
    CorruptError
    """
    reader, maps, places = bits.BitReader(data, offset), IndexMaps.none(len(sources)), np.flatnonzero(sources >= 0)
    linear = np.flatnonzero(sources == np.arange(len(sources)))
    steps = [_read_step(reader) for _ in range(reader.take(_STEPS_BITS))]
    maps.slopes = np.array([slope for slope, _, _ in steps], np.int64)
    flags = reader.take(1), reader.take(1)
    maps.step[places] = reader.read_equal(len(places), _selector_bits(len(steps))) - 1
    if maps.step.max() >= len(steps):
        raise CorruptError("a channel has a step that there is not")
    with_palette, with_exceptions = (
        some[reader.read_equal(len(some), flag) > 0] for some, flag in zip((linear, places), flags)
    )
    if (maps.step[with_exceptions] == NO_STEP).any():
        raise CorruptError("a channel without steps has exceptions")
    for number, (_, _, common) in enumerate(steps):
        maps.offset[maps.step == number] = 0 if common is None else common
    own = places[np.array([*(common is None for *_, common in steps), False])[maps.step[places]]]
    fraction = np.array([*(fraction for _, fraction, _ in steps), 0])[maps.step[own]]
    maps.offset[own] = reader.read(_offset_bits(maps.slopes[maps.step[own]], fraction)) << FRACTION - fraction
    stepped = maps.step != NO_STEP
    if (maps.offset[stepped] >= maps.slopes[maps.step[stepped]]).any():
        raise CorruptError("the offset of a channel's steps is out of range")
    for channel in with_palette.tolist():
        maps.palettes[channel] = _read_palette(reader)
    maps.share_palettes(sources)
    for channel in with_exceptions.tolist():
        maps.exceptions[channel] = _read_exceptions(reader, frames)
    return maps, reader.align()


def _read_step(reader: bits.BitReader) -> tuple[int, int, int | None]:
    """Return slope, digits of offsets behind the point, and the offset if it is common."""
    digits, width = reader.take(_FRACTION_BITS), reader.take(_SLOPE_BITS)
    if digits > FRACTION or width > MAX_SLOPE_BITS:
        raise CorruptError("the steps of channels are out of range")
    slope = reader.take(width) << FRACTION - digits
    fraction = reader.take(_FRACTION_BITS)
    if not ONE <= slope < 1 << MAX_SLOPE_BITS or fraction > FRACTION:
        raise CorruptError("the steps of channels are out of range")
    if not reader.take(1):
        return slope, fraction, None
    return slope, fraction, reader.take(int(_offset_bits(np.array([slope]), fraction)[0])) << FRACTION - fraction


def _read_palette(reader: bits.BitReader) -> np.ndarray:
    count = reader.take(_COUNT_BITS) + 1
    return (reader.read_increasing(count, 1 << _COUNT_BITS) - _LOWEST).astype(np.int16)


def _read_exceptions(reader: bits.BitReader, frames: int) -> Exceptions:
    count, width = reader.take(_EXCEPTIONS_BITS) + 1, reader.take(_DIFFERENCE_BITS)
    if not 1 <= width <= _MAX_DIFFERENCE_BITS or count > most_exceptions(frames):
        raise CorruptError("exceptions of a channel are out of range")
    places = reader.read_increasing(count, frames)
    return Exceptions(places, reader.read_equal(count, width, signed=True))
