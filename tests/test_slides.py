"""The slides: marks that show nothing on the page, and decks that need only a browser."""

import base64
import io
import json
import re

import pytest
from bs4 import BeautifulSoup
from conftest import BROWSERS, HTML, ROOT, browser_path, missing
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from tools import slides
from tools.notebook_markdown import EXTENSIONS, Chapter, Directive, Facts, Site
from tools.slides.formulas import Formulas

SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.md")}
CHAPTERS = sorted(name for name in SOURCES if name[0].isdigit())
DECKS = sorted((HTML / slides.FOLDER).glob("*.html"))
STAGE, PHONE = {"width": 1280, "height": 720}, {"width": 390, "height": 844}
LIMIT = 1_500_000  # bytes of a deck
MD = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)

PAGE = r"""# A chapter

$$
\operatorname{diag}(x) = \frac12
$$ (eq-half)

```{figure} dot.png
:name: fig-dot
:alt: A red dot
A dot.
```

"""
MARK = """:::{slide} A claim with $x^2$
:figure: fig-dot
:equation: eq-half
- One line, see {eq}`eq-half`

Notes: What is said, *loud*.
:::

Text below.
"""
SETTINGS = {
    "extensions": ["myst_parser", "tools.slides"],
    "myst_enable_extensions": ["colon_fence", "dollarmath"],
    "master_doc": "book/a",
    "project": "A book",
    "html_theme_options": {"pygments_light_style": "default", "pygments_dark_style": "monokai"},
    "suppress_warnings": ["config.cache"],
}


# --- marks ----------------------------------------------------------------------------------


@pytest.fixture
def build(tmp_path):
    """Function that builds a book of one page; returns the output folder and the warnings."""

    def build(text, builder="html"):
        folder = tmp_path / "book"
        folder.mkdir(exist_ok=True)
        (folder / "a.md").write_text(text, encoding="utf-8")
        Image.new("RGB", (300, 100), "red").save(folder / "dot.png")
        warnings, out = io.StringIO(), tmp_path / builder
        settings = {**SETTINGS, "html_theme": "basic"}
        if builder == "html":
            settings["html_theme"] = "sphinx_book_theme"
        with patch_docutils(None), docutils_namespace():
            Sphinx(
                tmp_path, None, out, tmp_path / "doctrees", builder, settings, None, warnings, True
            ).build()
        return out, warnings.getvalue()

    return build


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(?!tools)")


def test_a_mark_becomes_a_slide_with_its_figure_equation_and_notes(build):
    out, warnings = build(PAGE + MARK)
    assert warnings == ""
    soup = BeautifulSoup((out / "slides/a.html").read_text(encoding="utf-8"), "html.parser")
    first, slide, last = soup.select("section")
    assert first.h1.text == last.h2.text == "A chapter"
    assert first.a["href"] == "../book/a.html"
    assert "A claim with" in slide.h2.text
    assert slide.h2.math is not None
    assert slide.img["alt"] == "A red dot"
    picture = base64.b64decode(slide.img["src"].removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(picture)).size == (300, 100)
    assert slide.select_one(".equation mfrac") is not None
    assert slide.select_one(".equation .number").text == "(1)"
    assert slide.li.a["href"] == "../book/a.html#equation-eq-half"
    assert slide.select_one("aside.notes").text.strip() == "What is said, loud."


@pytest.mark.parametrize("builder", ["html", "text", "latex"])
def test_a_mark_shows_nothing_in_the_book(build, builder):
    out, warnings = build(PAGE + MARK, builder)
    assert warnings == ""
    written = [p for p in out.rglob("*") if p.suffix in (".html", ".txt", ".tex", ".js")]
    written = [p for p in written if p.parent.name not in (slides.FOLDER, "_sources")]
    text = "".join(path.read_text(encoding="utf-8") for path in written)
    assert "Text below" in text
    for hidden in ("A claim", "One line", "What is said"):
        assert hidden not in text
    assert (out / slides.FOLDER).exists() == (builder == "html")
    if builder == "html":
        assert "claim" not in (out / "searchindex.js").read_text(encoding="utf-8")
        page = BeautifulSoup((out / "book/a.html").read_text(encoding="utf-8"), "html.parser")
        assert page.select_one('a[href="../slides/a.html"]') is not None


def test_a_page_without_marks_has_no_slides(build):
    out, _ = build(PAGE)
    assert not (out / slides.FOLDER).exists()
    assert "slides/a.html" not in (out / "book/a.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (":::{slide} A\n:figure: fig-no\n:::", "no figure 'fig-no'; it has fig-dot"),
        (":::{slide} A\n:equation: eq-no\n:::", "no equation 'eq-no'; it has eq-half"),
        (":::{slide} A\n:::", "shows nothing: give it a line"),
        (":::{slide} A\n\nNotes: b\n:::", "shows nothing: give it a line"),
        (":::{slide} A\n- b\nNotes: c\n:::", "'Notes:' would be shown"),
        (f":::{{slide}} A\n{'b ' * 60}\n:::", "has 61 words, expected at most 60"),
        (":::{slide} A\n$\\nonsense$\n:::", "MathJax cannot set '\\\\nonsense'"),
        (":::{slide}\n- b\n:::", "1 argument(s) required"),
        (":::{slide} A\n:picture: fig-dot\n:::", "unknown option"),
    ],
)
def test_a_mark_that_cannot_be_a_slide_is_a_warning_that_names_the_line(build, mark, message):
    _, warnings = build(PAGE + mark)
    line = PAGE.count("\n") + 1
    assert re.search(
        rf"a\.md:{line}: (WARNING|ERROR): .*{re.escape(message)}", warnings, re.IGNORECASE
    )


