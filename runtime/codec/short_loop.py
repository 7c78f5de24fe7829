"""The loop of short chunks: a predictor, sizes of errors, and chances of bits that learn as they go (format.md 3.4).

The same loop encodes and decodes. It runs as it stands on lists, and compiled by numba on arrays of int64: all numbers
in it, also those of damaged chunks, are whole and below 2^62.
"""

from __future__ import annotations

from collections.abc import MutableSequence

LOW, HIGH, VALUE, PLACE, DECODING, RATE = range(6)
"""What a coder is: bounds of its interval, bytes that a decoder is in, number of bytes, whether it decodes; learning
rate of the weights."""
CONTEXTS, STEPS = 24, 24
"""Contexts of sizes, and bits of each context that have chances."""

_OWN, _NEIGHBOURS, _DEPTH = 6, 2, 2
_INPUTS = _OWN + _NEIGHBOURS * _DEPTH
"""Differences that predict the next one: the channel's last ones, and those of channels before it."""
_WEIGHT_BITS, _MOST_WEIGHT = 16, 1 << 20
_RANGE = 1 << 15
_FIRST_MEAN, _FIRST_SAMPLES = 256, 16
_CHANCE_BITS, _LEAST_CHANCE, _PATIENCE = 16, 64, 120
_LONGEST = 17


def code_samples(samples: MutableSequence, frames: int, coder: MutableSequence, data: MutableSequence) -> bool:
    """Encode samples into `data`, or decode them from it.

    Parameters
    ----------
    samples : integers [channels * frames], channel after channel
    frames : int
    coder : integers [6]
    data : bytes; what is encoded beyond their end is lost

    Returns
    -------
    bool
        Whether all samples are in -32768..32767; decoding ends at one that is not.
    """
    weights, inputs = [0] * _INPUTS, [0] * _INPUTS
    chances, seen = [0] * (CONTEXTS * STEPS), [0] * (CONTEXTS * STEPS)
    mean = _FIRST_MEAN
    for n in range(len(samples)):
        t = n % frames
        base = samples[n - 1] if t else samples[n - frames] if n else 0
        move_inputs(samples, n, frames, inputs)
        total, power = 1 << (_WEIGHT_BITS - 1), 0
        for i in range(_INPUTS):
            total += weights[i] * inputs[i]
            power += inputs[i] * inputs[i]
        guess = max(-_RANGE, min(base + (total >> _WEIGHT_BITS), _RANGE - 1))
        error = samples[n] - guess
        expected = max(mean, 1) if t else _FIRST_SAMPLES * (mean + 1)
        size = code_size(coder, data, abs(error), expected, chances, seen)
        negative = code_plain(coder, data, 1 if error < 0 else 0, 1) if size else 0
        error = -size if negative else size
        samples[n] = guess + error
        if not -_RANGE <= samples[n] < _RANGE:
            return False
        if t:
            gain = (error << _WEIGHT_BITS) // (power + (mean * mean >> 8) + 16)
            for i in range(_INPUTS):
                weight = weights[i] + (inputs[i] * gain >> coder[RATE])
                weights[i] = max(-_MOST_WEIGHT, min(weight, _MOST_WEIGHT))
            mean += (16 * size - mean) >> (1 if t == 1 else 2 if t < 8 else 4)
    return True


def move_inputs(samples: MutableSequence, n: int, frames: int, inputs: MutableSequence) -> None:
    """Make the inputs of the sample before those of sample n: differences in time, the newest first."""
    t = n % frames
    for i in range(_INPUTS - 1, 0, -1):
        inputs[i] = inputs[i - 1] if t else 0
    inputs[0] = samples[n - 1] - samples[n - 2] if t > 1 else 0
    for neighbour in range(1, _NEIGHBOURS + 1):
        at = n - neighbour * frames
        inputs[_OWN + (neighbour - 1) * _DEPTH] = samples[at] - samples[at - 1] if t and at > 0 else 0


def code_size(
    coder: MutableSequence,
    data: MutableSequence,
    size: int,
    mean: int,
    chances: MutableSequence,
    seen: MutableSequence,
) -> int:
    """Encode or decode the size of an error, expected to be about `mean` sixteenths; return it."""
    level = 0
    while mean >> level + 1:
        level += 1
    first = (min(level, 5) * 4 + ((mean << 2 >> level) & 3)) * STEPS
    shift = max(level - 5, 0)
    steps, more = 0, 1
    while steps < STEPS and more:
        at = first + steps
        if not seen[at]:
            unit = 16 << shift
            chances[at] = within((unit << _CHANCE_BITS) // (unit + mean))
        more = code_bit(coder, data, chances[at], 1 if size >> shift > steps else 0)
        seen[at] = min(seen[at] + 1, _PATIENCE)
        goal = 0 if more else 1 << _CHANCE_BITS
        chances[at] = within(chances[at] + (goal - chances[at]) // (seen[at] + 1))
        steps += more
    if more:
        rest, length = (size >> shift) - STEPS + 1, 0
        while length < _LONGEST and code_plain(coder, data, 1 if rest >> length + 1 else 0, 1):
            length += 1
        steps += (1 << length) - 1 + code_plain(coder, data, rest, length)
    return steps << shift | code_plain(coder, data, size, shift)


def within(chance: int) -> int:
    """Return the nearest possible chance."""
    return max(_LEAST_CHANCE, min(chance, (1 << _CHANCE_BITS) - _LEAST_CHANCE))


def code_plain(coder: MutableSequence, data: MutableSequence, number: int, width: int) -> int:
    """Encode or decode the low bits of a number, the highest first, all of them equally likely; return them."""
    found = 0
    for place in range(width - 1, -1, -1):
        found = found << 1 | code_bit(coder, data, 1 << (_CHANCE_BITS - 1), number >> place & 1)
    return found


def code_bit(coder: MutableSequence, data: MutableSequence, chance: int, bit: int) -> int:
    """Encode a bit, or decode one whatever `bit` is, and return it; it is 0 with a chance in units of 2^-16."""
    low, high = coder[LOW], coder[HIGH]
    middle = low + ((high - low) * chance >> _CHANCE_BITS)
    if coder[DECODING]:
        bit = 1 if coder[VALUE] > middle else 0
    if bit:
        low = middle + 1
    else:
        high = middle
    while low >> 24 == high >> 24:
        place = coder[PLACE]
        if coder[DECODING]:
            coder[VALUE] = (coder[VALUE] & 0xFFFFFF) << 8 | (data[place] if place < len(data) else 0)
        elif place < len(data):
            data[place] = low >> 24
        coder[PLACE] = place + 1
        low = (low & 0xFFFFFF) << 8
        high = (high & 0xFFFFFF) << 8 | 255
    coder[LOW], coder[HIGH] = low, high
    return bit


INNER = code_bit, within, code_plain, code_size, move_inputs
"""What `code_samples` calls, each behind those that it calls."""
