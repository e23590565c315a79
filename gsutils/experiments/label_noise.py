r"""Label noise: does a penalty on the logits keep a network from learning wrong labels?

Two kinds of digits, a share of the training labels flipped, a small ReLU network, and a grid of
two penalties on the mean logistic loss: spectral decoupling (Eq. 17 divided by n) and weight
decay (that of Eq. 5 divided by n, on all parameters). It answers the open question of a review of
the paper: can an overparameterised network satisfy SD and still overfit? All pairs and seeds of a
noise level, or of a width, are trained in one program.

>>> drawn = prepare(Case(noise=0.2, train_size=100), seed=0, source=mnist.embedded_digits())
>>> drawn.X.shape, int(drawn.wrong.sum()), drawn.test_X.shape
((100, 49), 20, (1000, 49))
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gsutils import evaluate, guards, methods
from gsutils import train as training
from gsutils.data import mnist
from gsutils.nets import MLP
from gsutils.runs.entry import Entry, Rows
from gsutils.seeding import check_seeds, stream

Pair = tuple[float, float]  # (λ of SD, λ of weight decay), both as in sums over examples


def _grid(lams: Iterable[float], decays: Iterable[float]) -> tuple[Pair, ...]:
    decays = tuple(decays)
    return tuple((float(lam), float(decay)) for lam in lams for decay in decays)


@dataclass(frozen=True)
class Case:
    """One noise level and one width, with every pair of penalties.

    Attributes:
        noise: share of the training labels that are flipped; just so many, not on average.
        pairs: (λ of SD, λ of weight decay), each >= 0.
        train_size: training images; of few at most three fifths are used.
        test_size: test images, fewer where there are not so many.
        width: hidden units.
        steps: updates.
        lr: learning rate of Adam.
        classes: the digits that are -1 and +1.
        side: images are averaged to so many pixels a side where blocks of pixels allow it.
        records: how often at most to measure, denser at the beginning.
    """

    noise: float = 0.2
    pairs: tuple[Pair, ...] = _grid((0, 0.1, 1, 10), (0, 1, 3, 10))
    train_size: int = 300
    test_size: int = 1000
    width: int = 64
    steps: int = 400
    lr: float = 0.01
    classes: tuple[int, int] = (3, 8)
    side: int = 7
    records: int = 16


@dataclass(frozen=True)
class Drawn:
    """Two classes of digits with wrong labels.

    Attributes:
        X: training images as vectors, (n, d), float32 in [0, 1].
        y: their labels -1/+1, some of them wrong, (n,).
        wrong: which ones, (n,).
        test_X: images, (m, d).
        test_y: their labels, all right, (m,).
        name: of the data, for titles.
    """

    X: np.ndarray
    y: np.ndarray
    wrong: np.ndarray
    test_X: np.ndarray
    test_y: np.ndarray
    name: str


@dataclass(frozen=True)
class Trained:
    """Networks trained with every pair of penalties, once per seed.

    Attributes:
        case: what was trained.
        drawn: the data of each seed.
        model: the networks; run ``k * seeds + s`` has pair k and seed s.
        history: "training accuracy" (with the labels as given), "wrong labels fitted" and "test
            accuracy" (right labels), each (records, runs).
        data: what a record calls the data, and a hash of the images.
    """

    case: Case
    drawn: tuple[Drawn, ...]
    model: MLP
    history: training.History
    data: Mapping[str, str]

    def curve(self, metric: str) -> np.ndarray:
        """Return a metric along training, (records, pairs, seeds)."""
        return self.history[metric].reshape(-1, len(self.case.pairs), len(self.drawn))

    def last(self, metric: str) -> dict[Pair, np.ndarray]:
        """Return a metric after the last step, pair -> (seeds,)."""
        return dict(zip(self.case.pairs, self.curve(metric)[-1]))

    def metrics(self) -> Rows:
        """Return for each pair what came of it, and the best test accuracy on the way."""
        found = {
            metric: self.curve(metric)[-1]
            for metric in ("training accuracy", "wrong labels fitted", "test accuracy")
        }
        found["best test accuracy on the way"] = self.curve("test accuracy").max(0)
        return {
            part(pair): {metric: values[k].tolist() for metric, values in found.items()}
            for k, pair in enumerate(self.case.pairs)
        }

    def curves(self) -> Rows:
        """Return nothing: the figures show the end."""
        return {}


def part(pair: Pair) -> str:
    """Return what a record calls a pair of penalties: "SD 1, weight decay 3"."""
    return f"SD {pair[0]:g}, weight decay {pair[1]:g}"


def prepare(case: Case, seed: int, source: mnist.Digits | None = None) -> Drawn:
    """Draw training and test images of two digits, and flip labels of the training images.

    Every seed splits the images anew.

    Args:
        case: says which and how many.
        seed: of the split and of the wrong labels.
        source: the digits; default :func:`gsutils.data.mnist.digits`, five times as many as wanted
            of the two classes.

    Raises:
        ValueError: a share or a size out of range.
    """
    if not 0 <= case.noise < 1:
        raise ValueError(f"noise must lie in [0, 1), got {case.noise}")
    if case.train_size < 2 or case.test_size < 1:
        raise ValueError(f"sizes must be >= 2 and >= 1, got {case.train_size} and {case.test_size}")
    source = source or _source(case)
    chosen = source[np.isin(source.digits, case.classes)]
    n = min(case.train_size, len(chosen) * 3 // 5)
    chosen = chosen[stream(seed, "split").permutation(len(chosen))[: n + case.test_size]]
    images = chosen.images.astype(np.float32) / 255
    block = images.shape[1] // guards.count("side", case.side)
    pooled = images.shape[1] == block * case.side
    if pooled:
        images = images.reshape(-1, case.side, block, case.side, block).mean((2, 4))
    made_of = source.name.split(", ")[0] if pooled else source.name  # without a former size
    side = f", {case.side}×{case.side} pixels" if pooled else ""
    X, y = images.reshape(len(images), -1), np.where(chosen.digits == case.classes[1], 1, -1)
    wrong = np.zeros(n, bool)
    wrong[stream(seed, "label noise").permutation(n)[: round(case.noise * n)]] = True
    labels = np.where(wrong, -y[:n], y[:n]).astype(np.float32)
    name = f"{made_of}, {case.classes[0]} against {case.classes[1]}{side}"
    return Drawn(X[:n], labels, wrong, X[n:], y[n:].astype(np.float32), name)


def _source(case: Case) -> mnist.Digits:
    return mnist.digits(5 * (case.train_size + case.test_size))


def train(
    case: Case,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
    source: mnist.Digits | None = None,
) -> Trained:
    """Train one hidden layer on the full batch with Adam, all pairs and seeds in one program.

    Args:
        case: what to train.
        seeds: each draws images, wrong labels and weights; its networks start alike.
        device: "auto", "cpu" or "cuda".
        checkpoint: see :func:`gsutils.train.minimise`.
        source: see :func:`prepare`.

    Raises:
        ValueError: an argument out of range.
    """
    seeds, where = check_seeds(seeds), training.resolve_device(device)
    source = source or _source(case)
    drawn = tuple(prepare(case, seed, source) for seed in seeds)

    def runs(name: str) -> Tensor:
        values = torch.from_numpy(np.stack([getattr(one, name) for one in drawn]))
        return values.repeat(len(case.pairs), *[1] * (values.ndim - 1)).to(where)

    X, y, wrong, test_X, test_y = map(runs, ("X", "y", "wrong", "test_X", "test_y"))
    model = MLP((X.shape[-1], case.width, 1), seeds).copies(len(case.pairs)).to(where)
    pairs = torch.tensor(case.pairs, dtype=torch.float32, device=where)
    lam, decay = pairs.repeat_interleave(len(seeds), 0).T

    def measure(net: torch.nn.Module) -> dict[str, Tensor]:
        fitted = net(X) * y > 0
        flipped = wrong.sum(-1).clamp(min=1)
        return {
            "training accuracy": fitted.float().mean(-1),
            "wrong labels fitted": (fitted & wrong).sum(-1) / flipped,
            "test accuracy": evaluate.accuracy(net(test_X), test_y),
        }

    first = min(5, case.steps)
    history = training.fit(
        model,
        methods.SD(lam=lam),
        X,
        batch=methods.Batch(y),
        steps=case.steps,
        optimizer=training.Adam(model.parameters(), case.lr, decay / X.shape[1]),
        measure=measure,
        record_at=np.unique(np.geomspace(first, case.steps, case.records).astype(int)).tolist(),
        checkpoint=checkpoint,
        title=f"{len(case.pairs)} pairs of penalties, width {case.width}",
    )
    return Trained(case, drawn, model, history, source.record | {"name": drawn[0].name})


_QUICK = Case()
_PAPER = Case(
    pairs=_grid((0, 0.1, 1, 10), (0, 3, 10, 30)),
    train_size=800,
    test_size=2000,
    width=128,
    steps=800,
)
_QUICK_WIDTH = replace(_QUICK, pairs=((0.0, 0.0), (1.0, 0.0), (0.0, 3.0)))
_PAPER_WIDTH = replace(
    _PAPER,
    pairs=((0.0, 0.0), (0.1, 0.0), (1.0, 0.0), (0.0, 5.0), (1.0, 5.0)),
    train_size=500,
    steps=1500,
)


def _noises(case: Case) -> dict[str, Case]:
    return {f"noise {noise:g}": replace(case, noise=noise) for noise in (0.0, 0.2, 0.4)}


def _widths(case: Case, widths: Iterable[int]) -> dict[str, Case]:
    return {f"width {width}": replace(case, width=width) for width in widths}


ENTRIES = {
    name: Entry(
        name=name,
        title=f"Label noise under weight decay and SD, over {over}",
        chapter="10-what-sd-does-not-do",
        cases={"quick": quick, "paper": paper},
        seeds={"quick": range(3), "paper": range(5)},
        run=train,
        paper={},
        selection="oracle-test",
    )
    for name, over, quick, paper in (
        (
            "label-noise",
            "both coefficients and the noise",
            _noises(_QUICK),
            _noises(_PAPER),
        ),
        (
            "label-noise-width",
            "width",
            _widths(_QUICK_WIDTH, (3, 4, 6, 8, 16, 32, 64, 128)),
            _widths(_PAPER_WIDTH, (3, 4, 6, 8, 12, 16, 32, 64, 128, 256, 512)),
        ),
    )
}
