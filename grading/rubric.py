"""How answers in words are marked: the tables of the book's page for instructors.

>>> from grading.records import Mark
>>> rubric(Mark("ex-half", "Half a gap", "unmarked", "", 0, 3))[2][:2]
('2', 'right at its core')
"""

from grading.catalogue import EXERCISES
from grading.records import Mark
from grading.tables import shown

LEVELS = (
    (
        1.0,
        "complete",
        "has the result, each step of the argument, and says where an assumption is used",
    ),
    (
        2 / 3,
        "right at its core",
        "has the idea and the result; a step is asserted or an assumption is silent",
    ),
    (1 / 3, "begun", "has a correct step towards it, or checks a special case"),
    (0.0, "missing", "restates the question, or has a result without a reason"),
)
OPEN = (
    (
        "a claim",
        "a topic",
        "a claim that could be wrong",
        "… and what each rival explanation predicts, said before the run",
    ),
    (
        "a design",
        "one run",
        "a run with a control, several seeds",
        "… that separates the explanations at a cost that was thought about",
    ),
    (
        "a report",
        "the best run",
        "all runs, with their spread",
        "… and what the result does not show",
    ),
)


def rubric(mark: Mark) -> list[tuple[str, ...]]:
    """Return the rubric of an answer in words: its heads, and then its rows."""
    known = EXERCISES.get(mark.label or mark.exercise.partition("/")[0])
    if known and known.open:
        parts = 2 * len(OPEN)
        return [("points for", *(shown(mark.points * k / parts) for k in range(3))), *OPEN]
    levels = [(shown(mark.points * share), level, what) for share, level, what in LEVELS]
    return [("points", "level", "an answer that"), *levels]
