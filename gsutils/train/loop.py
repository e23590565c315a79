r"""One training loop for every experiment, with a leading run axis.

The runs of a model (see :mod:`gsutils.nets`) share nothing but the program: the sum of their
losses is differentiated once, and learning rate and weight decay may differ from run to run.

>>> net = nn.Linear(1, 1)
>>> optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
>>> history = minimise(net, lambda step: net.weight.square().sum(), steps=9, optimizer=optimizer)
>>> bool(history["loss"][-1] < history["loss"][0])
True
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gsutils import guards
from gsutils.text import track
from gsutils.train import checkpoints

CHECK_EVERY = 25  # steps between two looks at whether the losses are finite

Value = Callable[[int], Tensor]
Measure = Callable[[nn.Module], Mapping[str, Tensor]]


class TrainingDiverged(RuntimeError):
    """A loss is not finite; the message names the run, the step and what to do."""


@dataclass(frozen=True)
class History:
    """What was recorded: ``steps`` (records,) and metrics, each (records, runs, ...)."""

    steps: np.ndarray
    metrics: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one metric, (records, runs, ...)."""
        return self.metrics[name]


def minimise(
    model: nn.Module,
    value: Value,
    *,
    steps: int,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    measure: Measure | None = None,
    record_at: Iterable[int] | None = None,
    state: Mapping[str, Tensor] | None = None,
    checkpoint: Path | None = None,
    title: str = "training",
) -> History:
    """Minimise what ``value`` returns, a function of the model's parameters and the step.

    Args:
        model: trained in place and left in evaluation mode.
        value: maps a step, 0 to ``steps``, to the loss at the present parameters: one per run,
            (runs,), or a scalar. It must depend on the step and on ``state`` alone.
        steps: the number of updates, >= 1.
        optimizer: of the model's parameters, new: one of ``torch.optim``, or
            :class:`gsutils.train.SGD` or ``Adam``, whose rates may differ from run to run.
        schedule: of the optimizer's rates; stepped after every update.
        measure: maps the model to named metrics, each (runs, ...); called in evaluation mode.
        record_at: steps at which to record, 0 (before training) to ``steps``; default: some 40,
            denser at the beginning. ``steps`` is always recorded.
        state: tensors that ``value`` changes in place, such as a method's.
        checkpoint: a file, written about once a minute and at the end. Where it exists, training
            goes on from it, and on a CPU ends bit for bit where it would have ended.
        title: what the progress bar says; it appears only where a person watches.

    Returns:
        The history, with "loss" (training mode, at the parameters before the step's update; the
        last one after all updates, for which ``value`` is called once more, so that ``state``,
        running statistics and dropout are one call ahead) beside what ``measure`` gives.

    Raises:
        ValueError: an argument out of range, or a checkpoint of another training.
        TrainingDiverged: a loss is not finite.
    """
    guards.count("steps", steps)
    if {p for group in optimizer.param_groups for p in group["params"]}.isdisjoint(
        model.parameters()
    ):
        raise ValueError("optimizer must be made of model.parameters(), got that of another model")
    records = _records(steps, record_at)
    run = _Training(model, optimizer, schedule, state or {}, checkpoint, sorted(records))
    run.resume(steps)

    def record(values: Tensor) -> None:
        measured: dict[str, Tensor] = {"loss": values.detach()}
        if measure:
            model.eval()
            with torch.no_grad():
                measured |= measure(model)
            model.train()
        for name, found in measured.items():
            # Copied: it may be a view of what training changes.
            run.kept.setdefault(name, []).append(found.detach().clone())

    model.train()
    saved = monotonic()
    for step in track(range(run.step, steps), title):
        values = value(step)
        if step % CHECK_EVERY == 0:
            _check_finite(values, step)
        if step in records:
            record(values)
        run.update(values)
        if checkpoint and monotonic() - saved > checkpoints.INTERVAL:
            run.save()
            saved = monotonic()
    if not run.finished:
        with torch.no_grad():
            values = value(steps)
        _check_finite(values, steps)
        record(values)
        run.finished = True
        if checkpoint:
            run.save()
    model.eval()
    metrics = {
        # On the CPU, where a checkpoint puts what was recorded before it.
        name: torch.stack([value.cpu() for value in values]).double().numpy()
        for name, values in run.kept.items()
    }
    return History(np.array(sorted(records)), metrics)


