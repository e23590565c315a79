"""Chapter 3."""

import numpy as np
import torch
from scipy.special import entr, expit

from gsutils import dual, losses
from gsutils.seeding import stream

PAGE = "03-legendre-dual"


def problems():
    """Alpha, and what dual's functions take, of random problems."""
    rng = stream(0, "chapter 3")
    for n, r, lam in [(1, 1, 1.0), (2, 2, 0.01), (7, 4, 30.0), (40, 40, 0.5)]:
        U = np.linalg.qr(rng.normal(size=(n, r)))[0]
        yield rng.uniform(0.01, 0.99, n), U, rng.uniform(0, 50, r), lam


def compare_bound(names):
    for alpha, U, s2, lam in problems():
        expected = dual.dual_objective(alpha, U, 0 * s2, lam)
        np.testing.assert_allclose(names["entropy"](alpha).sum(), expected, rtol=1e-12)
    u = np.linspace(-20, 20, 41)
    loss = losses.logistic(torch.from_numpy(u[:, None]), torch.ones(1).double()).numpy()
    np.testing.assert_allclose(names["line"](dual.multiplier(u), u), loss, rtol=1e-9, atol=1e-14)
    assert (names["line"](np.linspace(0.01, 0.99, 99)[:, None], u) <= loss + 1e-12).all()


def compare_objective(names):
    for problem in problems():
        np.testing.assert_allclose(
            names["dual_objective_by_hand"](*problem), dual.dual_objective(*problem), rtol=1e-12
        )


def compare_response(names):
    for problem in problems():
        np.testing.assert_allclose(
            names["response_by_hand"](*problem), dual.response_at(*problem), rtol=1e-12, atol=1e-12
        )


def compare_flow(names):
    for problem in problems():
        for eta in (1.0, 0.3):
            np.testing.assert_allclose(
                names["velocity_by_hand"](*problem, eta=eta),
                dual.velocity(*problem, eta=eta),
                rtol=1e-10,
            )


CORE = {
    "dual-bound": compare_bound,
    "dual-objective": compare_objective,
    "dual-response": compare_response,
    "dual-flow": compare_flow,
}

ALLOWED = [
    "A weight decay of 0.01",  # the setting of appendix B, and its arithmetic
    "with δ = 0.5",  # settings of the page's figures
    r"\delta = 0.5",
    "within 1 % of the optimum",  # the page's definition of having arrived
]


def entropy(alpha):
    return (entr(alpha) + entr(1 - alpha)).sum()


def value(alpha, Phi, y, lam):
    h = -alpha * np.log(alpha) - (1 - alpha) * np.log(1 - alpha)
    pulled = (alpha * y) @ Phi
    return h.sum() - pulled @ pulled / (2 * lam)


def quadratic(alpha, Phi, y, lam):
    return ((alpha * y) @ Phi) @ ((alpha * y) @ Phi) / (2 * lam)


def weights(alpha, Phi, y, lam):
    return (alpha * y) @ Phi / lam


def fragile(logits, y):
    return np.exp(-y * logits) / (1 + np.exp(-y * logits))


RIGHT = {
    "remaining-gradient": [
        lambda z, y: expit(-y * z),
        lambda z, y: 1 / (1 + np.exp(y * z)),
        lambda z, y: torch.sigmoid(torch.from_numpy(-y * z)),
    ],
    "dual-value": [
        value,
        lambda a, Phi, y, lam: (
            entropy(a) - a @ (np.diag(y) @ Phi @ Phi.T @ np.diag(y)) @ a / lam / 2
        ),
    ],
    "weights-from-pulls": [weights, lambda a, Phi, y, lam: (np.diag(y) @ Phi).T @ a / lam],
}

WRONG = {
    "remaining-gradient": [
        (lambda z, y: -expit(-y * z), "which is negative"),
        (lambda z, y: expit(y * z), "other way round"),
        (lambda z, y: expit(-z), "labels are missing"),
        (lambda z, y: np.logaddexp(0, -y * z), "That is the loss"),
        (lambda z, y: expit(-y * z) / len(y), "do not divide"),
        (lambda z, y: expit(-y * z) * expit(y * z), "second derivative"),
        (lambda z, y: y * expit(-y * z), "Each α is positive"),
        (fragile, "which form is stable"),
        (lambda z, y: 0 * y, "Not the steepness"),
    ],
    "dual-value": [
        (lambda *p: entropy(p[0]) + quadratic(*p), "it lowers the value"),
        (lambda *p: entropy(p[0]) - 2 * quadratic(*p), "1/2"),
        (lambda *p: entropy(p[0]) - quadratic(*p) * p[3] ** 2, "does not multiply"),
        (lambda *p: entropy(p[0]) - quadratic(*p) * p[3], "λ is missing"),
        (lambda a, Phi, y, lam: value(a, Phi, 1, lam), "labels are missing"),
        (lambda *p: entropy(p[0]), "quadratic term is missing"),
        (lambda *p: -quadratic(*p), "entropy is missing"),
        (lambda *p: -entropy(p[0]) - quadratic(*p), "sign of H"),
        (lambda *p: entropy(p[0]) / np.log(2) - quadratic(*p), "in bits"),
        (lambda *p: entropy(p[0]) / 5 - quadratic(*p), "not a mean"),
        (lambda *p: entr(p[0]).sum() - quadratic(*p), "what of 1 − α"),
        (lambda *p: 7.0, "Not the dual objective"),
    ],
    "weights-from-pulls": [
        (lambda a, Phi, y, lam: a @ Phi / lam, "labels are missing"),
        (lambda a, Phi, y, lam: y @ Phi / lam, "pulls are missing"),
        (lambda a, Phi, y, lam: (a * y) @ Phi, "λ is missing"),
        (lambda a, Phi, y, lam: (a * y) @ Phi * lam, "wrong side"),
        (lambda a, Phi, y, lam: -(a * y) @ Phi / lam, "The sign"),
        (lambda a, Phi, y, lam: (a * y) @ Phi / lam / 5, "do not divide"),
        (lambda a, Phi, y, lam: np.zeros(4), "Not the weights"),
    ],
}

GIVEAWAYS = {
    "remaining-gradient": ["expit", "sigmoid", "σ", "exp(", "1 / ("],
    "dual-value": ["@", "**2", "np.log", "‖"],
    "weights-from-pulls": ["@", "Φᵀ", "/ lam", "sum("],
}
