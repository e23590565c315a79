"""A page made ready for print: what is opened, what is gone, where its links lead."""

from datetime import datetime
from unittest.mock import MagicMock

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT

from tools.pdf import __main__ as command
from tools.pdf import chapters, front, press
from tools.pdf.chapters import Part, parts, read

NAMES = {"01-one", "02-two"}
BODY = """
<h1><span class="gs-chapter">Chapter 1 </span>One<a class="headerlink" href="#one">#</a></h1>
<p id="x">See <a href="02-two.html#y" title="far">there</a>, <a href="#x">here</a>,
<a href="02-two.html">two</a>, <a href="https://a.org/b.html">far</a> and
<a href="../slides/01-one.html">slides</a>. <a class="sd-btn" href="02-two.html">Press me</a></p>
<section id="s"><h2>A section</h2><section id="t"><h3>Below</h3></section></section>
<details class="admonition hide above-input"><summary>Show</summary><pre>hidden = 1</pre></details>
<details class="hide above-output"><summary><p>Seeds</p></summary><pre>out</pre></details>
<div class="gs-play"><noscript><img src="../_static/a.png" alt="A tool"><p>Switch on</p></noscript>
</div><button>Copy</button>"""


@pytest.fixture
def site(tmp_path):
    """The folder of a small site; the function in it writes a page and reads it as a chapter."""
    (tmp_path / "book").mkdir()
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a.png").write_bytes(b"")

    def chapter(body=BODY, opening=False):
        page = tmp_path / "book" / "01-one.html"
        page.write_text(f'<nav>no</nav><article class="bd-article">{body}</article>')
        return read(page, NAMES, opening)

    return chapter


def links(chapter):
    return [a["href"] for a in BeautifulSoup(chapter.html, "html.parser").select("a")]


def test_links_lead_into_the_book_or_to_other_sites_and_nowhere_else(site):
    assert links(site()) == ["#02-two--y", "#01-one--x", "#02-two", "https://a.org/b.html"]
    assert "slides" in site().html


def test_ids_are_those_of_the_chapter(site):
    soup = BeautifulSoup(site().html, "html.parser")
    assert [tag["id"] for tag in soup.select("[id]")] == [
        "01-one", "01-one--x", "01-one--s", "01-one--t"
    ]  # fmt: skip


def test_links_to_a_section_lead_to_its_heading_wherever_the_page_breaks(site):
    body = '<h1>A</h1><section id="s"><span id="label"></span><h2>B</h2><p>C</p></section>'
    html = site(body).html
    assert '<section><h3 id="01-one--s"><span id="01-one--label"></span>B</h3>' in html


def test_title_number_and_sections_are_read(site):
    chapter = site()
    assert (chapter.name, chapter.title, chapter.number) == ("01-one", "One", "1")
    assert chapter.sections == [("01-one--s", "A section")]


def test_folded_code_is_left_out_and_counted_and_other_folds_are_open(site):
    chapter = site()
    assert chapter.folded == 1
    assert "hidden" not in chapter.html
    assert "details" not in chapter.html
    assert "<p>Seeds</p><pre>out</pre>" in chapter.html


@pytest.mark.parametrize("text", ["Press me", "Copy", "Show", ">#<", "Switch on", "<nav>"])
def test_what_only_a_screen_can_do_is_gone(site, text):
    assert text not in site().html


def test_a_tool_is_its_picture_and_a_sentence(site):
    figure = BeautifulSoup(site().html, "html.parser").figure
    assert figure.img["alt"] == "A tool"
    assert figure.img["src"].startswith("file://")
    assert figure.get_text(strip=True) == chapters.STILL


def test_titles_of_parts_stand_above_chapters_but_not_above_the_opening(site):
    assert "<h2" in site().html
    assert "<h1" not in site().html
    assert "<h1" in site(opening=True).html


def test_a_missing_page_or_picture_is_an_error_that_says_what_to_build(site, tmp_path):
    with pytest.raises(FileNotFoundError, match="make book"):
        read(tmp_path / "book" / "none.html", NAMES, False)
    with pytest.raises(FileNotFoundError, match=r"b\.png is missing.*make book"):
        site('<h1>One</h1><img src="b.png" alt="b">')
    with pytest.raises(ValueError, match="not a page of the book"):
        site("<p>no title</p>")


def test_the_parts_are_those_of_the_table_of_contents():
    opening, first, *others = parts(ROOT / "_toc.yml")
    assert opening == Part("", ["intro"])
    assert first.names[-1] == "01-clever-hans"
    assert all(part.title and part.names for part in [first, *others])


def test_a_running_head_cannot_end_its_rule():
    chapter = chapters.Chapter("a", 'Of "x"', "", False, [], 0, "")
    assert r'content: "Of \"x\"";' in front.running_heads([chapter])


def test_the_date_is_that_of_the_environment_before_that_of_the_commit(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert front.edition(ROOT).date.isoformat() == "1970-01-02T00:00:00+00:00"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    state = front.identity.provenance(ROOT)
    if state.date:
        assert front.edition(ROOT).date == datetime.fromisoformat(state.date)


def test_without_a_browser_the_message_says_how_to_get_one(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    words = r"no browser: .*apt-get install chromium.*playwright install"
    with pytest.raises(FileNotFoundError, match=words), press.browser():
        pass


def test_a_browser_that_is_too_old_is_named_and_closed(monkeypatch):
    start = MagicMock()
    browser = start().__enter__().chromium.launch()
    browser.version = f"{press.OLDEST - 1}.0"
    monkeypatch.setattr("playwright.sync_api.sync_playwright", start)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    words = rf"/bin/chromium is version {press.OLDEST - 1}, {press.OLDEST} is needed: install"
    with pytest.raises(FileNotFoundError, match=words), press.browser():
        pass
    browser.close.assert_called_once()


def test_make_pdf_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "BUILD", tmp_path)
    monkeypatch.setattr(command, "PDF", tmp_path / "a.pdf")
    (tmp_path / "a.pdf").write_bytes(b"old")
    assert command.main() == 1
    assert "run `make book`" in capsys.readouterr().err
    assert not (tmp_path / "a.pdf").exists(), "no old PDF stands for a new one"
