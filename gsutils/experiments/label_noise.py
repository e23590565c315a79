r"""Label noise: does a penalty on the logits keep a network from learning wrong labels?

Two kinds of digits, a share of the training labels flipped, a small ReLU network, and a grid of
two penalties on the mean logistic loss: spectral decoupling (Eq. 17 divided by n) and weight
decay (that of Eq. 5 divided by n, on all parameters). It answers the open question of a review of
the paper: can an overparameterised network satisfy SD and still overfit? All settings and seeds
of a noise level, or of a width, are trained in one program.

>>> from gsutils.data import mnist
>>> drawn = draw(mnist.embedded_digits(), noise=0.2, seeds=[0, 1], train_size=100)
>>> drawn.X.shape, drawn.y.shape, drawn.test_X.shape
((2, 100, 64), (2, 100), (2, 257, 64))
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsutils import evaluate, losses, train
from gsutils.data import mnist
from gsutils.nets import MLP
from gsutils.runs.untyped import Job, Outcome, chosen_size
from gsutils.runs.untyped import UntypedEntry as Entry
from gsutils.seeding import check_seeds, stream

CLASSES = (3, 8)  # the digits that are -1 and +1
SIDE = 7  # MNIST's images are averaged to so many pixels a side
Pair = tuple[float, float]  # (λ of SD, λ of weight decay), both as in sums over examples


@dataclass(frozen=True)
class Drawn:
    """Two classes of digits with wrong labels, one draw per seed.

    Attributes:
        X: training images as vectors, (seeds, n, d), float32 in [0, 1].
        y: their labels -1/+1, some of them wrong, (seeds, n).
        wrong: which ones, (seeds, n).
        test_X: images, (seeds, m, d).
        test_y: their labels, all right, (seeds, m).
        name: of the data, for titles.
    """

    X: np.ndarray
    y: np.ndarray
    wrong: np.ndarray
    test_X: np.ndarray
    test_y: np.ndarray
    name: str


def draw(
    source: mnist.Digits,
    noise: float,
    seeds: Iterable[int],
    train_size: int,
    test_size: int = 1000,
) -> Drawn:
    """Draw training and test images of two digits, and flip labels of the training images.

    Every seed splits the images anew. MNIST's images are averaged over blocks of 4×4 pixels.

    Args:
        source: MNIST or the embedded digits.
        noise: share of the training labels that are flipped; just so many, not on average.
        seeds: one draw each.
        train_size: training images; of a small source at most three fifths are used.
        test_size: test images, fewer where there are not so many.

    Raises:
        ValueError: a share or a size out of range.
    """
    if not 0 <= noise < 1:
        raise ValueError(f"noise must lie in [0, 1), got {noise}")
    if train_size < 2 or test_size < 1:
        raise ValueError(f"sizes must be >= 2 and >= 1, got {train_size} and {test_size}")
    chosen = source[np.isin(source.digits, CLASSES)]
    images, y = chosen.images.astype(np.float32) / 255, np.where(chosen.digits == CLASSES[1], 1, -1)
    if images.shape[1] % SIDE == 0:
        block = images.shape[1] // SIDE
        images = images.reshape(-1, SIDE, block, SIDE, block).mean((2, 4))
    n = min(train_size, len(chosen) * 3 // 5)
    rows = []
    for seed in check_seeds(seeds):
        order = stream(seed, "split").permutation(len(chosen))[: n + test_size]
        wrong = np.zeros(n, bool)
        wrong[stream(seed, "label noise").permutation(n)[: round(noise * n)]] = True
        X, labels = images[order].reshape(len(order), -1), y[order].astype(np.float32)
        rows.append((X[:n], labels[:n] * np.where(wrong, -1, 1), wrong, X[n:], labels[n:]))
    X, labels, wrong, test_X, test_y = (np.stack(part) for part in zip(*rows))
    side = "×".join(map(str, images.shape[1:]))
    name = f"{source.name}, {CLASSES[0]} against {CLASSES[1]}"
    name += f", {side} pixels" if len(source.images[0]) > SIDE + 1 else ""
    return Drawn(X, labels.astype(np.float32), wrong, test_X, test_y, name)


@dataclass(frozen=True)
class Trained:
    """Networks trained with every pair of penalties, once per seed.

    Attributes:
        pairs: (λ of SD, λ of weight decay).
        drawn: the data.
        model: the networks; run ``k * seeds + s`` has pair k and seed s.
        history: "training accuracy" (with the labels as given), "wrong labels fitted" and "test
            accuracy" (right labels), each (records, runs).
    """

    pairs: tuple[Pair, ...]
    drawn: Drawn
    model: MLP
    history: train.History

    def curve(self, metric: str) -> np.ndarray:
        """Return a metric along training, (records, pairs, seeds)."""
        return self.history[metric].reshape(-1, len(self.pairs), len(self.drawn.X))

    def last(self, metric: str) -> dict[Pair, np.ndarray]:
        """Return a metric after the last step, pair -> (seeds,)."""
        return dict(zip(self.pairs, self.curve(metric)[-1]))


def train_pairs(
    drawn: Drawn,
    seeds: Iterable[int],
    pairs: Sequence[Pair],
    width: int,
    steps: int,
    lr: float,
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
) -> Trained:
    """Train one hidden layer on the full batch with Adam, all pairs and seeds in one program.

    Args:
        drawn: see :func:`draw`.
        seeds: those of the draw; networks of one seed start alike.
        pairs: (λ of SD, λ of weight decay), each >= 0.
        width: hidden units.
        steps: updates.
        lr: learning rate.
        device: "auto", "cpu" or "cuda".
        checkpoint: see :func:`gsutils.train.minimise`.

    Raises:
        ValueError: an argument out of range.
    """
    where = train.resolve_device(device)
    n, d = drawn.X.shape[1:]
    start = MLP((d, width, 1), seeds)
    model = copies(start, len(pairs)).to(where)

    def runs(values: np.ndarray) -> Tensor:
        return _repeated(torch.from_numpy(values), len(pairs)).to(where)

    X, y, wrong, test_X, test_y = map(
        runs, (drawn.X, drawn.y, drawn.wrong, drawn.test_X, drawn.test_y)
    )
    each = torch.tensor(pairs, dtype=torch.float32, device=where)
    lam, decay = each.repeat_interleave(start.runs, 0).T

    def loss(logits: Tensor, step: int) -> Tensor:
        return losses.logistic(logits, y) + losses.spectral_decoupling(logits, y, lam)

    def measure(net: torch.nn.Module) -> dict[str, Tensor]:
        fitted = net(X) * y > 0
        flipped = wrong.sum(-1).clamp(min=1)
        return {
            "training accuracy": fitted.float().mean(-1),
            "wrong labels fitted": (fitted & wrong).sum(-1) / flipped,
            "test accuracy": evaluate.accuracy(net(test_X), test_y),
        }

    history = train.fit(
        model,
        loss,
        X,
        steps=steps,
        optimizer=train.Adam(lr, weight_decay=decay / n),
        measure=measure,
        record_at=np.unique(np.geomspace(5, steps, 16).astype(int)).tolist(),
        checkpoint=checkpoint,
        title=f"{len(pairs)} pairs of penalties, width {width}",
    )
    return Trained(tuple(pairs), drawn, model, history)


def copies(net: MLP, times: int) -> MLP:
    """Return a network that holds all runs of ``net``, then all of them again, ``times`` times."""
    many = MLP(net.widths, range(net.runs * times))
    state = net.state_dict()
    many.load_state_dict(
        {k: v * times if isinstance(v, list) else _repeated(v, times) for k, v in state.items()}
    )
    return many


def _repeated(values: Tensor, times: int) -> Tensor:
    return values.repeat(times, *[1] * (values.ndim - 1))


def train_entry(
    entry: str,
    size: str | None = None,
    seeds: Iterable[int] | None = None,
    device: str = "auto",
    source: mnist.Digits | None = None,
) -> dict[float, Trained]:
    """Train an entry, "label-noise" or "label-noise-width", in one of its two sizes.

    Returns:
        noise level, or width -> the networks.
    """
    if entry not in ENTRIES:
        raise ValueError(f"entry must be in {tuple(ENTRIES)}, got {entry!r}")
    settings = ENTRIES[entry].settings[chosen_size(size)]
    chosen = check_seeds(settings["seeds"] if seeds is None else seeds)
    source = mnist.digits() if source is None else source
    return {
        value: _train({**settings, key: value}, chosen, source, device)
        for key, value in _swept(settings)
    }


def _swept(settings: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return what varies from case to case: the noise or the width, whichever is a list."""
    (key,) = [key for key in ("noise", "width") if isinstance(settings[key], list)]
    return [(key, value) for value in settings[key]]


