"""A bet: read and refused, on the page, in a browser, in the notebook, the deck and the PDF."""

import io
import re

import pytest
from access import violations
from bs4 import BeautifulSoup
from conftest import ROOT, THEMES, WIDE, need_browser
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from tools import bets
from tools.notebooks.markdown import Chapter
from tools.notebooks.syntax import Facts, Site, SourceError
from tools.pdf.chapters import unfold

need_browser()
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.md")}
CHAPTERS = sorted(name for name in PAGES if name[0].isdigit())
QUESTION = "What does *it* do to $x$?"
ANSWERS = """\
- [ ] It falls.

  That would need a pull.
- [x] It rises
  and stays.

  Nothing holds $x$.
- [ ] It rests.

  It does not.
"""
CONTENT = f"{QUESTION}\n\n{ANSWERS}"
BET = f":::{{bet}} fig-dot\n{CONTENT}:::\n"
SLIDE = ":::{slide} A claim\n- a line\n:::\n"
FIGURE = "```{figure} dot.svg\n:name: fig-dot\n:alt: A dot\nA dot.\n```\n"
PAGE = f"# A chapter\n\nBefore.\n\n{BET}\n{FIGURE}\n{SLIDE}"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(?!tools)")


def built(folder, text, builder="html"):
    """Build a book of one page; the page, and the warnings."""
    (folder / "book").mkdir(exist_ok=True)
    (folder / "book/a.md").write_text(text, encoding="utf-8")
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    (folder / "book/dot.svg").write_text(svg, encoding="utf-8")
    theme = "sphinx_book_theme" if builder == "html" else "basic"
    settings = {
        "extensions": ["myst_parser", "tools.bets", "tools.slides"],
        "myst_enable_extensions": ["colon_fence", "dollarmath", "tasklist"],
        "source_suffix": {".md": "markdown"},
        "master_doc": "book/a",
        "numfig": True,
        "numfig_format": {"figure": "Figure %s"},
        "html_theme": theme,
        "html_theme_options": {"pygments_light_style": "default", "pygments_dark_style": "vim"},
        "html_static_path": [str(ROOT / "book/_static")],
        "html_css_files": ["book.css"],
        "html_js_files": ["book.js"],
        "mathjax_path": "none.js",
        "suppress_warnings": ["config.cache"],
    }
    out, warnings = folder / builder, io.StringIO()
    with patch_docutils(None), docutils_namespace():
        Sphinx(folder, None, out, folder / "trees", builder, settings, None, warnings, True).build()
    return out, warnings.getvalue()


# --- reading --------------------------------------------------------------------------------


def test_a_page_gives_its_bets():
    (bet,) = bets.bets(PAGE)
    assert (bet.figure, bet.question, bet.right) == ("fig-dot", QUESTION, 1)
    assert [a.text for a in bet.answers] == ["It falls.", "It rises and stays.", "It rests."]
    assert bet.answers[1].reason == "Nothing holds $x$."
    lines = PAGE.splitlines()
    for line, start in ((bet.line, "What"), (bet.answers[1].line, "- [x]")):
        assert lines[line].startswith(start)
    assert lines[bet.answers[1].reason_line].strip() == "Nothing holds $x$."


WRONG = [
    (ANSWERS, 0, "starts with its question"),
    (f"{QUESTION}\n\n" + ANSWERS.split("- [ ] It rests")[0], 0, "three answers, got 2"),
    (f"{CONTENT}- [ ] More\n\n  why\n", 0, "three answers, got 4"),
    (CONTENT.replace("[x]", "[ ]"), 0, "one answer of a bet is right, got 0"),
    (CONTENT.replace("[ ]", "[x]"), 0, "one answer of a bet is right, got 3"),
    (CONTENT.replace("  It does not.\n", ""), 9, "'It rests.' has no reason"),
    (f"{QUESTION}\n\nMore?\n\n{ANSWERS}", 0, "more than one paragraph"),
]


@pytest.mark.parametrize(("content", "line", "message"), WRONG)
def test_a_malformed_bet_is_refused_with_its_line_and_a_remedy(content, line, message):
    text = f"# A\n\n:::{{bet}} fig-dot\n{content}:::\n"
    with pytest.raises(bets.BetError, match=message) as error:
        bets.bets(text, "book/a.md")
    assert str(error.value).startswith(f"book/a.md:{4 + line}: ")
    assert any(remedy in str(error.value) for remedy in ("write", "mark it", "leave"))
    with pytest.raises(SourceError, match=rf"^book/a.md:{4 + line}: .*{message}"):
        notebook(text)


def test_the_build_names_the_line_of_a_bad_bet(tmp_path):
    long = BET.replace("It falls.", "word " * 60)
    _, warnings = built(tmp_path, PAGE.replace(BET, BET.replace("[x]", "[ ]")) + long)
    assert re.search(r"book/a\.md:5: .*mark it, alone, by '- \[x\]'", warnings)
    line = PAGE.count("\n") + 1
    assert f"book/a.md:{line}: WARNING: slide: the slide has 7" in warnings


