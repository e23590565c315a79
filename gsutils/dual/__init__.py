r"""The Legendre dual of the linearised network: objective, flows, fixed points (Eq. 5-11, 17, 18).

With :math:`Y\Phi_0 = U S V^T` each example i has a dual variable :math:`\alpha_i \in (0, 1)`, and
with :math:`K = U S^2 U^T / \lambda` the flows are

- ``exact`` (Eq. 9): :math:`\dot\alpha = \eta(-\log\alpha + \log(1-\alpha) - K\alpha)`;
- ``taylor`` (Eq. 10): :math:`\dot\alpha = \eta(-\log\alpha - (K + I)\alpha)`, which may lead
  outside (0, 1);
- ``sd`` (Eq. 18): as ``exact`` with :math:`K = I / \lambda`, which needs :math:`\Phi_0` of full
  row rank.

Losses are sums over examples. Everything is NumPy, float64. Time has the unit of :math:`1/\eta`.

>>> import numpy as np
>>> alpha = fixed_point(np.eye(2), np.array([4.0, 1.0]), lam=1.0)
>>> np.round(response_at(alpha, np.eye(2), np.array([4.0, 1.0]), lam=1.0), 4)
array([1.0426, 0.4011])
"""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.special import entr, expit, logit

from gsutils import guards
from gsutils.dual._flow import integrate
from gsutils.dual._margins import NotConverged, curvature, margins, multiplier
from gsutils.dual._primal import descent, primal_loss, primal_minimiser
from gsutils.dual.problem import KINDS, Array, check_alpha, check_one, effective

__all__ = [
    "KINDS",
    "NotConverged",
    "curvature",
    "descent",
    "dual_objective",
    "fixed_point",
    "flow",
    "margins",
    "multiplier",
    "primal_loss",
    "primal_minimiser",
    "response_at",
    "velocity",
]


def fixed_point(
    U: Array, s2: Array, lam: float, kind: str = "exact", rank_deficient: str = "raise"
) -> Array:
    r"""Return the fixed point of a flow, which is the maximiser of its dual objective.

    Args:
        U: orthonormal columns, (n, r); square for "taylor".
        s2: squared strengths >= 0, (r,).
        lam: λ > 0.
        kind: "exact" (Eq. 9), "taylor" (Eq. 10) or "sd" (Eq. 18).
        rank_deficient: for "sd", what to do when r < n or a strength is zero, so that
            :math:`U S^2 U^T` does not cancel to the identity: "raise", or "project", which puts
            :math:`U U^T` over the strengths above zero in its place.

    Returns:
        alpha (n,), in (0, 1), rounded to the inside; for "taylor" in (0, ∞). A float cannot tell
        a margin below -36 (alpha near 1), above 744 (alpha near 0), or below 1e-6 in size (alpha
        near 1/2) to ten digits: use :func:`margins` there.

    Raises:
        ValueError: an argument out of range.
        NotConverged: the residual exceeds 1e-10 of the largest summand of :math:`K\alpha`.

    Warns:
        RuntimeWarning: the point of "taylor" lies outside (0, 1).
    """
    u = margins(*check_one(U, s2, lam, kind), kind, rank_deficient)
    alpha = multiplier(u, kind)
    alpha = np.clip(alpha, np.nextafter(0, 1), None if kind == "taylor" else np.nextafter(1, 0))
    if kind == "taylor" and alpha.max() >= 1:
        warnings.warn(
            f"the fixed point of Eq. 10 lies outside (0, 1): its largest alpha is {alpha.max():.3g}"
            "; log(1 - alpha) ~ -alpha does not hold there, use kind='exact'",
            RuntimeWarning,
            stacklevel=2,
        )
    return alpha


def flow(
    alpha0: Array,
    U: Array,
    s2: Array,
    lam: float,
    t: Sequence[float] | Array,
    kind: str = "exact",
    eta: float = 1.0,
    rank_deficient: str = "raise",
) -> Array:
    r"""Return the solution of a flow at given times.

    It is integrated in :math:`x = \log(\alpha/(1-\alpha))` ("taylor": :math:`\log\alpha`), which
    cannot leave the domain, by an implicit method of order 4, exactly to each of the times. The
    estimated error of a step is at most 1e-8 plus 1e-6 of the size of x, or, where that is more,
    such that alpha is off by at most 1e-8 over one plus the largest diagonal entry of K.

    Args:
        alpha0: the start at time 0, (n,), in (0, 1); for "taylor" > 0.
        U: orthonormal columns, (n, r).
        s2: squared strengths, (r,).
        lam: λ > 0.
        t: times >= 0 in ascending order, (k,), in units of 1/eta.
        kind: "exact", "taylor" or "sd".
        eta: speed η > 0.
        rank_deficient: see :func:`fixed_point`.

    Returns:
        alpha (k, n).

    Raises:
        ValueError: an argument out of range.
        NotConverged: the steps become too small or too many.
    """
    U, s2, lam = check_one(U, s2, lam, kind)
    s2 = effective(U, s2, kind, rank_deficient)
    alpha0 = check_alpha(alpha0, U, kind)
    t = np.atleast_1d(np.asarray(t, float))
    if t.ndim != 1 or not len(t) or not np.isfinite(t).all() or t[0] < 0 or (np.diff(t) < 0).any():
        raise ValueError(f"t must be finite times >= 0 in ascending order, got {t}")
    guards.number("eta", eta, above=0.0)
    K = np.eye(len(U)) / lam if _decouples(kind, rank_deficient) else (U * (s2 / lam)) @ U.T
    if kind == "taylor":
        return np.exp(integrate(np.log(alpha0), K + np.eye(len(U)), t * eta, taylor=True))
    return expit(integrate(logit(alpha0), K, t * eta, taylor=False))


