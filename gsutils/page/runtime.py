"""What a notebook says before anything runs: on which device, for how long, in which size.

>>> text = runtime_text("about 40 seconds", device=Device("CPU", "2 cores"), size="quick")
>>> text.splitlines()[0]
'Device: CPU, 2 cores. Expected time: about 40 seconds.'
>>> said(text)
(Device(kind='CPU', name='2 cores'), 'quick')
"""

import os
import re
from dataclasses import dataclass

import torch

from gsutils.runs.entry import chosen_size

_DEVICE = re.compile(r"^Device: (CPU|GPU), (.+?)\. Expected time", flags=re.MULTILINE)
_SIZE = re.compile(r"^Size: (\w+)\.", flags=re.MULTILINE)


@dataclass(frozen=True)
class Device:
    """What a notebook runs on.

    Attributes:
        kind: "CPU" or "GPU".
        name: which, in words: "2 cores", "Tesla T4".
    """

    kind: str
    name: str

    def __str__(self) -> str:
        """Return both, as they are printed."""
        return f"{self.kind}, {self.name}"


def present_device() -> Device:
    """Return the GPU, or the CPU where PyTorch sees none."""
    if torch.cuda.is_available():
        return Device("GPU", torch.cuda.get_device_name())
    return Device("CPU", f"{os.cpu_count()} cores")


def runtime_text(
    cpu: str,
    gpu: str = "",
    wants_gpu: bool = False,
    device: Device | None = None,
    size: str | None = None,
    sized: bool = True,
) -> str:
    """Return the lines that `describe_runtime` prints.

    Args:
        cpu: the time the notebook takes on a CPU, in words.
        gpu: the same on a GPU.
        wants_gpu: whether the published size is meant for a GPU.
        device: what the notebook runs on; None looks for it.
        size: the size in force; None reads `GSUTILS_SIZE`.
        sized: whether the notebook has two sizes.
    """
    device = device or present_device()
    size = chosen_size(size)
    on_cpu = device.kind == "CPU"
    lines = [f"Device: {device}. Expected time: {cpu if on_cpu or not gpu else gpu}."]
    if wants_gpu and on_cpu:
        lines.append("A GPU would help: in Colab, Runtime → Change runtime type → T4 GPU.")
    if sized:
        lines.append(f"Size: {size}.")
    if sized and size == "quick":
        lines[-1] += ' For the published one: os.environ["GSUTILS_SIZE"] = "paper", then run all.'
    return "\n".join(lines)


def said(text: str) -> tuple[Device | None, str]:
    """Return the device and the size that a notebook's output names; None and "" without them.

    Args:
        text: what :func:`runtime_text` returned, and anything around it.
    """
    device, size = _DEVICE.search(text), _SIZE.search(text)
    return Device(*device.groups()) if device else None, size[1] if size else ""


def describe_runtime(cpu: str, gpu: str = "", wants_gpu: bool = False, sized: bool = True) -> None:
    """Print the device, the expected time and the size in force.

    Args:
        cpu: the time the notebook takes on a CPU, in words.
        gpu: the same on a GPU.
        wants_gpu: whether to say how to switch a GPU on where there is none.
        sized: whether the notebook has two sizes.
    """
    print(runtime_text(cpu, gpu, wants_gpu, sized=sized))
