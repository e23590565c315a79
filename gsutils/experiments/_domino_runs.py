"""Dominoes: what a case is, what its runs are given, how one trains: see chapter 8's entry.

>>> Case(first_epochs=2, upweight=20.0).title
'JTT'
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gsutils import methods
from gsutils import train as training
from gsutils.data import dominoes, mnist
from gsutils.data.dominoes import Dominoes
from gsutils.evaluate import Split, group_accuracies
from gsutils.experiments._last_layer import refitted
from gsutils.nets import ConvNet
from gsutils.train.image_batches import Order

SPLITS = ("train", "retraining", "validation", "test")
DFR, UNTRAINED, PIXELS = "DFR", "DFR, untrained network", "DFR, pixels"


@dataclass(frozen=True)
class Case:
    """How one network is trained; the defaults are those of cats and dogs.

    Attributes:
        method: what is minimised.
        hard: the lower half, of :data:`gsutils.data.dominoes.HARD`.
        agreement: share of the training dominoes whose halves agree; elsewhere it is one half.
        sizes: how many dominoes there are of each of :data:`SPLITS`.
        by_group: draw each example's group first, all groups with the same probability.
        first_epochs: of the first of JTT's two trainings, by ERM; 0 for a single training.
        upweight: how much more an example weighs that the first training gets wrong.
        widths: see :class:`gsutils.nets.ConvNet`.
        epochs: passes over the training dominoes.
        batch: dominoes a step.
        lr: Adam's learning rate.
        weight_decay: as in ``torch.optim.Adam``.
        strengths: C of DFR's logistic regression, of which the validation split chooses one.
        controls: whether DFR is done with an untrained network and with pixels, too.
        precision: see :func:`gsutils.train.precision`.
    """

    method: methods.ERM = methods.ERM()
    hard: str = "cats and dogs"
    agreement: float = 0.95
    sizes: tuple[int, int, int, int] = (8000, 1000, 1000, 2000)
    by_group: bool = False
    first_epochs: int = 0
    upweight: float = 1.0
    widths: tuple[int, ...] = (16, 32, 64)
    epochs: int = 8
    batch: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.0
    strengths: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 0.1, 1.0)
    controls: bool = False
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Refuse a JTT that is none, and methods that know no weights."""
        if self.first_epochs < 0 or not self.upweight > 0:
            raise ValueError(
                "first_epochs must be >= 0 and upweight > 0, got "
                f"{self.first_epochs} and {self.upweight}"
            )
        if self.upweight != 1 and not self.first_epochs:
            raise ValueError("upweight weighs what a first training gets wrong: set first_epochs")
        if self.first_epochs and type(self.method) not in methods.WEIGHTED:
            raise ValueError(f"JTT weighs examples, which {self.method.title} does not; use erm")

    @property
    def title(self) -> str:
        """What tables and figures call the method."""
        if self.agreement == 0.5:
            return "ERM, easy half of no use"
        return "JTT" if self.first_epochs else self.method.title


@dataclass(frozen=True)
class Prepared:
    """What a run is given.

    Attributes:
        case: how it is trained.
        halves: what the dominoes are dealt from.
        parts: the dominoes of each of :data:`SPLITS`.
        seed: of dominoes, weights and order.
    """

    case: Case
    halves: dominoes.Pools
    parts: dict[str, Dominoes]
    seed: int


@dataclass(frozen=True)
class Run:
    """A run: what it was given, the trained network, and the logits on its way.

    Attributes:
        given: see :class:`Prepared`.
        net: the trained network.
        history: the logits of "validation" and "test" after each epoch, (epochs + 1, n).
        weight: of the training dominoes in JTT's second training, (n,), of mean 1; None elsewhere.
    """

    given: Prepared
    net: ConvNet
    history: training.History
    weight: np.ndarray | None = None

    def groups(self, split: str = "test", epoch: int = -1) -> np.ndarray:
        """Return the accuracy within each group after an epoch, (4,); -1 is the last one."""
        return group_accuracies(self.history[split][epoch], _split(self.given.parts[split]))

    def best_epoch(self) -> int:
        """Return the epoch with the highest worst-group accuracy on the validation split."""
        worst = [self.groups("validation", e).min() for e in range(len(self.history.steps))]
        return int(np.argmax(worst))

    def refitted(self, kind: str = DFR) -> np.ndarray:
        """Return the accuracy within each group of the test after DFR, (4,).

        Args:
            kind: what the last layer reads: the features of the trained network (:data:`DFR`),
                those of a network that was not trained (:data:`UNTRAINED`), or :data:`PIXELS`.

        Raises:
            ValueError: an unknown kind.
        """
        if kind not in (DFR, UNTRAINED, PIXELS):
            raise ValueError(f"kind must be in {(DFR, UNTRAINED, PIXELS)}, got {kind!r}")
        parts = {name: self.given.parts[name] for name in SPLITS[1:]}
        if kind == PIXELS:
            seen = {
                name: part.images.reshape(len(part.y), -1) / 255 for name, part in parts.items()
            }
        else:
            net = self.net if kind == DFR else untrained(self.given, _device(self.net))
            seen = {name: _all(net, net.features, part) for name, part in parts.items()}
        splits = {name: _split(part) for name, part in parts.items()}
        return refitted(seen, splits, self.given.case.strengths)


