r"""Starvation for any smooth convex loss and any features.

.. math:: V(s^2) = \min_z \sum_i \ell\big((Uz)_i\big) + \frac\lambda2 \sum_j \frac{z_j^2}{s_j^2}

U need be neither orthonormal nor square: its columns may be features with names, a colour and a
shape. As :math:`\partial V/\partial(s_j^2) = -\frac\lambda2 z_j^2/s_j^4`, the equality of the mixed
second derivatives makes starvation mutual.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from gsutils.dual.problem import check_lam, check_s2

Array = np.ndarray
MAX_STEPS = 200


@dataclass(frozen=True)
class Loss:
    """A convex loss of the margin, its slope and its curvature, each (n,) -> (n,)."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    curvature: Callable[[Array], Array]


LOSSES = {
    "logistic": Loss(
        lambda u: np.logaddexp(0, -u), lambda u: -expit(-u), lambda u: expit(u) * expit(-u)
    ),
    "exponential": Loss(lambda u: np.exp(-u), lambda u: -np.exp(-u), lambda u: np.exp(-u)),
    "squared": Loss(lambda u: (1 - u) ** 2 / 2, lambda u: u - 1, lambda u: np.ones_like(u)),
}


def optimum(U: Array, s2: Array, lam: float, loss: str | Loss = "logistic") -> Array:
    """Return the minimiser z (r,), by Newton's method.

    Args:
        U: what each feature says about the margin of each example, (n, r).
        s2: squared strengths > 0, (r,).
        lam: λ > 0.
        loss: a name in :data:`LOSSES`, or a :class:`Loss`.

    Raises:
        ValueError: an argument out of range.
        RuntimeError: the gradient does not vanish to rounding.
    """
    U, s2, lam, loss = _check(U, s2, lam, loss)
    B = U * np.sqrt(s2)  # z = s w

    def objective(w: Array) -> float:
        with np.errstate(over="ignore"):
            return float(loss.value(B @ w).sum() + lam / 2 * w @ w)

    w = np.zeros(len(s2))
    for _ in range(MAX_STEPS):
        u = B @ w
        gradient = B.T @ loss.slope(u) + lam * w
        scale = np.abs(B.T) @ np.abs(loss.slope(u)) + lam * np.abs(w)
        if (np.abs(gradient) <= 1e-14 * scale).all():
            break
        hessian = (B.T * loss.curvature(u)) @ B + lam * np.eye(len(w))
        step, length, start = np.linalg.solve(hessian, gradient), 1.0, objective(w)
        decrease = gradient @ step
        if decrease > 1e-9 * (1 + abs(start)):  # else the objective is flat to rounding
            while objective(w - length * step) > start - 1e-4 * length * decrease:
                length /= 2
        w = w - length * step
    # The slope holds the rounding of the margins, and they that of their summands.
    cancels = np.abs(B.T) @ (loss.curvature(u) * (np.abs(B) @ np.abs(w)))
    if not (np.abs(gradient) <= 1e-11 * scale + 1e-14 * cancels).all():
        raise RuntimeError(f"the gradient is still {np.abs(gradient).max():.1e}; raise lam")
    return np.sqrt(s2) * w


def elasticities(U: Array, s2: Array, lam: float, loss: str | Loss = "logistic") -> Array:
    r"""Return :math:`E_{ij} = d\log|z_i^*| / d\log s_j^2`, (r, r); negative where j starves i.

    .. math:: E_{ij} = \left[(I + \tfrac1\lambda S^2 U^T V U)^{-1}\right]_{ij} z_j/z_i,
        \qquad E_{ij}\, \frac{z_i^2}{s_i^2} = E_{ji}\, \frac{z_j^2}{s_j^2}

    Arguments and errors as in :func:`optimum`.
    """
    z = optimum(U, s2, lam, loss)
    U, s2, lam, loss = _check(U, s2, lam, loss)
    s = np.sqrt(s2)
    B = U * s
    inverse = np.linalg.inv(np.eye(len(s)) + (B.T * loss.curvature(U @ z)) @ B / lam)
    return inverse * (s[:, None] / s) * z / z[:, None]


def _check(U: Array, s2: Array, lam: float, loss: str | Loss) -> tuple[Array, Array, float, Loss]:
    U, s2 = np.asarray(U, float), check_s2(s2)
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ValueError(f"loss must be in {tuple(LOSSES)} or a Loss, got {loss!r}")
        loss = LOSSES[loss]
    if U.ndim != 2 or s2.shape != U.shape[1:] or not (s2 > 0).all():
        raise ValueError(f"U must be (n, r) and s2 (r,) > 0, got {U.shape} and {s2}")
    return U, s2, float(check_lam(lam)), loss
