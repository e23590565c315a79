"""The slides' source: marks that show nothing on the page."""

import base64
import io
import re

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from PIL import Image, ImageDraw
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from tools import slides
from tools.notebooks.markdown import Chapter
from tools.notebooks.syntax import EXTENSIONS, Directive, Facts, Site
from tools.slides import wall

SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.md")}
CHAPTERS = sorted(name for name in SOURCES if name[0].isdigit())
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
    "source_suffix": {".md": "markdown"},  # Sphinx keeps what another book of this process said
    "master_doc": "book/a",
    "project": "A book",
    "html_theme_options": {"pygments_light_style": "default", "pygments_dark_style": "monokai"},
    "mathjax3_config": {"tex": {"macros": {"half": r"\frac12"}}},
    "suppress_warnings": ["config.cache"],
}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(?!tools)")


@pytest.fixture
def build(tmp_path):
    """Function that builds a book of one page; returns the output folder and the warnings."""

    def build(text, builder="html"):
        folder = tmp_path / "book"
        folder.mkdir(exist_ok=True)
        (folder / "a.md").write_text(text, encoding="utf-8")
        Image.new("RGB", (300, 100), "red").save(folder / "dot.png")
        warnings, out = io.StringIO(), tmp_path / builder
        theme = "sphinx_book_theme" if builder == "html" else "basic"
        settings = SETTINGS | {"html_theme": theme}
        with patch_docutils(None), docutils_namespace():
            Sphinx(
                tmp_path, None, out, tmp_path / "doctrees", builder, settings, None, warnings, True
            ).build()
        return out, warnings.getvalue()

    return build


def test_a_mark_becomes_a_slide_with_its_figure_equation_and_notes(build):
    out, warnings = build(PAGE + MARK)
    assert warnings == ""
    soup = BeautifulSoup((out / "slides/a.html").read_text(encoding="utf-8"), "html.parser")
    first, shown, slide, last = soup.select("section")
    assert first.h1.text == last.h2.text == "A chapter"
    assert first.a["href"] == "../book/a.html"
    assert "A claim with" in shown.h2.text == slide.h2.text
    assert slide.h2.select_one(".math").text == r"\(x^2\)"
    assert shown.img["alt"] == "A red dot"
    assert not slide.select("img")
    picture = base64.b64decode(shown.img["src"].removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(picture)).size == (300, 100)
    formula = slide.select_one(".equation .math").text
    assert "".join(formula.split()) == r"\[\operatorname{diag}(x)=\frac12\]"
    assert 'tex: {"macros": {"half": ' in soup.find_all("script")[-1].text
    assert slide.select_one(".equation .number").text == "(1)"
    assert slide.li.a["href"] == "../book/a.html#equation-eq-half"
    notes = [one.select_one("aside.notes").text.strip() for one in (shown, slide)]
    assert notes == ["What is said, loud."] * 2


def drawn(rows, columns, panel=(500, 400), gap=30, title=True):
    """A figure of panels, each with an axis along its bottom and a mark of its own."""
    wide, high = columns * (panel[0] + gap) + gap, rows * (panel[1] + gap) + gap + 60 * title
    picture = Image.new("RGB", (wide, high), "white")
    put = ImageDraw.Draw(picture)
    if title:
        put.rectangle((wide // 2 - 150, 10, wide // 2 + 150, 40), fill="black")
    for k in range(rows * columns):
        row, column = divmod(k, columns)
        x, y = gap + column * (panel[0] + gap), gap + 60 * title + row * (panel[1] + gap)
        put.line((x, y + panel[1], x + panel[0], y + panel[1]), fill="black", width=3)
        put.line((x, y, x, y + panel[1]), fill="black", width=3)
        put.rectangle((x + 50, y + 50, x + 90, y + 90), fill=(10 + k, 0, 0))
    return picture


@pytest.mark.parametrize("title", [True, False])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 3), (2, 2), (2, 4)])
def test_a_figure_is_cut_between_its_panels_and_each_is_there_once(rows, columns, title):
    found = wall.pieces(drawn(rows, columns, title=title))
    marks = [{pixel[0] for pixel in piece.getdata() if 10 <= pixel[0] < 30} for piece in found]
    assert [mark for piece in marks for mark in sorted(piece)] == [
        10 + k for k in range(rows * columns)
    ]
    assert all(wall.fits(one.size, wall.BELOW) or wall.fits(one.size, wall.BESIDE) for one in found)


def test_a_scale_of_colours_comes_with_every_piece():
    figure = drawn(2, 3, panel=(350, 500))
    whole = Image.new("RGB", (figure.width + 150, figure.height), "white")
    whole.paste(figure)
    ImageDraw.Draw(whole).rectangle((figure.width, 250, figure.width + 40, 900), fill=(200, 0, 0))
    found = wall.pieces(whole)
    kinds = [{pixel[0] for pixel in piece.getdata() if 0 < pixel[0] < 255} for piece in found]
    assert kinds == [{10, 11, 12, 200}, {13, 14, 15, 200}]


def test_a_legend_below_panels_in_a_column_comes_with_each():
    figure = drawn(2, 1, panel=(900, 500))
    whole = Image.new("RGB", (figure.width, figure.height + 60), "white")
    whole.paste(figure)
    for x in (200, 500):  # its entries, further apart than words
        ImageDraw.Draw(whole).rectangle(
            (x, figure.height, x + 90, figure.height + 30), fill=(200, 0, 0)
        )
    kinds = [
        {pixel[0] for pixel in piece.getdata() if 0 < pixel[0] < 255}
        for piece in wall.pieces(whole)
    ]
    assert kinds == [{10, 200}, {11, 200}]


def test_a_figure_without_a_gap_stays_whole():
    picture = Image.new("RGB", (3000, 400), "black")
    assert [piece.size for piece in wall.pieces(picture)] == [(3000, 400)]


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
