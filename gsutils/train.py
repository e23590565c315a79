r"""One training loop for every experiment, with a leading run axis.

The runs of a model (see :mod:`gsutils.nets`) share nothing but the program: the sum of their
losses is differentiated once, and learning rate and weight decay may differ from run to run.

>>> import torch
>>> from gsutils import losses, nets
>>> X, y = torch.tensor([[-1.0], [1.0]]), torch.tensor([-1.0, 1.0])
>>> net = nets.MLP((1, 8, 1), seeds=range(2))
>>> history = fit(net, lambda logits, step: losses.logistic(logits, y), X, steps=50,
...               optimizer=SGD(lr=0.5))
>>> bool((history["loss"][-1] < history["loss"][0]).all())
True
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gsutils.progress import track

PRECISIONS = ("float32", "bfloat16")
CHECK_EVERY = 25  # steps between two looks at whether the losses are finite

Loss = Callable[[Tensor, int], Tensor]
Measure = Callable[[nn.Module], Mapping[str, Tensor]]
PerRun = float | Tensor


class TrainingDiverged(RuntimeError):
    """A loss is not finite; the message names the run, the step and what to do."""


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum, PyTorch's update; a value per run where a tensor is given.

    ``torch.optim`` takes one learning rate for a tensor, here every slice may have its own.
    ``weight_decay`` adds ``weight_decay * w`` to the gradient of the mean loss: it is λ/n of
    Eq. 5, not λ.
    """

    lr: PerRun
    momentum: float = 0.0
    weight_decay: PerRun = 0.0

    def start(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """Return the velocities, zero."""
        return [torch.zeros_like(p) for p in parameters]

    def step(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], state: Any, count: int
    ) -> None:
        """Update the parameters and the velocities in place."""
        for p, g, velocity in zip(parameters, gradients, state):
            g = _decayed(g, p, self.weight_decay)
            velocity.mul_(self.momentum).add_(g)
            _subtract(p, velocity, self.lr)


@dataclass(frozen=True)
class Adam:
    """Adam, PyTorch's update with coupled weight decay; a value per run where a tensor is given."""

    lr: PerRun
    weight_decay: PerRun = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def start(self, parameters: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return the first and second moments, zero."""
        return [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]

    def step(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], state: Any, count: int
    ) -> None:
        """Update the parameters and the moments in place; ``count`` starts at 1."""
        beta1, beta2 = self.betas
        for p, g, (first, second) in zip(parameters, gradients, state):
            g = _decayed(g, p, self.weight_decay)
            first.lerp_(g, 1 - beta1)
            second.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            scale = (second / (1 - beta2**count)).sqrt_().add_(self.eps)
            _subtract(p, first / scale, self.lr, 1 / (1 - beta1**count))


@dataclass(frozen=True)
class History:
    """What was recorded: ``steps`` (records,) and metrics, each (records, runs, ...)."""

    steps: np.ndarray
    metrics: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one metric, (records, runs, ...)."""
        return self.metrics[name]


def fit(
    model: nn.Module,
    loss: Loss,
    X: Tensor,
    *,
    steps: int,
    optimizer: SGD | Adam,
    measure: Measure | None = None,
    record_at: Iterable[int] | None = None,
    precision: str = "float32",
    title: str = "training",
) -> History:
    """Train a model on the full batch and return what was recorded.

    Args:
        model: maps X to logits (runs, n); all its parameters have the run axis first. It is
            trained in place and left in evaluation mode.
        loss: maps (logits, step) to one loss per run, (runs,).
        X: the inputs, (n, d) or (runs, n, d), on the model's device.
        steps: the number of updates, >= 1.
        optimizer: :class:`SGD` or :class:`Adam`.
        measure: maps the model to named metrics, each (runs, ...); called in evaluation mode.
        record_at: steps at which to record, 0 (before training) to ``steps``; default: some 40,
            denser at the beginning. ``steps`` is always recorded.
        precision: "float32", or "bfloat16" for the products alone (weights stay float32).
        title: what the progress bar says; it appears only where a person watches.

    Returns:
        The history, with "loss" (training mode, at the parameters before the step's update; the
        last one after all updates) beside what ``measure`` gives.

    Raises:
        ValueError: an argument out of range.
        TrainingDiverged: a loss is not finite.
    """
    if steps < 1:
        raise ValueError(f"steps must be >= 1, got {steps}")
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be in {PRECISIONS}, got {precision!r}")
    records = _records(steps, record_at)
    parameters = list(model.parameters())
    runs = len(parameters[0])
    _check_rate("lr", optimizer.lr, runs)
    _check_rate("weight_decay", optimizer.weight_decay, runs)
    state = optimizer.start(parameters)
    kept: dict[str, list[Tensor]] = {}

    def losses_at(step: int) -> Tensor:
        with torch.autocast(X.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(X)
        values = loss(logits.to(parameters[0].dtype), step)
        if values.shape != (runs,):
            raise ValueError(
                f"loss must return one value per run, ({runs},), got {tuple(values.shape)}"
            )
        return values

    def record(values: Tensor) -> None:
        measured: dict[str, Tensor] = {"loss": values.detach()}
        if measure:
            model.eval()
            with torch.no_grad():
                measured |= measure(model)
            model.train()
        for name, value in measured.items():
            kept.setdefault(name, []).append(value)

    model.train()
    for step in track(range(steps), title):
        values = losses_at(step)
        if step % CHECK_EVERY == 0:
            _check_finite(values, step)
        if step in records:
            record(values)
        gradients = torch.autograd.grad(values.sum(), parameters)
        with torch.no_grad():
            optimizer.step(parameters, gradients, state, step + 1)
    with torch.no_grad():
        values = losses_at(steps)
    _check_finite(values, steps)
    record(values)
    model.eval()
    metrics = {name: torch.stack(values).double().cpu().numpy() for name, values in kept.items()}
    return History(np.array(sorted(records)), metrics)


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device for a name; "auto" is CUDA where there is one, else the CPU.

    Raises:
        ValueError: an unknown name, or CUDA where there is none.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError):
        resolved = None
    if resolved is None or resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda[:i]', got {device!r}")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} was asked for, PyTorch sees {torch.cuda.device_count()} CUDA GPUs; "
            "use device='auto' or 'cpu', or switch a GPU on"
        )
    return resolved