def _train(
    settings: Mapping[str, Any],
    seeds: Iterable[int],
    source: mnist.Digits,
    device: str | torch.device,
    checkpoint: Path | None = None,
) -> Trained:
    seeds = tuple(seeds)
    drawn = draw(source, settings["noise"], seeds, settings["train_size"], settings["test_size"])
    pairs = [(float(lam), float(decay)) for lam, decay in settings["pairs"]]
    chosen = {name: settings[name] for name in ("width", "steps", "lr")}
    return train_pairs(drawn, seeds, pairs, **chosen, device=device, checkpoint=checkpoint)


def _cases(settings: Mapping[str, Any]) -> list[str]:
    return [f"{key} {value:g}" for key, value in _swept(settings)]


def _run(job: Job) -> Outcome:
    key, value = dict(zip(_cases(job.settings), _swept(job.settings)))[job.case]
    source, settings = mnist.digits(), {**job.settings, key: value}
    trained = _train(settings, job.seeds, source, job.device, job.file("grid.pt"))
    metrics = {
        name(job.case, pair): {
            metric: trained.last(metric)[pair].tolist()
            for metric in ("training accuracy", "wrong labels fitted", "test accuracy")
        }
        | {"best test accuracy on the way": trained.curve("test accuracy")[:, k].max(0).tolist()}
        for k, pair in enumerate(trained.pairs)
    }
    hashes = {"images": hashlib.sha256(source.images.tobytes()).hexdigest()}
    return Outcome(metrics, {"name": trained.drawn.name} | hashes)


