r"""Does a network starve? Which examples still pull, how unequally, and what their pull feeds.

For any model that returns logits and any loader of pairs. The **pull** of an example is what its
loss still asks for: :math:`\sigma(-y_i \hat y_i)` with one logit, :math:`1 - p_{i y_i}` with K of
them, the same number where K = 2. The **dose** of a group is its share of :math:`\sum_i \alpha_i`.
An example with a pull of 0 is one that training has stopped listening to: starvation is a few
examples that hold nearly all of it.

>>> import torch
>>> X = torch.tensor([[4.0], [4.0], [4.0], [-1.0]])
>>> y = torch.tensor([1.0, 1.0, 1.0, 1.0])
>>> found = report(lambda X: X[:, 0], [(X, y, ["cue", "cue", "cue", "none"])])
>>> print(found)
accuracy 75.0 %, 4 examples pull like 1.15
group      examples    accuracy    share of pull
cue               3     100.0 %            6.9 %
none              1       0.0 %           93.1 %
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gsutils import attack
from gsutils.evaluate import evaluating
from gsutils.losses import check_classes, check_labels, example_losses

Model = Callable[[Any], Any]
Grouping = Callable[[Tensor, Tensor], Any]


@dataclass(frozen=True)
class Outputs:
    """What a model says of a data set.

    Attributes:
        logits: (n,) or (n, K), float64, on the CPU.
        y: labels -1/+1, float64, or classes 0..K-1, int64; (n,).
        group: of each example, (n,), numbers or words; None where none were given.
    """

    logits: Tensor
    y: Tensor
    group: np.ndarray | None


@dataclass(frozen=True)
class Group:
    """One group: its number of examples, accuracy (a fraction), and share of all pull."""

    examples: int
    accuracy: float
    dose: float


@dataclass(frozen=True)
class Report:
    """The answer of :func:`report`, which prints as a table.

    Attributes:
        accuracy: a fraction.
        lead: by how much the right answer leads, a logit difference, (n,).
        pull: of each example, (n,), in [0, 1].
        effective: how many examples hold the pull, see :func:`effective_number`; like the doses,
            it is right even of pulls too small for a number, which are 0 in ``pull``.
        groups: by name, in ascending order; empty where no groups were given.
    """

    accuracy: float
    lead: np.ndarray
    pull: np.ndarray
    effective: float
    groups: Mapping[Any, Group]

    @property
    def worst(self) -> float:
        """The accuracy of the worst group; of all examples where there are no groups."""
        return min((g.accuracy for g in self.groups.values()), default=self.accuracy)

    def __str__(self) -> str:
        """Return a table of the groups under a line on all examples."""
        head = (
            f"accuracy {100 * self.accuracy:.1f} %, {len(self.pull):,} examples pull like "
            f"{self.effective:,.3g}"
        )
        if not self.groups:
            return head
        wide = max(8, *(len(str(name)) for name in self.groups))
        rows = [f"{'group':{wide}} {'examples':>10} {'accuracy':>11} {'share of pull':>16}"]
        rows += [
            f"{name!s:{wide}} {g.examples:10,} {100 * g.accuracy:9.1f} % {100 * g.dose:14.1f} %"
            for name, g in self.groups.items()
        ]
        return "\n".join([head, *rows])


def report(model: Model, data: Iterable[Any], group: Grouping | None = None) -> Report:
    """Return how a model does, how unequally its examples pull, and the same for each group.

    Args:
        model: see :func:`outputs`.
        data: see :func:`outputs`.
        group: see :func:`outputs`.

    Raises:
        ValueError: see :func:`outputs`.
    """
    found = outputs(model, data, group)
    pulls, lead = pull(found.logits, found.y), attack.logit_margin(found.logits, found.y)
    shares, kind = pulls, torch.finfo(pulls.dtype)
    if not bool((pulls > kind.tiny / kind.eps).any()):  # sigmoid(z) is exp(z), or has become 0
        shares = _slack(found.logits, found.y).softmax(0)
    right = (lead > 0).double().numpy()
    of = np.zeros(0) if found.group is None else found.group
    groups = {
        name: Group(int((of == name).sum()), float(right[of == name].mean()), dose)
        for name, dose in (doses(shares, of) if len(of) else {}).items()
    }
    return Report(
        float(right.mean()), lead.numpy(), pulls.numpy(), effective_number(shares), groups
    )


def outputs(model: Model, data: Iterable[Any], group: Grouping | None = None) -> Outputs:
    """Return the logits of a model on a data set, in evaluation mode and without gradients.

    Args:
        model: maps a batch of inputs to logits (n,), (n, 1) or (n, K). A module goes to evaluation
            mode for the while; its parameters say the type and device of its inputs.
        data: a DataLoader, or any iterable of batches (X, y) or (X, y, group), tensors or NumPy
            arrays. With one logit labels are -1/+1, with K they are 0..K-1.
        group: from the inputs and labels of a batch to the group of each of its examples, such as
            whether it shows the cue; instead of a third part of each batch.

    Raises:
        ValueError: a batch that is no pair, an output that is no logits, labels that do not match.
    """
    like = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    logits, labels, groups = [], [], []
    with evaluating(model), torch.no_grad():
        for batch in batches(data):
            X, y = _placed(batch, like)
            answer, y = _checked(model(X), y)
            logits.append(answer.double().cpu())
            labels.append(y.cpu())
            if group is not None or len(batch) > 2:
                of = _array(batch[2] if group is None else group(X.cpu(), y.cpu()))
                if of.shape != (len(X),):
                    raise ValueError(
                        f"group must be one value an example, ({len(X)},), got {of.shape}"
                    )
                groups.append(of)
    if groups and len(groups) != len(logits):
        raise ValueError(
            f"groups must come with every batch, they came with {len(groups)} of {len(logits)}"
        )
    of_all = np.concatenate(groups) if groups else None
    return Outputs(torch.cat(logits), torch.cat(labels), of_all)


def pull(logits: Tensor, y: Tensor) -> Tensor:
    r"""Return the pull of each example under cross-entropy, (..., n), in [0, 1].

    Args:
        logits: (..., n) for two classes, or (..., n, K).
        y: labels -1/+1 in floating point, or classes 0..K-1 in int64.

    Raises:
        ValueError: see :func:`gsutils.losses.example_losses`.
    """
    example_losses(logits, y)  # checks shapes and labels
    return torch.sigmoid(_slack(logits, y))


def effective_number(pull: Tensor | np.ndarray) -> float:
    r"""Return :math:`(\sum_i \alpha_i)^2 / \sum_i \alpha_i^2`, between 1 and n.

    It is n where all examples pull alike, and k where k of them do and the others not at all.

    Args:
        pull: >= 0, (n,).

    Raises:
        ValueError: a negative pull, or none above 0.

    Source: Kish 1965, the effective sample size of a weighted sample.
    """
    values = _pulls(pull)
    values = values / values.max()  # so that no square vanishes
    return float(values.sum() ** 2 / (values**2).sum())


def doses(
    pull: Tensor | np.ndarray, group: Sequence[Any] | np.ndarray | Tensor
) -> dict[Any, float]:
    """Return the share of all pull that lies on each group, name -> fraction, of sum 1.

    Args:
        pull: >= 0, (n,).
        group: of each example, (n,).

    Raises:
        ValueError: another number of groups than of pulls, a negative pull, or none above 0.
    """
    values, of = _pulls(pull), _array(group)
    if of.shape != values.shape:
        raise ValueError(f"group must be {values.shape}, one for each pull, got {of.shape}")
    return {name.item(): float(values[of == name].sum() / values.sum()) for name in np.unique(of)}


def margins(
    model: Model, data: Iterable[Any], eps: Sequence[float], norm: str = "l2", **options: Any
) -> np.ndarray:
    """Return the input margins over a loader, (n,): see :func:`gsutils.attack.margins`.

    Args:
        model: see :func:`outputs`.
        data: see :func:`outputs`.
        eps: radii to attack at, increasing.
        norm: "l2" or "linf".
        options: those of :func:`gsutils.attack.nearest`. Give ``box=None`` for inputs that are
            not pixels in [0, 1].

    Raises:
        ValueError: see :func:`outputs` and :func:`gsutils.attack.margins`.
    """
    if np.ndim(eps) == 0:
        raise ValueError(f"eps must be radii in a list, got {eps!r}: write [{eps!r}]")
    like = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    found = []

    def logits(X: Tensor) -> Tensor:
        answer: Tensor = model(X)
        return answer[:, 0] if answer.ndim == 2 and answer.shape[1] == 1 else answer

    with evaluating(model):
        for batch in batches(data):
            X, y = _placed(batch, like)
            _, y = _checked(model(X).detach(), y)
            y = y.to(X) if y.is_floating_point() else y
            found.append(attack.margins(logits, X, y, eps, norm, **options).cpu())
    return torch.cat(found).double().numpy()


def batches(data: Iterable[Any]) -> Iterator[Sequence[Any]]:
    """Yield the batches of a data set, each a pair or a triple.

    Raises:
        ValueError: there is another thing in it, or nothing.
    """
    if isinstance(data, (Tensor, np.ndarray, Mapping, str)) or not isinstance(data, Iterable):
        raise ValueError(
            f"data must be an iterable of batches (X, y), got {type(data).__name__}; for arrays "
            "write [(X, y)]"
        )
    if isinstance(data, tuple) and data and isinstance(data[0], (Tensor, np.ndarray)):
        raise ValueError(
            "data must be an iterable of batches (X, y), got one batch: write [(X, y)]"
        )
    batch = None
    for batch in data:
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            keys = f" with the keys {list(batch)}" if isinstance(batch, Mapping) else ""
            raise ValueError(
                f"a batch must be (X, y) or (X, y, group), got {type(batch).__name__}{keys}; "
                "write a generator: ((b['x'], b['y']) for b in loader)"
            )
        yield batch
    if batch is None:
        raise ValueError("data must hold one batch or more, got none; is a generator used up?")


def _placed(batch: Sequence[Any], like: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return inputs and labels where the model is, inputs in its type if they are no integers."""
    X, y = (torch.as_tensor(part) for part in batch[:2])
    if like is None:
        return X, y
    return X.to(like if X.is_floating_point() else like.device), y.to(like.device)


