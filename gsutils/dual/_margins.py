r"""The fixed points of the dual flows, solved in logit space.

At a fixed point of Eq. 9, 10 or 18 the margins :math:`u = Y\hat y` satisfy
:math:`u = K \alpha(u)`, with :math:`K = B B^T`, :math:`B = U S / \sqrt\lambda`. That is the
stationarity, in :math:`u = B w`, of the strictly convex

.. math:: P(w) = \sum_i \varphi(u_i) + \tfrac12 \|w\|^2, \qquad \varphi'(u) = -\alpha(u),

which Newton's method with a line search minimises. Margins have the full range of a float where
:math:`\alpha` would round to 0, 1/2 or 1. Where the normal equations of its step lose too many
digits, :func:`_careful` takes over.
"""

import numpy as np
from scipy.linalg import qr, solve_triangular
from scipy.special import expit, wrightomega

from gsutils.dual.problem import Array, check_kind, check_problem, effective

RESIDUAL = 1e-10  # of the largest summand of K alpha
MAX_STEPS = 500


class NotConverged(RuntimeError):
    """A solver did not reach its tolerance; the message says by how much, and what to do."""


def multiplier(u: Array | float, kind: str = "exact") -> Array:
    r"""Return :math:`\alpha(u)`, the dual variable of an example whose margin is u.

    "exact" and "sd": :math:`\sigma(-u)`, in (0, 1). "taylor": the root of
    :math:`\log\alpha + \alpha = -u`, that is Wright's ω(-u), in (0, ∞).
    """
    check_kind(kind)
    return wrightomega(-np.asarray(u, float)) if kind == "taylor" else expit(-np.asarray(u, float))


def curvature(u: Array | float, kind: str = "exact") -> Array:
    r"""Return :math:`v = -d\alpha/du` at the margin u.

    "exact" and "sd": :math:`\alpha(1 - \alpha)`; "taylor": :math:`\alpha/(1 + \alpha)`.
    """
    check_kind(kind)
    if kind == "taylor":
        alpha = multiplier(u, kind)
        return alpha / (1 + alpha)
    return expit(u) * expit(-np.asarray(u, float))


def margins(
    U: Array, s2: Array, lam: float | Array, kind: str = "exact", rank_deficient: str = "raise"
) -> Array:
    """Return the fixed point in logit space: the margins u = Y logits at the optimum, (..., n).

    Arguments and errors as in :func:`fixed_point`; leading axes of U (..., n, r), s2 (..., r) and
    lam (...) broadcast. ``multiplier(u, kind)`` is alpha.
    """
    U, s2, lam = check_problem(U, s2, lam, kind)
    s2 = effective(U, s2, kind, rank_deficient)
    shape = np.broadcast_shapes(U.shape[:-2], s2.shape[:-1], lam.shape)
    n, r = U.shape[-2:]
    if kind == "sd" and rank_deficient == "raise":  # U U^T = I: every example has the same margin
        B = 1 / np.sqrt(np.broadcast_to(lam, shape)).reshape(-1, 1, 1)
        return np.broadcast_to((B[:, :, 0] * _solve(B, kind)).reshape(*shape, 1), (*shape, n))
    root = np.broadcast_to(np.sqrt(s2) / np.sqrt(lam)[..., None], (*shape, r))
    B = (np.broadcast_to(U, (*shape, n, r)) * root[..., None, :]).reshape(-1, n, r)
    w = _solve(B, kind)
    return (B @ w[..., None])[..., 0].reshape(*shape, n)


def _solve(B: Array, kind: str) -> Array:
    """Return the minimisers w (N, r) of P for a stack of matrices B (N, n, r).

    Raises:
        NotConverged: a residual exceeds :data:`RESIDUAL` of the largest summand.
    """
    w = _start(B, kind)
    best, least = w.copy(), np.full(len(w), np.inf)
    active, worse = np.arange(len(w)), np.zeros(len(w), int)
    for _ in range(MAX_STEPS):
        now, matrices = w[active], B[active]
        u = _apply(matrices, now)
        alpha = multiplier(u, kind)
        gradient = now - _apply(matrices.swapaxes(1, 2), alpha)
        error = _residual(matrices, gradient, alpha)
        better = error < least[active]
        best[active[better]] = now[better]
        # Rounding ends the descent: two steps in a row without a smaller residual.
        worse[active] = np.where(better | (error > RESIDUAL), 0, worse[active] + 1)
        least[active] = np.minimum(least[active], error)
        going = (worse[active] < 2) & (error > 0)
        if not going.any():
            break
        active, now, u = active[going], now[going], u[going]
        matrices, gradient = matrices[going], gradient[going]
        try:
            direction = -_newton(matrices, curvature(u, kind), gradient)
        except np.linalg.LinAlgError:  # singular to rounding
            break
        length = _line_search(matrices, now, u, direction, gradient, kind)
        w[active] = now + length[:, None] * direction
    for row in (least > RESIDUAL).nonzero()[0]:
        best[row] = _careful(B[row], kind)
    return best


