"""A course of the book: what is wrong in course.yml is said, and its parts are made as it says."""

import ast
import dataclasses
import datetime
import os
import re

import hypothesis
import nbformat
import pytest
from conftest import ROOT, need_browser
from hypothesis import strategies as st
from markdown_it.renderer import RendererHTML
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from grading import late
from tools import book, gsbook
from tools.course import editions, elsewhere, given, pages, passages, sets, settings, sites, source
from tools.course.__main__ import main
from tools.course.settings import CourseError
from tools.course.tasks import quoted
from tools.notebooks.syntax import EXTENSIONS, SourceError

EXAMPLE = (ROOT / "course.yml").read_text(encoding="utf-8")
CHAPTERS = source.chapters(ROOT)
LABELS_OF = {chapter.name: {e.label for e in chapter.exercises} for chapter in CHAPTERS}
LABELS = set().union(*LABELS_OF.values())
PAGES = {c.name: (ROOT / "book" / f"{c.name}.md").read_text(encoding="utf-8") for c in CHAPTERS}
SMALL = """\
title: Shortcuts
term: Spring 2027
start: 2027-02-01
weeks:
  - week: 1
    chapters: [01-clever-hans]
    exercises: [ex-half, ex-line: 2]
    due: 2027-02-08
  - week: 3
    chapters: [07-colored-mnist]
    due: 2027-02-22
links:
  site: https://example.org/shortcuts/
"""


def read(text, today=datetime.date(2027, 1, 1)):
    return settings.read(text, "my.yml", CHAPTERS, today)


def changed(old, new):
    assert SMALL.count(old) == 1
    return SMALL.replace(old, new)


# --- course.yml ---------------------------------------------------------------------------------


def test_a_course_is_read_with_its_weeks_points_and_dates():
    course = read(SMALL)
    first, second = course.weeks
    assert [(e.label, points) for e, points in first.exercises] == [("ex-half", 1), ("ex-line", 2)]
    assert (first.begins, first.due) == (datetime.date(2027, 2, 1), datetime.date(2027, 2, 8))
    assert second.begins == datetime.date(2027, 2, 15)
    assert [e.label for e, _ in second.exercises] == [
        e.label for e in CHAPTERS[6].exercises
    ]  # all of its chapter
    assert [points for _, points in second.exercises] == [1, 1, 2, 2, 6]  # the last is open
    assert course.site == "https://example.org/shortcuts"
    assert set(course.hidden) == LABELS


