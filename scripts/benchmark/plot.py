"""The plot of the benchmark: bits and times over the number of channels."""

from __future__ import annotations

from pathlib import Path

PANELS = (("bits", "bits per sample"), ("encode", "encode, ns a sample"), ("decode", "decode, ns a sample"))


def draw(path: Path, tables: dict[str, dict[str, dict[str, dict[int, float]]]]) -> bool:
    """Write a plot; return whether matplotlib is installed.

    Parameters
    ----------
    path
        A PNG.
    tables
        Kind of recording -> "bits", "encode", "decode" -> coder -> number of channels -> figure.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    names = list(dict.fromkeys(name for parts in tables.values() for name in parts["bits"]))
    figure = Figure(figsize=(13, 4.2 * len(tables)), layout="constrained")
    axes = figure.subplots(len(tables), len(PANELS), squeeze=False)
    for row, (kind, parts) in zip(axes, tables.items()):
        for ax, (part, label) in zip(row, PANELS):
            for number, name in enumerate(names):
                points = sorted(parts[part].get(name, {}).items())
                wide = 2.2 if name.startswith("middleout") else 1.0
                ax.plot(*zip(*points or [(float("nan"),) * 2]), "o-", lw=wide, ms=3, color=_colour(number), label=name)
            ax.set(title=f"{kind}: {label}", xlabel="channels", xscale="log")
            ax.set_xticks(channels := sorted({n for line in parts[part].values() for n in line}), map(str, channels))
            ax.minorticks_off()
            if part != "bits":
                ax.set_yscale("log")
            ax.grid(alpha=0.3)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return True


def _colour(number: int) -> tuple[float, float, float, float]:
    from matplotlib import colormaps

    return colormaps["tab20"](number % 20)
