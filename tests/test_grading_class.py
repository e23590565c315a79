"""Marks by hand, rosters, late days, and what goes back: with the mistakes that teachers make."""

import csv
import io
import json
import re
import zipfile
from dataclasses import replace

import pytest
from class_of import ABOUT, WORDS, report
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from submissions import IMPORTS, RIGHT, STUB, cell, function
from submissions import submit as submit
from test_chapters import PAGES

from grading import catalogue, late, marks, pages, results, roster, rubric, words
from grading import tables as tables_
from grading.command import main
from grading.tables import TableError
from tools.course.catalogue import PLACE, text

pytestmark = pytest.mark.alone  # students' code has seconds by the clock

CLASS = "name,ID,address\nAda Lovelace,001,ada@a.org\nBo Ek,002,bo@a.org\nCy Ek,003,cy@a.org\n"


def table(content, name="class.csv"):
    return tables_.parse(content if isinstance(content, bytes) else content.encode(), name)


def class_of(content=CLASS):
    return roster.from_table(table(content))


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# --- what the grader knows of the book ----------------------------------------------------------


def test_the_catalogue_is_that_of_the_book():
    assert (ROOT / PLACE).read_text(encoding="utf-8") == text(), "python -m tools.course.catalogue"
    assert catalogue.EXERCISES["ex-adam"].points == 6


def test_the_rubrics_are_those_of_the_instructors_page():
    book = PAGES["instructors"]
    shares = {1.0: "all", 2 / 3: "two thirds", 1 / 3: "one third", 0.0: "none"}
    for share, level, what in rubric.LEVELS:
        assert f"| {level} | {what} | {shares[share]} |" in book
    for row in rubric.OPEN:
        assert f"| {' | '.join(row)} |" in book


# --- the cells of a notebook --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name", "id_"),
    [
        ('NAME = "Ada"\nSTUDENT_ID = "7"\nWORKED_WITH = ""', "Ada", "7"),
        ("NAME = Ada Lovelace\nSTUDENT_ID = 007", "Ada Lovelace", "007"),
        ("NAME = 'Ada'  # me\nSTUDENT_ID = 7", "Ada", "7"),
        ("NAME = open('/etc/passwd').read()\nSTUDENT_ID = ...", "open('/etc/passwd').read()", ""),
        ("NAME = \nSTUDENT_ID = None", "", ""),
        ("", "", ""),
    ],
)
def test_the_name_is_read_and_never_run(source, name, id_):
    found = words.student([cell(source, "gs-student")])
    assert (found["name"], found["id"]) == (name, id_)


def written(text, id_="a", tags=("gs-words",), **more):
    gs = {"gs": {"exercise": "ex-half", "part": 1}} if tags else {}
    metadata = {"tags": list(tags), **gs, **more}
    return {"cell_type": "markdown", "id": id_, "source": text, "metadata": metadata}


def test_an_answer_is_found_without_its_tag_and_with_what_stands_below_it():
    given = [written("*Your answer:*", points=2), written("## Next", "b", ())]
    mine = [
        written("*Your answer:*\n\nOne.", tags=()), written("Two. ![](x.png)", "new", ()), given[1],
    ]  # fmt: skip
    (found,) = words.answers(mine, given)
    assert (found["text"], found["points"], found["pictures"]) == (
        "One.\n\nTwo. ![](x.png)", 2, 1,
    )  # fmt: skip
    (empty,) = words.answers(given, given)
    assert empty["text"] == ""


@pytest.mark.parametrize("mine", ["**a)** Why?\n\nSo.", "**a)** Why?\n\n*Your answer:* So.", "So."])
def test_the_question_in_a_cell_is_no_part_of_its_answer(mine):
    asked = [written("**a)** Why?\n\n*Your answer:*")]
    for id_ in ("a", "lost"):
        assert words.answers([written(mine, id_)], asked)[0]["text"] == "So."
    assert words.answers(asked, asked)[0]["text"] == ""