def test_the_example_has_no_mistake_and_hides_all_but_one():
    course = settings.load(ROOT / "course.yml", CHAPTERS)
    assert LABELS - set(course.hidden) == {"ex-half"}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty: copy course.yml"),
        ("# only a comment\n", 1, "the file is empty"),
        ("Shortcuts", 1, "the file must be a list of keys"),
        (changed("term:", "trem:"), 2, "unknown key trem: did you mean term?"),
        (changed("term:", "trem:"), 1, "term is missing: add it, text such as"),
        (changed("    due: 2027-02-22", "    duo: 1"), 11, "unknown key duo: did you mean due?"),
        (
            changed("Spring 2027", "2027"),
            2,
            "term must be text such as Spring 2027, got the number",
        ),
        (changed("Spring 2027", ""), 2, "got nothing"),
        (changed("2027-02-01", "1.2.2027"), 3, "start must be a date as year-month-day"),
        (changed("2027-02-01", "2027-02-30"), 3, "start: 2027-02-30 is no day"),
        (changed("due: 2027-02-08", "due: 2027-01-08"), 8, "before week 1 begins (2027-02-01)"),
        (changed("    due: 2027-02-08\n", ""), 5, "due is missing: add a date"),
        (changed("[01-clever-hans]", "[01-clever-hnas]"), 6, "did you mean 01-clever-hans?"),
        (
            changed("[01-clever-hans]", "[1]"),
            6,
            "entry 1 of chapters must be the name of a chapter",
        ),
        (changed("[01-clever-hans]", "[1]"), 6, "number 1: did you mean 01-clever-hans?"),
        (changed("[07-colored-mnist]", "[7]"), 10, "number 7: did you mean 07-colored-mnist?"),
        (changed("[07-colored-mnist]", "['07']"), 10, "07: did you mean 07-colored-mnist?"),
        (changed("[07-colored-mnist]", "7"), 10, "number 7: did you mean 07-colored-mnist?"),
        (changed("[07-colored-mnist]", "[77]"), 10, "such as 01-clever-hans, got the number 77"),
        (SMALL + "chapters: [1, 7]\n", 14, "did you mean 01-clever-hans, 07-colored-mnist?"),
        (SMALL + "solutions: {hide: [7]}\n", 14, "did you mean 07-colored-mnist?"),
        (changed("ex-half", "ex-HALF"), 7, "unknown exercise ex-HALF: did you mean ex-half?"),
        (changed("ex-half", "EX-IRM"), 7, "unknown exercise EX-IRM: did you mean ex-irm?"),
        (
            changed("[01-clever-hans]", "[01-clever-hnas]").replace("ex-half", "zzz"),
            7,
            "unknown exercise zzz: they are listed in book/instructors.md",
        ),
        (SMALL + "Late: {free: 1}\n", 14, "unknown key Late: did you mean late?"),
        (SMALL + "teacher: Ada\n", 14, "unknown key teacher: did you mean about: instructor?"),
        (SMALL + "about: {Teacher: Ada}\n", 14, "unknown key Teacher: did you mean instructor?"),
        (SMALL + "email: a@b.org\n", 14, "unknown key email: did you mean about: contact?"),
        (SMALL + "release: all\n", 14, "unknown key release: did you mean solutions: release?"),
        (SMALL + "late: {percent: 10%}\n", 14, "got the text 10%: write 10"),
        (changed("due: 2027-02-08", "due: 2027-02-08 23:59"), 8, "no time: write 2027-02-08"),
        (changed("due: 2027-02-08", "due: 2027-02-08T23:59:00Z"), 8, "no time: write 2027-02-08"),
        (changed("[01-clever-hans]", "01-clever-hans"), 6, "chapters must be a list of chapters"),
        (changed("ex-half", "ex-hlaf"), 7, "unknown exercise ex-hlaf: did you mean ex-half?"),
        (changed("ex-half", "zzz"), 7, "unknown exercise zzz: expected one of ex-half, ex-line"),
        (changed("ex-line: 2", "ex-line: two"), 7, "or with its points such as ex-line: 2"),
        (changed("ex-half", "ex-line"), 7, "ex-line is assigned in line 7 already"),
        (changed("[ex-half, ex-line: 2]", "[]"), 8, "due without exercises"),
        (changed("week: 3", "week: 1"), 9, "week 1 stands in line 5 already"),
        (changed("week: 3", "week: 0"), 9, "week must be the week's number"),
        (changed("week: 1", "week: 4"), 9, "week 3 comes late: put the weeks in order"),
        (changed("week: 1", "week: one"), 5, "week must be the week's number"),
        (changed("https:", "ftp:"), 13, "site must be an address that starts with https:// and"),
        (changed("  site: https://example.org/shortcuts/", "  more: {}"), 13, "site is missing"),
        (SMALL + "  branch: main\n", 14, "branch without repository"),
        (SMALL + "  repository: https://gitlab.com/a/b\n", 14, "https://github.com/you/"),
        (SMALL + "title: Again\n", 14, "title stands in line 1 already: remove one"),
        (SMALL + "late: {percent: 110}\n", 14, "percent must be what each further day costs"),
        (SMALL + "late: 2\n", 14, "late must be the keys free, percent and days, got the number 2"),
        (SMALL + "nbgrader: maybe\n", 14, "nbgrader must be true or false"),
        (SMALL + "solutions: {hide: some}\n", 14, "hide must be all, none, or a list"),
        (SMALL + "solutions: {hide: [ex-hlaf]}\n", 14, "did you mean ex-half?"),
        (SMALL + "solutions: {release: later}\n", 14, "release must be the words after due, or"),
        (changed("title: Shortcuts", "title: A: B"), 1, "this is not YAML"),
        (
            changed("    due: 2027-02-08", "\tdue: 2027-02-08"),
            8,
            "indent with spaces, not with tabs",
        ),
        (changed("[ex-half,", "[ex-half"), 7, ""),
        # YAML 1.2: these are words
        (SMALL + "no: 1\n", 14, "unknown key no: expected one of title"),
        (SMALL + "yes: 1\n", 14, "unknown key yes: "),
        (SMALL + "on: 1\n", 14, "unknown key on: "),
        (SMALL + "off: 1\n", 14, "unknown key off: "),
        (changed("ex-half", "no: 2"), 7, "unknown exercise no"),
        (
            SMALL + "solutions: {hide: no}\n",
            14,
            "chapters and exercises, got the text no",
        ),
        (SMALL + "nbgrader: yes\n", 14, "nbgrader must be true or false"),
        (changed("ex-line: 2", "ex-line: 1:30"), 7, "or with its points such as ex-line: 2"),
        (changed("Shortcuts", "!!set {a}"), 1, "text, got something else"),
        ("term: A\n<<: {trem: B}\n", 1, "unknown key trem"),
        # and these are not
        (SMALL + "~: 1\n", 14, "the key ~ must be text: put it into quotes"),
        (SMALL + "null: 1\n", 14, "the key null must be text"),
        (SMALL + "1.50: 1\n", 14, "the key 1.50 must be text"),
        (SMALL + "010: 1\n", 14, "the key 010 must be text"),
        (SMALL + "true: 1\n", 14, "the key true must be text"),
        (changed("ex-half", "~: 2"), 7, "the key ~ must be text"),
        (SMALL + "  more: {2026: 'https://example.org'}\n", 14, "the key 2026 must be text"),
        (
            SMALL + "  more:\n    A: https://a.org\n    2026: https://b.org\n",
            16,
            "2026 must be text",
        ),
        (changed("week: 3", "week: 3.0"), 9, "week must be the week's number"),
        (changed("week: 3", "week: &w true"), 9, "week must be the week's number"),
        (changed("ex-line: 2", "ex-line: .nan"), 7, "or with its points such as ex-line: 2"),
        (changed("ex-line: 2", "ex-line: .inf"), 7, "or with its points such as ex-line: 2"),
        (changed("2027-02-01", "9999-12-30"), 3, "in the years 2000 to 2999, got the text 9999"),
        (changed("2027-02-01", "2027-02-01 10:00:00"), 3, "start must be a date"),
        (SMALL + "# \0\n", 14, "the control character '\\x00'): remove it"),
        (changed("Spring", "Spr\x07ing"), 2, "the control character '\\x07'): remove it"),
        (changed("Spring 2027", "!!int Spring"), 2, "this is not YAML"),
        (SMALL + "---\ntitle: Two\n", 14, "this is not YAML"),
        ("[" * 5000, 1, "this is not YAML"),
        (SMALL + "  repository: https://github.com/a/b.git\n", 14, "without .git"),
        (SMALL + "  repository: https://github.com/a/b/tree/main\n", 14, "repository must be"),
        (SMALL + "chapters: [01-clever-hnas]\n", 14, "did you mean 01-clever-hans?"),
        (SMALL + "chapters: [01-clever-hans]\n", 14, "07-colored-mnist is left out, but week 3"),
        (SMALL + "chapters: some\n", 14, "chapters must be the word all, or a list of chapters"),
        (SMALL + "slides: maybe\n", 14, "slides must be true or false"),
        (SMALL + "about: {contakt: a@b.org}\n", 14, "unknown key contakt: did you mean contact?"),
        (SMALL + "about: {late: 3}\n", 14, "late must be what else happens to late work, as text"),
        (SMALL + "about: Ada\n", 14, "about must be the keys instructor, contact, hours"),
        (SMALL + "  book: the book\n", 14, "book must be an address that starts"),
        ("a: &a [*a]", 1, ""),
        ("- &a\n  b: *a\n", 1, "an alias (*) within what it names: write out what is meant"),
        ("? [a, b]\n: c", 1, "the key here must be text"),
        ("? {a: b}\n: c", 1, "the key here must be text"),
        ("%YAML 9.9\n---\n" + SMALL, 1, "this is not YAML"),
        (changed("Spring 2027", "!!bool maybe"), 2, "this is not YAML (an odd tag): write it as"),
        (changed("Spring 2027", "!!float x"), 2, "this is not YAML"),
        (changed("Spring 2027", "'  '"), 2, "term must be text such as Spring 2027, got nothing"),
        (
            changed("Spring 2027", '"\\e[31m"'),
            2,
            r"\x1b[31m has the control character '\x1b'",
        ),
        (changed("Spring 2027", '"\\u202e"'), 2, r"has the control character '\u202e': remove it"),
        (changed("Spring 2027", '"\\ud800"'), 2, r"has the control character '\ud800': remove it"),
        (SMALL + '"a\\0": 1\n', 14, r"the key a\x00 has the control character '\x00': remove it"),
        (SMALL + '"a\\nb": 1\n', 14, "unknown key a b: expected one of"),
        (changed("week: 3", f"week: {10**400}"), 9, "got the number of more than 80 digits"),
        (changed("week: 3", "week: " + "1" * 5000), 9, "this is not YAML (Exceeds the limit"),
        (changed("07-colored-mnist", "x" * 999), 10, "unknown chapter " + "x" * 80 + "…: expected"),
        (changed("2027-02-01", "2٠27-02-01"), 3, "start must be a date"),
        (changed("shortcuts/", "shortcuts?a=1"), 13, "site must be the address at which you will"),
        (changed("https://example.org/", "https://[::1"), 13, "site must be an address"),
        (changed("https://example.org/", "https://a:x/"), 13, "site must be an address"),
        (SMALL + "  more: {A: 'https://a.org/|'}\n", 14, "A must be an address"),
        (SMALL + "  more: {'': https://a.org}\n", 14, "more must be addresses by words"),
        (SMALL + "  repository: https://github.com/ü/b\n", 14, "repository must be"),
        (SMALL + "  repository: https://github.com/a/..\n", 14, "repository must be"),
        (SMALL + "  package: 'a\"; b'\n", 14, "package must be what pip installs"),
        (SMALL + "  package: --pre a\n", 14, "package must be what pip installs"),
        (SMALL + "  branch: a..b\n", 14, "branch must be the repository's branch"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_a_remedy(text, line, message):
    with pytest.raises(CourseError) as error:
        read(text)
    assert any(
        found.startswith(f"my.yml:{line}: ") and message in found
        for found in str(error.value).splitlines()
    ), str(error.value)


def test_words_of_yaml_1_1_and_anchors_are_what_they_look_like():
    text = changed("Spring 2027", "no").replace("week: 3", "week: &three 3")
    course = read(text + "  more: {'2026': https://a.org, yes: https://b.org}\nnbgrader: &n true\n")
    assert course.term == "no"
    assert course.more == {"2026": "https://a.org", "yes": "https://b.org"}
    assert course.weeks[1].number == 3
    assert course.nbgrader


def test_students_get_the_chapters_of_the_weeks_or_those_that_are_named():
    assert read(SMALL).chapters == ("01-clever-hans", "07-colored-mnist")
    named = read(SMALL + "chapters: [07-colored-mnist, 02-ntk-linearization, 01-clever-hans]\n")
    assert named.chapters == ("01-clever-hans", "02-ntk-linearization", "07-colored-mnist")
    assert read(SMALL + "chapters: all\n").chapters == tuple(PAGES)
    elsewhere_due = changed("exercises: [ex-half", "exercises: [ex-rate, ex-half")
    assert "05-spectral-decoupling" in read(elsewhere_due).chapters  # what is due can be read


ADDRESSES = ["https://a.org/B_(c)?d=1#e", "http://a.org:8000", "https://ü.org/%20"]


def test_addresses_and_text_come_through_as_they_are():
    more = dict(zip("abc", ADDRESSES, strict=True))
    course = read(changed("title: Shortcuts", "title: >\n  Short\n  cuts") + f"  more: {more}\n")
    assert (course.title, course.more) == ("Short cuts", more)
    assert f"- [a](<{ADDRESSES[0]}>)" in pages.home(course)


ODD = ["&copy;", "{{ a }}", "{doc}`a`", "$a$", "![a](b)", "<b>", "a  \n# b", "\\&lt;", "[](a)"]
MYST = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    st.text("ab1 &;:#*_`~^$|\\<>[](){}!@%=+-.\"'/\n", max_size=12) | st.sampled_from(ODD)
)
def test_markdown_reads_nothing_in_what_a_teacher_writes(text):
    (_, inline, _) = MYST.parse(f"# x {pages.plain(text)} x")
    assert {token.type for token in inline.children} == {"text"}
    assert "".join(t.content for t in inline.children) == f"x {' '.join(text.split())} x"


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "course.yml")
    for path in (tmp_path, tmp_path / "course.yml", tmp_path / "nowhere.yml"):
        with pytest.raises(CourseError, match="there is no such file"):
            settings.load(path, CHAPTERS)


