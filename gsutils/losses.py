r"""Loss functions and penalties of logits and labels, one value per run.

Logits have shape (..., n): a leading axis, where there is one, counts runs. Labels are -1/+1.
All losses are **means** over the n examples. The paper writes sums; both have the same
minimiser for the same ``lam`` when the penalty is a mean as well (Eq. 17 divided by n).

>>> import torch
>>> logits, y = torch.tensor([2.0, -1.0]), torch.tensor([1.0, -1.0])
>>> round(float(logistic(logits, y)), 4)
0.2201
>>> float(spectral_decoupling(logits, y, lam=0.1))
0.125
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

PerClass = float | Tensor | Sequence[float]


def logistic(logits: Tensor, y: Tensor) -> Tensor:
    r"""Return the mean logistic loss, :math:`\frac1n \sum_i \log(1 + e^{-y_i \hat y_i})`.

    Args:
        logits: (..., n).
        y: labels -1/+1, (n,) or (..., n).

    Returns:
        (...), in nats.

    Raises:
        ValueError: shapes that do not match, or labels other than -1/+1.

    Source: Eq. 5 without its penalty, divided by n.
    """
    check_labels(logits, y)
    return softplus(-y * logits).mean(-1)


def spectral_decoupling(logits: Tensor, y: Tensor, lam: PerClass, gamma: PerClass = 0.0) -> Tensor:
    r"""Return the penalty of spectral decoupling, to be added to the **mean** logistic loss.

    .. math:: \frac{1}{2n} \sum_i \lambda_{y_i} (\hat y_i - \gamma_{y_i})^2

    Args:
        logits: (..., n).
        y: labels -1/+1, (n,) or (..., n).
        lam: the paper's λ >= 0. A number; a pair (class -1, class +1); or a tensor (...) with
            one value per run.
        gamma: where the logits are pulled to; the same forms.

    Returns:
        (...).

    Raises:
        ValueError: a negative ``lam``, shapes that do not match, or labels other than -1/+1.

    Source: Eq. 17 divided by n; with ``gamma``, section 4.4.
    """
    check_labels(logits, y)
    lam, gamma = (_per_example(v, logits, y, n) for v, n in ((lam, "lam"), (gamma, "gamma")))
    return (lam * (logits - gamma).square()).mean(-1) / 2


def check_labels(logits: Tensor, y: Tensor) -> None:
    """Raise a ValueError unless ``y`` holds -1/+1 and its shape goes with that of ``logits``."""
    if torch.compiler.is_compiling():
        return
    if y.shape not in (logits.shape, logits.shape[-1:]):
        raise ValueError(
            f"y must have the shape of logits, {tuple(logits.shape)}, or of their last axis, "
            f"got {tuple(y.shape)}"
        )
    right = (y == 1) | (y == -1)
    if y.dtype == torch.bool or not bool(right.all()):
        wrong = sorted(set((y if y.dtype == torch.bool else y[~right]).flatten().tolist()))[:3]
        raise ValueError(f"labels must be -1 or +1, got {wrong}; for labels 0/1 use 2 * y - 1")


def check_lam(lam: float, name: str = "lam") -> None:
    """Raise a ValueError unless ``lam`` is a finite number >= 0."""
    if not 0 <= lam < float("inf"):
        raise ValueError(f"{name} must be a finite number >= 0, got {lam}")


def _per_example(value: PerClass, logits: Tensor, y: Tensor, name: str) -> Tensor | float:
    """Spread a number, a pair of classes or one value per run over the examples."""
    if isinstance(value, Tensor) and value.ndim:
        if value.shape != logits.shape[:-1]:
            raise ValueError(
                f"{name} must have one value per run, shape {tuple(logits.shape[:-1])}, "
                f"got {tuple(value.shape)}"
            )
        if name == "lam" and not torch.compiler.is_compiling():
            for one in value.flatten().tolist():
                check_lam(one)
        return value[..., None]
    if isinstance(value, Sequence):
        if len(value) != 2:
            raise ValueError(f"{name} must be a number or a pair (class -1, class +1), got {value}")
        negative, positive = map(float, value)
        if name == "lam":
            check_lam(negative)
            check_lam(positive)
        return torch.where(y > 0, logits.new_tensor(positive), logits.new_tensor(negative))
    if name == "lam":
        check_lam(float(value))
    return float(value)
