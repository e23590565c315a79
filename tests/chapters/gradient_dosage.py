"""Chapter 9."""

import numpy as np
import torch
from scipy.special import expit

from gsutils import methods, pulls
from gsutils.data import features
from gsutils.seeding import stream

PAGE = "09-gradient-dosage"


def cells(names):
    """What the page defines between its core cells: the eight cases and their weights."""
    agrees = features.cells(3)
    names |= {"agrees": agrees, "weight": np.where(agrees > 0, 0.9, 0.1).prod(1)}
    return agrees


def compare_dose(names):
    agrees = cells(names)
    population = features.Population.of_features((0.9, 0.9, 0.9))
    for w in stream(0, "test").normal(size=(5, 3)):
        share, net = names["dose"](agrees @ w, agrees, names["weight"])
        total, agreed = pulls.doses(population.f @ torch.from_numpy(w), population, methods.ERM())
        np.testing.assert_allclose(share, agreed / total, atol=1e-12)
        np.testing.assert_allclose(net, 2 * agreed - total, atol=1e-12)


def compare_flow(names):
    cells(names)
    kinds = {
        "cross-entropy": methods.ERM(),
        "SD": methods.SD(lam=0.1),
        "squared": methods.Squared(),
    }
    assert set(kinds) == set(names["PULLS"])
    for name, method in kinds.items():
        path = names["gradient_flow"]([2, 1, 0.5], names["PULLS"][name], 2.0, dt=0.001)
        exact = pulls.flow([2, 1, 0.5], [0.9] * 3, [0.0, 1.0, 2.0], method)
        np.testing.assert_allclose(path[[0, 1000, 2000]], exact, atol=2e-3)


def compare_survival(names):
    """Two-layer detectors, r' = r (s g - mu), run for a long time."""
    agrees = features.cells(2)
    weight = np.where(agrees > 0, 0.9, 0.1).prod(1)

    def alive(s, mu, start):
        r = np.array(start)
        for _ in range(6000):
            g = (weight * expit(-agrees @ (s * r**2))) @ agrees
            r = r * np.exp(0.1 * (s * g - mu))
        return r[1] > 1e-3

    for s, mu in (
        ((1, 0.6), 0.1),
        ((1, 0.6), 0.16),
        ((1, 0.6), 0.3),
        ((2, 1), 0.16),
        ((1, 1), 0.3),
    ):
        expected = alive(np.array(s), mu, [0.0, 0.1]), alive(np.array(s), mu, [0.1, 0.1])
        assert names["survives"](s, mu) == expected, (s, mu)


CORE = {"dose": compare_dose, "flow": compare_flow, "survives": compare_survival}

ALLOWED = [
    # The thought experiment's own numbers, and arithmetic with them.
    "At p = 0.9",
    "(p = 0.9)",
    "0.9^3 + 3 \\cdot 0.9^2 \\cdot 0.1",
    "= 97.2 % of the examples",
    "dashed, 97.2 %",
    "yes, 97.2 %",
    "decides alone, at 90 %",
    # The bar of a table, and settings.
    "the network is at 95 %",
    "For 95 % accuracy",
    "λ = 0.1",
]


def memory(doses, lr, lam):
    return lr * (1 - lr * lam) ** np.arange(len(doses))[::-1] @ doses


def looped(doses, lr, lam):
    theta = np.zeros(doses.shape[1])
    for row in doses:
        theta = theta - lr * (lam * theta - row)
    return theta


def share(logits, y, f):
    alpha = expit(-y * logits)
    return alpha[f == y].sum() / alpha.sum()


def share_of(alpha, agrees):
    return alpha[agrees].sum() / alpha.sum()


RIGHT = {
    "portion-left": [lambda p: 4 * p * (1 - p), lambda p: 1 - (2 * p - 1) ** 2],
    "dose-share": [share, lambda z, y, f: np.average(f == y, weights=expit(-y * z))],
    "weights-from-doses": [memory, looped],
}

WRONG = {
    "portion-left": [
        (lambda p: (1 - p) / p, "counts images"),
        (lambda p: 1 - p, "not stopped pulling"),
        (lambda p: 2 * p * (1 - p), "relative to what"),
        (lambda p: 2 * p * (1 - p) * (2 * p - 1), "net pull before training"),
        (lambda p: 1 / (4 * p * (1 - p)), "upside down"),
        (lambda p: p, "average the pulls"),
    ],
    "dose-share": [
        (lambda z, y, f: (f == y).mean(), "counted examples"),
        (lambda z, y, f: 1 - share(z, y, f), "feature is wrong"),
        (lambda z, y, f: share_of(expit(y * z), f == y), "check a sign"),
        (lambda z, y, f: share_of(expit(-z), f == y), "used the logit"),
        (lambda z, y, f: 2 * share(z, y, f) - 1, "less disagreeing"),
        (lambda z, y, f: share_of(expit(-y * z), f == np.sign(z)), "not with the network"),
        (lambda z, y, f: expit(-y * z)[f == y].sum(), "above the line"),
    ],
    "weights-from-doses": [
        (lambda d, lr, lam: lr * d.sum(0), "remembers everything"),
        (lambda d, lr, lam: memory(d[::-1], lr, lam), "other way"),
        (lambda d, lr, lam: memory(d, lr, lam) / lr, "learning rate times"),
        (lambda d, lr, lam: (1 - lr * lam) * memory(d, lr, lam), "lived through"),
        (lambda d, lr, lam: lr * np.exp(-lr * lam * np.arange(7)[::-1]) @ d, "finite"),
        (lambda d, lr, lam: lr * (1 - lam) ** np.arange(7)[::-1] @ d, "depends on the learning"),
        (lambda d, lr, lam: d[-1], "an update later"),
    ],
}

GIVEAWAYS = {
    "portion-left": ["4 * p", "4p", "(1 - p)"],
    "dose-share": ["expit", "sigmoid", "σ"],
    "weights-from-doses": ["1 - lr", "**", "[::-1]"],
}
