r"""A diagonal linear network, whose features grow while it learns.

Feature j of strength :math:`s_j` has the weight :math:`\beta_j = p_j^2 - q_j^2`, and all p and q
start at ε. Gradient flow on any loss of the margins gives

.. math:: \beta_j = 2\varepsilon^2 \sinh(4\, g_j),

where :math:`g_j` adds up, over time, the pulls of the examples along feature j. A large ε is the
linear theory, a small one learns features one after the other.
"""

import numpy as np

from gsutils.beyond._root import root
from gsutils.dual.problem import check_lam, check_s2

Array = np.ndarray


def grown(g: Array, eps: float) -> Array:
    """Return the weights β = 2 ε² sinh(4 g) after the pulls g, of any shape.

    Raises:
        ValueError: eps is not > 0.
    """
    if not 0 < eps < np.inf:
        raise ValueError(f"eps must be a finite number > 0, got {eps}")
    return 2 * eps**2 * np.sinh(4 * np.asarray(g, float))


def shared_margin(s: Array, eps: float, u: float) -> Array:
    r"""Return the responses :math:`z_j = s_j\beta_j`, (r,), of features that share a margin u.

    All examples are alike, so every feature is right about every one of them. Then :math:`g_j =
    s_j T` with one T, which :math:`\sum_j z_j = u` decides: for SD's margin u, where its flow
    ends, and for every u that cross-entropy passes on its way.

    Args:
        s: strengths > 0, (r,).
        eps: the start ε > 0.
        u: the margin reached, > 0.

    Raises:
        ValueError: an argument out of range.
    """
    s = np.sqrt(check_s2(np.square(s)))
    if s.ndim != 1 or not (s > 0).all() or not 0 < u < np.inf:
        raise ValueError(f"s must be strengths > 0, (r,), and u > 0, got {s} and {u}")
    scaled = u / eps**2

    def excess(T: float) -> float:
        return float(s @ grown(s * T, 1.0) - scaled)

    top = np.arcsinh(scaled / (2 * s.max())) / (4 * s.max())  # the strongest feature alone
    return s * grown(s * root(excess, 0, top), eps)


def sparse_optimum(s: Array, n: int, lam: float) -> Array:
    r"""Return the responses at weight decay's optimum of the same network, (r,).

    A penalty :math:`\frac\lambda2(|p|^2 + |q|^2)` is :math:`\frac\lambda2|\beta|_1` at the best p
    and q: the strongest feature takes all, and below a threshold nothing is learned. With n
    examples alike, and no two strengths equal.

    Args:
        s: strengths > 0, (r,).
        n: the number of examples.
        lam: λ > 0.

    Raises:
        ValueError: an argument out of range.
    """
    s, lam = np.sqrt(check_s2(np.square(s))), float(check_lam(lam))
    z, first = np.zeros(len(s)), int(np.argmax(s))
    if (s == s[first]).sum() > 1:
        raise ValueError(f"the strongest feature must be one, got {s}: any split would be optimal")
    price = lam / (2 * s[first] * n)  # of a unit of margin, per example
    if price < 0.5:  # n sigma(-u) = lam / (2 s)
        z[first] = np.log(1 / price - 1)
    return z
