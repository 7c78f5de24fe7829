"""Names of files that are being written, and what killed processes left of them."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import re
import uuid
from functools import cache

_NAME = re.compile(r"\..+\.([0-9a-f]{8})-([0-9]{1,10})-[0-9a-f]{12}\.(tmp|part)", re.DOTALL)
_KEPT = 24
"""Characters of the final name, so that the whole is short enough for every file system."""


def temporary_path(target: str, only_copy: bool = False) -> str:
    """Return a new path in the target's folder, whose name tells by which process it is written.

    Parameters
    ----------
    only_copy : whether what is written is nowhere else, so that it is never removed
    """
    folder, name = os.path.split(target)
    suffix = "part" if only_copy else "tmp"
    return os.path.join(folder, f".{name[:_KEPT]}.{_processes()}-{os.getpid()}-{uuid.uuid4().hex[:12]}.{suffix}")


def is_temporary(name: str) -> bool:
    """Tell whether a file's name is one of `temporary_path`."""
    return _NAME.fullmatch(name) is not None


def remove_left_behind(folder: str) -> None:
    """Remove what processes left that were killed while they wrote into a folder.

    These are files with a name of `temporary_path`, of a process of this machine (on Linux also of this container) that
    is no longer there. Others stay: whether processes elsewhere are there can't be known. What is removed is logged.
    The only copy of a recording is named and stays.
    """
    if os.name == "nt":  # processes can't be asked there without a risk for them
        return
    for name in os.listdir(folder):
        found = _NAME.fullmatch(name)
        if found is None or found[1] != _processes() or _is_there(int(found[2])):
            continue
        path = os.path.join(folder, name)
        if found[3] == "part":
            logging.getLogger("runtime").warning("%r was left by a killed process; `runtime salvage` saves it", path)
            continue
        try:
            os.unlink(path)
        except OSError as error:
            logging.getLogger("runtime").info("%r was left by a killed process: %s", path, error.strerror)
        else:
            logging.getLogger("runtime").info("removed %r, which a killed process left", path)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        pass
    return True


@cache
def _processes() -> str:
    """Return a checksum of all that tells among which processes a number names one: machine and container."""
    parts = [platform.node()]
    try:
        parts.append(os.readlink("/proc/self/ns/pid"))
        with open("/etc/machine-id") as file:
            parts.append(file.read())
    except OSError:  # another system than Linux
        pass
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
