r"""What a submission holds besides code: who wrote it, and the answers in words.

The name stands in a cell with the tag ``gs-student``, as ``NAME = "Ada"``: read, and never run.
An answer in words is a Markdown cell with the tag ``gs-words``, whose metadata say of which
exercise it is, ``{"gs": {"exercise": "ex-half", "part": 1}}``. Where tags were lost, the
assignment's cell of the same id tells; what a student wrote below belongs to the answer.

>>> cell = {"cell_type": "code", "metadata": {"tags": ["gs-student"]}}
>>> cell["source"] = 'NAME = "Ada Lovelace"\nSTUDENT_ID = 0042  # a number\nWORKED_WITH = ""'
>>> student([cell])
{'name': 'Ada Lovelace', 'id': '0042', 'with': ''}
"""

import ast
import re
from pathlib import Path
from typing import Any

from grading import notebooks, values

STUDENT, WORDS = "gs-student", "gs-words"
FIELDS = {"NAME": "name", "STUDENT_ID": "id", "WORKED_WITH": "with"}
PROMPTS = ("*Your answer:*", "*Your answer*", "YOUR ANSWER HERE")
LONGEST = 30_000  # characters of an answer, less than a cell of a spreadsheet may have
MOST = 200  # answers in a notebook
_LINE = re.compile(rf"^[ \t]*({'|'.join(FIELDS)})[ \t]*=[ \t]*(.*)$", re.MULTILINE)
_PICTURE = re.compile(r"!\[[^\]]*\]\(|<img\b")
_LETTER = re.compile(r"\A\s*\*\*[a-h]\)\*\*\s*")  # "**a)** ", as problem sets write it
_HEADING = re.compile(r"\A#[^\n]*\n+(\*[^*\n]*\*\n+)?")  # and the points below it
ASKED = 2_000  # characters of a question


def submission(path: Path, assignment: Path | None = None) -> dict[str, Any]:
    """Return what a notebook's file holds, as parts of JSON.

    Args:
        path: the notebook.
        assignment: the notebook that was handed out.

    Returns:
        "exercises" as `notebooks.exercises` gives them, "words", a list of `answers`, "student",
        and "about", what the notebook's metadata say of its course.

    Raises:
        UnreadableNotebook: it cannot be graded.
    """
    content = notebooks.read(path)
    given = notebooks.read(assignment)["cells"] if assignment else []
    metadata = content.get("metadata")
    about = metadata.get("gs") if isinstance(metadata, dict) else None
    return {
        "exercises": notebooks.exercises(path, assignment),
        "words": answers(content["cells"], given),
        "student": student(content["cells"]),
        "about": about if isinstance(about, dict) else {},
    }


def student(cells: list[Any]) -> dict[str, str]:
    """Return the name, the ID and with whom a student worked, "" where they are not given."""
    code = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    tagged = [_source(cell) for cell in code if STUDENT in _tags(cell)]
    both = {"NAME", "STUDENT_ID"}
    lost = [text for text in map(_source, code) if both <= set(_assigned(text))]
    found: dict[str, str] = {}
    for text in (tagged or lost)[:1]:
        found = _assigned(text)
    return {ours: values.plain(found.get(theirs, ""), 200) for theirs, ours in FIELDS.items()}


