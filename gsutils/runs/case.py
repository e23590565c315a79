"""Cases as JSON and back: a case is a frozen dataclass that holds every number of one training.

A record keeps a case as a table of its fields; a method of :mod:`gsutils.methods` among them is a
table with its "name". What comes from JSON must name fields that exist and be of their types.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Case:
...     steps: int = 9
...     hidden: tuple[int, ...] = (50,)
...     method: methods.ERM = methods.SD(lam=2)
>>> table = to_json(Case())
>>> table["hidden"], table["method"]["name"], from_json(Case, table) == Case()
([50], 'sd', True)
>>> changed({"sd": Case()}, {"sd.method.lam": 1})["sd"].method.lam
1.0
>>> changed({"sd": Case()}, {"steps": 2.5})
Traceback (most recent call last):
ValueError: sd.steps must be an integer, got 2.5
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import dacite
from torch import Tensor

from gsutils import methods

C = TypeVar("C")
_WORDS = {
    int: "an integer", float: "a finite number", bool: "true or false", str: "a text",
    type(None): "null",
}  # fmt: skip


def to_json(value: Any) -> Any:
    """Return a case, or a part of one, as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        table = {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        return {"name": methods.name_of(value)} | table if isinstance(value, methods.ERM) else table
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[C], table: Any, where: str = "") -> C:
    """Return the case of a table.

    Args:
        kind: the dataclass.
        table: field -> value; fields that are left out have their defaults.
        where: put before the name of a field in messages, such as "erm".

    Raises:
        ValueError: no such field, or a value of another type or out of range; the message says
            which field and what it may be.
    """
    path = f"{where}." if where else ""
    if not isinstance(table, Mapping):
        raise ValueError(f"{where or 'a case'} must be a table of {_names(kind)}, got {table!r}")
    hooks: dict[Any, Any] = {int: _integer, float: _number, methods.ERM: _method}
    config = dacite.Config(strict=True, type_hooks=hooks)
    hints = get_type_hints(kind)
    for name in set(table) & set(hints):  # where dacite trips without a word
        if not _listed(hints[name], table[name]):
            said = _words(hints[name])
            raise ValueError(f"{path}{name} must be {said}, got {table[name]!r}")
    try:
        return dacite.from_dict(kind, _tuples(table), config)
    except dacite.UnexpectedDataError as error:
        unknown = ", ".join(sorted(f"{path}{key}" for key in error.keys))
        raise ValueError(f"there is no setting {unknown}; there is {_names(kind)}") from None
    except dacite.WrongTypeError as error:
        said = _words(error.field_type)
        raise ValueError(f"{path}{error.field_path} must be {said}, got {error.value!r}") from None
    except dacite.DaciteError as error:
        raise ValueError(f"{path.rstrip('.')}: {error}") from None


def changed(cases: Mapping[str, C], changes: Mapping[str, Any]) -> dict[str, C]:
    """Return cases with some of their settings changed.

    Args:
        cases: name -> case.
        changes: setting -> value. "steps" is that of every case that has it, "erm.steps" that of
            one, "method.lam" a setting within a setting.

    Raises:
        ValueError: see :func:`from_json`; or no case has the setting.
    """
    tables = {name: to_json(case) for name, case in cases.items()}
    for key, value in changes.items():
        own = [name for name in cases if key.startswith(f"{name}.")]
        chosen = [max(own, key=len)] if own else list(cases)
        path = (key.removeprefix(f"{chosen[0]}.") if own else key).split(".")
        places = [place for name in chosen if (place := _place(tables[name], path)) is not None]
        if not places:
            known = sorted({known for name in chosen for known in _known(tables[name], path)})
            hint = "; --seeds chooses the seeds" if key == "seeds" else ""
            raise ValueError(f"there is no setting {key!r}; there is {', '.join(known)}{hint}")
        for place in places:
            place[path[-1]] = value
    return {name: from_json(type(cases[name]), table, name) for name, table in tables.items()}


def _place(table: Any, path: Sequence[str]) -> Any:
    """Return the table in which a setting lies, None if there is none."""
    for part in path[:-1]:
        table = table.get(part) if isinstance(table, Mapping) else None
    return table if isinstance(table, dict) and path[-1] in table else None


def _known(table: Any, path: Sequence[str]) -> list[str]:
    """Return the settings beside which a path looks for one that is not there."""
    above = ""
    for part in path[:-1]:
        if not isinstance(table, Mapping) or not isinstance(table.get(part), Mapping):
            break
        table, above = table[part], f"{above}{part}."
    return [f"{above}{name}" for name in table]


def _names(kind: type) -> str:
    return ", ".join(field.name for field in fields(kind))


def _words(kind: Any) -> str:
    """Return a field's type in words: "an integer or null", "a list, each an integer"."""
    if kind in _WORDS:
        return _WORDS[kind]
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_words(part) for part in get_args(kind) if part is not Tensor)
    if get_origin(kind) is tuple:
        each = dict.fromkeys(_words(part) for part in get_args(kind) if part is not Ellipsis)
        return "a list, each " + " or ".join(each)
    return (
        f"a table of {_names(kind)}" if isinstance(kind, type) and is_dataclass(kind) else str(kind)
    )


def _listed(kind: Any, value: Any) -> bool:
    """Whether there are lists where a type has tuples, of the length that it says."""
    if get_origin(kind) in (Union, UnionType):
        return any(_listed(part, value) for part in get_args(kind))
    if get_origin(kind) is not tuple:
        return not isinstance(value, (list, tuple))
    if not isinstance(value, (list, tuple)):
        return False
    parts = get_args(kind)
    parts = parts[:1] * len(value) if Ellipsis in parts else parts
    return len(parts) == len(value) and all(map(_listed, parts, value))


def _tuples(value: Any) -> Any:
    """Return what JSON has with tuples for its lists."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise dacite.WrongTypeError(int, value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise dacite.WrongTypeError(float, value)
    return float(value)


def _method(value: Any) -> methods.ERM:
    if isinstance(value, methods.ERM):
        return value
    name = value.get("name") if isinstance(value, Mapping) else None
    if name not in methods.METHODS:
        raise ValueError(
            f"a method must be a table with a name, one of {', '.join(methods.METHODS)}, "
            f"got {value!r}"
        )
    return from_json(methods.METHODS[name], {k: v for k, v in value.items() if k != "name"}, name)
