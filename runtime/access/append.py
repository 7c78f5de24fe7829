"""Adding frames to a recording that is complete."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from ..batch.options import EncodeOptions, from_fields
from ..container.header import Header
from ..core.errors import UsageError
from ..core.terms import RAW, SAMPLES
from ..recording.input_file import Seen
from .reader import Reader
from .writer import Writer


class Appender(Writer):
    """Append frames to a coded file; a context manager, in which the file changes only if no error came.

    The file is copied, its chunks as they are, and replaced when all is written and on the disk: until then, and after
    a crash at any time, the old file is there. Sample rate, model and metadata stay as they are.

    Parameters
    ----------
    path : str or os.PathLike
        Of a file that came from arrays or raw samples; other originals have a header that tells their length.
    options : EncodeOptions or None
        How to encode what is appended.
    **fields
        Fields of `EncodeOptions`.

    Raises
    ------
    UsageError
        The file holds another kind of original, the options would change what the file is, or it was changed
        meanwhile.
    FileFormatError, CorruptError, ModelError
    """

    def __init__(self, path: str | os.PathLike, options: EncodeOptions | None = None, **fields: Any) -> None:
        (options,) = from_fields(fields, options or EncodeOptions)
        path = os.fspath(path)
        self._seen = Seen.of(path, os.stat(path))
        with Reader(path, model=options.model, cache_bytes=0) as old:
            _check(old.header, options)
            options = replace(
                options, model=old.model_data(), embed_model=old.header.embedded, metadata=old.metadata or None
            )
            super().__init__(
                path,
                old.sample_rate,
                old.channels,
                options,
                dtype=old.header.dtype,
                suffix=old.header.suffix,
                force=True,
            )
            try:
                self._header = replace(old.header, frames=None)
                self._mode = self._seen.mode
                _, blocks = self._begin([])
                for payload in old.payloads():
                    blocks.chunk(payload)
            except BaseException:
                self.abort()
                raise

    def close(self) -> None:
        """Write what is left, and put the file in place of the old one; nothing if that was done."""
        if not self._closed and self._seen.changed():
            raise UsageError(f"{self._seen.path} changed while frames were appended to it")
        super().close()


def _check(header: Header, options: EncodeOptions) -> None:
    if header.source not in (SAMPLES, RAW) or header.channel_time:
        raise UsageError("frames can be appended to recordings of arrays and raw files; encode the longer file")
    if options.lossy and not header.bounded:
        raise UsageError("the file is lossless, and what is appended must be so: no max_error, no keep")
    if options.target_rate is not None or options.metadata is not None:
        raise UsageError("no target_rate and no metadata: they are those of the whole file")
