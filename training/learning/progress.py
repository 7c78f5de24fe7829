"""The progress of a training run: a bar, or lines in a pipe; losses as a table and a plot."""

import sys
import time
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

EVERY = 100  # steps between reports
LINES = 1000  # steps between lines in a pipe


class Report:
    """Report to the terminal as `report` of `train.fit`; write losses.csv and losses.png at the end.

    Parameters
    ----------
    steps : int
    folder : str or Path
        For the table and the plot.
    """

    def __init__(self, steps: int, folder: str | Path):
        self.steps, self.folder, self.history, self.start = steps, Path(folder), [], time.time()
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[bits]}"), TimeRemainingColumn())
        console = Console(file=sys.stderr)
        self.bar = Progress(*columns, console=console) if console.is_terminal else None
        self.task = self.bar.add_task("", total=steps, bits="") if self.bar else None

    def __enter__(self) -> "Report":
        if self.bar:
            self.bar.start()
        return self

    def __call__(self, step: int, history: list[float]) -> None:
        self.history = history
        recent = history[-LINES // EVERY :]
        text = f"{sum(recent) / len(recent):.4f} bits"
        if self.bar:
            self.bar.update(self.task, completed=step, bits=text)
        elif step % LINES == 0 or step == self.steps:
            print(f"step {step:6d}  {text}  {time.time() - self.start:.0f} s", flush=True)

    def __exit__(self, *error) -> None:
        if self.bar:
            self.bar.stop()
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
