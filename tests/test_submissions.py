"""What was handed in: found in folders and archives, or named as left out."""

import csv
import io
import json
import os
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from submissions import IMPORTS, RIGHT, function, notebook

from grading import report, submissions, tables
from grading.command import main
from grading.grader import Report

CONTENT = json.dumps(notebook(IMPORTS, function(RIGHT))).encode()


def put(folder, *names, content=CONTENT):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def zipped(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def taped(path, members, mode):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.fixture
def find(tmp_path):
    """Finds what is in the folder "in"; returns the names, and the reasons for what is left out."""

    def found(*paths):
        (tmp_path / "scratch").mkdir(exist_ok=True)
        given = [tmp_path / path for path in paths or ["in"]]
        everything = submissions.find(given, tmp_path / "scratch", tmp_path / "in" / "grades")
        return {name for name, _ in everything.notebooks}, dict(everything.left_out)

    return found


def test_nothing_that_may_be_a_submission_is_passed_over_without_a_word(find, tmp_path):
    top = tmp_path / "in"
    graded = {"a.ipynb", "b.IPYNB", "c/week.ipynb", "d.ipynb/x.ipynb", "e/f/x.IpyNb"}
    put(top, *graded)
    put(top, "c/data.csv", "c/helper.py", "c/.DS_Store", "c/._week.ipynb", "notes.csv", content=b"")
    put(top, ".ipynb_checkpoints/a.ipynb", "__MACOSX/._a.ipynb", "grades/a.html", ".git/x")
    renamed = {"g/x.ipynb.txt", "h/x.json", "c/renamed.json", "c/renamed", "i/.x.ipynb"}
    put(top, *renamed)
    others = {"j.pdf", "k.html", "l.PY", "m/x.docx", "n.rar", "c/o.7Z"}
    put(top, *others, content=b"")
    (top / "empty.ipynb").mkdir()
    (top / "hidden").mkdir()
    put(top, "hidden/.x", content=b"")
    (top / "c" / "up").symlink_to(top)
    found, left_out = find()
    assert found == graded
    assert left_out.keys() == renamed | others | {"empty.ipynb/"}
    assert left_out["i/.x.ipynb"] == "its name begins with a dot: rename it"
    assert left_out["empty.ipynb/"] == "it is a folder without a notebook"


def test_a_link_out_of_the_folder_is_not_followed_but_a_teachers_is(find, tmp_path):
    put(tmp_path, "key/week.ipynb", "bo/week.ipynb", "in/ada/x.txt")
    renamed = {"ada/x.txt": submissions.NO_NOTEBOOK}
    (tmp_path / "in" / "ada" / "week.ipynb").symlink_to(tmp_path / "key" / "week.ipynb")
    (tmp_path / "in" / "ada" / "work").symlink_to(tmp_path / "key")
    (tmp_path / "in" / "bo").symlink_to(tmp_path / "bo")
    (tmp_path / "in" / "broken.ipynb").symlink_to("nowhere")
    found, left_out = find()
    assert found == {"bo/week.ipynb", "broken.ipynb"}  # "there is no such file", says the grader
    why = "it is a link that leads out of the folder"
    assert left_out == {"ada/week.ipynb": why, "ada/work/": why} | renamed


FORMS = {
    "a.zip": lambda path, members: zipped(path, members, compression=zipfile.ZIP_DEFLATED),
    "A.ZIP": zipped,
    "a.tar": lambda path, members: taped(path, members, "w"),
    "a.TGZ": lambda path, members: taped(path, members, "w:gz"),
    "a.tar.gz": lambda path, members: taped(path, members, "w:gz"),
    "a.tar.bz2": lambda path, members: taped(path, members, "w:bz2"),
    "a.tar.xz": lambda path, members: taped(path, members, "w:xz"),
}
MEMBERS = {
    "x/week.ipynb": CONTENT,
    "../../up.IPYNB": CONTENT,
    "/root.ipynb": CONTENT,
    "x/plot.png": b"",
    "x/renamed.ipynb.txt": CONTENT,
    "inner.zip": b"PK",
    "x/.y.ipynb": b"",
    "__MACOSX/x/._week.ipynb": b"",
    ".ipynb_checkpoints/x.ipynb": b"",
}


@pytest.mark.parametrize("name", FORMS)
def test_the_notebooks_in_an_archive_are_found_and_nothing_is_written_elsewhere(
    name, find, tmp_path
):
    (tmp_path / "in" / "ada").mkdir(parents=True)
    FORMS[name](tmp_path / "in" / "ada" / name, MEMBERS)
    for prefix, (names, left_out) in (
        (f"ada/{name}", find()),
        (f"{tmp_path}/in/ada/{name}", find(f"in/ada/{name}")),
    ):
        found = ("x/week.ipynb", "../../up.IPYNB", "/root.ipynb")
        assert names == {f"{prefix}/{inside}" for inside in found}
        found = ("x/renamed.ipynb.txt", "inner.zip", "x/.y.ipynb")
        assert left_out.keys() == {f"{prefix}/{inside}" for inside in found}
    assert {path.name for path in tmp_path.iterdir()} == {"in", "scratch"}


def test_an_archive_that_cannot_be_unpacked_is_left_out_with_its_reason(
    find, tmp_path, monkeypatch
):
    top = tmp_path / "in"
    put(top, "noise.zip", "noise.tar.gz", content=bytes(range(256)) * 9)
    put(top, "empty.zip", content=b"")
    zipped(top / "none.zip", {"a.png": b""})
    zipped(top / "bomb.zip", {"a.ipynb": bytes(9_000_000)}, compression=zipfile.ZIP_DEFLATED)
    taped(top / "bomb.tgz", {"a.png": bytes(9_000_000), "a.ipynb": CONTENT}, "w:gz")
    zipped(top / "many.zip", {f"{i}.png": b"" for i in range(99)})
    zipped(top / "cut.zip", {"a.ipynb": CONTENT})
    content = bytearray((top / "cut.zip").read_bytes())
    content[60] ^= 1
    put(top, "cut.zip", content=content)
    content = (top / "bomb.tgz").read_bytes()
    put(top, "cut.tgz", content=content[: len(content) // 2])
    monkeypatch.setattr(submissions, "LARGEST", 2**22)
    monkeypatch.setattr(submissions, "MOST", 50)
    found, left_out = find()
    assert not found
    assert left_out.keys() == {path.name for path in top.iterdir()}
    assert left_out["none.zip"] == "it is an archive without a notebook"
    more = "it is an archive that cannot be unpacked: it holds more than 50 files or 4 MiB"
    assert {left_out[name] for name in ("bomb.zip", "bomb.tgz", "many.zip")} == {more}
    assert all(reason.count("\n") == 0 for reason in left_out.values())


def test_what_is_left_out_stands_in_the_output_the_table_and_the_exit_status(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "in/Di/week.json")
    zipped(tmp_path / "in" / "Ed.zip", {"week.ipynb": CONTENT})
    for _ in range(2):  # the second run does not take the first one's pages for submissions
        assert main(["in", "--trust", "--out", "in/grades"]) == 1
        lines = capsys.readouterr().out.splitlines()[1:]
        assert "Ed.zip/week.ipynb: 1 of 7: linear-margin passed" in lines[0]
        assert "Di/week.json: could not be graded: it is no file whose name ends in" in lines[1]
        assert lines[2].startswith("1 of 2 graded in ")
        with (tmp_path / "in/grades/grades.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = {row["notebook"]: row["score"] for row in csv.DictReader(file)}
        assert rows == {"Ed.zip/week.ipynb": "1", "Di/week.json": ""}


# --- tables --------------------------------------------------------------------------------------

SIGNS = "=+-@＝＋－＠"


@settings(max_examples=200, deadline=None)
@given(st.text(f"{SIGNS};, \t\r\n\"'a|", max_size=8))
def test_no_cell_is_a_formula_whatever_separates_the_cells(text):
    written = io.StringIO()
    csv.writer(written).writerow([tables.escaped(text), "b"])
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(written.getvalue(), newline=""), delimiter=separator):
            assert not [part for part in row if part.strip().startswith(tuple(SIGNS))], row


def test_names_are_intact_in_the_table(tmp_path):
    names = ["Müller", "O'Brien, Zoë", "中文", "a;b", "x=y", "5-6 @home", "'quoted'"]
    report.write_table([("a", Report(name, problem="none")) for name in names], tmp_path)
    assert [row["notebook"] for row in tables.read(tmp_path / "grades.csv").rows] == names
    with (tmp_path / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["notebook"] for row in csv.DictReader(file)][:-1] == names[:-1]


def test_an_unreadable_folder_is_named(find, tmp_path):
    put(tmp_path, "in/a.ipynb", "in/b/x.ipynb")
    (tmp_path / "in" / "b").chmod(0)
    try:
        if os.access(tmp_path / "in" / "b", os.R_OK):
            pytest.skip("this user may read every folder")
        assert "it cannot be read" in find()[1]["b"]
    finally:
        (tmp_path / "in" / "b").chmod(0o755)