def test_keys_that_stand_twice_do_not_hide_other_mistakes():
    with pytest.raises(CourseError) as error:
        read(changed("term:", "trem:") + "title: Again\n")
    assert re.findall(r"^my.yml:(\d+)", str(error.value), re.MULTILINE) == ["1", "2", "14"]


def test_all_mistakes_are_reported_at_once_in_their_order():
    text = SMALL.replace("ex-half", "ex-hlaf").replace("[07-colored-mnist]", "[7-color]")
    with pytest.raises(CourseError) as error:
        read(text)
    assert re.findall(r"^my.yml:(\d+)", str(error.value), re.MULTILINE) == ["7", "10"]


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("{hide: none}", LABELS),
        ("{release: after due}", {"ex-half", "ex-line"}),
        (
            "{hide: all, release: [ex-half, 02-ntk-linearization]}",
            {"ex-half"} | LABELS_OF["02-ntk-linearization"],
        ),
        (
            "{hide: [01-clever-hans], release: [ex-half]}",
            {"ex-half"} | (LABELS - LABELS_OF["01-clever-hans"]),
        ),
    ],
)
def test_solutions_are_hidden_and_released_as_the_file_says(rule, shown):
    course = read(SMALL + f"solutions: {rule}\n", datetime.date(2027, 2, 9))
    assert set(course.hidden) == LABELS - shown


