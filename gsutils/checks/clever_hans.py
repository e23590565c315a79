"""The exercises of chapter 1."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from gsutils import losses
from gsutils.checks.verdict import exercise, number
from gsutils.data import moons
from gsutils.experiments import two_moons
from gsutils.seeding import stream


@exercise(chapter=1, title="the input margin of a line, f(w, b, X, y)")
def linear_margin(answer: Callable[..., Any]) -> str | None:
    w, b = np.array([3.0, -4.0]), 1.0
    X = np.array([[2.0, 0.5], [-1.0, 1.5], [3.0, -1.0], [-2.0, 2.0]])
    y = np.array([1.0, -1.0, 1.0, -1.0])
    score = X @ w + b
    got = number(answer(w, b, X, y))
    truth = float((y * score).min() / 5)
    if np.isclose(got, truth, rtol=1e-6):
        X = np.vstack([X, [-1.0, 0.0]])
        wrong = number(answer(w, b, X, np.append(y, 1.0)))
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


@exercise(chapter=1, title="the objective of spectral decoupling, f(logits, y, lam), mean form")
def sd_objective(answer: Callable[..., Any]) -> str | None:
    rng = stream(1, "check")
    logits = torch.from_numpy(rng.normal(size=7)) * 3
    y, lam = torch.tensor([1.0, -1, 1, 1, -1, -1, 1]).double(), 0.3
    loss = float(losses.logistic(logits, y))
    penalty = float(losses.spectral_decoupling(logits, y, lam))
    got = number(answer(logits, y, lam))
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
    for signs in (1.0, -1.0):  # all wrong, then all right; a penalty would hide an error
        labels = signs * torch.tensor([1.0, -1.0]).double()
        got, truth = number(answer(extreme, labels, 0.0)), float(losses.logistic(extreme, labels))
        if not np.isclose(got, truth, rtol=1e-6):
            return (
                "Right on small logits, but not on large ones: with logits of ±900 the loss is "
                f"{truth:g}, not {got:g}. log(1 + e^u) has a stable form."
            )
    return None


@exercise(
    chapter=1, title="the share of points that a shift of length eps can flip, f(distances, eps)"
)
def flip_share(answer: Callable[..., Any]) -> str | None:
    X, y = moons.two_moons(0)
    distances = y * X[:, 0] * -1 - 0.2
    for eps in (0.0, 0.1, 0.5, 1.0):
        got = number(answer(distances, eps))
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


@cache
def _trained(lam: float) -> tuple[float, float]:
    """Input margin and median of y·logit of seed 3 after training with SD."""
    run = two_moons.train(replace(two_moons.CASES["sd"], lam=lam), seeds=[3])
    return float(run.margins[0]), float(np.median(run.y[0] * run.history["logits"][-1, 0]))


@exercise(
    chapter=1, title="a λ for which seed 3 has a wide margin and is still confident, f() -> λ"
)
def confident_and_wide(answer: Callable[..., Any]) -> str | None:
    lam = number(answer())
    if not 0 <= lam <= 10:
        return f"λ = {lam:.4g} is no coefficient of a penalty: it must lie between 0 and 10."
    margin, logit = _trained(lam)
    said = f"With λ = {lam:.4g} seed 3 has the margin {margin:.3f} and the median {logit:.2f}: "
    if margin <= 0.25 and logit <= 2:
        return said + "both are too small."
    if margin <= 0.25:
        return said + "sure of itself, and too close to the points."
    if logit <= 2:
        return said + "far enough from the points, and hardly sure of anything."
    return None
