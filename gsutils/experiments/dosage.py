r"""Gradient dosage: which detector of a network gets how much of the gradient, and when.

A thought experiment of the blog post "Gradient Dosage" (2022), run: a network and three
independent features, each right on 90 % of the examples, with one of them stronger or learned
first. The data are those of :mod:`gsutils.data.features`; :mod:`gsutils.experiments.dosage_noise`
has the post's other experiment.

>>> found = train(Case(head_start=5, steps=10, hidden=4, pool=512, records=2), [0])
>>> found.steps.tolist(), found["responses"].shape  # records, runs, features
([-5, 0, 5, 10], (4, 1, 3))
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gsutils import methods, pulls
from gsutils import train as training
from gsutils.data import features
from gsutils.data.features import Population
from gsutils.nets import MLP
from gsutils.runs.entry import Entry, Rows
from gsutils.seeding import check_seeds

CURVE_POINTS = 30  # of each curve in a record; training is measured more often
CROSS_ENTROPY = methods.ERM()
SILENCED = 1  # the feature that falls silent, counted from 0


@dataclass(frozen=True)
class Case:
    """One way to train on three features.

    Attributes:
        steps: updates after the head start.
        hidden: width of the hidden layer.
        pool: examples from which batches are taken in turn.
        records: how often the training is measured, beside its start.
        strengths: the size of each feature's inputs.
        reliability: how often each feature agrees with the label.
        head_start: steps before the others, in which only the first feature agrees with the
            labels more often than by chance.
        method: what is minimised, one for :mod:`gsutils.pulls`.
        weight_decay: PyTorch's.
        silent_from: the step from which the second feature's inputs are zero; None: never.
        lr: learning rate.
        batch: examples of a step.
    """

    steps: int
    hidden: int
    pool: int
    records: int
    strengths: tuple[float, ...] = (1.0, 1.0, 1.0)
    reliability: tuple[float, ...] = (0.9, 0.9, 0.9)
    head_start: int = 0
    method: methods.ERM = CROSS_ENTROPY
    weight_decay: float = 0.0
    silent_from: int | None = None
    lr: float = 0.1
    batch: int = 256

    def __post_init__(self) -> None:
        """Refuse a pool that is not cut into whole batches."""
        if self.pool < 1 or self.batch < 1 or self.pool % self.batch:
            raise ValueError(f"pool must be a multiple of batch, got {self.pool} and {self.batch}")


@dataclass(frozen=True)
class Phase:
    """Examples from which batches are taken from a step on.

    Attributes:
        since: the step, counted from the end of the head start.
        X: inputs, (n, 2k).
        y: labels, (n,).
    """

    since: int
    X: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Trained:
    """The runs of one case. Step 0 is the end of the head start.

    Attributes:
        case: what was trained.
        history: metrics, each (records, runs, ...): "accuracy", expected; "responses", to each
            feature; "share", the dose share of each; "pull", its net pull per example;
            "received", the inner product of -∇L with the gradient of the response; "size", the
            norm of the first layer's weights from each block.
    """

    case: Case
    history: training.History

    @property
    def steps(self) -> np.ndarray:
        """The steps of the records, (records,)."""
        return self.history.steps - self.case.head_start

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one metric, (records, runs, ...)."""
        return self.history[name]

    def at(self, step: int) -> int:
        """Return the number of the record that is nearest to a step."""
        return int(np.abs(self.steps - step).argmin())

    def since(self, holds: np.ndarray) -> np.ndarray:
        """Return the first recorded step from which a condition (records, runs) holds to the end.

        The last step where it never does; (runs,).
        """
        fails = [np.flatnonzero(~each).max(initial=-1) + 1 for each in holds.T]
        return self.steps[np.minimum(fails, len(self.steps) - 1)]

    @property
    def data(self) -> dict[str, str]:
        """What a record calls the data."""
        return {"name": "three features (generated)"}

    def metrics(self) -> Rows:
        """Return the last values of the curves, and when the network is right on 95 %."""
        arrival = self.since(self["accuracy"] >= 0.95).astype(float).tolist()
        return {"": last_values(self._recorded()) | {"step of 95 %": arrival}}

    def curves(self) -> Rows:
        """Return accuracy, and responses, shares and net pulls of each feature."""
        return {"": some_points(self.steps, self._recorded())}

    def _recorded(self) -> dict[str, np.ndarray]:
        found = {"accuracy": self["accuracy"]}
        for name in ("responses", "share", "pull"):
            found |= {f"{name} {j}": z for j, z in enumerate(np.moveaxis(self[name], -1, 0), 1)}
        return found


