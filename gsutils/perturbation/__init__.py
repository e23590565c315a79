r"""When one feature starves another: the perturbation analysis of section 3.3 (Eq. 10-16).

A fixed point of the dual has responses :math:`z^*`; feature i starves feature j when
:math:`dz_j^*/d(s_i^2) < 0` (Definition 2). Here are

- the two cases that Lambert's W solves, :func:`equal_strengths` (Eq. 12) and :func:`permutation`
  (Eq. 13), and :func:`lemma1` (Eq. 14) between them;
- for two features, the coupling of Eq. 15, the derivative :func:`starvation` that Theorem 2 is
  about, its size-free form :func:`elasticity`, and the responses :func:`coupled_response`, each
  for the exact flow (Eq. 9), its Taylor approximation (Eq. 10), Lemma 1 and spectral decoupling
  (Eq. 18);
- for any number of features, :func:`starvation_matrix`;
- for K classes, :func:`class_responses` and :func:`class_starvation`.

**Sign.** The sign of :math:`z_j` is that of column j of U, which an SVD chooses freely. What does
not depend on it is the response's size: :math:`d|z_j^*|/d(s_i^2) = \operatorname{sign}(z_j^*)\,
dz_j^*/d(s_i^2)`. For two features the columns are signed as Eq. 15 prints them.

Strengths are squared, losses are sums over examples, everything is NumPy in float64.

>>> bool(starvation(delta=0.3, s2=(9.0, 1.0), lam=0.1, kind="exact") < 0)
True
>>> round(float(elasticity(delta=0.3, s2=(9.0, 1.0), lam=0.1, kind="exact")), 3)
-0.175
"""

import numpy as np

from gsutils import dual
from gsutils.dual.problem import check_lam, check_orthonormal, check_s2
from gsutils.perturbation import _two_features as two
from gsutils.perturbation._classes import class_responses, class_starvation
from gsutils.perturbation._two_features import KINDS, Array, Value

__all__ = [
    "KINDS",
    "class_responses",
    "class_starvation",
    "coupled_response",
    "coupling",
    "elasticity",
    "equal_strengths",
    "lemma1",
    "permutation",
    "starvation",
    "starvation_matrix",
]


def equal_strengths(U: Array, s2: float, lam: float) -> tuple[Array, Array]:
    r"""Return the fixed point of Eq. 10 when all features have the same strength.

    .. math:: \alpha_i^* = \frac{W(c)}{c}, \quad c = \frac{s^2 + \lambda}{\lambda}, \qquad
        z_j^* = \frac{s^2}{\lambda} \sum_i u_{ij} \alpha_i^*

    W is Lambert's, on its principal branch. It solves Eq. 10, not Eq. 9.

    Args:
        U: orthogonal, (n, n).
        s2: the squared strength >= 0 of every feature, a number.
        lam: λ > 0.

    Returns:
        alpha (n,), all equal, in (0, 0.568); responses z (n,).

    Raises:
        ValueError: an argument out of range.

    Source: Eq. 12.
    """
    U = _orthogonal(U)
    if np.ndim(s2):
        raise ValueError(f"s2 must be one number, got shape {np.shape(s2)}; see `lemma1`")
    k = check_s2(s2) / check_lam(lam)
    alpha = np.full(len(U), two.uncoupled(k))
    return alpha, k * (U.T @ alpha)


def permutation(s2: Array, lam: Value) -> tuple[Array, Array]:
    r"""Return the fixed point of Eq. 10 when each feature sits on one example, U = I.

    .. math:: \alpha_i^* = \frac{W(c_i)}{c_i}, \quad c_i = \frac{s_i^2 + \lambda}{\lambda}, \qquad
        z_i^* = \frac{s_i^2}{\lambda} \alpha_i^*

    It solves Eq. 10, not Eq. 9.

    Args:
        s2: squared strengths >= 0, (..., n).
        lam: λ > 0, (...).

    Returns:
        alpha (..., n), in (0, 0.568); responses z (..., n).

    Raises:
        ValueError: an argument out of range.

    Source: Eq. 13.
    """
    k = check_s2(s2) / check_lam(lam)[..., None]
    alpha = two.uncoupled(k)
    return alpha, k * alpha


