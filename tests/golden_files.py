"""The golden files in tests/golden: what each released version wrote, and what it decodes to, for ever.

`manifest.json` of a version has `files` (by name: SHA-256 of the file and of what it decodes to), `models` (SHA-256 of
the shipped models by name) and `vectors` (SHA-256 of the conformance vectors by path below tests).
"""

from __future__ import annotations

import json
from pathlib import Path

import conformance
import numpy as np

from runtime.streaming import Calibration, StreamDecoder

FOLDER = Path(__file__).resolve().parent / "golden"
MODELS = FOLDER.parent.parent / "models"


def versions() -> list[str]:
    """Versions that have golden files."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def manifest(version: str) -> dict[str, dict]:
    """What is known of the files of a version."""
    return json.loads((FOLDER / version / "manifest.json").read_text(encoding="utf-8"))


def decoded(path: Path) -> bytes:
    """What a golden file holds: a file's original, a stream's frames, a calibration, an array of numcodecs."""
    data = path.read_bytes()
    if path.suffix == ".mdo":
        return conformance.decode(data, model=None)
    if path.suffix == ".mdc":
        return Calibration.parse(data).pack()
    if path.suffix == ".mds":
        decoder = StreamDecoder()
        blocks = decoder.push(data) + decoder.finish()
        if decoder.events or not decoder.complete:
            raise ValueError(f"{path.name} is not complete")
        return b"".join(frames.astype("<i2").tobytes() for _, frames in blocks)
    from middleout.numcodecs import Middleout

    return np.asarray(Middleout().decode(data)).tobytes()


def vectors() -> dict[str, str]:
    """SHA-256 of the conformance vectors' files that must never change."""
    tests = FOLDER.parent
    paths = [path for name in ("vectors", "streams") for path in (tests / name).rglob("*") if path.is_file()]
    kept = sorted(path for path in paths if path.suffix != ".json")
    return {path.relative_to(tests).as_posix(): conformance.sha256(path.read_bytes()) for path in kept}


def models() -> dict[str, str]:
    """SHA-256 of the shipped models."""
    return {path.stem: conformance.sha256(path.read_bytes()) for path in sorted(MODELS.glob("*.onnx"))}
