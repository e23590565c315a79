r"""Cases to run within a budget of time: which first, what still fits, and what to say of the rest.

A :class:`Task` is a case with its seeds, and ends in one record. :func:`fill` starts the task
whose rows are the cheapest among those that fit what is left of the budget, and saves its record
before it looks at the next. What a task takes is estimated; :class:`Costs` corrects the estimates
by what the tasks before it took.

>>> parse_budget("1h30m"), spelled(5400)
(5400.0, '1h30m')
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from gsutils.dual import NotConverged
from gsutils.files import CorruptData, DataUnavailable
from gsutils.runs import sweep
from gsutils.runs.entry import Entry
from gsutils.train import TrainingDiverged

SIZE = "paper"
EVIDENCE = 60.0  # seconds of one entry's runs that weigh as much as another entry's estimate
# What ends one task and not those after it; a worker that is gone took too much memory, as a rule.
MEMORY = (MemoryError, BrokenExecutor, torch.OutOfMemoryError)
FAILED = (NotConverged, TrainingDiverged, *MEMORY)
_BUDGET = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def parse_budget(text: str) -> float:
    """Return the seconds of a budget such as "90s", "8m", "2h" or "1h30m".

    Raises:
        ValueError: it is none, or no time at all.
    """
    found = _BUDGET.fullmatch(text.strip())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    budget = 3600.0 * hours + 60 * minutes + seconds
    if not budget:
        raise ValueError(f"a budget looks like 90s, 8m, 2h or 1h30m, got {text!r}")
    return budget


def spelled(seconds: float) -> str:
    """Return a time as a budget that suffices for it is written.

    >>> spelled(61.2), spelled(1000), spelled(0.1)
    ('62s', '17m', '1s')
    """
    if seconds <= 120:
        return f"{max(1, math.ceil(seconds))}s"
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or not hours else "")


@dataclass(frozen=True)
class Task:
    """A case of the published size that is to be run.

    Attributes:
        entry: whose case it is.
        case: its name.
        record: seeds of the record that it ends in.
        seeds: those of them that have not finished.
        seconds: estimate for one seed; infinite where there is none.
        side_by_side: how many seeds run at once, as processes; None: all, as one batch of arrays.
        rows: of the ledger that the record fills.
        group: all tasks of a smaller one come first.
        data: the data set that has to be fetched, "" for none.
    """

    entry: Entry
    case: str
    record: tuple[int, ...]
    seeds: tuple[int, ...]
    seconds: float
    side_by_side: int | None = 1
    rows: int = 1
    group: int = 0
    data: str = ""

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.entry.name}, {self.case}"

    @property
    def batches(self) -> list[tuple[int, ...]]:
        """The seeds that run at once, in turn."""
        size = self.side_by_side or max(1, len(self.seeds))
        return [self.seeds[at : at + size] for at in range(0, len(self.seeds), size)]

    def declared(self, batch: tuple[int, ...]) -> float:
        """Return the estimate for a batch of seeds, in seconds of the clock."""
        return self.seconds * (1 if self.side_by_side else len(batch))


class Costs:
    """Estimates of what tasks take, corrected by what earlier ones of this run took.

    An entry that has run corrects its own estimate by its own ratio. That of another entry is
    corrected by the ratio over all, of which the first :data:`EVIDENCE` seconds count little: a
    short run is mostly its start.
    """

    def __init__(self) -> None:
        self._of: dict[str, tuple[float, float]] = {}  # entry -> (seconds taken, declared)

    def learn(self, task: Task, batch: tuple[int, ...], seconds: float) -> None:
        """Take account of what a batch of a task's seeds took."""
        if math.isfinite(task.seconds):
            taken, declared = self._of.get(task.entry.name, (0.0, 0.0))
            self._of[task.entry.name] = taken + seconds, declared + task.declared(batch)

    def of(self, task: Task, batches: Iterable[tuple[int, ...]] | None = None) -> float:
        """Return the seconds that batches of a task will take; default: all of them."""
        chosen = task.batches if batches is None else batches
        return self._ratio(task.entry.name) * sum(task.declared(batch) for batch in chosen)

    def _ratio(self, entry: str) -> float:
        taken, declared = self._of.get(entry, (0.0, 0.0))
        if declared:
            return taken / declared
        taken, declared = (sum(values) for values in zip((0.0, 0.0), *self._of.values()))
        return (taken + EVIDENCE) / (declared + EVIDENCE)