def velocity(
    alpha: Array,
    U: Array,
    s2: Array,
    lam: float,
    kind: str = "exact",
    eta: float = 1.0,
    rank_deficient: str = "raise",
) -> Array:
    """Return the right-hand side of Eq. 9, 10 or 18, the gradient of the dual objective times η.

    Arguments as in :func:`flow`; alpha may have leading axes, (..., n) -> (..., n).
    """
    U, s2, lam = check_one(U, s2, lam, kind)
    s2 = effective(U, s2, kind, rank_deficient)
    alpha = check_alpha(alpha, U, kind)
    pull = -np.log(alpha) - alpha if kind == "taylor" else -logit(alpha)
    decoupled = _decouples(kind, rank_deficient)
    return eta * (pull - (alpha / lam if decoupled else (alpha @ U * (s2 / lam)) @ U.T))


def response_at(
    alpha: Array,
    U: Array,
    s2: Array,
    lam: float,
    kind: str = "exact",
) -> Array:
    r"""Return the responses that belong to a dual variable, (..., n) -> (..., r).

    .. math:: z = \frac1\lambda S^2 U^T \alpha \quad\text{(Eq. 11)}, \qquad
        z = \frac1\lambda U^T \alpha \quad\text{("sd")}.

    A feature without strength has no response. The rounding of alpha is multiplied by
    :math:`s^2/\lambda`: ``margins(U, s2, lam) @ U`` is the response at the optimum to all digits.

    Raises:
        ValueError: an argument out of range.

    Warns:
        RuntimeWarning: rounding of alpha may be above 1e-4 of the largest response.
    """
    U, s2, lam = check_one(U, s2, lam, kind)
    alpha = check_alpha(alpha, U, kind)
    strengths = effective(U, s2, kind, "project") / lam
    z = (alpha @ U) * strengths
    rounding = np.finfo(float).eps * ((np.abs(alpha) @ np.abs(U)) * strengths).max(-1)
    if (rounding > 1e-4 * np.abs(z).max(-1)).any():
        warnings.warn(
            f"rounding of alpha moves these responses by up to {np.max(rounding):.1g}, as s2 / lam "
            "is large; at the optimum margins(U, s2, lam, kind) @ U has all digits",
            RuntimeWarning,
            stacklevel=2,
        )
    return z


def dual_objective(
    alpha: Array, U: Array, s2: Array, lam: float, kind: str = "exact"
) -> float | Array:
    r"""Return the dual objective, of which the flow is the gradient ascent.

    .. math::
        \text{exact (Eq. 8):}\quad & \sum_i H(\alpha_i) - \tfrac12 \alpha K \alpha \\
        \text{taylor:}\quad & \sum_i (\alpha_i - \alpha_i\log\alpha_i)
            - \tfrac12 \alpha (K + I) \alpha \\
        \text{sd:}\quad & \sum_i H(\alpha_i) - \tfrac1{2\lambda} \|U^T\alpha\|^2

    H is the binary entropy in nats. Its maximum is the minimum of :func:`primal_loss`.

    Args:
        alpha: (..., n), in (0, 1); for "taylor" > 0.
        U: orthonormal columns, (n, r).
        s2: squared strengths, (r,); "sd" leaves out the columns of zero strength.
        lam: λ > 0.
        kind: "exact", "taylor" or "sd".

    Returns:
        (...).

    Raises:
        ValueError: an argument out of range.
    """
    U, s2, lam = check_one(U, s2, lam, kind)
    alpha = check_alpha(alpha, U, kind)
    quadratic = ((alpha @ U) ** 2 * (effective(U, s2, kind, "project") / lam)).sum(-1)
    if kind == "taylor":
        return (alpha + entr(alpha) - alpha**2 / 2).sum(-1) - quadratic / 2
    return (entr(alpha) + entr(1 - alpha)).sum(-1) - quadratic / 2


def _decouples(kind: str, rank_deficient: str) -> bool:
    """Whether U U^T stands for the identity."""
    return kind == "sd" and rank_deficient == "raise"
