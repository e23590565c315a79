r"""Checks for the exercises: each says what is wrong, none gives the answer away.

A chapter's exercise cell ends with a call such as ``checks.linear_margin(linear_margin)``, which
shows a verdict. Every check compares an answer with the truth on inputs chosen so that the usual
slips can be told apart.

>>> linear_margin(lambda w, b, X, y: None)
✗ Not solved yet: your function returned None.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from gsutils import datasets, losses
from gsutils.seeding import stream


@dataclass(frozen=True)
class Verdict:
    """Whether an answer passed, and one sentence that helps."""

    passed: bool
    message: str

    def __repr__(self) -> str:
        """Show a mark and the sentence."""
        return f"{'✓' if self.passed else '✗'} {self.message}"


Check = Callable[[Callable[..., Any]], Verdict]
CHECKS: dict[str, Check] = {}


def _check(judge: Callable[[Callable[..., Any]], str | None]) -> Check:
    """Make a check of a function that returns a hint, or None where the answer is right."""

    def check(answer: Callable[..., Any]) -> Verdict:
        if not callable(answer):
            return Verdict(False, f"Pass the function itself, not {answer!r}.")
        try:
            hint = judge(answer)
        except _Unsolved:
            return Verdict(False, "Not solved yet: your function returned None.")
        except Exception as error:
            return Verdict(False, f"Your function failed with {type(error).__name__}: {error}")
        return Verdict(hint is None, hint or "Right.")

    check.__name__, check.__doc__ = judge.__name__, judge.__doc__
    CHECKS[judge.__name__.replace("_", "-")] = check
    return check


class _Unsolved(Exception):
    """The answer is still the stub."""


def _number(value: Any) -> float:
    """Return a scalar answer as a float."""
    if value is None or value is Ellipsis:
        raise _Unsolved
    array = np.asarray(value.detach() if isinstance(value, torch.Tensor) else value, float)
    if array.size != 1:
        raise ValueError(f"one number is expected, your function returned shape {array.shape}")
    return float(array.reshape(()))


def _array(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return an answer as an array of the expected shape."""
    if value is None or value is Ellipsis:
        raise _Unsolved
    array = np.asarray(value.detach() if isinstance(value, torch.Tensor) else value, float)
    if array.shape != shape:
        raise ValueError(f"shape {shape} is expected, your function returned {array.shape}")
    return array


@_check
def linear_margin(answer: Callable[..., Any]) -> str | None:
    """Chapter 1: the input margin of a line, ``f(w, b, X, y)``."""
    w, b = np.array([3.0, -4.0]), 1.0
    X = np.array([[2.0, 0.5], [-1.0, 1.5], [3.0, -1.0], [-2.0, 2.0]])
    y = np.array([1.0, -1.0, 1.0, -1.0])
    score = X @ w + b
    got = _number(answer(w, b, X, y))
    truth = float((y * score).min() / 5)
    if np.isclose(got, truth, rtol=1e-6):
        X = np.vstack([X, [-1.0, 0.0]])
        wrong = _number(answer(w, b, X, np.append(y, 1.0)))
        if wrong > 0:
            return "A misclassified point has a negative distance, so the margin turns negative."
        return None if np.isclose(wrong, -0.4) else "It fails when a point is misclassified."
    if np.isclose(got, 5 * truth):
        return "That is the smallest score y·f(x), not a distance: how does f grow along w?"
    if np.isclose(got, truth / 5):
        return (
            "Divided once too often: the length of w turns a score into a distance, not its square."
        )
    if np.isclose(got, (y * score).mean() / 5):
        return "That is the mean distance; the margin is that of the closest point."
    if np.isclose(got, score.min() / 5):
        return "The labels are missing: a point of class −1 is right when its score is negative."
    if np.isclose(got, (y * (X @ w)).min() / 5):
        return "The offset b is missing: the line need not pass through the origin."
    return "Not the distance from the closest point to the line w·x + b = 0."


@_check
def sd_objective(answer: Callable[..., Any]) -> str | None:
    """Chapter 1: the objective of spectral decoupling, ``f(logits, y, lam)``, mean form."""
    rng = stream(1, "check")
    logits = torch.from_numpy(rng.normal(size=7)) * 3
    y, lam = torch.tensor([1.0, -1, 1, 1, -1, -1, 1]).double(), 0.3
    loss = float(losses.logistic(logits, y))
    penalty = float(losses.spectral_decoupling(logits, y, lam))
    got = _number(answer(logits, y, lam))
    slips = {
        7
        * (
            loss + penalty
        ): "That is the sum form of Eq. 17: this book takes the mean over examples.",
        loss + 7 * penalty: "The loss is a mean, so the penalty must be one too.",
        loss + 2 * penalty: "The factor 1/2 of Eq. 17 is missing.",
        loss: "The penalty is missing.",
        penalty: "The logistic loss is missing.",
        loss - penalty: "A penalty is added, not subtracted.",
        float(losses.logistic(-logits, y))
        + penalty: "The sign of y·logit inside the loss is wrong: "
        "a large positive y·logit must cost nothing.",
        float(torch.nn.functional.softplus(-logits).mean()) + penalty: "The labels are missing "
        "from the loss.",
        loss + lam / 2 * float(logits.mean() ** 2): "Square each logit before you average.",
    }
    for value, hint in slips.items():
        if np.isclose(got, value, rtol=1e-6):
            return hint
    if not np.isclose(got, loss + penalty, rtol=1e-6):
        return "Not the mean logistic loss plus λ/2 times the mean squared logit."
    extreme = torch.tensor([-900.0, 900.0]).double()
    if not np.isfinite(_number(answer(extreme, torch.tensor([1.0, -1.0]).double(), lam))):
        return (
            "Right on small logits, but it overflows on large ones: log(1 + e^u) has a stable form."
        )
    return None


