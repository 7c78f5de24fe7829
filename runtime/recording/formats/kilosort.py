"""Raw files of samples that a `params.py` of Kilosort or phy beside them names (https://phy.readthedocs.io)."""

from __future__ import annotations

import ast
import re
from typing import Any

from ...container.records import Layout, Samples
from ...core import sample_formats
from ..records import Description
from .building import Channel, counted, front, metadata
from .found import Found

_KEYS = ("n_channels_dat", "dtype", "offset", "sample_rate")


def describe(found: Found) -> Description | None:
    """Describe a file by `params.py`, which is read and never run. Raises `ValueError`."""
    data = found.beside("params.py")
    if data is None:
        return None
    lines = re.findall(r"^(\w+)[ \t]*=[ \t]*(.*?)[ \t\r]*$", data.decode("utf-8", "replace"), re.MULTILINE)
    fields = dict(lines)
    if found.name not in re.split(r"[/\\'\"]", fields.get("dat_path", "")):
        return None
    values: dict[str, Any] = {key: _value(fields[key]) for key in _KEYS if key in fields}
    count, offset = values["n_channels_dat"], values.get("offset", 0)
    if type(count) is not int or type(offset) is not int:
        raise ValueError("params.py has other values than numbers")
    dtype = sample_formats.parse(values.get("dtype", "int16"))
    records, warnings = counted(found, offset, [Samples(count)], dtype)
    layout = Layout((*front(found, offset), records))
    rate = float(values.get("sample_rate", 0))
    return Description("Kilosort's raw file", count, rate, dtype, layout, metadata([Channel()] * count), warnings)


def _value(written: str) -> Any:
    if "\\" in written or len(written) > 100:
        raise ValueError("params.py has a value that is none of a number or a type")
    return ast.literal_eval(written)
