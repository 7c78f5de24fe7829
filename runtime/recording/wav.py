"""WAV files, byte for byte, by a walk over the RIFF chunks.

Integer PCM of 8 to 32 bits and floats of 32 or 64 are split into samples, the bytes in front of them and the bytes
behind them; joined they are the file again, whatever its headers claim. Works on pipes; samples and what is behind them
are never held as a whole.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from ..core import limits, sample_formats
from ..core.errors import FileFormatError
from ..core.file_io import read_up_to, skip_bytes
from ..core.terms import WAV
from .signatures import refuse_known
from .source import Source, missing

_SUPPORTED = "supported are WAV files of integer PCM with 8 to 32 bits, and of floats with 32 or 64"
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_ENCODINGS = {2: "MS ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x55: "MP3"}
_GUID_END = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the encoding in the sub-format of an extensible format chunk."""
_CANONICAL = struct.Struct("<4sI4s4sIHHIIHH4sI")
_FMT = struct.Struct("<HHIIHH")
_UNKNOWN_SIZE = 0xFFFFFFFF


@dataclass(frozen=True)
class WavFormat:
    """How samples lie in a WAV file."""

    channels: int
    sample_rate: int
    sample_bits: int
    floats: bool = False

    @classmethod
    def of(cls, channels: int, sample_rate: float, dtype: str) -> "WavFormat":
        """Return the format for plain samples of a sample format; the sample rate is rounded to whole Hz."""
        return cls(channels, round(sample_rate), 8 * sample_formats.width(dtype), sample_formats.is_float(dtype))

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.sample_bits // 8

    @property
    def dtype(self) -> str:
        """Sample format."""
        return sample_formats.wav_format(f"<{'f' if self.floats else 'i'}{self.sample_bits // 8}")


def canonical_header(form: WavFormat, frames: int | None) -> bytes:
    """Return the 44 bytes of docs/format.md, section 2.5.

    Where the length is unknown or too much for the format, its fields hold 2^32 - 1, as from other writers into pipes.
    """
    block = form.frame_bytes
    size = _UNKNOWN_SIZE if frames is None else min(frames * block, _UNKNOWN_SIZE)
    riff = min(size + 36, _UNKNOWN_SIZE)
    rates = (form.sample_rate, form.sample_rate * block & 0xFFFFFFFF)
    encoding = _FLOAT if form.floats else _PCM
    return _CANONICAL.pack(
        *(b"RIFF", riff, b"WAVE"),
        *(b"fmt ", 16, encoding, form.channels, *rates, block & 0xFFFF, form.sample_bits),
        *(b"data", size),
    )


def is_wav(start: bytes) -> bool:
    """Tell by its first 12 bytes whether a file is a WAV file."""
    return (start[:4], start[8:12]) == (b"RIFF", b"WAVE")