@_check
def bayes_accuracy(answer: Callable[..., Any]) -> str | None:
    """Chapter 7: accuracies of the best use of colour and digit, ``f(p_colour, p_digit)``."""
    for colour, digit in ((0.85, 0.75), (0.6, 0.75), (0.1, 0.75)):
        got = _number(answer(colour, digit))
        best = max(colour, 1 - colour, digit, 1 - digit)
        if np.isclose(got, best):
            continue
        if np.isclose(got, max(colour, digit)):
            return "A cue that is wrong more often than right is useful too: turn it round."
        if np.isclose(got, colour * digit):
            return "That is how often both cues are right together."
        if np.isclose(got, 1 - (1 - colour) * (1 - digit)):
            return "That is how often one cue or the other is right: which one do you follow?"
        if np.isclose(got, colour):
            return "Colour alone is not always the better cue."
        return (
            f"Wrong for colour {colour} and digit {digit}: compare the odds when the cues disagree."
        )
    return None


@_check
def colour_the_labels(answer: Callable[..., Any]) -> str | None:
    """Chapter 7: spurious colours, ``f(y, flip, rng)``."""
    y = np.where(np.arange(20_000) % 4 == 0, 1.0, -1.0)
    colour = _array(answer(y.copy(), 0.2, stream(2, "check")), y.shape)
    if not np.isin(colour, (-1, 1)).all():
        return f"Colours must be −1 or +1, got values such as {np.unique(colour)[:3]}."
    agree = float((colour == y).mean())
    if abs(agree - 0.2) < 0.02:
        return "Colour disagrees with the label most of the time: you kept what should be flipped."
    if abs(agree - 0.8) > 0.02:
        return f"Colour should agree with 80 % of the labels, it agrees with {100 * agree:.0f} %."
    by_class = [float((colour == y)[y == label].mean()) for label in (-1, 1)]
    if max(abs(share - 0.8) for share in by_class) > 0.03:
        return "The flips must not depend on the class: both classes should be flipped alike."
    again = _array(answer(y.copy(), 0.2, stream(2, "check")), y.shape)
    if not np.array_equal(colour, again):
        return "The same stream must give the same colours: draw from rng, not from elsewhere."
    if np.array_equal(colour, _array(answer(y.copy(), 0.2, stream(3, "check")), y.shape)):
        return "Another stream must give other flips: draw from rng."
    return None


@_check
def sd_logit(answer: Callable[..., Any]) -> str | None:
    """Chapter 7: the logit that minimises the SD objective, ``f(p, lam)``."""
    for p, lam in ((0.85, 1.0), (0.2, 0.5), (0.5, 0.1), (0.99, 1e-3)):
        z = _number(answer(p, lam))
        slope = expit(z) - p + lam * z
        if abs(slope) < 1e-6:
            continue
        if np.isclose(z, np.log(p / (1 - p)), atol=1e-6):
            return "That is the logit without a penalty (λ = 0)."
        if np.isclose(z, p, atol=1e-9):
            return "That is the probability p; the logit lives on the whole real line."
        if abs(expit(z) - p + 2 * lam * z) < 1e-6:
            return "You penalised λ·z², the paper's penalty is (λ/2)·z²: its slope is λ·z."
        if abs(expit(z) - p - lam * z) < 1e-6:
            return "The penalty's slope has the wrong sign: it pulls the logit towards zero."
        return f"For p = {p} and λ = {lam} the slope of the objective is {slope:.2g} there, not 0."
    return None


@_check
def flip_share(answer: Callable[..., Any]) -> str | None:
    """Chapter 1: the share of points that a shift of length eps can flip, ``f(distances, eps)``."""
    X, y = datasets.two_moons(0)
    distances = y * X[:, 0] * -1 - 0.2
    for eps in (0.0, 0.1, 0.5, 1.0):
        got = _number(answer(distances, eps))
        truth = float((distances <= eps).mean())
        if np.isclose(got, truth) or np.isclose(got, (distances < eps).mean()):
            continue
        if np.isclose(got, 100 * truth):
            return "Return a fraction between 0 and 1, not a percentage."
        if np.isclose(got, 1 - truth):
            return "That is the share of points that survive."
        if np.isclose(got, (np.abs(distances) <= eps).mean()):
            return "A misclassified point (negative distance) is wrong already, without a shift."
        if np.isclose(got, truth * len(distances)):
            return "That is a count; divide by the number of points."
        return f"Wrong at eps = {eps}: which points have a boundary within that distance?"
    return None
