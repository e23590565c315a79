"""Changes to an entry's settings: only settings that exist, only values of their kind.

>>> sizes = {"quick": {"steps": {"plain": 9}, "lr": 0.1, "size": 50, "seeds": [0]},
...          "paper": {"steps": {"plain": 99}, "lr": 0.1, "size": None, "seeds": [0]}}
>>> changed(sizes, "quick", {"steps.plain": 5, "size": None})
{'steps': {'plain': 5}, 'lr': 0.1, 'size': None, 'seeds': [0]}
>>> changed(sizes, "quick", {"steps.plain": 2.5})
Traceback (most recent call last):
ValueError: steps.plain must be an integer, got 2.5
"""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

_KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}


def changed(
    sizes: Mapping[str, Mapping[str, Any]], size: str, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of a size with some of them changed.

    Args:
        sizes: size -> settings. What a setting may be is what it is in one of the sizes.
        size: whose settings to change.
        changes: setting -> value; "erm.steps" is the setting "steps" within "erm". A dict takes
            the place of a dict, so a shorter one leaves cases out.

    Raises:
        ValueError: no such setting, or a value of another kind.
    """
    used = copy.deepcopy(dict(sizes[size]))
    for key, value in changes.items():
        path = [key] if key in used else key.split(".")
        forms: list[Any] = list(sizes.values())
        place = used
        for depth, part in enumerate(path):
            forms = _within(forms, part, ".".join(path[:depth]))
            if depth < len(path) - 1:
                if not isinstance(place.get(part), dict):  # as it is in the other size alone
                    place[part] = {}
                place = place[part]
        place[path[-1]] = _checked(value, forms, key)
    return used


def _within(forms: Sequence[Any], part: str, above: str) -> list[Any]:
    """Return what a setting is in each of the sizes that have it."""
    tables = [form for form in forms if isinstance(form, Mapping)]
    known = sorted({str(name) for table in tables for name in table} - {"seeds"})
    if part not in known:
        where = f"{above} has" if above else "there is"
        hint = "; --seeds chooses the seeds" if part == "seeds" else ""
        raise ValueError(
            f"{where} no setting {part!r}; there is {', '.join(known) or 'none'}{hint}"
        )
    return [table[part] for table in tables if part in table]


def _checked(value: Any, forms: Sequence[Any], key: str) -> Any:
    """Return a value that is of the kind of one of the forms; whole numbers become floats."""
    if isinstance(value, Mapping) and any(isinstance(form, Mapping) for form in forms):
        return {
            name: _checked(item, _within(forms, name, key), f"{key}.{name}")
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)) and any(isinstance(form, list) for form in forms):
        items = [item for form in forms if isinstance(form, list) for item in form]
        return [_checked(item, items, f"each of {key}") for item in value] if items else list(value)
    kinds = {type(form) for form in forms}
    if type(value) is int and float in kinds and int not in kinds:
        value = float(value)
    finite = not isinstance(value, float) or math.isfinite(value)
    scalar = type(value) in (*_KINDS, type(None))
    if finite and scalar and (type(value) in kinds or kinds == {type(None)}):
        return value
    raise ValueError(f"{key} must be {_expected(forms)}, got {value!r}")


def _expected(forms: Sequence[Any]) -> str:
    """Return the kinds of the forms in words."""
    words = []
    for form in forms:
        if isinstance(form, Mapping):
            words.append(f"settings of {', '.join(map(str, form))}")
        elif isinstance(form, list):
            words.append(f"a list such as {form}")
        else:
            words.append("null" if form is None else _KINDS[type(form)])
    return " or ".join(dict.fromkeys(words))