# --- where it is shown ----------------------------------------------------------------------


def notebook(text):
    facts = Facts(inline={"{numref}`fig-dot`": "Figure 3"}, numbers={"figure": [("", "Figure 3")]})
    return Chapter("book/a.md", Site("https://p/", "https://f/", "book/a"), facts=facts).text(text)


def test_in_the_notebook_the_answers_are_folds():
    text = notebook(PAGE)
    assert f"**Your bet.** {QUESTION}" in text
    assert text.count("<details>") == text.count("</details>") == 3
    assert "<summary>B. It rises and stays.</summary>\n\n**Yes: Figure 3 bears it out.**" in text
    assert "**No, not by Figure 3.** That would need a pull." in text


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bets")
    out, warnings = built(folder, PAGE)
    assert warnings == ""
    return out


def soup(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_in_the_pdf_every_answer_is_open(site):
    page = soup(site / "book/a.html")
    unfold(page)
    assert page.select("details, summary") == []
    text = " ".join(page.select_one(".gs-bet").text.split())
    assert "B It rises and stays. Yes: Figure 1 bears it out. Nothing holds" in text


def test_the_deck_asks_and_its_notes_answer(site):
    _, bet, claim, _ = soup(site / "slides/a.html").select("section")
    assert bet.h2.text.startswith("What does it do to")
    assert [li.text.strip() for li in bet.select("li")] == [
        "It falls.", "It rises and stays.", "It rests."
    ]  # fmt: skip
    assert "Yes" not in bet.select_one(".slide").text
    notes = [p.text for p in bet.select("aside.notes p")]
    assert notes[0].startswith("A. No, not by Figure 1. That would")
    assert notes[1].startswith("B. Yes: Figure 1 bears it out.")
    assert claim.h2.text == "A claim"


@pytest.fixture
def page(site, browser):
    page = browser.new_page(viewport=WIDE, reduced_motion="reduce")
    page.goto((site / "book/a.html").as_uri())
    yield page
    page.close()


def opened(page):
    return page.eval_on_selector_all(".gs-answer", "all => all.map(a => a.open)")


def test_a_click_opens_the_answer_and_the_right_one(page):
    assert opened(page) == [False] * 3
    answers, said = page.locator(".gs-bet summary"), page.locator(".gs-bet [role=status]")
    answers.nth(2).click()
    assert opened(page) == [False, True, True]
    assert said.inner_text() == "You bet on C; the figure bears out B."
    answers.nth(1).click()  # a second thought changes no bet
    assert opened(page) == [False, False, True]
    assert said.inner_text() == "You bet on C; the figure bears out B."
    page.reload()
    assert opened(page) == [False] * 3  # nothing is stored


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_key_does_what_a_click_does(page, key):
    page.locator(".gs-bet summary").nth(1).focus()
    page.keyboard.press(key)
    assert opened(page) == [False, True, False]
    assert page.inner_text(".gs-bet-said") == "You bet on B, and the figure bears it out."


def test_a_screen_reader_hears_question_answers_and_outcome(page):
    seen = page.locator(".gs-bet").aria_snapshot()
    assert 'group "What does it do to' in seen
    page.locator(".gs-bet summary").first.click()
    assert "You bet on A; the figure bears out B." in page.locator(".gs-bet").aria_snapshot()


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_in_a_bet(page, theme):
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    page.evaluate("document.querySelectorAll('.math').forEach(e => e.remove())")
    page.locator(".gs-bet summary").first.click()
    assert [v for v in violations(page) if any("gs-" in place for place in v[2])] == []


def test_without_javascript_an_answer_opens(site, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "book/a.html").as_uri())
    page.locator(".gs-bet summary").nth(2).click()
    assert page.locator(".gs-answer").nth(2).locator("> p").is_visible()
    context.close()


def test_paper_shows_every_answer(page):
    page.emulate_media(media="print")
    heights = page.eval_on_selector_all(
        ".gs-answer > p", "all => all.map(p => p.getBoundingClientRect().height)"
    )
    assert len(heights) == 3
    assert min(heights) > 10


# --- the book's -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_a_bet_before_the_figure_that_decides_it(name):
    (bet,) = bets.bets(PAGES[name], name)
    lines = PAGES[name].splitlines()
    figure = next(n for n, line in enumerate(lines) if line.strip() == f"name: {bet.figure}")
    assert bet.line < figure
    assert f"`{bet.figure}`" not in "\n".join(lines[: bet.line])
    assert bet.question.endswith("?")


def test_the_right_answer_stands_in_each_place_somewhere():
    places = [bets.bets(PAGES[name])[0].right for name in CHAPTERS]
    assert min(places.count(place) for place in range(3)) >= 2