def test_a_question_is_that_of_the_cell_or_the_problem_above_it():
    heading = "### Problem 1. Half a gap\n\n*Exercise 1.1. 1 point.*\n\nSee ![one](data:x). Why?"
    asked = [
        written(heading, "h", ()), written("**b)** What?\n\n*Your answer:*"),
        written("*Your answer:*", "b"), written("## Next", "n", ()), written("*Your answer:*", "c"),
    ]  # fmt: skip
    expected = ["What?", "See [one]. Why?", ""]
    assert [a["question"] for a in words.answers(asked, asked)] == expected
    assert [a["question"] for a in words.answers(asked)] == expected
    mine = written("**b)** What?\n\nThat.\n\nAnd that.")
    assert words.answers([mine])[0]["question"] == "What?"
    (found,) = words.answers([mine], asked)
    assert (found["question"], found["text"]) == ("What?", "That.\n\nAnd that.")


@pytest.mark.parametrize("gs", [None, 1, {"exercise": 2}, {"exercise": "ex-half", "part": []}])
def test_metadata_that_are_no_metadata_are_no_answer(gs):
    bad = {"cell_type": "markdown", "source": "x", "metadata": {"tags": ["gs-words"], "gs": gs}}
    assert words.answers([bad, 1, {}, {"cell_type": "markdown", "metadata": 3}]) == []


# --- tables -------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_roster_is_read_in_any_usual_encoding_and_separator(encoding, separator):
    lines = ["Nachname", "Vorname", "Matrikelnummer"], ["Müller", "Zoë", "12"]
    content = "\r\n".join(separator.join(line) for line in lines).encode(encoding)
    (student,) = class_of(content).students
    assert (student.name, student.id) == ("Zoë Müller", "12")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "this is a workbook: save it as CSV"),
        (b"", "the file is empty"),
        (b"\x00\x01\x02", "this is no text"),
        (b"a,b\nx,y,z,w\n", "class.csv:2: 4 cells below 2 heads"),
        (b"Naam,Nummer\nAda,1\n", "class.csv:1: no column for names among Naam, Nummer: call one"),
        (b"name,ID\n,7\n", "class.csv:2: no name"),
        (b"name,ID\nAda,7\nBo,07\n", "class.csv:3: the ID 07 of Bo is that of Ada in line 2"),
        (b"name,late days\nAda,two\n", "class.csv:2: late must be a number of days, got two"),
        (b"name,ID\n", "it has no student"),
    ],
)
def test_a_table_that_cannot_be_used_gets_its_line_and_a_remedy(content, message):
    with pytest.raises(TableError) as error:
        class_of(content)
    assert message in str(error.value)


def test_no_cell_is_a_formula_and_text_comes_back_as_it_was():
    cells = ["=1+1", "+x", "-x", "@x", "'x", "-1", "a\n=b", 'say "x"']
    made = tables_.text(["name", *map(str, range(7))], [cells])
    (row,) = csv.reader(io.StringIO(made.partition("\n")[2]))
    assert [c[0] for c in row[:5]] == ["'"] * 5
    assert row[5] == "-1"
    (back,) = table(made).rows
    assert [back[head] for head in ["name", *map(str, range(7))]] == cells


@given(st.text(st.sampled_from("'=-+@＝;\n\t a1.")))
def test_text_that_is_kept_from_being_a_formula_comes_back(text):
    kept = tables_.escaped(text)
    assert tables_.unescaped(kept) == text
    assert kept == text or not re.search(r"(?m)(^|;)\s*[=@＝+-]", kept)


# --- the class ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "id_", "path", "found", "note"),
    [
        ("Ada Lovelace", "001", "x.ipynb", "001", ""),
        ("lovelace, ADA", "", "x.ipynb", "001", ""),
        ("", "1", "x.ipynb", "001", ""),  # a spreadsheet took the zeros away
        ("", "ada", "x.ipynb", "001", ""),  # the name of the account
        ("Bo Ek", "001", "x.ipynb", "001", "ID 001 is Ada Lovelace's, the name says Bo Ek"),
        ("Bo Ek", "999", "x.ipynb", "002", "taken for Bo Ek by name"),
        ("Zed", "999", "x.ipynb", None, "Zed 999 is not in the roster"),
        ("", "", "lovelaceada_12_34_week-01.ipynb", "001", "taken by the file's name"),
        ("", "", "Bo Ek_5_assignsubmission_file/a.ipynb", "002", "taken by the file's name"),
        ("", "", "week-01.ipynb", None, "no name in the notebook, and none of the roster"),
    ],
)
def test_work_is_told_by_id_name_and_file(name, id_, path, found, note):
    student, said = class_of().find(name, id_, path)
    assert (student and student.id) == found
    assert note in said
    assert bool(note) == bool(said)


