"""The PDF of the book: complete, linked, described, and nothing in it wider than its column."""

import functools
import re
import subprocess
import sys
from collections import Counter

import pypdfium2
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import HTML, ROOT, need_pages
from pypdf import PdfReader

from tools.pdf import __main__ as command
from tools.pdf import front, press
from tools.pdf.chapters import parts

need_pages()

PARTS = parts(ROOT / "_toc.yml")
NAMES = [name for part in PARTS for name in part.names]
COLUMN = 528 * 0.75  # of page.css, in points


@pytest.fixture(scope="module")
def pdf():
    """The PDF, made by the command."""
    run = subprocess.run(
        [sys.executable, "-m", "tools.pdf"], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert run.returncode == 0, run.stderr
    assert command.PDF.name in run.stdout
    return PdfReader(command.PDF)


@pytest.fixture(scope="module")
def texts(pdf):
    """The text of each page."""
    document = pypdfium2.PdfDocument(command.PDF)
    yield [page.get_textpage().get_text_range().replace("\r\n", "\n") for page in document]
    document.close()


@pytest.fixture(scope="module")
def starts(pdf):
    """The page, counted from 0, on which each linked place stands."""
    return {
        name.removeprefix("/"): pdf.get_destination_page_number(place)
        for name, place in pdf.named_destinations.items()
    }


@pytest.fixture(scope="module")
def source(pdf):
    """The document that was printed."""
    return BeautifulSoup(command.DOCUMENT.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def links(pdf):
    """The links of each page: addresses, or names of places in the PDF."""

    def target(annotation):
        if "/A" in annotation:
            return annotation["/A"]["/URI"]
        return str(annotation["/Dest"])

    annotations = [[a.get_object() for a in page.get("/Annots", [])] for page in pdf.pages]
    return [[(target(a), a["/Rect"]) for a in page] for page in annotations]


@functools.cache
def article(name):
    soup = BeautifulSoup((HTML / "book" / f"{name}.html").read_text("utf-8"), "html.parser")
    return soup.select_one("article.bd-article")


def pages_of(name, starts, pdf):
    """The numbers of a chapter's pages; the page that opens the next part may be the last."""
    later = [starts[other] for other in NAMES if starts[other] > starts[name]]
    return range(starts[name], min(later, default=len(pdf.pages)))


def test_every_page_is_a4_and_none_is_empty(pdf, texts):
    assert 150 < len(pdf.pages) < 500
    assert {(round(p.mediabox.width), round(p.mediabox.height)) for p in pdf.pages} == {(595, 842)}
    assert [number for number, text in enumerate(texts, 1) if len(text) < 15] == []


def test_it_is_printed_at_its_full_size(source, links):
    lines = {f"/{a['href'][1:]}" for a in source.select(".contents a")}
    widths = [x1 - x0 for page in links for target, (x0, _, x1, _) in page if target in lines]
    assert max(widths) == pytest.approx(COLUMN, abs=1)


def test_it_says_what_it_is(pdf):
    edition = front.edition(ROOT)
    citation = edition.citation
    assert pdf.metadata.title == citation["title"]
    assert pdf.metadata.author == citation["authors"][0]["name"]
    assert pdf.metadata.subject == edition.name
    assert pdf.metadata["/Keywords"].split(", ") == citation["keywords"]
    assert pdf.metadata.creation_date.date() == edition.date.date()
    assert pdf.root_object["/Lang"] == "en"
    assert pdf.root_object["/MarkInfo"]["/Marked"]
    assert pdf.root_object["/ViewerPreferences"]["/DisplayDocTitle"]


def test_the_title_page_has_version_and_licence(texts):
    edition = front.edition(ROOT)
    assert edition.state.version in texts[0]
    assert edition.state.commit in texts[0]
    assert front.day(edition.date) in texts[0]
    assert "creativecommons.org/licenses/by/4.0" in texts[1]
    assert "10.48550/arXiv" in texts[1] or "arxiv.org/abs/2011.09468" in texts[1]


def test_bookmarks_name_every_part_chapter_and_section(pdf):
    def titles(outline):
        found = []
        for entry in outline:
            if isinstance(entry, list):
                found.append(titles(entry))
            else:
                found.append(" ".join(entry["/Title"].split()))
        return found

    outline = titles(pdf.outline)
    for place, part in enumerate(PARTS[1:], 1):
        children = outline[outline.index(f"Part {front.ROMAN[place - 1]} {part.title}") + 1]
        chapters = [entry for entry in children if isinstance(entry, str)]
        assert len(chapters) == len(part.names)
        for chapter, name in zip(chapters, part.names, strict=True):
            sections = [h.get_text().rstrip("#") for h in article(name).select("h2")]
            assert chapter.endswith(article(name).h1.get_text().rstrip("#"))
            if sections:
                below = children[children.index(chapter) + 1]
                assert [s for s in below if isinstance(s, str)] == sections


def test_page_numbers_in_the_contents_are_right(source, texts, starts):
    first, last = starts_of_contents(texts), starts["intro"]
    contents = " ".join(" ".join(texts[first:last]).split())
    for a in source.select(".contents a"):
        page = starts[a["href"][1:]]
        entry = " ".join(a.select_one(".entry").get_text().split())
        assert f"{entry} {page + 1}" in contents
        assert entry in " ".join(texts[page].split()), "the title stands on that page"
        if "Part" not in texts[page][:6]:
            assert re.search(rf"^{page + 1}$", texts[page], re.MULTILINE), "so does its number"


def starts_of_contents(texts):
    return next(number for number, text in enumerate(texts) if "Contents" in text)


def test_every_link_of_the_pages_is_in_it_and_leads_somewhere(source, links, starts):
    wanted = {a["href"] for a in source.select("a[href]")}
    found = {target for page in links for target, _ in page}
    addresses = {target.rstrip("/") for target in found if target[0] != "/"}
    assert addresses == {href.rstrip("/") for href in wanted if href[0] != "#"}
    inside = {target.removeprefix("/") for target in found if target.startswith("/")}
    assert inside == {href[1:] for href in wanted if href[0] == "#"}
    assert inside <= starts.keys()


def descriptions(pdf):
    """How often each description of a picture is in the tags."""
    found, todo = Counter(), [pdf.root_object["/StructTreeRoot"]["/K"]]
    while todo:
        element = todo.pop().get_object()
        if isinstance(element, list):
            todo.extend(element)
        elif isinstance(element, dict):
            if "/Alt" in element:
                found[" ".join(element["/Alt"].split())] += 1
            if "/K" in element:
                todo.append(element["/K"])
    return found


def test_every_figure_of_the_pages_is_in_it_and_described(pdf, starts):
    described = descriptions(pdf)
    for name in NAMES:
        figures = article(name).select("img")
        drawn = [
            image.get_object()
            for number in pages_of(name, starts, pdf)
            for image in pdf.pages[number]["/Resources"].get("/XObject", {}).values()
        ]
        assert sum(image["/Subtype"] == "/Image" for image in drawn) == len(figures), name
        for figure in figures:
            assert described[" ".join(figure["alt"].split())] >= 1, figure["alt"]


def test_formulas_are_set_and_described_by_their_tex(pdf, source, texts):
    described = descriptions(pdf)
    formulas = [re.sub(r"^\\[(\[]|\\[)\]]$", "", m.get_text()) for m in source.select("span.math")]
    assert len(formulas) > 1000
    assert [f for f in formulas if " ".join(f.split()) not in described] == []
    raw = re.compile(r"\\\(|\\\[|\\begin\{|\$\$|\\frac|\\lambda")
    assert [number for number, text in enumerate(texts, 1) if raw.search(text)] == []


def test_no_button_is_in_it(texts):
    buttons = r"Show (the )?code|Hide (the )?code|Click to|Open in Colab|Print to PDF|Search this"
    found = [(n, m[0]) for n, text in enumerate(texts, 1) if (m := re.search(buttons, text))]
    assert found == []
    assert "undefined" not in "".join(texts[: NAMES.index("intro") + 9])


# --- what is too wide --------------------------------------------------------------------------

WORD = "x" * 200


@pytest.fixture
def typeset(browser, tmp_path):
    """Function that typesets the body of an article as the book is typeset."""
    scripts = front.mathematics(HTML / "book" / f"{name}.html" for name in NAMES)
    folder = ROOT / "tools" / "pdf"
    sheets = "".join(
        f'<link rel="stylesheet" href="{(folder / name).as_uri()}">'
        for name in ("page.css", "print.css")
    )

    def load(body):
        document = tmp_path / "document.html"
        document.write_text(
            f"<!doctype html><html><head>{sheets}{scripts}"
            f'<script src="{(folder / "fit.js").as_uri()}"></script></head>'
            f'<body><article class="chapter" id="one">{body}</article></body></html>'
        )
        return press.typeset(browser, document)

    return load


def formula(terms):
    return (
        rf'<div class="math"><span class="eqno">(1)</span>\[{"+".join(["a + bcd"] * terms)}\]</div>'
    )


def size(page, selector):
    return page.eval_on_selector(selector, "e => parseFloat(getComputedStyle(e).fontSize)")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (formula(14), "mjx-container"),
        (f"<table><tr><td>{WORD}</td></tr></table>", "table"),
        (f"<p>{WORD}</p>", "one: p xxx"),
    ],
)
def test_what_cannot_fit_is_refused_with_its_place(typeset, body, words):
    with pytest.raises(press.PressError, match=r"(?s)break it in the chapter's source") as error:
        typeset(body)
    assert words in str(error.value)


