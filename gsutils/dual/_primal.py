"""The linear model itself: its regularised loss, the minimiser, gradient descent (Eq. 5, 17)."""

import numpy as np
from scipy.special import expit

from gsutils import guards
from gsutils.dual._margins import NotConverged, margins, multiplier
from gsutils.dual.problem import Array, check_lam, effective, real


def primal_loss(
    theta: Array, Phi: Array, y: Array, lam: float, kind: str = "exact"
) -> float | Array:
    r"""Return the regularised loss of the linear model, a sum over examples.

    .. math:: \sum_i \log(1 + e^{-y_i \hat y_i}) + \tfrac\lambda2 \|\theta\|^2
        \;\text{(Eq. 5)}, \quad \text{or}\; \tfrac\lambda2\|\hat y\|^2 \;\text{(Eq. 17, "sd")},
        \qquad \hat y = \Phi\theta.

    Args:
        theta: parameters, (..., m).
        Phi: the NTRF matrix, (n, m).
        y: labels -1/+1, (n,).
        lam: λ > 0.
        kind: "exact" or "sd"; "taylor" approximates the dual and has no primal.

    Returns:
        (...), in nats.

    Raises:
        ValueError: an argument out of range.
    """
    Phi, y, lam = _check_model(Phi, y, lam, kind)
    theta = _check_theta(theta, Phi)
    logits = theta @ Phi.T
    penalised = logits if kind == "sd" else theta
    return np.logaddexp(0, -y * logits).sum(-1) + lam / 2 * (penalised**2).sum(-1)


def primal_minimiser(Phi: Array, y: Array, lam: float, kind: str = "exact") -> Array:
    r"""Return the minimiser of :func:`primal_loss`, (m,), by way of the dual.

    .. math:: \theta^* = \tfrac1\lambda \alpha Y\Phi_0, \qquad
        \theta^* = \tfrac1\lambda \alpha Y\Phi_0 V S^{-2} V^T \;\text{("sd")}.

    For "sd" it is the minimiser of least norm, which gradient flow from zero finds.

    Raises:
        ValueError: an argument out of range.
        NotConverged: see :func:`fixed_point`.
    """
    Phi, y, lam = _check_model(Phi, y, lam, kind)
    U, s, Vt = np.linalg.svd(y[:, None] * Phi, full_matrices=False)
    s2 = s**2
    u = margins(U, s2, lam, kind, "project")
    if kind == "exact":
        return (s * (multiplier(u) @ U)) @ Vt / lam
    kept = effective(U, s2, kind, "project") > 0
    return (u @ U)[kept] / s[kept] @ Vt[kept]


def descent(
    Phi: Array,
    y: Array,
    lam: float,
    lr: float,
    steps: int,
    kind: str = "exact",
    theta0: Array | None = None,
) -> Array:
    """Run gradient descent on :func:`primal_loss` and return every iterate, (steps + 1, m).

    Args:
        Phi: the NTRF matrix, (n, m).
        y: labels -1/+1, (n,).
        lam: λ > 0.
        lr: learning rate > 0, of the sum over examples; times ``steps`` it is the time.
        steps: >= 1.
        kind: "exact" or "sd".
        theta0: the start, (m,); default zero.

    Raises:
        ValueError: an argument out of range.
        NotConverged: an iterate is not finite.
    """
    Phi, y, lam = _check_model(Phi, y, lam, kind)
    guards.number("lr", lr, above=0.0)
    guards.count("steps", steps)
    thetas = np.empty((steps + 1, Phi.shape[1]))
    thetas[0] = 0 if theta0 is None else _check_theta(theta0, Phi)
    with np.errstate(over="ignore", invalid="ignore"):
        for step, theta in enumerate(thetas[:-1]):
            logits = Phi @ theta
            pull = y * expit(-y * logits)
            penalty = lam * logits @ Phi if kind == "sd" else lam * theta
            thetas[step + 1] = theta - lr * (penalty - pull @ Phi)
    if not np.isfinite(thetas[-1]).all():
        raise NotConverged(f"gradient descent diverges with lr = {lr}; lower it")
    return thetas


def _check_model(Phi: Array, y: Array, lam: float, kind: str) -> tuple[Array, Array, float]:
    Phi, y = real(Phi, "Phi"), real(y, "y")
    if kind not in ("exact", "sd"):
        raise ValueError(f"kind must be 'exact' or 'sd', got {kind!r}; Eq. 10 has no primal")
    if Phi.ndim != 2 or y.shape != Phi.shape[:1]:
        raise ValueError(f"Phi must be (n, m) and y (n,), got {Phi.shape} and {y.shape}")
    if 0 in Phi.shape:
        raise ValueError(f"Phi must have at least one row and one column, got {Phi.shape}")
    if not np.isfinite(Phi).all():
        raise ValueError("Phi must be finite, it holds nan or inf")
    wrong = y[np.abs(y) != 1]
    if wrong.size:
        raise ValueError(f"labels must be -1 or +1, got {wrong[0]}; for labels 0/1 use 2 * y - 1")
    return Phi, y, float(check_lam(lam))


def _check_theta(theta: Array, Phi: Array) -> Array:
    theta = np.asarray(theta, float)
    if theta.ndim < 1 or theta.shape[-1] != Phi.shape[1]:
        raise ValueError(f"theta must be (..., {Phi.shape[1]}), got {theta.shape}")
    if not np.isfinite(theta).all():
        raise ValueError("theta must be finite, it holds nan or inf")
    return theta