def _careful(B: Array, kind: str) -> Array:
    r"""Return the minimiser w (r,) for one matrix B (n, r) where :func:`_solve` fails.

    Each step is the least-squares solution of :math:`[V^{1/2} B; I]\, d = [V^{-1/2}\alpha; -w]`,
    by a QR decomposition with sorted rows and pivoted columns, which stands rows and columns of any
    size. From zero a margin grows by about one a step, so that none is overshot.

    Raises:
        NotConverged: the residual exceeds :data:`RESIDUAL` of the largest summand.
    """
    r = B.shape[1]
    w, least = np.zeros(r), np.inf
    best, worse = w, 0
    for _ in range(MAX_STEPS):
        u = B @ w
        alpha = multiplier(u, kind)
        gradient = w - B.T @ alpha
        error = float(_residual(B[None], gradient[None], alpha[None])[0])
        if error < least:
            best, least, worse = w, error, 0
        elif least <= RESIDUAL:
            worse += 1
        if worse == 2 or error == 0:
            break
        # alpha / sqrt(v), which does not underflow before sqrt(alpha) does
        pull = np.sqrt(alpha * (1 + alpha)) if kind == "taylor" else np.exp(-u / 2)
        weighted = np.sqrt(curvature(u, kind))[:, None] * B
        system, right = np.vstack([weighted, np.eye(r)]), np.concatenate([pull, -w])
        order = np.argsort(-np.abs(system).max(1))
        Q, R, columns = qr(system[order], mode="economic", pivoting=True)
        direction = np.empty(r)
        direction[columns] = solve_triangular(R, Q.T @ right[order])
        slope = float(gradient @ direction)
        start, length = float(_value(w[None], u[None], kind)[0]), 1.0
        while length > 1e-15 and -slope > 1e-14 * start:
            trial = w + length * direction
            if _value(trial[None], (B @ trial)[None], kind)[0] <= start + 1e-4 * length * slope:
                break
            length /= 2
        w = w + length * direction
    if least <= RESIDUAL:
        return best
    raise NotConverged(
        f"after {MAX_STEPS} Newton steps the residual of the fixed point is {least:.1e} of "
        f"its largest summand, {RESIDUAL:.0e} is asked for; rescale the strengths or raise lam"
    )


def _start(B: Array, kind: str) -> Array:
    """Return the best point (N, r) on the ray of steepest descent from zero."""
    ray = _apply(B.swapaxes(1, 2), multiplier(np.zeros(B.shape[:2]), kind))
    along = _apply(B, ray)
    lengths = np.concatenate([[0], np.logspace(-20, 0, 61)])
    values = [_value(length * ray, length * along, kind) for length in lengths]
    return lengths[np.argmin(values, 0)][:, None] * ray


def _apply(matrices: Array, vectors: Array) -> Array:
    """Multiply (N, a, b) by (N, b)."""
    return (matrices @ vectors[..., None])[..., 0]


def _residual(B: Array, gradient: Array, alpha: Array) -> Array:
    """Return the largest error of u = K alpha, in units of its row's largest summand, (N,)."""
    size = np.abs(B)
    largest = (size * (size * alpha[..., None]).max(1, keepdims=True)).max(2)
    residual = np.abs(_apply(B, gradient))
    # An overshooting step may leave no summand that does not underflow: it solves nothing.
    nothing = np.where(residual > 0, np.inf, 0.0)
    with np.errstate(over="ignore"):
        return np.divide(residual, largest, out=nothing, where=largest > 0).max(1)


def _newton(B: Array, v: Array, gradient: Array) -> Array:
    """Solve (I + B^T V B) d = gradient, with the diagonal scaled to one."""
    weighted = np.sqrt(v)[..., None] * B
    hessian = weighted.swapaxes(1, 2) @ weighted
    diagonal = np.arange(B.shape[2])
    hessian[:, diagonal, diagonal] += 1
    scale = 1 / np.sqrt(hessian[:, diagonal, diagonal])
    hessian *= scale[:, :, None] * scale[:, None, :]
    return scale * np.linalg.solve(hessian, (scale * gradient)[..., None])[..., 0]


def _line_search(
    B: Array, w: Array, u: Array, direction: Array, gradient: Array, kind: str
) -> Array:
    """Return step lengths (N,) that lower P enough (Armijo), 1 where P is flat to rounding."""
    slope = (gradient * direction).sum(1)  # negative
    start, along = _value(w, u, kind), _apply(B, direction)
    length = np.ones(len(w))
    open_ = -slope > 1e-9 * (1 + np.abs(start))
    for _ in range(60):
        if not open_.any():
            break
        value = _value(w + length[:, None] * direction, u + length[:, None] * along, kind)
        open_ &= value > start + 1e-4 * length * slope
        length = np.where(open_, length / 2, length)
    return length


def _value(w: Array, u: Array, kind: str) -> Array:
    """Return P, (N,)."""
    if kind == "taylor":
        alpha = multiplier(u, kind)
        phi = alpha + alpha**2 / 2
    else:
        phi = np.logaddexp(0, -u)
    return phi.sum(1) + (w**2).sum(1) / 2
