"""One training on several GPUs (or processes), through PyTorch's own launcher.

:func:`launch` starts the processes as ``torchrun`` does. Each holds the whole network inside
``DistributedDataParallel`` and sees its :func:`share` of every batch; :func:`gathered` gives all
of them the logits of the whole batch. So any loss, even one that compares groups or keeps a state,
is computed as by one process, and the gradients are those of one process.

>>> share(torch.arange(6)).tolist()  # a single process
[0, 1, 2, 3, 4, 5]
"""

import os
from collections.abc import Callable
from contextlib import nullcontext, redirect_stderr
from io import StringIO
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


def launch(function: Callable[..., T], processes: int, device: torch.device, *arguments: Any) -> T:
    """Return ``function(device, *arguments)``, run by one process or by several together.

    Args:
        function: importable by its name. In several processes each calls it with its own device,
            and the result of the first is returned.
        processes: 1 runs it here. More of them need as many GPUs on CUDA.
        device: "cpu" or "cuda".
        arguments: passed on; they are pickled.

    Raises:
        ValueError: fewer than one process, or more than there are GPUs.
    """
    if processes < 1:
        raise ValueError(f"processes must be >= 1, got {processes}")
    if processes == 1:
        return function(device, *arguments)
    if device.type == "cuda" and processes > torch.cuda.device_count():
        raise ValueError(
            f"processes must be at most the number of GPUs, {torch.cuda.device_count()}, "
            f"got {processes}"
        )
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes,
        rdzv_backend="c10d", rdzv_endpoint="localhost:0", max_restarts=0,
    )  # fmt: skip
    results: dict[int, T] = elastic_launch(config, _joined)(function, device.type, arguments)
    return results[0]


def _joined(function: Callable[..., T], kind: str, arguments: tuple[Any, ...]) -> T:
    """Join the group of processes, call the function, leave the group."""
    device = torch.device(kind, int(os.environ["LOCAL_RANK"])) if kind == "cuda" else None
    if device:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device else "gloo")
    try:
        with nullcontext() if distributed.get_rank() == 0 else redirect_stderr(StringIO()):
            return function(device or torch.device(kind), *arguments)  # one progress bar
    finally:
        distributed.destroy_process_group()


def world() -> tuple[int, int]:
    """Return this process's rank and the number of processes, (0, 1) for a single one."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def share(index: Tensor) -> Tensor:
    """Return this process's part of a batch: every ``world``-th example, as the others' is.

    Raises:
        ValueError: the batch cannot be divided among the processes.
    """
    rank, size = world()
    if len(index) % size:
        raise ValueError(f"a batch of {len(index)} cannot be divided among {size} processes")
    return index[rank::size]


def wrapped(model: nn.Module) -> nn.Module:
    """Return the network to call in training: it averages gradients over the processes."""
    if world()[1] == 1:
        return model
    return DistributedDataParallel(model)


def synchronised(model: nn.Module) -> nn.Module:
    """Make batch normalisation see the whole batch where several GPUs share it."""
    on_gpus = next(model.parameters()).device.type == "cuda" and world()[1] > 1
    return nn.SyncBatchNorm.convert_sync_batchnorm(model) if on_gpus else model


def gathered(logits: Tensor) -> Tensor:
    """Return the logits of the whole batch, (..., b), from each process's share of it.

    Values are exact. Gradients flow through this process's share alone, multiplied by the number of
    processes, by which ``DistributedDataParallel`` divides them when it averages.
    """
    rank, size = world()
    if size == 1:
        return logits
    parts = [torch.empty_like(logits) for _ in range(size)]
    distributed.all_gather(parts, logits.detach().contiguous())
    if logits.requires_grad:
        parts[rank] = logits + (size - 1) * (logits - logits.detach())
    return torch.stack(parts, -1).flatten(-2)  # undoes the stride of `share`
