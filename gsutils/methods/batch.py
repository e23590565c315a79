"""What a method looks at beside the logits: labels, groups and weights, checked once.

>>> batch = Batch(torch.tensor([1.0, -1.0, 1.0]), group=torch.tensor([0, 1, 1]))
>>> batch.take(slice(1, 3)).group.tolist()
[1, 1]
>>> Batch(torch.tensor([0.0, 1.0]))
Traceback (most recent call last):
ValueError: labels must be -1 or +1, got [0.0]; for labels 0/1 use 2 * y - 1
"""

from dataclasses import InitVar, dataclass, field

import torch
from torch import Tensor

from gsutils import losses


@dataclass(frozen=True)
class Batch:
    """What a loss may look at beside the logits; its values are checked when it is made.

    Attributes:
        y: labels -1/+1, (..., b); or classes, int64.
        group: environment or group of each example, int64, (b,) or (..., b).
        index: the examples' places in the training set, int64, (b,), or a slice; None for all.
        weight: of each example in the mean, (b,) or (..., b), summing to 1; None for 1/b each. Only
            the methods in :data:`WEIGHTED` look at it.
        classes: one more than the largest class, found in ``y``; 0 for labels -1/+1.
        checked: the values are those of a batch that has been checked.

    Raises:
        ValueError: labels other than -1/+1, classes or groups that are no numbers 0, 1, …, weights
            that do not sum to 1, or lengths that differ.
    """

    y: Tensor
    group: Tensor | None = None
    index: Tensor | slice | None = None
    weight: Tensor | None = None
    classes: int = field(default=0, kw_only=True)
    checked: InitVar[bool] = field(default=False, kw_only=True)

    def __post_init__(self, checked: bool) -> None:
        """Refuse what is no batch."""
        if checked or torch.compiler.is_compiling():
            return
        y = self.y
        if y.dtype == torch.int64:
            object.__setattr__(self, "classes", _count(y, "classes"))
        else:
            losses.check_labels(y, y)
        for name in ("group", "index", "weight"):
            value = getattr(self, name)
            if isinstance(value, Tensor) and value.shape[-1:] != y.shape[-1:]:
                raise ValueError(
                    f"{name} must have one value for each label, (..., {y.shape[-1]}), "
                    f"got {tuple(value.shape)}"
                )
        for name in ("group", "index"):
            value = getattr(self, name)
            if isinstance(value, Tensor):
                _count(value, name)
        if self.weight is not None:
            _check_weight(self.weight)

    def take(self, index: Tensor | slice) -> "Batch":
        """Return the batch of some of the examples, of whose values nothing has to be checked.

        Args:
            index: their places, int64, (b,); or a slice.

        Raises:
            ValueError: the examples have weights, which sum to 1 over all of them.
        """
        if self.weight is not None:
            raise ValueError("examples with weights are trained on together, not in parts")
        group = None if self.group is None else self.group[..., index]
        places = index if self.index is None else self.places[index]
        return Batch(self.y[..., index], group, places, classes=self.classes, checked=True)

    @property
    def places(self) -> Tensor:
        """The examples' places in the training set, (b,), however ``index`` names them."""
        if isinstance(self.index, Tensor):
            return self.index
        start = 0 if self.index is None else self.index.start or 0
        step = 1 if self.index is None else self.index.step or 1
        return start + step * torch.arange(self.y.shape[-1], device=self.y.device)

    def example_losses(self, logits: Tensor) -> Tensor:
        """Return each example's loss, see :func:`gsutils.losses.example_losses`."""
        if self.classes and self.classes > logits.shape[-1]:
            losses.check_classes(self.y, logits.shape[-1])
        return losses.example_losses(logits, self.y, check=False)

    def mean(self, values: Tensor) -> Tensor:
        """Return the weighted mean over the examples, (..., b) -> (...)."""
        return losses.mean(values, self.weight)


def _count(values: Tensor, name: str) -> int:
    """Return one more than the largest of some numbers 0, 1, …, or refuse what they are."""
    if values.dtype != torch.int64:
        raise ValueError(f"{name} must be int64, got {values.dtype}")
    least, most = (int(value) for value in values.aminmax())
    if least < 0:
        raise ValueError(f"{name} must be >= 0, got {least}; labels -1/+1 are in floating point")
    return most + 1


def _check_weight(weight: Tensor) -> None:
    totals = weight.sum(-1)
    whole = torch.isclose(totals, torch.ones_like(totals), atol=1e-4)
    if not bool((weight >= 0).all()) or not bool(whole.all()):
        raise ValueError(
            "weight must be >= 0 and sum to 1 over the examples, got sums from "
            f"{float(totals.min()):g} to {float(totals.max()):g}"
        )


def group_means(values: Tensor, group: Tensor | None, groups: int | None = None) -> Tensor:
    """Return the mean within each group, (..., groups); 0 for a group without an example."""
    members = shares(group, values, groups)
    return torch.stack([(share * values).sum(-1) for share in members], -1)


def present(group: Tensor | None, like: Tensor) -> list[Tensor]:
    """Return what :func:`shares` does, for the groups that have examples.

    Raises:
        ValueError: a group has examples in some of the runs and none in others.
    """
    found = []
    for share in shares(group, like):
        some = share.any(-1)
        if bool(some.all()):
            found.append(share)
        elif bool(some.any()):
            raise ValueError("every environment must have examples in all of the runs, or in none")
    return found


def shares(group: Tensor | None, like: Tensor, groups: int | None = None) -> list[Tensor]:
    """Return, for each group, the weights (..., b) that make a sum the group's mean."""
    if group is None:
        raise ValueError("this method needs the group or environment of every example, got none")
    found = int(group.max()) + 1
    count = found if groups is None else groups
    if found > count:
        raise ValueError(f"there are {count} groups, numbered from 0, got group {found - 1}")
    members = [(group == g).to(like.dtype) for g in range(count)]
    return [member / member.sum(-1, keepdim=True).clamp(min=1) for member in members]
