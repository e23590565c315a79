"""The exercise checks: the right answer passes, each usual slip gets a hint of its own."""

import ast
import inspect

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import expit
from torch.nn.functional import softplus

from gsutils import checks
from gsutils.checks import CHECKS


def margin(w, b, X, y):
    return (y * (X @ w + b)).min() / np.linalg.norm(w)


def objective(logits, y, lam):
    return softplus(-y * logits).mean() + lam / 2 * (logits**2).mean()


def logit(p, lam, factor=1.0):
    return brentq(lambda z: expit(z) - p + factor * lam * z, -1e4, 1e4, xtol=1e-13)


def wrong_sign(p, lam):
    return brentq(lambda z: expit(z) - p - lam * z, -99, 0)


def overflowing(logits, y, lam):
    return torch.log(1 + torch.exp(-y * logits)).mean() + lam / 2 * (logits**2).mean()


def in_numpy(logits, y, lam):
    logits, y = logits.numpy(), y.numpy()
    return np.logaddexp(0, -y * logits).mean() + lam / 2 * (logits**2).mean()


def in_place(y, flip, rng):
    y[rng.random(len(y)) < flip] *= -1
    return y


def colours(y, flip, rng):
    return np.where(rng.random(len(y)) < flip, -y, y)


def one_class_only(y, flip, rng):
    of = y < 0
    return np.where(of & (rng.random(len(y)) < flip * len(y) / of.sum()), -y, y)


RIGHT = {
    "linear-margin": [margin, lambda w, b, X, y: torch.tensor(margin(w, b, X, y))],
    "sd-objective": [objective, in_numpy],
    "bayes-accuracy": [
        lambda c, d: max(c, 1 - c, d, 1 - d),
        lambda c, d: 0.5 + max(abs(c - 0.5), abs(d - 0.5)),
    ],
    "colour-the-labels": [
        colours,
        in_place,
        lambda y, flip, rng: y * rng.choice([-1, 1], len(y), p=[flip, 1 - flip]),
    ],
    "sd-logit": [logit],
    "flip-share": [lambda d, eps: (d <= eps).mean(), lambda d, eps: float((d < eps).mean())],
}

# Wrong answers, each with what its hint must speak of.
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
        (overflowing, "overflows"),
        (lambda z, y, lam: 7.0, "Not the mean logistic loss"),
    ],
    "bayes-accuracy": [
        (max, "turn it round"),
        (lambda c, d: c * d, "both cues are right"),
        (lambda c, d: 1 - (1 - c) * (1 - d), "one cue or the other"),
        (lambda c, d: c, "Colour alone"),
        (lambda c, d: (c + d) / 2, "compare the odds"),
    ],
    "colour-the-labels": [
        (lambda y, flip, rng: colours(y, 1 - flip, rng), "kept what should be flipped"),
        (lambda y, flip, rng: y, "agrees with 100 %"),
        (lambda y, flip, rng: (colours(y, flip, rng) + 1) / 2, "must be −1 or +1"),
        (one_class_only, "must not depend on the class"),
        (lambda y, flip, rng: colours(y, flip, np.random.default_rng()), "draw from rng, not"),
        (lambda y, flip, rng: colours(y, flip, np.random.default_rng(0)), "Another stream"),
    ],
    "sd-logit": [
        (lambda p, lam: np.log(p / (1 - p)), "without a penalty"),
        (lambda p, lam: p, "the probability p"),
        (lambda p, lam: logit(p, lam, 2.0), "λ·z²"),
        (wrong_sign, "wrong sign"),
        (lambda p, lam: (p - 0.5) / (lam + 0.25), "the slope of the objective is"),
    ],
    "flip-share": [
        (lambda d, eps: 100 * (d <= eps).mean(), "not a percentage"),
        (lambda d, eps: (d > eps).mean(), "survive"),
        (lambda d, eps: (np.abs(d) <= eps).mean(), "wrong already"),
        (lambda d, eps: (d <= eps).sum(), "a count"),
        (lambda d, eps: (d <= 2 * eps).mean(), "Wrong at eps"),
    ],
}

# What would give the answer away in a hint.
SOLUTIONS = {
    "linear-margin": ["norm", "sqrt", "‖w‖", "@"],
    "sd-objective": ["softplus", "logaddexp", "logsigmoid", "**2"],
    "bayes-accuracy": ["max", "1 -", "1 −"],
    "colour-the-labels": ["np.where", "random(", "choice"],
    "sd-logit": ["brentq", "bisect", "root", "newton"],
    "flip-share": ["<", "≤", "mean("],
}


def cases(table):
    return [
        pytest.param(name, *(one if isinstance(one, tuple) else (one,)), id=f"{name}-{i}")
        for name, answers in table.items()
        for i, one in enumerate(answers)
    ]


def test_every_check_is_tested_here():
    assert set(RIGHT) == set(WRONG) == set(SOLUTIONS) == set(CHECKS)
    assert all(len(answers) >= 3 for answers in WRONG.values())


@pytest.mark.parametrize(("name", "answer"), cases(RIGHT))
def test_a_right_answer_passes(name, answer):
    verdict = CHECKS[name](answer)
    assert verdict.passed, verdict
    assert repr(verdict) == "✓ Right."


@pytest.mark.parametrize(("name", "answer", "hint"), cases(WRONG))
def test_a_typical_wrong_answer_fails_with_its_hint(name, answer, hint):
    verdict = CHECKS[name](answer)
    assert not verdict.passed
    assert repr(verdict).startswith("✗ ")
    assert hint in verdict.message


@pytest.mark.parametrize("name", WRONG)
def test_the_hints_of_a_check_differ(name):
    hints = [CHECKS[name](answer).message for answer, _ in WRONG[name]]
    assert len(set(hints)) == len(hints)


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("stub", [lambda *_: None, lambda *_: ...])
def test_the_stub_is_not_solved_yet(name, stub):
    verdict = CHECKS[name](stub)
    assert not verdict.passed
    assert verdict.message.startswith("Not solved yet")


@pytest.mark.parametrize("name", CHECKS)
def test_an_exception_is_reported(name):
    def broken(*args):
        raise KeyError("what I mistyped")

    verdict = CHECKS[name](broken)
    assert not verdict.passed
    assert "KeyError" in verdict.message
    assert "what I mistyped" in verdict.message


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("value", [np.zeros((2, 3)), "a", float("nan"), 1e300])
def test_an_answer_of_another_kind_fails(name, value):
    assert not CHECKS[name](lambda *_: value).passed


@pytest.mark.parametrize("name", CHECKS)
def test_a_result_in_place_of_the_function_is_refused(name):
    verdict = CHECKS[name](0.5)
    assert not verdict.passed
    assert "Pass the function itself, not 0.5" in verdict.message


@pytest.mark.parametrize("name", CHECKS)
def test_no_hint_holds_the_solution(name):
    judge = inspect.getclosurevars(CHECKS[name]).nonlocals["judge"]
    tree = ast.parse(inspect.getsource(judge)).body[0]
    hints = [
        node.value
        for statement in tree.body[1:]  # after the docstring
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    ]
    assert len(hints) >= 3
    for hint in hints:
        assert not [part for part in SOLUTIONS[name] if part in hint], hint


def test_a_check_can_be_called_by_its_own_name():
    for name, check in CHECKS.items():
        assert getattr(checks, name.replace("-", "_")) is check
        assert check.__doc__.startswith("Chapter")
