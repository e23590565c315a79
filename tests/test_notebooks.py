"""The notebooks say what the book says, in Markdown that needs no MyST."""

import re
import shutil
import subprocess
import sys
import types

import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import HTML, ROOT, missing
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from myst_nb.core.read import read_myst_markdown_notebook

from gsutils.page import runtime as runtime
from tools import notebooks
from tools.notebooks import values
from tools.notebooks.__main__ import main
from tools.notebooks.cells import cells, title
from tools.notebooks.markdown import Chapter
from tools.notebooks.syntax import GLUED, LEFT_OVER, Facts, Site, SourceError

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
SITE = Site("https://site/", "https://files/", "book/a")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small book that uses every role and directive, built, with its cells executed."""
    root = tmp_path_factory.mktemp("book")
    shutil.copytree(ROOT / "tests" / "pages", root, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", root)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build"]
    command += [str(root), "-W", "--keep-going"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture(scope="module")
def book(built):
    """The book's folder, and its notebooks by name."""
    made = notebooks.make(built)
    assert notebooks.make(built) == made  # byte for byte the same
    return built, {path.stem: nbformat.reads(text, 4) for path, text in made.items()}


@pytest.fixture(scope="module")
def html(built):
    """The soup of each page."""
    pages = built / "_build" / "html" / "book"
    return {page.stem: BeautifulSoup(page.read_text(), "html.parser") for page in pages.glob("*")}


def convert(text: str, **facts) -> str:
    return Chapter("book/a.md", SITE, facts=Facts(**facts)).text(text)


def sources(notebook, kind: str) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def text_of(notebook) -> str:
    """All that a reader reads before anything runs."""
    return "\n\n".join(sources(notebook, "markdown"))


def assert_same_numbers(notebook, page) -> int:
    """The notebook and the page number the same blocks alike; return how many there are."""
    text = text_of(notebook)
    tags = [tag.text.strip("#\n ¶") for tag in page.select("span.eqno")]
    assert [f"({number})" for number in re.findall(r"\\tag\{(.+?)\}", text)] == tags
    captions = [tag.text.strip() for tag in page.select("article .caption-number")]
    captions = [caption for caption in captions if re.match("Figure|Table|Listing", caption)]
    found = re.findall(r"^\*\*((?:Figure|Table|Listing) [A-Z\d.]+)\.\*\*", text, re.MULTILINE)
    assert sorted(found) == sorted(captions)
    titles = page.select(".proof > .admonition-title, .exercise > .admonition-title")
    blocks = [" ".join(title.text.split()[:2]) for title in titles]
    found = re.findall(
        r"^(?:> \*\*|### (?=Exercise))([A-Z][a-z]+ (?:[A-Z]\.)?[\d.]*\d)\b.*$", text, re.MULTILINE
    )
    assert found == blocks
    return len(tags) + len(captions) + len(blocks)