def _checked(logits: Any, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits (n,) or (n, K) and labels that go with them, or say what is wrong."""
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"the model must return a tensor of logits, got {type(logits).__name__}; wrap it, as "
            "in lambda X: model(X).logits"
        )
    if y.ndim != 1:
        raise ValueError(
            f"labels must be (n,), one an example, got {tuple(y.shape)}: a dataset needs a "
            "DataLoader, one-hot labels y.argmax(-1)"
        )
    if logits.ndim == 2 and logits.shape[1] == 1:
        logits = logits[:, 0]
    if logits.ndim not in (1, 2) or len(logits) != len(y):
        raise ValueError(
            f"the model must return logits ({len(y)},) or ({len(y)}, K) for {len(y)} labels, got "
            f"{tuple(logits.shape)}; take one run, one position or the mean over them"
        )
    if not bool(logits.isfinite().all()):
        raise ValueError("the logits must be finite, got nan or inf: has the training diverged?")
    if logits.ndim == 1:
        check_labels(logits, y)
        return logits, y.double()
    if y.is_floating_point():
        raise ValueError(
            f"with {logits.shape[1]} logits labels are classes in int64, got {y.dtype}: write "
            "y.long(), and (y > 0).long() for labels -1/+1"
        )
    if bool((logits >= 0).all()) and bool((logits.sum(1) - 1).abs().max() <= 1e-4):
        raise ValueError("the model returns probabilities, of sum 1: return logits, or their log")
    check_classes(y, logits.shape[1])
    return logits, y.long()


def _slack(logits: Tensor, y: Tensor) -> Tensor:
    """Return the log odds that the answer is wrong, (..., n): the pull is their sigmoid."""
    if y.dtype != torch.int64:
        return -y * logits
    own = y.expand(logits.shape[:-1])[..., None]
    others = logits.scatter(-1, own, -torch.inf).logsumexp(-1)
    return others - logits.gather(-1, own)[..., 0]


def _array(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)


def _pulls(pull: Tensor | np.ndarray) -> np.ndarray:
    values = np.asarray(torch.as_tensor(pull).detach().cpu(), float)
    if values.ndim != 1 or not (values >= 0).all() or not values.max(initial=0) > 0:
        raise ValueError(
            "pull must be (n,), >= 0 and not 0 throughout, got "
            f"{values.shape}, from {values.min(initial=0)} to {values.max(initial=0)}"
        )
    return values
