"""The built pages on a phone: nothing wider than the screen, and all of it within reach."""

import pytest
from access import OPEN, clipped, too_wide, violations, violations_in_all
from conftest import PHONE, THEMES, need_pages

need_pages()
SIZE = PHONE


def test_little_moves_while_a_page_loads(page):
    assert sum(value for value, _ in page.shifts) < 0.1, page.shifts


@pytest.mark.parametrize("width", [320, 390, 640])  # 640: a desktop at a zoom of 200 %
def test_nothing_is_wider_than_the_page(page, resized, width):
    page.evaluate(OPEN)
    resized(width, 800)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, too_wide(page)
    assert width != 640 or clipped(page) == []


def test_every_formula_fits_its_column(page):
    page.evaluate(OPEN)
    wide = page.evaluate(
        """() => [...document.querySelectorAll("article mjx-container")].map(c => {
          const text = "p, li, dd, td, th, figcaption, h2, h3";
          const box = c.closest("div.math") ? c : c.closest(text);
          const math = c.querySelector("mjx-math");
          const room = box.clientWidth, needs = math.getBoundingClientRect().width;
          const name = c.closest("div.math")?.id || c.querySelector("math").textContent;
          return [name, Math.round(needs), room];
        }).filter(([, needs, room]) => needs > room + 1)"""
    )
    assert wide == []


def test_a_figure_of_several_panels_scrolls_at_a_size_that_can_be_read(page):
    page.evaluate(OPEN)
    widths = page.evaluate(
        """() => [...document.querySelectorAll("article figure img[data-wide]")]
          .map(e => [e.getBoundingClientRect().width, e.parentElement.clientWidth])"""
    )
    assert all(width > 700 and room < width for width, room in widths), widths
    told = page.evaluate(
        """() => [...document.querySelectorAll("article figure:has(img)")].map(f => {
          const before = getComputedStyle(f.querySelector("figcaption"), "::before");
          return [!!f.querySelector("img[data-wide]"), before.content.includes("Swipe")];
        })"""
    )
    assert all(wide == sign for wide, sign in told), told
    if page.name.endswith("cifar-margins.html"):
        assert widths


def test_the_panels_of_a_figure_stand_below_one_another(page):
    page.evaluate(OPEN)
    shown = page.evaluate(
        """() => Promise.all([...document.querySelectorAll("article picture img")].map(async i => {
          i.loading = "eager";
          await i.decode();
          return [i.currentSrc, i.getBoundingClientRect().width, i.closest("figure").clientWidth,
                  i.naturalHeight / i.naturalWidth, i.clientHeight / i.clientWidth];
        }))"""
    )
    for address, width, room, true, drawn in shown:
        assert address.endswith("-phone.png")
        assert width <= room
        assert drawn == pytest.approx(true, rel=0.05), address
    if page.name.endswith("clever-hans.html"):
        assert shown


def test_what_scrolls_sideways_can_be_reached_by_keyboard(page, resized):
    page.evaluate(OPEN)
    resized(320, 800)
    page.wait_for_function(  # the theme looks again a moment after the size has changed
        """() => [...document.querySelectorAll("article *")]
          .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1 && e.checkVisibility())
          .filter(e => /auto|scroll/.test(getComputedStyle(e).overflowX) && e.tabIndex < 0)
          .every(e => e.querySelector("a[href], button, [tabindex='0']"))""",
        polling=200,
        timeout=5000,
    )


def test_the_contents_open_and_close_by_keyboard(browser, site):
    page = browser.new_page(viewport=PHONE, reduced_motion="reduce")
    page.goto(site + "book/intro.html", wait_until="networkidle")
    button = page.locator("button.primary-toggle:visible").first
    button.focus()
    page.keyboard.press("Enter")
    entry = page.locator("nav.bd-docs-nav a.reference").first
    entry.wait_for(state="visible")
    assert violations(page) == []
    page.keyboard.press("Escape")
    entry.wait_for(state="hidden")
    page.close()


def test_a_table_that_scrolls_squeezes_no_words(page):
    page.evaluate(OPEN)
    squeezed = page.evaluate(
        """() => [...document.querySelectorAll("article table.table:has(tr > :nth-child(5)) td")]
          .filter(cell => {
            const words = document.createRange();
            words.selectNodeContents(cell);
            const lines = words.getBoundingClientRect().height
              / parseFloat(getComputedStyle(cell).lineHeight);
            return lines > 3.5 && cell.clientWidth < 150;
          })
          .map(cell => cell.innerText.slice(0, 60))"""
    )
    assert squeezed == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_no_violation(page, themed, theme):
    themed(theme)
    assert violations_in_all(page) == []
