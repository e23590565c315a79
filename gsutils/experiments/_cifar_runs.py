"""What chapter 6 trains, and a trained network under attack: see :mod:`gsutils.experiments.cifar`.

>>> begin_at(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([-1, 1, 1]), torch.ones(3) > 0)
tensor([1, 0, 0])
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gsutils import attack, methods
from gsutils import train as training
from gsutils.data import images

NORMS = {"l2": "L2", "linf": "Linf"}
EPS = 0.05  # of Table 1, in units of pixels in [0, 1]


@dataclass(frozen=True)
class Case:
    """How networks are trained and attacked; the defaults are those of CIFAR-10 and CIFAR-100.

    Attributes:
        task: the images, one of :data:`gsutils.data.images.TASKS`.
        method: what is minimised.
        widths: see :class:`gsutils.nets.ConvNet`.
        residual: the same.
        epochs: passes over the training images.
        whole_epochs: how many of them, the last ones, are without crops.
        batch: images a batch.
        lr: the highest learning rate.
        weight_decay: of SGD, of weights alone, for ERM and SD alike.
        train_size: use the first so many training images; None for all.
        test_size: attack the first so many test images; None for all.
        l2: radii at which PGD attacks, in turn.
        linf: the same in the other norm.
        attack_steps: gradient steps of PGD at each radius and from each start.
        restarts: starts of PGD, the first at the image itself.
        walk: steps of the walk from afar.
        precision: of training: "auto", "float32" or "bfloat16"; attacks are in float32.
        stand_in: what is trained where the images are not at hand; None: they are asked for.
    """

    task: str
    method: methods.ERM = field(default_factory=methods.ERM)
    widths: tuple[int, ...] = (128, 384, 512)
    residual: bool = True
    epochs: int = 40
    whole_epochs: int = 8
    batch: int = 256
    lr: float = 0.2
    weight_decay: float = 5e-4
    train_size: int | None = None
    test_size: int | None = 2000
    l2: tuple[float, ...] = (EPS, 0.1, 0.2, 0.4, 0.8, 1.6)
    linf: tuple[float, ...] = (0.002, 0.005, 0.01, 0.02, EPS)
    attack_steps: int = 40
    restarts: int = 5
    walk: int = 40
    precision: str = "auto"
    stand_in: "Case | None" = None

    def radii(self, norm: str) -> tuple[float, ...]:
        """Return the radii at which PGD attacks in the norm "l2" or "linf"."""
        return {"l2": self.l2, "linf": self.linf}[norm]


@dataclass(frozen=True)
class Run:
    """A trained network, the images, and how it is attacked."""

    net: nn.Module
    task: images.ImageTask
    case: Case

    def tensors(self, part: str = "test") -> tuple[Tensor, Tensor]:
        """Return images in [0, 1] and labels of the "train" or "test" part, on the device."""
        pair = (
            (self.task.X, self.task.y) if part == "train" else (self.task.X_test, self.task.y_test)
        )
        device = next(self.net.parameters()).device
        X, y = (torch.from_numpy(array).to(device) for array in pair)
        return training.pixels(X), y

    def attacked(self) -> tuple[Tensor, Tensor]:
        """Return the test images that are attacked, and their labels."""
        X, y = self.tensors()
        return X[: self.case.test_size], y[: self.case.test_size]

    def logits(self, part: str = "test") -> Tensor:
        """Return the logits on the "train" or "test" part, (n,) or (n, classes)."""
        return self._logits(self.tensors(part)[0])

    def _logits(self, X: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([self.net(chunk) for chunk in X.split(1000)])

    def accuracy(self, part: str = "test") -> float:
        """Return the accuracy on the "train" or "test" part, a fraction."""
        right = attack.logit_margin(self.logits(part), self.tensors(part)[1]) > 0
        return float(right.float().mean())

    def margins(self, norm: str, **options: Any) -> Tensor:
        """Return the margins of the attacked test images, (n,): see :mod:`gsutils.attack`."""
        chosen = {"steps": self.case.attack_steps, "restarts": self.case.restarts} | options
        return attack.margins(self.net, *self.attacked(), self.case.radii(norm), norm, **chosen)

    def margins_from_afar(self) -> Tensor:
        """Return the L2 margins of the same images, (n,), by :func:`gsutils.attack.from_afar`."""
        X, y = self.attacked()
        right = attack.logit_margin(self._logits(X), y) > 0
        return attack.from_afar(self.net, X, X[begin_at(X, y, right)], y, self.case.walk)


def begin_at(X: Tensor, y: Tensor, right: Tensor) -> Tensor:
    """Return where each walk begins: at the nearest image that has, rightly, another answer.

    Args:
        X: images, (n, ...).
        y: labels, (n,).
        right: whether the network gets them right, (n,).

    Returns:
        Places in X, (n,).
    """
    apart = torch.cdist(X.flatten(1), X.flatten(1))
    apart[(y[:, None] == y) | ~right] = torch.inf
    return apart.argmin(1)
