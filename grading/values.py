"""What passes between the grader and a student's process: numbers, arrays, text, lists of these.

It travels as one line of JSON, arrays in it as their bytes, never as a pickle, which could run
code. What comes from a student is bounded before it is looked at: its length, how many parts it
has, how long its integers and texts are, how deep its lists.

>>> read(write((1.5, np.arange(2), None)))
(1.5, array([0, 1]), None)
>>> type(read(write(object()))).__name__
'object'
"""

import base64
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

LARGEST = 16 * 2**20  # bytes of a message
PARTS = (
    1_000_000  # of a message: items of lists and fields of objects, in arrays no matter how many
)
DIGITS = 20  # of an integer
TEXT = 10_000  # characters
DEEPEST = 20  # lists within lists
_DTYPE = re.compile(r"[<>|=]?[biufc]\d{1,2}")
Ask = Callable[..., Any]


def decode(line: bytes) -> dict[str, Any]:
    """Return the message in a line that a student's process sent.

    Raises:
        ValueError: it is no message, or larger than one may be.
    """
    if len(line) > LARGEST or sum(map(line.count, (b",", b"[", b"{"))) > PARTS:
        raise ValueError("a message that is too large")
    try:
        message = json.loads(line, parse_int=_integer)
    except RecursionError:
        raise ValueError("a message that is nested too deeply") from None
    if not isinstance(message, dict):
        raise ValueError("not a message")
    return message


def read(value: Any, ask: Callable[[int], Ask] | None = None) -> Any:
    """Return the value that `write` turned into parts of JSON.

    Args:
        value: the parts.
        ask: makes a function of a number, where functions and streams may be sent: to a student.

    Raises:
        ValueError: it was not made by `write`.
    """
    try:
        return _read(value, ask, 0)
    except (AttributeError, KeyError, OverflowError, TypeError) as error:
        raise ValueError(f"not a value: {type(error).__name__}") from None


def write(value: Any, functions: list[Ask] | None = None, depth: int = 0) -> Any:
    """Return a value as parts of JSON.

    Args:
        value: what to write; what cannot be sent arrives as an object with its type's name.
        functions: takes the functions in the value, which stay here; None where none may be sent.
        depth: how many lists are around it.
    """
    torch = sys.modules.get("torch")
    if value is None or isinstance(value, bool) or type(value) is float:
        return value
    if isinstance(value, str):
        return value[:TEXT]
    if value is Ellipsis:
        return {"ellipsis": True}
    if type(value) is int:
        return value if abs(value) < 2**63 else {"float": _as_float(value)}
    if isinstance(value, list | tuple) and depth < DEEPEST:
        parts = [write(part, functions, depth + 1) for part in value]
        return parts if isinstance(value, list) else {"tuple": parts}
    if functions is not None and isinstance(value, np.random.Generator):
        return {"stream": {"kind": type(value.bit_generator).__name__, "state": _state(value)}}
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
        return {"tensor": write(value.numpy())}
    if hasattr(value, "__array__") or type(value) is complex:
        array = np.asarray(value)
        if array.dtype.kind in "biufc":
            data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
            return {"array": data, "dtype": array.dtype.str, "shape": array.shape}
        if depth < DEEPEST:
            return write(array.tolist(), functions, depth + 1)
    if functions is not None and callable(value):
        functions.append(value)
        return {"function": len(functions) - 1}
    return {"other": type(value).__name__}


def plain(text: object, longest: int = 500) -> str:
    """Return text in one line, without what a terminal would obey, shortened."""
    line = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * longest])
    line = " ".join(line.split())
    return line if len(line) <= longest else line[:longest] + "…"


def _read(value: Any, ask: Callable[[int], Ask] | None, depth: int) -> Any:
    if depth > DEEPEST + 1:
        raise ValueError("lists that are nested too deeply")
    if isinstance(value, str) and len(value) > TEXT:
        raise ValueError("a text that is too long")
    if isinstance(value, list):
        return [_read(part, ask, depth + 1) for part in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        if not _DTYPE.fullmatch(value["dtype"]):
            raise ValueError(f"not an array of numbers: {plain(value['dtype'], 20)}")
        data = base64.b64decode(value["array"], validate=True)
        return np.frombuffer(data, value["dtype"]).reshape(value["shape"]).copy()
    if "tensor" in value:
        import torch

        return torch.from_numpy(_read(value["tensor"], None, depth))
    if "tuple" in value:
        return tuple(_read(part, ask, depth + 1) for part in value["tuple"])
    if "float" in value:
        return float(value["float"])
    if "ellipsis" in value:
        return Ellipsis
    if ask is not None and "function" in value:
        return ask(value["function"])
    if ask is not None and "stream" in value:
        bits = getattr(np.random, value["stream"]["kind"])()
        bits.state = value["stream"]["state"]
        return np.random.Generator(bits)
    return type(plain(value["other"], 60), (), {})()


def _integer(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError("an integer that is too long")
    return int(digits)


def _state(stream: np.random.Generator) -> Any:
    return json.loads(json.dumps(stream.bit_generator.state, default=np.ndarray.tolist))


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