class _Training:
    """What a training consists of at a moment, and how to keep it."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler | None,
        state: Mapping[str, Tensor],
        checkpoint: Path | None,
        records: list[int],
    ) -> None:
        self.model, self.optimizer, self.schedule = model, optimizer, schedule
        self.state, self.checkpoint = state, checkpoint
        self.parameters = list(model.parameters())
        self.kept: dict[str, list[Tensor]] = {}
        self.step, self.finished = 0, False
        # As they are before a schedule or a checkpoint changes them.
        self.declared = {"records": records, "rates": _rates(optimizer)}

    def update(self, values: Tensor) -> None:
        """Differentiate the sum of the runs' losses and make one step."""
        for p in self.parameters:
            p.grad = None
        values.sum().backward()
        self.optimizer.step()
        self.step += 1
        if self.schedule:
            self.schedule.step()

    def content(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "step": self.step,
            "finished": self.finished,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else {},
            "state": dict(self.state),
            "kept": self.kept,
            "declared": self.declared,
        }

    def save(self) -> None:
        """Write the checkpoint."""
        assert self.checkpoint is not None
        checkpoints.save(self.checkpoint, self.content())

    def resume(self, steps: int) -> None:
        """Take over the checkpoint, where there is one."""
        found = checkpoints.load(self.checkpoint) if self.checkpoint else None
        if not found:
            return
        mine = self.content()
        try:
            if found.keys() != mine.keys():
                raise ValueError("it is of another version of the program")
            if found["step"] > steps or (found["finished"] and found["step"] < steps):
                raise ValueError(f"it is at step {found['step']}, {steps} were asked for")
            if _names(found["optimizer"]) != _names(mine["optimizer"]):
                raise ValueError("its optimizer is of another kind")
            for what, ours in self.declared.items():
                if found["declared"][what] != ours:
                    raise ValueError(f"its {what} are others")
            self.model.load_state_dict(found["model"])
            with torch.no_grad():
                for name, tensor in self.state.items():
                    tensor.copy_(found["state"][name])
            self.optimizer.load_state_dict(found["optimizer"])
            if self.schedule:
                self.schedule.load_state_dict(found["schedule"])
            self.step, self.finished, self.kept = found["step"], found["finished"], found["kept"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"{self.checkpoint} is a checkpoint of another training ({error}); "
                "delete it to start anew"
            ) from error


def _names(optimizer: dict[str, Any]) -> list[set[str]]:
    """Return what the settings of an optimizer's groups are called: PyTorch checks their number."""
    return [set(group) for group in optimizer["param_groups"]]


def _rates(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return the settings of an optimizer's groups as plain values."""
    return [
        {k: v.tolist() if isinstance(v, Tensor) else v for k, v in group.items() if k != "params"}
        for group in optimizer.param_groups
    ]


def _records(steps: int, record_at: Iterable[int] | None) -> set[int]:
    if record_at is None:
        return {0, steps} | set(np.geomspace(1, steps, 40).astype(int).tolist())
    records = set(record_at) | {steps}
    if min(records) < 0 or max(records) > steps:
        raise ValueError(f"record_at must lie in 0..{steps}, got {min(records)}..{max(records)}")
    return records


def _check_finite(values: Tensor, step: int) -> None:
    values = values.detach().reshape(-1)
    finite = torch.isfinite(values)
    if not bool(finite.all()):
        run = int((~finite).nonzero()[0, 0])
        raise TrainingDiverged(
            f"the loss of run {run} is {values[run].item()} at step {step} (looked at every "
            f"{CHECK_EVERY} steps); lower the learning rate, or look for wrong inputs"
        )
