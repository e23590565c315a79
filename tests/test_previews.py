"""What a reference leads to, shown beside it: cut from the pages, and in a browser."""

import pytest
from access import violations
from bs4 import BeautifulSoup
from conftest import HTML, PAGES, PHONE, THEMES, WIDE, need_pages

from tools import previews

need_pages()

A = """<article>
<p><a class="reference internal" href="#eq">(1)</a>
<a class="reference internal" href="b.html#term-x">x</a>
<a class="reference internal" href="b.html#nowhere">?</a>
<a class="headerlink" href="#eq">#</a></p>
<div class="math" id="eq"><span class="eqno">(1)<a class="headerlink">#</a></span>\\[a\\]</div>
</article><script src="mathjax/startup.js"></script></body>"""
B = """<nav><p id="eq">not here</p></nav><article><dl>
<dt id="term-x">x<a class="headerlink">#</a></dt><dd><p>A <a href="#y">letter</a>.</p></dd>
<dt id="y">y</dt></dl><section id="s"><span id="label"></span><h2>Heading</h2><p>First.</p>
<p>Second.</p></section><a class="reference internal" href="a.html#eq">(1)</a></article></body>"""


def shown(html, place):
    return previews.preview(BeautifulSoup(html, "html.parser").find(id=place))


def held(path):
    """The previews that a page holds, by the address of the link."""
    text = path.read_text(encoding="utf-8").rpartition('<template id="gs-previews">')[2]
    return {tag["data-for"]: tag for tag in BeautifulSoup(text, "html.parser").select("[data-for]")}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("term-x", "<div><p><strong>x</strong></p><p>A letter.</p></div>"),
        ("s", "<div><p><strong>Heading</strong></p><p>First.</p></div>"),
        ("label", "<div><p><strong>Heading</strong></p><p>First.</p></div>"),
    ],
)
def test_a_preview_has_what_a_reader_looks_for_and_no_links(place, expected):
    assert shown(B, place) == expected


def test_a_figure_keeps_its_picture_and_loses_its_id():
    html = '<figure id="f"><a href="x"><img alt="A dot" src="d.png"/></a><p>Dot.</p></figure>'
    assert shown(html, "f") == (
        '<div><figure><img alt="A dot" loading="lazy" src="d.png"/><p>Dot.</p></figure></div>'
    )


def test_a_box_that_is_folded_on_its_page_is_open_in_a_preview():
    box = '<div class="dropdown admonition toggle" id="p"><p>Proof.</p></div>'
    assert 'class="admonition"' in shown(box, "p")


def test_pages_get_the_previews_that_they_refer_to(tmp_path):
    (tmp_path / "a.html").write_text(A, encoding="utf-8")
    (tmp_path / "b.html").write_text(B, encoding="utf-8")
    previews.write(tmp_path)
    found = {a: tag.get_text(" ", strip=True) for a, tag in held(tmp_path / "a.html").items()}
    assert found == {"#eq": "(1) \\[a\\]", "b.html#term-x": "x A letter."}
    # Nothing on page b would set the formula.
    assert (tmp_path / "b.html").read_text(encoding="utf-8") == B


@pytest.mark.parametrize("name", PAGES)
def test_every_reference_of_the_book_has_a_preview(name):
    have = held(HTML / name)
    assert set(previews.links((HTML / name).read_text(encoding="utf-8"))) == set(have)
    assert [tag for tag in have.values() if tag.select("[id], a, button")] == []
    pictures = [image["src"] for tag in have.values() for image in tag.select("img")]
    assert all((HTML / name).parent.joinpath(source).is_file() for source in pictures)


# --- in a browser ---------------------------------------------------------------------------

CHAPTER = "book/04-perturbation-analysis.html"
KINDS = ["#equation-", "#thm-", "#fig-", "#ex-", "glossary.html#", "references.html#", "02-ntk"]
TIP = "#gs-preview"


def reference(page, kind):
    """The first reference of a kind that can be seen."""
    found = page.locator(f"article a.internal[href*='{kind}']:visible:not(.headerlink)").first
    found.scroll_into_view_if_needed()
    page.mouse.move(1, 1)
    page.wait_for_timeout(50)
    return found


@pytest.fixture(scope="module")
def chapter(browser):
    page = browser.new_page(viewport=WIDE, reduced_motion="reduce")
    page.asked = []
    page.on("request", lambda r: page.asked.append(r.url))
    page.goto((HTML / CHAPTER).as_uri(), wait_until="networkidle")
    page.evaluate("MathJax.startup.promise")
    page.evaluate("document.querySelectorAll('.gs-answer').forEach(fold => { fold.open = true })")
    yield page
    page.close()


@pytest.fixture
def page(chapter):
    yield chapter
    chapter.keyboard.press("Escape")
    chapter.mouse.move(1, 1)
    chapter.evaluate("document.activeElement.blur()")


@pytest.mark.parametrize("kind", KINDS)
def test_the_pointer_brings_what_a_reference_leads_to_with_its_formulas(page, kind):
    link, tip = reference(page, kind), page.locator(TIP)
    link.hover()
    tip.wait_for(state="visible")
    assert link.get_attribute("aria-describedby") == "gs-preview"
    assert len(tip.inner_text().strip()) > 10 or tip.locator("mjx-container").count()
    raw = tip.locator(".math").count()
    assert tip.locator("mjx-container").count() >= raw
    assert "\\" not in tip.inner_text()
    box, at = tip.bounding_box(), link.bounding_box()
    right, bottom = box["x"] + box["width"], box["y"] + box["height"]
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert (right, bottom) <= (WIDE["width"], WIDE["height"])
    assert bottom <= WIDE["height"]
    assert box["y"] >= at["y"] + at["height"] / 2 or bottom <= at["y"], "it covers its link"
    assert [url for url in page.asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_it_stays_while_the_pointer_is_on_it_and_goes_with_it(page):
    link, tip = reference(page, "#thm-"), page.locator(TIP)
    link.hover()
    tip.wait_for(state="visible")
    tip.hover()
    page.wait_for_timeout(400)
    assert tip.is_visible()
    page.mouse.move(1, 1)
    tip.wait_for(state="hidden")
    assert link.get_attribute("aria-describedby") is None


def test_the_focus_brings_it_and_escape_closes_it(page):
    link, tip = reference(page, "glossary.html#"), page.locator(TIP)
    page.keyboard.press("Tab")  # from here on the focus is the keyboard's
    link.focus()
    tip.wait_for(state="visible")
    page.keyboard.press("Escape")
    tip.wait_for(state="hidden")
    assert link.evaluate("e => e === document.activeElement")
    link.evaluate("e => e.blur()")
    link.focus()
    tip.wait_for(state="visible")
    page.keyboard.press("Tab")
    assert link.get_attribute("aria-describedby") is None


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_in_it(page, theme):
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    reference(page, "glossary.html#").hover()
    page.locator(TIP).wait_for(state="visible")
    found = violations(page, within=TIP)
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert found == []


def test_a_finger_follows_the_link(browser):
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto((HTML / CHAPTER).as_uri(), wait_until="networkidle")
    link = page.locator("article a.internal[href*='#equation-']:visible").first
    target = link.get_attribute("href")
    link.tap()
    page.wait_for_url(f"**{target}")
    page.wait_for_timeout(400)
    assert not page.locator(TIP).is_visible()
    context.close()
