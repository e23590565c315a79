"""Late days: how many a submission has, and what they cost by the course's rule.

The rule stands in the notebook that was handed out, where ``make course`` writes it from ``late``
in ``course.yml``: so many days are free, each further one costs a share of what was reached, and
after the last the work counts nothing.

>>> rule = Rule(free=1, percent=10, days=3)
>>> [rule.cost(days, 8.0) for days in (0, 1, 2, 3, 4)]
[0.0, 0.0, 0.8, 1.6, 8.0]
"""

import datetime
import math
from dataclasses import dataclass
from typing import Any

from grading.roster import Student


@dataclass(frozen=True)
class Rule:
    """What late days cost.

    Attributes:
        free: days that cost nothing.
        percent: what each further day costs, in percent of the points that were reached.
        days: after which a submission counts nothing; None if there is no such day.
    """

    free: float = 0.0
    percent: float = 0.0
    days: float | None = None

    def cost(self, days: float, score: float) -> float:
        """Return the points that a submission loses."""
        if self.days is not None and days > self.days:
            return score
        share = self.percent / 100 * max(0.0, days - self.free)
        return round(score * min(1.0, share), 6)


def rule(about: dict[str, Any]) -> Rule | None:
    """Return the rule in what a notebook says of its course, None where there is none."""
    said = about.get("late")
    if not isinstance(said, dict):
        return None
    known = {key: said[key] for key in ("free", "percent", "days") if key in said}
    if not all(isinstance(v, int | float) and 0 <= v <= 1000 for v in known.values()):
        return None
    return Rule(**known)


def days(student: Student, about: dict[str, Any]) -> float:
    """Return how many days late a student is: each begun day after the due day counts."""
    late = student.late
    if late is None:
        try:
            due = datetime.date.fromisoformat(str(about.get("due", "")))
        except ValueError:
            return 0.0
        if student.submitted is None:
            return 0.0
        end = datetime.datetime.combine(due, datetime.time()) + datetime.timedelta(days=1)
        late = math.ceil((student.submitted - end) / datetime.timedelta(days=1))
    return max(0.0, late - student.extension)
