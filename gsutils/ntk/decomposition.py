"""Features and responses of two classes: see :mod:`gsutils.ntk`."""

from typing import NamedTuple

import numpy as np
import torch

from gsutils.losses import check_labels


class Features(NamedTuple):
    """A singular value decomposition of YΦ, ``U @ diag(s) @ Vt`` (Definition 1), r = min(n, m).

    Attributes:
        U: (n, r), column j holds the weight of feature j in each example.
        s: (r,), the strengths, falling, >= 0.
        Vt: (r, m), row j is feature j, a unit vector in parameter space.
    """

    U: np.ndarray
    s: np.ndarray
    Vt: np.ndarray


def features(Phi: np.ndarray, y: np.ndarray) -> Features:
    r"""Return the features of Definition 1, :math:`Y \Phi = U S V^\top`.

    The decomposition is that of YΦ itself. Taken from the Gram matrix ΦΦᵀ, whose condition
    number is the square, the weak strengths would drown in rounding. A singular vector's sign is
    arbitrary; here the entry of each column of U that is largest in absolute value is positive.

    Args:
        Phi: the NTRF matrix, (n, m).
        y: labels -1/+1, (n,).

    Returns:
        U (n, r), s (r,), Vt (r, m) with r = min(n, m); zero strengths are kept.

    Raises:
        ValueError: shapes that do not match, entries that are not finite, or labels other than
            -1/+1.

    Source: Definition 1.
    """
    Phi, y = np.asarray(Phi, float), np.asarray(y, float)
    if Phi.ndim != 2 or y.shape != Phi.shape[:1]:
        raise ValueError(f"Phi must be (n, m) and y (n,), got {Phi.shape} and {y.shape}")
    check_labels(torch.from_numpy(Phi[:, 0]), torch.from_numpy(y))
    return decomposed(y[:, None] * Phi)


def decomposed(matrix: np.ndarray) -> Features:
    """Return the singular value decomposition of (rows, m), signed as :func:`features` says."""
    if not np.isfinite(matrix).all():
        wrong = int((~np.isfinite(matrix)).sum())
        raise ValueError(f"Phi must be finite, got {wrong} other entries")
    U, s, Vt = np.linalg.svd(matrix, full_matrices=False)
    largest = U[np.abs(U).argmax(0), np.arange(U.shape[1])]
    sign = np.where(largest < 0, -1.0, 1.0)
    return Features(U * sign, s, Vt * sign[:, None])


def response(U: np.ndarray, y: np.ndarray, logits: np.ndarray) -> np.ndarray:
    r"""Return the responses to the features, :math:`z = U^\top Y \hat y`.

    In a real network pass the logits less their initial values: Eq. 3 is centred.

    Args:
        U: (n, r), of :func:`features`.
        y: labels -1/+1, (n,).
        logits: (..., n).

    Returns:
        z (..., r).

    Raises:
        ValueError: shapes that do not match, or labels other than -1/+1.

    Source: Eq. 4.
    """
    U, y, logits = (np.asarray(values, float) for values in (U, y, logits))
    if U.ndim != 2 or y.shape != U.shape[:1] or logits.shape[-1:] != y.shape:
        raise ValueError(
            f"U must be (n, r), y (n,), logits (..., n), got {U.shape}, {y.shape}, {logits.shape}"
        )
    check_labels(torch.from_numpy(logits), torch.from_numpy(y))
    return (y * logits) @ U
