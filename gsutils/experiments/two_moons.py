r"""Two moons: Figure 1 (a-c) and the regularisers of appendix B.

The network is 2-500-1 with ReLU and PyTorch's own initialisation, trained by full-batch
gradient descent with momentum 0.9 and learning rate 0.01 on the mean logistic loss, on 300
points; run ``s`` draws its data and its weights from seed ``s`` (sections 2 and 4.1).
The published sizes are those of the authors' ``moon_fig_2.py`` and ``moon_fig_3.py``: 10,000 steps,
in Figure 1 with weight decay 2e-4 in all three cases; "train longer" is 100,000.

>>> trained = train(replace(CASES["sd"], steps=20), seeds=[0])
>>> trained.distances.shape
(1, 300)
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from gsutils import evaluate, methods
from gsutils import train as training
from gsutils.data import moons
from gsutils.nets import MLP
from gsutils.runs.entry import Entry, Rows
from gsutils.runs.paper import Origin, Source
from gsutils.seeding import check_seeds, stream


@dataclass(frozen=True)
class Case:
    """One way to train on one arrangement of the data; the defaults are plain cross-entropy.

    Attributes:
        title: for tables and figures.
        steps: updates.
        delta: the gap Δ; negative values make the classes overlap.
        lam: coefficient of spectral decoupling, the λ of Eq. 17.
        weight_decay: PyTorch's, that is λ/n of Eq. 5.
        optimizer: "sgd" (momentum 0.9) or "adam".
        lr: learning rate.
        rotation: of the data, degrees.
        dropout: share of hidden units dropped.
        batch_norm: whether hidden layers are normalised.
        hidden: hidden widths.
        n: training points.
    """

    title: str
    steps: int = 1000
    delta: float = 0.1
    lam: float = 0.0
    weight_decay: float = 0.0
    optimizer: str = "sgd"
    lr: float = 1e-2
    rotation: float = 0.0
    dropout: float = 0.0
    batch_norm: bool = False
    hidden: tuple[int, ...] = (500,)
    n: int = 300

    @property
    def method(self) -> methods.ERM:
        """What is minimised: cross-entropy alone, or with SD's penalty."""
        return methods.SD(lam=self.lam) if self.lam else methods.ERM()


# λ = 0.006 is the authors' 0.003·mean(ŷ²); see the conventions in gsutils.losses.
LAM = 0.006
WEIGHT_DECAY = 2e-4  # of Figure 1, PyTorch's: λ = 0.06 in Eq. 5
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
    "deeper": Case("4 hidden layers of 500", hidden=(500,) * 4),
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
    history: training.History

    @property
    def margins(self) -> np.ndarray:
        """The input margin of each run, (runs,): its smallest signed distance."""
        return self.distances.min(1)

    @property
    def data(self) -> dict[str, str]:
        """What a record calls the data."""
        return {"name": "two moons (generated)"}

    def metrics(self) -> Rows:
        """Return the distances to the boundary in three ways, accuracy and loss at the end."""
        found = {
            "input margin": self.margins,
            "mean distance": self.distances.mean(1),
            "median distance": np.median(self.distances, 1),
            "training accuracy": self.history["accuracy"][-1],
            "training loss": self.history["loss"][-1],
        }
        return {"": {name: values.tolist() for name, values in found.items()}}

    def curves(self) -> Rows:
        """Return nothing: the figure shows the end."""
        return {}

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


