"""The layout of gsutils: rooms on few floors, imports downward only, and no private doors.

A room is a module at the root or a package; a room's floor is one above the highest that it
imports.
"""

import ast
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT

HOUSE = ROOT / "gsutils"
MOST_ROOMS, MOST_FLOORS, MOST_LINES = 24, 6, 340
FILES = sorted(path for path in HOUSE.rglob("*.py"))


def module(path: Path) -> str:
    """A file's dotted name: "gsutils.dual", "gsutils.dual._flow"."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imported(path: Path) -> frozenset[str]:
    """The modules of the house that a file imports, wherever in the file."""
    names = {module(file) for file in FILES}
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return frozenset((found & names) - {"gsutils"})


def room(name: str) -> str:
    return name.split(".")[1]


@cache
def arrows() -> frozenset[tuple[str, str]]:
    """Which room imports which."""
    return frozenset(
        (room(module(path)), room(name))
        for path in FILES
        if path.parent != HOUSE or path.stem not in ("__init__", "__main__")
        for name in imported(path)
        if room(name) != room(module(path))
    )


def floors() -> dict[str, int]:
    below: dict[str, set[str]] = {}
    for one, other in arrows():
        below.setdefault(one, set()).add(other)
        below.setdefault(other, set())
    found: dict[str, int] = {}
    while len(found) < len(below):
        free = [r for r in below if r not in found and below[r] <= set(found)]
        assert free, f"these rooms import each other: {sorted(set(below) - set(found))}"
        found |= {r: 1 + max((found[b] for b in below[r]), default=0) for r in free}
    return found


def test_the_house_has_few_rooms_on_few_floors_and_no_circle():
    rooms = {room(module(path)) for path in FILES if module(path) != "gsutils"}
    assert len(rooms) <= MOST_ROOMS
    assert max(floors().values()) <= MOST_FLOORS


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_private_module_is_imported_from_within_its_package_alone(path):
    for name in imported(path):
        owner, _, last = name.rpartition(".")
        if last.startswith("_"):
            assert module(path) == owner or module(path).startswith(f"{owner}."), name


@pytest.mark.parametrize("path", FILES, ids=module)
def test_no_module_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_house_does_not_know_what_is_built_on_it():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {"tools", "grading", "tests"}
