r"""Two moons: Figure 1 (a-c) and the regularisers of appendix B.

The network is 2-500-1 with ReLU and PyTorch's own initialisation, trained by full-batch
gradient descent with momentum 0.9 and learning rate 0.01 on the mean logistic loss, on 300
points; run ``s`` draws its data and its weights from seed ``s`` (sections 2 and 4.1).

>>> trained = train_case(CASES["sd"], seeds=[0], steps=20)
>>> trained.distances.shape
(1, 300)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gsutils import evaluate, losses, train
from gsutils.data import moons
from gsutils.nets import MLP
from gsutils.runs.entry import Entry, Job, Outcome, chosen_size
from gsutils.seeding import check_seeds, stream


@dataclass(frozen=True)
class Case:
    """One way to train on one arrangement of the data; the defaults are plain cross-entropy.

    Attributes:
        title: for tables and figures.
        delta: the gap Δ; negative values make the classes overlap.
        lam: coefficient of spectral decoupling, the λ of Eq. 17.
        weight_decay: PyTorch's, that is λ/n of Eq. 5.
        optimizer: "sgd" (momentum 0.9) or "adam".
        lr: learning rate.
        rotation: of the data, degrees.
        dropout: share of hidden units dropped.
        batch_norm: whether hidden layers are normalised.
        hidden: hidden widths.
    """

    title: str
    delta: float = 0.1
    lam: float = 0.0
    weight_decay: float = 0.0
    optimizer: str = "sgd"
    lr: float = 1e-2
    rotation: float = 0.0
    dropout: float = 0.0
    batch_norm: bool = False
    hidden: tuple[int, ...] = (500,)


# λ = 0.006 is the authors' 0.003·mean(ŷ²); see the conventions in gsutils.losses.
LAM = 0.006
CASES = {
    "overlap": Case("not separable (Δ = −0.1)", delta=-0.1),
    "plain": Case("separable (Δ = 0.1)"),
    "sd": Case("separable, SD (λ = 0.006)", lam=LAM),
    "longer": Case("trained longer"),
    "weight decay": Case("weight decay 0.01", weight_decay=0.01),
    "dropout": Case("dropout 0.7", dropout=0.7),
    "batch norm": Case("batch norm", batch_norm=True),
    "adam small": Case("Adam, step 1e-4", optimizer="adam", lr=1e-4),
    "adam large": Case("Adam, step 3e-3", optimizer="adam", lr=3e-3),
    "rotation": Case("data rotated by 45°", rotation=45.0),
    "deeper": Case("5 layers of 500", hidden=(500,) * 5),
}
_ATTEMPTS = (
    "longer", "weight decay", "dropout", "batch norm",
    "adam small", "adam large", "rotation", "deeper", "sd",
)  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """The runs of one case.

    Attributes:
        case: what was trained.
        model: the networks.
        X: training points, (runs, n, 2).
        y: labels, (runs, n).
        distances: of each training point to the decision boundary, (runs, n), negative where it
            is misclassified.
        history: the mean loss, the training accuracy, and the "logits" of the training points,
            (records, runs, n), by step.
    """

    case: Case
    model: MLP
    X: np.ndarray
    y: np.ndarray
    distances: np.ndarray
    history: train.History

    @property
    def margins(self) -> np.ndarray:
        """The input margin of each run, (runs,): its smallest signed distance."""
        return self.distances.min(1)

    def grid(self, pad: float = 0.4, resolution: int = 160) -> tuple[np.ndarray, ...]:
        """Return two axes and the probability of class +1 on them, (runs, resolution, resolution).

        The grid is square, centred on the points of all runs.
        """
        half = np.abs(self.X).max() + pad
        axis = np.linspace(-half, half, resolution)
        points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        logits = evaluate.predict(self.model, points)
        return axis, axis, _sigmoid(logits).reshape(-1, resolution, resolution)

    def accuracy(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return each run's accuracy, (runs,), on points (n, 2) or (runs, n, 2)."""
        logits = torch.from_numpy(evaluate.predict(self.model, X))
        return evaluate.accuracy(logits, torch.from_numpy(y)).numpy()


