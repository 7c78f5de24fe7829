"""How all figures look, and their bytes."""

from __future__ import annotations

import base64
import io
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

WIDTH = 9.6
"""Inches."""
_DOTS = 140
"""Per inch."""
INK, FAINT, BLUE, ORANGE, GREEN, RED = "#1f2933", "#9aa5b1", "#2f6db5", "#d9730d", "#2e7d4f", "#c2352b"
COLOURS = "viridis"
_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.cycler(color=[BLUE, ORANGE, GREEN, RED, "#7b4fa3", "#5c6b7a"]),
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
}


def settings() -> Any:
    """Return the context in which figures are made and turned into bytes."""
    return matplotlib.rc_context(_SETTINGS)


def figure(height: float) -> Figure:
    """Return an empty figure as wide as the page."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def as_uri(drawn: Figure) -> str:
    """Return a figure as a data URI; the same figure gives the same bytes."""
    canvas, buffer = FigureCanvasAgg(drawn), io.BytesIO()
    drawn.set_dpi(_DOTS)
    canvas.draw()
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(buffer, "webp", quality=88)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