def lemma1(U: Array, s2: Array, lam: Value) -> Array:
    r"""Return the approximate fixed point of Eq. 10 for a U close to the identity.

    .. math:: \alpha^* \approx \left(A + \operatorname{diag}(1/\alpha_0)\right)^{-1}
        (1 - \log\alpha_0), \qquad A = \tfrac1\lambda U (S^2 + \lambda I) U^T,

    where :math:`\alpha_0` is the uncoupled point of :func:`permutation`: one Newton step from it.
    For the coupling of Eq. 15 the error is O(δ²). Far from the identity the result may leave
    (0, 1), and even be negative.

    Args:
        U: orthogonal, (..., n, n).
        s2: squared strengths, (..., n).
        lam: λ > 0, (...).

    Returns:
        alpha (..., n).

    Raises:
        ValueError: an argument out of range.

    Source: Lemma 1, Eq. 14.
    """
    U, lam = _orthogonal(U), check_lam(lam)
    alpha0, _ = permutation(s2, lam)
    n = U.shape[-1]
    if alpha0.shape[-1] != n:
        raise ValueError(f"s2 must hold {n} squared strengths, one a column, got {np.shape(s2)}")
    root = np.sqrt(alpha0)
    k = np.asarray(s2, float) / lam[..., None]
    A = (U * (k + 1)[..., None, :]) @ U.swapaxes(-1, -2)
    system = np.eye(n) + root[..., :, None] * A * root[..., None, :]
    scale = 1 / np.sqrt(np.diagonal(system, axis1=-2, axis2=-1))
    system = scale[..., :, None] * system * scale[..., None, :]
    right = scale * root * (1 - np.log(alpha0))
    return root * scale * np.linalg.solve(system, right[..., None])[..., 0]


def coupling(delta: Value) -> Array:
    r"""Return the coupling of two features over two examples, (..., 2, 2).

    .. math:: U = \begin{pmatrix} \sqrt{1-\delta^2} & -\delta \\
        \delta & \sqrt{1-\delta^2} \end{pmatrix}

    Feature 1 counts for example 2 with weight δ, feature 2 for example 1 with weight -δ.

    Args:
        delta: δ in [-1, 1], (...).

    Raises:
        ValueError: δ out of range.

    Source: Eq. 15.
    """
    return two.coupling(two.weight(delta))


def coupled_response(
    delta: Value, s2: tuple[Value, Value], lam: Value, kind: str = "exact"
) -> tuple[Array, Array]:
    r"""Return the responses (z1*, z2*) of two features coupled as in Eq. 15, each (...).

    Arguments and errors as in :func:`starvation`. For "lemma1", Eq. 11 at Lemma 1's point.
    """
    z1, z2, _ = two.solve(delta, s2, lam, kind)
    return z1, z2


def starvation(delta: Value, s2: tuple[Value, Value], lam: Value, kind: str = "exact") -> Array:
    r"""Return :math:`dz_2^*/d(s_1^2)` for two features coupled as in Eq. 15.

    It is the total derivative: the fixed point moves with :math:`s_1^2`, while U, :math:`s_2^2`
    and λ are held. With :math:`K = U S^2 U^T/\lambda`, the columns :math:`u_1, u_2` of U, and
    :math:`v_i = -d\alpha_i/du_i` at the fixed point,

    .. math:: \frac{dz_2^*}{d(s_1^2)} = \frac{s_2^2}{\lambda^2} (u_1\cdot\alpha)\,
        \delta\sqrt{1-\delta^2}\; \frac{1/v_2 - 1/v_1}{\det(\operatorname{diag}(1/v) + K)}
        \qquad\text{("exact", "taylor").}

    **Sign:** as U is printed in Eq. 15. For :math:`\delta > 1/\sqrt2` that makes :math:`z_2^*`
    negative: :math:`d|z_2^*|/d(s_1^2)` is ``np.sign(z2) * starvation(...)``, with z2 from
    :func:`coupled_response`.

    Args:
        delta: δ in [-1, 1], (...).
        s2: the pair :math:`(s_1^2, s_2^2)`, a tuple or (2,); each >= 0 and in a tuple (...).
        lam: λ > 0, (...).
        kind: "exact" (Eq. 9), "taylor" (Eq. 10), "lemma1" (Eq. 14, in which the uncoupled point
            depends on :math:`s_1^2` as well) or "sd" (Eq. 18: zero, as the strengths cancel).

    Returns:
        The broadcast shape of the arguments; in units of a response per squared strength.

    Raises:
        ValueError: an argument out of range.
        NotConverged: see :func:`gsutils.dual.fixed_point`.

    Source: Eq. 16, the quantity of Theorem 2.
    """
    *_, slope = two.solve(delta, s2, lam, kind)
    return slope / np.asarray(lam, float)


