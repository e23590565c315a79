"""What the sites of a course get besides the book: their home pages, in MyST."""

import re
from collections.abc import Collection
from html import escape

from tools.course.settings import Course, Week, day
from tools.identity import Provenance

STUDENT = """\
# {title}

**{term}**

{schedule}

Hand in each problem set as a notebook, by the end of its day. Its page has a button to download it.
{{doc}}`About this course <about>` says whom to ask and what you will learn.
{links}
"""

INSTRUCTOR = """\
# {title}

**{term}, edition for instructors.** It has every solution and the answer keys: do not hand it out.

{schedule}

{notes}{links}
## The folders beside this one

| folder | holds |
|:--|:--|
| `student/` | the site for students, without the solutions that `course.yml` hides{published} |
| `problem-sets/` | the notebooks that students hand in |
| `answer-key/` | the same notebooks with the answers |
| `slides/` | the slides, each a file that needs nothing else |

To grade what came back for the first problem set, in the folder of the book:

```bash
.venv/bin/python -m grading submissions/ --assignment _build/course/problem-sets/{first}.ipynb
```

To show more solutions, change `release` in `course.yml` and type `make course` again.
"""

ABOUT = """\
# About this course

**{title}**, {term}

{facts}

{syllabus}{goals}{statements}"""

KEY = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: answer key</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: auto; padding: 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .5rem; border-top: 1px solid #8a94a0 }}
td:last-child {{ overflow-wrap: anywhere }}
@media (max-width: 30rem) {{
  body {{ padding: .5rem }}
  table {{ font-size: .8rem }}
  th, td {{ padding: .4rem .2rem; vertical-align: top }}
}}
</style>
</head>
<body>
<h1>{title}: answer key</h1>
<p>{term}. Not for students.</p>
<table>
<tr><th>week</th><th>due</th><th>points</th><th>to read</th><th>notebook</th></tr>
{rows}
</table>
</body>
</html>
"""


# What of the teaching notes is for students, too.
STATEMENT = re.compile(r"^% for students\n(.*?)\n% end$", re.DOTALL | re.MULTILINE)


def footer(course: Course, book: Provenance) -> str:
    """Return the last lines of a page, without links to the book's repository and its solutions."""
    commit = f", commit {book.commit}" if book.commit else ""
    return (
        f"<p>{escape(course.title)}, {escape(course.term)}. Made from Gradient Starvation, an "
        f"executable book, version {escape(book.version)}{commit}. Text and figures "
        '<a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>, code MIT.</p>'
    )


def home(
    course: Course, instructor: bool = False, slides: Collection[str] = (), notes: str = ""
) -> str:
    """Return the home page of a site.

    Args:
        course: what it is about.
        instructor: for the instructor's edition.
        slides: the names of the chapters that have slides.
        notes: name of the page of teaching notes, "" where there is none.
    """
    return (INSTRUCTOR if instructor else STUDENT).format(
        title=plain(course.title),
        term=plain(course.term),
        schedule=schedule(course, instructor, slides),
        links=_links(course),
        notes=f"{{doc}}`Teaching notes <{notes}>`: goals, schedules, hours.\n\n" if notes else "",
        published=f"; publish it at <{course.site}>",
        first=course.sets[0].name if course.sets else "week-01",
    )


def about(course: Course, teaching: str = "") -> str:
    """Return the page of what students must know about a course.

    Args:
        course: what it is about.
        teaching: source of the page of teaching notes, which has the chapters' goals and the
            statements for students; "" where there is none.
    """
    words = {"instructor": "Instructor", "contact": "Contact", "hours": "Office hours"}
    words |= {"late": "Late work"}
    told = {**course.about, "late": late(course)}
    facts = [(word, plain(told[key])) for key, word in words.items() if told.get(key)]
    facts += [("Solutions", "appear in the chapters when your instructor releases them")]
    paragraphs = re.split(r"\n\s*\n", course.about.get("syllabus", "").strip())
    syllabus = "\n\n".join(map(plain, filter(None, paragraphs)))
    statements = "\n\n".join(STATEMENT.findall(teaching)).replace("](", "](book/")
    return ABOUT.format(
        title=plain(course.title),
        term=plain(course.term),
        facts="\n".join(f"- **{word}**: {text}" for word, text in facts),
        syllabus=f"## Syllabus\n\n{syllabus}\n\n" if syllabus else "",
        goals=_goals(course, teaching),
        statements=f"{statements}\n" if statements else "",
    )


