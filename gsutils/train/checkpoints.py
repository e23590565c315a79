"""Checkpoints of a training: written whole or not at all, so that a killed run can go on.

>>> import tempfile
>>> path = Path(tempfile.mkdtemp()) / "run.pt"
>>> save(path, {"step": 3}), load(path)
(None, {'step': 3})
"""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from gsutils.files import CheckpointsUnavailable, atomic, explained

INTERVAL = 60.0  # seconds between two checkpoints


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dicts of them; the folder is made if need be.

    Raises:
        CheckpointsUnavailable: the file cannot be written, for want of space or otherwise.
    """
    with explained(path, CheckpointsUnavailable):
        path.parent.mkdir(parents=True, exist_ok=True)
    # PyTorch says of a full disk what it is only where Python writes the file
    with atomic(path, CheckpointsUnavailable) as part, part.open("wb") as file:
        torch.save(content, file)


def of_seed(path: Path | None, seed: int) -> Path | None:
    """Return the file of one of several trainings that share a checkpoint's name.

    >>> of_seed(Path("training.pt"), 3).name
    'training-3.pt'
    """
    return path and path.with_stem(f"{path.stem}-{seed}")


def load(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint on the CPU, or return None where there is none.

    Raises:
        ValueError: the file is not a checkpoint.
    """
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        EOFError, KeyError, RuntimeError, TypeError, pickle.UnpicklingError, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        content = error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no checkpoint of a training; delete it to start anew")
    return content
