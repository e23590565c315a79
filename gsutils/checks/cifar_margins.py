"""The exercises of chapter 6."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gsutils.checks.verdict import array, exercise, number
from gsutils.seeding import stream


@exercise(chapter=6, title="signed margins of a linear model, f(w, b, X, y, norm)")
def dual_margin(answer: Callable[..., Any]) -> str | None:
    rng = stream(0, "check")
    w, b, X = rng.normal(size=5), 0.7, rng.normal(size=(30, 5))
    y = np.where(np.arange(30) % 2 == 0, 1.0, -1.0)
    lead = y * (X @ w + b)
    for norm, size in (("l2", np.linalg.norm(w)), ("linf", np.abs(w).sum())):
        got = array(answer(w.copy(), b, X.copy(), y.copy(), norm), y.shape)
        if np.allclose(got, lead / size):
            continue
        if np.allclose(got, lead):
            return "That is the logit margin: the distance in the input depends on the size of w."
        if np.allclose(got, np.abs(lead) / size):
            return "The margin of a wrong answer is negative: where do the labels come in?"
        if np.allclose(got, y * (X @ w) / size):
            return "You forgot b: the line need not go through the origin."
        if np.allclose(got, lead / size**2):
            return "Scale w and b by 2: a distance must not change, yours does."
        if norm == "linf" and np.allclose(got, lead / np.linalg.norm(w)):
            return "For linf that is the Euclidean distance: here every pixel may change at once."
        if norm == "linf" and np.allclose(got, lead / np.abs(w).max()):
            return (
                "For linf you let only the most important pixel change: all of them may, each by "
                "as much."
            )
        return f"Wrong for norm = {norm!r}: by how much can a disturbance of length 1 change w·x?"
    return None


@exercise(chapter=6, title="rows projected to a Euclidean ball, f(delta, eps)")
def project_to_ball(answer: Callable[..., Any]) -> str | None:
    rng = stream(1, "check")
    delta = rng.normal(size=(40, 6)) * rng.uniform(0.05, 1.0, (40, 1))
    eps = 0.8
    length = np.linalg.norm(delta, axis=1, keepdims=True)
    inside = length[:, 0] <= eps
    got = array(answer(delta.copy(), eps), delta.shape)
    if np.allclose(got, np.clip(delta, -eps, eps)):
        return "You limited every pixel by itself: that is the ball of the other norm."
    if np.allclose(got, delta * min(1.0, eps / float(np.linalg.norm(delta)))):
        return "You measured all disturbances together: each row has a ball of its own."
    if np.allclose(got, delta * eps / length):
        return "A disturbance inside the ball must stay where it is: you moved all to the surface."
    if not np.allclose(got[inside], delta[inside]):
        return "A disturbance inside the ball must stay where it is."
    after = np.linalg.norm(got, axis=1)
    if after.max() > eps * (1 + 1e-9):
        return f"A row of length {after.max():.3g} is left, the ball has the radius {eps}."
    if not np.allclose(after[~inside], eps):
        return "What lies outside goes to the nearest point of the ball, which is on its surface."
    if not np.allclose(got[~inside], (delta * eps / length)[~inside]):
        return "The direction of a disturbance must not change."
    if not np.isfinite(array(answer(np.zeros((1, 6)), eps), (1, 6))).all():
        return "The disturbance zero must stay zero: you divided by its length."
    return None


def _lead(place: float, bend: float, asked: list[float], t: float) -> float:
    """A logit margin that changes sign at a place; it notes what it was asked."""
    asked.append(float(t))
    return float(np.tanh(bend * (place - t)))


@exercise(chapter=6, title="the place of a change of sign, f(lead)")
def find_crossing(answer: Callable[..., Any]) -> str | None:
    for place, bend in ((0.3, 1.0), (0.81, 9.0), (0.0123, 1.0)):
        asked: list[float] = []
        lead = partial(_lead, place, bend, asked)
        got = number(answer(lead))
        if any(not 0 <= t <= 1 for t in asked):
            return "Stay on the way: t runs from 0, the image, to 1, the disturbed image."
        if len(asked) > 20:
            return f"You asked {len(asked)} times, 20 must do: each answer can rule out half."
        if abs(got - place) <= 1.01e-4:
            continue
        if abs(got - (1 - place)) <= 1.01e-4:
            return "You measured the way from the disturbed image: t is 0 at the image."
        if abs(got - lead(0.0) / (lead(0.0) - lead(1.0))) < 1e-3:
            return "You took the way for straight: the logit margin may bend."
        if abs(got - place) < 0.1:
            return f"{got:.4f} is near {place}, but not to an accuracy of 0.0001: go on."
        return f"The sign changes at {place}, you returned {got:.4g}: which half holds the change?"
    return None
