"""Activity mode: windows around spikes with a bound on the error, and next to nothing for the rest.

`options` say what is kept; `watch` and `detector` find the windows (encoder only); `plan` is what a chunk says of them,
`coding` and `decoding` their samples by the network and rANS; `rendering` and `slow` what is shown between them.
`blocks` encodes short blocks one after
the other, as an implant would. docs/format.md section 12 is the format, docs/activity.md what is kept and what is not.
"""

from .blocks import ActivityEncoder, decode_blocks
from .codec import decode
from .encoder import encode, within
from .options import Activity, resolve
from .summary import mask, summary

__all__ = ["Activity", "ActivityEncoder", "decode", "decode_blocks", "encode", "mask", "resolve", "summary", "within"]
