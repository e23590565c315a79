"""The exercises of chapter 5."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit

from gsutils.checks.verdict import array, exercise, number
from gsutils.seeding import stream


@exercise(chapter=5, title="λ of a penalty that can only be called, f(penalty, n)")
def measure_lam(answer: Callable[..., Any]) -> str | None:
    for n, c in ((11, 0.003), (7, 2.0), (50, 0.3)):
        for name, lam, penalty in (
            ("c·mean(ŷ²)", 2 * c, lambda z, c=c: c * np.mean(np.square(z))),
            ("c/2·mean(ŷ²)", c, lambda z, c=c: c / 2 * np.mean(np.square(z))),
            ("c·sum(ŷ²)", 2 * c * n, lambda z, c=c: c * np.sum(np.square(z))),
        ):
            got = number(answer(penalty, n))
            if np.isclose(got, lam):
                continue
            if np.isclose(got, lam / 2):
                return "That is the penalty at logits of size one; where does λ's own ½ go?"
            if np.isclose(got, lam / n) or np.isclose(got, lam / n / 2):
                return "Every one of the n logits adds its share: did you switch on only one?"
            if np.isclose(got, lam * n) or np.isclose(got, lam * n / 2):
                return "That is a sum over examples; the penalty of this book is a mean."
            if np.isclose(got, 4 * lam) or np.isclose(got, 2 * lam):
                return "The penalty grows with the square of the logits that you put in."
            return f"Wrong for the penalty {name} with c = {c} and n = {n}."
    return None


@exercise(chapter=5, title="the λ whose equal margin is u, f(u)")
def lam_for_margin(answer: Callable[..., Any]) -> str | None:
    for u in (1.0, 3.0, 0.2, 9.0):
        got, alpha = number(answer(u)), expit(-u)
        if np.isclose(got, alpha / u, rtol=1e-6):
            continue
        if np.isclose(got, alpha):
            return "That is α, the pull that is left; the penalty's pull is λ times the margin."
        if np.isclose(got, u / alpha):
            return "Turned upside down: a larger margin needs a smaller λ."
        if np.isclose(got, expit(u) / u):
            return "That is the probability of the right class; what is left to pull is the rest."
        if np.isclose(got, np.exp(-u) / u):
            return "That holds for large margins only: the pull is the logistic function's."
        if np.isclose(got, alpha / u / 2) or np.isclose(got, 2 * alpha / u):
            return "A factor 2 is off: the slope of (λ/2)·u² is λ·u."
        return f"For a margin of {u} the pull and the penalty's slope do not balance there."
    return None


@exercise(chapter=5, title="which examples SD leaves coupled, f(Phi, y), (n, m), (n,) -> (n, n)")
def example_coupling(answer: Callable[..., Any]) -> str | None:
    rng = stream(5, "check")
    full, few = rng.normal(size=(4, 6)), rng.normal(size=(5, 3))
    twins = np.vstack([full, full[:1]])
    cases = (
        (twins, np.array([1.0, -1, 1, 1, 1]), "an example that is there twice"),
        (twins, np.array([1.0, -1, 1, 1, -1]), "two equal examples of opposite labels"),
        (full, np.array([1.0, -1, -1, 1]), "four examples and six parameters"),
        (few, np.array([1.0, -1, -1, 1, 1]), "five examples and three parameters"),
    )
    for Phi, y, what in cases:
        n = len(y)
        got, Z = array(answer(Phi.copy(), y.copy()), (n, n)), y[:, None] * Phi
        truth = Z @ np.linalg.pinv(Z)
        if np.allclose(got, truth, atol=1e-8):
            continue
        if np.allclose(got, np.eye(n), atol=1e-8):
            return (
                f"That decouples everything. With {what} some strengths are zero: who keeps them?"
            )
        if np.allclose(got, Z @ Z.T, atol=1e-8):
            return "That is the coupling under weight decay: under SD the strengths cancel."
        if np.allclose(got, Phi @ np.linalg.pinv(Phi), atol=1e-8):
            return f"The labels are missing, which shows with {what}."
        if np.allclose(got, np.eye(n) - truth, atol=1e-8):
            return "That is what cannot be reached; the coupling is the complement."
        return f"Wrong with {what}: which directions of the margins can the parameters move?"
    return None
