"""Chapter 2."""

import numpy as np
import torch

from gsutils import ntk
from gsutils.data import moons
from gsutils.experiments import responses
from gsutils.nets import MLP

PAGE = "02-ntk-linearization"


def compare_ntrf(names):
    for widths, parameterisation in [((2, 20, 1), "standard"), ((2, 7, 9, 1), "ntk")]:
        network = MLP(widths, [5], parameterisation=parameterisation)
        X, _ = moons.two_moons(4, n=20)
        Phi = names["ntrf_by_hand"](network.double(), X)
        np.testing.assert_allclose(Phi, ntk.ntrf(network, X), rtol=1e-12, atol=1e-14)


def compare_linearised(names):
    network, (X, _) = MLP((2, 20, 1), [6]), moons.two_moons(4, n=20)
    linear = ntk.linearise(network, X)
    theta = linear.theta0 + np.random.default_rng(0).normal(size=linear.theta0.size)
    logits = names["linearised_by_hand"](linear.logits0, linear.Phi, linear.theta0, theta)
    np.testing.assert_allclose(logits, linear(theta), atol=1e-12)


def compare_features(names):
    rng = np.random.default_rng(1)
    for n, m in [(8, 30), (30, 8)]:
        Phi, y = rng.normal(size=(n, m)), rng.choice([-1.0, 1.0], n)
        for mine, theirs in zip(names["features_by_hand"](Phi, y), ntk.features(Phi, y)):
            np.testing.assert_allclose(mine, theirs, atol=1e-12)


def compare_response(names):
    rng = np.random.default_rng(2)
    y, logits = rng.choice([-1.0, 1.0], 9), rng.normal(size=9)
    U = ntk.features(rng.normal(size=(9, 20)), y).U
    z = names["response_by_hand"](U, y, logits)
    np.testing.assert_allclose(z, ntk.response(U, y, logits), atol=1e-12)


def compare_straight(names):
    X, y = moons.two_moons(7, n=40)
    U = ntk.features(ntk.ntrf(MLP((2, 30, 1), [7]), X), y).U
    share = names["affine_share"](U, X, y)
    np.testing.assert_allclose(share, responses.affine_share(U, X, y), atol=1e-12)


CORE = {
    "ntrf": compare_ntrf,
    "linearised": compare_linearised,
    "features": compare_features,
    "response": compare_response,
    "straight": compare_straight,
}

ALLOWED = [
    "with weight decay 2e-4 in all three cases",  # of the authors' script
    "2e-4 in PyTorch's convention",  # the authors' weight decay, in both conventions
    r"\cdot 10^{-4} = 0.06",
]


def signs(U, Vt):
    largest = U[np.abs(U).argmax(0), np.arange(U.shape[1])]
    return U * np.sign(largest), np.sign(largest)[:, None] * Vt


def by_sum(U, Vt):
    sign = np.sign(U.sum(0))
    return U * sign, sign[:, None] * Vt


def by_first_row(U, Vt):
    return U * np.sign(U[0]), np.sign(U[0])[:, None] * Vt


def by_extremes(U, Vt):
    sign = np.where(U.max(0) > -U.min(0), 1, -1)
    return torch.from_numpy(U * sign), torch.from_numpy(sign[:, None] * Vt)


def gram(W, w, X):
    f = X @ W.T
    on = f > 0
    kernel = (w**2 * on) @ on.T * (X @ X.T) + (f * on) @ (f * on).T
    return 2 / len(w) * kernel


def gram_of_slopes(W, w, X):
    f = X @ W.T
    scale = (2 / len(w)) ** 0.5
    inner = scale * np.einsum("ni,i,nk->nik", f > 0, w, X).reshape(len(X), -1)
    Phi = np.hstack([inner, scale * np.maximum(0, f)])
    return Phi @ Phi.T


def hidden(W, X):
    return np.maximum(0, X @ W.T)


RIGHT = {
    "fix-signs": [signs, by_extremes],
    "centred-response": [
        lambda U, y, logits, logits0: U.T @ (y * (logits - logits0)),
        lambda U, y, logits, logits0: ntk.response(U, y, logits - logits0),
    ],
    "two-layer-gram": [gram, gram_of_slopes],
}

WRONG = {
    "fix-signs": [
        (lambda U, Vt: (np.abs(U), Vt), "as a whole"),
        (lambda U, Vt: (2 * U, Vt), "Only signs may change"),
        (lambda U, Vt: (signs(U, Vt)[0], Vt), "what must happen to Vt"),
        (lambda U, Vt: (-U, Vt), "the same matrix before and after"),
        (by_sum, "the sum of each column"),
        (by_first_row, "the first row"),
        (lambda U, Vt: (U, Vt), "is negative"),
    ],
    "centred-response": [
        (lambda U, y, z, z0: U.T @ (y * z), "answer with 0"),
        (lambda U, y, z, z0: U.T @ (z - z0), "labels are missing"),
        (lambda U, y, z, z0: U @ (y * (z - z0)), "adds over the examples"),
        (lambda U, y, z, z0: U.T @ (y * (z0 - z)), "sign is turned"),
        (lambda U, y, z, z0: np.abs(U.T @ (y * (z - z0))), "You return sizes"),
        (lambda U, y, z, z0: np.zeros(5), "Not the responses"),
    ],
    "two-layer-gram": [
        (lambda W, w, X: len(w) / 2 * gram(W, w, X), "grow with the width"),
        (lambda W, w, X: 2 / len(w) * hidden(W, X) @ hidden(W, X).T, "Only the last layer"),
        (
            lambda W, w, X: gram(W, w, X) - 2 / len(w) * hidden(W, X) @ hidden(W, X).T,
            "Only the first layer",
        ),
        (
            lambda W, w, X: 2 / len(w) * (w @ w * (X @ X.T) + hidden(W, X) @ hidden(W, X).T),
            "units that are off",
        ),
        (
            lambda W, w, X: (
                gram(W, w, X)
                + 2 / len(w) * ((X @ W.T) @ (X @ W.T).T - hidden(W, X) @ hidden(W, X).T)
            ),
            "after the ReLU",
        ),
        (lambda W, w, X: gram(W, np.ones_like(w), X), "outgoing weight"),
        (lambda W, w, X: (len(w) / 2) ** 0.5 * gram(W, w, X), "product of two slopes"),
        (lambda W, w, X: np.eye(len(X)), "Not Φ Φᵀ"),
    ],
}

GIVEAWAYS = {
    "fix-signs": ["argmax", "sign(", "abs("],
    "centred-response": ["U.T", "@", "logits0", "- logits"],
    "two-layer-gram": ["@", "f > 0", "w**2", "2 / len"],
}