def name(case: str, pair: Pair) -> str:
    """Return what a record calls a pair of penalties: "noise 0.2, SD 1, weight decay 3"."""
    return f"{case}, SD {pair[0]:g}, weight decay {pair[1]:g}"


def _grid(lams: Iterable[float], decays: Sequence[float]) -> list[list[float]]:
    return [[lam, decay] for lam in lams for decay in decays]


_NOISE: dict[str, dict[str, Any]] = {
    "quick": {
        "noise": [0.0, 0.2, 0.4],
        "pairs": _grid((0, 0.1, 1, 10), (0, 1, 3, 10)),
        "train_size": 300,
        "test_size": 1000,
        "width": 64,
        "steps": 400,
        "lr": 0.01,
        "seeds": [0, 1, 2],
    },
    "paper": {
        "noise": [0.0, 0.2, 0.4],
        "pairs": _grid((0, 0.1, 1, 10), (0, 3, 10, 30)),
        "train_size": 800,
        "test_size": 2000,
        "width": 128,
        "steps": 800,
        "lr": 0.01,
        "seeds": [0, 1, 2, 3, 4],
    },
}
_WIDTH = {
    "quick": _NOISE["quick"]
    | {
        "noise": 0.2,
        "width": [3, 4, 6, 8, 16, 32, 64, 128],
        "pairs": [[0, 0], [1, 0], [0, 3]],
    },
    "paper": _NOISE["paper"]
    | {
        "noise": 0.2,
        "train_size": 500,
        "width": [3, 4, 6, 8, 12, 16, 32, 64, 128, 256, 512],
        "pairs": [[0, 0], [0.1, 0], [1, 0], [0, 5], [1, 5]],
        "steps": 1500,
    },
}
ENTRIES = {
    entry: Entry(
        name=entry,
        title=f"Label noise under weight decay and SD, over {over}",
        chapter="10-what-sd-does-not-do",
        settings=settings,
        cases=_cases,
        run=_run,
        paper={},
        selection="oracle-test",
    )
    for entry, over, settings in (
        ("label-noise", "both coefficients and the noise", _NOISE),
        ("label-noise-width", "width", _WIDTH),
    )
}
