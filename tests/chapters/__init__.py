"""What the tests know of each page: one module for each of which there is something to know.

Each module has ``PAGE``, and what the page needs of the rest:

- ``PAGE``: the page's stem, such as "01-clever-hans";
- ``CORE``: tag of a ``core-…`` cell -> a function that compares its names with the package;
- ``ALLOWED``: phrases with numbers that are not results of ours: settings, definitions,
  arithmetic. A phrase and not a number is allowed, so that the same number typed elsewhere is
  still found;
- ``RIGHT``, ``WRONG``: check -> right answers; wrong answers, each with what its hint speaks of;
- ``GIVEAWAYS``: check -> what would give the answer away in a hint.
"""

from importlib import import_module
from pkgutil import iter_modules

_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]


def _merged(name):
    """One dict of all pages, in which nothing is lost because two use the same key."""
    pairs = [pair for module in _MODULES for pair in getattr(module, name, {}).items()]
    merged = dict(pairs)
    assert len(merged) == len(pairs), f"two pages have the same key in {name}"
    return merged


CORE, RIGHT, WRONG, GIVEAWAYS = map(_merged, ("CORE", "RIGHT", "WRONG", "GIVEAWAYS"))
ALLOWED = {module.PAGE: getattr(module, "ALLOWED", []) for module in _MODULES}