class WavReader(Source):
    """A WAV file.

    Parameters
    ----------
    file : binary file object
    size : bytes of the file from its current position on, None if that is not known (pipe)

    Attributes
    ----------
    form : WavFormat
    canonical : whether `canonical_header` and the samples are the whole file (False where frames is None)
    """

    kind = WAV

    def __init__(self, file: BinaryIO, size: int | None = None) -> None:
        self._file = file
        walk = _Walk(file)
        self.form, claimed = walk.run()
        self.channels, self.dtype = self.form.channels, self.form.dtype
        self.sample_rate: float = self.form.sample_rate
        self.front = bytes(walk.front)
        self.outside = len(self.front)
        self.frames = None
        self.canonical = False
        self._left = claimed
        self._partial = b""
        if size is not None:
            there = size - len(self.front)
            data = there if claimed is None else min(claimed, there)
            self.frames = data // self.form.frame_bytes
            self._left = self.frames * self.form.frame_bytes
            whole = self._left == there and there + _CANONICAL.size - 8 < 2**32
            self.canonical = whole and self.front == canonical_header(self.form, self.frames)
            if claimed is not None:
                self.notes = missing(claimed // self.form.frame_bytes, self.frames)
                if not claimed and there:
                    self.notes = (f"its header tells of no samples: {there} bytes behind it are kept as they are",)

    def read(self, frames: int) -> np.ndarray:
        """Read the next frames, plain samples [frames, channels]; fewer only at the end of the samples."""
        block = self.form.frame_bytes
        want = frames * block if self._left is None else min(frames * block, self._left)
        data = read_up_to(self._file, want)
        whole = len(data) - len(data) % block
        self._partial += data[whole:]
        if self._left is not None:
            self._left = self._left - len(data) if len(data) == want else 0
        return sample_formats.from_bytes(data[:whole], self.dtype, self.channels)

    def skip(self, frames: int) -> None:
        """Pass over frames, which must be there."""
        count = frames * self.form.frame_bytes
        skip_bytes(self._file, count)
        if self._left is not None:
            self._left -= count

    def back(self) -> Iterator[bytes]:
        """Read the bytes behind the samples, in pieces of at most limits.MAX_FOREIGN_PIECE."""
        piece = self._partial + read_up_to(self._file, limits.MAX_FOREIGN_PIECE - len(self._partial))
        while piece:
            yield piece
            piece = read_up_to(self._file, limits.MAX_FOREIGN_PIECE)


class _Walk:
    """The way from the start of a file to its first sample, keeping all bytes passed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.front = bytearray()

    def run(self) -> tuple[WavFormat, int | None]:
        """Return the format and the bytes of the data chunk by its header, None for "until the end"."""
        start = self._take(12, strict=False)
        if not is_wav(start):
            refuse_known(start)
            raise FileFormatError(f"this is {'not a WAV file' if start else 'empty'}; {_SUPPORTED}")
        riff_size = int.from_bytes(start[4:8], "little")
        form = None
        while True:
            head = self._take(8)
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                break
            body = self._take(size + size % 2)
            if head[:4] == b"fmt " and form is None:
                form = parse_fmt(body[:size])
        if form is None:
            raise FileFormatError("the WAV file has no format chunk in front of its samples")
        streamed = size == 0 and (riff_size == _UNKNOWN_SIZE or riff_size <= len(self.front) - 8)
        return form, None if streamed or size == _UNKNOWN_SIZE else size

    def _take(self, count: int, strict: bool = True) -> bytes:
        if len(self.front) + count > limits.MAX_FOREIGN_BYTES:
            raise FileFormatError("the WAV file has no samples within its first 256 MiB")
        data = read_up_to(self._file, count)
        if strict and len(data) < count:
            raise FileFormatError("the WAV file ends before its samples begin")
        self.front += data
        return data


def parse_fmt(body: bytes) -> WavFormat:
    """Parse the body of a `fmt ` chunk. Raises `FileFormatError` for what is not supported."""
    if len(body) < _FMT.size:
        raise FileFormatError("the WAV file's format chunk is too short")
    encoding, channels, sample_rate, _, block, bits = _FMT.unpack_from(body)
    if encoding == _EXTENSIBLE and len(body) >= 40:
        encoding = int.from_bytes(body[24:26], "little") if body[26:40] == _GUID_END else encoding
    if encoding not in (_PCM, _FLOAT):
        raise FileFormatError(f"WAV encoding {_ENCODINGS.get(encoding, hex(encoding))}; {_SUPPORTED}")
    width = block // channels if channels else 0
    floats = encoding == _FLOAT
    if bits not in (32, 64) if floats else not 8 <= bits <= 32:
        raise FileFormatError(f"{'floats' if floats else 'PCM'} of {bits} bits; {_SUPPORTED}")
    fits = bits == 8 * width if floats else 1 <= width <= 4 and bits <= 8 * width
    if not fits or width * channels != block:
        raise FileFormatError(
            f"the WAV file's format chunk contradicts itself: {channels} channels, {block} bytes a frame"
        )
    return WavFormat(channels, sample_rate, 8 * width, floats)
