r"""The limit λ → 0 of the regularised optimum.

With :math:`K = Y\Phi\Phi^T Y` of full rank, weight decay's direction tends to the hard-margin
solution, :math:`\theta \propto \Phi^T Y\mu` with

.. math:: \mu = \operatorname{argmin}_{\mu \ge 0}\; \tfrac12\mu^T K\mu - 1^T\mu,

whose margins :math:`K\mu` are 1 on the support vectors and larger elsewhere. SD's optimum is the
interpolant of the labels, :math:`\mu = K^{-1}1`, for every λ. They are one function exactly when
:math:`K^{-1}1 \ge 0`.
"""

import numpy as np
from scipy.optimize import nnls
from scipy.special import expit, wrightomega

from gsutils.dual.problem import check_orthonormal, check_s2

Array = np.ndarray
MAX_STEPS = 300


def labelled_gram(Phi: Array, y: Array) -> Array:
    """Return K = Y Phi Phi^T Y, (n, n), of a Jacobian (n, m) and labels -1/+1 (n,).

    Raises:
        ValueError: the shapes do not fit, or a label is another number.
    """
    Phi, y = np.asarray(Phi, float), np.asarray(y, float)
    if Phi.ndim != 2 or y.shape != Phi.shape[:1]:
        raise ValueError(f"Phi must be (n, m) and y (n,), got {Phi.shape} and {y.shape}")
    if not np.isin(y, (-1, 1)).all():
        raise ValueError(f"labels must be -1 or +1, got {np.unique(y)}")
    rows = y[:, None] * Phi
    return rows @ rows.T


def multipliers(K: Array) -> Array:
    """Return the multipliers μ >= 0 of the hard-margin solution with smallest margin 1, (n,).

    An example with μ > 0 is a support vector; ``K @ multipliers(K)`` are the margins.

    Args:
        K: Gram matrix of the labelled examples, positive definite, (n, n).

    Raises:
        ValueError: K is not square, not symmetric or not of full rank.
    """
    K = _check_gram(K)
    root = np.linalg.cholesky(K)
    mu, _ = nnls(root.T, np.linalg.solve(root, np.ones(len(K))))
    support = mu > 0
    if support.any():  # nnls finds the support; this solves for its multipliers to rounding
        exact = np.linalg.solve(K[np.ix_(support, support)], np.ones(support.sum()))
        if (exact > 0).all():
            mu[support] = exact
    return mu


def threshold(delta: float | Array) -> Array:
    r"""Return the ratio :math:`s_1^2/s_2^2` beyond which starvation survives λ → 0 in Eq. 15.

    .. math:: r^* = \frac{c\,(c + \delta)}{\delta\,(c - \delta)}, \qquad c = \sqrt{1 - \delta^2}

    Args:
        delta: the coupling, in (0, 1/√2), (...).

    Raises:
        ValueError: delta out of range.
    """
    delta = np.asarray(delta, float)
    if not ((delta > 0) & (delta**2 < 0.5)).all():
        raise ValueError(f"delta must lie in (0, 1/√2), got {delta}; exchange the examples beyond")
    c = np.sqrt(1 - delta**2)
    return c * (c + delta) / (delta * (c - delta))


def limit_elasticities(U: Array, s2: Array) -> Array:
    r"""Return the limit λ → 0 of :math:`E_{ij} = d\log|z_i^*| / d\log s_j^2`, (n, n).

    .. math:: E_{ij} = \Pi_{ij}\, w_j / w_i, \qquad \Pi = I - S U_A^T K_{AA}^{-1} U_A S, \qquad
        w = S U_A^T K_{AA}^{-1} 1,

    with A the support vectors: Π projects onto the weights that none of them sees. It is zero
    where all examples are support vectors. The formula needs margins above 1 off the support. A
    single tie, margin 1 with μ = 0, counts as a support vector: its α/λ grows like log log(1/λ).
    Floats do not hold ties; next to one, the limit of the side that rounding picks is returned.

    Args:
        U: orthogonal, (n, n).
        s2: squared strengths > 0, (n,).

    Raises:
        ValueError: an argument out of range.
    """
    U, s2 = _check_features(U, s2)
    K = (U * s2) @ U.T
    support = multipliers(K) > 0
    rows = U[support] * np.sqrt(s2)
    seen = np.linalg.solve(K[np.ix_(support, support)], rows)  # K_AA^-1 U_A S
    w = seen.sum(0)
    return (np.eye(len(s2)) - rows.T @ seen) * w / w[:, None]


