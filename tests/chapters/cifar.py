"""Chapter 6."""

import numpy as np
import torch

from gsutils import attack
from gsutils.nets import ConvNet
from gsutils.seeding import stream

PAGE = "06-cifar-margins"


def network():
    rng = stream(0, "test")
    X = torch.from_numpy(rng.random((30, 1, 8, 8), np.float32))
    net = ConvNet((6, 8), X)
    net(X)
    y = torch.from_numpy(np.sign(rng.normal(size=30)).astype(np.float32))
    return net.eval().requires_grad_(False), X, y


def compare_pgd(names):
    net, X, y = network()
    for eps in (0.1, 1.0):
        torch.testing.assert_close(
            names["pgd_by_hand"](net, X, y, eps, steps=6), attack.pgd(net, X, y, eps, steps=6)
        )


def compare_bisection(names):
    net, X, _ = network()
    X = X[net(X) != 0]  # a logit of zero has no side
    y = net(X).sign()
    moved = attack.pgd(net, X, y, 3.0)
    fell = y * net(moved) <= 0
    assert fell.any()
    X, moved, y = X[fell], moved[fell], y[fell]
    torch.testing.assert_close(
        names["bisect_by_hand"](net, X, moved, y), attack.crossing(net, X, moved, y)
    )


CORE = {"pgd": compare_pgd, "bisection": compare_bisection}

ALLOWED = [
    # The paper's ε, and what it is in the other norm: arithmetic.
    "at a disturbance of 0.05",
    r"\|\delta\|_\infty = 0.05 can be as long as 0.05\sqrt{3072} = 2.8",
    '= 0.05" and does not name',
    "the paper's 0.05",
    'at "0.05"',
    "makes 0.05 about four times smaller",
    "at the paper's λ = 0.01",  # Table 1's setting
]


def dual(w, b, X, y, norm):
    return y * (X @ w + b) / np.linalg.norm(w, {"l2": 2, "linf": 1}[norm])


def project(delta, eps):
    length = np.linalg.norm(delta, axis=1, keepdims=True)
    return delta * np.minimum(1, eps / np.maximum(length, 1e-12))


def bisect(lead, halvings=14):
    low, high = 0.0, 1.0
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (middle, high) if lead(middle) > 0 else (low, middle)
    return high


def scan(lead):
    return next(t for t in np.linspace(0, 1, 10_001) if lead(t) <= 0)


def beyond(lead):
    lead(1.5)
    return bisect(lead)


def straight(lead):
    return lead(0.0) / (lead(0.0) - lead(1.0))


def surface(delta, eps):
    return delta * eps / np.linalg.norm(delta, axis=1, keepdims=True)


def not_a_number(delta, eps):
    length = np.linalg.norm(delta, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(length <= eps, delta / length * length, delta * eps / length)


def shuffled(delta, eps):
    moved = project(delta, eps)
    outside = np.linalg.norm(delta, axis=1) > eps
    return np.where(outside[:, None], moved[:, ::-1], moved)


RIGHT = {
    "dual-margin": [dual],
    "project-to-ball": [project],
    "find-crossing": [bisect, lambda lead: bisect(lead, 20)],
}

WRONG = {
    "dual-margin": [
        (lambda w, b, X, y, norm: y * (X @ w + b), "That is the logit margin"),
        (lambda w, b, X, y, norm: np.abs(dual(w, b, X, y, norm)), "a wrong answer is negative"),
        (lambda w, b, X, y, norm: dual(w, 0, X, y, norm), "You forgot b"),
        (lambda w, b, X, y, norm: dual(w, b, X, y, "l2"), "the Euclidean distance"),
        (
            lambda w, b, X, y, norm: (
                y * (X @ w + b) / np.linalg.norm(w, {"l2": 2, "linf": np.inf}[norm])
            ),
            "only the most important pixel",
        ),
        (lambda w, b, X, y, norm: y * (X @ w + b) / (w @ w), "must not change"),
        (lambda w, b, X, y, norm: dual(w, b, X, y, "linf"), "Wrong for norm = 'l2'"),
    ],
    "project-to-ball": [
        (lambda delta, eps: np.clip(delta, -eps, eps), "every pixel by itself"),
        (lambda delta, eps: delta * min(1, eps / np.linalg.norm(delta)), "all disturbances"),
        (surface, "you moved all to the surface"),
        (lambda delta, eps: project(delta, eps) * 0.9, "must stay where it is."),
        (lambda delta, eps: delta, "is left, the ball has the radius"),
        (
            lambda delta, eps: np.where(
                np.linalg.norm(delta, axis=1, keepdims=True) > eps, 0.0, delta
            ),
            "on its surface",
        ),
        (shuffled, "direction of a disturbance"),
        (not_a_number, "zero must stay zero"),
    ],
    "find-crossing": [
        (scan, "20 must do"),
        (beyond, "Stay on the way"),
        (straight, "may bend"),
        (lambda lead: 1 - bisect(lead), "from the disturbed image"),
        (lambda lead: bisect(lead, 7), "go on"),
        (lambda lead: 0.5, "which half"),
    ],
}

GIVEAWAYS = {
    "dual-margin": ["|w", "abs(", "norm(w", "L1"],
    "project-to-ball": ["minimum", "min(", "np."],
    "find-crossing": ["/ 2", "middle", "halve"],
}