def test_what_fits_keeps_its_size_and_what_nearly_fits_becomes_smaller(typeset):
    plain = size(typeset(formula(3)), "div.math mjx-container")
    small = size(typeset(formula(9)), "div.math mjx-container")
    assert 0.84 * plain < small < plain


def test_long_lines_of_code_are_wrapped(typeset):
    page = typeset(f'<div class="highlight"><pre>{WORD}\nshort</pre></div>')
    assert page.locator("pre.wrapped").count() == 1
    assert page.evaluate("overfull()") == []


@pytest.mark.parametrize("tex", [r"\frac{1", r"\frac{1}"], ids=["brace", "argument"])
def test_a_wrong_formula_is_refused(typeset, tex):
    with pytest.raises(press.PressError, match="do not typeset"):
        typeset(rf'<div class="math">\[{tex}\]</div>')


def test_a_figure_may_hang_into_the_margins_and_no_farther(typeset):
    picture = (HTML / "_static" / "fig1.png").as_uri()
    page = typeset(f'<figure><img width="2000" src="{picture}" alt="a"></figure>')
    box = page.locator("img").bounding_box()
    body = page.locator("body").bounding_box()
    assert box["x"] == pytest.approx(body["x"], abs=1)
    assert box["width"] == pytest.approx(body["width"], abs=1)


def test_the_book_has_no_page_of_which_the_pdf_knows_nothing():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]
    assert [f"book/{name}.md" for name in NAMES] == files