def test_nothing_is_released_on_the_day_it_is_due():
    text = SMALL + "solutions: {release: after due}\n"
    assert set(read(text, datetime.date(2027, 2, 8)).hidden) == LABELS


def test_a_missing_file_and_one_that_is_no_text_get_one_line_and_status_1(tmp_path, capsys):
    (tmp_path / "my.yml").write_bytes(b"\xff\xfe\x00")
    for name, message in (
        ("nowhere.yml", "there is no such file"),
        ("my.yml", "not text in UTF-8"),
    ):
        assert main([str(tmp_path / name), "--out", str(tmp_path / "out")]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_not_written_to(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(book, "STAMP", tmp_path / "course.yml")
    (tmp_path / "course.yml").write_text(EXAMPLE, encoding="utf-8")
    assert main([str(tmp_path / "course.yml"), "--out", str(tmp_path)]) == 1
    assert "has other files: name a folder that is new or empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["course.yml"]


@pytest.mark.parametrize(("package", "unpublished"), [("", 1), ("gsutils==1", 0)])
def test_a_commit_that_nobody_can_install_is_said_and_the_course_is_made(
    package, unpublished, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(book, "STAMP", tmp_path / "my.yml")
    monkeypatch.setattr("tools.course.__main__.address.is_unpublished", lambda root: True)
    monkeypatch.setattr(editions, "make", lambda course, out: None)
    text = SMALL + f"  package: {package}\n" * bool(package)
    (tmp_path / "my.yml").write_text(text, encoding="utf-8")
    assert main([str(tmp_path / "my.yml"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    line = "This commit is on no remote yet: push it before you hand the sets out.\n"
    assert said.count(line) == unpublished


# --- the sources --------------------------------------------------------------------------------


def code(text):
    cells = read_myst_markdown_notebook(text).cells
    return [(c.source, c.metadata) for c in cells if c.cell_type == "code"]


@pytest.mark.parametrize("name", PAGES)
def test_an_edition_changes_neither_cells_nor_exercises(name):
    stripped, opened = source.for_students(PAGES[name], LABELS), source.opened(PAGES[name])
    assert code(stripped) == code(opened) == code(PAGES[name])
    exercises = source.chapter(name, PAGES[name]).exercises
    assert source.chapter(name, stripped).exercises == exercises
    assert "{solution}" not in stripped
    assert "{slide}" not in stripped
    assert opened.count("{solution}") == len(exercises)
    assert not re.search(r"\{solution\}[^\n]*\n:class: dropdown", opened)


def test_only_hidden_solutions_are_taken_out():
    stripped = source.for_students(PAGES["01-clever-hans"], LABELS - {"ex-half"})
    assert re.findall(r"\{solution\} (\S+)", stripped) == ["ex-half"]


def test_a_solution_inside_a_block_is_refused_with_its_line():
    text = "# A\n\n::::{tip}\n:::{solution} ex-a\nOne.\n:::\n::::\n"
    assert source.for_students(text, {"ex-b"}) == text
    with pytest.raises(SourceError, match=r"a\.md:4: :::\{solution\} ex-a inside a block"):
        source.for_students(text, {"ex-a"}, "a.md")


def test_an_edition_uses_the_executed_cells_of_the_book(tmp_path):
    tmp_path /= "student"
    editions._copy(ROOT, tmp_path, lambda text, name: source.for_students(text, LABELS, name))
    for name in ("01-clever-hans", "07-colored-mnist"):
        text = (tmp_path / "book" / f"{name}.md").read_text(encoding="utf-8")
        assert text != PAGES[name]
        assert gsbook.chapter_digest(tmp_path, text) == gsbook.chapter_digest(ROOT, PAGES[name])


def test_sources_that_are_kept_follow_an_edition_and_what_is_alike_keeps_its_time(tmp_path):
    edition, kept = tmp_path / "student", tmp_path / "kept"
    for folder in (edition, kept):
        (folder / "book").mkdir(parents=True)
        (folder / "book/same.md").write_text("same", encoding="utf-8")
        (folder / "book/other.md").write_text(folder.name, encoding="utf-8")
        (folder / "_build").mkdir()
        (folder / "_build/x").write_text(folder.name, encoding="utf-8")
        os.utime(folder / "book/same.md", (1, 1))
    (kept / "book/gone.md").touch()
    (edition / "new").mkdir()
    (edition / "new/page.md").write_text("new", encoding="utf-8")
    sites._follow(edition, kept)
    found = {path.relative_to(kept).as_posix(): path for path in kept.rglob("*.*")}
    assert {*found} == {"book/same.md", "book/other.md", "new/page.md"}
    assert found["book/same.md"].stat().st_mtime == 1
    assert found["book/other.md"].read_text(encoding="utf-8") == "student"
    assert (kept / "_build/x").read_text(encoding="utf-8") == "kept"


LEFT = {f"book/{name}" for name in PAGES}
SAID = elsewhere.References(
    {
        label: (f"book/{name}", f"No. {number}")
        for name, text in PAGES.items()
        for number, label in enumerate(re.findall(r"^ *:?(?:name|label): (\S+)", text, re.M))
    }
)


@pytest.mark.parametrize("name", PAGES)
def test_what_leads_to_other_chapters_becomes_text_and_no_cell_changes(name):
    text = SAID.rewritten(PAGES[name], LEFT - {f"book/{name}"})
    assert code(text) == code(PAGES[name])  # so nothing is executed again
    assert not {f"book/{page}" for page in re.findall(r"\]\(([\w-]+)\.md", text)} & LEFT
    linked = SAID.rewritten(PAGES[name], LEFT - {f"book/{name}"}, "https://example.org/book")
    assert linked.count("](https://example.org/book/book/") > 0 or linked == PAGES[name]


def test_the_first_page_keeps_what_is_about_pages_that_stay():
    text = (ROOT / "book" / "intro.md").read_text(encoding="utf-8")
    gone = {f"book/{name}" for name in [*PAGES, "instructors", "ledger", "errata"]}
    kept = elsewhere.landing(text, gone - {"book/07-colored-mnist"}, "07-colored-mnist")
    assert re.findall(r"^\| (\d+) \[", kept, re.M) == ["7"]
    assert re.findall(r"^:link: (\S+)$", kept, re.M) == ["07-colored-mnist", "running"]
    assert not re.search("grader|instructors|ledger|errata", kept)
    assert elsewhere.landing(text, set(), "01-clever-hans") == text


def test_code_that_solves_an_exercise_is_found_whatever_its_names():
    text = (
        ":::{solution} ex-a\n```python\ndef f(x, y):\n    return np.dot(x, y) / len(y)\n```\n:::\n"
    )
    assert source.answers(text) == {
        "ex-a": "def f(x, y):\n    return np.dot(x, y) / len(y)\n",
    }
    cell = "```{code-cell} ipython3\n%matplotlib inline\nmean = np.dot(a, b) / len(b)\n```\n"
    found = given.solutions([text], ["ex-a", "ex-b"])
    assert given.away({"page": cell}, found) == [("ex-a", "page")]
    assert given.away({"page": cell.replace("len", "sum")}, found) == []


def test_no_page_of_the_book_solves_an_exercise_by_a_line_of_its_code():
    labels = {exercise.label for chapter in source.chapters(ROOT) for exercise in chapter.exercises}
    texts = {path.stem: path.read_text("utf-8") for path in (ROOT / "book").glob("*.md")}
    solutions = given.solutions(texts.values(), labels)
    shown = {name: source.for_students(text, labels) for name, text in texts.items()}
    assert len(solutions) > 40
    assert given.away(shown, solutions) == []


@pytest.mark.parametrize("name", PAGES)
def test_no_exercise_names_code_of_its_page_that_a_problem_set_does_not_have(name):
    nodes = [*ast.walk(ast.parse(source.code(PAGES[name])))]
    functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
    values = [node for node in nodes if isinstance(node, ast.Name)]
    of_page = {*functions} | {node.id for node in values if isinstance(node.ctx, ast.Store)}
    for exercise in source.chapter(name, PAGES[name]).exercises:
        own = functions.get(exercise.check.replace("-", "_"))
        arguments = {arg.arg for arg in own.args.args} if own else set()
        raw = source.statement(PAGES[name], exercise.label)
        words = {word for word in quoted(raw.text) if word.isidentifier() and word[1:]}
        beside = {word for word in words if any(word in cell for cell in raw.cells)}
        assert not (words & of_page) - arguments - beside, exercise.label


def test_spectral_decoupling_is_printed_with_what_its_symbols_mean():
    printed = passages._cut(PAGES["05-spectral-decoupling"], "eq-sd-loss", lead=True)
    for symbol in (r"\theta", r"\Phi_0", r"\hat y"):
        assert f"${symbol}$" in printed
    assert "Eq. 17" not in passages._cut(PAGES["01-clever-hans"], "eq-sd-two-moons", lead=True)


# --- problem sets -------------------------------------------------------------------------------

TASKS = {
    "ex-half": sets.Task(
        *("Clever Hans", "https://a/1.html", "Exercise 1.1", "★ Half", "Does it bend?"),
        stub="",
        code="",
        words="It bends.",
        setup=[],
        questions=["Why?", "What did you see?"],
    ),
    "ex-line": sets.Task(
        *("Clever Hans", "https://a/1.html", "Exercise 1.2", "★ Line", "Write it, see (1.1)."),
        passages={"eq-a": "$$ x \\tag{1.1} $$"},
        objects=["from gsutils import dual", "lam = 2"],
        cells=["print(lam)"],
        stub="def linear_margin(w, b, X, y):\n    ...\n\n\nchecks.linear_margin(linear_margin)",
        code="def linear_margin(w, b, X, y):\n    return (y * (X @ w + b)).min() / np.hypot(*w)",
        words="",
        setup=["import numpy as np", "from gsutils import checks"],
    ),
}


def made(course, key=False):
    return nbformat.reads(sets.notebook(course, course.weeks[0], TASKS, key), 4)


def test_a_problem_set_has_its_date_its_exercises_and_what_they_need():
    cells = made(read(SMALL)).cells
    text = "\n".join(cell.source for cell in cells)
    assert "Problem set, week 1" in cells[0].source
    assert "Due **Monday, 8 February 2027**. 3 points: 2 points for code" in cells[0].source
    assert "CC BY 4.0" in cells[0].source
    assert "Hand in this notebook as `shortcuts-week-01.ipynb`" in cells[0].source
    (name,) = [cell for cell in cells if cell.metadata.get("tags") == ["gs-student"]]
    filled: dict[str, str] = {}
    exec(name.source, filled)
    assert [filled[key] for key in ("NAME", "STUDENT_ID", "WORKED_WITH")] == ["", "", ""]
    assert cells[3].source == "import numpy as np\nfrom gsutils import checks"
    order = ["### Problem 1. ★ Half", "Exercise 1.1", "*Your answer:*", "### Problem 2. ★ Line"]
    order += ["see (1.1)", r"\tag{1.1}", "from gsutils import dual\nlam = 2", "def linear_margin"]
    order += ["print(lam)"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    (stub,) = [c for c in cells if c.metadata.get("tags") == ["exercise-linear-margin"]]
    assert (stub.source, stub.metadata.points) == (TASKS["ex-line"].stub, 2)
    assert "It bends" not in text
    assert "hypot" not in text
    answers = "\n".join(cell.source for cell in made(read(SMALL), key=True).cells)
    assert "It bends" in answers
    assert "hypot" in answers


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("free: 1, percent: 10, days: 3", "The first late day costs nothing, each further one 10%"),
        ("free: 2.5, percent: 5", "The first 2.5 late days cost nothing, each further one 5%"),
        ("percent: 5, days: 1", "Each late day costs 5% of the points reached. After 1 late day a"),
        ("days: 2", "Late days cost nothing. After 2 late days a problem set counts nothing."),
        ("free: 2", "Late days cost nothing."),
        ("days: 0, percent: 5", "A problem set that is late counts nothing."),
    ],
)
def test_students_read_what_late_days_cost_and_then_what_their_teacher_adds(rule, said):
    text = SMALL + f"late: {{{rule}}}\n"
    for added in ("", "One late day costs *all*."):
        course = read(text + f"about: {{late: '{added}'}}\n" * bool(added))
        whole = pages.late(course)
        assert whole.startswith(said)
        assert whole.endswith(added)
        for shown in (made(course).cells[0].source, pages.about(course)):
            assert f"**Late work**: {pages.plain(whole)}" in shown.replace("work.**", "work**:")
    for none in (SMALL, SMALL + "late: {}\n", SMALL + "late: {percent: 0}\n"):
        assert "late" not in made(read(none)).cells[0].source.lower()
        assert "Late" not in pages.about(read(none))


@pytest.mark.parametrize("rule", [{}, {"percent": 10}, {"free": 1, "percent": 10, "days": 3}])
def test_what_students_read_of_late_days_is_what_the_grader_counts(rule):
    said, counts = pages._rule(**rule), late.Rule(**rule)
    assert (f"{counts.percent:g}%" in said) == (counts.cost(counts.free + 1, 100) > 0)
    assert counts.cost(counts.free + 1, 100) == counts.percent
    if counts.days is not None:
        assert f"After {counts.days} late days a problem set counts nothing" in said
        assert counts.cost(counts.days + 1, 100) == 100


def test_each_question_in_words_has_a_cell_of_its_own_with_its_points():
    words = [c for c in made(read(SMALL)).cells if c.metadata.get("tags") == ["gs-words"]]
    assert [cell.metadata.gs for cell in words] == [
        {"exercise": "ex-half", "part": 1},
        {"exercise": "ex-half", "part": 2},
    ]
    assert [cell.metadata.points for cell in words] == [0.5, 0.5]
    assert [cell.source.partition("\n")[0] for cell in words] == [
        "**a)** Why?",
        "**b)** What did you see?",
    ]


def test_what_two_problems_refer_to_is_printed_once():
    passages = {"eq-a": TASKS["ex-line"].passages["eq-a"]}
    both = {**TASKS, "ex-half": dataclasses.replace(TASKS["ex-half"], passages=passages)}
    course = read(SMALL)
    assert sets.notebook(course, course.weeks[0], both).count(r"\\tag{1.1}") == 1


@pytest.mark.parametrize(
    ("points", "stub", "questions", "expected"),
    [(1, "", 1, [1]), (2, "x", 0, [2]), (2, "x", 1, [1, 1]), (1, "x", 2, [0.5, 0.25, 0.25]),
     (1, "", 3, [0.5, 0.25, 0.25]), (0, "", 2, [0, 0]), (0.3, "", 2, [0.15, 0.15])],
)  # fmt: skip
def test_the_points_of_an_exercise_are_shared_by_its_parts(points, stub, questions, expected):
    task = dataclasses.replace(TASKS["ex-half"], stub=stub, questions=["?"] * questions)
    shares = sets.shared(points, task)
    assert shares == expected
    assert sum(shares) == pytest.approx(points)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Shortcuts", "shortcuts-week-03"),
        ("Übungen: Warum? (WS 26/27)", "ubungen-warum-ws-26-27-week-03"),
        ("捷徑", "week-03"),
        ("a" * 60, "a" * 40 + "-week-03"),
        ("Eleven " * 9, "eleven-eleven-eleven-eleven-eleven-week-03"),
    ],
)  # fmt: skip
def test_a_file_s_name_has_the_course_and_the_week(title, name):
    text = changed("title: Shortcuts", f"title: '{title}'")
    assert read(text).weeks[1].name == name


def test_for_nbgrader_each_answer_has_its_cell_its_points_and_a_locked_test():
    cells = made(read(SMALL + "nbgrader: true\n")).cells
    found = {c.metadata.nbgrader["grade_id"]: c for c in cells if "nbgrader" in c.metadata}
    assert set(found) == {"ex-half", "ex-half-2", "linear-margin", "linear-margin-test"}
    kinds = {
        n: (c.metadata.nbgrader["grade"], c.metadata.nbgrader["solution"]) for n, c in found.items()
    }
    assert kinds == {
        "ex-half": (True, True),  # graded by hand
        "ex-half-2": (True, True),
        "linear-margin": (False, True),
        "linear-margin-test": (True, False),
    }
    test = found["linear-margin-test"]
    assert test.metadata.nbgrader["points"] == 2
    assert test.metadata.nbgrader["locked"]
    assert test.source == "assert checks.linear_margin(linear_margin).passed"


def test_what_a_teacher_writes_is_text_on_the_page_about_the_course():
    told = (
        "about: {instructor: 'A *da*', contact: a@b.org, late: 'no {doc}', syllabus: 'One <b>'}\n"
    )
    page = pages.about(read(SMALL + told), (ROOT / "book/instructors.md").read_text("utf-8"))
    for shown in (r"A \*da\*", "a@b.org", r"no \{doc\}", r"One \<b\>", "## Syllabus"):
        assert shown in page
    goals = re.findall(r"^### (\d+) ", page, re.MULTILINE)
    assert goals == ["1", "7"]
    assert {"ex-half", "ex-paint"} <= set(re.findall(r"<(ex-[\w-]+)>", page))
    assert "## Accessibility" in page
    assert "## Privacy" in page
    assert "In class, read a figure aloud" not in page  # that is for teachers
    assert "](book/running.md)" in page
    bare = pages.about(read(SMALL))
    assert "Instructor" not in bare
    assert "## " not in bare


def test_what_a_teacher_writes_is_text_on_the_home_page():
    course = read(SMALL.replace("Shortcuts", "'Bias | *and* {doc}`x` <b>'"))
    assert r"**Bias \| \*and\* \{doc\}\`x\` \<b\>**" in made(course).cells[0].source
    assert r"# Bias \| \*and\* \{doc\}\`x\` \<b\>" in pages.home(course)
    assert "<h1>Bias | *and* {doc}`x` &lt;b&gt;" in pages.key(course)


@pytest.mark.parametrize("width", [320, 390])
def test_the_answer_keys_page_is_no_wider_than_a_phone(width, request):
    need_browser()
    page = request.getfixturevalue("browser").new_page(viewport={"width": width, "height": 800})
    title = "Why networks take shortcuts and what to do about it"
    page.set_content(pages.key(read(changed("title: Shortcuts", f"title: {title}"))))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    heights = page.evaluate("[...document.querySelectorAll('td')].map(e => e.clientHeight)")
    assert max(heights) < 260  # a name breaks, and not into letters
    page.close()
