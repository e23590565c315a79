"""Chapter 11."""

from dataclasses import replace

import numpy as np
import pytest

from gsutils.data import boards
from gsutils.experiments import red_arrows
from gsutils.seeding import stream

PAGE = "11-friend-or-foe"


def compare_arrows(names):
    book = boards.draw(300, seed=3)
    for q in (0.0, 0.3, 0.9, 1.0):
        expected = book.with_arrows(q, seed=5).arrow
        found = names["print_arrows"](book.y, q, stream(5, "arrows"))
        np.testing.assert_array_equal(found, expected)


def compare_line(names):
    tiny = red_arrows.Case(boards=40, agreement=(0.8,), steps=10, hidden=4, validation=20, test=60)
    entry = replace(red_arrows.ENTRIES["red-arrows"], cases={"quick": {"ERM, tiny": tiny}})
    run = entry.record("quick", seeds=[0, 1], device="cpu")
    metrics = run.metrics["ERM, tiny"]
    right, wrong = (np.array(metrics[f"{w} arrows accuracy"]) for w in ("right", "wrong"))
    for q in (0.0, 0.35, 1.0):
        expected = red_arrows.in_world(run, "ERM, tiny", q)
        assert names["accuracy_in"](q, right, wrong) == pytest.approx(expected)


CORE = {"arrows": compare_arrows, "line": compare_line}

ALLOWED = [
    # A bar that an exercise sets, and arithmetic with its answers.
    "of at least 0.65 with which it plays 90 % there",
    "At an agreement of 0.9 two hundred boards",
    "At 0.65 seven hundred do",
    "chance, 50 %",
    # Settings: agreements of books, an L2 coefficient, the books of an exercise.
    "q = 0.9",
    "q = 0.98",
    "q' = 0.9",
    "% at 0.98",
    "At 0.98, though",
    "at 0.98 only on boards",
    "agreements 0.8 and 0.98",
    "an L2 of 0.001",
    "(1000, 0.9)",
    "(2000, 0.95)",
    "(4000, 0.975)",
    "(500, 0.9)",
    "(2000, 0.9)",
    "is right on 90 % of new boards of this book",  # by definition: q
]


def crossing(a1, c1, a2, c2):
    slope = a1 - a2 + c2 - c1
    q = (c2 - c1) / slope if slope else np.nan
    return q if 0 <= q <= 1 else np.nan


def anywhere(a1, c1, a2, c2):
    slope = a1 - a2 + c2 - c1
    return (c2 - c1) / slope if slope else np.nan


def accuracy_there(a1, c1, a2, c2):
    q = crossing(a1, c1, a2, c2)
    return q * a1 + (1 - q) * c1


def waiting(q, chance):
    return np.log(1 - chance) / np.log(q)


def one_by_one(q, chance):
    n = 1
    while 1 - q**n < chance:
        n += 1
    return n


RIGHT = {
    "break-even": [crossing],
    "boards-needed": [one_by_one, lambda q, chance: int(np.ceil(waiting(q, chance)))],
    "book-that-teaches": [lambda: 0.65, lambda: np.float64(0.66)],
}

WRONG = {
    "break-even": [
        (lambda *x: 1 - crossing(*x), "share of wrong arrows"),
        (lambda *x: -crossing(*x), "wrong sign"),
        (accuracy_there, "accuracy at the crossing"),
        (lambda *x: 0.5, "should be equal"),
        (anywhere, "nan is expected"),
    ],
    "boards-needed": [
        (lambda q, chance: int(waiting(q, chance)), "round up"),
        (waiting, "whole number"),
        (lambda q, chance: int(np.ceil(np.log(chance) / np.log(q))), "*no* exception"),
        (lambda q, chance: 1 / (1 - q), "on average"),
        (lambda q, chance: 1000, "as few boards as possible"),
    ],
    "book-that-teaches": [
        (lambda: 0.9, "with wrong arrows"),
        (lambda: 0.5, "hardly a shortcut"),
        (lambda: 66, "write 0.66"),
        (lambda: -0.66, "between 0 and 1"),
    ],
}

GIVEAWAYS = {
    "break-even": ["(c2", "c2 -", "slope"],
    "boards-needed": ["log", "ceil", "q**"],
    "book-that-teaches": ["0.66", "0.67", "0.7"],
}
