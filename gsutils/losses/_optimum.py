"""Where SD's objective is least on inputs whose label is not certain, and where that turns."""

import math
from collections.abc import Sequence

from scipy.optimize import brentq
from scipy.special import expit, logit

from gsutils.losses._checks import FAR, PerClass, check_lam


def optimal_logit(p: float, lam: PerClass, gamma: PerClass = 0.0) -> float:
    r"""Return the logit z at which SD's expected objective is least.

    It solves

    .. math:: \sigma(z) - p + p\,\lambda_+(z - \gamma_+) + (1-p)\,\lambda_-(z - \gamma_-) = 0 .

    Args:
        p: probability of the label +1, in [0, 1]; in (0, 1) where λ is zero.
        lam: λ >= 0, a number or a pair (class -1, class +1).
        gamma: γ, the same forms.

    Raises:
        ValueError: an argument out of range, or no finite z.

    >>> round(optimal_logit(0.85, lam=0.0), 4), round(optimal_logit(0.85, lam=1.0), 4)
    (1.7346, 0.2804)
    """
    check_lam(lam)
    check_lam(gamma, "gamma", least=-FAR)
    (below, above), (low, high) = _pair(lam), _pair(gamma)
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], got {p}")
    weight, pull = p * above + (1 - p) * below, p * above * high + (1 - p) * below * low
    if weight == 0:
        if p in (0, 1):
            raise ValueError(f"without a penalty the logit of p = {p} is infinite; give lam > 0")
        return float(logit(p))
    # Between the minimisers of its two parts, and where 0 < σ < 1 allows.
    parts = sorted((float(logit(p)), pull / weight))
    ends = max(parts[0], (p - 1 + pull) / weight), min(parts[1], (p + pull) / weight)
    slope = [expit(z) - p + weight * z - pull for z in ends]
    if not math.isfinite(ends[0]) or not math.isfinite(ends[1]):
        raise ValueError(f"the logit of p = {p} under lam = {lam} is too large for a number")
    if slope[0] >= 0 or slope[1] <= 0:  # up to rounding an end is the root
        return ends[0] if abs(slope[0]) <= abs(slope[1]) else ends[1]
    rtol = 4 * math.ulp(1.0)
    return float(
        brentq(
            lambda z: expit(z) - p + weight * z - pull, *ends, xtol=1e-300, rtol=rtol, maxiter=2000
        )
    )


def sign_change(lam: PerClass, gamma: PerClass) -> float:
    r"""Return the probability at which the minimiser of the SD objective changes its sign.

    An input with label +1 with probability p gets the logit z that minimises

    .. math:: p\,[\log(1+e^{-z}) + \tfrac{\lambda_+}{2}(z-\gamma_+)^2]
              + (1-p)\,[\log(1+e^{z}) + \tfrac{\lambda_-}{2}(z-\gamma_-)^2] .

    Where γ of the class +1 is at least that of the class -1 it grows with p; it is zero at

    .. math:: p^* = \frac{1/2 - \lambda_-\gamma_-}{1 + \lambda_+\gamma_+ - \lambda_-\gamma_-}.

    Args:
        lam: λ >= 0, a number or a pair (class -1, class +1).
        gamma: γ, the same forms.

    Returns:
        p*. Outside (0, 1) there is no change: every input gets the same sign.

    Raises:
        ValueError: z decreases with p at its zero: γ of the class -1 is so far above that of the
            class +1 that the decision is turned round.
    """
    check_lam(lam)
    check_lam(gamma, "gamma", least=-FAR)
    (below, above), (low, high) = _pair(lam), _pair(gamma)
    denominator = 1 + above * high - below * low
    if denominator <= 0:
        raise ValueError(
            f"1 + lam[+]·gamma[+] - lam[-]·gamma[-] must be > 0, got {denominator} from "
            f"lam = {lam} and gamma = {gamma}: the logit would fall as p grows"
        )
    return (0.5 - below * low) / denominator


def _pair(value: PerClass) -> tuple[float, float]:
    if isinstance(value, Sequence) and len(value) != 2:
        raise ValueError(f"a pair (class -1, class +1) or a number was asked for, got {value}")
    below, above = value if isinstance(value, Sequence) else (value, value)
    return float(below), float(above)