@pytest.mark.parametrize(
    ("myst", "markdown"),
    [
        ("plain *text*, `{eq}`, ``{ref}`a` ``\n", "plain *text*, `{eq}`, ``{ref}`a` ``"),
        ("    {ref}`in code`\n    ::: {note}", "    {ref}`in code`\n    ::: {note}"),
        ("```python\n{ref}`a`\n:::{note}\n```", "```python\n{ref}`a`\n:::{note}\n```"),
        ("$a_{x}`b`$ and {math}`x_{i}`", "$a_{x}`b`$ and $x_{i}$"),
        ("(here)=\n# Title\n\n% comment\nText.", "# Title\n\nText."),
        ("[out](https://x.org) <https://x.org>", "[out](https://x.org) <https://x.org>"),
        ("![a](_static/b.png){width=3px}", "![a](https://files/book/_static/b.png)"),
        ('<img src="b.png" alt="b">', '<img src="https://files/book/b.png" alt="b">'),
        ("$$a$$", "$$\na\n$$"),
        ("$$\na \\\\ b\n$$", "$$\n\\begin{aligned}\na \\\\ b\n\\end{aligned}\n$$"),
        (
            "\\begin{align*}\na &= b\n\\end{align*}\nText",
            "$$\n\\begin{aligned}\na &= b\n\\end{aligned}\n$$\n\nText",
        ),
        (":::{note} One\ntwo.\n:::\nText", "> **Note**\n>\n> One\n> two.\n\nText"),
        (
            "- item\n  ```{tip}\n  a\n\n  b\n  ```\n- next",
            "- item\n  > **Tip**\n  >\n  > a\n  >\n  > b\n- next",
        ),
        ("> ```{hint}\n> a\n> ```", "> > **Hint**\n> >\n> > a"),
        ("- [ ] {math}`a`\n- b\n{math}`c`", "- [ ] $a$\n- b\n$c$"),
        ("| a\\|b | c |\n|-|-|\n| {math}`x` | `x` {math}`x` |",
         "| a\\|b | c |\n|-|-|\n| $x$ | `x` $x$ |"),
        ("Term\n: A {math}`b`[^1].\n\n[^1]: {math}`c`", "Term\n: A $b$[^1].\n\n[^1]: $c$"),
        ("> $$\n> a\n> b\n> $$", "> $$ a b $$"),
        (":::{note}\n$$\na\n$$\n:::", "> **Note**\n>\n> $$ a $$"),
        (
            "::::{admonition} A *title*\n:class: dropdown\n:::{warning}\na\n:::\n::::",
            "<details>\n<summary>A <em>title</em></summary>\n\n"
            "> **Warning**\n>\n> a\n\n</details>",
        ),
        ("```{raw} html\n<canvas></canvas>\n```", "*This part is interactive: see "
         "[the page online](https://site/book/a.html).*"),
        ("```{raw} latex\n\\newpage\n```\n", ""),
        ("```{tableofcontents}\n```", ""),
        ("````{code-block} md\n```\nb\n```\n````", "````md\n```\nb\n```\n````"),
        (
            ":::{list-table}\n* - a\n  - $|b|$\n* - c | d\n  -\n:::",
            "|   |   |\n| --- | --- |\n| a | $\\vert{}b\\vert{}$ |\n| c \\| d |  |",
        ),
        (":::{glossary}\nmargin\n  A distance.\n:::", "**margin.** A distance."),
        ("````{tab-set}\n```{tab-item} A\na\n```\n````", "**A**\n\na"),
    ],
)  # fmt: skip
def test_markdown_of(myst, markdown):
    assert convert(myst) == markdown


def test_numbers_and_texts_come_from_the_book():
    facts = {
        "inline": {"{eq}`e`": "(7)", "{ref}`ex`": "Exercise 3", "[](b.md)": "[B](https://site/b)"},
        "numbers": {
            "displaymath": [("a=b", "7")],
            "prf": [("theorem", "2")],
            "exercise": [("", "Exercise 3")],
            "figure": [("", "Figure 4")],
        },
    }
    text = (
        "$$a = b$$ (e)\n\n:::{prf:theorem} Name\n:label: t\nBy {eq}`e`.\n:::\n\n"
        ":::{exercise} Do\n:label: ex\nIt.\n:::\n\n:::{solution} ex\nDone.\n:::\n\n"
        ":::{figure} _static/b.png\n:alt: B\nSee [](b.md).\n:::\n"
    )
    assert convert(text, **facts) == (
        "$$\na = b\n\\tag{7}\n$$\n\n> **Theorem 2 (Name).**\n>\n> By (7).\n\n"
        "### Exercise 3 (Do)\n\nIt.\n\n"
        "<details>\n<summary>Solution to Exercise 3 (Do)</summary>\n\nDone.\n\n</details>\n\n"
        "![B](https://files/book/_static/b.png)\n\n**Figure 4.** See [B](https://site/b)."
    )


def test_a_macro_of_the_book_is_spelled_out():
    chapter = Chapter("a.md", SITE, facts=Facts(), macros={"R": r"\mathbb{R}"})
    assert chapter.text(r"$\R^n$, $\Re$, `\R`") == r"$\mathbb{R}^n$, $\Re$, `\R`"


@pytest.mark.parametrize(
    ("myst", "message"),
    [
        ("a\n\n```{mermaid}\nx\n```", "book/a.md:3: unknown directive {mermaid}"),
        (":::{note}\na\n\n{kbc}`x`\n:::", "book/a.md:4: unknown role {kbc} in {kbc}`x`"),
        ("a\n{ref}`nowhere`", "book/a.md:2: {ref}`nowhere` leads nowhere in the book"),
        ("{glue:text}`a b`", "book/a.md:1: {glue:text}`a b` must be a name"),
        ("$$x$$ (e)", "book/a.md:1: the book has 'nothing' where the source has 'x'"),
        ("{{ version }}", "book/a.md:1: {{ version }} has no counterpart"),
        ("[text]{.red}", "book/a.md:1: [text]{.red} has no counterpart"),
    ],
)
def test_what_has_no_counterpart_is_an_error_that_names_the_line(myst, message):
    with pytest.raises(SourceError, match=re.escape(message)):
        convert(myst)


def test_no_myst_is_left(book):
    for notebook in book[1].values():
        for source in sources(notebook, "markdown"):
            assert not re.search(r"\{[a-z][a-z:-]*\}`", source)
            assert not re.search(r"^\s*(:::|```\{)", source, re.MULTILINE)


