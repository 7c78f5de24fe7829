"""The name of the distribution, for `import middleout`: the objects of `runtime`, and what other libraries load.

Files of other libraries name modules: these begin with `middleout`, since another distribution owns `runtime`.
"""

from __future__ import annotations

from typing import Any

import runtime as _runtime
from runtime import __version__ as __version__

__all__ = list(_runtime.__all__)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_runtime, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
