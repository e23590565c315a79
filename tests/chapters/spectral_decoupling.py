"""Chapter 5."""

from dataclasses import replace

import numpy as np
from scipy.special import expit

from gsutils import dual, evaluate, nets, ntk
from gsutils.data import moons
from gsutils.experiments import two_moons
from gsutils.seeding import stream

PAGE = "05-spectral-decoupling"


def compare_flows(names):
    rng = stream(1, "chapter 5")
    for n in (2, 7):
        U, _ = np.linalg.qr(rng.normal(size=(n, n)))
        s2, alpha, lam = rng.uniform(0.1, 20, n), rng.uniform(0.01, 0.99, n), rng.uniform(0.01, 2)
        np.testing.assert_allclose(
            names["coupled_velocity"](alpha, U, s2, lam),
            dual.velocity(alpha, U, s2, lam),
            rtol=1e-9,
        )
        np.testing.assert_allclose(
            names["decoupled_velocity"](alpha, lam),
            dual.velocity(alpha, U, s2, lam, "sd"),
            rtol=1e-9,
        )


def compare_equal_margin(names):
    for lam in (1e-6, 0.002, 0.5, 300.0):
        expected = dual.margins(np.eye(3), np.ones(3), lam, "sd")
        np.testing.assert_allclose(names["equal_margin"](lam), expected, rtol=1e-9)


def compare_minimiser(names):
    rng = stream(2, "chapter 5")
    Phi, y = rng.normal(size=(6, 9)), np.where(rng.random(6) < 0.5, -1.0, 1.0)
    for lam in (0.01, 3.0):
        expected = dual.primal_minimiser(Phi, y, lam, "sd")
        np.testing.assert_allclose(names["sd_minimiser"](Phi, y, lam), expected, rtol=1e-8)


def compare_training(names):
    for name in ("plain", "sd"):
        case = two_moons.CASES[name]
        trained = two_moons.train(replace(case, steps=40), seeds=[2])
        start = nets.MLP((2, 500, 1), [2])
        weights = [p.data[0].numpy().T for p in start.parameters()]
        X, y = trained.X[0], trained.y[0]
        kept = names["train_margins"](
            weights, X.astype(np.float32), y.astype(np.float32), case.lam, steps=40
        )
        for steps, model in ((0, start), (40, trained.model)):
            expected = y * evaluate.predict(model, X)[0]
            np.testing.assert_allclose(kept[steps], expected, rtol=1e-3, atol=1e-4)


def compare_margin_descent(names):
    X, y = moons.two_moons(3, n=40)
    start = nets.MLP((2, 20, 1), [3])
    linear = ntk.linearise(start, X)
    options = {"lr": 0.01, "momentum": 0.9, "record_at": {5, 30}}
    _, path = ntk.train_both(start, X, y, steps=30, lam=0.3, **options)
    Z = y[:, None] * linear.Phi
    kept = names["margin_descent"](y * linear.logits0, Z @ Z.T, 0.3, **options)
    for steps, u in kept.items():
        np.testing.assert_allclose(u, y * path.logits[list(path.steps).index(steps)], rtol=1e-8)


CORE = {
    "sd-flow": compare_flows,
    "equal-margin": compare_equal_margin,
    "sd-minimiser": compare_minimiser,
    "train-margins": compare_training,
    "margin-descent": compare_margin_descent,
}

ALLOWED = [
    r"\lambda = 0.006",  # the authors' setting of two moons, in this book's convention
    "the authors' 0.003 our",
    r"0.003 \cdot \mathrm{mean}",
    "whose dual starts at α = 1e-8",  # the authors' settings of Figure 5
    "at time 0.015",
    "14.9 % of the training images",  # a fact about CelebA
]


def projection(Phi, y):
    Z = y[:, None] * Phi
    return Z @ np.linalg.pinv(Z)


RIGHT = {
    "measure-lam": [
        lambda penalty, n: 2 * penalty(np.ones(n)),
        lambda penalty, n: 2 * n * penalty(np.eye(n)[0]),
        lambda penalty, n: penalty(3 * np.ones(n)) * 2 / 9,
    ],
    "lam-for-margin": [lambda u: expit(-u) / u, lambda u: 1 / (u + u * np.exp(u))],
    "example-coupling": [projection],
}

WRONG = {
    "measure-lam": [
        (lambda penalty, n: penalty(np.ones(n)), "where does λ's own ½ go"),
        (lambda penalty, n: 2 * penalty(np.eye(n)[0]), "switch on only one"),
        (lambda penalty, n: 2 * n * penalty(np.ones(n)), "sum over examples"),
        (lambda penalty, n: 2 * penalty(2 * np.ones(n)) / 2, "square of the logits"),
        (lambda penalty, n: 0.3, "Wrong for the penalty"),
    ],
    "lam-for-margin": [
        (lambda u: expit(-u), "That is α"),
        (lambda u: u / expit(-u), "upside down"),
        (lambda u: expit(u) / u, "probability of the right class"),
        (lambda u: np.exp(-u) / u, "large margins only"),
        (lambda u: expit(-u) / u / 2, "factor 2"),
        (lambda u: 1.0, "do not balance"),
    ],
    "example-coupling": [
        (lambda Phi, y: np.eye(len(y)), "decouples everything"),
        (lambda Phi, y: (y[:, None] * Phi) @ (y[:, None] * Phi).T, "under weight decay"),
        (lambda Phi, y: projection(Phi, np.ones(len(y))), "labels are missing"),
        (lambda Phi, y: np.eye(len(y)) - projection(Phi, y), "cannot be reached"),
        (lambda Phi, y: np.zeros((len(y), len(y))), "Wrong with"),
    ],
}

GIVEAWAYS = {
    "measure-lam": ["ones", "2 *", "twice"],
    "lam-for-margin": ["expit", "/ u", "σ(-u)", "divide"],
    "example-coupling": ["pinv", "U @", "UUᵀ", "projection"],
}