@pytest.mark.parametrize("left", ["a {eq}`b`", "> ```{note}", "::: {note}", "````{tip}"])
def test_myst_that_is_left_is_noticed(left):
    assert LEFT_OVER.search(f"text\n{left}\n")


def test_code_cells_are_kept_with_their_tags(book):
    root, made = book
    page = read_myst_markdown_notebook((root / "book/one.md").read_text())
    written = [cell for cell in page.cells if cell.cell_type == "code"]
    kept = [cell for cell in made["one"].cells[3:] if cell.cell_type == "code"]
    kept = [cell for cell in kept if "\nyours(" not in cell.source]
    plain = [re.sub(r"\A#@title .*\n", "", cell.source) for cell in kept]
    assert plain == [cell.source for cell in written]
    assert [cell.metadata.tags for cell in kept] == [cell.metadata.tags for cell in written]
    assert not any(cell.outputs or "mystnb" in cell.metadata for cell in kept)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_folded_cell_has_a_title_and_no_other(path):
    cells = nbformat.read(path, 4).cells
    folded = [cell for cell in cells if cell.metadata.get("cellView") == "form"]
    titles = [re.match(r"#@title (\S.{2,99})\n", cell.source)[1] for cell in folded]
    assert not {"Table", "Code", "Plot"}.intersection(titles)
    assert sum("#@title" in cell.source for cell in cells) == len(folded)


@pytest.mark.parametrize(
    ("source", "tags", "figure", "caption", "expected"),
    [
        ("import re\nx = 1", ["hide-input"], "", "", "Imports"),
        ('glue("a", 1)', ["remove-cell"], "", "", "Values that the text quotes"),
        ('rows = []\ntable(["a"], rows)', ["hide-input"], "", "", "Table"),
        ("plt.show()", ["hide-input"], "Figure 7.2", "Accuracy, *mean*. More.",
         "Figure 7.2: Accuracy, mean"),
        ("plt.show()", ["hide-input"], "Figure 6.2", "The paper's Fig. 2 on [digits](https://x): a",
         "Figure 6.2: The paper's Fig. 2 on digits"),
        ("import re\nplt.show()", ["hide-input"], "Figure 1.1", "Circles.",
         "Imports, Figure 1.1: Circles"),
        ("plt.show()", [], "Figure 1.1", "word " * 40, "Figure 1.1: " + "word " * 17 + "…"),
    ],
)  # fmt: skip
def test_the_title_of_a_folded_cell(source, tags, figure, caption, expected):
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": tags})
    assert title(cell, figure, caption) == expected


def test_a_folded_cell_that_shows_nothing_is_asked_for_a_title():
    def made(option):
        text = f"# One\n\n```{{code-cell}} ipython3\n:tags: [hide-input]\n{option}x = 1\n```\n"
        page = read_myst_markdown_notebook(text, add_source_map=True)
        return cells(Chapter("book/a.md", SITE), page)[-1]

    with pytest.raises(SourceError, match=r"book/a.md:\d+: a folded cell .* needs .* :title: …"):
        made("")
    assert made(":title: One\n").source == "#@title One\nx = 1"
    assert "title" not in made(":title: One\n").metadata


def test_a_notebook_opens_with_title_install_and_device(book):
    one, two = book[1]["one"], book[1]["two"]
    assert one.cells[0].source.startswith("# The first chapter\n")
    assert "%pip install" in one.cells[1].source
    assert 'cpu="about 2 seconds"' in one.cells[2].source
    assert "from gsutils.page.prose import yours" in one.cells[2].source
    assert "wants_gpu=True" in one.cells[2].source
    assert one.metadata.accelerator == "GPU"
    assert one.metadata.colab.gpuType == "T4"
    assert one.metadata.kernelspec.name == "python3"
    assert "accelerator" not in two.metadata
    assert "import yours" not in two.cells[2].source
    for words in ("read it online", "CC BY 4.0", "MIT", "authors"):
        assert words in one.cells[0].source


def test_every_number_is_the_built_books(book, html):
    assert assert_same_numbers(book[1]["one"], html["one"]) == 12
    assert assert_same_numbers(book[1]["two"], html["two"]) == 5


def test_the_committed_notebooks_number_as_the_book_does():
    pages = {path: HTML / path.relative_to(ROOT).with_suffix(".html") for path in NOTEBOOKS}
    for path, page in pages.items():
        if not page.is_file():
            missing(f"{page.relative_to(ROOT)} is not built")
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        assert_same_numbers(nbformat.read(path, 4), soup)


