"""Roots of a function of one variable, to all digits."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of f between two ends, ``high`` where rounding alone keeps the sign there."""
    if np.sign(f(low)) == np.sign(f(high)):
        return float(high)
    # From a bracket of 300 decades the first thousand steps are bisections.
    return float(brentq(f, low, high, xtol=1e-300, rtol=4 * np.finfo(float).eps, maxiter=10_000))
