"""The exercises of chapter 11."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from gsutils.checks.verdict import exercise, number
from gsutils.experiments import red_arrows


@exercise(chapter=11, title="where two classifiers are equally good, f(a1, c1, a2, c2)")
def break_even(answer: Callable[..., Any]) -> str | None:
    for a1, c1, a2, c2 in ((0.9, 0.2, 0.6, 0.5), (0.6, 0.7, 0.99, 0.1), (0.8, 0.0, 0.7, 0.7)):
        q, right = number(answer(a1, c1, a2, c2)), (c2 - c1) / (a1 - a2 + c2 - c1)
        if np.isclose(q, right):
            continue
        if np.isclose(q, 1 - right):
            return "You weighted with the share of wrong arrows: q is the share of right ones."
        if np.isclose(q, (c1 - c2) / (a1 - a2 + c2 - c1)):
            return "The right size with the wrong sign."
        if np.isclose(q, right * a1 + (1 - right) * c1):
            return "That is the accuracy at the crossing; the agreement there is asked for."
        return (
            f"At {q:.4g} the two have the accuracies {q * a1 + (1 - q) * c1:.4g} and "
            f"{q * a2 + (1 - q) * c2:.4g}: they should be equal."
        )
    for a1, c1, a2, c2 in ((0.9, 0.6, 0.8, 0.5), (0.9, 0.5, 0.8, 0.45), (0.7, 0.3, 0.7, 0.3)):
        q = number(answer(a1, c1, a2, c2))
        if not np.isnan(q):
            return (
                f"With {(a1, c1)} and {(a2, c2)} the lines do not cross at one place in [0, 1]: "
                f"nan is expected, you returned {q:.4g}."
            )
    return None


@exercise(chapter=11, title="how many boards until an exception is likely, f(q, chance)")
def boards_needed(answer: Callable[..., Any]) -> str | None:
    for q, chance in ((0.9, 0.95), (0.98, 0.5), (0.7, 0.99)):
        n = number(answer(q, chance))
        exact = np.log1p(-chance) / np.log(q)
        if n == np.ceil(exact):
            continue
        if n == np.floor(exact) or n == np.round(exact):
            return f"With {n:.0f} boards the probability is still below {chance}: round up."
        if np.isclose(n, exact):
            return "A book has a whole number of boards."
        if n in (np.ceil(np.log(chance) / np.log(q)), np.log(chance) / np.log(q)):
            return "That makes *no* exception as likely as asked for."
        if np.isclose(n, 1 / (1 - q), atol=1):
            return "That is how long one waits on average, whatever the chance asked for."
        return (
            f"A book of {n:.4g} boards has an exception with probability {1 - q**n:.4g}; "
            f"{chance} is asked for, with as few boards as possible."
        )
    return None


@cache
def _against_the_arrow(q: float) -> float:
    """Accuracy with wrong arrows of plain training on 2,000 boards of a book with agreement q."""
    run = red_arrows.train(red_arrows.Case(boards=2000, agreement=(q,)), seeds=[0])
    return float(run.history["wrong arrows"][-1, 0])


@exercise(chapter=11, title="a book from which plain training learns chess, f() -> agreement q")
def book_that_teaches(answer: Callable[..., Any]) -> str | None:
    q = number(answer())
    if 1 < q <= 100:
        return f"An agreement is a probability: write {q / 100:.4g}, not {q:.4g}."
    if not 0 <= q <= 1:
        return f"An agreement is a probability between 0 and 1, you returned {q:.4g}."
    if q < 0.65:
        return f"With q = {q:.4g} the arrow is hardly a shortcut: at least 0.65 is asked for."
    right = _against_the_arrow(q)
    if right < 0.9:
        return f"With q = {q:.4g} plain training plays {100 * right:.1f} % with wrong arrows."
    return None
