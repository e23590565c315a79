"""Batches of the images of :mod:`gsutils.data.faces`: which, in which order, and from where.

>>> order = Order(torch.tensor([0, 0, 0, 1]), batch=2, seed=0)
>>> sorted(torch.cat([order(0), order(1)]).tolist())  # an epoch has each example once
[0, 1, 2, 3]
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from gsutils import guards
from gsutils.data.faces import Faces
from gsutils.seeding import stream
from gsutils.train.distributed import gathered, share, world

HELD_OUT_BATCH = 512


class Order:
    """The examples of each step, a function of seed and step alone: a resumed run sees the same.

    Args:
        group: of all examples, (n,).
        batch: examples a step, at most n; the rest of an epoch that fills no batch is left out.
        seed: a new permutation for each epoch, from ``stream(seed, "order of epoch 0")`` and so on.
        balanced: instead of a permutation, draw n examples with replacement, all groups alike.

    Raises:
        ValueError: a batch out of range.
    """

    def __init__(self, group: Tensor, batch: int, seed: int, balanced: bool = False) -> None:
        guards.count("batch", batch, most=len(group))
        self.n, self.batch, self.seed = len(group), batch, seed
        sizes = np.bincount(group.numpy())
        self.weights = 1 / (len(sizes) * sizes[group.numpy()]) if balanced else None
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __len__(self) -> int:
        """Return the number of steps of an epoch."""
        return self.n // self.batch

    def __call__(self, step: int) -> Tensor:
        """Return the examples of a step, (batch,), steps counted from 0 over all epochs."""
        epoch, place = divmod(step, len(self))
        if epoch != self._epoch:
            rng = stream(self.seed, f"order of epoch {epoch}")
            if self.weights is None:
                drawn = rng.permutation(self.n)
            else:
                drawn = rng.choice(self.n, self.n, p=self.weights / self.weights.sum())
            self._epoch, self._order = epoch, torch.from_numpy(drawn)
        return self._order[place * self.batch : (place + 1) * self.batch]


class Batches:
    """The images of each step, uint8 (b, 3, h, w), on a device.

    Args:
        data: the images.
        index: which of them a step takes: a function of the step, or a list with an entry a step.
        device: where they are put.
        workers: processes that decode images ahead; 0: they are decoded once and kept on the
            device.
    """

    def __init__(
        self,
        data: Faces,
        index: Callable[[int], Tensor] | Sequence[Tensor],
        device: torch.device,
        workers: int = 0,
    ) -> None:
        self.data, self.index, self.device, self.workers = data, index, device, workers
        self.images = None if workers else data.images.to(device)
        self._next, self._ahead = -1, iter(())

    def __call__(self, step: int) -> Tensor:
        """Return the images of a step."""
        if self.images is not None:
            chosen = self.index(step) if callable(self.index) else self.index[step]
            return self.images[chosen.to(self.device)]
        if step != self._next:
            self._ahead = iter(self._loader(step))
        self._next = step + 1
        return next(self._ahead).to(self.device, non_blocking=True)

    def _loader(self, first: int) -> DataLoader[Any]:
        """Decode the batches from a step on, in other processes, a few steps ahead."""
        chosen = map(self.index, count(first)) if callable(self.index) else self.index[first:]
        return DataLoader(
            self.data,
            batch_sampler=_Lists(chosen),
            num_workers=self.workers,
            collate_fn=_images,
            pin_memory=self.device.type == "cuda",
        )


class HeldOut:
    """A split of which all logits are wanted, computed by all processes together."""

    def __init__(self, data: Faces, device: torch.device, workers: int = 0) -> None:
        _, processes = world()
        self.n = len(data)
        padded = torch.arange(-(-self.n // processes) * processes).clamp(max=self.n - 1)
        self.index = share(padded).split(HELD_OUT_BATCH)
        self.batches = Batches(data, self.index, device, workers)

    def logits(self, net: nn.Module) -> Tensor:
        """Return the logits of the split, (n,), float32."""
        found = [net(self.batches(step)).float() for step in range(len(self.index))]
        return gathered(torch.cat(found, -1))[..., : self.n]


class _Lists:
    """Index tensors as lists, which is what a DataLoader takes for batches."""

    def __init__(self, index: Iterable[Tensor]) -> None:
        self.index = index

    def __iter__(self) -> Iterator[list[int]]:
        return (chosen.tolist() for chosen in self.index)


def _images(examples: list[tuple[Tensor, ...]]) -> Tensor:
    return torch.stack([example[0] for example in examples])