def fill(
    tasks: Iterable[Task],
    *,
    budget: float | None = None,
    spent: float = 0.0,
    device: str = "auto",
    out: Path | None = None,
    keep: Path | None = None,
    obtain: Callable[[str], None] = lambda data: None,
    lacks: Callable[[Task], bool] = lambda task: True,
    tell: Callable[[str], None] = print,
    clock: Callable[[], float] = perf_counter,
) -> Iterator[Path]:
    """Run tasks, the cheapest rows of the first group first, and yield the file of each record.

    A task is begun only where all of it fits what is left of the budget, and goes on to its next
    seeds only where they fit. What has finished is kept, and is not run again by the next call. A
    task that another program is at is left to it, and so is one that cannot be trained; where data
    cannot be had, all tasks that need them are left out.

    Args:
        tasks: see :class:`Task`.
        budget: seconds; None: all the time it takes.
        spent: seconds of the budget that are gone.
        device: "auto", "cpu" or "cuda".
        out: folder of the records, see :func:`gsutils.runs.records.save`.
        keep: folder of what has finished; default :func:`gsutils.runs.sweep.checkpoints`.
        obtain: fetches a data set, or raises what is caught here.
        lacks: whether a task is still to be done when its turn comes.
        tell: is given lines about what is begun and what is left out, and why.
        clock: seconds.

    Raises:
        ValueError: not even the cheapest task fits the budget, or no record could be made.
        OSError: a folder cannot be written; the message names it.
    """
    keep, costs, begun = keep or sweep.checkpoints(), Costs(), clock() - spent
    waiting, tried, filled = list(tasks), False, False

    def left() -> float:
        return math.inf if budget is None else budget - (clock() - begun)

    def urgency(task: Task) -> tuple[int, float]:
        return task.group, -task.rows / max(costs.of(task), 1e-9)

    def train(task: Task) -> bool:
        """Run the seeds that have not finished; return whether there was time for all."""
        for at, batch in enumerate(task.batches):
            if costs.of(task, task.batches[at:]) > left():
                return False
            start = clock()
            task.entry.record(SIZE, batch, device, cases=[task.case], keep=keep)
            costs.learn(task, batch, clock() - start)
        return True

    while fitting := [task for task in waiting if costs.of(task) <= left()]:
        task = min(fitting, key=urgency)
        waiting.remove(task)
        if not lacks(task):
            continue
        tried = True
        try:
            if task.data:
                obtain(task.data)
            tell(f"{task.name}: {len(task.seeds)} seeds to run, {_about(costs.of(task))}")
            if train(task):
                filled = True
                yield task.entry.save(
                    out, keep, size=SIZE, seeds=task.record, device=device, cases=[task.case]
                )
            else:
                tell(f"{task.name}: no time for its other seeds; those that have finished are kept")
        except (CorruptData, DataUnavailable) as error:
            tell(f"{task.name}: {error}")
            waiting = [other for other in waiting if not task.data or other.data != task.data]
        except (sweep.Busy, *FAILED) as error:
            tell(f"{task.name}: {str(error) or type(error).__name__}")
    if waiting and not tried:
        raise ValueError(_too_small(min(waiting, key=costs.of), costs, budget))
    for line in _left_out(waiting, costs):
        tell(line)
    if tried and not filled:
        raise ValueError("no record could be made, for the reasons above")


def _about(seconds: float) -> str:
    return f"about {spelled(seconds)}" if math.isfinite(seconds) else "for which no estimate exists"


def _too_small(task: Task, costs: Costs, budget: float | None) -> str:
    needed = costs.of(task)
    if math.isinf(needed):
        return f"nothing that is left has an estimate, {task.name} for one: leave out --budget"
    return (
        f"nothing fits into {spelled(budget or 0)}: the smallest run, {task.name}, needs "
        f"{_about(needed)}; give --budget {spelled(needed)} or more"
    )


def _left_out(tasks: Iterable[Task], costs: Costs) -> Iterator[str]:
    """Return a line for each entry of which tasks are left."""
    tasks = list(tasks)
    for name in dict.fromkeys(task.entry.name for task in tasks):
        own = [task for task in tasks if task.entry.name == name]
        needed = sum(costs.of(task) for task in own)
        cases = f"{len(own)} case" + "s" * (len(own) > 1)
        yield f"not begun for want of time: {name}, {cases}, {_about(needed)}"
