"""Responses and starvation under a softmax of K classes."""

import numpy as np
from scipy.special import log_softmax, softmax

from gsutils.dual.problem import check_lam, check_orthonormal, check_s2

Array = np.ndarray


def class_responses(U: Array, s2: Array, y: Array, lam: float) -> Array:
    r"""Return the responses :math:`z^*` at the optimum of weight decay, for K classes.

    .. math:: z^* = \arg\min_z \sum_i \ell_{y_i}\big((Uz)_{i\cdot}\big)
        + \frac{\lambda}{2} \sum_j \frac{z_j^2}{s_j^2},

    with :math:`\ell` the cross-entropy of the softmax: Eq. 5 for a linearised network with K
    logits, whose features are those of :func:`gsutils.ntk.class_features`.

    Args:
        U: orthonormal columns, (n·K, r), the K rows of an example together.
        s2: squared strengths >= 0, (r,).
        y: classes 0..K-1, (n,).
        lam: λ > 0.

    Returns:
        (r,).

    Raises:
        ValueError: an argument out of range.
        RuntimeError: Newton's method has not converged.
    """
    U, s, labels, lam = _checked(U, s2, y, lam)
    B, rows, w = U * s, np.arange(len(labels)), np.zeros(len(s))

    def value(w: Array) -> float:
        return float(lam / 2 * w @ w - log_softmax(_spread(B @ w, labels), 1)[rows, labels].sum())

    scale = np.abs(B).sum() + lam  # of a gradient's rounding, in units of which 1e-14 is none
    for _ in range(200):
        p, slope = _softmax(B @ w, labels)
        gradient = B.T @ slope + lam * w
        if np.abs(gradient).max() <= 1e-14 * scale:
            return s * w
        step = np.linalg.solve(_curved(B, p) + lam * np.eye(len(w)), gradient)
        before, size, fall = value(w), 1.0, gradient @ step
        while size > 1e-6 and value(w - size * step) > before - 1e-4 * size * fall + 1e-13 * abs(
            before
        ):
            size /= 2
        if size < 1e-3 and fall <= 1e-13 * (len(labels) + before):
            size = 1.0  # the value is flat to rounding
        w = w - size * step
    # The slope holds the rounding of the logits, and they that of their summands.
    rounding = p * (1 - p) * _spread(np.abs(B) @ np.abs(w), labels)
    if (np.abs(gradient) <= 1e-14 * (scale + np.abs(B).T @ rounding.ravel())).all():
        return s * w
    largest = np.abs(gradient).max()
    raise RuntimeError(f"no optimum found at lam = {lam}: the slope is still {largest:.2g}")


def class_starvation(U: Array, s2: Array, y: Array, lam: float) -> Array:
    r"""Return who starves whom under a softmax of K classes: :math:`G_{ij} = dz_i^*/d(s_j^2)`.

    .. math:: G = \left(I + \tfrac1\lambda S^2 U^T H U\right)^{-1}
        \operatorname{diag}\left(-\tfrac1\lambda U^T g\right),

    with :math:`g_i = p_i - e_{y_i}` and the blocks :math:`H_i = \operatorname{diag}(p_i) - p_i
    p_i^T` at the optimum. For K = 2 it is :func:`starvation_matrix`, up to a factor of
    :math:`\sqrt 2`; elasticities are equal. **Sign:** that of the given U.

    Arguments and errors as in :func:`class_responses`.

    Returns:
        (r, r).

    Source: implicit differentiation; the paper has two classes.
    """
    z = class_responses(U, s2, y, lam)
    U, s, labels, lam = _checked(U, s2, y, lam)
    p, slope = _softmax(U @ z, labels)
    system = np.eye(len(s)) + (s**2 / lam)[:, None] * _curved(U, p)
    return np.linalg.solve(system, np.diag(-(U.T @ slope) / lam))


def _checked(U: Array, s2: Array, y: Array, lam: float) -> tuple[Array, Array, Array, float]:
    U, labels = np.asarray(U, float), np.asarray(y)
    if (
        U.ndim != 2
        or np.shape(s2) != U.shape[1:]
        or labels.ndim != 1
        or not len(labels)
        or len(U) % len(labels)
        or len(U) < 2 * len(labels)
    ):
        raise ValueError(
            "U must be (n·K, r) with K >= 2, s2 (r,) and y (n,), got "
            f"{U.shape}, {np.shape(s2)} and {labels.shape}"
        )
    classes = len(U) // len(labels)
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"y must be classes 0..{classes - 1}, got {np.unique(labels)[:5]}")
    check_orthonormal(U)
    return U, np.sqrt(check_s2(s2)), labels, float(check_lam(lam))


def _spread(logits: Array, y: Array) -> Array:
    return logits.reshape(len(y), -1)


def _softmax(logits: Array, y: Array) -> tuple[Array, Array]:
    """Return the probabilities p (n, K), and p - e_y, (n·K,)."""
    p = softmax(_spread(logits, y), 1)
    slope = p.copy()
    rows = np.arange(len(y))
    slope[rows, y] = 0
    slope[rows, y] = -slope.sum(1)  # 1 - p would cancel
    return p, slope.ravel()


def _curved(B: Array, p: Array) -> Array:
    """Return BᵀHB of B (n·K, r), H = diag(p) - ppᵀ of each example."""
    blocks = B.reshape(*p.shape, -1)
    mean = np.einsum("ik,ikr->ir", p, blocks)
    centred = np.sqrt(p)[..., None] * (blocks - mean[:, None])
    flat = centred.reshape(len(B), -1)
    found: Array = flat.T @ flat
    return found
