"""What a problem of the dual may be: every wrong argument is named, with its remedy."""

import numpy as np

KINDS = ("exact", "taylor", "sd")
RANK_DEFICIENT = ("raise", "project")
LARGEST_RATIO = 1e150
Array = np.ndarray


def real(values: object, name: str) -> Array:
    """Return an array as float64, or raise a ValueError where that would lose something."""
    found = np.asarray(values)
    if found.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers, got {found.dtype}")
    return np.asarray(found, float)


def effective(U: Array, s2: Array, kind: str, rank_deficient: str) -> Array:
    """Return the squared strengths that couple the flow: for "sd" ones, and zeros for zeros."""
    if rank_deficient not in RANK_DEFICIENT:
        raise ValueError(f"rank_deficient must be in {RANK_DEFICIENT}, got {rank_deficient!r}")
    if kind != "sd":
        return s2
    n, r = U.shape[-2:]
    rounding = (max(n, r) * np.finfo(float).eps) ** 2
    positive = s2 > rounding * s2.max(-1, keepdims=True)
    if rank_deficient == "raise" and (r < n or not positive.all()):
        what = f"{r} features for {n} examples" if r < n else f"a zero strength among {s2}"
        raise ValueError(
            f"spectral decoupling needs Phi of full row rank, got {what}: U S^2 U^T does not "
            "cancel. Remove duplicate examples or add parameters, or choose "
            "rank_deficient='project' (U U^T over the strengths above zero)"
        )
    return positive.astype(float)


def check_kind(kind: str) -> None:
    """Raise a ValueError unless the kind of flow is known."""
    if kind not in KINDS:
        raise ValueError(f"kind must be in {KINDS}, got {kind!r}")


def check_orthonormal(U: Array) -> None:
    """Raise a ValueError unless the columns of U (..., n, r) are orthonormal."""
    off = np.abs(U.swapaxes(-1, -2) @ U - np.eye(U.shape[-1])).max(initial=0)
    if not off < 1e-8:
        raise ValueError(
            f"U must have orthonormal columns, U^T U is off by {off:.2g}; take it from "
            "ntk.features or numpy.linalg.qr"
        )


def check_s2(s2: float | Array) -> Array:
    """Return squared strengths as float64, or raise a ValueError that names those out of range."""
    s2 = real(s2, "s2")
    if not ((s2 >= 0) & (s2 < np.inf)).all():
        raise ValueError(
            f"s2, the squared strengths, must be finite and >= 0, got {s2}; pass s**2, not s"
        )
    return s2


def check_lam(lam: float | Array) -> Array:
    """Return λ as float64, or raise a ValueError unless it is finite and > 0."""
    lam = real(lam, "lam")
    if not ((lam > 0) & (lam < np.inf)).all():
        raise ValueError(f"lam must be finite and > 0, got {lam}; without it no optimum exists")
    return lam


def check_problem(U: Array, s2: Array, lam: float | Array, kind: str) -> tuple[Array, Array, Array]:
    """Return U (..., n, r), s2 (..., r), lam (...) as float64, or say what is wrong with them."""
    U, s2, lam = real(U, "U"), real(s2, "s2"), real(lam, "lam")
    check_kind(kind)
    if U.ndim < 2 or s2.ndim < 1 or s2.shape[-1] != U.shape[-1] or 0 in U.shape[-2:]:
        raise ValueError(
            f"U must be (n, r) and s2 (r,), got {U.shape} and {s2.shape}; s2 holds the squared "
            "strengths as a vector"
        )
    n, r = U.shape[-2:]
    if r > n:
        raise ValueError(f"U must have at most as many columns as rows, got {U.shape}")
    check_orthonormal(U)
    s2, lam = check_s2(s2), check_lam(lam)
    largest = s2.max(-1) if kind != "sd" else 1.0
    with np.errstate(over="ignore"):
        ratio = np.max(np.true_divide(largest, lam), initial=0)
    if ratio > LARGEST_RATIO:
        raise ValueError(
            f"s2 / lam must be at most {LARGEST_RATIO:.0e}, got {ratio:.3g} from lam = {lam}: "
            "products with it leave the range of a float; raise lam or lower the strengths"
        )
    if kind == "taylor" and r < n:
        raise ValueError(
            f"kind='taylor' (Eq. 10) needs a square U, got {U.shape}: U (S^2 + lam I) U^T adds the "
            "identity only then; complete U to a basis with zero strengths"
        )
    return U, s2, lam


def check_one(U: Array, s2: Array, lam: float, kind: str) -> tuple[Array, Array, float]:
    """Check one problem, and refuse a stack of them."""
    if np.ndim(U) != 2 or np.ndim(s2) != 1 or np.ndim(lam) != 0:
        raise ValueError(
            f"U must be (n, r), s2 (r,) and lam a number, got shapes {np.shape(U)}, "
            f"{np.shape(s2)}, {np.shape(lam)}; only `margins` takes leading axes"
        )
    U, s2, checked = check_problem(U, s2, lam, kind)
    return U, s2, float(checked)


def check_alpha(alpha: Array, U: Array, kind: str) -> Array:
    """Return α as an array, (..., n), refused where it does not fit U or leaves its range."""
    alpha = real(alpha, "alpha")
    if alpha.ndim < 1 or alpha.shape[-1] != U.shape[-2]:
        raise ValueError(f"alpha must be (..., {U.shape[-2]}), got {alpha.shape}")
    top = np.inf if kind == "taylor" else 1
    wrong = ~((alpha > 0) & (alpha < top))
    if wrong.any():
        raise ValueError(
            f"alpha must lie in (0, {'∞' if kind == 'taylor' else 1}), got {alpha[wrong][0]}; "
            "the dual variable of a margin u is multiplier(u)"
        )
    return alpha
