"""The exercises of chapter 10."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from gsutils.checks.verdict import exercise, number
from gsutils.seeding import stream


@exercise(chapter=10, title="the share of wrong labels that is fitted, f(logits, y, wrong)")
def share_memorised(answer: Callable[..., Any]) -> str | None:
    rng = stream(10, "check")
    for share in (0.3, 0.1):
        y, wrong = rng.choice([-1.0, 1.0], 4000), rng.random(4000) < share
        logits = rng.normal(size=4000) + y * np.where(wrong, 0.4, 1.0)
        got = number(answer(logits.copy(), y.copy(), wrong.copy()))
        fitted = y * logits > 0
        right = fitted[wrong].mean()
        if np.isclose(got, right):
            continue
        if np.isclose(got, fitted.mean()):
            return "That is the training accuracy: it counts the right labels too."
        if np.isclose(got, 1 - right):
            return "That is the share that the network contradicts. y holds the labels as given."
        if np.isclose(got, (fitted & wrong).mean()):
            return "You divided by all examples; the question is about the wrong labels alone."
        if np.isclose(got, wrong[fitted].mean()):
            return "That is the share of wrong labels among those fitted, not the other way round."
        if np.isclose(got, fitted[~wrong].mean()):
            return "The mask is the wrong way round: those are the examples with right labels."
        return "Not yet: among the examples with a wrong label, how often has the logit its sign?"
    return None


@exercise(chapter=10, title="the ε of label smoothing with SD's margin, f(lam)")
def matching_smoothing(answer: Callable[..., Any]) -> str | None:
    for lam in (0.5, 0.01, 3.0):
        got = number(answer(lam))
        u = brentq(lambda v, lam=lam: expit(-v) - lam * v, 0, 0.5 / lam, xtol=1e-15)
        eps = 2 * expit(-u)
        if np.isclose(got, eps, rtol=1e-6):
            continue
        if np.isclose(got, eps / 2, rtol=1e-6):
            return "A factor is missing: the label is trusted to 1 − ε/2, not to 1 − ε."
        if np.isclose(got, 2 * expit(u), rtol=1e-6):
            return "The sign of the margin is turned round: the smaller λ, the smaller ε must be."
        if np.isclose(got, u, rtol=1e-6):
            return "That is SD's margin; which ε makes it the favourite of label smoothing?"
        if np.isclose(got, lam):
            return "λ and ε are not the same number: both set a margin, in different ways."
        return f"For λ = {lam} label smoothing with ε = {got:.4g} does not have SD's margin."
    return None


@exercise(chapter=10, title="the strengths' ratio for a start neck and neck, f(p_shape, p_colour)")
def neck_and_neck(answer: Callable[..., Any]) -> str | None:
    for shape, colour in ((0.75, 0.85), (0.6, 0.95), (0.9, 0.7)):
        got = number(answer(shape, colour))
        squared = (shape - 0.5) / (colour - 0.5)
        if np.isclose(got, squared**0.5):
            continue
        if np.isclose(got, squared):
            return "Almost: a contribution moves at the *squared* strength times the pull."
        if np.isclose(got, squared**-0.5):
            return "Turned round: the ratio is that of the colour's strength to the shape's."
        if np.isclose(got, (shape / colour) ** 0.5):
            return "A cue that is right half of the time pulls nowhere: what counts is the excess."
        if np.isclose(got, np.sqrt(np.log(shape / (1 - shape)) / np.log(colour / (1 - colour)))):
            return (
                "Log odds rule the end of plain training; the question is about its first moment."
            )
        return f"Not {got:.4g} for {shape} and {colour}: compare the two speeds at logit zero."
    return None
