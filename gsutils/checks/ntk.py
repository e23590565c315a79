"""The exercises of chapter 2."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gsutils import ntk
from gsutils.checks.verdict import array, exercise
from gsutils.nets import MLP
from gsutils.seeding import stream


@exercise(chapter=2, title="the signs of a singular value decomposition, f(U, Vt) -> U, Vt")
def fix_signs(answer: Callable[..., Any]) -> str | None:
    truth, s, right = ntk.features(stream(2, "check").normal(size=(6, 9)), np.ones(6))
    truth, s, right = truth[:, :4], s[:4], right[:4]  # U not square: rows are not columns
    flips = np.array([1.0, -1.0, -1.0, 1.0])
    value = answer(truth * flips, flips[:, None] * right)
    if value is None or value is Ellipsis:
        array(value, truth.shape)
    U, Vt = array(value[0], truth.shape), array(value[1], right.shape)
    if np.allclose(U, np.abs(truth)):
        return (
            "A column keeps or changes its sign as a whole; single entries must stay as they are."
        )
    if not np.allclose(np.abs(U), np.abs(truth)) or not np.allclose(np.abs(Vt), np.abs(right)):
        return "Only signs may change: the sizes of the entries of U and Vt must stay."
    if np.allclose(U, truth) and not np.allclose(Vt, right):
        return "U is right, but U S Vt is another matrix now: what must happen to Vt?"
    if not np.allclose(U * s @ Vt, truth * s @ right):
        return "U S Vt must be the same matrix before and after."
    if np.allclose(U * np.sign(U.sum(0)), U) and not np.allclose(U, truth):
        return "You made the sum of each column positive; the rule is about its largest entry."
    if np.allclose(U * np.sign(U[0]), U) and not np.allclose(U, truth):
        return "You made the first row positive; the largest entry may stand in any row."
    if not np.allclose(U, truth):
        return "In some column the entry that is largest in absolute value is negative."
    return None


@exercise(chapter=2, title="the responses of a real network, f(U, y, logits, logits0)")
def centred_response(answer: Callable[..., Any]) -> str | None:
    rng = stream(3, "check")
    y = np.array([1.0, -1.0, -1.0, 1.0, 1.0])
    U = ntk.features(rng.normal(size=(5, 7)), y).U
    logits, logits0 = 3 * rng.normal(size=5), rng.normal(size=5)
    got, truth = (
        array(answer(U, y, logits, logits0), (5,)),
        ntk.response(U, y, logits - logits0),
    )
    slips = {
        "You look at the logits themselves: a network that has learned nothing must "
        "answer with 0.": ntk.response(U, y, logits),
        "The labels are missing: for class −1 the right logit is negative.": (logits - logits0) @ U,
        "That mixes the features of one example; a response adds over the examples.": U
        @ (y * (logits - logits0)),
        "The sign is turned: what training gained is what came after less what was before.": -truth,
        "You return sizes: keep the sign, it says whether the feature is used with "
        "or against the labels.": np.abs(truth),
    }
    for hint, value in slips.items():
        if np.allclose(got, value) and not np.allclose(got, truth):
            return hint
    return None if np.allclose(got, truth) else "Not the responses of Eq. 4 to what was learned."


@exercise(chapter=2, title="the NTK of a two-layer network from its weights, f(W, w, X)")
def two_layer_gram(answer: Callable[..., Any]) -> str | None:
    rng = stream(4, "check")
    X = rng.normal(size=(4, 3))
    net = MLP((3, 8, 1), [4], parameterisation="ntk")
    W, w = (p[0].detach().double().numpy() for p in net.weights)
    w = w[0]
    f = X @ W.T
    on, h = (f > 0).astype(float), np.maximum(0, f)
    first = (w**2 * on) @ on.T * (X @ X.T)
    second = h @ h.T
    got, truth = array(answer(W, w, X), (4, 4)), (first + second) / 4
    slips = {
        "The factor √(2/d) is missing: the kernel must not grow with the width.": first + second,
        "Only the last layer's weights: those of the first layer move too.": second / 4,
        "Only the first layer's weights: those of the last layer move too.": first / 4,
        "The first layer's slope must be zero for units that are off.": (
            (w @ w) * (X @ X.T) + second
        )
        / 4,
        "The last layer sees the units after the ReLU, not before.": (first + f @ f.T) / 4,
        "How far does a logit move with a first-layer weight? The outgoing weight w "
        "belongs into it.": (on @ on.T * (X @ X.T) + second) / 4,
        "The factor of each logit is √(2/d); a kernel is a product of two slopes.": (first + second)
        / 2,
    }
    for hint, value in slips.items():
        if np.allclose(got, value):
            return hint
    return None if np.allclose(got, truth, rtol=1e-6) else "Not Φ Φᵀ of this network."
