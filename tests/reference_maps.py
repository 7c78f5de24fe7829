"""Index maps for `reference_chunk.py`: docs/format.md section 4.4, number by number."""

ONE = 1 << 24


class Map:
    """The index map of a channel."""

    def __init__(self):
        self.slope, self.offset, self.palette, self.exceptions = None, 0, None, {}

    @property
    def there(self):
        return self.slope is not None or self.palette is not None

    def value(self, index, must):
        if self.palette is None:
            return index
        must(0 <= index < len(self.palette), "an index without a value")
        return self.palette[index]

    def sample(self, value, frame, must):
        if self.slope is not None:
            value = value * self.slope + self.offset >> 24
            must(-32768 <= value <= 32767, "a value is out of range")
        value += self.exceptions.get(frame, 0)
        must(-32768 <= value <= 32767, "a sample is out of range")
        return value


def read_maps(reader, sources, frames, must):
    """Maps of all channels; `sources` tells of each which linear channel it is or is a copy of, or None."""
    maps = [Map() for _ in sources]
    chosen = [number for number, source in enumerate(sources) if source is not None]
    steps = [read_step(reader, must) for _ in range(reader.take(3))]
    palettes, exceptions = reader.take(1), reader.take(1)
    selected = {number: reader.take(len(steps).bit_length()) for number in chosen}
    with_palette = [number for number in chosen if sources[number] == number and palettes and reader.take(1)]
    with_exceptions = [number for number in chosen if exceptions and reader.take(1)]
    must(all(selected[number] for number in with_exceptions), "exceptions without a step")
    for number, step in selected.items():
        must(step <= len(steps), "a step that is not there")
        if step:
            slope, digits, width, common = steps[step - 1]
            offset = reader.take(width) << 24 - digits if common is None else common
            must(offset < slope, "an offset")
            maps[number].slope, maps[number].offset = slope, offset
    for number in with_palette:
        values = read_list(reader, reader.take(16) + 1, 1 << 16, must)
        maps[number].palette = [value - 32768 for value in values]
    for number in chosen:
        maps[number].palette = maps[sources[number]].palette
    for number in with_exceptions:
        count, width = reader.take(24) + 1, reader.take(5)
        must(1 <= width <= 17, "the width of differences")
        must(count <= (frames + 3) // 4, "too many exceptions")
        places = read_list(reader, count, frames, must)
        maps[number].exceptions = {place: reader.take(width, signed=True) for place in places}
    reader.align()
    return maps


def read_step(reader, must):
    """Slope, digits of offsets, bits of offsets, and the common offset or None."""
    digits, width = reader.take(5), reader.take(6)
    must(digits <= 24 and width <= 40, "a slope")
    slope = reader.take(width) << 24 - digits
    must(ONE <= slope < 1 << 40, "a slope")
    digits = reader.take(5)
    must(digits <= 24, "an offset")
    width = (slope - 1 >> 24 - digits).bit_length()
    common = reader.take(1)
    return slope, digits, width, reader.take(width) << 24 - digits if common else None


def read_list(reader, count, limit, must):
    """Increasing numbers."""
    must(1 <= count <= limit, "the length of a list")
    parameters = [reader.take(5) for _ in range(-(-count // 32))]
    widths = [parameters[number // 32] for number in range(count)]
    for number in range(count):
        while reader.take(1):
            widths[number] += 1
    must(max(widths) <= 31, "a gap of a list")
    numbers, last = [], -1
    for number, width in enumerate(widths):
        last += 1 + (1 << width | reader.take(width)) - (1 << parameters[number // 32])
        must(last < limit, "a number of a list")
        numbers.append(last)
    return numbers
