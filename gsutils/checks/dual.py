"""The exercises of chapter 3."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import entr, expit

from gsutils import dual, ntk
from gsutils.checks.verdict import array, exercise, number
from gsutils.seeding import stream


@exercise(chapter=3, title="what is left of each example's gradient, f(logits, y)")
def remaining_gradient(answer: Callable[..., Any]) -> str | None:
    logits = np.array([-2.0, -0.5, 0.3, 1.0, 4.0])
    y = np.array([1.0, -1.0, 1.0, -1.0, 1.0])
    truth = dual.multiplier(y * logits)
    got = array(answer(logits, y), y.shape)
    slips = [
        (-truth, "That is the derivative of the loss, which is negative: α is its size."),
        (1 - truth, "The other way round: it must be near 0 where the example is right."),
        (expit(-logits), "The labels are missing: what is right depends on y."),
        (np.logaddexp(0, -y * logits), "That is the loss; α is the steepness of the loss."),
        (truth / len(y), "The loss is a sum over examples here: do not divide by their number."),
        (truth * (1 - truth), "That is the second derivative: near 0 for wrong examples too."),
        (y * truth, "Each α is positive; the label comes in where α is turned into weights."),
    ]
    for value, hint in slips:
        if np.allclose(got, value, rtol=1e-6):
            return hint
    if not np.allclose(got, truth, rtol=1e-6):
        return "Not the steepness of log(1 + e^(−y·logit)) in y·logit."
    with np.errstate(all="ignore"):
        extreme = array(answer(np.array([-900.0, 900.0]), np.ones(2)), (2,))
    if not np.allclose(extreme, [1, 0]):
        return "Right for small logits, but not a number for large ones: which form is stable?"
    return None


@exercise(chapter=3, title="the dual objective, Eq. 8, f(alpha, Phi, y, lam)")
def dual_value(answer: Callable[..., Any]) -> str | None:
    alpha, Phi, y, lam = _problem()
    U, s, _ = ntk.features(Phi, y)
    truth = float(dual.dual_objective(alpha, U, s**2, lam))
    entropy = float((entr(alpha) + entr(1 - alpha)).sum())
    quadratic = entropy - truth
    unlabelled = float(((alpha @ Phi) ** 2).sum()) / (2 * lam)
    got = number(answer(alpha, Phi, y, lam))
    slips = [
        (entropy + quadratic, "The quadratic term is what the weights cost: it lowers the value."),
        (entropy - 2 * quadratic, "The factor 1/2 of the quadratic term is missing."),
        (entropy - quadratic * lam**2, "λ divides the quadratic term, it does not multiply it."),
        (entropy - quadratic * lam, "λ is missing."),
        (entropy - unlabelled, "The labels are missing: it is YΦ that counts, not Φ."),
        (entropy, "The quadratic term is missing."),
        (-quadratic, "The entropy is missing."),
        (-entropy - quadratic, "The sign of H: the entropy is positive."),
        (entropy / np.log(2) - quadratic, "The entropy is in bits: use the natural logarithm."),
        (entropy / len(y) - quadratic, "The entropy is a sum over examples, not a mean."),
        (float(entr(alpha).sum()) - quadratic, "Half of H is missing: what of 1 − α?"),
    ]
    for value, hint in slips:
        if np.isclose(got, value, rtol=1e-6):
            return hint
    return None if np.isclose(got, truth, rtol=1e-6) else "Not the dual objective of Eq. 8."


@exercise(chapter=3, title="the weights that belong to alpha, f(alpha, Phi, y, lam)")
def weights_from_pulls(answer: Callable[..., Any]) -> str | None:
    alpha, Phi, y, lam = _problem()
    truth = (y[:, None] * Phi).T @ alpha / lam
    got = array(answer(alpha, Phi, y, lam), truth.shape)
    slips = [
        (alpha @ Phi / lam, "The labels are missing: an example pulls towards its own side."),
        (y @ Phi / lam, "The pulls are missing: all examples count the same here."),
        (truth * lam, "λ is missing: the stronger the decay, the smaller the weights."),
        (truth * lam**2, "λ is on the wrong side: more decay must give smaller weights."),
        (-truth, "The sign: weights move so that y·logit grows."),
        (truth / len(y), "A sum over examples, as in Eq. 5: do not divide by their number."),
    ]
    for value, hint in slips:
        if np.allclose(got, value, rtol=1e-6):
            return hint
    if not np.allclose(got, truth, rtol=1e-6):
        return "Not the weights at which the gradient in θ of the min-max problem vanishes."
    return None


def _problem() -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return alpha (5,), Phi (5, 4), y (5,) and lam of a small problem."""
    rng = stream(3, "check")
    y = np.array([1.0, -1.0, -1.0, 1.0, -1.0])
    return rng.uniform(0.1, 0.9, 5), rng.normal(size=(5, 4)), y, 0.7
