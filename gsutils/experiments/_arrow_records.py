"""Reading a record of the chess books: accuracies over time and in other books, and a choice."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gsutils.runs import records

WORLDS = {"right arrows": 1.0, "wrong arrows": 0.0, "no arrows": None}


def curve(run: records.Run, case: str, metric: str) -> np.ndarray:
    """Return what a record holds of a case over time, (records, seeds)."""
    return np.array(run.curves[case][metric])


def in_world(run: records.Run, case: str, agreement: float) -> np.ndarray:
    """Return a case's final accuracies (seeds,) where arrows are right with that probability."""
    right, wrong = (np.array(run.metrics[case][f"{w} accuracy"]) for w in list(WORLDS)[:2])
    return agreement * right + (1 - agreement) * wrong


def select(run: records.Run, method: str, rule: str) -> dict[str, np.ndarray]:
    """Choose a method's options and stopping time for each seed, and return the accuracies there.

    Args:
        run: a record of the entry "red-arrows-methods".
        method: of :func:`methods_of`.
        rule: "validation", accuracy on new boards of the same books; or "test", the accuracy on
            test boards whose arrows are right half of the time.

    Returns:
        "validation" and each of :data:`WORLDS`, (seeds,); and "case", what was chosen, (seeds,).

    Raises:
        ValueError: an unknown rule.
    """
    if rule not in ("validation", "test"):
        raise ValueError(f"rule must be 'validation' or 'test', got {rule!r}")
    cases = methods_of(run.settings)[method]
    values = {
        metric: np.concatenate([curve(run, case, metric) for case in cases])
        for metric in ("validation", *WORLDS)
    }  # (cases x records, seeds)
    half = (values["right arrows"] + values["wrong arrows"]) / 2
    best = (values["validation"] if rule == "validation" else half).argmax(0)
    records = len(curve(run, cases[0], "validation"))
    chosen = {metric: v[best, range(len(best))] for metric, v in values.items()}
    return chosen | {"case": np.array(cases)[best // records]}


def methods_of(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the cases of each family, of the settings of a record."""
    found: dict[str, list[str]] = {}
    for name, case in settings["cases"].items():
        found.setdefault(case["family"], []).append(name)
    return found
