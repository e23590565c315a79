"""Chapter 4."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import logit

from gsutils import dual, perturbation
from gsutils.seeding import stream

PAGE = "04-perturbation-analysis"


def compare_lambert(names):
    s2 = np.logspace(-8, 8, 30)
    for lam in (1e-6, 0.3, 1e3):
        alpha, _ = perturbation.permutation(s2, lam)
        np.testing.assert_allclose(names["uncoupled_alpha"](s2, lam), alpha, rtol=1e-10)
        equal, _ = perturbation.equal_strengths(np.eye(2), s2[3], lam)
        np.testing.assert_allclose(names["uncoupled_alpha"](s2[3], lam), equal, rtol=1e-10)


def compare_newton(names):
    rng = stream(0, "test")
    for n in (1, 2, 6):
        U = np.linalg.qr(np.eye(n) + 0.1 * rng.normal(size=(n, n)))[0]
        s2, lam = rng.uniform(0.1, 9, n), 0.4
        step = names["newton_step"](names["uncoupled_alpha"](s2, lam), U, s2, lam)
        np.testing.assert_allclose(step, perturbation.lemma1(U, s2, lam), rtol=1e-10)


def compare_starvation(names):
    rng = stream(1, "test")
    for delta in (-0.9, -0.2, 0.0, 0.4, 0.8):
        s2, lam = rng.uniform(0.1, 9, 2), rng.uniform(0.05, 2)
        np.testing.assert_allclose(
            names["starvation_by_hand"](delta, s2, lam),
            perturbation.starvation(delta, s2, lam, "exact"),
            rtol=1e-8,
            atol=1e-14,
        )


def compare_matrix(names):
    rng = stream(2, "test")
    U = np.linalg.qr(rng.normal(size=(8, 5)))[0]
    s2, lam = rng.uniform(0.1, 9, 5), 0.3
    z = s2 / lam * (dual.multiplier(dual.margins(U, s2, lam)) @ U)
    np.testing.assert_allclose(
        names["who_starves_whom"](U, s2, lam),
        np.sign(z)[:, None] * perturbation.starvation_matrix(U, s2, lam),
        rtol=1e-8,
    )


CORE = {
    "lambert": compare_lambert,
    "newton": compare_newton,
    "starvation": compare_starvation,
    "matrix": compare_matrix,
}

ALLOWED = [
    # The problems that the page sets itself.
    "(squared strength 1, λ = 0.1)",
    "with δ = 0.3 it is all but gone",
    "δ = 0.3, squared strengths 9 and 1",
    "squared strengths 4 and 1, λ = 0.5",
    "strengths falling from 100 to 1, λ = 0.1",
]


def strength(alpha, lam):
    return lam * (-np.log(alpha) / alpha - 1)


def by_search(alpha, lam):
    found = brentq(
        lambda x: np.log(perturbation.permutation(np.exp([x]), lam)[0][0] / alpha), -40, 40
    )
    return np.exp(found)


def sign(delta, s2, lam, size=abs, step=0.01):
    U = perturbation.coupling(delta)

    def response(factor):
        changed = np.array([factor * s2[0], s2[1]])
        return size(dual.response_at(dual.fixed_point(U, changed, lam), U, changed, lam)[1])

    up, down = response(1 + step), response(1 - step)
    return 0 if abs(up - down) <= 1e-7 * abs(up + down) else int(np.sign(up - down))


def by_formula(delta, s2, lam):
    return np.sign(perturbation.elasticity(delta, tuple(s2), lam, "exact"))


def absolute_step(delta, s2, lam):
    return 0 if s2[0] < 1e-3 else sign(delta, s2, lam)


def slope(delta, s2, lam):
    return float(perturbation.starvation(delta, tuple(s2), lam, "lemma1"))


def flip(s2, lam):
    grid = np.linspace(0.01, 0.99, 99)
    first = np.flatnonzero(np.diff(np.sign([slope(d, s2, lam) for d in grid])))[0]
    return brentq(slope, grid[first], grid[first + 1], args=(s2, lam))


def response_zero(s2, lam):
    return brentq(
        lambda d: float(perturbation.coupled_response(d, tuple(s2), lam, "lemma1")[1]), 0.1, 0.9
    )


RIGHT = {
    "strength-behind": [strength, by_search],
    "starvation-sign": [sign, by_formula],
    "lemma1-flip": [flip, lambda s2, lam: round(flip(s2, lam), 3)],
}

WRONG = {
    "strength-behind": [
        (lambda alpha, lam: -np.log(alpha) / alpha, "(s² + λ)/λ, not s²"),
        (lambda alpha, lam: -np.log(alpha) / alpha - 1, "what is λ for"),
        (lambda alpha, lam: -lam * np.log(alpha) / alpha, "left out the identity"),
        (lambda alpha, lam: strength(alpha, lam) ** 0.5, "That is s, not"),
        (lambda alpha, lam: lam * logit(1 - alpha) / alpha, "right for Eq. 9"),
        (lambda alpha, lam: -strength(alpha, lam), "is no squared strength"),
        (lambda alpha, lam: lam / alpha, "not 0.5"),
    ],
    "starvation-sign": [
        (lambda d, s2, lam: -0.4, "the sign alone"),
        (lambda d, s2, lam: -sign(d, s2, lam), "reversed"),
        (lambda d, s2, lam: -1, "wrong about example 2"),
        (lambda d, s2, lam: sign(d, s2, lam, size=float), "look at its size"),
        (lambda d, s2, lam: int(-np.sign(d)), "the weaker one"),
        (lambda d, s2, lam: sign(d, s2, lam) or 1, "not coupled"),
        (absolute_step, "relative to s1²"),
        (lambda d, s2, lam: 1 if s2[0] < 1e-3 else sign(d, s2, lam), "strengths are tiny"),
    ],
    "lemma1-flip": [
        (lambda s2, lam: 0.0, "is a root too"),
        (lambda s2, lam: -0.3, "positive δ"),
        (lambda s2, lam: 0.5**0.5, "exact fixed point turns"),
        (response_zero, "is zero; its derivative"),
        (lambda s2, lam: 0.2, "does not change its sign there"),
    ],
}

GIVEAWAYS = {
    "strength-behind": ["np.log", "log(alpha", "log α"],
    "starvation-sign": ["np.sign", "1.01", "fixed_point", "response_at"],
    "lemma1-flip": ["brentq", "np.diff", "linspace"],
}