def test_a_notebook_holds_no_mark():
    chapter = Chapter("book/a.md", Site("https://p/", "https://f/", "book/a"), facts=Facts())
    assert chapter.text("Above.\n\n" + MARK).split() == ["Above.", "Text", "below."]


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_8_to_14_slides_from_its_question_to_one_for_the_class(name):
    marks = [
        Directive.read(token.info, token.content, 0)
        for token in MD.parse(SOURCES[name])
        if token.type == "colon_fence" and token.info.startswith("{slide}")
    ]
    assert 8 <= len(marks) <= 14
    assert marks[0].argument.endswith("?")
    assert "?" in marks[-1].argument + marks[-1].body


# --- formulas -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def formulas():
    with Formulas() as formulas:
        yield formulas


def formulas_of(markdown):
    """The formulas of a passage, and whether they are displayed."""
    for token in MD.parse(markdown):
        if token.type in ("math_block", "math_block_label", "amsmath"):
            yield token.content, True
        elif token.type == "colon_fence":
            yield from formulas_of(token.content)
        for child in token.children or []:
            if child.type == "math_inline":
                yield child.content, False


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_formula_of_the_book_can_be_set(formulas, name):
    for tex, display in set(formulas_of(SOURCES[name])):
        html = formulas.html(tex, display)
        assert "<path" in html or "<use" in html
        assert "merror" not in html


def test_a_formula_in_the_text_and_one_on_its_own_differ(formulas):
    assert 'class="formula"' in formulas.html("x")
    assert 'class="formula display"' in formulas.html("x", display=True)


def test_pictures_of_formulas_have_names_of_their_own(formulas):
    pattern = re.compile(r'(?<= id=")[^"]+')
    first, second = (set(pattern.findall(formulas.html("x^2"))) for _ in range(2))
    assert first
    assert not first & second


# --- decks, in a browser --------------------------------------------------------------------


@pytest.fixture(scope="module", params=DECKS, ids=lambda path: path.stem)
def opened(request, browser):
    """A deck, opened as a file, with what it asked for and complained about."""
    page = browser.new_page(viewport=STAGE, color_scheme="light", reduced_motion="reduce")
    page.file, page.asked, page.complaints = request.param, [], []
    page.on("request", lambda r: page.asked.append(r.url))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda m: page.complaints.append(m.text))
    show(page)
    yield page
    page.close()


def show(page, query=""):
    """Open the deck of a page and wait until it is ready."""
    page.goto(page.file.as_uri() + query)
    page.wait_for_function("Reveal.isReady()")
    page.evaluate("Promise.all([...document.images].map(image => image.decode()))")


# For each slide in turn: what reaches beyond it, and the smallest height of its picture.
MEASURE = """
() => Array.from({length: Reveal.getTotalSlides()}, (_, at) => {
  Reveal.slide(at);
  const slide = Reveal.getCurrentSlide().querySelector(".slide");
  const edge = slide.getBoundingClientRect();
  const out = [...slide.querySelectorAll("h1, h2, p, li, pre, img, svg, table")]
    .filter(e => !e.closest(".unseen, .notes"))
    .filter(e => { const r = e.getBoundingClientRect(); return r.left < edge.left - 1
      || r.right > edge.right + 1 || r.top < edge.top - 1 || r.bottom > edge.bottom + 1; })
    .map(e => e.outerHTML.slice(0, 80));
  const picture = slide.querySelector("img");
  return {at, out, height: picture ? picture.getBoundingClientRect().height : null,
          seen: slide.innerText};
})
"""


def test_every_chapter_has_a_deck_that_its_page_links_to():
    if not HTML.exists():
        missing("the book is not built: run `make book`")
    assert [path.stem for path in DECKS] == CHAPTERS
    for path in DECKS:
        page = HTML / "book" / path.name
        assert f'href="../slides/{path.name}"' in page.read_text(encoding="utf-8")
        back = re.search(r'<h1>.*?href="(.*?)"', path.read_text(encoding="utf-8"), re.DOTALL)
        assert (path.parent / back[1]).resolve() == page.resolve()


