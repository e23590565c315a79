"""The exercises of chapter 13."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from gsutils import diagnose, losses
from gsutils.checks.verdict import array, exercise, number
from gsutils.seeding import stream


@exercise(chapter=13, title="the pull of each example under a softmax, f(logits, y)")
def class_pull(answer: Callable[..., Any]) -> str | None:
    rng = np.random.default_rng(0)
    logits, y = 2 * rng.normal(size=(6, 4)), np.arange(6) % 4
    right = diagnose.pull(torch.from_numpy(logits), torch.from_numpy(y)).numpy()
    found = array(answer(logits.copy(), y.copy()), right.shape)
    p = 1 - right
    if np.allclose(found, p):
        return "That is the probability of the right class: the pull is what is missing."
    if np.allclose(found, -np.log(p)):
        return "That is the loss of each example; its slope is asked for."
    if not np.allclose(found, right):
        return f"Example 0 pulls with {right[0]:.4f}, you returned {found[0]:.4f}."
    logits[:, 0] += 2000.0
    found, right = array(answer(logits.copy(), y.copy()), right.shape), (y != 0).astype(float)
    if not np.allclose(found, right):
        return (
            "With a logit of 2000 for class 0 all others pull with 1, and class 0 with 0: your "
            f"function returns {found[:2]}. A softmax may subtract the largest logit."
        )
    return None


@exercise(chapter=13, title="the lead that a λ gives K classes, f(lam, classes)")
def lead_for_lam(answer: Callable[..., Any]) -> str | None:
    for lam, classes in ((0.1, 10), (0.5, 3), (0.003, 2), (2.0, 100)):
        m = number(answer(lam, classes))
        if m > 0 and np.isclose(losses.lam_for_lead(m, classes), lam, rtol=1e-3):
            continue
        if classes > 2 and m > 0 and np.isclose(losses.lam_for_lead(m, 2), lam, rtol=1e-3):
            return "That is the lead with two classes: where does K enter?"
        if m > 0 and np.isclose(losses.lam_for_lead(m, 2) / 2, lam, rtol=1e-3):
            return "That is the margin of *one* logit, chapter 5's equation."
        if m > 0:
            return (
                f"A lead of {m:.4g} belongs to λ = {losses.lam_for_lead(m, classes):.4g} with "
                f"{classes} classes, {lam} was given."
            )
        return f"A lead is a positive number, you returned {m:.4g}."
    return None


@exercise(chapter=13, title="weights that balance two groups, f(shows)")
def balanced_weights(answer: Callable[..., Any]) -> str | None:
    for shows in (np.arange(10) < 8, np.arange(50) % 7 > 0):
        w = array(answer(shows.copy()), shows.shape)
        first, second = w[shows].sum(), w[~shows].sum()
        if (w < 0).any():
            return "A weight must not be negative."
        if np.allclose(w, w[0]):
            return "All examples weigh the same, so that the exceptions weigh as little as before."
        if not np.isclose(first, second):
            return f"The two groups weigh {first:.4g} and {second:.4g}: they should weigh the same."
        if not np.isclose(w.sum(), 1):
            return f"The weights should sum to 1, so that the loss stays a mean; got {w.sum():.4g}."
        if np.ptp(w[shows]) > 1e-9 or np.ptp(w[~shows]) > 1e-9:
            return "Within a group all examples should weigh the same."
    return None


TARGET = 0.8  # of the worst group of rescued_head, a fraction


def frozen(n: int, agreement: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features (n, 12), labels -1/+1 and whether the strong cue, feature 0, is right."""
    rng = stream(seed, "frozen features")
    y = rng.choice([-1.0, 1.0], n)
    shows = rng.random(n) < agreement
    F = rng.normal(size=(n, 12))
    F[:, 0] = 4 * np.where(shows, y, -y) + 0.3 * rng.normal(size=n)
    F[:, 1:5] += 0.8 * y[:, None]
    return F, y, shows


@exercise(chapter=13, title="a head that the worst group is served by, f(F, y, shows) -> w, b")
def rescued_head(answer: Callable[..., Any]) -> str | None:
    reached = []
    for seed in (0, 1):
        F, y, shows = frozen(600, 0.95, seed)
        found = answer(F.copy(), y.copy(), shows.copy())
        if found is None or found is Ellipsis:
            number(found)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            return "Return the weights (12,) and the bias, as a pair."
        w, b = array(found[0], (12,)), number(found[1])
        F, y, shows = frozen(4000, 0.5, seed + 100)
        right = y * (F @ w + b) > 0
        worst = min(right[shows].mean(), right[~shows].mean())
        reached.append(float(worst))
    if min(reached) >= TARGET:
        return None
    if min(reached) < 0.6:
        return (
            f"On new examples your head is right on {min(reached):.0%} of the worst group: it "
            "follows the strong cue. Who pulls at the head, and who should?"
        )
    return (
        f"On new examples your head is right on {min(reached):.0%} of the worst group, "
        f"{TARGET:.0%} can be reached: does it still lean on the cue?"
    )