def elasticity(delta: Value, s2: tuple[Value, Value], lam: Value, kind: str = "exact") -> Array:
    r"""Return by how many per cent :math:`|z_2^*|` grows when :math:`s_1^2` grows by one per cent.

    .. math:: \frac{d\log|z_2^*|}{d\log s_1^2} = \frac{s_1^2}{z_2^*} \frac{dz_2^*}{d(s_1^2)}

    Arguments and errors as in :func:`starvation`. It does not depend on the sign of U's columns;
    negative means that feature 1 starves feature 2. It is nan where :math:`z_2^* = 0`.
    """
    _, z2, slope = two.solve(delta, s2, lam, kind)
    k1 = np.asarray(s2[0], float) / np.asarray(lam, float)
    return k1 * np.divide(slope, z2, out=np.full_like(z2, np.nan), where=z2 != 0)


def starvation_matrix(U: Array, s2: Array, lam: Value, kind: str = "exact") -> Array:
    r"""Return who starves whom among any number of features: :math:`G_{ij} = dz_i^*/d(s_j^2)`.

    .. math:: G = \left(I + \tfrac1\lambda S^2 U^T V U\right)^{-1}
        \operatorname{diag}\left(\tfrac1\lambda U^T\alpha\right), \qquad
        V = \operatorname{diag}(-d\alpha_i/du_i).

    **Sign:** that of the given U. ``np.sign(z)[:, None] * G`` is :math:`d|z_i^*|/d(s_j^2)`; off the
    diagonal its *signs* are symmetric, so that starvation is mutual.

    Args:
        U: orthonormal columns, (..., n, r); square for "taylor".
        s2: squared strengths >= 0, (..., r).
        lam: λ > 0, (...).
        kind: "exact" (Eq. 9), "taylor" (Eq. 10) or "sd" (Eq. 18: zero).

    Returns:
        (..., r, r).

    Raises:
        ValueError: an argument out of range.
        NotConverged: see :func:`gsutils.dual.fixed_point`.

    Source: implicit differentiation of :math:`u = K\alpha(u)`; the paper has the case n = r = 2.
    """
    u = dual.margins(U, s2, lam, kind)
    U, k = np.asarray(U, float), np.asarray(s2, float) / np.asarray(lam, float)[..., None]
    if kind == "sd":
        return np.zeros((*u.shape[:-1], U.shape[-1], U.shape[-1]))
    weighted = np.sqrt(dual.curvature(u, kind))[..., None] * U
    Q = weighted.swapaxes(-1, -2) @ weighted  # U^T V U
    # T^-1 (I + K^2 Q) T, T = sqrt(k) where k > 0, is symmetric; then its diagonal is made one.
    T = np.sqrt(np.where(k > 0, k, 1))
    scale = 1 / np.sqrt(1 + k * np.diagonal(Q, axis1=-2, axis2=-1))
    system = np.eye(k.shape[-1]) + (k / T)[..., :, None] * Q * T[..., None, :]
    system = scale[..., :, None] * system * scale[..., None, :]
    right = scale / T * two.overlaps(U, k, u, kind) / np.asarray(lam, float)[..., None]
    inverse = np.linalg.solve(system, right[..., :, None] * np.eye(k.shape[-1]))
    return (T * scale)[..., :, None] * inverse


def _orthogonal(U: Array) -> Array:
    U = np.asarray(U, float)
    if U.ndim < 2 or U.shape[-1] != U.shape[-2]:
        raise ValueError(f"U must be square, got shape {U.shape}; complete it with numpy.linalg.qr")
    check_orthonormal(U)
    return U