def test_two_students_with_one_name_are_told_by_their_ids():
    twins = class_of("name,ID\nBo Ek,1\nBo Ek,2\nBo Ek,2\n")
    assert [s.id for s in twins.students] == ["1", "2"]
    assert twins.find("Bo Ek", "2", "")[0].id == "2"
    student, note = twins.find("Bo Ek", "", "")
    assert student is None
    assert "two are called Bo Ek (lines 2 and 3 of the roster): it needs an ID" in note
    assert any("class.csv:4: Bo Ek stands in line 3 already" in n for n in twins.notes)


def test_days_are_counted_from_the_end_of_the_due_day():
    for when, extension, days in (
        ("2027-02-08 23:59", "", 0), ("2027-02-09 00:01", "", 1), ("10.02.2027 12:00", "", 2),
        ("Wednesday, 10 February 2027, 12:00 PM", "1", 1), ("soon", "", 0),
    ):  # fmt: skip
        known = class_of(f'name,submitted,extension\nAda,"{when}",{extension}\n')
        assert late.days(known.students[0], ABOUT) == days
        assert any("soon is no time" in note for note in known.notes) == (when == "soon")


def test_late_days_cost_what_the_course_says():
    known = class_of("name,ID,late days\nAda,1,2\nBo,2,4\n")
    ada, bo = (
        results._charged(results.named(report(name), known)) for name in ("Ada", "Bo")
    )  # one day is free; after three nothing counts
    assert (ada.score, ada.deducted, ada.total) == (1, 0.1, 0.9)
    assert bo.total == 0
    assert "Late by 2 days: 0.1 points less" in pages.student(ada)


# --- marks --------------------------------------------------------------------------------------


def grade_again(place, reports):
    """What the command does with the marks of a class."""
    _, given = marks.read(place)
    applied = marks.apply(reports, given)
    marks.write(place, applied)
    return applied


def enter(place, separator=",", encoding="utf-8-sig", **cells):
    """Fill a row of the table in, as a teacher does; `of` is (student, exercise)."""
    student, exercise = cells.pop("of")
    rows = rows_of(place)
    (row,) = [r for r in rows if (r["student"], r["exercise"]) == (student, exercise)]
    row |= cells
    with place.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)


def test_a_mark_is_entered_read_back_and_kept(tmp_path):
    place, ada, bo = tmp_path / "marks.csv", report("Ada", "1"), report("Bo", "2", False)
    applied = grade_again(place, [ada, bo])
    assert [r["exercise"] for r in rows_of(place)] == ["linear-margin"] * 2 + ["ex-half"] * 2
    assert applied.reports[0].open == 2
    enter(place, of=("Ada", "ex-half"), mark="1,5", comment="Why?\n=good")
    enter(place, of=("Bo", "linear-margin"), mark="0.5", comment="right idea", encoding="cp1252")
    for _ in range(2):
        ada_, bo_ = grade_again(place, [ada, bo]).reports
        assert (ada_.score, ada_.open) == (2.5, 0)
        assert (ada_.marks[1].status, ada_.marks[1].comment) == ("marked", "Why?\n=good")
        assert (bo_.score, bo_.marks[0].checked, bo_.marks[0].status) == (0.5, 0, "failed")
        assert "The check gave 0." in pages.student(bo_)


