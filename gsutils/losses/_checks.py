"""What labels, weights and coefficients may be: see :mod:`gsutils.losses`."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

PerClass = float | Tensor | Sequence[float]
UNSIGNED = {torch.bool, torch.uint8, torch.uint16, torch.uint32, torch.uint64}
FROM_BITS = "2.0 * y - 1"
FAR = float("inf")


def check_labels(logits: Tensor, y: Tensor, values: bool = True) -> None:
    """Raise a ValueError unless ``y`` has a shape that goes with ``logits``, and holds -1/+1.

    Args:
        logits: (..., n).
        y: labels, (n,) or (..., n).
        values: look at what ``y`` holds, which waits for a GPU.
    """
    if torch.compiler.is_compiling():
        return
    if y.shape != logits.shape and y.shape != logits.shape[-1:]:
        raise ValueError(misshapen(logits, y))
    if not values:
        return
    if y.dtype in UNSIGNED:  # their -1 is another number
        raise ValueError(f"labels must be -1 or +1, got {y.dtype}; for labels 0/1 use {FROM_BITS}")
    if not torch.equal(y.abs(), _one(y.dtype, y.device).expand(y.shape)):  # NaN equals nothing
        wrong = sorted(set(y[y.abs() != 1].flatten().tolist()), key=str)[:3]
        remedy = "2 * y - 1" if y.is_floating_point() else FROM_BITS
        raise ValueError(f"labels must be -1 or +1, got {wrong}; for labels 0/1 use {remedy}")


@cache
def _one(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the number 1; made once, since labels are looked at in every step."""
    with torch.inference_mode(False):
        return torch.ones((), dtype=dtype, device=device)


def misshapen(logits: Tensor, y: Tensor) -> str:
    """Say which shape labels should have, and how those given get it."""
    remedy = ""
    for name, one, other in (("y", y, logits), ("logits", logits, y)):
        if one.ndim and one.shape[-1] == 1 and one.shape[:-1] == other.shape:
            remedy = f"; use {name}.squeeze(-1)"
    if y.shape[:-1] == logits.shape and y.shape[-1] > 1:
        remedy = "; for one-hot labels use y.argmax(-1)"
    return (
        f"y must have the shape of logits, {tuple(logits.shape)}, or of their last axis, "
        f"got {tuple(y.shape)}{remedy}"
    )


def check_weight(values: Tensor, weight: Tensor | None) -> None:
    """Raise a ValueError unless there is a weight for each example of values (..., n), or none."""
    if weight is not None and weight.shape not in (values.shape, values.shape[-1:]):
        raise ValueError(
            f"weight must have one value for each example, {tuple(values.shape)} or "
            f"{tuple(values.shape[-1:])}, got {tuple(weight.shape)}"
        )


def check_classes(y: Tensor, classes: int) -> None:
    """Raise a ValueError unless ``y`` is int64 and lies in 0..classes - 1."""
    if y.dtype != torch.int64:
        raise ValueError(f"classes must be int64, got {y.dtype}; use y.long()")
    if not y.numel():
        raise ValueError("there must be at least one label, got none")
    least, most = (int(value) for value in y.aminmax())
    if not 0 <= least <= most < classes:
        raise ValueError(f"classes must be 0..{classes - 1}, got {least}..{most}")


def check_lam(lam: PerClass, name: str = "lam", least: float = 0.0) -> None:
    """Raise a ValueError unless ``lam``, a number or several, is finite and >= ``least``."""
    if type(lam) is float and -FAR < lam < FAR and lam >= least:  # as in most steps
        return
    if isinstance(lam, Tensor):
        if torch.compiler.is_compiling():
            return
        lam = lam.flatten().tolist()
    for one in lam if isinstance(lam, Sequence) else (lam,):
        number = isinstance(one, int | float | Tensor) or hasattr(one, "__float__")
        number = number and not getattr(one, "ndim", 0)  # an array is neither a number nor a pair
        if not number or isinstance(one, bool) or not least <= one < FAR or one == -FAR:
            range_ = " >= 0" if least == 0 else ""
            raise ValueError(f"{name} must be a finite number{range_}, got {one!r}")
