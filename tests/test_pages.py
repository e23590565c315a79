"""The built pages on a desktop: nothing missing, broken or from elsewhere, all by keyboard."""

import re

import pytest
from access import CLOSE, OPEN, clipped, tab_through, violations, violations_in_all
from conftest import ROOT, THEMES, need_pages

need_pages()
TITLED = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.md"))


def contrast(colour, ground):
    """Contrast ratio of two CSS colours as WCAG 2 defines it, 1 to 21."""

    def luminance(css):
        channels = [float(v) / 255 for v in re.findall(r"[\d.]+", css)[:3]]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(colour), luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


# --- a page as it loads ---------------------------------------------------------------------


def test_a_page_loads_without_complaint(page):
    assert page.complaints == []
    assert page.failures == []


def test_a_page_asks_no_other_host(page, site):
    assert [url for url in page.requests if not url.startswith((site, "data:", "blob:"))] == []


def test_little_moves_while_a_page_loads(page):
    assert sum(value for value, _ in page.shifts) < 0.1, page.shifts


def test_little_is_waited_for_before_a_page_is_drawn(page):
    waited = page.evaluate(
        "performance.getEntriesByType('resource')"
        ".filter(e => e.renderBlockingStatus === 'blocking')"
        ".map(e => [e.name.split('/').pop(), e.decodedBodySize])"
    )
    assert waited
    styles = sum(size for name, size in waited if ".css" in name)
    scripts = sum(size for name, size in waited if ".css" not in name)
    assert styles < 500_000, waited
    assert scripts < 60_000, waited


# --- tables ---------------------------------------------------------------------------------

WIDER_THAN_ITS_COLUMN = """() => [...document.querySelectorAll("article table")]
  .filter(table => table.checkVisibility() && table.parentElement.clientWidth
    && table.getBoundingClientRect().width > table.parentElement.clientWidth + 1)
  .map(table => table.innerText.slice(0, 80))"""


def test_every_table_fits_its_column(page):
    page.evaluate(OPEN)
    assert page.evaluate(WIDER_THAN_ITS_COLUMN) == []
    page.evaluate(CLOSE)


# --- mathematics ----------------------------------------------------------------------------

RAW = """() => {
  const found = [];
  const skip = "pre, code, mjx-container, script, style, noscript, textarea, .sphinx_highlight";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); )
    if (/[$]|\\\\[()[\\]a-zA-Z]/.test(node.data) && !node.parentElement.closest(skip))
      found.push(node.data.trim().slice(0, 80));
  return found;
}"""


def test_mathematics_is_typeset(page):
    assert page.evaluate(RAW) == []
    sources = page.locator("article .math").count()
    assert page.locator("article .math mjx-container").count() >= sources
    assert page.locator("mjx-merror, [data-mjx-error], mjx-container [mathcolor=red]").count() == 0
    assert page.locator("mjx-container:not(:has(mjx-assistive-mml))").count() == 0


def test_a_formula_in_a_sentence_has_no_bar_to_scroll(page):
    bars = page.eval_on_selector_all(
        "article span.math, article span.math mjx-container",
        "all => all.filter(e => getComputedStyle(e).overflowX === 'auto'"
        " && e.scrollWidth > e.clientWidth).map(e => e.innerText)",
    )
    assert bars == []


# --- figures --------------------------------------------------------------------------------


def test_figures_are_there_and_crisp(page):
    images = page.eval_on_selector_all(
        "article img",
        "all => Promise.all(all.map(i => i.decode().then(() => 1, () => 0).then(ok =>"
        " [i.currentSrc, ok, i.naturalWidth, i.clientWidth])))",
    )
    for source, decoded, pixels, width in images:
        assert decoded, source
        assert pixels > 0, source
        assert source.endswith(".svg") or pixels >= 1.5 * width, (source, pixels, width)


def test_figures_stand_on_white_in_the_dark(page, themed):
    themed("dark")
    grounds = page.eval_on_selector_all(
        "article .cell_output img, article figure img",
        "all => all.map(i => [getComputedStyle(i).backgroundColor, getComputedStyle(i).filter])",
    )
    assert all(ground == ["rgb(255, 255, 255)", "none"] for ground in grounds)


def test_a_folded_cell_says_what_it_holds(page):
    said = page.locator("article details.hide.above-input > summary > p").all_inner_texts()
    words = {"Imports", "Imports and plot", "Plot", "Table", ""}
    titles = set(re.findall(r"^:title: (.*)$", TITLED, re.MULTILINE))
    assert {text.strip() for text in said} <= words | {title.strip("'") for title in titles}