def test_a_browser_is_at_hand():
    if browser_path() is None:
        missing(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")


def test_a_deck_is_one_small_file_that_asks_for_nothing(opened):
    assert opened.file.stat().st_size <= LIMIT
    asked = [url for url in opened.asked if not url.startswith(("data:", "blob:"))]
    assert asked == [opened.file.as_uri()]
    assert opened.complaints == []


@pytest.mark.parametrize(
    ("screen", "least"), [(STAGE, 240), (PHONE, 60)], ids=["projector", "phone"]
)
def test_every_slide_fits_its_stage(opened, screen, least):
    opened.set_viewport_size(screen)
    opened.wait_for_timeout(100)
    found = opened.evaluate(MEASURE)
    opened.set_viewport_size(STAGE)
    assert len(found) >= 10
    assert [(slide["at"], slide["out"]) for slide in found if slide["out"]] == []
    assert [s["at"] for s in found if s["height"] is not None and s["height"] < least] == []
    left_over = re.compile(r"\{\w+|\$|\\[a-z]|None|nan\b")
    assert [s["at"] for s in found if left_over.search(s["seen"])] == []


def test_pictures_are_decoded_and_described(opened):
    images = opened.eval_on_selector_all(
        "img", "all => all.map(i => [i.alt.length > 20, i.naturalWidth > 100, i.src.slice(0, 5)])"
    )
    assert images
    assert all(image == [True, True, "data:"] for image in images)


def test_formulas_are_drawn_and_can_be_read_aloud(opened):
    formulas = opened.eval_on_selector_all(
        ".slides .formula",
        "all => all.map(f => [!!f.querySelector('svg'), !!f.querySelector('math')])",
    )
    assert all(formula == [True, True] for formula in formulas)


TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.mark.parametrize(
    ("scheme", "only"),
    [
        ("light", {"type": "tag", "values": TAGS}),
        ("dark", {"type": "rule", "values": ["color-contrast"]}),
    ],
)
def test_axe_finds_nothing_on_any_slide(opened, scheme, only):
    from axe_playwright_python.sync_playwright import Axe

    opened.emulate_media(color_scheme=scheme)
    show(opened, "?view=print")  # every slide at once
    opened.wait_for_selector(".pdf-page")
    options = {"resultTypes": ["violations"], "runOnly": only}
    violations = Axe().run(opened, options=options).response["violations"]
    opened.emulate_media(color_scheme="light")
    show(opened)
    assert violations == [], json.dumps(
        [[v["id"], v["help"], [n["html"][:200] for n in v["nodes"][:5]]] for v in violations]
    )


def test_every_slide_has_a_white_page_on_paper(opened):
    count = opened.evaluate("Reveal.getTotalSlides()")
    opened.emulate_media(color_scheme="dark")
    show(opened, "?view=print")
    opened.wait_for_selector(".pdf-page")
    opened.emulate_media(media="print", color_scheme="dark")
    pages = opened.eval_on_selector_all(
        ".pdf-page",
        """all => all.map(page => {
          const edge = page.getBoundingClientRect(), slide = page.querySelector(".slide");
          const title = slide.querySelector("h1, h2").getBoundingClientRect();
          const picture = slide.querySelector("img");
          return [getComputedStyle(page).backgroundColor, title.left > edge.left + 20,
                  slide.scrollHeight <= edge.height, !picture || picture.height >= 240];
        })""",
    )
    opened.emulate_media(media="screen", color_scheme="light")
    show(opened)
    assert pages == [["rgb(255, 255, 255)", True, True, True]] * count


@pytest.fixture(scope="module")
def one(browser):
    """The first deck, as a lecturer has it."""
    if not DECKS:
        missing("the book is not built: run `make book`")
    page = browser.new_page(viewport=STAGE, color_scheme="dark")
    page.file = DECKS[0]
    show(page)
    yield page
    page.close()


def test_keys_lead_through_the_deck(one):
    one.keyboard.press("ArrowRight")
    assert one.evaluate("Reveal.getIndices().h") == 1
    one.wait_for_function("location.hash === '#/1'")  # reveal.js writes it a moment later
    one.keyboard.press("o")
    assert one.evaluate("Reveal.isOverview()")
    one.keyboard.press("Escape")
    one.keyboard.press("Home")
    assert one.evaluate("Reveal.getIndices().h") == 0
    assert one.locator(".slide-number").inner_text().split() == [
        "1",
        "/",
        str(one.locator(".slides > section").count()),
    ]


def test_notes_stand_in_the_speakers_window_and_not_on_the_slide(one):
    one.keyboard.press("ArrowRight")
    notes = one.locator("section.present aside.notes")
    assert not notes.is_visible()
    said = notes.text_content().strip()
    with one.expect_popup() as opening:
        one.keyboard.press("s")
    window = opening.value
    window.wait_for_selector(".speaker-controls-notes:not(.hidden)")
    assert said[:40] in window.inner_text(".speaker-controls-notes")
    window.close()


def test_the_theme_follows_the_system(one):
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = one.evaluate(ground)
    one.emulate_media(color_scheme="light")
    assert one.evaluate(ground) == "rgb(255, 255, 255)" != dark
    one.emulate_media(color_scheme="dark")
