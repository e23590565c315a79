"""Chapter 12."""

import numpy as np
from scipy.special import softmax

from gsutils import beyond, dual, losses
from gsutils.seeding import stream

PAGE = "12-beyond-the-linear-theory"


def compare_hard_margin(names):
    rng = stream(1, "chapter 12")
    for n, m in ((3, 4), (12, 20)):
        Z = rng.normal(size=(n, m))
        found = names["hard_margin"](Z @ Z.T)
        np.testing.assert_allclose(found, beyond.multipliers(Z @ Z.T), rtol=1e-7, atol=1e-10)


def compare_elasticities(names):
    rng = stream(2, "chapter 12")
    U, s2 = rng.normal(size=(5, 3)), rng.uniform(0.5, 4, 3)
    z = beyond.optimum(U, s2, 0.3)
    found = names["elasticities"](U, s2, 0.3, z)
    np.testing.assert_allclose(found, beyond.elasticities(U, s2, 0.3), rtol=1e-9, atol=1e-12)


def compare_lead(names):
    for lam, classes in ((1e-4, 2), (0.05, 100), (3.0, 10)):
        found = names["lead"](lam, classes)
        np.testing.assert_allclose(found, beyond.lead(lam, classes), rtol=1e-10)


def compare_mixture(names):
    numbers = {
        "agreement": 0.9,
        "strength": 3.0,
        "core_noise": 0.4,
        "cue_noise": 0.7,
        "ridge": 0.2,
    }
    found = names["sd_contributions"](**numbers)
    np.testing.assert_allclose(found, beyond.Mixture(**numbers).sd(), rtol=1e-12)


def compare_diagonal(names):
    s, lam = np.array([2.0, 1.0, 0.5]), 0.2
    (u,) = dual.margins(np.eye(1), np.ones(1), lam, "sd")
    for eps in (0.05, 1.0):
        found = names["train_diagonal"](s, eps, lam)
        np.testing.assert_allclose(found, beyond.shared_margin(s, eps, u), rtol=5e-3)


CORE = {
    "hard-margin": compare_hard_margin,
    "elasticities": compare_elasticities,
    "lead": compare_lead,
    "mixture": compare_mixture,
    "diagonal": compare_diagonal,
}

ALLOWED = [
    "Where the table has 100 %",  # every example: the meaning of the criterion
]


def trained(Phi, y, classes, lam, steps=6000, start=None, decay=0.0):
    target = np.eye(classes)[y]
    theta = np.zeros((Phi.shape[1], classes)) if start is None else start
    step = 1 / ((0.5 + lam) * np.linalg.norm(Phi, 2) ** 2 + decay)
    for _ in range(steps):
        f = Phi @ theta
        gradient = Phi.T @ (softmax(f, axis=1) - target + lam * f) + decay * theta
        theta = theta - step * gradient
    return theta


def solved(Phi, y, classes, m):
    return np.linalg.pinv(Phi) @ (m * (np.eye(classes)[y] - 1 / classes))


def interpolates(Phi, y):
    rows = y[:, None] * Phi
    return np.linalg.solve(rows @ rows.T, np.ones(len(y)))


def all_at_margin_one(K):
    return np.allclose(K @ beyond.multipliers(K), 1)


RIGHT = {
    "lam-for-lead": [
        losses.lam_for_lead,
        lambda m, classes: classes / (np.exp(m) + classes - 1) / m,
    ],
    "same-limit": [
        lambda Phi, y: bool((interpolates(Phi, y) >= 0).all()),
        lambda Phi, y: all_at_margin_one(beyond.labelled_gram(Phi, y)),
    ],
    "train-to-lead": [
        lambda Phi, y, k, m: trained(Phi, y, k, losses.lam_for_lead(m, k)),
        solved,
    ],
}

WRONG = {
    "lam-for-lead": [
        (lambda m, k: k / (np.exp(m) + k - 1), "grows with the lead"),
        (lambda m, k: 1 / (np.exp(m) + k - 1) / m, "summed or averaged"),
        (lambda m, k: 1 / (1 + np.exp(m)) / m, "two classes"),
        (lambda m, k: m * (np.exp(m) + k - 1) / k, "upside down"),
        (lambda m, k: k * np.exp(-m) / m, "large leads only"),
        (lambda m, k: 0.7, "do not balance"),
    ],
    "same-limit": [
        (lambda Phi, y: True, "does not depend on the data"),
        (lambda Phi, y: bool((interpolates(Phi, y) < 0).any()), "wrong way round"),
        (
            lambda Phi, y: bool((interpolates(Phi, np.ones(len(y))) >= 0).all()),
            "labels are missing",
        ),
        (lambda Phi, y: (beyond.multipliers(beyond.labelled_gram(Phi, y)) > 0).all(), "tie counts"),
        (lambda Phi, y: len(y) < 4, "which sign"),
        (lambda Phi, y: float(len(y)), "True or False"),
    ],
    "train-to-lead": [
        (lambda Phi, y, k, m: np.zeros((Phi.shape[1], k)), "not moved"),
        (
            lambda Phi, y, k, m: trained(Phi, y, k, losses.lam_for_lead(m, k) / k),
            "summed over the classes",
        ),
        (lambda Phi, y, k, m: trained(Phi, y, k, 0.01, steps=20000), "another λ"),
        (
            lambda Phi, y, k, m: trained(Phi, y, k, losses.lam_for_lead(m, k), steps=20),
            "train longer",
        ),
        (
            lambda Phi, y, k, m: (
                solved(Phi, y, k, m) + (np.eye(Phi.shape[1]) - np.linalg.pinv(Phi) @ Phi)[:, :1]
            ),
            "did not start at zero",
        ),
        (lambda Phi, y, k, m: 1e6 * solved(Phi, y, k, m), "diverges"),
    ],
}

GIVEAWAYS = {
    "lam-for-lead": ["exp(m)", "/ m", "classes - 1"],
    "same-limit": ["solve", "K⁻¹", "inv("],
    "train-to-lead": ["lam =", "softmax", "exp("],
}
