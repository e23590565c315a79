r"""The methods of the paper's tables, each a small override of one objective.

A method says what one step of training minimises: a loss per run, from logits and a batch. Its
hyper-parameters are its fields, what it carries from step to step is a dict of tensors, and
``scale(step) * (loss + l2 * sum of squared weights)`` is what the loop differentiates.

>>> batch = Batch(y=torch.tensor([1.0, -1.0]), group=torch.tensor([0, 1]))
>>> round(float(METHODS["erm"]().loss(torch.tensor([2.0, -1.0]), batch, 0, {})), 4)
0.2201
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gsutils import guards, losses
from gsutils.methods.batch import Batch, group_means, present, shares

State = dict[str, Tensor]
Ranges = dict[str, dict[str, float]]


@dataclass(frozen=True)
class ERM:
    """The mean loss, and what the other methods inherit.

    Attributes:
        l2: coefficient of the sum of squared weights.
    """

    title: ClassVar[str] = "ERM"
    networks: ClassVar[int] = 1  # logits of several networks come stacked, (networks, ..., b)
    ranges: ClassVar[Ranges] = {}  # of the fields, as guards.number takes them
    l2: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a coefficient out of range."""
        for name, limits in ({"l2": {"least": 0.0}} | self.ranges).items():
            guards.number(name, getattr(self, name), **limits)
        guards.count("switch", getattr(self, "switch", 0), least=0)

    def start(self, y: Tensor, groups: int = 1) -> State:
        """Return the state before training.

        Args:
            y: labels of the whole training set, (..., n).
            groups: how many groups or environments there are.
        """
        return {}

    def loss(self, logits: Tensor, batch: Batch, step: int, state: State) -> Tensor:
        """Return one loss per run, (...); ``state`` may change in place."""
        return batch.mean(batch.example_losses(logits))

    def scale(self, step: int) -> float:
        """Return the factor on the whole objective at a step."""
        return 1.0


@dataclass(frozen=True)
class BalancedERM(ERM):
    """ERM in which both classes weigh the same, whatever their shares: a control for SD's γ."""

    title: ClassVar[str] = "class-balanced ERM"

    def start(self, y: Tensor, groups: int = 1) -> State:
        """Return the weights of the classes -1 and +1, (..., 2), from their shares."""
        share = torch.stack([(y < 0).float().mean(-1), (y > 0).float().mean(-1)], -1)
        if not bool((share > 0).all()):
            raise ValueError("both classes must be among the labels, -1 and +1")
        return {"weight": 0.5 / share}

    def loss(self, logits: Tensor, batch: Batch, step: int, state: State) -> Tensor:
        """Return the weighted mean of the examples' losses."""
        negative, positive = state["weight"][..., :1], state["weight"][..., 1:]
        weight = torch.where(batch.y > 0, positive, negative)
        return (weight * batch.example_losses(logits)).mean(-1)


