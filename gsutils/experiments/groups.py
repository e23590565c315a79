r"""What the four groups of section 4.4 get right, and at which threshold.

>>> sign_change(lam=0.1, gamma=0.0)  # with γ = 0 the penalty moves no decision
0.5
>>> round(sign_change(lam=(0.235, 1.34), gamma=(0.44, 2.5)), 3)
0.093
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gsutils import evaluate
from gsutils.data import faces

GOALS = ("average", "worst-group")
_TEST_SHARES = np.array(faces.COUNTS["test"]) / sum(faces.COUNTS["test"])


@dataclass(frozen=True)
class Split:
    """The labels (n,), -1/+1, and the groups (n,) of a split."""

    y: np.ndarray
    group: np.ndarray


def group_accuracies(logits: np.ndarray, split: Split, threshold: float = 0.0) -> np.ndarray:
    """Return the accuracy within each of the four groups, (4,), fractions.

    Args:
        logits: (n,).
        split: with labels and groups.
        threshold: logits above it are decided +1; one equal to it counts half.
    """
    parts = [torch.from_numpy(part) for part in (logits - threshold, split.y, split.group)]
    return np.array([float(value) for value in evaluate.group_accuracy(*parts).values()])


def summary(groups: np.ndarray) -> dict[str, float]:
    """Return what Table 3 reports of group accuracies (4,), and the mean over the groups.

    The average weights the groups by their shares in CelebA's test split; on that split it is the
    plain accuracy.
    """
    return {
        "average accuracy": float(groups @ _TEST_SHARES),
        "worst-group accuracy": float(groups.min()),
        "mean group accuracy": float(groups.mean()),
    }


def sign_change(lam: float | Sequence[float], gamma: float | Sequence[float]) -> float:
    r"""Return the probability at which the minimiser of the SD objective changes its sign.

    An input with label +1 with probability p gets the logit z that minimises

    .. math:: p\,[\log(1+e^{-z}) + \tfrac{\lambda_+}{2}(z-\gamma_+)^2]
              + (1-p)\,[\log(1+e^{z}) + \tfrac{\lambda_-}{2}(z-\gamma_-)^2] .

    Where γ of the class +1 is at least that of the class -1 it grows with p; it is zero at

    .. math:: p^* = \frac{1/2 - \lambda_-\gamma_-}{1 + \lambda_+\gamma_+ - \lambda_-\gamma_-}.

    Args:
        lam: λ >= 0, a number or a pair (class -1, class +1).
        gamma: γ, the same forms.

    Returns:
        p*. Outside (0, 1) there is no change: every input gets the same sign.

    Raises:
        ValueError: z decreases with p at its zero: γ of the class -1 is so far above that of the
            class +1 that the decision is turned round.
    """
    (below, above), (low, high) = _pair(lam), _pair(gamma)
    denominator = 1 + above * high - below * low
    if denominator <= 0:
        raise ValueError(
            f"1 + lam[+]·gamma[+] - lam[-]·gamma[-] must be > 0, got {denominator} from "
            f"lam = {lam} and gamma = {gamma}: the logit would fall as p grows"
        )
    return (0.5 - below * low) / denominator


def best_threshold(logits: np.ndarray, split: Split, goal: str) -> float:
    """Return the threshold on logits that does best on a split, halfway between two logits.

    Args:
        logits: (n,).
        split: usually the validation split.
        goal: "average" for the accuracy, "worst-group" for the smallest of the groups'.

    Raises:
        ValueError: an unknown goal.
    """
    if goal not in GOALS:
        raise ValueError(f"goal must be in {GOALS}, got {goal!r}")
    ordered = np.unique(logits)
    middle = (ordered[1:] + ordered[:-1]) / 2
    right = []  # for each group, how many are right at each threshold
    for g in np.unique(split.group):
        of_group = split.group == g
        below = np.searchsorted(np.sort(logits[of_group]), middle)
        label = split.y[of_group][0]
        right.append(below if label < 0 else of_group.sum() - below)
    sizes = np.unique(split.group, return_counts=True)[1]
    shares = np.array(right) / sizes[:, None]
    score = shares.min(0) if goal == "worst-group" else sizes @ shares
    best = middle[score == score.max()]
    return float(best[np.abs(best).argmin()])


def log_odds(p: float) -> float:
    """Return log(p / (1 - p)): the threshold on a calibrated logit that decides at p."""
    return float(np.log(p / (1 - p)))


def _pair(value: float | Sequence[float]) -> tuple[float, float]:
    below, above = value if isinstance(value, Sequence) else (value, value)
    return float(below), float(above)
