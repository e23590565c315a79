"""The exercises of chapter 7."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit

from gsutils.checks.verdict import array, exercise, number
from gsutils.seeding import stream


@exercise(chapter=7, title="accuracies of the best use of colour and digit, f(p_colour, p_digit)")
def bayes_accuracy(answer: Callable[..., Any]) -> str | None:
    for colour, digit in ((0.85, 0.75), (0.6, 0.75), (0.1, 0.75)):
        got = number(answer(colour, digit))
        best = max(colour, 1 - colour, digit, 1 - digit)
        if np.isclose(got, best):
            continue
        if np.isclose(got, max(colour, digit)):
            return "A cue that is wrong more often than right is useful too: turn it round."
        if np.isclose(got, colour * digit):
            return "That is how often both cues are right together."
        if np.isclose(got, 1 - (1 - colour) * (1 - digit)):
            return "That is how often one cue or the other is right: which one do you follow?"
        if np.isclose(got, colour):
            return "Colour alone is not always the better cue."
        return (
            f"Wrong for colour {colour} and digit {digit}: compare the odds when the cues disagree."
        )
    return None


@exercise(chapter=7, title="spurious colours, f(y, flip, rng)")
def colour_the_labels(answer: Callable[..., Any]) -> str | None:
    y = np.where(np.arange(20_001) % 4 == 0, 1.0, -1.0)
    colour = array(answer(y.copy(), 0.2, stream(2, "check")), y.shape)
    if not np.isin(colour, (-1, 1)).all():
        return f"Colours must be −1 or +1, got values such as {np.unique(colour)[:3]}."
    agree = float((colour == y).mean())
    if abs(agree - 0.2) < 0.02:
        return "Colour disagrees with the label most of the time: you kept what should be flipped."
    if abs(agree - 0.8) > 0.02:
        return f"Colour should agree with 80 % of the labels, it agrees with {100 * agree:.0f} %."
    by_class = [float((colour == y)[y == label].mean()) for label in (-1, 1)]
    if max(abs(share - 0.8) for share in by_class) > 0.03:
        return "The flips must not depend on the class: both classes should be flipped alike."
    for label in (-1, 1):
        of = y == label
        turned, due = int((colour[of] != label).sum()), round(0.2 * of.sum())
        if turned != due:
            return (
                f"Of {of.sum():,} labels {label:+}, {turned:,} are flipped, not {due:,}: "
                "a draw for each example is right on average only."
            )
    again = array(answer(y.copy(), 0.2, stream(2, "check")), y.shape)
    if not np.array_equal(colour, again):
        return "The same stream must give the same colours: draw from rng, not from elsewhere."
    if np.array_equal(colour, array(answer(y.copy(), 0.2, stream(3, "check")), y.shape)):
        return "Another stream must give other flips: draw from rng."
    return None


@exercise(chapter=7, title="IRM's penalty of a classifier that looks at the colour alone, f(a, p)")
def irm_colour_penalty(answer: Callable[..., Any]) -> str | None:
    for a, p in ((2.0, 0.8), (0.7, 0.9), (-1.5, 0.6), (3.0, 0.25)):
        got = number(answer(a, p))
        slope = a * (expit(a) - p)
        if np.isclose(got, slope**2, atol=1e-9):
            continue
        if np.isclose(abs(got), abs(slope), atol=1e-9):
            return "That is the slope; the penalty is its square."
        if np.isclose(got, (expit(a) - p) ** 2, atol=1e-9):
            return (
                "You differentiated by the logit: the slope is by the scale w, which multiplies a."
            )
        if np.isclose(got, (a * expit(-a)) ** 2, atol=1e-9):
            return "You took the margin to be a everywhere: where the colour is wrong it is −a."
        if np.isclose(got, (a * (expit(a) - 1 + p)) ** 2, atol=1e-9):
            return "The two shares are exchanged: p is how often the margin is +a."
        right, wrong = (a * expit(-a)) ** 2, (a * expit(a)) ** 2
        if np.isclose(got, p * right + (1 - p) * wrong, atol=1e-9):
            return "You squared first and averaged then: average the slopes, then square."
        return (
            f"Not {got:.4g} for a = {a}, p = {p}: average the slopes over both cases, then square."
        )
    return None


@exercise(chapter=7, title="the logit that minimises the SD objective, f(p, lam)")
def sd_logit(answer: Callable[..., Any]) -> str | None:
    for p, lam in ((0.85, 1.0), (0.2, 0.5), (0.5, 0.1), (0.99, 1e-3)):
        z = number(answer(p, lam))
        slope = expit(z) - p + lam * z
        if abs(slope) < 1e-6:
            continue
        if np.isclose(z, np.log(p / (1 - p)), atol=1e-6):
            return "That is the logit without a penalty (λ = 0)."
        if np.isclose(z, p, atol=1e-9):
            return "That is the probability p; the logit lives on the whole real line."
        if abs(expit(z) - p + 2 * lam * z) < 1e-6:
            return "You penalised λ·z², the paper's penalty is (λ/2)·z²: its slope is λ·z."
        if abs(expit(z) - p - lam * z) < 1e-6:
            return "The penalty's slope has the wrong sign: it pulls the logit towards zero."
        return f"For p = {p} and λ = {lam} the slope of the objective is {slope:.2g} there, not 0."
    return None
