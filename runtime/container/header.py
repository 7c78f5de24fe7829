"""The header block `H`, and what other blocks hold but for chunks and index (docs/format.md section 2)."""

import struct
from dataclasses import dataclass

from ..core import limits, sample_formats
from ..core.compressed_bytes import parse_blob, parse_file
from ..core.errors import CorruptError
from ..core.names import IDENTITY_BYTES, identity_of, is_suffix
from ..core.terms import FILES, KEPT, NPY, RAW, RECORDS, SAMPLES, WAV
from . import varint
from .chunk_head import chunk_bound, chunk_type, is_spikes

BLOCK_OVERHEAD = 9
"""Bytes of a block besides its payload: tag, length, crc."""

_RATE, _TIME = struct.Struct("<d"), struct.Struct("<q")
_FILE, _CANONICAL, _EMBEDDED, _USUAL_SUFFIX, _CHANNEL_TIME, _BOUNDED, _SUMMED = 1, 2, 4, 8, 16, 256, 512
_SOURCE_SHIFT, _SOURCE_MASK = 5, 7
_KNOWN_FLAGS = 1023
_FILES = (WAV, RAW, NPY, FILES, RECORDS, KEPT)
"""Kinds of originals that are files, by their number in the flags."""
_DTYPES = {
    **{16: "<i2", 8: "|u1", 9: "|i1", 17: "<u2", 18: ">i2", 19: ">u2"},
    **{24: "<i3", 26: ">i3", 32: "<i4", 33: "<u4", 34: ">i4", 35: ">u4"},
    **{48: "<f4", 50: ">f4", 64: "<f8", 66: ">f8"},
}
_FORMAT_NUMBERS = {dtype: number for number, dtype in _DTYPES.items()}
_SUFFIX = ".wav"
_REAL_RATE = 128
"""Added to the number of the sample format where the sample rate is no whole number."""
_UNKNOWN_TIME = -(2**63)

_LONGEST = 2 + 1 + 3 + _RATE.size + varint.LONGEST + IDENTITY_BYTES + _TIME.size + limits.MAX_SUFFIX_BYTES
DIGEST_BYTES = 32
"""Bytes of a SHA-256."""

MAX_LENGTH = {
    b"H": _LONGEST,
    b"M": limits.MAX_MODEL_BYTES,
    b"J": limits.MAX_METADATA_BYTES + 1,
    b"F": limits.MAX_FOREIGN_PIECE + 1,
    b"C": limits.MAX_CHUNK_BYTES,
    b"B": limits.MAX_FOREIGN_PIECE + 1,
    b"S": DIGEST_BYTES + _LONGEST,
    b"E": limits.MAX_CHUNKS * 8 + 17,  # entries, and 17 bytes around them
}
"""Tags in their order in a file, and the longest payload of each."""


