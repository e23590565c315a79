r"""Two features over two examples in closed form, and what :mod:`gsutils.perturbation` checks.

With :math:`k_j = s_j^2/\lambda`, :math:`K = U \operatorname{diag}(k) U^T` and the U of Eq. 15,
:math:`\det(I + KV)` and every response are sums of terms whose signs can be read off: the terms of
K that would cancel are left out.
"""

import numpy as np
from scipy.special import wrightomega

from gsutils import dual
from gsutils.dual.problem import check_lam, check_s2

KINDS = ("exact", "taylor", "lemma1", "sd")
Array = np.ndarray
Value = float | Array


def coupling(delta: Array) -> Array:
    """Return U of Eq. 15, (..., 2, 2)."""
    c = cosine(delta)
    return np.stack([np.stack([c, -delta], -1), np.stack([delta, c], -1)], -2)


def solve(
    delta: Value, s2: tuple[Value, Value], lam: Value, kind: str
) -> tuple[Array, Array, Array]:
    """Return z1*, z2* and dz2*/dk_1, k = s^2/lam, for the coupling of Eq. 15."""
    delta, k1, k2, lam = pair(delta, s2, lam, kind)
    if kind == "sd":
        z = dual.margins(coupling(delta), np.ones(2), lam, kind)[..., None, :] @ coupling(delta)
        return z[..., 0, 0], z[..., 0, 1], np.zeros(delta.shape)
    if kind == "lemma1":
        return newton(delta, k1, k2)
    U, k = coupling(delta), np.stack([k1, k2], -1)
    u = dual.margins(U, k, 1.0, kind)
    v1, v2 = np.moveaxis(dual.curvature(u, kind), -1, 0)
    along1, along2 = np.moveaxis(overlaps(U, k, u, kind), -1, 0)
    gap = v1 - v2
    if kind == "exact":  # v = (1 - t^2) / 4 does not cancel where the margins are small
        t1, t2 = np.moveaxis(np.tanh(u / 2), -1, 0)
        gap = np.where(np.abs(u).max(-1) < 1, (t2 - t1) * (t2 + t1) / 4, gap)
    slope = k2 * along1 * delta * cosine(delta) * gap / determinant(delta, k1, k2, v1, v2)
    return k1 * along1, k2 * along2, slope


def newton(delta: Array, k1: Array, k2: Array) -> tuple[Array, Array, Array]:
    """Return z1, z2 and dz2/dk_1 of Lemma 1: (K + diag(1/v)) alpha = b, as sums that can be read.

    The terms of K that cancel are left out. The start moves with k_1 as
    d(1/alpha_0)/dk_1 = 1/(1 + W(c_1)).
    """
    c, start1, start2 = cosine(delta), uncoupled(k1), uncoupled(k2)
    v1, v2 = start1 / (1 + start1), start2 / (1 + start2)
    b1, b2 = v1 * (1 - np.log(start1)), v2 * (1 - np.log(start2))
    total = determinant(delta, k1, k2, v1, v2)
    along1 = (c * (1 + k2 * v2) * b1 + delta * (1 + k2 * v1) * b2) / total
    along2 = (c * (1 + k1 * v1) * b2 - delta * (1 + k1 * v2) * b1) / total
    moved = start1 - (c * along1 - delta * along2)
    follows = v1 * (1 + k1 * v2) * moved / (1 + (k1 + 1) * start1)
    slope = k2 * delta * (c * (v1 - v2) * along1 - follows) / total
    return k1 * along1, k2 * along2, slope


def uncoupled(k: Array) -> Array:
    """Return the root of -log a = (k + 1) a, which is W(c)/c with c = k + 1."""
    return wrightomega(np.log1p(k)) / (k + 1)  # omega(log c) = W(c)


def overlaps(U: Array, k: Array, u: Array, kind: str) -> Array:
    """Return U^T alpha at the fixed point with margins u, (..., r).

    It is U^T u / k as well: of the two, the one with the smaller rounding error.
    """
    alpha, rows = dual.multiplier(u, kind)[..., None, :], u[..., None, :]
    errors = [(np.abs(x) @ np.abs(U))[..., 0, :] for x in (alpha, rows)]
    from_alpha, from_u = ((x @ U)[..., 0, :] for x in (alpha, rows))
    return np.where(errors[0] * k > errors[1], from_u / np.where(k > 0, k, 1), from_alpha)


def determinant(delta: Array, k1: Array, k2: Array, v1: Array, v2: Array) -> Array:
    """Return det(I + K diag(v)), K = U diag(k) U^T, as a sum of positive terms."""
    tail = delta**2
    first, second = (1 - tail) * k1 + tail * k2, tail * k1 + (1 - tail) * k2
    return 1 + first * v1 + second * v2 + k1 * k2 * v1 * v2


def cosine(delta: Array) -> Array:
    return np.sqrt((1 - delta) * (1 + delta))


def pair(
    delta: Value, s2: tuple[Value, Value], lam: Value, kind: str
) -> tuple[Array, Array, Array, Array]:
    """Return delta, s1^2/lam, s2^2/lam and lam, of one shape, or say what is wrong with them."""
    if kind not in KINDS:
        raise ValueError(f"kind must be in {KINDS}, got {kind!r}")
    of_array = isinstance(s2, np.ndarray) and s2.shape != (2,)
    if of_array or not isinstance(s2, np.ndarray | tuple | list) or len(s2) != 2:
        given = f"an array of shape {s2.shape}" if isinstance(s2, np.ndarray) else repr(s2)
        raise ValueError(
            f"s2 must be a pair (s1^2, s2^2) of squared strengths, got {given}; for many pairs "
            "give a tuple of two arrays, such as (s2[:, 0], s2[:, 1])"
        )
    strong, weak = (check_s2(value) for value in s2)
    if kind == "sd" and not (strong.all() and weak.all()):
        raise ValueError(
            f"spectral decoupling needs both squared strengths > 0, got {s2!r}: at 0 the feature "
            "cannot respond, and U S^2 U^T does not cancel"
        )
    delta, strong, weak, lam = np.broadcast_arrays(weight(delta), strong, weak, check_lam(lam))
    return delta, strong / lam, weak / lam, lam


def weight(delta: Value) -> Array:
    delta = np.asarray(delta, float)
    if not (np.abs(delta) <= 1).all():
        raise ValueError(
            f"delta must lie in [-1, 1], it is an entry of an orthogonal matrix, got {delta}"
        )
    return delta