def prepare(case: Case, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a run's training points (n, 2) and labels (n,)."""
    return moons.two_moons(seed, case.delta, n=case.n, rotation=case.rotation)


def train(
    case: Case,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
    record_at: Iterable[int] | None = None,
) -> Trained:
    """Train a case once per seed and measure the distance of each point to the boundary.

    Args:
        case: what to train, one of :data:`CASES` or a variation of one.
        seeds: one run each.
        device: "auto", "cpu" or "cuda".
        checkpoint: see :func:`gsutils.train.minimise`.
        record_at: steps at which to record; default: ten, evenly spaced.

    Raises:
        ValueError: an argument out of range.
    """
    seeds, where = check_seeds(seeds), training.resolve_device(device)
    X, y = (np.stack(parts) for parts in zip(*(prepare(case, seed) for seed in seeds)))
    inputs = torch.from_numpy(X).float().to(where)
    labels = torch.from_numpy(y).float().to(where)
    model = MLP((2, *case.hidden, 1), seeds, batch_norm=case.batch_norm, dropout=case.dropout)
    model.to(where)

    def measure(net: torch.nn.Module) -> dict[str, torch.Tensor]:
        logits = net(inputs)
        return {"accuracy": evaluate.accuracy(logits, labels), "logits": logits}

    every = max(1, case.steps // 10)
    history = training.fit(
        model,
        case.method,
        inputs,
        batch=methods.Batch(labels),
        steps=case.steps,
        optimizer=_optimizer(case, model),
        measure=measure,
        record_at=range(0, case.steps, every) if record_at is None else record_at,
        checkpoint=checkpoint,
        title=case.title,
    )
    return Trained(case, model, X, y, _distances(model, X, y), history)


def exchange_vertical(X: np.ndarray, y: np.ndarray, seed: int = 0) -> np.ndarray:
    """Give each point the vertical coordinate of a random point of the other class.

    The horizontal coordinate, and with it the easy feature, stays: X (n, 2) -> (n, 2).
    """
    rng, changed = stream(seed, "exchange"), X.copy()
    for label in (-1, 1):
        changed[y == label, 1] = rng.choice(X[y == -label, 1], int((y == label).sum()))
    return changed


def _distances(model: MLP, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    def distance(run: int) -> np.ndarray:
        alone = model.single(run)
        return evaluate.boundary_distance(
            lambda points: evaluate.predict(alone, points)[0], X[run], y[run]
        )

    return np.stack([distance(run) for run in range(model.runs)])


def _optimizer(case: Case, model: MLP) -> torch.optim.Optimizer:
    if case.optimizer == "sgd":
        return training.SGD(model.parameters(), case.lr, 0.9, case.weight_decay)
    if case.optimizer == "adam":
        return training.Adam(model.parameters(), case.lr, case.weight_decay)
    raise ValueError(f"optimizer must be 'sgd' or 'adam', got {case.optimizer!r}")


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(logits / 2)) / 2


def _cases(names: Iterable[str], **steps: int) -> dict[str, Case]:
    """Return cases by name, "longer" and "deeper" among them with steps of their own."""
    usual = steps.pop("usual")
    return {n: replace(CASES[n], steps=steps.get(n, usual)) for n in names}


_FIGURE1 = ("overlap", "plain", "sd")
_ALL = ("plain", *_ATTEMPTS)
ENTRIES = {
    "figure1": Entry(
        name="figure1",
        title="Two moons: input margin without and with spectral decoupling (Fig. 1 a-c)",
        chapter="01-clever-hans",
        cases={
            "quick": _cases(_FIGURE1, usual=1000),
            "paper": {
                name: replace(case, weight_decay=WEIGHT_DECAY)
                for name, case in _cases(_FIGURE1, usual=10_000).items()
            },
        },
        seeds=dict.fromkeys(("quick", "paper"), range(10)),
        run=train,
        paper={},
        selection="none",
        sources=dict.fromkeys(_FIGURE1, Source(Origin.AUTHORS, "moon_fig_2.py")),
    ),
    "regularisers": Entry(
        name="regularisers",
        title="Two moons: what other regularisers do (appendix B)",
        chapter="01-clever-hans",
        cases={
            "quick": _cases(_ALL, usual=1000, longer=2000, deeper=120),
            "paper": _cases(_ALL, usual=10_000, longer=100_000),
        },
        seeds={"quick": range(2), "paper": range(10)},
        run=train,
        paper={},
        selection="none",
        sources=dict.fromkeys(_ALL, Source(Origin.AUTHORS, "moon_fig_3.py")),
    ),
}