def prepare(case: Case, seed: int, source: mnist.Digits | None = None) -> Prepared:
    """Return what a run is given.

    Args:
        case: how it is trained.
        seed: of the dominoes.
        source: the digits, see :func:`gsutils.data.dominoes.pools`.

    Raises:
        fetch.DataUnavailable: see :func:`gsutils.data.dominoes.pools`.
        ValueError: a number out of range.
    """
    halves = dominoes.pools(case.hard, source)
    parts = dominoes.deal(halves, case.sizes, (case.agreement, 0.5, 0.5, 0.5), seed)
    return Prepared(case, halves, dict(zip(SPLITS, parts)), seed)


def upweighted(net: ConvNet, data: Dominoes, upweight: float) -> np.ndarray:
    """Return JTT's weights of the training dominoes, (n,), of mean 1.

    Args:
        net: the network of the first training.
        data: the training dominoes.
        upweight: the weight of those that it gets wrong, where the others have 1.

    Source: Liu et al. 2021, "Just Train Twice".
    """
    wrong = _all(net, net, data) * data.y <= 0
    weight = np.where(wrong, upweight, 1.0)
    return weight / weight.mean()


def untrained(given: Prepared, device: torch.device) -> ConvNet:
    """Return a run's network with its first weights; its normalisation has seen an epoch."""
    case = replace(given.case, method=methods.ERM(), lr=0.0, epochs=1)
    return fit(replace(given, case=case), device)[0]


def fit(
    given: Prepared,
    device: torch.device,
    checkpoint: Path | None = None,
    weight: np.ndarray | None = None,
) -> tuple[ConvNet, training.History]:
    """Train a network, on examples of these weights, (n,), of mean 1."""
    case, data = given.case, given.parts["train"]
    X, y, group = (torch.from_numpy(a).to(device) for a in (data.images, data.y, data.group))
    weights = torch.from_numpy(np.ones(len(y)) if weight is None else weight).to(y)
    net = ConvNet(case.widths, training.pixels(X[:5000]), seed=given.seed).to(device)
    order = Order(group.cpu(), case.batch, given.seed, case.by_group)
    state = case.method.start(y, groups=4)
    reduced = training.precision(device, case.precision) == "bfloat16"

    def value(step: int) -> Tensor:
        chosen = order(step).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
            logits = net(training.pixels(X[chosen]))
        weighted = weights[chosen] / len(chosen)
        # Weights of mean 1 over the training set need not sum to 1 in a batch.
        batch = methods.Batch(y[chosen], group[chosen], chosen, weighted, checked=True)
        loss = case.method.loss(logits.float(), batch, step, state)
        return methods.objective(case.method, net, loss, step)

    steps = case.epochs * len(order)
    history = training.minimise(
        net,
        value,
        steps=steps,
        optimizer=training.Adam(net.parameters(), case.lr, case.weight_decay),
        measure=lambda _: {
            name: torch.from_numpy(_all(net, net, given.parts[name])) for name in SPLITS[2:]
        },
        record_at=range(0, steps + 1, len(order)),
        state=state,
        checkpoint=checkpoint,
        title=f"{case.title} on dominoes",
    )
    return net, history


def _all(net: ConvNet, read: Callable[[Tensor], Tensor], data: Dominoes) -> np.ndarray:
    """Return what a network, or its features, gives for dominoes: (n, ...), float64."""
    images = torch.from_numpy(data.images)
    with torch.no_grad():
        found = [read(training.pixels(part.to(_device(net)))) for part in images.split(100)]
    return torch.cat(found).double().cpu().numpy()


def _device(net: ConvNet) -> torch.device:
    return next(net.parameters()).device


def _split(data: Dominoes) -> Split:
    return Split(data.y.astype(float), data.group)
