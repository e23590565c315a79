"""Chapter 13."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from gsutils import diagnose

PAGE = "13-your-own-network"


def compare_effective(names):
    pull = torch.from_numpy(np.random.default_rng(0).random(50))
    assert float(names["effective_number"](pull)) == pytest.approx(diagnose.effective_number(pull))


CORE = {"effective": compare_effective}

ALLOWED: list[str] = []


def pull(logits, y):
    return 1 - softmax(logits, 1)[np.arange(len(y)), y]


def naive(logits, y):
    e = np.exp(logits)
    return 1 - e[np.arange(len(y)), y] / e.sum(1)


def quiet(function):
    def run(*arguments):
        with np.errstate(all="ignore"):
            return function(*arguments)

    return run


def lead(lam, classes):
    return brentq(lambda m: classes / (np.exp(m) + classes - 1) - lam * m, 1e-9, 100)


def weights(shows):
    return np.where(shows, 0.5 / shows.sum(), 0.5 / (~shows).sum())


def head(weight=weights, drop=False):
    def fit(F, y, shows):
        F = F * (np.arange(12) > 0) if drop else F
        model = LogisticRegression().fit(F, y, sample_weight=len(y) * weight(shows))
        return model.coef_[0], model.intercept_[0]

    return fit


def even(shows):
    return np.full(len(shows), 1 / len(shows))


RIGHT = {
    "class-pull": [pull],
    "lead-for-lam": [lead],
    "balanced-weights": [weights],
    "rescued-head": [head(), head(even, drop=True)],
}

WRONG = {
    "class-pull": [
        (lambda logits, y: 1 - pull(logits, y), "probability of the right class"),
        (lambda logits, y: -log_softmax(logits, 1)[np.arange(len(y)), y], "is the loss"),
        (lambda logits, y: np.full(len(y), 0.5), "Example 0 pulls"),
        (quiet(naive), "[nan  1.]"),
        (quiet(lambda logits, y: np.nan_to_num(naive(logits, y), nan=0.5)), "[0.5 1. ]"),
    ],
    "lead-for-lam": [
        (lambda lam, classes: lead(lam, 2), "where does K enter"),
        (lambda lam, classes: lead(2 * lam, 2), "*one* logit"),
        (lambda lam, classes: 1 / lam, "belongs to λ"),
        (lambda lam, classes: -1.0, "positive number"),
    ],
    "balanced-weights": [
        (even, "All examples weigh the same"),
        (lambda shows: 2 * weights(shows), "sum to 1"),
        (lambda shows: np.where(shows, 0.1, 0.9), "should weigh the same"),
        (lambda shows: np.where(shows, 2.0, -1.0) * weights(shows), "negative"),
        (
            lambda shows: (
                weights(shows) * np.where(np.arange(len(shows)) == 0, 2.0, 1.0)
                - np.where(np.arange(len(shows)) == 1, weights(shows)[0], 0.0)
            ),
            "Within a group",
        ),
    ],
    "rescued-head": [
        (head(even), "still lean on the cue"),
        (lambda F, y, shows: F[:, 1:5].sum(1), "as a pair"),
        (lambda F, y, shows: (F[~shows].T @ y[~shows], 0.0), "follows the strong cue"),
    ],
}

GIVEAWAYS = {
    "class-pull": ["softmax(", "1 - p"],
    "lead-for-lam": ["exp", "bisect", "brentq"],
    "balanced-weights": ["0.5", "/ shows"],
    "rescued-head": ["balance", "sample_weight", "alike"],
}