@dataclass(frozen=True)
class SD(ERM):
    r"""Spectral decoupling, Eq. 17 divided by n, with the schedule of the published code.

    Before ``switch`` the penalty's coefficient is ``lam_before``; from then on it is ``lam``, and
    the whole objective is multiplied by ``factor``.

    Attributes:
        lam: the paper's λ; a number, a pair (class -1, class +1), or a tensor, one value per run.
        gamma: where logits are pulled to (section 4.4); a number or a pair.
        lam_before: λ before the switch.
        switch: the first step with ``lam``.
        factor: on the whole objective from the switch on.
    """

    title: ClassVar[str] = "SD"
    ranges: ClassVar[Ranges] = {"lam_before": {"least": 0.0}, "factor": {"above": 0.0}}
    lam: float | tuple[float, float] | Tensor = 0.0
    gamma: float | tuple[float, float] = 0.0
    lam_before: float = 0.0
    switch: int = 0
    factor: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a coefficient out of range."""
        super().__post_init__()
        for name in ("lam", "gamma"):
            value = getattr(self, name)
            losses.check_lam(value, name, least=0.0 if name == "lam" else -guards.INFINITY)
            if isinstance(value, Sequence) and len(value) != 2:
                raise ValueError(
                    f"{name} must be a number or a pair (class -1, class +1), got {value}"
                )

    def loss(self, logits: Tensor, batch: Batch, step: int, state: State) -> Tensor:
        """Return mean loss and penalty."""
        lam = self.lam if step >= self.switch else self.lam_before
        value = batch.mean(batch.example_losses(logits))
        if not isinstance(lam, Tensor) and not lam:
            return value
        if batch.y.dtype != torch.int64:
            return value + losses.spectral_decoupling(
                logits, batch.y, lam, self.gamma, batch.weight, check=False
            )
        if isinstance(lam, (Sequence, Tensor)) or self.gamma or batch.weight is not None:
            raise ValueError(
                "lam per class or run, gamma and weights are for two classes with labels -1/+1"
            )
        return value + losses.spectral_decoupling_softmax(logits, lam)

    def scale(self, step: int) -> float:
        """Return ``factor`` from the switch on."""
        return self.factor if step >= self.switch else 1.0


@dataclass(frozen=True)
class ClassSD(SD):
    """SD whose penalty is averaged within each class of the batch, and summed over both.

    So do the authors for CelebA; over many batches it is SD with a λ of each class that is ``lam``
    divided by the class's share (:func:`gsutils.conventions.to_lam`, "authors-celeba").
    """

    def loss(self, logits: Tensor, batch: Batch, step: int, state: State) -> Tensor:
        """Return mean loss and penalty; a class that is absent from the batch has none."""
        if batch.y.dtype == torch.int64:
            raise ValueError("the penalty within classes is for two classes with labels -1/+1")
        lam = self.lam if step >= self.switch else self.lam_before
        value = batch.mean(batch.example_losses(logits))
        for share in shares((batch.y > 0).long(), logits, 2):
            value = value + losses.spectral_decoupling(
                logits, batch.y, lam, self.gamma, share, check=False
            )
        return value


@dataclass(frozen=True)
class Squared(ERM):
    """Half the squared distance of logits to labels in place of the logistic loss."""

    title: ClassVar[str] = "squared loss"

    def loss(self, logits: Tensor, batch: Batch, step: int, state: State) -> Tensor:
        """Return the mean."""
        return losses.squared(logits, batch.y, check=False)


@dataclass(frozen=True)
class _Annealed(ERM):
    """A penalty of weight 1 that grows at a step; the objective is divided by it from then on.

    Environments are those of which the batch has examples.

    Attributes:
        weight: of the penalty from ``switch`` on.
        switch: the first step with that weight.
    """

    ranges: ClassVar[Ranges] = {"weight": {"least": 0.0}}
    weight: float = 1.0
    switch: int = 0

    def weight_at(self, step: int) -> float:
        """Return the penalty's weight."""
        return self.weight if step >= self.switch else 1.0

    def scale(self, step: int) -> float:
        """Return one over the weight, if that is above 1."""
        return 1 / max(1.0, self.weight_at(step))


@dataclass(frozen=True)
class IRM(_Annealed):
    """IRMv1: the mean of the environments' losses and of their squared slopes in a scale."""

    title: ClassVar[str] = "IRM"

    def loss(self, logits: Tensor, batch: Batch, step: int, state: State) -> Tensor:
        """Return mean risk and weighted mean penalty."""
        members = present(batch.group, logits)
        each = batch.example_losses(logits)
        risk = torch.stack([(share * each).sum(-1) for share in members])
        penalty = torch.stack(
            [losses.irm_penalty(logits, batch.y, share, check=False) for share in members]
        )
        return risk.mean(0) + self.weight_at(step) * penalty.mean(0)


@dataclass(frozen=True)
class VREx(_Annealed):
    """V-REx: the sum of the environments' losses and their squared differences."""

    title: ClassVar[str] = "V-REx"

    def loss(self, logits: Tensor, batch: Batch, step: int, state: State) -> Tensor:
        """Return summed risks and weighted squared differences of all pairs."""
        each = batch.example_losses(logits)
        members = present(batch.group, each)
        risks = torch.stack([(share * each).sum(-1) for share in members], -1)
        differences = risks[..., :, None] - risks[..., None, :]
        return risks.sum(-1) + self.weight_at(step) * differences.square().sum((-2, -1)) / 2


