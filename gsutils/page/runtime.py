"""What a notebook says before anything runs: on which device, for how long, in which size.

>>> runtime_text("about 40 seconds", device="CPU, 2 cores", size="quick").splitlines()[0]
'Device: CPU, 2 cores. Expected time: about 40 seconds.'
"""

import os

import torch


def runtime_text(
    cpu: str,
    gpu: str = "",
    wants_gpu: bool = False,
    device: str | None = None,
    size: str | None = None,
) -> str:
    """Return the lines that `describe_runtime` prints.

    Args:
        cpu: the time the notebook takes on a CPU, in words.
        gpu: the same on a GPU.
        wants_gpu: whether the published size is meant for a GPU.
        device: the device in words, "CPU, …" where it is none; None looks for it.
        size: the size in force; None reads `GSUTILS_SIZE`.
    """
    if device is None:
        has_gpu = torch.cuda.is_available()
        device = torch.cuda.get_device_name() if has_gpu else f"CPU, {os.cpu_count()} cores"
    size = size or os.environ.get("GSUTILS_SIZE") or "quick"
    on_cpu = device.startswith("CPU")
    lines = [f"Device: {device}. Expected time: {cpu if on_cpu or not gpu else gpu}."]
    if wants_gpu and on_cpu:
        lines.append("A GPU would help: in Colab, Runtime → Change runtime type → T4 GPU.")
    lines.append(f"Size: {size}.")
    if size == "quick":
        lines[-1] += ' For the published one: os.environ["GSUTILS_SIZE"] = "paper", then run all.'
    return "\n".join(lines)


def describe_runtime(cpu: str, gpu: str = "", wants_gpu: bool = False) -> None:
    """Print the device, the expected time and the size in force.

    Args:
        cpu: the time the notebook takes on a CPU, in words.
        gpu: the same on a GPU.
        wants_gpu: whether to say how to switch a GPU on where there is none.
    """
    print(runtime_text(cpu, gpu, wants_gpu))
