"""The progress of a training run as lines; losses as a table and a plot."""

import time
from pathlib import Path

from matplotlib.figure import Figure

EVERY = 100  # steps between reports
LINES = 1000  # steps between lines


class Report:
    """Print losses as `report` of `train.fit`; as a context manager, write losses.csv and losses.png at the end.

    Parameters
    ----------
    steps : int
    folder : str or Path
        For the table and the plot.
    """

    def __init__(self, steps: int, folder: str | Path):
        self.steps, self.folder, self.history, self.start = steps, Path(folder), [], time.time()

    def __enter__(self) -> "Report":
        return self

    def __call__(self, step: int, history: list[float]) -> None:
        """Report the losses so far, means of every 100 steps."""
        self.history = history
        if step % LINES == 0 or step == self.steps:
            recent = history[-LINES // EVERY :]
            left = (time.time() - self.start) / step * (self.steps - step)
            print(f"step {step:6d}  {sum(recent) / len(recent):.4f} bits  {left:.0f} s left", flush=True)

    def __exit__(self, *error) -> None:
        if self.history:
            self.folder.mkdir(parents=True, exist_ok=True)
            lines = [f"{(i + 1) * EVERY},{loss:.6f}" for i, loss in enumerate(self.history)]
            (self.folder / "losses.csv").write_text("\n".join(["step,bits", *lines, ""]))
            plot(self.history, self.folder / "losses.png")


def plot(history: list[float], path: Path) -> None:
    """Plot losses, means of every 100 steps, as a PNG."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([(i + 1) * EVERY for i in range(len(history))], history, lw=1)
    settled = sorted(history)[: max(1, int(len(history) * 0.97))]
    axes.set(xlabel="step", ylabel="bits per sample", ylim=(settled[0] - 0.01, settled[-1] + 0.02))
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)