def test_marks_outlive_renamed_files_lost_work_and_changed_answers(tmp_path):
    place, ada, bo = tmp_path / "marks.csv", report("Ada", "1"), report("Bo", "2")
    grade_again(place, [ada, bo])
    enter(place, of=("Ada", "ex-half"), mark="2")
    enter(place, of=("Bo", "ex-half"), mark="1", comment="half")
    again = report("Ada", "1", words="Another answer.", notebook="final (2).ipynb")
    applied = grade_again(place, [again])
    assert applied.reports[0].score == 3
    assert applied.reports[0].notes == (f"2 Half a gap: {marks.CHANGED}",)
    assert "no work of Bo for ex-half is here: kept, not used" in applied.notes[0]
    assert grade_again(place, [again, bo]).reports[1].score == 2
    assert grade_again(place, [again]).reports[0].notes  # until it is marked anew


def test_a_mark_does_not_go_to_another_student_or_twice(tmp_path):
    place, ada = tmp_path / "marks.csv", report("Ada", "1", notebook="1.ipynb")
    grade_again(place, [ada])
    enter(place, of=("Ada", "ex-half"), mark="2")
    for other in (report("Bo", "2", notebook="1.ipynb"), report("Bo", notebook="2.ipynb")):
        assert grade_again(place, [other]).reports[0].score == 1
    two = [ada, report("Ada", "1", words="Other.", notebook="2.ipynb")]
    assert [r.score for r in grade_again(place, two).reports] == [3, 1]
    assert [r.score for r in grade_again(place, two).reports] == [3, 1]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"mark": "3"}, ":3: the mark of Ada for ex-half is 3, above its 2 points: correct it"),
        ({"mark": "-1"}, ":3: the mark of Ada for ex-half is -1: it must be 0 or more"),
        ({"mark": "good"}, ":3: the mark of Ada for ex-half must be a number, got good"),
        ({"mark": "nan"}, "must be a number, got nan"),
        ({"of": ("Ada", "linear-margin"), "mark": "0"}, ":2: the mark of Ada for linear-margin "
         "replaces the check's: say why in comment"),
    ],
)  # fmt: skip
def test_a_wrong_mark_gets_its_line_and_nothing_is_written(cells, message, tmp_path):
    place = tmp_path / "marks.csv"
    grade_again(place, [report("Ada", "1")])
    enter(place, **{"of": ("Ada", "ex-half"), **cells})
    before = place.read_bytes()
    with pytest.raises(TableError) as error:
        grade_again(place, [report("Ada", "1")])
    assert message in str(error.value)
    assert place.read_bytes() == before


def test_marks_that_contradict_and_heads_that_changed_get_their_line(tmp_path):
    place = tmp_path / "marks.csv"
    head = "student,id,exercise,points,mark,comment"
    place.write_text(f"{head}\nAda,1,ex-half,2,1,\nAda,1,ex-half,2,2,\n")
    with pytest.raises(TableError, match=r":3: .* stands in line 2 too: keep one"):
        marks.read(place)
    place.write_text(head.replace("mark", "Note"))
    with pytest.raises(TableError, match=r":1: no column mark among .*give them back their names"):
        marks.read(place)


def test_a_mark_above_the_points_of_a_changed_problem_set_is_kept_and_not_used(tmp_path):
    place, ada = tmp_path / "marks.csv", report("Ada", "1")
    grade_again(place, [ada])
    enter(place, of=("Ada", "ex-half"), mark="2")
    less = replace(ada, marks=[ada.marks[0], replace(ada.marks[1], points=1.0)])
    applied = grade_again(place, [less])
    assert applied.reports[0].open == 1
    assert "the mark 2 is above the 1 points of ex-half: kept, not used" in applied.notes[0]
    assert rows_of(place)[1]["mark"] == "2"


def test_a_table_that_is_changed_meanwhile_is_left_as_it_is(tmp_path):
    grade_again(tmp_path / "marks.csv", [report("Ada", "1")])
    brought = results.read(tmp_path, None, None, None, "")
    enter(tmp_path / "marks.csv", of=("Ada", "ex-half"), mark="2")
    with pytest.raises(TableError, match="was changed while the notebooks were graded"):
        results.finish(["ada"], [report("Ada", "1")], brought, tmp_path)
    assert rows_of(tmp_path / "marks.csv")[1]["mark"] == "2"