def _records(steps: int, record_at: Iterable[int] | None) -> set[int]:
    if record_at is None:
        return {0, steps} | set(np.geomspace(1, steps, 40).astype(int).tolist())
    records = set(record_at) | {steps}
    if min(records) < 0 or max(records) > steps:
        raise ValueError(f"record_at must lie in 0..{steps}, got {min(records)}..{max(records)}")
    return records


def _check_rate(name: str, value: PerRun, runs: int) -> None:
    rate = torch.as_tensor(value, dtype=torch.float64)
    if rate.ndim and rate.shape != (runs,):
        raise ValueError(
            f"{name} must be a number or ({runs},), one per run, got {tuple(rate.shape)}"
        )
    if not bool((rate >= 0).all()) or bool(rate.isinf().any()):
        raise ValueError(f"{name} must be finite and >= 0, got {value}")


def _check_finite(values: Tensor, step: int) -> None:
    finite = torch.isfinite(values.detach())
    if not bool(finite.all()):
        run = int((~finite).nonzero()[0, 0])
        raise TrainingDiverged(
            f"the loss of run {run} is {values[run].item()} at step {step} (looked at every "
            f"{CHECK_EVERY} steps); lower the learning rate, or look for wrong inputs"
        )


def _per_run(value: PerRun, like: Tensor) -> PerRun:
    """Shape one value per run so that it multiplies (runs, ...)."""
    if isinstance(value, Tensor) and value.ndim:
        return value.to(like).view(-1, *[1] * (like.ndim - 1))
    return value


def _decayed(gradient: Tensor, parameter: Tensor, weight_decay: PerRun) -> Tensor:
    if isinstance(weight_decay, Tensor) or weight_decay:
        return gradient + _per_run(weight_decay, parameter) * parameter
    return gradient


def _subtract(parameter: Tensor, update: Tensor, lr: PerRun, factor: float = 1.0) -> None:
    if isinstance(lr, Tensor):
        parameter.sub_(update * _per_run(lr * factor, parameter))
    else:
        parameter.sub_(update, alpha=lr * factor)