def test_references_read_as_in_the_built_book(book, html):
    for name, start in (("one", "It cites"), ("two", "See (1)"), ("two", "Figure 3 follows")):
        passage = next(" ".join(p.text.split()) for p in html[name].select("p") if start in p.text)
        passage = passage[passage.index(start) :].replace("[", "(").replace("]", ")")
        markdown = " ".join(text_of(book[1][name]).split())
        markdown = re.sub(r"\[((?:\\.|[^\]])*)\]\([^)]*\)", r"\1", markdown)
        markdown = re.sub(r"[*`]", "", markdown)
        passage = passage.replace("SD, bold", "SD (spectral decoupling), bold")
        assert passage in markdown


def test_a_passage_quotes_the_values_of_the_built_book(book):
    text = text_of(book[1]["one"])
    assert "The ratio is 2.12 on two moons, see (1) where" in text
    assert "2.125 alone." in text
    assert "| 2.12 |" in text
    for notebook in book[1].values():
        assert not GLUED.search(nbformat.writes(notebook))


def test_each_section_that_quotes_ends_with_the_readers_own_values(book, monkeypatch):
    cells = book[1]["one"].cells
    places = [i for i, cell in enumerate(cells) if "\nyours(" in cell.source]
    assert places
    asked = []
    for i in places:
        assert i + 1 == len(cells) or cells[i + 1].source.startswith("#")
        exec(cells[i].source, {"yours": asked.append})
    assert asked[0]["ratio:.2f"] == "2.12"
    quoted = {key for pairs in asked for key in pairs}
    source = (book[0] / "book/one.md").read_text()
    assert quoted == set(re.findall(r"\{glue:text\}`(.+?)`", source))


def test_a_value_that_the_last_build_lacks_asks_for_a_build(book):
    root, _ = book
    file = root / "_build/jupyter_execute/book/one.glue.json"
    before = file.read_text()
    file.write_text("{}")
    with pytest.raises(
        SourceError, match=r"book/one.md: the last build has no '\w+': run make book"
    ):
        notebooks.make(root)
    file.write_text(before)
    shutil.copytree(root / "book", root / "elsewhere" / "book")
    with pytest.raises(SourceError, match="has no values yet: build the book first"):
        values.read(root / "elsewhere", "book/one")


@pytest.mark.parametrize(
    ("value", "text", "code"),
    [
        (2.125, "2.1", "2.1"),
        (-0.5, "−0.5", "−0.5"),
        ("two moons", "two moons", "two moons"),
        ('a "quoted" word', 'a "quoted" word', ""),
        ("a long sentence of more than forty letters", None, ""),
    ],
)
def test_a_value_in_text_and_in_code(value, text, code):
    mark = "\ue000x\ue001" if isinstance(value, str) else "\ue000x:.1f\ue001"
    assert values.fill(f"<{mark}>", {"x": value}, "a.md") == f"<{text or value}>"
    assert values.fill(f"<{mark}>", {"x": value}, "a.md", code=True) == f"<{code}>"


def test_a_notebook_that_differs_from_its_source_is_reported(book, capsys):
    root, _ = book
    assert main([], root) == 0
    assert main(["--check"], root) == 0
    capsys.readouterr()
    page = root / "book" / "two.md"
    before = page.read_text()
    page.write_text(before.replace("Trivial.", "Obvious."))
    (root / "book" / "three.ipynb").write_text("{}")
    one = root / "book" / "one.ipynb"
    other = one.read_text().replace("The ratio is 2.12", "The ratio is 2.13")
    assert other != one.read_text()
    one.write_text(other)  # another processor's last digit
    assert main(["--check"], root) == 1
    message = capsys.readouterr().err
    assert "book/two.ipynb differs" in message
    assert "book/three.ipynb differs" in message
    assert "book/one.ipynb" not in message
    assert "make notebooks" in message
    page.write_text(before)
    (root / "book" / "three.ipynb").unlink()


def test_the_committed_notebooks_are_those_of_the_sources():
    differing = [path.relative_to(ROOT).as_posix() for path in notebooks.differing(ROOT)]
    assert not differing, f"run `make notebooks`: {differing}"


def run_install_cell(source: str) -> list[str]:
    """Run the install cell in IPython with a recording `%pip`; return what pip was asked.

    Raises:
        UsageError: the cell stops.
    """
    shell = InteractiveShell()
    asked: list[str] = []
    shell.register_magic_function(asked.append, magic_name="pip")
    result = shell.run_cell(source)
    result.raise_error()
    return asked


def test_the_install_cell_does_nothing_outside_colab(book, capsys):
    assert run_install_cell(book[1]["one"].cells[1].source) == []
    assert capsys.readouterr().out == ""


