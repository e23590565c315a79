"""Chapter 1."""

from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import softplus

from gsutils.data import moons
from gsutils.experiments import two_moons
from gsutils.nets import MLP

PAGE = "01-clever-hans"


def compare_two_moons(names):
    for seed, delta, n, noise in [(0, 0.1, 300, 0.1), (7, -0.1, 301, 0.2), (3, 0.4, 20, 0.0)]:
        X, y = names["two_moons_by_hand"](seed, delta, n=n, noise=noise)
        expected, labels = moons.two_moons(seed, delta, n, noise)
        np.testing.assert_allclose(X, expected, atol=1e-12)
        assert np.array_equal(y, labels)


def compare_train(names):
    for name in ("plain", "sd"):
        trained = two_moons.train(replace(two_moons.CASES[name], steps=40), seeds=[3, 8])
        for run, seed in enumerate(trained.model.seeds):
            network = MLP((2, 500, 1), range(10)).single(seed)  # the weights before training
            X, y = (torch.from_numpy(a[run]).float() for a in (trained.X, trained.y))
            names["train_by_hand"](network, X, y, lam=two_moons.CASES[name].lam, steps=40)
            torch.testing.assert_close(
                network(X)[0].detach(), trained.model(X)[run].detach(), rtol=1e-3, atol=1e-4
            )


CORE = {
    "two-moons": compare_two_moons,
    "train": compare_train,
}

ALLOWED = [
    r"\Delta = -0.1",  # the gaps of Figure 1
    r"\Delta = +0.1",
    r"\Delta = 0.1",
    r"\Delta = -0.3",  # settings of the page's own tests of robustness
    r"\epsilon = 0.25",
    "input margin above 0.25",  # a bar that an exercise sets
    "decay 2e-4 in all three cases",  # of the authors' script
    "step of 3e-3",  # appendix B's two steps of Adam
]


def margin(w, b, X, y):
    return (y * (X @ w + b)).min() / np.linalg.norm(w)


def objective(logits, y, lam):
    return softplus(-y * logits).mean() + lam / 2 * (logits**2).mean()


def clipped(logits, y, lam):
    return -torch.log(torch.sigmoid(y * logits) + 1e-12).mean() + lam / 2 * (logits**2).mean()


def overflowing(logits, y, lam):
    return torch.log(1 + torch.exp(-y * logits)).mean() + lam / 2 * (logits**2).mean()


def in_numpy(logits, y, lam):
    logits, y = logits.numpy(), y.numpy()
    return np.logaddexp(0, -y * logits).mean() + lam / 2 * (logits**2).mean()


RIGHT = {
    "linear-margin": [margin, lambda w, b, X, y: torch.tensor(margin(w, b, X, y))],
    "sd-objective": [objective, in_numpy],
    "flip-share": [lambda d, eps: (d <= eps).mean(), lambda d, eps: float((d < eps).mean())],
    "confident-and-wide": [lambda: 0.02, lambda: np.float32(0.02)],
}

WRONG = {
    "linear-margin": [
        (lambda w, b, X, y: (y * (X @ w + b)).min(), "not a distance"),
        (lambda w, b, X, y: (y * (X @ w + b)).min() / (w @ w), "once too often"),
        (lambda w, b, X, y: (y * (X @ w + b)).mean() / np.linalg.norm(w), "mean distance"),
        (lambda w, b, X, y: (X @ w + b).min() / np.linalg.norm(w), "labels are missing"),
        (lambda w, b, X, y: margin(w, 0, X, y), "offset b is missing"),
        (lambda w, b, X, y: np.abs(X @ w + b).min() / np.linalg.norm(w), "misclassified point has"),
        (lambda w, b, X, y: max(0, margin(w, b, X, y)), "fails when a point is misclassified"),
        (lambda w, b, X, y: 7.0, "Not the distance"),
    ],
    "sd-objective": [
        (lambda z, y, lam: 7 * objective(z, y, lam), "sum form"),
        (lambda z, y, lam: softplus(-y * z).mean() + lam / 2 * (z**2).sum(), "must be one too"),
        (lambda z, y, lam: softplus(-y * z).mean() + lam * (z**2).mean(), "1/2 of Eq. 17"),
        (lambda z, y, lam: softplus(-y * z).mean(), "penalty is missing"),
        (lambda z, y, lam: lam / 2 * (z**2).mean(), "logistic loss is missing"),
        (lambda z, y, lam: softplus(-y * z).mean() - lam / 2 * (z**2).mean(), "not subtracted"),
        (lambda z, y, lam: objective(z, -y, lam), "sign of y·logit"),
        (lambda z, y, lam: softplus(-z).mean() + lam / 2 * (z**2).mean(), "labels are missing"),
        (lambda z, y, lam: softplus(-y * z).mean() + lam / 2 * z.mean() ** 2, "Square each"),
        (overflowing, "is 900, not inf"),
        (clipped, "is 900, not 27.631"),
        (lambda z, y, lam: 7.0, "Not the mean logistic loss"),
    ],
    "flip-share": [
        (lambda d, eps: 100 * (d <= eps).mean(), "not a percentage"),
        (lambda d, eps: (d > eps).mean(), "survive"),
        (lambda d, eps: (np.abs(d) <= eps).mean(), "wrong already"),
        (lambda d, eps: (d <= eps).sum(), "a count"),
        (lambda d, eps: (d <= 2 * eps).mean(), "Wrong at eps"),
    ],
    "confident-and-wide": [
        (lambda: 0.0, "too close to the points"),
        (lambda: 0.2, "hardly sure of anything"),
        (lambda: 10.0, "too"),
        (lambda: -0.02, "no coefficient"),
    ],
}

GIVEAWAYS = {
    "linear-margin": ["norm", "sqrt", "‖w‖", "@"],
    "sd-objective": ["softplus", "logaddexp", "logsigmoid", "**2"],
    "flip-share": ["<", "≤", "mean("],
    "confident-and-wide": ["0.01", "0.02", "0.03", "0.05"],
}
