"""Reports and tables of a small class, without a notebook, for the tests of marks and rosters."""

from grading.records import Mark, Report

ABOUT = {
    "title": "Shortcuts, week 1",
    "site": "https://example.org/shortcuts",
    "due": "2027-02-08",
    "late": {"free": 1, "percent": 10, "days": 3},
}
WORDS = "The boundary curves."


def report(name, id_="", passed=True, words=WORDS, notebook=None, sha256=None):
    """Return a report of two exercises: one point for code, two for words."""
    status, hint = ("passed", "Right.") if passed else ("failed", "Not a distance.")
    marks = [
        Mark(
            "linear-margin", "Distance to a line", status, hint, float(passed), 1.0, 3, "code",
            label="ex-line", number="1",
        ),
        Mark(
            "ex-half", "Half a gap", "unmarked" if words else "unsolved", "", 0.0, 2.0, 5, words,
            label="ex-half", number="2",
        ),
    ]  # fmt: skip
    notebook = notebook or f"{name.split()[0].lower() or 'nobody'}.ipynb"
    student = {"name": name, "id": id_, "with": ""}
    return Report(notebook, sha256 or f"{name}{notebook}", marks, None, student, ABOUT)
