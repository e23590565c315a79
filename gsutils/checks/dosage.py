"""The exercises of chapter 9."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit

from gsutils.checks.verdict import array, exercise, number
from gsutils.seeding import stream


@exercise(chapter=9, title="net pull on a second feature once the first is learned, f(p)")
def portion_left(answer: Callable[..., Any]) -> str | None:
    for p in (0.9, 0.75, 0.6):
        got = number(answer(p))
        if np.isclose(got, 4 * p * (1 - p)):
            continue
        if np.isclose(got, (1 - p) / p):
            return "That counts images. How hard does each of them pull once the first is learned?"
        if np.isclose(got, 1 - p):
            return "The examples that the first feature gets right have not stopped pulling."
        if np.isclose(got, 2 * p * (1 - p)):
            return "That is the mean pull that is left; relative to what is it asked for?"
        if np.isclose(got, 2 * p * (1 - p) * (2 * p - 1)):
            return "That is a net pull; divide by the net pull before training."
        if np.isclose(got, 1 / (4 * p * (1 - p))):
            return "Turned upside down: less is left than there was."
        return f"Wrong for p = {p}: average the pulls over examples that are right and wrong."
    return None


@exercise(chapter=9, title="the dose share of a feature in a sample, f(logits, y, f)")
def dose_share(answer: Callable[..., Any]) -> str | None:
    rng = stream(9, "check")
    y, f = rng.choice([-1.0, 1.0], (2, 40))
    logits = 2 * rng.normal(size=40) + 1

    def share(alpha: np.ndarray, agrees: np.ndarray) -> float:
        return float(alpha[agrees].sum() / alpha.sum())

    got, alpha, agrees = (
        number(answer(logits.copy(), y.copy(), f.copy())),
        expit(-y * logits),
        f == y,
    )
    truth = share(alpha, agrees)
    if np.isclose(got, truth):
        return None
    if np.isclose(got, agrees.mean()):
        return "You counted examples; each counts with its pull."
    if np.isclose(got, 1 - truth):
        return "That is the share of the examples on which the feature is wrong."
    if np.isclose(got, share(expit(y * logits), agrees)):
        return "Examples that the network has right should pull little: check a sign."
    if np.isclose(got, share(expit(-logits), agrees)):
        return "The pull depends on the margin; you used the logit, whatever the label."
    if np.isclose(got, 2 * truth - 1):
        return "That is agreeing less disagreeing; the share is the agreeing part."
    if np.isclose(got, share(alpha, f == np.sign(logits))):
        return "The feature should agree with the label, not with the network."
    return f"Not {got:.4g} here: which pulls belong above the line, and which below?"


@exercise(chapter=9, title="θ from all doses under weight decay, f(doses, lr, lam)")
def weights_from_doses(answer: Callable[..., Any]) -> str | None:
    doses = stream(10, "check").normal(size=(7, 3))
    for lr, lam in ((0.1, 2.0), (0.5, 0.3)):
        got = array(answer(doses.copy(), lr, lam), (3,))
        keep, steps = 1 - lr * lam, np.arange(7)
        theta = np.zeros(3)
        for row in doses:
            theta = keep * theta + lr * row
        if np.allclose(got, theta):
            continue
        for wrong, hint in (
            (lr * doses.sum(0), "That remembers everything: old doses should have faded."),
            (lr * keep**steps @ doses, "You let the latest doses fade most; it is the other way."),
            (
                keep ** steps[::-1] @ doses,
                "Each dose moves the weights by the learning rate times it.",
            ),
            (
                lr * keep ** (steps[::-1] + 1) @ doses,
                "The last dose has not lived through an update yet.",
            ),
            (
                lr * np.exp(-lr * lam * steps[::-1]) @ doses,
                "Close: that is the flow; steps are finite.",
            ),
            (
                lr * (1 - lam) ** steps[::-1] @ doses,
                "What an update keeps depends on the learning rate too.",
            ),
        ):
            if np.allclose(got, wrong):
                return hint
        return f"Wrong for lr = {lr} and lam = {lam}: how much of a dose is left an update later?"
    return None
