"""The exercises of chapter 8."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gsutils.checks.verdict import array, exercise, number
from gsutils.seeding import stream


@exercise(chapter=8, title="average and worst-group accuracy, f(accuracies, counts)")
def group_report(answer: Callable[..., Any]) -> str | None:
    cases = [
        ((0.9, 0.95, 0.8, 0.4), (500, 300, 150, 10)),
        ((0.7, 0.9, 0.99, 0.85), (9767, 7535, 2480, 180)),
    ]
    for accuracies, counts in cases:
        each, sizes = np.array(accuracies), np.array(counts)
        average, worst = array(answer(each.copy(), sizes.copy()), (2,))
        right = float(each @ sizes / sizes.sum()), float(each.min())
        if np.isclose(worst, right[0]) and np.isclose(average, right[1]):
            return "These are the two numbers in the other order: first the average."
        if np.isclose(average, each.mean()):
            return "That is the mean over the groups, in which a small group counts like a large."
        if np.isclose(average, 100 * right[0]):
            return "Accuracies here are fractions, not percentages."
        if not np.isclose(average, right[0]):
            return f"The average of {accuracies} with {counts} images is not {average:.4g}."
        if np.isclose(worst, right[1]):
            continue
        if np.isclose(worst, each[sizes.argmin()]):
            return "The worst group is the one with the lowest accuracy; it need not be the rarest."
        return f"The worst of {accuracies} is not {worst:.4g}."
    return None


@exercise(chapter=8, title="where class weights move the sign change, f(w_minus, w_plus)")
def weighted_threshold(answer: Callable[..., Any]) -> str | None:
    for minus, plus in ((0.6, 3.4), (1.0, 1.0), (2.0, 0.5)):
        p = number(answer(minus, plus))
        if np.isclose(p, minus / (minus + plus)):
            continue
        if np.isclose(p, plus / (minus + plus)):
            return "Turned round: a heavier class +1 should be chosen at lower probabilities."
        if np.isclose(p, 0.5):
            return "That is where it changes without weights."
        if np.isclose(p, minus / plus):
            return "Those are the odds at the sign change; a probability is asked for."
        if np.isclose(p, np.log(minus / plus)):
            return "That is a logit; a probability is asked for."
        return (
            f"For the weights {minus} and {plus} it is not {p:.4g}: where do the weighted "
            "pulls on a logit of zero cancel?"
        )
    return None


@exercise(chapter=8, title="the γ of class -1 that gives a threshold, f(p, lam, gamma_plus)")
def gamma_for_threshold(answer: Callable[..., Any]) -> str | None:
    for p, lam, high in ((0.3, (0.235, 1.34), 2.5), (0.5, (0.5, 1.5), 1.0), (0.1, (1.0, 0.4), 0.0)):
        low = number(answer(p, lam, high))
        if abs(_sign_change(lam, (low, high)) - p) < 1e-6:
            continue
        if abs(_sign_change(lam[::-1], (low, high)) - p) < 1e-6:
            return "You exchanged the two λ: the first is that of class −1."
        if abs(_sign_change(lam, (-low, high)) - p) < 1e-6:
            return "The right size with the wrong sign."
        if abs(_sign_change((1.0, lam[1]), (low, high)) - p) < 1e-6:
            return "That is the product of λ₋ and γ₋, not γ₋ itself."
        if abs(_sign_change(lam, (low, 0.0)) - p) < 1e-6:
            return "You left γ₊ out: it moves the threshold too."
        got = _sign_change(lam, (low, high))
        return f"With γ₋ = {low:.4g} the sign changes at {got:.4g}, it should at p = {p}."
    return None


@exercise(chapter=8, title="the best threshold for the worst group, f(logits, y, group)")
def worst_group_threshold(answer: Callable[..., Any]) -> str | None:
    rng = stream(8, "check")
    for shift in (-1.5, 2.0):
        group = np.repeat(np.arange(4), (400, 300, 120, 30))
        y = np.where(group >= 2, 1.0, -1.0)
        logits = y * 1.3 + shift + rng.standard_normal(len(y)) - 0.8 * (group % 2)
        order = rng.permutation(len(y))
        logits, y, group = logits[order], y[order], group[order]
        threshold = number(answer(logits.copy(), y.copy(), group.copy()))
        grid = np.sort(logits)
        candidates = np.concatenate([[grid[0] - 1], (grid[1:] + grid[:-1]) / 2])
        worst = np.array([_groups(logits - t, y, group).min() for t in candidates])
        average = np.array([(np.sign(logits - t) == y).mean() for t in candidates])
        got = _groups(logits - threshold, y, group).min()
        if got >= worst.max() - 0.02:
            continue
        if np.isclose(threshold, worst.max()) or np.isclose(threshold, got):
            return "That is an accuracy; the threshold that reaches it is asked for."
        if threshold == 0:
            return "Zero is where the decision lies already: shift it."
        if _groups(logits + threshold, y, group).min() >= worst.max() - 0.02:
            return "The right distance in the wrong direction."
        if (np.sign(logits - threshold) == y).mean() >= average.max() - 1e-9:
            return "That threshold is best for the average; here the worst group counts."
        return (
            f"With your threshold {threshold:.3g} the worst group is right in {100 * got:.0f} % of "
            f"its examples; {100 * worst.max():.0f} % can be had."
        )
    return None


def _sign_change(lam: tuple[float, float], gamma: tuple[float, float]) -> float:
    below, above = lam[0] * gamma[0], lam[1] * gamma[1]
    return (0.5 - below) / (1 + above - below)


def _groups(margins: np.ndarray, y: np.ndarray, group: np.ndarray) -> np.ndarray:
    right = np.sign(margins) == y
    return np.array([right[group == g].mean() for g in np.unique(group)])