def scaled_pulls(K: Array, log_inverse_lam: float) -> Array:
    r"""Return α/λ at weight decay's optimum for a λ that may be too small for a float, (n,).

    The margins are ``K @ scaled_pulls(K, -log(lam))``.

    Args:
        K: as in :func:`multipliers`.
        log_inverse_lam: :math:`\log(1/\lambda)`, from 0 to 1e12.

    Raises:
        ValueError: an argument out of range.
        RuntimeError: the solver did not converge.
    """
    K, L = _check_gram(K), float(log_inverse_lam)
    if not 0 <= L <= 1e12:
        raise ValueError(f"log(1/lam) must lie between 0 and 1e12, got {L}")
    mu = multipliers(K)
    size = wrightomega(L)  # size + log(size) = L
    with np.errstate(divide="ignore"):
        on = np.log(size * mu)
    x = np.where(mu > 0, on, L - size * (K @ mu))  # log(alpha / lam)
    rounding = 4 * np.finfo(float).eps * L  # of a residual; at a tie nothing makes it smaller
    for _ in range(MAX_STEPS):
        a = np.exp(x)
        u = K @ a
        residual = x + u + np.logaddexp(0, -u) - L
        step = np.linalg.solve(np.eye(len(K)) + expit(u)[:, None] * K * a, residual)
        x = x - step / max(1, np.abs(step).max() / 2)
        room = 1e-13 * (1 + np.abs(x).max()) + rounding / (1 + np.diag(K) * a)
        if (np.abs(step) < room).all():
            return np.exp(x)
    raise RuntimeError(
        f"the optimum at log(1/lam) = {L} was not reached, the last step is "
        f"{np.abs(step).max():.1e}; scale K to a trace near n"
    )


def elasticities_at(U: Array, s2: Array, log_inverse_lam: float) -> Array:
    r"""Return :math:`E_{ij} = d\log|z_i^*| / d\log s_j^2` at weight decay's optimum, (n, n).

    .. math:: E_{ij} = \left[U^T (I + KV)^{-1} U\right]_{ij} z_j / z_i

    Args:
        U: orthogonal, (n, n).
        s2: squared strengths > 0, (n,).
        log_inverse_lam: see :func:`scaled_pulls`.

    Raises:
        ValueError: an argument out of range.
        RuntimeError: the solver did not converge.
    """
    U, s2 = _check_features(U, s2)
    K = (U * s2) @ U.T
    a = scaled_pulls(K, log_inverse_lam)
    z = s2 * (a @ U)
    v = a * expit(K @ a)  # curvature over lam
    return U.T @ np.linalg.solve(np.eye(len(K)) + K * v, U) * z / z[:, None]


def _check_gram(K: Array) -> Array:
    K = np.asarray(K, float)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or not np.allclose(K, K.T):
        raise ValueError(f"K must be a symmetric matrix, got shape {K.shape}; see labelled_gram")
    if not np.isfinite(K).all() or np.linalg.matrix_rank(K, hermitian=True) < len(K):
        raise ValueError(
            f"K must have full rank {len(K)}; remove duplicate examples or add parameters"
        )
    return K


def _check_features(U: Array, s2: Array) -> tuple[Array, Array]:
    U, s2 = np.asarray(U, float), check_s2(s2)
    if U.ndim != 2 or U.shape != (len(s2), len(s2)) or not (s2 > 0).all():
        raise ValueError(
            f"U must be (n, n) and s2 (n,) > 0, got {U.shape} and {s2}: the limit needs full rank"
        )
    check_orthonormal(U)
    return U, s2
