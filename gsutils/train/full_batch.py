r"""Training on the full batch, by a method or by a loss of one's own.

>>> import torch
>>> from gsutils import methods, nets
>>> X, y = torch.tensor([[-1.0], [1.0]]), torch.tensor([-1.0, 1.0])
>>> net = nets.MLP((1, 8, 1), seeds=range(2))
>>> optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
>>> history = fit(net, methods.ERM(), X, batch=methods.Batch(y), steps=50, optimizer=optimizer)
>>> bool((history["loss"][-1] < history["loss"][0]).all())
True
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gsutils import guards, methods
from gsutils.train.devices import check_precision, threads
from gsutils.train.loop import History, minimise

Loss = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Chunk:
    """Some rows of a full batch, without the inputs that are zero in all of them.

    Attributes:
        X: (k, c) or (runs, k, c).
        columns: which inputs these are, (c,).
    """

    X: Tensor
    columns: Tensor


def chunks(X: Tensor, size: int = 1000) -> list[Chunk]:
    """Cut a full batch for a CPU: activations stay in its cache, and zeros are not multiplied.

    Rows that are zero in the same inputs should lie together. Losses and gradients are those of
    the whole batch, up to rounding.

    Args:
        X: (n, d) or (runs, n, d).
        size: rows at a time.
    """
    guards.count("size", size)
    cut = []
    for part in X.split(size, -2):
        columns = part.reshape(-1, part.shape[-1]).any(0).nonzero()[:, 0]
        cut.append(Chunk(part[..., columns].contiguous(), columns))
    return cut


def fit(
    model: nn.Module,
    loss: Loss | methods.ERM,
    X: Tensor | Sequence[Chunk],
    *,
    batch: methods.Batch | None = None,
    state: methods.State | None = None,
    first_step: int = 0,
    precision: str = "float32",
    **options: Any,
) -> History:
    """Train a model on the full batch and return what was recorded.

    Args:
        model: maps X to logits (runs, n); all its parameters have the run axis first. It is
            trained in place and left in evaluation mode.
        loss: a method of :mod:`gsutils.methods`; or a function that maps (logits, step) to one
            loss per run, (runs,).
        X: the inputs, (n, d) or (runs, n, d), on the model's device; or :func:`chunks` of them,
            for an :class:`gsutils.nets.MLP` without batch normalisation.
        batch: labels and groups of the rows of X, which a method needs.
        state: what the method carries from step to step; default: its start.
        first_step: what the method is told in place of step 0, where training goes on.
        precision: "float32", or "bfloat16" for the products alone (weights stay float32).
        options: those of :func:`minimise`.

    Returns:
        The history: see :func:`minimise`.

    Raises:
        ValueError: an argument out of range.
        TrainingDiverged: a loss is not finite.
    """
    check_precision(precision)
    if isinstance(loss, methods.ERM):
        if batch is None:
            raise ValueError(f"{loss.title} needs the batch: batch=methods.Batch(y=...)")
        if batch.weight is not None and type(loss) not in methods.WEIGHTED:
            raise ValueError(f"{loss.title} knows no weights of examples; leave them out")
        if state is None:
            runs = len(next(model.parameters()))
            y = batch.y if batch.y.ndim > 1 else batch.y.expand(runs, -1)
            state = loss.start(y, 1 if batch.group is None else int(batch.group.max()) + 1)
    weight = next(model.parameters())
    reduced = precision == "bfloat16"
    if isinstance(X, Tensor):
        # The products would convert the inputs anyway, but at every step.
        inputs = X.bfloat16() if reduced else X
    elif not X:
        raise ValueError("X must hold at least one chunk, got none")

    def value(step: int) -> Tensor:
        with torch.autocast(weight.device.type, torch.bfloat16, enabled=reduced):
            if isinstance(X, Tensor):
                logits = model(inputs)
            else:
                logits = torch.cat([model(chunk.X, chunk.columns) for chunk in X], 1)
        logits = logits.to(weight.dtype)
        if isinstance(loss, methods.ERM):
            assert batch is not None
            assert state is not None
            number = step + first_step
            of_method = loss.loss(logits, batch, number, state)
            values = methods.objective(loss, model, of_method, number)
        else:
            values = loss(logits, step)
        if values.shape != weight.shape[:1]:
            raise ValueError(
                f"loss must return one value per run, ({len(weight)},), got {tuple(values.shape)}"
            )
        return values

    examples = X.shape[-2] if isinstance(X, Tensor) else sum(chunk.X.shape[-2] for chunk in X)
    with threads(examples * sum(p.numel() for p in model.parameters())):
        return minimise(model, value, state=state, **options)
