"""The decks in a browser: small files that need nothing else, and slides that can be read."""

import re

import pytest
from access import WCAG, violations
from conftest import HTML, PHONE, ROOT, need_pages

from gsutils.page.plots import STYLE
from tools import slides

need_pages()
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("[0-9]*.md"))
DECKS = sorted((HTML / slides.FOLDER).glob("*.html"))
STAGE = {"width": 1280, "height": 720}
LIMIT = 1_600_000  # bytes of a deck
LETTERS = 24  # pixels of a stage of 1280 x 720


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
    page.wait_for_function("window.Reveal?.isReady()")
    page.evaluate("Promise.all([...document.images].map(image => image.decode()))")


# For each slide in turn: what reaches beyond it, and the smallest height of its picture.
MEASURE = """
() => Array.from({length: Reveal.getTotalSlides()}, (_, at) => {
  Reveal.slide(at);
  const slide = Reveal.getCurrentSlide().querySelector(".slide");
  const edge = slide.getBoundingClientRect();
  const out = [...slide.querySelectorAll("h1, h2, p, li, pre, img, svg, table")]
    .filter(e => !e.closest("mjx-assistive-mml, .notes"))
    .filter(e => { const r = e.getBoundingClientRect(); return r.left < edge.left - 1
      || r.right > edge.right + 1 || r.top < edge.top - 1 || r.bottom > edge.bottom + 1; })
    .map(e => e.outerHTML.slice(0, 80));
  const picture = slide.querySelector("img");
  const shown = picture?.getBoundingClientRect();
  return {at, out, height: shown ? shown.height : null, seen: slide.innerText,
          scale: shown ? shown.width / picture.naturalWidth : null};
})
"""


def test_every_chapter_has_a_deck_that_its_page_links_to():
    assert [path.stem for path in DECKS] == CHAPTERS
    for path in DECKS:
        page = HTML / "book" / path.name
        assert f'href="../slides/{path.name}"' in page.read_text(encoding="utf-8")
        back = re.search(r'<h1>.*?href="(.*?)"', path.read_text(encoding="utf-8"), re.DOTALL)
        assert (path.parent / back[1]).resolve() == page.resolve()


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


def test_the_labels_of_figures_can_be_read_from_a_last_row(opened):
    drawn = STYLE["font.size"] * STYLE["savefig.dpi"] / 72  # pixels of a figure's file
    scales = [s["scale"] for s in opened.evaluate(MEASURE) if s["scale"] is not None]
    assert scales
    assert min(drawn * scale for scale in scales) >= LETTERS


def test_pictures_are_decoded_and_described(opened):
    images = opened.eval_on_selector_all(
        "img", "all => all.map(i => [i.alt.length > 20, i.naturalWidth > 100, i.src.slice(0, 5)])"
    )
    assert images
    assert all(image == [True, True, "data:"] for image in images)


def test_formulas_are_drawn_and_can_be_read_aloud(opened):
    formulas = opened.eval_on_selector_all(
        ".slides .math",
        """all => all.map(f => [!!f.querySelector("svg path"), !!f.querySelector("math"),
          !f.querySelector("merror, [data-mjx-error], [mathcolor]")])""",
    )
    assert formulas
    assert all(formula == [True, True, True] for formula in formulas)


def test_a_formula_that_cannot_be_set_would_be_found(one):
    shown = one.evaluate(r"MathJax.tex2svg('\\nonsense').innerHTML + MathJax.tex2mml('\\frac')")
    assert 'mathcolor="red"' in shown
    assert "<merror" in shown


@pytest.mark.parametrize(
    ("scheme", "rules"),
    [
        ("light", WCAG | {"values": [*WCAG["values"], "best-practice"]}),
        ("dark", {"type": "rule", "values": ["color-contrast"]}),
    ],
)
def test_axe_finds_nothing_on_any_slide(opened, scheme, rules):
    opened.emulate_media(color_scheme=scheme)
    show(opened, "?view=print")  # every slide at once
    opened.wait_for_selector(".pdf-page")
    found = violations(opened, rules)
    opened.emulate_media(color_scheme="light")
    show(opened)
    assert found == []


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
                  slide.scrollHeight <= edge.height, !picture || picture.height >= 240,
                  !slide.querySelector(".math:not(:has(svg path))")];
        })""",
    )
    opened.emulate_media(media="screen", color_scheme="light")
    show(opened)
    assert pages == [["rgb(255, 255, 255)", True, True, True, True]] * count


@pytest.fixture(scope="module")
def one(browser):
    """The first deck, as a lecturer has it."""
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
