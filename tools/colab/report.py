"""What a notebook must fulfil in Colab, read from the notebooks that nbmake has run.

It has run to its end; where there is no GPU it has said so and taken the quick size; and the first
figure of a chapter has come within two minutes. Seconds count from the first cell's start, so that
installing and importing are part of it, starting the kernel is not.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat

from gsutils.page.runtime import Device, said
from gsutils.text import say

LIMIT = 120.0  # seconds until a chapter's first figure


@dataclass(frozen=True)
class Run:
    """One executed notebook: what it said, and when.

    Attributes:
        name: of the notebook.
        device: what it said it runs on; None where it said nothing.
        size: the size that it said it takes; "" where it has one alone.
        figure: seconds until the first figure stood there; None without a figure.
        total: seconds until the last cell was done; None where one was not.
    """

    name: str
    device: Device | None
    size: str
    figure: float | None
    total: float | None

    def problems(self) -> list[str]:
        """What is wrong with it, in words."""
        found = []
        if self.total is None:
            found.append("has not run to its end")
        if not self.device:
            found.append("does not say on which device it runs")
        elif self.device.kind == "CPU" and self.size not in ("quick", ""):
            found.append(f"runs the size {self.size!r} without a GPU, not 'quick'")
        if self.figure is None and re.match(r"\d", self.name):
            found.append("shows no figure")
        if self.figure is not None and self.figure > LIMIT:
            found.append(f"shows its first figure after {self.figure:.0f} s, expected {LIMIT:.0f}")
        return [f"{self.name} {problem}" for problem in found]


def seconds(cell: Any, event: str, start: datetime | None = None) -> Any:
    """When an event of a cell was: a time, or the seconds since `start`; None where it was not."""
    stamp = cell.metadata.get("execution", {}).get(event)
    time = datetime.fromisoformat(stamp) if stamp else None
    return (time - start).total_seconds() if time and start else time


def read(path: Path) -> Run:
    """Read an executed notebook."""
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    start = seconds(cells[0], "iopub.status.busy")
    text, figure, total = "", None, None
    for cell in cells:
        done = seconds(cell, "iopub.status.idle", start) if start else None
        failed = any(output.output_type == "error" for output in cell.outputs)
        total = None if failed else done
        if total is None:
            break
        text += "".join(output.get("text", "") for output in cell.outputs)
        if figure is None and any("image/png" in o.get("data", {}) for o in cell.outputs):
            figure = done
    return Run(path.stem, *said(text), figure, total)


def report(folder: Path) -> list[str]:
    """Print the times of the notebooks that were run in a folder; return what is wrong.

    Raises:
        FileNotFoundError: there are none.
    """
    runs = [read(path) for path in sorted(folder.glob("*/*.ipynb"))]
    if not runs:
        raise FileNotFoundError(f"no notebook in {folder}: run python -m tools.colab, then nbmake")
    say(f"{'notebook':<28}{'first figure':>14}{'whole run':>12}   device")
    for run in runs:
        times = [f"{t:.1f} s" if t is not None else "none" for t in (run.figure, run.total)]
        say(f"{run.name:<28}{times[0]:>14}{times[1]:>12}   {run.device}, {run.size}")
    return [problem for run in runs for problem in run.problems()]
