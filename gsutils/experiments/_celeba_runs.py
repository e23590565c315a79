"""What chapter 8 trains, and what its runs are worth: see :mod:`gsutils.experiments.celeba`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gsutils import methods
from gsutils import train as training
from gsutils.data import faces
from gsutils.evaluate import GOALS, Split, best_threshold, group_accuracies, log_odds
from gsutils.losses import sign_change
from gsutils.nets.residual import RESNET50

_TEST_SHARES = np.array(faces.COUNTS["test"]) / sum(faces.COUNTS["test"])


@dataclass(frozen=True)
class Case:
    """How one method is trained; the defaults are those of the published size.

    Attributes:
        method: what is minimised.
        lr: learning rate.
        optimizer: "adam", or "sgd" with momentum 0.9.
        weight_decay: as in ``torch.optim``.
        by_group: draw each example's group first, all groups with the same probability.
        network: see :data:`gsutils.nets.residual.IMAGE_NETWORKS`.
        epochs: passes over the training split.
        batch: examples a step, of all processes together.
        processes: GPUs that share each batch.
        workers: that decode images, for each process; 0: the images are decoded once, and stay in
            the device's memory.
        precision: see :func:`gsutils.train.precision`.
        cards: how many cards training, validation and test split have; None for CelebA.
        keeps: the epoch that counts: the "last" one, or the best by "average" accuracy on the
            validation split.
        compared_with: the SD whose shift of the decision is tried as a threshold on the networks
            trained here, see :func:`thresholds`; None: no threshold is tried.
    """

    method: methods.ERM
    lr: float
    optimizer: str = "adam"
    weight_decay: float = 0.0
    by_group: bool = False
    network: str = RESNET50
    epochs: int = 3
    batch: int = 128
    processes: int = 1
    workers: int = 8
    precision: str = "auto"
    cards: tuple[int, int, int] | None = None
    keeps: str = "last"
    compared_with: methods.ERM | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown epoch, and a comparison with what shifts no decision."""
        if self.keeps not in ("last", "average"):
            raise ValueError(f"keeps must be 'last' or 'average', got {self.keeps!r}")
        if not isinstance(self.compared_with, methods.SD | None):
            raise ValueError(f"compared_with must be SD or null, got {self.compared_with.title}")


@dataclass(frozen=True)
class Run:
    """One run: logits of the validation and test splits after every epoch, (epochs + 1, n)."""

    splits: Mapping[str, Split]
    history: training.History

    def logits(self, split: str = "test", epoch: int = -1) -> np.ndarray:
        """Return the logits (n,) of "validation" or "test" after an epoch; -1 is the last one."""
        return self.history[split][epoch]

    def groups(self, split: str = "test", threshold: float = 0.0, epoch: int = -1) -> np.ndarray:
        """Return the accuracy within each group, (4,), where logits above the threshold are +1."""
        return group_accuracies(self.logits(split, epoch), self.splits[split], threshold)

    def best_epoch(self, by: str = "worst-group accuracy") -> int:
        """Return the epoch that is best on the validation split, by a key of :func:`summary`."""
        split = self.splits["validation"]
        shares = np.bincount(split.group, minlength=len(_TEST_SHARES)) / len(split.group)
        found = [
            summary(self.groups("validation", epoch=epoch), shares)[by]
            for epoch in range(len(self.history.steps))
        ]
        return int(np.argmax(found))


def thresholds(run: Run, sd: methods.SD) -> dict[str, float]:
    """Return the thresholds of the controls "ERM with a shifted threshold", in logits.

    Args:
        run: one of ERM's.
        sd: the SD that they are compared with.
    """
    logits, split = run.logits("validation"), run.splits["validation"]
    chosen = {f"threshold for {goal}": best_threshold(logits, split, goal) for goal in GOALS}
    return {"predicted threshold": log_odds(sign_change(sd.lam, sd.gamma))} | chosen


def summary(groups: np.ndarray, shares: np.ndarray = _TEST_SHARES) -> dict[str, float]:
    """Return what Table 3 reports of group accuracies (4,), and the mean over the groups.

    The average weights the groups by their shares, (4,); by default by those in CelebA's test
    split, on which it is the plain accuracy.
    """
    return {
        "average accuracy": float(groups @ shares),
        "worst-group accuracy": float(groups.min()),
        "mean group accuracy": float(groups.mean()),
    }
