"""The exercises of chapter 12."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gsutils import beyond, losses
from gsutils.checks.verdict import array, exercise, number
from gsutils.seeding import stream


@exercise(chapter=12, title="the λ for a lead among K classes, f(m, classes)")
def lam_for_lead(answer: Callable[..., Any]) -> str | None:
    for m, classes in ((3.0, 10), (1.0, 2), (5.0, 100), (0.5, 4)):
        got, truth = number(answer(m, classes)), losses.lam_for_lead(m, classes)
        if np.isclose(got, truth, rtol=1e-6):
            continue
        if np.isclose(got, truth * m):
            return "That is the pull that is left; the penalty's pull grows with the lead."
        if np.isclose(got, truth / classes):
            return "A factor K is off: is that the penalty summed or averaged over the classes?"
        if np.isclose(got, 1 / (1 + np.exp(m)) / m):
            return "That is the equation of one logit and two classes."
        if np.isclose(got, 1 / truth):
            return "Turned upside down: a larger lead needs a smaller λ."
        if np.isclose(got, classes * np.exp(-m) / m):
            return "That holds for large leads only."
        return f"With {classes} classes and a lead of {m} the two pulls do not balance there."
    return None


def _kernels() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = stream(12, "check")
    found = []
    for n, m in ((4, 5), (6, 8), (5, 5), (8, 400), (3, 60), (6, 7)):
        found.append((rng.normal(size=(n, m)), np.where(rng.random(n) < 0.5, -1.0, 1.0)))
    for ratio in (5.0, 7.0):  # around the threshold of Eq. 15 at δ = 0.3
        c = np.sqrt(1 - 0.09)
        U = np.array([[c, -0.3], [0.3, c]])
        found.append((U * np.sqrt([ratio, 1.0]), np.ones(2)))
        found.append((np.array([[-1.0], [1]]) * U * np.sqrt([ratio, 1.0]), np.array([-1.0, 1])))
    tie = np.array([[1.0, 0.0], [1.0, 1.0]])  # multipliers (1, 0), without a rounding error
    return [*found, (tie, np.ones(2))]


@exercise(chapter=12, title="whether the limit λ → 0 is SD's function, f(Phi, y)")
def same_limit(answer: Callable[..., Any]) -> str | None:
    problems = _kernels()
    got = [number(answer(Phi.copy(), y.copy())) for Phi, y in problems]
    if not all(value in (0.0, 1.0) for value in got):
        return "Return True or False."
    rows = [y[:, None] * Phi for Phi, y in problems]
    mu = [np.linalg.solve(Z @ Z.T, np.ones(len(Z))) for Z in rows]
    truth = [float((m >= 0).all()) for m in mu]
    if got == truth:
        return None
    if len(set(got)) == 1:
        return "The answer does not depend on the data: both cases occur."
    if got == [1 - value for value in truth]:
        return "The wrong way round."
    unsigned = [np.linalg.solve(Phi @ Phi.T, np.ones(len(y))) for Phi, y in problems]
    if got == [float((m >= 0).all()) for m in unsigned]:
        return "The labels are missing: what counts are margins, not logits."
    if got == [float((m >= 0).any()) for m in mu]:
        return "One support vector there always is: how many must there be?"
    if got == [float((m > 0).all()) for m in mu]:
        return "A tie counts: an example may lie at margin one with a multiplier of zero."
    if got == [float((Z @ Z.T >= 0).all()) for Z in rows]:
        return "That says whether examples help each other; it is not the condition."
    wrong = next(k for k, value in enumerate(got) if value != truth[k])
    return f"Wrong for {len(mu[wrong])} examples: which sign has each one's multiplier?"


@exercise(chapter=12, title="a linear model trained to a lead, f(Phi, y, classes, m)")
def train_to_lead(answer: Callable[..., Any]) -> str | None:
    rng = stream(12, "train")
    for n, d, classes, m in ((8, 24, 4, 2.0), (6, 18, 3, 1.0)):
        Phi, y = rng.normal(size=(n, d)), np.arange(n) % classes
        theta = array(answer(Phi.copy(), y.copy(), classes, m), (d, classes))
        logits = Phi @ theta
        own = logits[np.arange(n), y][:, None]
        leads = (own - logits)[np.eye(classes)[y] == 0]
        if not np.isfinite(leads).all() or np.abs(leads).max() > 1e3:
            return "It diverges: a smaller step, in proportion to the largest eigenvalue."
        if np.abs(theta).max() == 0:
            return "It has not moved from zero."
        if (np.abs(leads / m - 1) <= 0.01).all():
            outside = theta - np.linalg.pinv(Phi) @ logits
            if np.abs(outside).max() > 1e-6 * np.abs(theta).max():
                return "The leads are right, but this did not start at zero: weights are too long."
            continue
        ended = beyond.lead(losses.lam_for_lead(m, classes) / classes, classes)
        if np.allclose(leads, ended, rtol=0.02):
            return "Every lead is the same, and too large: is the penalty summed over the classes?"
        if np.ptp(leads) < 0.02 * leads.mean():
            return f"Every lead is {leads.mean():.3g} where {m} is asked for: another λ."
        return (
            f"The leads go from {leads.min():.3g} to {leads.max():.3g}, asked for is {m}: "
            "train longer, or is the penalty on the weights?"
        )
    return None
