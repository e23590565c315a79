r"""K classes: the dual on the simplex, and the lead that SD gives to every example.

The loss of one example with logits f is :math:`\log\sum_k e^{f_k} - f_y = \max_p\, H(p) +
(p - e_y)\cdot f` over the simplex, so that the dual variables are the predicted probabilities.
"""

import numpy as np
from scipy.special import entr, softmax

from gsutils.beyond._root import root
from gsutils.dual.problem import check_lam

Array = np.ndarray
MAX_STEPS = 100


def lead(lam: float, classes: int) -> float:
    r"""Return the lead m of the right logit over every other at SD's optimum.

    .. math:: \frac{K}{e^m + K - 1} = \lambda m

    It is the inverse of :func:`gsutils.losses.lam_for_lead`, and where K = 2 the equal margin of
    two classes with half the λ.

    Args:
        lam: λ > 0 of the penalty :math:`\frac\lambda2\sum_k f_k^2`, summed over the classes.
        classes: K >= 2.

    Raises:
        ValueError: an argument out of range.
    """
    lam, classes = float(check_lam(lam)), _check_classes(classes)

    def excess(m: float) -> float:
        return classes * np.exp(-m) / (1 + (classes - 1) * np.exp(-m)) - lam * m

    return root(excess, 0, min(1 / lam, np.finfo(float).max))


def simplex_logits(y: Array, classes: int, lam: float) -> Array:
    """Return SD's logits m (e_y - 1/K), (n, K), for labels 0..K-1 (n,).

    Raises:
        ValueError: an argument out of range.
    """
    return lead(lam, classes) * (_one_hot(y, classes) - 1 / classes)


def class_dual(P: Array, y: Array, gram: Array, lam: float) -> float:
    r"""Return the dual objective, which is at most the loss, with equality at the optimum.

    .. math:: \sum_i H(p_i) - \frac1{2\lambda} \sum_{ij} G_{ij}\,
        (e_{y_i} - p_i)\cdot(e_{y_j} - p_j)

    G is :math:`\Phi\Phi^T` for weight decay. For SD with full row rank it is the identity, and
    every example is alone.

    Args:
        P: probabilities, one row on the simplex per example, (n, K).
        y: labels 0..K-1, (n,).
        gram: G, (n, n).
        lam: λ > 0.

    Raises:
        ValueError: an argument out of range.
    """
    P, lam = np.asarray(P, float), float(check_lam(lam))
    if P.ndim != 2 or (P < 0).any() or not np.allclose(P.sum(1), 1):
        raise ValueError("P must hold probabilities, (n, K), whose rows add up to 1")
    target = _one_hot(y, P.shape[1])
    if len(P) != len(target):
        raise ValueError(f"P must have a row for each of {len(target)} labels, got {P.shape}")
    pulls = target - P
    return float(entr(P).sum() - (pulls * (_gram(gram, target) @ pulls)).sum() / (2 * lam))


def class_optimum(gram: Array, y: Array, classes: int, lam: float) -> Array:
    r"""Return the logits (n, K) at the minimum of cross-entropy and weight decay.

    .. math:: \sum_i \big(\log\textstyle\sum_k e^{f_{ik}} - f_{iy_i}\big)
        + \frac\lambda2 \|\Theta\|^2, \qquad f = \Phi\Theta

    Args:
        gram: :math:`\Phi\Phi^T`, positive definite, (n, n).
        y: labels 0..K-1, (n,).
        classes: K >= 2.
        lam: λ > 0.

    Raises:
        ValueError: an argument out of range.
        RuntimeError: Newton's method did not converge.
    """
    lam, target = float(check_lam(lam)), _one_hot(y, classes)
    factor = np.linalg.cholesky(_gram(gram, target))  # f = factor b, and |b| = |theta|
    n = len(factor)

    def value(b: Array) -> float:
        f = factor @ b
        top = f.max(1, keepdims=True)
        loss = top[:, 0] + np.log(np.exp(f - top).sum(1)) - (f * target).sum(1)
        return float(loss.sum() + lam / 2 * (b**2).sum())

    b = np.zeros((n, classes))
    for _ in range(MAX_STEPS):
        P = softmax(factor @ b, 1)
        gradient = factor.T @ (P - target) + lam * b
        if np.abs(gradient).max() <= 1e-13 * (1 + lam * np.abs(b).max()):
            return factor @ b
        inner = P[:, :, None] * np.eye(classes) - P[:, :, None] * P[:, None]
        hessian = np.einsum("ia,ikl,ib->akbl", factor, inner, factor).reshape(n * classes, -1)
        step = np.linalg.solve(hessian + lam * np.eye(n * classes), gradient.ravel())
        step, length, start = step.reshape(b.shape), 1.0, value(b)
        decrease = (gradient * step).sum()
        if decrease > 1e-9 * (1 + abs(start)):  # else the objective is flat to rounding
            while value(b - length * step) > start - 1e-4 * length * decrease:
                length /= 2
        b = b - length * step
    if np.abs(gradient).max() > 1e-9:
        raise RuntimeError(f"the gradient is still {np.abs(gradient).max():.1e}; raise lam")
    return factor @ b


def _check_classes(classes: int) -> int:
    if isinstance(classes, bool) or int(classes) != classes or classes < 2:
        raise ValueError(f"classes must be an integer >= 2, got {classes!r}")
    return int(classes)


def _gram(gram: Array, target: Array) -> Array:
    gram, n = np.asarray(gram, float), len(target)
    if gram.shape != (n, n):
        raise ValueError(f"gram must be (n, n) for {n} labels, one per example, got {gram.shape}")
    return gram


def _one_hot(y: Array, classes: int) -> Array:
    y, classes = np.asarray(y), _check_classes(classes)
    if y.ndim != 1 or not np.isin(y, np.arange(classes)).all():
        raise ValueError(f"labels must be integers from 0 to {classes - 1}, (n,), got {y!r}")
    return np.eye(classes)[y.astype(int)]
