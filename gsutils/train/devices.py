"""On which device, with which products and on how many threads a training runs.

>>> resolve_device("cpu"), precision(torch.device("cpu"), "float32")
(device(type='cpu'), 'float32')
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

PRECISIONS = ("float32", "bfloat16")
SMALL = 5_000_000  # weights times examples of a step; below it a second thread does not pay


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


def precision(device: torch.device, wanted: str = "auto") -> str:
    """Return the products to use: "bfloat16" or "float32"; weights are float32 in both cases.

    "auto" is bfloat16 where the chip multiplies it natively: on CUDA from compute capability 8.0
    on (a T4, 7.5, has neither bfloat16 nor TF32), and on a CPU with AVX-512 BF16.

    Raises:
        ValueError: an unknown name.
    """
    if wanted == "auto":
        if device.type == "cuda":
            native = torch.cuda.get_device_capability(device) >= (8, 0)
        else:
            native = torch.cpu._is_avx512_bf16_supported()
        return "bfloat16" if native else "float32"
    check_precision(wanted)
    return wanted


def check_precision(name: str) -> None:
    """Raise a ValueError unless ``name`` is in :data:`PRECISIONS`."""
    if name not in PRECISIONS:
        raise ValueError(f"precision must be in {PRECISIONS}, got {name!r}")


@contextmanager
def threads(work: int) -> Iterator[None]:
    """Train on one thread of the CPU where the work is small, and leave PyTorch's number after.

    The number can change the order of a sum, and so its last digit: small work gives the same
    digits whatever the machine's number of cores is, larger work those of its number of threads.

    Args:
        work: weights of all runs times examples of a step.

    >>> before = torch.get_num_threads()
    >>> with threads(300 * 2_001):
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    before = torch.get_num_threads()
    chosen = 1 if work < SMALL else before
    if chosen != before:
        torch.set_num_threads(chosen)
    try:
        yield
    finally:
        if chosen != before:
            torch.set_num_threads(before)