# --- what goes out ------------------------------------------------------------------------------


def finish(tmp_path, content, reports, title=""):
    place = tmp_path / "class.csv"
    place.write_bytes(content.encode())
    brought = results.read(tmp_path, place, None, None, title)
    named = [results.named(one, brought.roster) for one in reports]
    stems = [one.notebook.replace("/", "-").removesuffix(".ipynb") for one in reports]
    return results.finish(stems, named, brought, tmp_path).notes


def test_canvas_gets_its_heads_its_ids_and_the_column_it_knows(tmp_path):
    export = (
        "Student,ID,SIS User ID,SIS Login ID,Section,Week 1 (4711),Current Score\n"
        '    Points Possible,,,,,3,\n"Lovelace, Ada",71,s1,ada,A,,\n"Ek, Bo",72,s2,bo,A,,\n'
        '"Student, Test",99,,x,A,,\n'
    )
    finish(tmp_path, export, [report("Ada Lovelace", words="")], "Week 1")
    lines = (tmp_path / "canvas.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines == [
        "Student,ID,SIS User ID,SIS Login ID,Section,Week 1 (4711)",
        "    Points Possible,,,,,3",
        '"Lovelace, Ada",71,s1,ada,A,1',
        '"Ek, Bo",72,s2,bo,A,',
    ]


WORKSHEET = (
    "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
    "Participant 501,Ada Lovelace,ada@a.org,Submitted for grading,,100.00,Yes,"
    '"Wednesday, 10 February 2027, 9:30 AM",-,\n'
    "Participant 502,Bo_Ek,bo@a.org,No submission,,100.00,Yes,-,-,\n"
)


def test_moodles_worksheet_is_filled_in_and_the_feedback_lies_in_its_folders(tmp_path):
    ada = report("Ada Lovelace", words="", notebook="a.ipynb")
    bo = report("Bo_Ek", words="", notebook="Bo Ek_502_assignsubmission_file_/a.ipynb")
    notes = finish(tmp_path, WORKSHEET, [ada, bo])
    first, second = rows_of(tmp_path / "moodle.csv")
    assert list(first) == WORKSHEET.partition("\n")[0].split(",")
    assert (first["Grade"], second["Grade"]) == ("0.9", "1")  # two days late, one is free
    assert "1 Distance to a line: 1 of 1" in first["Feedback comments"]
    assert any("class.csv:2: Moodle's maximum grade is 100.00" in note for note in notes)
    with zipfile.ZipFile(tmp_path / "moodle-feedback.zip") as file:
        assert file.namelist() == [
            "Ada Lovelace_501_assignsubmission_file_/feedback.html",
            "Bo Ek_502_assignsubmission_file_/feedback.html",
        ]
        assert "Late by 2 days" in file.read(file.namelist()[0]).decode()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_rows_of_a_worksheet_that_were_not_touched_come_back_byte_for_byte(
    end, separator, tmp_path
):
    lines = [
        'Identifier,"Full name","Email address",Status,Grade,"Maximum Grade",'
        '"Last modified (submission)","Feedback comments"',
        f'"Participant 1","Ada Lovelace", ada@a.org,Submitted,,3.00,-,"two{end}lines"',
        f'"Participant 2","Bo ""B"" Ek",bo@a.org,-,,3.00,-,"=no formula of ours{end}- two lines"',
        "Participant 3,Cy Ek,cy@a.org,+,,3.00,'-, ",
    ]
    content = end.join(line.replace(",", separator) for line in lines)  # no end of the last line
    finish(tmp_path, content, [report("Ada Lovelace", words="")])
    written = (tmp_path / "moodle.csv").read_bytes().removeprefix(b"\xef\xbb\xbf")
    given = (tmp_path / "class.csv").read_bytes()
    first, rest = (x.partition(b'"Participant 2"') for x in (written, given))
    assert first[2] == rest[2]
    assert written.startswith(lines[0].replace(",", separator).encode() + end.encode())
    (ada, *_) = tables_.read(tmp_path / "moodle.csv").rows
    assert (ada["Grade"], ada["Last modified (submission)"]) == ("1", "-")
    assert f"{separator}-{separator}".encode() in first[0]
    assert "1 Distance to a line: 1 of 1" in ada["Feedback comments"]


