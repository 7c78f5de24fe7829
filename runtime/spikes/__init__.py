"""Activity mode: windows around spikes with a bound on the error, and next to nothing for the rest.

`options` say what is kept; `watch` and `detector` find the windows (encoder only); `plan` is what a chunk says of them,
`coding` and `decoding` their samples by the network and rANS; `rendering` and `slow` what is shown between them.
`blocks` encodes short blocks one after
the other, as an implant would. docs/format.md section 12 is the format, docs/activity.md what is kept and what is not.
"""

from __future__ import annotations

from ..core.lazy import getter as _getter

_HOMES = {
    "Activity": "options",
    "ActivityEncoder": "streaming_encoder",
    "decode": "codec",
    "decode_blocks": "streaming_encoder",
    "encode": "encoder",
    "mask": "summary",
    "resolve": "options",
    "within": "encoder",
}

__all__ = list(_HOMES)  # noqa: PLE0604

__getattr__ = _getter(globals(), _HOMES)
