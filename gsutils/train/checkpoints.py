"""Checkpoints of a training: written whole or not at all, so that a killed run can go on.

A checkpoint is a line with the SHA-256 of what follows, and what ``torch.save`` writes.

>>> import tempfile
>>> path = Path(tempfile.mkdtemp()) / "run.pt"
>>> save(path, {"step": 3}), load(path)
(None, {'step': 3})
"""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from gsutils.files import CheckpointsUnavailable, atomic, explained

INTERVAL = 60.0  # seconds between two checkpoints
_HEAD = b"gsutils checkpoint, sha256 "


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dicts of them; the folder is made if need be.

    Raises:
        CheckpointsUnavailable: the file cannot be written, for want of space or otherwise.
    """
    buffer = BytesIO()
    torch.save(content, buffer)
    with explained(path, CheckpointsUnavailable):
        path.parent.mkdir(parents=True, exist_ok=True)
    with (
        buffer.getbuffer() as body,
        atomic(path, CheckpointsUnavailable) as part,
        part.open("wb") as file,
    ):
        file.write(_HEAD + hashlib.sha256(body).hexdigest().encode() + b"\n")
        file.write(body)


def of_seed(path: Path | None, seed: int) -> Path | None:
    """Return the file of one of several trainings that share a checkpoint's name.

    >>> of_seed(Path("training.pt"), 3).name
    'training-3.pt'
    """
    return path and path.with_stem(f"{path.stem}-{seed}")


def load(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint on the CPU, or return None where there is none.

    Raises:
        ValueError: the file is not a checkpoint, or not as it was written.
        CheckpointsUnavailable: it cannot be read.
    """
    if not path.is_file():
        return None
    with explained(path, CheckpointsUnavailable):
        head, _, body = path.read_bytes().partition(b"\n")
    if not head.startswith(_HEAD):
        raise ValueError(f"{path} is no checkpoint of a training; delete it to start anew")
    if head != _HEAD + hashlib.sha256(body).hexdigest().encode():
        raise ValueError(f"{path} is damaged: its SHA-256 is another; delete it to start anew")
    try:
        content = torch.load(BytesIO(body), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a hostile file makes of the reader
        raise ValueError(
            f"{path} is no checkpoint that this version reads; delete it to start anew"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no checkpoint of a training; delete it to start anew")
    return content