@pytest.mark.parametrize(
    ("notebook", "folder"),
    [
        ("all.zip/Ada Lovelace_501_assignsubmission_file_/a.ipynb", None),
        ("Ada Lovelace_501_assignsubmission_file/a.ipynb", None),
        ("Zoë d'Ek (2)_501_assignsubmission_file_/x/a.ipynb", "Zoë d'Ek (2)_501"),
        ("Ada Lovelace_501_assignsubmission_file_a.ipynb", "Ada Lovelace_501"),
    ],
)
def test_feedback_lies_in_the_folder_of_the_submission(notebook, folder, tmp_path):
    finish(tmp_path, CLASS, [report("Ada Lovelace", "001", notebook=notebook)])
    expected = f"{folder}_assignsubmission_file_" if folder else notebook.split("/")[-2]
    with zipfile.ZipFile(tmp_path / "moodle-feedback.zip") as file:
        assert file.namelist() == [f"{expected}/feedback.html"]


def test_words_that_nobody_has_marked_are_to_be_marked_in_the_comments(tmp_path):
    finish(tmp_path, CLASS, [report("Ada Lovelace")])
    assert rows_of(tmp_path / "moodle.csv")[0]["Feedback comments"] == (
        "1 Distance to a line: 1 of 1.\n2 Half a gap: to be marked."
    )


@pytest.mark.parametrize(
    ("content", "notebook", "noted"),
    [
        (CLASS, "ada.ipynb", True),
        (CLASS, "lovelaceada_12_34_week-01.ipynb", False),  # Canvas would say _LATE_
        ("name,ID,late days\nAda Lovelace,001,\n", "ada.ipynb", False),
        (None, "ada.ipynb", True),
    ],
)
def test_a_rule_for_late_days_that_has_nothing_to_go_by_is_noted(
    content, notebook, noted, tmp_path
):
    works = [report("Ada Lovelace", "001", notebook=notebook)]
    if content:
        notes = finish(tmp_path, content, works)
    else:
        brought = results.read(tmp_path, None, None, None, "")
        notes = results.finish(["ada"], works, brought, tmp_path).notes
    assert any("give the roster a column late days" in note for note in notes) == noted
    free = [replace(works[0], about={"title": "No rule"})]
    assert not any("late days" in note for note in finish(tmp_path, CLASS, free))


def test_nobody_gets_a_grade_while_something_is_to_be_marked(tmp_path):
    finish(tmp_path, CLASS, [report("Ada Lovelace")])
    assert rows_of(tmp_path / "canvas.csv")[1]["Shortcuts, week 1"] == ""
    (row, *_) = rows_of(tmp_path / "moodle.csv")
    assert list(row)[:3] == ["Full name", "ID number", "Email address"]
    assert not (tmp_path / "moodle-feedback.zip").exists()


