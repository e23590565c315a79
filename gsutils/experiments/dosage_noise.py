r"""Gradient dosage with wrong labels: a feature shared by all examples, inputs of each one's own.

The general detector is fed by all examples, a special one, which knows a single example by heart,
by one (the blog post "Gradient Dosage", 2022). The **memorised margin** of a training example is
:math:`y_i (\hat y_i - \bar y_i)`, where the mean is over logits of twins: the same shared inputs,
other private ones.

>>> found = train(Case(n=20, steps=4, records=2), [0])
>>> found.wrong.shape, found["memory wrong"].shape  # runs, examples; records, runs
((1, 20), (3, 1))
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gsutils import evaluate, methods, pulls
from gsutils import train as training
from gsutils.data import features
from gsutils.experiments.dosage import CROSS_ENTROPY, last_values, some_points
from gsutils.nets import MLP
from gsutils.runs.entry import Entry, Rows
from gsutils.seeding import check_seeds


@dataclass(frozen=True)
class Case:
    """One way to train on a shared feature and wrong labels.

    Attributes:
        n: training examples.
        steps: updates.
        records: how often the training is measured, at most, beside its start.
        method: what is minimised, one for :mod:`gsutils.pulls`.
        weight_decay: PyTorch's.
        private: inputs of each example's own.
        label_noise: share of wrong labels.
        test: new examples, with right labels.
        twins: of each training example.
        hidden: width of the hidden layer.
        lr: learning rate.
    """

    n: int
    steps: int
    records: int
    method: methods.ERM = CROSS_ENTROPY
    weight_decay: float = 0.0
    private: int = 64
    label_noise: float = 0.2
    test: int = 1000
    twins: int = 4
    hidden: int = 128
    lr: float = 0.2


@dataclass(frozen=True)
class Examples:
    """The examples of a run.

    Attributes:
        X: training inputs, (n, 2 + private).
        y: labels, (n,).
        f: the shared feature, (n,).
        test_X: inputs of new examples, (m, 2 + private).
        test_f: their shared feature, which is their label, (m,).
        twins: inputs that share the first two with each training example in turn,
            (n · twins, 2 + private).
    """

    X: np.ndarray
    y: np.ndarray
    f: np.ndarray
    test_X: np.ndarray
    test_f: np.ndarray
    twins: np.ndarray


@dataclass(frozen=True)
class Trained:
    """The runs of one case.

    Attributes:
        case: what was trained.
        wrong: whether a training label is wrong, (runs, n).
        history: metrics, each (records, runs): "train", "fitted" and "test", accuracies on
            training labels, on wrong training labels, and on new examples; "shared", the response
            to the shared feature; "clean", "wrong" and "memory clean", "memory wrong", the pulls
            and the memorised margins of examples with right and wrong labels; "share", the dose
            share of the shared feature.
    """

    case: Case
    wrong: np.ndarray
    history: training.History

    @property
    def steps(self) -> np.ndarray:
        """The steps of the records, (records,)."""
        return self.history.steps

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one metric, (records, runs)."""
        return self.history[name]

    @property
    def data(self) -> dict[str, str]:
        """What a record calls the data."""
        return {"name": "shared and private features (generated)"}

    def metrics(self) -> Rows:
        """Return the last values of all metrics."""
        return {"": last_values(self.history.metrics)}

    def curves(self) -> Rows:
        """Return the metrics."""
        return {"": some_points(self.steps, self.history.metrics)}


def prepare(case: Case, seed: int) -> Examples:
    """Return a run's examples."""
    X, y, f = features.draw_noisy(seed, case.n, case.private, case.label_noise)
    test_X, _, test_f = features.draw_noisy(seed, case.test, case.private, 0.0, "test")
    own, *_ = features.draw_noisy(seed, case.n * case.twins, case.private, 0.0, "twins")
    twins = np.hstack([X[:, :2].repeat(case.twins, 0), own[:, 2:]])
    return Examples(X, y, f, test_X, test_f, twins)


def train(
    case: Case,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
) -> Trained:
    """Train a network on all examples, once per seed.

    Args:
        case: what to train.
        seeds: one run each.
        device: "auto", "cpu" or "cuda".
        checkpoint: see :func:`gsutils.train.minimise`.

    Raises:
        ValueError: an argument out of range.
    """
    seeds, where = check_seeds(seeds), training.resolve_device(device)
    runs = [prepare(case, seed) for seed in seeds]

    def tensor(part: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(r, part) for r in runs])).float().to(where)

    X, y, f, test_X, test_f, twins = map(tensor, ("X", "y", "f", "test_X", "test_f", "twins"))
    wrong = y != f

    def measure(model: nn.Module) -> dict[str, Tensor]:
        logits, mean = model(X), model(twins).unflatten(-1, (case.n, case.twins)).mean(-1)
        alpha, memory = pulls.pull(logits, y, case.method), y * (logits - mean)
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

    net = MLP((2 + case.private, case.hidden, 1), seeds).to(where)
    history = training.fit(
        net,
        case.method,
        X,
        batch=methods.Batch(y),
        steps=case.steps,
        optimizer=training.SGD(net.parameters(), case.lr, weight_decay=case.weight_decay),
        measure=measure,
        record_at={0} | set(np.geomspace(1, case.steps, case.records).astype(int)),
        checkpoint=checkpoint,
        title=case.method.title,
    )
    return Trained(case, wrong.cpu().numpy(), history)


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return (values * chosen).sum(-1) / chosen.sum(-1).clamp(min=1)


def _cases(usual: Case) -> dict[str, Case]:
    return {
        "cross-entropy": usual,
        "SD": replace(usual, method=methods.SD(lam=0.1)),
        "weight decay": replace(usual, weight_decay=0.02),
    }


ENTRIES = {
    "dosage-noise": Entry(
        name="dosage-noise",
        title="A shared feature and wrong labels: who gets the gradient",
        chapter="09-gradient-dosage",
        cases={
            "quick": _cases(Case(n=256, steps=1500, records=40)),
            "paper": _cases(Case(n=512, steps=3000, records=60)),
        },
        seeds={"quick": range(3), "paper": range(10)},
        run=train,
        paper={},
        selection="oracle-test",
    ),
}
