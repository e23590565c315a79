"""Spectral decoupling as a module, for one logit or K of them: see :class:`SpectralDecoupling`."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gsutils.losses._checks import check_classes, check_labels, check_lam

OVER = ("sum", "mean", "true class")  # how squares are put together over the classes
Coefficient = float | Sequence[float] | np.ndarray | Tensor


class SpectralDecoupling(nn.Module):
    r"""The penalty of spectral decoupling, to be added to a **mean** loss, for two or K classes.

    .. math:: \frac{1}{2n} \sum_i \lambda_{y_i} (\hat y_i - \gamma_{y_i})^2, \qquad
              \frac{1}{2n} \sum_i \lambda_{y_i} \sum_k (\hat y_{ik} - \gamma_k)^2,

    on the left for one logit an example, on the right for K (``over="sum"``). Published code
    differs here: "mean" divides the sum over k by K, "true class" keeps
    :math:`(\hat y_{i y_i} - \gamma_{y_i})^2` alone. A coefficient as another source writes it
    becomes λ by :func:`gsutils.conventions.to_lam`, beside which ``over`` stays "sum".

    Args:
        lam: λ >= 0. A number, or one value a class: a pair (class -1, class +1), or (K,). A list,
            a NumPy array or a tensor. A parameter is registered as this module's own, and any
            tensor that requires gradients gets them.
        gamma: where the logits are pulled to; the same forms.
        over: "sum", "mean" or "true class"; of no effect for one logit.

    Raises:
        ValueError: a negative λ, a shape that is neither () nor (K,), or an unknown ``over``.

    Source: Eq. 17 divided by n, the square summed over the classes; with γ, section 4.4.

    >>> penalty = SpectralDecoupling(lam=0.1)
    >>> float(penalty(torch.tensor([2.0, -1.0]), torch.tensor([1.0, -1.0])))
    0.125
    >>> float(penalty(torch.tensor([[2.0, 0.0, 1.0]]), torch.tensor([0])))
    0.25
    """

    lam: Tensor
    gamma: Tensor

    def __init__(self, lam: Coefficient, gamma: Coefficient = 0.0, over: str = "sum") -> None:
        super().__init__()
        if over not in OVER:
            raise ValueError(f"over must be in {OVER}, got {over!r}")
        self.over = over
        for name, value in (("lam", lam), ("gamma", gamma)):
            # A number in float64, so that it is the same as a float beside logits of any type.
            tensor = (
                value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.float64)
            )
            if tensor.ndim > 1 or not bool(tensor.detach().isfinite().all()):
                raise ValueError(
                    f"{name} must be finite, a number or one value a class, got {value!r}"
                )
            setattr(self, name, tensor)
        check_lam(self.lam.detach())

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the penalty, one number a run.

        Args:
            logits: (..., n) for two classes, or (..., n, K).
            y: labels -1/+1 in floating point, or classes 0..K-1 in int64; (n,) or (..., n).

        Raises:
            ValueError: shapes or labels that do not match, or λ or γ of another length than K.
        """
        for part, name in ((logits, "logits"), (y, "y")):
            if not isinstance(part, Tensor):
                raise ValueError(
                    f"{name} must be a tensor, got {type(part).__name__}: torch.as_tensor({name})"
                )
        one = y.dtype != torch.int64
        if one:
            check_labels(logits, y)
        elif logits.ndim < 2 or y.shape not in (logits.shape[:-1], logits.shape[-2:-1]):
            raise ValueError(
                "labels of int64 are classes, of logits (..., n, K): for one logit an example give "
                f"-1/+1 in floating point; got y {tuple(y.shape)}, logits {tuple(logits.shape)}"
            )
        else:
            check_classes(y, logits.shape[-1])
        classes = 2 if one else logits.shape[-1]
        place = (y > 0).long() if one else y
        lam, gamma = (self._each(name, classes, logits) for name in ("lam", "gamma"))
        weight = lam[place] if lam.ndim else lam
        if one:
            distance = (logits - (gamma[place] if gamma.ndim else gamma)).square()
        elif self.over == "true class":
            own = logits.gather(-1, y.expand(logits.shape[:-1])[..., None])[..., 0]
            distance = (own - (gamma[y] if gamma.ndim else gamma)).square()
        else:
            squares = (logits - gamma).square()
            distance = squares.sum(-1) if self.over == "sum" else squares.mean(-1)
        return (weight * distance).mean(-1) / 2

    def extra_repr(self) -> str:
        """Say which coefficients it has."""
        lam, gamma = (getattr(self, name).tolist() for name in ("lam", "gamma"))
        return f"lam={lam}, gamma={gamma}, over={self.over!r}"

    def _each(self, name: str, classes: int, logits: Tensor) -> Tensor:
        value: Tensor = getattr(self, name)
        if value.ndim and len(value) != classes:
            which = "a pair (class -1, class +1)" if classes == 2 else f"{classes} values"
            raise ValueError(f"{name} must be a number or {which}, got {len(value)} values")
        return value.to(logits) if value.ndim or value.requires_grad else value


def lam_for_lead(lead: float, classes: int = 2) -> float:
    r"""Return the λ at which every right class leads every wrong one by ``lead`` at the optimum.

    With K logits an example and full row rank the optimum of mean cross-entropy and
    :math:`\frac{\lambda}{2n}\sum_i\sum_k \hat y_{ik}^2` has the logits
    :math:`m\,(e_{y_i} - 1/K)` on every training example, where

    .. math:: \frac{K}{e^m + K - 1} = \lambda m .

    For *one* logit, as chapter 5 has it, the margin m takes half the λ of K = 2.

    Args:
        lead: m > 0, a logit difference; log((K - 1) p / (1 - p)) for a probability p.
        classes: K >= 2.

    Raises:
        ValueError: an argument out of range.

    >>> round(lam_for_lead(lead=3.0, classes=10), 3)
    0.115
    """
    if not 0 < lead < math.inf or classes < 2:
        raise ValueError(f"lead must be > 0 and classes >= 2, got {lead} and {classes}")
    # exp(-m) keeps a large lead from overflowing.
    return classes * math.exp(-lead) / (1 + (classes - 1) * math.exp(-lead)) / lead