def late(course: Course) -> str:
    """Return what students read of late work: what `late` costs, then `about: late`; "" for none.

    Both stand together, so that nobody reads one of them alone.
    """
    return " ".join(filter(None, [_rule(**course.late), course.about.get("late", "")]))


def _rule(free: float = 0, percent: float = 0, days: float | None = None) -> str:
    """Return what late days cost, as `grading.late.Rule` counts it; "" where nothing is said.

    >>> print(_rule(free=1, percent=10, days=3))
    The first late day costs nothing, each further one 10% of the points reached. After 3 late ...
    >>> _rule(percent=20), _rule(days=0)
    ('Each late day costs 20% of the points reached.', 'A problem set that is late counts nothing.')
    """
    if days == 0:
        return "A problem set that is late counts nothing."
    cost = f"{percent:g}% of the points reached"
    if not percent:
        said = "Late days cost nothing." if free or days else ""
    elif not free:
        said = f"Each late day costs {cost}."
    elif free == 1:
        said = f"The first late day costs nothing, each further one {cost}."
    else:
        said = f"The first {free:g} late days cost nothing, each further one {cost}."
    if days is None:
        return said
    return f"{said} After {days:g} late day{'s' * (days != 1)} a problem set counts nothing."


def _goals(course: Course, teaching: str) -> str:
    """Return what a student can do after each chapter, and the exercises that show it."""
    found = [
        f"### {table[1]}\n\n{table[2]}"
        for name in course.chapters
        if (table := re.search(rf"(?ms)^### \[([^\]]*)\]\({name}\.md\)$.*?(^\|.*?)\n\n", teaching))
    ]
    intro = "After a chapter you can do what is in the first column; the exercises show it."
    return f"## What you will learn\n\n{intro}\n\n" + "\n\n".join(found) + "\n\n" if found else ""


def schedule(course: Course, instructor: bool = False, slides: Collection[str] = ()) -> str:
    """Return the table of the weeks."""
    head = ["week", "chapters", "problem set", "due", "answer key" if instructor else "solutions"]
    rows = [head, [":--"] * len(head)]
    for week in course.weeks:
        chapters = [
            f"{{doc}}`/book/{chapter.name}`" + _slides(chapter.name) * (chapter.name in slides)
            for chapter in week.chapters
        ]
        topic = f"{plain(week.topic)}<br>" if week.topic else ""
        began = f"**{week.number}**<br>{week.begins.day} {week.begins:%b}"
        cells = [began, topic + "<br>".join(chapters), "–", "–", "–"]
        if week.exercises:
            points = sum(worth for _, worth in week.exercises)
            cells[2] = f"{{doc}}`{points:g} points </problem-sets/{week.name}>`"
            cells[3] = f"{week.due:%a} {week.due.day} {week.due:%b}" if week.due else "–"
            answers = f"{{doc}}`answers </answer-key/{week.name}>`"
            cells[4] = answers if instructor else _shown(course, week)
        rows.append(cells)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _slides(chapter: str) -> str:
    return f' (<a href="slides/{chapter}.html">slides</a>)'


def _shown(course: Course, week: Week) -> str:
    """Return whether the solutions of a week's exercises are in the chapters."""
    hidden = [exercise.label in course.hidden for exercise, _ in week.exercises]
    return "later" if all(hidden) else "some" if any(hidden) else "in the chapters"


def _links(course: Course) -> str:
    lines = [f"- [{plain(words)}](<{address}>)" for words, address in course.more.items()]
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def key(course: Course) -> str:
    """Return the page of the answer keys, complete in itself."""
    rows = "\n".join(
        f"<tr><td>{week.number}</td><td>{day(week.due) if week.due else ''}</td>"
        f"<td>{sum(points for _, points in week.exercises):g}</td>"
        f'<td><a href="../instructor/answer-key/{week.name}.html">answers</a></td>'
        f'<td><a href="{week.name}.ipynb">{week.name}.ipynb</a></td></tr>'
        for week in course.sets
    )
    return KEY.format(title=escape(course.title), term=escape(course.term), rows=rows)


def plain(text: str) -> str:
    r"""Return text of a teacher's as MyST that shows just that.

    >>> print(plain("Bias | *and* {variance}"))
    Bias \| \*and\* \{variance\}
    """
    return re.sub(r"([\\`*_{}\[\]<>$|#~^&])", r"\\\1", " ".join(text.split()))
