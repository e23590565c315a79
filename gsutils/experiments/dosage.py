r"""Gradient dosage: which detector of a network gets how much of the gradient, and when.

The thought experiments of the blog post "Gradient Dosage" (2022), run. ``dosage``: a network and
three independent features, each right on 90 % of the examples, with one of them stronger or learned
first. ``dosage-noise``: one feature shared by all examples against inputs of their own, with
some labels wrong. The data are those of :mod:`gsutils.data.features`.

>>> case = Case(head_start=5)
>>> found = train_case(case, settings("dosage", "quick") | {"steps": 10, "records": 2}, [0])
>>> found.steps.tolist(), found["responses"].shape  # records, runs, features
([-5, 0, 5, 10], (4, 1, 3))
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gsutils import evaluate, train
from gsutils.data import features
from gsutils.data.features import Population
from gsutils.experiments import dosage_settings
from gsutils.nets import MLP
from gsutils.runs.untyped import Job, Outcome, chosen_size
from gsutils.runs.untyped import UntypedEntry as Entry
from gsutils.seeding import check_seeds

CURVE_POINTS = 30  # of each curve in a record; training is measured more often


@dataclass(frozen=True)
class Case:
    """One way to train on three features.

    Attributes:
        strengths: the size of each feature's inputs.
        reliability: how often each feature agrees with the label.
        head_start: steps before the others, in which only the first feature agrees with the
            labels more often than by chance.
        objective: a key of :data:`gsutils.data.features.OBJECTIVES`.
        lam: λ of "SD".
        weight_decay: PyTorch's.
        silent_from: the step from which the second feature's inputs are zero; None: never.
    """

    strengths: tuple[float, ...] = (1.0, 1.0, 1.0)
    reliability: tuple[float, ...] = (0.9, 0.9, 0.9)
    head_start: int = 0
    objective: str = "cross-entropy"
    lam: float = 0.0
    weight_decay: float = 0.0
    silent_from: int | None = None


@dataclass(frozen=True)
class Doses:
    """What was recorded: ``steps`` (records,) and metrics, each (records, runs, ...).

    Of :func:`train_case`: "accuracy", expected; "responses", to each feature; "share", the dose
    share of each; "pull", its net pull per example; "received", the inner product of -∇L with
    the gradient of the response; "size", the norm of the first layer's weights from each block.

    Of :func:`train_noisy`: "train", "fitted" and "test", accuracies on training labels, on wrong
    training labels, and on the shared feature of new examples; "shared", the response to it;
    "clean", "wrong" and "memory clean", "memory wrong", the pulls and the memorised margins of
    examples with right and wrong labels; "share", the dose share of the shared feature.
    """

    steps: np.ndarray
    metrics: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one metric, (records, runs, ...)."""
        return self.metrics[name]

    def at(self, step: int) -> int:
        """Return the number of the record that is nearest to a step."""
        return int(np.abs(self.steps - step).argmin())

    def since(self, holds: np.ndarray) -> np.ndarray:
        """Return the first recorded step from which a condition (records, runs) holds to the end.

        The last step where it never does; (runs,).
        """
        fails = [np.flatnonzero(~each).max(initial=-1) + 1 for each in holds.T]
        return self.steps[np.minimum(fails, len(self.steps) - 1)]


def settings(entry: str, size: str | None = None) -> dict[str, Any]:
    """Return the settings of "dosage" or "dosage-noise" in one of the two sizes."""
    return dict(ENTRIES[entry].settings[chosen_size(size)])


def case_of(chosen: Mapping[str, Any], name: str) -> Case:
    """Return a case of "dosage" by name; a list of the settings is a tuple of the case."""
    fields: dict[str, Any] = dict(chosen["cases"][name])
    for key in {"strengths", "reliability"} & set(fields):
        fields[key] = tuple(fields[key])
    return Case(**fields)