def test_the_install_cell_leaves_colabs_libraries_alone(book, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    (asked,) = run_install_cell(book[1]["one"].cells[1].source)
    assert "--no-deps" in asked
    assert re.search(r'"gsutils @ git\+https://github\.com/[\w/.-]+@v\d+\.\d+\.\d+"', asked)
    assert not re.search(r"torch|numpy|scipy|matplotlib|scikit|upgrade|-U", asked)


@pytest.mark.parametrize("where", ["google.colab", "elsewhere"])
def test_an_install_cell_after_which_the_package_is_missing_stops_in_a_sentence(
    where, book, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, where, types.ModuleType(where))
    source = book[1]["one"].cells[1].source.replace('find_spec("gsutils")', 'find_spec("nowhere")')
    with pytest.raises(UsageError, match=r'try pip install "gsutils @ .*", and if .*, ask at http'):
        run_install_cell(source)
    shown = capsys.readouterr()
    assert shown.out == ""  # no traceback
    assert shown.err.startswith("UsageError: gsutils is not installed: ")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("kind", "name", "gpu_hint", "time"),
    [
        ("CPU", "2 cores", True, "40 s"),
        ("GPU", "Tesla T4", False, "5 s"),
        ("GPU", "CPU. Expected time of a card's name", False, "5 s"),
    ],
)
def test_the_device_cell_names_device_and_time(kind, name, gpu_hint, time, monkeypatch):
    monkeypatch.delenv("GSUTILS_SIZE", raising=False)
    device = runtime.Device(kind, name)
    text = runtime.runtime_text("40 s", "5 s", wants_gpu=True, device=device)
    assert f"Device: {kind}, {name}. Expected time: {time}." in text
    assert ("Change runtime type" in text) == gpu_hint
    assert "Size: quick." in text
    monkeypatch.setenv("GSUTILS_SIZE", "paper")
    assert "Size: paper." in runtime.runtime_text("40 s", device=device)
    assert runtime.runtime_text("40 s", device=device, sized=False).count("\n") == 0


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_size_can_be_set_where_a_chapter_follows_it(path):
    text = "\n".join(sources(nbformat.read(path, 4), "code"))
    follows = "chosen_size()" in text or bool(re.search(r'\]\.(train|record)\((?!")', text))
    assert ("GSUTILS_SIZE" in text) == follows
    assert ("sized=False" in text) == (not follows)


def said_too_early(cells):
    """The names that code cells show before the one that glues them, where that is not computed."""
    glued = [set(re.findall(r'\bglue\(\s*"([^"]+)"', source)) for source in cells]
    return [
        name
        for at, source in enumerate(cells)
        if re.search(r"\byours\(", source)
        for name in re.findall(r'"([\w-]+)(?::[^"]*)?": "', source)
        if not any(name in names for names in glued[: at + 1])
        and any(name in names for names in glued[at + 1 :])
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_is_said_before_it_is_glued(path):
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert said_too_early(cells) == []


def test_what_is_said_too_early_is_found():
    assert said_too_early(['yours({"a:.1f": "1.0"})', 'glue("a", 1)']) == ["a"]
    assert said_too_early(['glue("a", 1)', 'yours({"a:.1f": "1.0"})']) == []


def quoted_shares():
    """Every value that a page quotes in percent: (page, name, value)."""
    for path in NOTEBOOKS:
        source = path.with_suffix(".md").read_text(encoding="utf-8")
        names = re.findall(r"\{glue:text\}`([\w-]+)(?::[^`]*)?`\s*%", source)
        glued = values.read(ROOT / "_build", f"book/{path.stem}") if names else {}
        yield from ((path.stem, n, glued[n]) for n in names if not isinstance(glued[n], str))


def test_no_page_quotes_an_impossible_share():
    if not HTML.is_dir():
        missing("the book is not built")
    shares = list(quoted_shares())
    assert len(shares) > 300
    assert [found for found in shares if not -100 <= found[2] <= 110] == []


def test_no_two_pages_have_a_number_in_common():
    if not HTML.is_dir():
        missing("the book is not built")
    seen: dict[str, str] = {}
    for page in sorted((HTML / "book").glob("*.html")):
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        numbers = {tag.text.strip() for tag in soup.select("article .caption-number")}
        numbers |= {tag.text.strip("#\n ¶") for tag in soup.select("article span.eqno")}
        for number in numbers:
            assert number not in seen, f"{number} is on {seen[number]} and on {page.name}"
            seen[number] = page.name
    assert {"Figure 7.1", "(7.1)"} <= set(seen)