def train_case(
    case: Case,
    seeds: Iterable[int],
    steps: int,
    device: str | torch.device = "auto",
    n: int = 300,
    record_at: Iterable[int] | None = None,
    checkpoint: Path | None = None,
) -> Trained:
    """Train a case once per seed and measure the distance of each point to the boundary.

    Args:
        case: what to train, one of :data:`CASES` or a variation of one.
        seeds: one run each.
        steps: updates.
        device: "auto", "cpu" or "cuda".
        n: training points.
        record_at: steps at which to record; default: ten, evenly spaced.
        checkpoint: see :func:`gsutils.train.minimise`.

    Raises:
        ValueError: an argument out of range.
    """
    seeds, where = check_seeds(seeds), train.resolve_device(device)
    losses.check_lam(case.lam)
    draws = [moons.two_moons(s, case.delta, n=n, rotation=case.rotation) for s in seeds]
    X, y = (np.stack(parts) for parts in zip(*draws))
    inputs = torch.from_numpy(X).float().to(where)
    labels = torch.from_numpy(y).float().to(where)
    model = MLP((2, *case.hidden, 1), seeds, batch_norm=case.batch_norm, dropout=case.dropout)

    def loss(logits: torch.Tensor, step: int) -> torch.Tensor:
        value = losses.logistic(logits, labels)
        if case.lam:
            value = value + losses.spectral_decoupling(logits, labels, case.lam)
        return value

    def measure(net: torch.nn.Module) -> dict[str, torch.Tensor]:
        logits = net(inputs)
        return {"accuracy": evaluate.accuracy(logits, labels), "logits": logits}

    history = train.fit(
        model.to(where),
        loss,
        inputs,
        steps=steps,
        optimizer=_optimizer(case),
        measure=measure,
        record_at=range(0, steps, max(1, steps // 10)) if record_at is None else record_at,
        checkpoint=checkpoint,
        title=case.title,
    )
    return Trained(case, model, X, y, _distances(model, X, y), history)


def train_cases(
    entry: str,
    size: str | None = None,
    seeds: Iterable[int] | None = None,
    device: str = "auto",
) -> dict[str, Trained]:
    """Train all cases of an entry, "figure1" or "regularisers", in one of its two sizes."""
    if entry not in ENTRIES:
        raise ValueError(f"entry must be in {tuple(ENTRIES)}, got {entry!r}")
    settings = ENTRIES[entry].settings[chosen_size(size)]
    seeds = check_seeds(settings["seeds"] if seeds is None else seeds)
    return {
        name: train_case(CASES[name], seeds, steps, device)
        for name, steps in settings["steps"].items()
    }


def exchange_vertical(X: np.ndarray, y: np.ndarray, seed: int = 0) -> np.ndarray:
    """Give each point the vertical coordinate of a random point of the other class.

    The horizontal coordinate, and with it the easy feature, stays: X (n, 2) -> (n, 2).
    """
    rng, changed = stream(seed, "exchange"), X.copy()
    for label in (-1, 1):
        changed[y == label, 1] = rng.choice(X[y == -label, 1], int((y == label).sum()))
    return changed


def _run(job: Job) -> Outcome:
    steps, checkpoint = job.settings["steps"][job.case], job.file("training.pt")
    run = train_case(CASES[job.case], job.seeds, steps, job.device, checkpoint=checkpoint)
    metrics = {
        "input margin": run.margins,
        "mean distance": run.distances.mean(1),
        "median distance": np.median(run.distances, 1),
        "training accuracy": run.history["accuracy"][-1],
        "training loss": run.history["loss"][-1],
    }
    return Outcome(
        {job.case: {name: values.tolist() for name, values in metrics.items()}},
        {"name": "two moons (generated)"},
    )


def trained_cases(settings: Mapping[str, Any]) -> list[str]:
    """Return the cases that the setting "steps" names.

    Raises:
        ValueError: one of them is not in :data:`CASES`.
    """
    unknown = set(settings["steps"]) - set(CASES)
    if unknown:
        raise ValueError(f"steps name the cases to train, of {tuple(CASES)}, got {sorted(unknown)}")
    return list(settings["steps"])


def _distances(model: MLP, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    def distance(run: int) -> np.ndarray:
        alone = model.single(run)
        return evaluate.boundary_distance(
            lambda points: evaluate.predict(alone, points)[0], X[run], y[run]
        )

    return np.stack([distance(run) for run in range(model.runs)])


def _optimizer(case: Case) -> train.SGD | train.Adam:
    if case.optimizer == "sgd":
        return train.SGD(case.lr, momentum=0.9, weight_decay=case.weight_decay)
    if case.optimizer == "adam":
        return train.Adam(case.lr, weight_decay=case.weight_decay)
    raise ValueError(f"optimizer must be 'sgd' or 'adam', got {case.optimizer!r}")


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(logits / 2)) / 2


ENTRIES = {
    "figure1": Entry(
        name="figure1",
        title="Two moons: input margin without and with spectral decoupling (Fig. 1 a-c)",
        chapter="01-clever-hans",
        settings={
            size: {
                "seeds": list(range(10)),
                "steps": dict.fromkeys(("overlap", "plain", "sd"), 1000),
            }
            for size in ("quick", "paper")
        },
        cases=trained_cases,
        run=_run,
        paper={},
        selection="none",
    ),
    "regularisers": Entry(
        name="regularisers",
        title="Two moons: what other regularisers do (appendix B)",
        chapter="01-clever-hans",
        settings={
            "quick": {
                "seeds": [0, 1],
                "steps": {"plain": 1000}
                | dict.fromkeys(_ATTEMPTS, 1000)
                | {"longer": 2000, "deeper": 120},
            },
            "paper": {
                "seeds": list(range(10)),
                "steps": {"plain": 1000} | dict.fromkeys(_ATTEMPTS, 10_000),
            },
        },
        cases=trained_cases,
        run=_run,
        paper={},
        selection="none",
    ),
}