def last_values(recorded: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """Return the last record of each metric (records, runs)."""
    return {name: values[-1].tolist() for name, values in recorded.items()}


def some_points(steps: np.ndarray, recorded: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """Return some :data:`CURVE_POINTS` records of each metric, evenly spaced, with their steps."""
    kept = np.unique(np.linspace(0, len(steps) - 1, CURVE_POINTS).round().astype(int))
    return {name: values[kept].tolist() for name, values in {"step": steps, **recorded}.items()}


def prepare(case: Case, seed: int) -> list[Phase]:
    """Return the phases of a run's training, each with its examples."""
    X, y = features.draw(seed, case.pool, case.strengths, case.reliability)
    phases = [Phase(0, X, y)]
    if case.head_start:
        one_first = (case.reliability[0], *[0.5] * (len(case.reliability) - 1))
        early = features.draw(seed, case.pool, case.strengths, one_first, "head start")
        phases.insert(0, Phase(-case.head_start, *early))
    if case.silent_from is not None:
        silent = X.copy()
        silent[:, 2 * SILENCED : 2 * SILENCED + 2] = 0
        phases.append(Phase(case.silent_from, silent, y))
    return phases


def train(
    case: Case,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
) -> Trained:
    """Train a network on blocks of inputs, once per seed, and record who gets the gradient.

    Batches are taken from a large pool in turn, so that there is next to nothing to memorise;
    measures are those of the population.

    Args:
        case: what to train.
        seeds: one run each.
        device: "auto", "cpu" or "cuda".
        checkpoint: see :func:`gsutils.train.minimise`.

    Raises:
        ValueError: an argument out of range.
    """
    seeds, where = check_seeds(seeds), training.resolve_device(device)
    phases = []
    for runs in zip(*(prepare(case, seed) for seed in seeds)):
        X, y = (np.stack([getattr(phase, part) for phase in runs]) for part in "Xy")
        phases.append((runs[0].since, _tensor(X, where), methods.Batch(_tensor(y, where))))
    population = Population.of_blocks(case.reliability, case.strengths).to(where)
    net = MLP((2 * len(case.strengths), case.hidden, 1), seeds).to(where)

    def value(step: int) -> Tensor:
        X, batch = next(
            (X, b) for since, X, b in reversed(phases) if step >= since + case.head_start
        )
        start = step * case.batch % case.pool
        rows = slice(start, start + case.batch)
        loss = case.method.loss(net(X[:, rows]), batch.take(rows), step, {})
        return methods.objective(case.method, net, loss, step)

    marks = np.linspace(0, case.steps, case.records + 1).round().astype(int) + case.head_start
    early = np.linspace(0, case.head_start, case.records // 4 + 1).round().astype(int)
    history = training.minimise(
        net,
        value,
        steps=case.head_start + case.steps,
        optimizer=training.SGD(net.parameters(), case.lr, weight_decay=case.weight_decay),
        measure=lambda model: _measured(model, population, case.method),
        record_at={*marks.tolist(), *early.tolist()},
        checkpoint=checkpoint,
        title=case.method.title,
    )
    return Trained(case, history)


def _tensor(values: np.ndarray, where: torch.device) -> Tensor:
    return torch.from_numpy(values).float().to(where)


def _measured(net: nn.Module, population: Population, method: methods.ERM) -> dict[str, Tensor]:
    """Return the metrics of :class:`Trained`."""
    parameters = list(net.parameters())
    with torch.enable_grad():
        logits = net(population.X)
        loss = pulls.expected_loss(logits, population, method).sum()
        slopes = torch.autograd.grad(loss, parameters, retain_graph=True)
        responses = population.responses(logits)
        received = [
            -_inner(torch.autograd.grad(each.sum(), parameters, retain_graph=True), slopes)
            for each in responses.unbind(-1)
        ]
    logits = logits.detach()
    total, agreed = pulls.doses(logits, population, method)
    blocks = parameters[0].unflatten(-1, (-1, 2))  # (runs, hidden, k, 2)
    return {
        "accuracy": population.accuracy(logits),
        "responses": responses.detach(),
        "share": agreed / total[..., None],
        "pull": 2 * agreed - total[..., None],
        "received": torch.stack(received, -1),
        "size": blocks.square().sum((1, 3)).sqrt(),
    }


def _inner(one: Iterable[Tensor], other: Iterable[Tensor]) -> Tensor:
    """Return the inner product of two gradients, run by run, (runs,)."""
    return torch.stack([(a * b).flatten(1).sum(1) for a, b in zip(one, other)]).sum(0)


def _cases(usual: Case) -> dict[str, Case]:
    """Return every start with every loss, and the cases with weight decay and silence."""
    starts = {
        "equal": usual,
        "stronger": replace(usual, strengths=(2.0, 1.0, 1.0)),
        "head start": replace(usual, head_start=400),
    }
    objectives = {
        "cross-entropy": CROSS_ENTROPY,
        "SD": methods.SD(lam=0.1),
        "squared": methods.Squared(),
    }
    stronger = starts["stronger"]
    return {
        f"{start}, {name}": replace(case, method=method)
        for start, case in starts.items()
        for name, method in objectives.items()
    } | {
        "stronger, strong SD": replace(stronger, method=methods.SD(lam=2.0)),
        "stronger, weight decay": replace(stronger, weight_decay=0.08),
        "alone, weight decay": replace(usual, reliability=(0.5, 0.9, 0.9), weight_decay=0.08),
        "silenced, no weight decay": replace(usual, silent_from=600),
        "silenced, weight decay": replace(usual, silent_from=600, weight_decay=0.01),
    }


ENTRIES = {
    "dosage": Entry(
        name="dosage",
        title="Three independent features: who gets the gradient",
        chapter="09-gradient-dosage",
        cases={
            "quick": _cases(Case(steps=1200, hidden=32, pool=8192, records=60)),
            "paper": _cases(Case(steps=4000, hidden=64, pool=65536, records=100)),
        },
        seeds={"quick": range(3), "paper": range(10)},
        run=train,
        paper={},
        selection="oracle-test",
    ),
}
