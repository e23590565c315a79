r"""Training a network on batches of augmented images, one run at a time.

Runs of convolutional networks do not gain from a common program (a batch of convolutions is a
grouped convolution, which is slow): a run trains alone. The images stay on the device as bytes.
The order of the examples and their augmentation are functions of seed and epoch, drawn on the CPU,
so that a CPU and a GPU see the same images and a checkpoint need not hold the state of a generator.

>>> from gsutils import nets
>>> images = torch.arange(64 * 64, dtype=torch.int64).remainder(251).to(torch.uint8)
>>> data = Epochs(images.view(64, 1, 8, 8), torch.arange(64) % 2 * 2.0 - 1, batch=16, seed=0)
>>> data(step=3).X.shape
torch.Size([16, 1, 8, 8])
>>> net = nets.ConvNet((4, 8), pixels(data.X))
>>> history = fit_images(net, data, methods.ERM(), epochs=1)
>>> history.steps
array([0, 4])
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gsutils import guards, methods
from gsutils.seeding import stream
from gsutils.train.devices import check_precision
from gsutils.train.loop import History, minimise


@dataclass(frozen=True)
class Images:
    """A batch: images (b, c, h, w) in [0, 1], their labels (b,), and their places in the set."""

    X: Tensor
    y: Tensor
    index: Tensor


@dataclass
class Epochs:
    """Batches of a training set, shuffled and augmented anew in each epoch.

    Attributes:
        X: images (n, c, h, h), uint8, on the device.
        y: labels (n,), on the same device.
        batch: examples a batch, <= n; what is left of an epoch over the last batch is not used.
        seed: order from ``stream(seed, "order of epoch 0")``, and so on.
        pad: pixels added on each side by reflection, before a crop of random place is cut out.
        crop: the side of that crop; None for that of the images, which must be square.
        flip: mirror each image left to right with probability ½.
        whole_from: the epoch from which on images are no longer cropped; None for never.
    """

    X: Tensor
    y: Tensor
    batch: int
    seed: int
    pad: int = 0
    crop: int | None = None
    flip: bool = False
    whole_from: int | None = None
    _epoch: int = field(default=-1, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be cut into batches."""
        side = self.X.shape[-1]
        if self.X.dtype != torch.uint8 or self.X.ndim != 4 or self.X.shape[-2] != side:
            raise ValueError(
                f"X must be uint8 (n, c, h, h), got {self.X.dtype} {tuple(self.X.shape)}"
            )
        if self.y.shape != self.X.shape[:1]:
            raise ValueError(f"y must be ({len(self.X)},), got {tuple(self.y.shape)}")
        guards.count("batch", self.batch, most=len(self.X))
        guards.count("pad", self.pad, least=0, most=side - 1)
        self._side = side if self.crop is None else guards.count("crop", self.crop, most=side)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.X) // self.batch

    def __call__(self, step: int) -> Images:
        """Return the batch of a step, counted from 0 over all epochs."""
        epoch, place = divmod(step, len(self))
        if epoch != self._epoch:
            self._draw(epoch)
        chosen = self._order[place * self.batch : (place + 1) * self.batch]
        images = self.X[chosen]
        if self.whole_from is None or epoch < self.whole_from:
            images = cropped(images, self._corner[chosen], self.pad, self._side)
        if self.flip:
            images = torch.where(self._flip[chosen, None, None, None], images.flip(-1), images)
        return Images(pixels(images), self.y[chosen], chosen)

    def _draw(self, epoch: int) -> None:
        n, device = len(self.X), self.X.device
        rng = stream(self.seed, f"augmentation of epoch {epoch}")
        room = self.X.shape[-1] + 2 * self.pad - self._side
        corner = rng.integers(0, room + 1, (n, 2))
        flip = rng.random(n) < 0.5
        order = stream(self.seed, f"order of epoch {epoch}").permutation(n)
        self._order, self._corner, self._flip = (
            torch.from_numpy(drawn).to(device) for drawn in (order, corner, flip)
        )
        self._epoch = epoch


def cropped(images: Tensor, corner: Tensor, pad: int, side: int) -> Tensor:
    """Pad images by reflection and cut a square out of each.

    Args:
        images: (b, c, h, w).
        corner: the squares' upper left corners in the padded images, (b, 2): rows, columns.
        pad: pixels added on each side.
        side: of the squares, in pixels.

    Returns:
        (b, c, side, side).
    """
    if pad:
        images = F.pad(images.float(), [pad] * 4, mode="reflect").to(images.dtype)
    reach = torch.arange(side, device=images.device)
    rows, columns = (corner[:, :, None] + reach).unbind(1)  # (b, side) each
    which = torch.arange(len(images), device=images.device)[:, None, None]
    # Indexed with the channels last, which is how they are wanted.
    return images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def pixels(images: Tensor) -> Tensor:
    """Return bytes (n, c, h, w) as numbers in [0, 1], laid out with the channels last."""
    return (images.float() / 255).contiguous(memory_format=torch.channels_last)


def fit_images(
    model: nn.Module,
    data: Epochs,
    method: methods.ERM,
    *,
    epochs: int,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    warmup: float = 0.2,
    record_every: int | None = None,
    precision: str = "float32",
    compiled: bool = False,
    **options: Any,
) -> History:
    """Train a network by SGD with Nesterov momentum and a rate that rises and falls linearly.

    Args:
        model: maps images (b, c, h, w) to logits (b,) or (b, classes); trained in place.
        data: the batches.
        method: what is minimised, of :mod:`gsutils.methods`.
        epochs: passes over the data, >= 1.
        lr: the highest rate.
        momentum: of Nesterov's kind.
        weight_decay: as in ``torch.optim.SGD``, of the weights; biases and norms have none.
        warmup: share of the steps on which the rate rises, in (0, 1).
        record_every: epochs between two records; None records the beginning and the end.
        precision: "float32", or "bfloat16" for convolutions and products (weights stay float32).
        compiled: compile the network; worth it on CUDA. Networks of one shape share the code.
        options: ``measure``, ``checkpoint`` and ``title`` of :func:`gsutils.train.minimise`.

    Returns:
        The history, its steps counted in batches.

    Raises:
        ValueError: an argument out of range.
        TrainingDiverged: the loss is not finite.
    """
    check_precision(precision)
    guards.count("epochs", epochs)
    guards.number("warmup", warmup, above=0.0, below=1.0)
    guards.number("lr", lr, above=0.0)
    guards.number("momentum", momentum, least=0.0, below=1.0)
    guards.number("weight_decay", weight_decay, least=0.0)
    if record_every is not None:
        guards.count("record_every", record_every)
    steps = epochs * len(data)
    if warmup * steps == 1:  # OneCycleLR would divide by zero
        warmup = 1.5 / steps
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": weight_decay},
        {"params": others},
    ]
    optimizer = torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, steps, pct_start=warmup, anneal_strategy="linear", cycle_momentum=False
    )
    state, examples = method.start(data.y), methods.Batch(data.y)
    forward = torch.compile(model) if compiled else model

    def value(step: int) -> Tensor:
        batch = data(step)
        with torch.autocast(batch.X.device.type, torch.bfloat16, precision == "bfloat16"):
            logits = forward(batch.X)
        loss = method.loss(logits.float(), examples.take(batch.index), step, state)
        return methods.objective(method, model, loss, step)

    every = (record_every or epochs) * len(data)
    return minimise(
        model, value, steps=steps, optimizer=optimizer, schedule=schedule,
        state=state, record_at=range(0, steps + 1, every), **options,
    )  # fmt: skip
