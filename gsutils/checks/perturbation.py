"""The exercises of chapter 4."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import logit

from gsutils import perturbation
from gsutils.checks.verdict import exercise, number


@exercise(chapter=4, title="the squared strength behind an uncoupled dose of Eq. 10, f(alpha, lam)")
def strength_behind(answer: Callable[..., Any]) -> str | None:
    for alpha, lam in ((0.5, 0.25), (0.03, 2.0), (1e-12, 1e-6)):
        got = number(answer(alpha, lam))
        c = -np.log(alpha) / alpha  # (s² + λ)/λ
        truth = lam * (c - 1)
        if np.isclose(got, truth, rtol=1e-9, atol=0):
            continue
        for slip, message in (
            (c, "That is (s² + λ)/λ, not s²."),
            (c - 1, "That is s²/λ: what is λ for?"),
            (lam * c, "You left out the identity that the Taylor step adds to K."),
            (np.sqrt(truth), "That is s, not s²."),
            (lam * logit(1 - alpha) / alpha, "That is right for Eq. 9; here the flow is Eq. 10."),
        ):
            if np.isclose(got, slip, rtol=1e-9, atol=0):
                return message
        if not np.isfinite(got) or got < 0:
            return f"For a pull of {alpha:g} and λ = {lam:g}, {got:g} is no squared strength."
        found = float(perturbation.permutation(np.array([got]), lam)[0][0])
        return f"With s² = {got:.4g} and λ = {lam:g} the pull is {found:.4g}, not {alpha:g}."
    return None


@exercise(chapter=4, title="the sign of d|z2*|/d(s1²) under Eq. 9, f(delta, s2, lam)")
def starvation_sign(answer: Callable[..., Any]) -> str | None:
    cases = (
        (0.3, (9.0, 1.0), -1, "feature 1 is stronger and right about both examples"),
        (-0.3, (9.0, 1.0), 1, "feature 1 is wrong about example 2"),
        (0.9, (9.0, 1.0), -1, "z₂* is negative: look at its size"),
        (0.3, (1.0, 9.0), 1, "feature 1 is the weaker one"),
        (0.0, (9.0, 1.0), 0, "the features are not coupled"),
        (0.3, (9e-6, 1e-6), -1, "the strengths are tiny"),
    )
    got = [number(answer(delta, np.array(s2), s2[1] / 10)) for delta, s2, *_ in cases]
    truth = [sign for _, _, sign, _ in cases]
    if not np.isin(got, (-1, 0, 1)).all():
        return "Return the sign alone: −1 where the response falls, +1 where it grows, else 0."
    if got == [-sign for sign in truth]:
        return "Every sign is reversed: is the larger strength the first term of your difference?"
    for value, (delta, s2, sign, why) in zip(got, cases):
        if value == 0 != sign:
            return (
                f"Zero at δ = {delta}, s2 = {s2}, where the response does change: is your step "
                "relative to s1², and large enough to be seen?"
            )
        if value != sign:
            return f"Wrong at δ = {delta}, s2 = {s2}, where {why}."
    return None


@exercise(chapter=4, title="where Lemma 1's dz2*/d(s1²) first changes sign, f(s2, lam)")
def lemma1_flip(answer: Callable[..., Any]) -> str | None:
    for s2, lam in (((4.0, 1.0), 0.1), ((100.0, 1.0), 0.1), ((100.0, 1.0), 1e-3)):
        delta = number(answer(np.array(s2), lam))
        truth = _first_root(_lemma1_slope, s2, lam)
        if abs(delta - truth) <= 2e-3:
            continue
        if abs(delta) <= 2e-3:
            return "δ = 0 is a root too, without coupling: look for the next one."
        if delta < 0:
            return "Look for a positive δ."
        if abs(delta - 0.5**0.5) <= 2e-3:
            return "That is where the exact fixed point turns; take Lemma 1's."
        if abs(delta - _first_root(_lemma1_response, s2, lam)) <= 2e-3:
            return "There Lemma 1's response z₂* is zero; its derivative turns elsewhere."
        return f"For s2 = {s2} and λ = {lam}, the derivative does not change its sign there."
    return None


def _lemma1_slope(delta: float, s2: tuple[float, float], lam: float) -> float:
    return float(perturbation.starvation(delta, s2, lam, "lemma1"))


def _lemma1_response(delta: float, s2: tuple[float, float], lam: float) -> float:
    return float(perturbation.coupled_response(delta, s2, lam, "lemma1")[1])


def _first_root(function: Callable[..., float], s2: tuple[float, float], lam: float) -> float:
    """Return the smallest root δ in (0, 1)."""
    grid = np.linspace(0.005, 0.995, 199)
    signs = np.sign([function(delta, s2, lam) for delta in grid])
    first = int(np.flatnonzero(np.diff(signs))[0])
    return float(brentq(function, grid[first], grid[first + 1], args=(s2, lam)))
