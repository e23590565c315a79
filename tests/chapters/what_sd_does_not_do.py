"""Chapter 10."""

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import expit

from gsutils import dual, losses
from gsutils.data.mnist import embedded_digits
from gsutils.experiments import label_noise, two_cues
from gsutils.seeding import stream

PAGE = "10-what-sd-does-not-do"


def compare_ridgeless(names):
    rng = stream(1, "chapter 10")
    Phi, new = rng.normal(size=(6, 15)), rng.normal(size=(9, 15))
    y = rng.choice([-1.0, 1.0], 6)
    for lam in (0.01, 2.0):
        theta = dual.primal_minimiser(Phi, y, lam, "sd")
        found = names["ridgeless"](Phi @ Phi.T, new @ Phi.T, y, names["equal_margin"](lam))
        np.testing.assert_allclose(found, new @ theta, rtol=1e-7, atol=1e-9)


def compare_flip(names):
    drawn = label_noise.prepare(label_noise.Case(train_size=100), 4, embedded_digits())
    clean = drawn.y * np.where(drawn.wrong, -1, 1)
    y, wrong = names["flip"](clean, 0.2, stream(4, "label noise"))
    np.testing.assert_array_equal(wrong, drawn.wrong)
    np.testing.assert_array_equal(y, drawn.y)


def compare_pulls(names):
    u = 1.3
    lam, eps = expit(-u) / u, 2 * expit(-u)
    v = torch.linspace(-5, 5, 21, dtype=torch.float64, requires_grad=True)
    ones = torch.ones_like(v)
    n = len(v)
    values = {
        "cross-entropy": losses.logistic(v, ones),
        "SD": losses.logistic(v, ones) + losses.spectral_decoupling(v, ones, lam),
        "squared loss": (v - u).square().mean() / (4 * u),
        "label smoothing": (1 - eps / 2) * losses.logistic(v, ones)
        + eps / 2 * losses.logistic(v, -ones),
    }
    pulls = names["pulls"](u)
    assert set(pulls) == set(values)
    for name, value in values.items():
        (slope,) = torch.autograd.grad(n * value, v)
        at = v.detach().numpy()
        np.testing.assert_allclose(pulls[name](at), -slope.numpy(), rtol=1e-9, atol=1e-12)


def compare_two_cues(names):
    for p_shape, p_colour, lam in ((0.75, 0.85, 2.0), (0.9, 0.6, 0.05)):
        expected = two_cues.optimum(p_shape, p_colour, lam)
        np.testing.assert_allclose(
            names["contributions"](p_shape, p_colour, lam), expected, rtol=1e-9
        )


CORE = {
    "ridgeless": compare_ridgeless,
    "flip": compare_flip,
    "pulls": compare_pulls,
    "two-cues": compare_two_cues,
}

ALLOWED = [
    # Settings: how many labels are flipped.
    "20 % or 40 % of the training labels",
    # The two cues of Colored MNIST (section 4.3), and what follows from them.
    "agrees with the label in 75 % of all cases and a colour that agrees in 85 %",
    "where shape decides, test accuracy is 75 %, where colour decides, 10 %",
    "Shape agrees with the label in 75 % of all cases",
    "shape decides (75 %)",
    "colour decides all the time (10 %)",
]


def margin(lam):
    return brentq(lambda v: expit(-v) - lam * v, 0, 0.5 / lam, xtol=1e-15)


def odds(p):
    return np.log(p / (1 - p))


RIGHT = {
    "share-memorised": [
        lambda z, y, wrong: np.mean(y[wrong] * z[wrong] > 0),
        lambda z, y, wrong: ((np.sign(z) == y) & wrong).sum() / wrong.sum(),
    ],
    "matching-smoothing": [
        lambda lam: 2 * expit(-margin(lam)),
        lambda lam: 2 * lam * margin(lam),
    ],
    "neck-and-neck": [
        lambda a, c: np.sqrt((a - 0.5) / (c - 0.5)),
        lambda a, c: ((2 * a - 1) / (2 * c - 1)) ** 0.5,
    ],
}

WRONG = {
    "share-memorised": [
        (lambda z, y, wrong: np.mean(y * z > 0), "That is the training accuracy"),
        (lambda z, y, wrong: np.mean(-y[wrong] * z[wrong] > 0), "contradicts"),
        (lambda z, y, wrong: np.mean((y * z > 0) & wrong), "divided by all examples"),
        (lambda z, y, wrong: wrong[y * z > 0].mean(), "among those fitted"),
        (lambda z, y, wrong: np.mean((y * z > 0)[~wrong]), "wrong way round"),
        (lambda z, y, wrong: 0.5, "Not yet"),
    ],
    "matching-smoothing": [
        (lambda lam: expit(-margin(lam)), "A factor is missing"),
        (lambda lam: 2 * expit(margin(lam)), "turned round"),
        (margin, "That is SD's margin"),
        (lambda lam: lam, "not the same number"),
        (lambda lam: 0.1, "does not have SD's margin"),
    ],
    "neck-and-neck": [
        (lambda a, c: (a - 0.5) / (c - 0.5), "squared"),
        (lambda a, c: np.sqrt((c - 0.5) / (a - 0.5)), "Turned round"),
        (lambda a, c: np.sqrt(a / c), "the excess"),
        (lambda a, c: np.sqrt(odds(a) / odds(c)), "Log odds"),
        (lambda a, c: 1.0, "two speeds"),
    ],
}

GIVEAWAYS = {
    "share-memorised": ["mean", "y *", "[wrong]"],
    "matching-smoothing": ["2 *", "expit", "σ"],
    "neck-and-neck": ["sqrt", "0.5", "½", "root"],
}