def test_no_cell_printed_a_warning(page):
    assert page.locator("article .output.stderr, article .output.traceback").count() == 0


# --- themes, boxes, motion ------------------------------------------------------------------


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_in_both_themes(page, themed, theme):
    themed(theme)
    colour, ground = page.evaluate(
        "() => [getComputedStyle(document.querySelector('article p:not(.admonition-title)')).color,"
        "       getComputedStyle(document.body).backgroundColor]"
    )
    assert contrast(colour, ground) >= 7
    assert (contrast(ground, "rgb(255,255,255)") < 1.2) == (theme == "light")


def test_the_theme_follows_the_system(browser, site):
    for scheme in THEMES:
        page = browser.new_page(color_scheme=scheme)
        page.goto(site)  # the root leads to the first page, too
        page.wait_for_url("**/book/*.html")
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        page.close()


def test_nothing_moves_for_a_reader_who_asks_for_less_motion(page):
    moving = page.evaluate(
        """() => [...document.querySelectorAll("body *:not(mjx-container *, pre *)")]
          .filter(e => ["", "::before", "::after"].some(part => {
            const s = getComputedStyle(e, part || null);
            return s.animationName !== "none" || /[1-9]/.test(s.transitionDuration)
              || s.scrollBehavior === "smooth";
          })).map(e => e.outerHTML.slice(0, 100))"""
    )
    assert moving == []
    assert page.evaluate("document.getAnimations().length") == 0


def test_collapsed_boxes_open_and_close(page):
    boxes = page.locator("article .admonition.toggle")
    assert boxes.count() == page.locator("article .admonition.dropdown").count()
    for place in range(min(boxes.count(), 2)):
        box = boxes.nth(place)
        assert "toggle-hidden" in box.get_attribute("class")
        box.locator(".toggle-button").first.click()
        assert "toggle-hidden" not in box.get_attribute("class")
        box.locator(".toggle-button").first.click()
    assert page.locator("article .admonition.toggle:not(.toggle-hidden)").count() == 0
    page.evaluate(OPEN)
    assert page.locator("article .toggle-hidden, article details:not([open])").count() == 0
    page.evaluate(CLOSE)


# --- zoom and keyboard ----------------------------------------------------------------------


TWICE_THE_SIZE = "html { font-size: 200% !important }"
WIDER_SPACED = (
    "body * { line-height: 1.5 !important; letter-spacing: 0.12em !important;"
    " word-spacing: 0.16em !important } body p { margin-bottom: 2em !important }"
)


@pytest.mark.parametrize("style", [TWICE_THE_SIZE, WIDER_SPACED], ids=["size", "spacing"])
def test_text_at_twice_its_size_or_wider_spaced_is_all_there(page, style):
    tag = page.add_style_tag(content=style)
    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        assert clipped(page) == []
    finally:
        tag.evaluate("e => e.remove()")


def test_the_keyboard_reaches_every_control_in_order(page):
    walk = tab_through(page)
    assert walk["first"] == "Skip to main content"
    assert walk["missed"] == []
    assert walk["order"] == sorted(walk["order"])
    assert walk["unseen"] == [], "no visible focus"
    assert walk["covered"] == [], "hidden behind something"


def test_the_skip_link_leads_to_the_text(page):
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.locator("#pst-skip-link a, a#pst-skip-link").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = "document.querySelector('main').contains(document.activeElement)"
    assert page.evaluate(inside)


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_no_violation(page, themed, theme):
    themed(theme)
    assert violations_in_all(page) == []


@pytest.mark.parametrize(
    "pale",
    [
        '<p style="color: #bbb">pale</p>',
        '<p class="note">pale</p>',
        '<div style="background: #333"><p>pale</p></div>',
        '<div style="opacity: 0.3"><p>pale</p></div>',
        '<p>dark <em style="color: #ccc">pale</em></p>',
        '<p><input aria-label="pale" value="pale" style="color: #ccc; background: #fff"></p>',
    ],
)
def test_one_pale_text_among_many_that_look_alike_is_found(browser, pale):
    page = browser.new_page()
    alike = "<p>dark</p>" * 20
    page.set_content(
        "<html lang=en><title>t</title><style>.note {color: #bbb}</style>"
        f"<body style='color: black; background: white'><main>{alike}{pale}{alike}</main>"
    )
    found = violations(page)
    page.close()
    assert [rule for rule, _, _ in found] == ["color-contrast"]
    assert len(found[0][2]) == 1