def answers(cells: list[Any], given: list[Any] | None = None) -> list[dict[str, Any]]:
    """Return the answers in words.

    Each is {"exercise", "part", "cell", "points", "text", "pictures", "question"}: the label of
    the exercise and which part of it, the place of its cell, what its metadata say it is worth or
    None, the text, "" where nothing was written, how many pictures it has, and what was asked.

    Args:
        cells: of the submission.
        given: of the assignment.
    """
    given = [cell for cell in given or [] if isinstance(cell, dict)]
    by_id = {str(cell["id"]): cell for cell in given if "id" in cell and _of(cell)}
    by_part = {_of(cell): cell for cell in given if _of(cell)}
    handed_out = {_source(cell).strip() for cell in given}
    problems = _problems([*given, *cells])
    found: list[dict[str, Any]] = []
    open_: dict[str, Any] | None = None  # the answer that text below it belongs to
    for place, cell in enumerate(cells):
        if not isinstance(cell, dict) or cell.get("cell_type") not in ("markdown", "raw"):
            open_ = None
            continue
        text, same = _source(cell).strip(), by_id.get(str(cell.get("id")))
        of = _of(cell) or (same and _of(same))
        if of:
            same = same or by_part.get(of)
            asked = _source(same).strip() if same else ""
            gs = {"exercise": of[0], "part": of[1], "cell": place, "points": _points(same or cell)}
            open_ = {**gs, "text": _answer(text, asked), "pictures": _pictures(cell)}
            open_["question"] = _question(same or cell, problems[id(same or cell)])
            found.append(open_)
        elif text in handed_out or text.startswith("#"):
            open_ = None
        elif open_ and given:
            open_["text"] = f"{open_['text']}\n\n{text}".strip()
            open_["pictures"] += _pictures(cell)
    for answer in found:
        if len(answer["text"]) > LONGEST:
            answer["text"] = answer["text"][:LONGEST] + " … (shortened: see the notebook)"
    return found[:MOST]


def _answer(text: str, asked: str) -> str:
    """Return what a student wrote into a cell in which a question and a prompt stood."""
    if text == asked:
        return ""
    for prompt in PROMPTS:
        question, found, _ = asked.partition(prompt)
        text = text.removeprefix(question.strip()).strip() if found else text
    for prompt in PROMPTS:
        text = text.removeprefix(prompt).strip()
    return text


def _question(cell: dict[str, Any], problem: str) -> str:
    """Return what is asked in the cell for an answer, else in the problem above it."""
    text = _source(cell)
    prompt = next((prompt for prompt in PROMPTS if prompt in text), None)
    if prompt:
        text = text.partition(prompt)[0]
    else:  # the prompt is gone, and an answer stands below the question
        text = text.strip().partition("\n\n")[0] if _LETTER.match(text) else ""
    asked = _LETTER.sub("", text).strip() or problem
    asked = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r"[\1]", asked)
    return asked if len(asked) <= ASKED else asked[:ASKED] + " …"


def _problems(cells: list[Any]) -> dict[int, str]:
    """Return, by the `id` of each cell, the text below the last heading above it."""
    found, problem = {}, ""
    for cell in cells:
        if isinstance(cell, dict):
            text = _source(cell).strip()
            if cell.get("cell_type") == "markdown" and text.startswith("#"):
                problem = _HEADING.sub("", text) if "\n" in text else ""
            found[id(cell)] = problem
    return found


def _of(cell: dict[str, Any]) -> tuple[str, int] | None:
    """Return of which exercise and part a cell is the answer."""
    if WORDS not in _tags(cell):
        return None
    gs = cell["metadata"].get("gs")
    label, part = (gs.get("exercise"), gs.get("part", 1)) if isinstance(gs, dict) else (None, 1)
    if not isinstance(label, str) or type(part) is not int or not 0 <= part < 100:
        return None
    return values.plain(label, 60), part


def _points(cell: dict[str, Any]) -> float | None:
    points = cell["metadata"].get("points")
    usual = isinstance(points, int | float) and 0 <= points <= 1000
    return float(points) if usual else None


def _pictures(cell: dict[str, Any]) -> int:
    attached = cell.get("attachments")
    shown = len(_PICTURE.findall(_source(cell)))
    return max(shown, len(attached) if isinstance(attached, dict) else 0)


def _tags(cell: dict[str, Any]) -> list[Any]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else []


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _assigned(text: str) -> dict[str, str]:
    """Return the values of the names in `FIELDS`, of code that need not be Python."""
    found = {}
    for name, value in _LINE.findall(text[: notebooks.LONGEST]):
        try:
            read = ast.literal_eval(value.strip())
        except (MemoryError, RecursionError, SyntaxError, TypeError, ValueError):
            read = value.partition("#")[0].strip().strip("\"'")  # such as NAME = Ada Lovelace
        if isinstance(read, list | tuple | set):
            read = ", ".join(map(str, read))
        found[name] = "" if read is None or read is Ellipsis else str(read)
    return found