@dataclass(frozen=True)
class GroupDRO(ERM):
    """Group DRO: groups are weighted by how badly they fare, exponentially.

    Attributes:
        eta: step size of the weights.
    """

    title: ClassVar[str] = "group DRO"
    ranges: ClassVar[Ranges] = {"eta": {"least": 0.0}}
    eta: float = 0.01

    def start(self, y: Tensor, groups: int = 1) -> State:
        """Return equal weights, (..., groups)."""
        return {"q": torch.full((*y.shape[:-1], groups), 1 / groups, device=y.device)}

    def loss(self, logits: Tensor, batch: Batch, step: int, state: State) -> Tensor:
        """Return the weighted group losses, after q ← q·exp(η L), normalised."""
        q = state["q"]
        risks = group_means(batch.example_losses(logits), batch.group, q.shape[-1])
        with torch.no_grad():
            q.mul_(torch.exp(self.eta * risks))
            q.div_(q.sum(-1, keepdim=True))
        return (q * risks).sum(-1)


@dataclass(frozen=True)
class LfF(ERM):
    """Learning from failure: a network trained to be biased picks the other's hard examples.

    Logits are (2, ..., b), of the biased and of the debiased network. The weight of an example
    for the latter is the biased network's share of both losses, each smoothed over the steps
    and divided by the largest of its class.

    Attributes:
        q: of the generalised cross-entropy that trains the biased network.
        smoothing: of the losses; 0 takes the present ones.
    """

    title: ClassVar[str] = "LfF"
    networks: ClassVar[int] = 2
    ranges: ClassVar[Ranges] = {
        "q": {"above": 0.0, "most": 1.0}, "smoothing": {"least": 0.0, "below": 1.0},
    }  # fmt: skip
    q: float = 0.7
    smoothing: float = 0.7

    def start(self, y: Tensor, groups: int = 1) -> State:
        """Return the labels and the smoothed losses of all examples, (2, ..., n), unset."""
        return {"y": y.clone(), "smoothed": y.new_full((2, *y.shape), torch.nan)}

    def loss(self, logits: Tensor, batch: Batch, step: int, state: State) -> Tensor:
        """Return the biased network's GCE plus the other's weighted loss."""
        if logits.shape[:-1] != state["smoothed"].shape[:-1]:
            raise ValueError(f"logits must be those of two networks, got {tuple(logits.shape)}")
        each = losses.example_losses(logits, batch.y.expand_as(logits), check=False)
        weight = self.weights(each.detach(), batch, state)
        biased = losses.generalised_cross_entropy(logits[0], batch.y, self.q, check=False)
        return biased + (weight * each[1]).mean(-1)

    def weights(self, each: Tensor, batch: Batch, state: State) -> Tensor:
        """Return the weights of a batch, (..., b), from its losses (2, ..., b)."""
        smoothed, index = state["smoothed"], batch.index
        before = smoothed if index is None else smoothed[..., index]
        now = torch.where(before.isnan(), each, torch.lerp(each, before, self.smoothing))
        if index is None:
            smoothed.copy_(now)
        else:
            smoothed[..., index] = now
        for label in (-1, 1):
            of_class = (state["y"] == label) & ~smoothed.isnan()
            largest = torch.where(of_class, smoothed, 0).amax(-1, keepdim=True).clamp(min=1e-30)
            now = torch.where(batch.y == label, now / largest, now)
        return now[0] / (now[0] + now[1] + 1e-8)


METHODS: dict[str, type[ERM]] = {
    "erm": ERM,
    "balanced": BalancedERM,
    "sd": SD,
    "class_sd": ClassSD,
    "squared": Squared,
    "irm": IRM,
    "vrex": VREx,
    "group_dro": GroupDRO,
    "lff": LfF,
}
WEIGHTED = (ERM, SD)  # for which examples may have weights, see Batch


def name_of(method: ERM) -> str:
    """Return a method's name in :data:`METHODS`."""
    return next(name for name, kind in METHODS.items() if type(method) is kind)


def objective(method: ERM, model: nn.Module, loss: Tensor, step: int) -> Tensor:
    """Return what a method minimises at a step, one value per run, from its loss.

    Args:
        method: one of :data:`METHODS`.
        model: whose squared weights the method's ``l2`` weighs.
        loss: what :meth:`ERM.loss` returned.
        step: counted from 0.
    """
    if method.l2:
        loss = loss + method.l2 * _squared_weights(model, loss.shape)
    return method.scale(step) * loss


def _squared_weights(model: nn.Module, shape: torch.Size) -> Tensor:
    """Return the sum of squared parameters, one per run where ``shape`` is (runs,)."""
    squares = [p.square() for p in model.parameters()]
    if not shape:
        return torch.stack([s.sum() for s in squares]).sum()
    return torch.stack([s.flatten(1).sum(1) for s in squares]).sum(0)