@dataclass(frozen=True)
class Header:
    """Block `H`: what holds for the whole recording.

    sample_rate : Hz, an int where it is a whole number; 0 if unknown
    source : kind of the original
    dtype : sample format of the original (see `core.sample_formats`)
    canonical : whether the header of a WAV file follows from the other fields
    channel_time : whether the samples of a channel lie together in the original, not those of a frame
    bounded : whether chunks may be no more than close to the original
    summed : whether the file has a block `S`, with the SHA-256 of the original and a second copy of the header
    """

    channels: int
    sample_rate: float
    model: bytes = bytes(IDENTITY_BYTES)
    dtype: str = "<i2"
    frames: int | None = None
    mtime: int | None = None
    suffix: str = ".wav"
    source: str = SAMPLES
    canonical: bool = False
    embedded: bool = False
    bounded: bool = False
    summed: bool = False
    channel_time: bool = False

    @property
    def sample_bits(self) -> int:
        """The width of a sample: 8, 16, 24, 32 or 64."""
        return 8 * sample_formats.width(self.dtype)

    @property
    def file_dtype(self) -> str:
        """Sample format of the file that is restored: a WAV file where the recording never was a file."""
        return self.dtype if self.source != SAMPLES else sample_formats.wav_format(self.dtype)

    @property
    def has_front(self) -> bool:
        """Whether there are foreign bytes in front of the samples."""
        return self.source in (NPY, FILES, RECORDS) or (self.source == WAV and not self.canonical)

    @property
    def may_have_back(self) -> bool:
        """Whether there may be foreign bytes behind the samples."""
        return self.source == KEPT or (self.has_front and self.source != FILES)

    @property
    def in_order(self) -> bool:
        """Whether the original is one file whose bytes come in their order as it is restored."""
        return self.source not in (SAMPLES, FILES) and not self.channel_time

    def pack(self) -> bytes:
        """Return the payload of the block."""
        usual = self.suffix == _SUFFIX
        flags = _CANONICAL * self.canonical | _EMBEDDED * self.embedded | _USUAL_SUFFIX * usual
        flags |= _CHANNEL_TIME * self.channel_time | _BOUNDED * self.bounded | _SUMMED * self.summed
        if self.source != SAMPLES:
            flags |= _FILE | _FILES.index(self.source) << _SOURCE_SHIFT
        real = not float(self.sample_rate).is_integer()
        parts = [
            varint.pack(flags),
            bytes([_FORMAT_NUMBERS[self.dtype] | _REAL_RATE * real]),
            varint.pack(self.channels),
            _RATE.pack(self.sample_rate) if real else varint.pack(int(self.sample_rate)),
            varint.pack(0 if self.frames is None else self.frames + 1),
            self.model,
        ]
        if self.source != SAMPLES:
            parts.append(_TIME.pack(_UNKNOWN_TIME if self.mtime is None else self.mtime))
        return b"".join(parts) + (b"" if usual else self.suffix.encode("utf-8"))

    @classmethod
    def parse(cls, payload: bytes) -> "Header":
        """Parse the payload of a block whose CRC has been checked."""
        try:
            return cls._parse(payload)
        except (struct.error, IndexError):
            raise CorruptError("the header is too short") from None
        except UnicodeDecodeError:
            raise CorruptError("the header's name suffix is not UTF-8") from None

    @classmethod
    def _parse(cls, payload: bytes) -> "Header":
        flags, offset = varint.parse(payload, 0)
        real, number = bool(payload[offset] & _REAL_RATE), payload[offset] & ~_REAL_RATE
        channels, offset = varint.parse(payload, offset + 1)
        rate: float
        if real:
            (rate,), offset = _RATE.unpack_from(payload, offset), offset + _RATE.size
        else:
            rate, offset = varint.parse(payload, offset)
        frames, offset = varint.parse(payload, offset)
        model, offset = payload[offset : offset + IDENTITY_BYTES], offset + IDENTITY_BYTES
        mtime = _UNKNOWN_TIME
        if flags & _FILE:
            (mtime,), offset = _TIME.unpack_from(payload, offset), offset + _TIME.size
        if offset > len(payload):
            raise CorruptError("the header is too short")
        suffix = payload[offset:].decode("utf-8")
        usual, kind = bool(flags & _USUAL_SUFFIX), flags >> _SOURCE_SHIFT & _SOURCE_MASK
        if suffix == _SUFFIX or (usual and suffix):
            raise CorruptError("the header's name suffix and its flag disagree")
        if flags > _KNOWN_FLAGS or kind >= len(_FILES):
            raise CorruptError("the header holds unknown flags; a newer version may read it")
        if number not in _DTYPES or not 1 <= channels <= limits.MAX_CHANNELS or not is_suffix(suffix):
            raise CorruptError("the header holds impossible values")
        try:
            rate = check_sample_rate(rate)
        except ValueError:
            raise CorruptError("the header holds an impossible sample rate") from None
        if real and float(rate).is_integer():
            raise CorruptError("the header holds a whole sample rate as another one")
        header = cls(
            channels=channels,
            sample_rate=rate,
            model=model,
            dtype=_DTYPES[number],
            frames=None if frames == 0 else frames - 1,
            mtime=None if mtime == _UNKNOWN_TIME else mtime,
            suffix=_SUFFIX if usual else suffix,
            source=_FILES[kind] if flags & _FILE else SAMPLES,
            canonical=bool(flags & _CANONICAL),
            embedded=bool(flags & _EMBEDDED),
            bounded=bool(flags & _BOUNDED),
            summed=bool(flags & _SUMMED),
            channel_time=bool(flags & _CHANNEL_TIME),
        )
        if not header._consistent() or (header.source == SAMPLES and kind):
            raise CorruptError("the header holds contradicting flags")
        return header

    def _consistent(self) -> bool:
        if (self.canonical or self.channel_time or self.source in (FILES, RECORDS)) and self.frames is None:
            return False
        if self.source == KEPT and (self.frames, self.channels, self.bounded) != (0, 1, False):
            return False
        if self.canonical and self.source != WAV or self.channel_time and self.source not in (RAW, NPY):
            return False
        if self.source == SAMPLES:
            return self.dtype[0] != ">"
        return self.source != WAV or self.dtype == sample_formats.wav_format(self.dtype)


def kept_time(mtime: int) -> int | None:
    """Return a modification time in ns, None where a file can't hold it: before 1677 and after 2262."""
    return mtime if -(2**63) < mtime < 2**63 else None


def check_sample_rate(sample_rate: float) -> float:
    """Return a sample rate in Hz, as an int where it is a whole number; 0 if unknown. Raises `ValueError`."""
    rate = float(sample_rate)
    if rate != 0 and not limits.MIN_SAMPLE_RATE <= rate <= limits.MAX_SAMPLE_RATE:
        raise ValueError(f"a sample rate of {sample_rate} Hz")
    return int(rate) if rate.is_integer() else rate


def check_chunk(payload: bytes, header: Header) -> None:
    """Refuse a chunk whose samples are of another type than the header says, or not lossless against what it says."""
    if chunk_type(payload) != sample_formats.plain_type(header.dtype):
        raise CorruptError("the samples of a chunk are of another type than the header says")
    if (chunk_bound(payload) or is_spikes(payload)) and not header.bounded:
        raise CorruptError("a chunk is not lossless, against what the header says")


def parse_foreign(payload: bytes) -> bytes:
    """Return the original's bytes from the payload of a block `F` or `B`."""
    if not payload:
        raise CorruptError("an empty block of foreign bytes")
    return parse_file(payload[0], payload[1:], limits.MAX_FOREIGN_PIECE)


def parse_sum(payload: bytes) -> tuple[bytes | None, bytes]:
    """Return what is in the payload of a block `S`: the SHA-256 of the original, None for none, and the header's."""
    if len(payload) <= DIGEST_BYTES:
        raise CorruptError("the block of the original's checksum is too short")
    digest = payload[:DIGEST_BYTES]
    return digest if any(digest) else None, payload[DIGEST_BYTES:]


def parse_model(payload: bytes, identity: bytes) -> bytes:
    """Return the model file from the payload of a block `M`."""
    data = parse_blob(1, payload, limits.MAX_MODEL_BYTES)
    if identity_of(data) != identity:
        raise CorruptError("the embedded model is not the one that the header names")
    return data