def train_case(
    case: Case,
    chosen: Mapping[str, Any],
    seeds: Iterable[int],
    device: str | torch.device = "cpu",
) -> Doses:
    """Train a network on blocks of inputs, once per seed, and record who gets the gradient.

    Step 0 is the end of the head start. Batches are taken from a large pool in turn, so that
    there is next to nothing to memorise; measures are those of the population.

    Args:
        case: what to train.
        chosen: the entry's settings without ``cases``, see :data:`ENTRIES`.
        seeds: one run each.
        device: "auto", "cpu" or "cuda".

    Raises:
        ValueError: an argument out of range.
    """
    seeds, where = check_seeds(seeds), train.resolve_device(device)
    n, batch, first = chosen["pool"], chosen["batch"], case.head_start
    one_first = (case.reliability[0], *[0.5] * (len(case.reliability) - 1))
    pools = [_pool(seeds, n, case.strengths, case.reliability, "data", where)]
    pools += [_pool(seeds, n, case.strengths, one_first, "head start", where)] if first else []
    population = Population.of_blocks(case.reliability, case.strengths).to(where)
    heard = torch.ones(2 * len(case.strengths), device=where)
    heard[2:4] = 0
    net = MLP((len(heard), chosen["hidden"], 1), seeds).to(where)

    def value(step: int) -> Tensor:
        X, y = pools[step < first]
        rows = slice(step * batch % n, step * batch % n + batch)
        x = X[:, rows]
        if case.silent_from is not None and step - first >= case.silent_from:
            x = x * heard
        return features.example_losses(y[:, rows] * net(x), case.objective, case.lam).mean(-1)

    steps = first + chosen["steps"]
    marks = np.linspace(0, chosen["steps"], chosen["records"] + 1).round().astype(int) + first
    early = np.linspace(0, first, chosen["records"] // 4 + 1).round().astype(int)
    history = train.minimise(
        net,
        value,
        steps=steps,
        optimizer=train.SGD(chosen["lr"], weight_decay=case.weight_decay),
        measure=lambda model: _measured(model, population, case),
        record_at={*marks.tolist(), *early.tolist()},
        title=case.objective,
    )
    return Doses(history.steps - first, history.metrics)


def _pool(
    seeds: Iterable[int], n: int, strengths: Any, reliability: Any, name: str, where: torch.device
) -> tuple[Tensor, Tensor]:
    """Return inputs (runs, n, d) and labels (runs, n)."""
    draws = [features.draw(seed, n, strengths, reliability, name) for seed in seeds]
    X, y = (torch.from_numpy(np.stack(part)).float().to(where) for part in zip(*draws))
    return X, y


def _measured(net: nn.Module, population: Population, case: Case) -> dict[str, Tensor]:
    """Return the metrics of :class:`Doses`."""
    parameters = list(net.parameters())
    with torch.enable_grad():
        logits = net(population.X)
        loss = population.loss(logits, case.objective, case.lam).sum()
        slopes = torch.autograd.grad(loss, parameters, retain_graph=True)
        responses = population.responses(logits)
        received = [
            -_inner(torch.autograd.grad(each.sum(), parameters, retain_graph=True), slopes)
            for each in responses.unbind(-1)
        ]
    logits = logits.detach()
    total, agreed = population.doses(logits, case.objective, case.lam)
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


def train_noisy(
    chosen: Mapping[str, Any],
    seeds: Iterable[int],
    lam: float = 0.0,
    weight_decay: float = 0.0,
    device: str | torch.device = "cpu",
) -> Doses:
    r"""Train a network on a shared feature, inputs of each example's own, and some wrong labels.

    The **memorised margin** of a training example is :math:`y_i (\hat y_i - \bar y_i)`, where the
    mean is over logits of twins: the same shared inputs, other private ones.

    Args:
        chosen: the settings of "dosage-noise" without ``cases``.
        seeds: one run each.
        lam: λ of SD; 0 is cross-entropy alone.
        weight_decay: PyTorch's.
        device: "auto", "cpu" or "cuda".

    Raises:
        ValueError: an argument out of range.
    """
    seeds, where = check_seeds(seeds), train.resolve_device(device)
    n, private, count = chosen["n"], chosen["private"], chosen["twins"]
    draws = [features.draw_noisy(s, n, private, chosen["label_noise"]) for s in seeds]
    new = [features.draw_noisy(s, chosen["test"], private, 0.0, "test") for s in seeds]
    X, y, f = (torch.from_numpy(np.stack(part)).float().to(where) for part in zip(*draws))
    test_X, _, test_f = (torch.from_numpy(np.stack(part)).float().to(where) for part in zip(*new))
    own = [features.draw_noisy(s, n * count, private, 0.0, "twins")[0][:, 2:] for s in seeds]
    twins = X.repeat_interleave(count, 1)
    twins[..., 2:] = torch.from_numpy(np.stack(own)).float().to(where)
    net, wrong = MLP((2 + private, chosen["hidden"], 1), seeds).to(where), y != f

    def loss(logits: Tensor, step: int) -> Tensor:
        return features.example_losses(y * logits, "SD", lam).mean(-1)

    def measure(model: nn.Module) -> dict[str, Tensor]:
        logits, mean = model(X), model(twins).unflatten(-1, (n, count)).mean(-1)
        alpha, memory = features.pull(y * logits, "SD", lam), y * (logits - mean)
        return {
            "train": evaluate.accuracy(logits, y),
            "fitted": _mean(((y * logits) > 0).float(), wrong),
            "test": evaluate.accuracy(model(test_X), test_f),
            "shared": (f * mean).mean(-1),
            "clean": _mean(alpha, ~wrong),
            "wrong": _mean(alpha, wrong),
            "share": (alpha * ~wrong).sum(-1) / alpha.sum(-1),
            "memory clean": _mean(memory, ~wrong),
            "memory wrong": _mean(memory, wrong),
        }

    history = train.fit(
        net,
        loss,
        X,
        steps=chosen["steps"],
        optimizer=train.SGD(chosen["lr"], weight_decay=weight_decay),
        measure=measure,
        record_at={0} | set(np.geomspace(1, chosen["steps"], chosen["records"]).astype(int)),
    )
    metrics = history.metrics | {"wrong labels": wrong.sum(-1).cpu().numpy()[None]}
    return Doses(history.steps, metrics)


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return (values * chosen).sum(-1) / chosen.sum(-1).clamp(min=1)


def _run_three(job: Job) -> Outcome:
    found = train_case(case_of(job.settings, job.case), job.settings, job.seeds, job.device)
    curves = {"accuracy": found["accuracy"]}
    for name in ("responses", "share", "pull"):
        curves |= {f"{name} {j}": found[name][..., j - 1] for j in (1, 2, 3)}
    arrival = {"step of 95 %": found.since(found["accuracy"] >= 0.95)}
    return _outcome(job.case, found.steps, curves, arrival, "three features (generated)")


def _run_noisy(job: Job) -> Outcome:
    how = job.settings["cases"][job.case]
    found = train_noisy(job.settings, job.seeds, **how, device=job.device)
    curves = {name: m for name, m in found.metrics.items() if name != "wrong labels"}
    return _outcome(job.case, found.steps, curves, {}, "shared and private features (generated)")


def _outcome(
    case: str,
    steps: np.ndarray,
    curves: Mapping[str, np.ndarray],
    more: Mapping[str, np.ndarray],
    data: str,
) -> Outcome:
    """Return the last values of the curves and more metrics, and some 30 points of each curve."""
    kept = np.unique(np.linspace(0, len(steps) - 1, CURVE_POINTS).round().astype(int))
    last = {name: values[-1].tolist() for name, values in curves.items()}
    return Outcome(
        {case: last | {name: values.astype(float).tolist() for name, values in more.items()}},
        {"name": data},
        {
            case: {"step": steps[kept].tolist()}
            | {name: values[kept].tolist() for name, values in curves.items()}
        },
    )


ENTRIES = {
    "dosage": Entry(
        name="dosage",
        title="Three independent features: who gets the gradient",
        chapter="09-gradient-dosage",
        settings=dosage_settings.THREE,
        cases=lambda chosen: list(chosen["cases"]),
        run=_run_three,
        paper={},
        selection="none",
        as_published=False,
    ),
    "dosage-noise": Entry(
        name="dosage-noise",
        title="A shared feature and wrong labels: who gets the gradient",
        chapter="09-gradient-dosage",
        settings=dosage_settings.PRIVATE,
        cases=lambda chosen: list(chosen["cases"]),
        run=_run_noisy,
        paper={},
        selection="none",
        as_published=False,
    ),
}
