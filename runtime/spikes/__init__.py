"""Spike mode: windows around spikes within a bound of the error, and lines or the field potential between them.

`options` states what is kept. `detection` finds the windows (encoder only). `layout` holds what a chunk states about
its windows, `waveforms` codes their samples, `render` draws what lies between them. `encoder` serves files, chunk by
chunk; `streaming_encoder` serves short blocks that follow each other. The format is docs/format.md section 12.
"""

from __future__ import annotations

from ..core.imports import getter as _getter

_HOMES = {
    "SpikeEncoder": "streaming_encoder",
    "SpikeOptions": "options",
    "decode": "codec",
    "encode": "encoder",
    "events": "codec",
    "mask": "codec",
    "prepare": "codec",
    "resolve": "options",
}

__all__ = list(_HOMES)  # noqa: PLE0604

__getattr__ = _getter(globals(), _HOMES)