def test_the_overview_says_who_is_missing_what_is_hard_and_what_is_twice(tmp_path):
    works = [
        report("Ada Lovelace", passed=False, words="", sha256="same"),
        report("Bo Ek", passed=False, words="", sha256="same"), report("Zed", words=""),
        report("Ada Lovelace", words="", notebook="again.ipynb"),
    ]  # fmt: skip
    notes = finish(tmp_path, CLASS, works)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "1 not handed in" in page
    assert "Cy Ek" in page
    assert "Not a distance." in page
    assert "The hardest exercise: <strong>2 Half a gap</strong>, 0% of its points" in page
    assert "Mean 0.5, median 0.5 of 3 points" in page
    assert "Zed is not in the roster: add a line" in page
    assert any("identical files: ada.ipynb, bo.ipynb" in note for note in notes)
    assert any("again.ipynb counts, for its points" in note for note in notes)
    assert (tmp_path / "grades.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_the_answers_in_words_stand_beside_rubric_and_key(tmp_path):
    page = pages.marking(
        [("ada", report("Ada"))], {"ex-half": "The words of the key."}, "marks.csv"
    )
    for part in (WORDS, "The words of the key.", "to be marked", "right at its core", "1.33"):
        assert part in page


def test_the_questions_of_an_exercise_are_told_apart_wherever_they_stand(submit, tmp_path):
    asked = [
        written(f"**{letter})** {question}\n\n*Your answer:*", letter, points=0.5)
        for letter, question in (("a", "What do you <i>expect</i>?"), ("b", "What did you see?"))
    ]
    asked[1]["metadata"]["gs"] = {"exercise": "ex-half", "part": 2}
    task = cell(STUB, "exercise-linear-margin", points=1)
    handed_out = submit(IMPORTS, *asked, task, name="set.ipynb")
    name = cell('NAME = "Ada Lovelace"\nSTUDENT_ID = "1"', "gs-student")
    mine = {**asked[0], "source": "**a)** Forged?\n\nA bend."}
    submit(name, mine, {**asked[1], "source": "None."}, task, name="in/ada.ipynb")
    submit(cell('NAME = "Bo Ek"', "gs-student"), mine, name="in/bo.ipynb")  # lacks the second
    (tmp_path / "class.csv").write_text(CLASS)
    out = tmp_path / "o"
    command = [str(tmp_path / "in"), "--assignment", str(handed_out), "--out", str(out)]
    command += ["--trust", "--roster", str(tmp_path / "class.csv")]
    out.mkdir()
    (out / "marks.csv").write_text(  # as an earlier version wrote it
        "student,id,exercise,title,kind,points,check,mark,comment,answer,notebook,digest\n"
        "Ada Lovelace,001,ex-half,1 Half a gap,words,0.5,,0.5,Good.,A bend.,ada.ipynb,\n"
        "Ada Lovelace,001,ex-half/2,1 Half a gap,words,0.5,,0.25,Why?,None.,ada.ipynb,\n"
        "Bo Ek,002,ex-half,1 Half a gap,words,0.5,,0.5,,A bend.,bo.ipynb,\n"
    )
    assert main(command) == 0
    rows = {(row["student"], row["title"]): row for row in rows_of(out / "marks.csv")}
    assert {title for _, title in rows} == {
        "1a Half a gap", "1b Half a gap", "2 Distance to a line",
    }  # fmt: skip
    found = [rows["Ada Lovelace", f"1{letter} Half a gap"] for letter in "ab"]
    assert [(row["mark"], row["comment"]) for row in found] == [("0.5", "Good."), ("0.25", "Why?")]
    for page, tag in (("marking", "h2"), ("ada", "h2"), ("index", "button[^>]*")):
        text = (out / f"{page}.html").read_text(encoding="utf-8")
        for letter in "ab":
            assert re.search(rf"<{tag}>1{letter} Half a gap", text), page
        if page != "index":
            first, last = text.index("What do you &lt;i&gt;expect"), text.index("What did you see?")
            assert first < text.index("A bend.") < last < text.rindex("None.")
            assert "Forged" not in text.partition("<h2>1b")[0].partition("<pre")[0]
        else:
            assert "The hardest exercise: <strong>2 Distance" in text
    (said, *_) = [row["Feedback comments"] for row in rows_of(out / "moodle.csv")]
    assert "1a Half a gap: 0.5 of 0.5. Good.\n1b Half a gap: 0.25 of 0.5. Why?" in said


def test_a_question_that_the_answer_key_alone_knows_stands_above_the_answers(tmp_path):
    key = tmp_path / "key.ipynb"
    key.write_text(json.dumps({"cells": [written("**a)** What bends?\n\nThe curves.")]}))
    brought = results.read(tmp_path, None, None, key, "")
    results.finish(["ada"], [report("Ada")], brought, tmp_path)
    assert "What bends?</p>" in (tmp_path / "marking.html").read_text(encoding="utf-8")


def test_a_students_page_has_title_number_hint_and_the_way_to_the_chapter():
    page = pages.student(report("Ada", "1", False))
    address = "https://example.org/shortcuts/book/01-clever-hans.html#ex-line"
    for part in ("1 Distance to a line", "Not a distance.", f'href="{address}"', "Shortcuts, week"):
        assert part in page
    odd = replace(report("Ada"), about={"site": 'javascript:alert("x")'})
    assert "javascript" not in pages.student(odd)


def test_a_class_from_notebooks_to_marks_and_back(submit, tmp_path, capsys):
    about = cell('NAME = ""\nSTUDENT_ID = ""', "gs-student")
    task = cell(STUB, "exercise-linear-margin", points=2)
    handed_out = submit(IMPORTS, about, task, written("*Your answer:*", points=3), name="set.ipynb")
    content = json.loads(handed_out.read_text())
    content["metadata"]["gs"] = ABOUT
    handed_out.write_text(json.dumps(content))
    name = cell('NAME = "Ada Lovelace"\nSTUDENT_ID = "1"', "gs-student")
    submit(IMPORTS, name, function(RIGHT), written("It bends."), name="in/week-01.ipynb")
    (tmp_path / "class.csv").write_text(CLASS)
    command = [str(tmp_path / "in"), "--assignment", str(handed_out), "--out", str(tmp_path / "o")]
    command += ["--trust", "--roster", str(tmp_path / "class.csv"), "--key", str(handed_out)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "2 of 5 so far, 3 to be marked" in said
    assert said.endswith(f"0 marks read from {tmp_path}/o/marks.csv, 1 left to mark\n")
    enter(tmp_path / "o" / "marks.csv", of=("Ada Lovelace", "ex-half"), mark="2", separator=";")
    late_days = "name,ID,late days\nAda Lovelace,001,2\nBo Ek,002,\n"
    (tmp_path / "class.csv").write_text(late_days)
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "week-01.ipynb: 3.6 of 5: linear-margin passed, ex-half marked" in said
    assert said.endswith(f"1 mark read from {tmp_path}/o/marks.csv, none left\n")
    (tmp_path / "class.csv").write_text(CLASS)
    assert main(command) == 0
    graded = json.loads((tmp_path / "o" / "week-01.json").read_text())
    assert (graded["score"], graded["student"]["id"]) == (4, "001")
    assert [m["number"] for m in graded["exercises"]] == ["1", "2"]
    assert rows_of(tmp_path / "o" / "canvas.csv")[1]["Shortcuts, week 1"] == "4"
    (tmp_path / "o" / "marks.csv").write_bytes(b"\xff\xfe\x00")
    assert main(command) == 2
    assert "this is no text" in capsys.readouterr().err


@pytest.mark.parametrize("packed", [False, True])
def test_a_courses_problem_set_is_not_graded_without_what_was_handed_out(
    packed, submit, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = submit(IMPORTS, function(RIGHT), name="in/ada.ipynb")
    fake = cell('about = {"gs": {"title": "no metadata"}}', gs={"exercise": "ex-half"})
    submit(IMPORTS, fake, function(RIGHT), name="in/a.ipynb")
    assert main(["in", "--trust", "--out", "free"]) == 0
    content = json.loads(path.read_text())
    content["metadata"]["gs"] = dict(reversed(ABOUT.items()))  # Jupyter sorts the keys
    path.write_text(json.dumps(content))
    if packed:
        with zipfile.ZipFile("in.zip", "w") as file:
            file.write(path, "ada.ipynb")
    capsys.readouterr()
    words = ["in.zip" if packed else "in", "--trust", "--out", "o"]
    for name in ("NAME", "week-01"):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert "ada.ipynb belongs to the problem set “Shortcuts, week 1”" in error
        assert error.endswith(f"add --assignment _build/course/problem-sets/{name}.ipynb\n")
        assert error.count("\n") == 1
        assert not (tmp_path / "o").exists()
        handed_out = submit(IMPORTS, name="_build/course/problem-sets/week-01.ipynb")
        handed_out.write_text(json.dumps(content))
    assert main([*words, "--assignment", str(handed_out)]) == 0
