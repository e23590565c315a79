"""Colored MNIST: what a case is, what its runs are given, and what is measured on it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gsutils import evaluate, methods
from gsutils import train as training
from gsutils.data import mnist


@dataclass(frozen=True)
class Case:
    """How one network is trained; the defaults are the published ones of ERM.

    Attributes:
        method: what is minimised.
        gray: whether the network sees the digits' ink alone, in one channel: the oracle.
        steps: updates.
        lr: Adam's learning rate.
        hidden: hidden widths.
        reset: whether Adam forgets its moments at the method's switch.
        train_size: training images, both environments together; None for all.
        test_size: test images; None for all.
        precision: see :func:`gsutils.train.precision`.
    """

    method: methods.ERM = methods.ERM()
    gray: bool = False
    steps: int = 1001
    lr: float = 1e-4
    hidden: tuple[int, ...] = (300, 300)
    reset: bool = False
    train_size: int | None = None
    test_size: int | None = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Refuse a reset without a switch."""
        if self.reset and not self.switch:
            raise ValueError("reset needs a method with a switch > 0, such as sd")

    @property
    def title(self) -> str:
        """What tables and figures call the method."""
        return "Oracle (grayscale)" if self.gray else self.method.title

    @property
    def switch(self) -> int | None:
        """The step at which the method's schedule changes; None for never."""
        return getattr(self.method, "switch", None)


def seen(case: Case, environment: mnist.Environment) -> np.ndarray:
    """Return images as a case's network sees them, (n, d): d is h·w without colour, else 2·h·w."""
    return environment.ink if case.gray else environment.flat


@dataclass(frozen=True)
class Prepared:
    """What a run is given; images as vectors (n, d), as its network sees them.

    Attributes:
        drawn: the environments.
        X: the training images of both environments, those of one colour together, so that a
            chunk of them has half its inputs zero.
        y: their labels, (n,).
        group: their environments, 0 or 1, (n,).
        held_out: "validation" and "test" -> images and labels.
        painted: the test images, all in the colour -1, and all in the colour +1.
    """

    drawn: mnist.ColoredMNIST
    X: np.ndarray
    y: np.ndarray
    group: np.ndarray
    held_out: dict[str, tuple[np.ndarray, np.ndarray]]
    painted: tuple[np.ndarray, np.ndarray]


def prepare(case: Case, seed: int, source: mnist.Digits | None = None) -> Prepared:
    """Return what a run is given.

    Args:
        case: how it is trained.
        seed: of the colours and the label noise.
        source: the digits; default :func:`gsutils.data.mnist.digits`.
    """
    source = source or mnist.digits(case.train_size, case.test_size)
    drawn = mnist.colored_mnist(source, seed, case.train_size, case.test_size)

    both = mnist.joined(drawn.train)
    order = np.argsort(both.colour, kind="stable")
    group = np.repeat([0, 1], [len(e.y) for e in drawn.train])
    minus, plus = (seen(case, mnist.repaint(drawn.test, colour)) for colour in (-1, 1))
    return Prepared(
        drawn=drawn,
        X=seen(case, both)[order],
        y=both.y[order],
        group=group[order],
        held_out={
            "validation": (seen(case, drawn.validation), drawn.validation.y),
            "test": (seen(case, drawn.test), drawn.test.y),
        },
        painted=(minus, plus),
    )


class Task:
    """The data of all runs as tensors on the device, and what is measured on them."""

    def __init__(self, runs: Iterable[Prepared], where: torch.device) -> None:
        runs = list(runs)

        def tensor(arrays: Iterable[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.stack(list(arrays))).to(where)

        self.X = tensor(run.X for run in runs)  # (runs, n, d)
        self.batch = methods.Batch(tensor(r.y for r in runs), tensor(r.group for r in runs))
        self.inputs = training.chunks(self.X) if where.type == "cpu" else self.X
        self.held_out = {
            name: (
                tensor(r.held_out[name][0] for r in runs),
                tensor(r.held_out[name][1] for r in runs),
            )
            for name in runs[0].held_out
        }
        self.repainted = [tensor(run.painted[colour] for run in runs) for colour in (0, 1)]

    def measure(self, net: nn.Module) -> dict[str, Tensor]:
        """Return what a history holds beside the loss, each (runs,)."""
        if isinstance(self.inputs, Tensor):
            logits = net(self.inputs)
        else:
            logits = torch.cat([net(chunk.X, chunk.columns) for chunk in self.inputs], -1)
        y = self.batch.y
        first, second = methods.group_means(
            (torch.sign(y * logits) + 1) / 2, self.batch.group
        ).unbind(-1)
        minus, plus = (net(painted) for painted in self.repainted)
        return {
            "train": evaluate.accuracy(logits, y),
            "train 1": first,
            "train 2": second,
            **{
                name: evaluate.accuracy(net(X), labels)
                for name, (X, labels) in self.held_out.items()
            },
            "colour vote": (plus.sign() - minus.sign()).mean(-1) / 2,
            "colour logit": (plus - minus).mean(-1) / 2,
            "shape logit": (self.held_out["test"][1] * (plus + minus)).mean(-1),
        }
