"""What every chapter must keep: code that is the package's, exercises that work, no typed results.

A chapter is tested without being executed as a whole: its cells of tags ``core-…`` and
``exercise-…`` run alone, after the imports: its first code cell, up to the figure.
"""

import ast
import re
from dataclasses import dataclass, field
from functools import cache

import matplotlib
import pytest
import torch
from chapters import ALLOWED, CORE
from conftest import ROOT
from markdown_it.renderer import RendererHTML
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from gsutils import checks
from gsutils.experiments import ENTRIES
from gsutils.runs.paper import Unit
from tools.course import source
from tools.notebooks.syntax import EXTENSIONS, Directive

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

PAGES = {
    path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "book").glob("*.md"))
}
CHAPTERS = [name for name in PAGES if name[0].isdigit()]
MD = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)

# --- reading a page -------------------------------------------------------------------------

CODE = {"code-block", "code", "sourcecode", "raw", "bibliography", "toctree", "tableofcontents"}
GLUED = "\ue000"
FIGURE = "\n# The figure\n"  # above it a chapter's first cell holds the imports


@dataclass
class Page:
    """A page taken apart: its prose, its code cells, its directives, its headings."""

    metadata: dict
    cells: list
    prose: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    images: list = field(default_factory=list)
    stubs: dict = field(default_factory=dict)  # name of the check -> (cell, label of the exercise)

    def tagged(self, prefix):
        """Cells by what follows a prefix in one of their tags."""
        return {
            tag.removeprefix(prefix): cell
            for cell in self.cells
            for tag in cell.metadata.get("tags", [])
            if tag.startswith(prefix)
        }

    def named(self, name):
        return [d for d in self.directives if d.name == name]

    def read(self, markdown):
        """Add what a passage holds."""
        kind = ""
        for token in MD.parse(markdown):
            if token.type == "inline":
                self.prose.append(self.inline(token))
            elif token.type in ("math_block", "math_block_label", "amsmath"):
                self.prose.append(token.content)
            elif token.type in ("fence", "colon_fence") and token.info.strip().startswith("{"):
                directive = Directive.read(token.info, token.content, token.map[0])
                self.directives.append(directive)
                if directive.name in CODE:
                    continue
                if directive.name == "math":
                    self.prose.append(f"{directive.argument} {directive.body}")
                    continue
                self.prose.append(str(directive.options.get("alt", "")))
                if directive.name not in ("figure", "image", "solution"):
                    self.read(directive.argument)
                self.read(directive.body)
            elif token.type == "html_block":
                self.prose.append(re.sub(r"<[^>]*>", " ", token.content))
            if token.type == "inline" and kind == "heading_open:h1":
                self.headings.append(token.content)
            kind = f"{token.type}:{token.tag}"

    def inline(self, token):
        """The words of an inline token, with glued values and formulas in their places."""
        words = []
        for child in token.children:
            if child.type == "myst_role":
                name = child.meta["name"]
                words.append(GLUED if name == "glue:text" else " ")
                if name == "math":
                    words[-1] = child.content
            elif child.type == "text" or child.type.startswith("math"):
                words.append(child.content)
            elif child.type == "image":
                self.images.append(child)
                words.append(child.content)
            elif child.type in ("softbreak", "hardbreak", "code_inline"):
                words.append(" ")
        return "".join(words)


@cache
def page(text):
    notebook = read_myst_markdown_notebook(text)
    found = Page(notebook.metadata, [c for c in notebook.cells if c.cell_type == "code"])
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found.read(cell.source)
            continue
        for tag in cell.metadata.get("tags", []):
            if tag.startswith("exercise-"):
                exercises = found.named("exercise")
                label = exercises[-1].options.get("label") if exercises else None
                found.stubs[tag.removeprefix("exercise-")] = (cell, label)
        shown = cell.metadata.get("mystnb", {})
        found.read(shown.get("figure", {}).get("caption", ""))
        found.prose.append(shown.get("image", {}).get("alt", ""))
    return found


@pytest.fixture(params=CHAPTERS)
def chapter(request):
    return page(PAGES[request.param])


@pytest.fixture
def namespace(monkeypatch):
    """Runs the imports of a chapter, and gives what they define."""
    matplotlib.use("agg")

    def run(text):
        names: dict = {}
        exec(page(text).cells[0].source.partition(FIGURE)[0], names)
        return names

    with matplotlib.rc_context():
        yield run


# --- core cells -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "core"),
    [(name, core) for name in CHAPTERS for core in page(PAGES[name]).tagged("core-")],
)
def test_a_core_cell_does_what_the_package_does(name, core, namespace):
    assert core in CORE, f"add a comparison of the cell core-{core} to tests/chapters"
    names = namespace(PAGES[name])
    for other, cell in page(PAGES[name]).tagged("core-").items():
        exec(cell.source, names)  # a core may use those above it
        if other == core:
            break
    CORE[core](names)


def test_every_comparison_belongs_to_a_chapter():
    assert set(CORE) == {core for name in CHAPTERS for core in page(PAGES[name]).tagged("core-")}


# --- exercises ------------------------------------------------------------------------------

STUBS = [(name, exercise) for name in CHAPTERS for exercise in page(PAGES[name]).stubs]


@pytest.mark.parametrize(("name", "exercise"), STUBS)
def test_the_solution_passes_its_check_and_the_stub_does_not(name, exercise, namespace):
    assert exercise in checks.CHECKS, f"gsutils.checks has no check {exercise!r}"
    check, (cell, label) = checks.CHECKS[exercise], page(PAGES[name]).stubs[exercise]
    assert f"checks.{check.__name__}(" in cell.source
    function = next(n.name for n in ast.parse(cell.source).body if isinstance(n, ast.FunctionDef))

    names = namespace(PAGES[name])
    exec(cell.source, names)
    verdict = check(names[function])
    assert not verdict.passed
    assert verdict.message.startswith("Not solved yet")

    (solution,) = [d for d in page(PAGES[name]).named("solution") if d.argument == label]
    blocks = [
        t.content for t in MD.parse(solution.body) if t.type == "fence" and t.info == "python"
    ]
    assert blocks, f"the solution of {label} holds no ```python block"
    stub = names[function]
    exec("\n".join(blocks), names)
    assert names[function] is not stub, f"the solution of {label} does not define {function}"
    assert check(names[function]).passed, check(names[function])


def test_every_check_belongs_to_an_exercise():
    assert set(checks.CHECKS) == {exercise for _, exercise in STUBS}


# --- numbers --------------------------------------------------------------------------------

# Decimals, powers, degrees, and whatever stands before a per cent sign (a word, too).
NUMBER = re.compile(
    r"\d[\d,]*\.\d+(?:e[-−+]?\d+)?|\d+e[-−+]?\d+|\d+(?=\s*°)|[^\s(]+(?=\s?(?:\\?%|per\s?cent\b))"
)
ANYWHERE = [
    r"[Ss]ections? \d+(\.\d+)*( and \d+(\.\d+)*)*",  # of the paper
    r"CC BY \d\.\d",
    rf"{GLUED}(?=\s?(\\?%|per\s?cent\b))",  # a glued value
]


def paper_numbers():
    """The paper's numbers as they may be quoted: "91.1", "91.1 ± 0.4", entropies."""
    numbers = [
        number
        for entry in ENTRIES.values()
        for metrics in entry.paper.values()
        for number in metrics.values()
    ]
    percents = [(100 * n.mean, None if n.std is None else 100 * n.std) for n in numbers]
    quoted = [f"{mean:.1f} ± {std:.1f}" for mean, std in percents if std is not None]
    quoted += [f"{mean:.1f}" for mean, _ in percents]
    return quoted + [f"{number.mean:.2f}" for number in numbers if number.unit is Unit.NATS]


def without(text, phrase):
    """A text without a phrase, which does not end within a number; and whether it was there."""
    found = re.compile(rf"(?<![\d.]){re.escape(phrase)}(?!\d|\.\d)")
    return found.sub(" ", text), bool(found.search(text))


def typed_numbers(text, allowed=()):
    """The decimals and percentages of a page's prose that stand for nothing known."""
    prose = " ".join(" ¶ ".join(page(text).prose).split())
    unused = []
    for phrase in allowed:
        prose, used = without(prose, phrase)
        unused += [] if used else [phrase]
    assert not unused, f"take these phrases out of ALLOWED, the page has them no more: {unused}"
    for pattern in ANYWHERE:
        prose = re.sub(pattern, " ", prose)
    for number in paper_numbers():
        prose, _ = without(prose, number)
    return [
        f"{m[0]}  in: …{prose[max(0, m.start() - 60) : m.end() + 30]}…"
        for m in NUMBER.finditer(prose)
    ]


@pytest.mark.parametrize("name", PAGES)
def test_glued_texts_hold_no_markup_for_pages_show_them_as_they_are(name):
    texts = re.findall(r"^\s*glue\(.*", PAGES[name], re.M)
    assert [text for text in texts if "`" in text] == []


@pytest.mark.parametrize("name", PAGES)
def test_no_number_is_typed_by_hand(name):
    typed = typed_numbers(PAGES[name], ALLOWED.get(name, ()))
    assert not typed, "glue these, or allow the phrase with its reason:\n" + "\n".join(typed)


FRONT = "---\nkernelspec:\n  name: python3\n---\n"


@pytest.mark.parametrize(
    "typed",
    [
        "The margin is 0.231 with SD.",
        "It is 23 % of the points.",
        "It is 23% of the points.",
        "It is 23\u202f% of the points.",
        "About ten per cent of the points.",
        "A margin of $0.231$.",
        "$$\nm = 0.231\n$$",
        "$$\nm = 23\\%\n$$",
        "**0.231**, [0.231](01-clever-hans.md)",
        "| a | b |\n|---|---|\n| SD | 0.231 |",
        "```{note}\nIt is 0.231.\n```",
        "::::{admonition} Look\n:::{tip}\n- It is 0.231.\n:::\n::::",
        "```{figure} a.png\n:alt: A bar of height 0.231.\n:name: a\nA caption.\n```",
        "```{figure} a.png\n:alt: A bar.\n:name: a\nA caption with 0.231.\n```",
        "```{code-cell}\n---\nmystnb:\n  figure:\n    caption: It is 0.231.\n---\nx = 1\n```",
        "```{code-cell}\n---\nmystnb:\n  image:\n    alt: It is 0.231.\n---\nx = 1\n```",
        "{glue:text}`m:.2f` and 0.231",
        "ERM reaches 91.2 %.",
        "Section 4.3 has 0.231.",
        "A rate of 3e-3.",
    ],
)
def test_a_typed_number_is_found(typed):
    assert typed_numbers(f"{FRONT}# A page\n\n{typed}\n")


@pytest.mark.parametrize(
    "text",
    [
        "SD has {glue:text}`m:.2f` and {glue:text}`p:.0f` % of them, 1,000 steps, Eq. 17.",
        "Section 4.3: ERM reaches 91.1 ± 0.4 % and 23.7 %, with an entropy of 0.41.",
        "`lam = 0.006`\n\n```python\nx = 0.231\n```\n\n```{code-cell}\nx = 0.231\n```",
    ],
)
def test_glued_values_the_papers_numbers_and_code_are_no_typed_numbers(text):
    assert not typed_numbers(f"{FRONT}# A page\n\n{text}\n")


def test_an_allowed_phrase_allows_no_other_number():
    text = f"{FRONT}# A page\n\nA gap of 0.1; a margin of 0.1; a gap of 0.12.\n"
    assert len(typed_numbers(text, ["gap of 0.1"])) == 2


# --- anatomy --------------------------------------------------------------------------------


def test_a_chapter_has_one_title_without_formulas(chapter):
    assert len(chapter.headings) == 1
    assert "$" not in chapter.headings[0]


def test_a_chapter_opens_with_question_figure_and_story(chapter):
    first, *rest = chapter.cells
    assert "hide-input" in first.metadata["tags"]
    assert "figure" in first.metadata["mystnb"]
    assert FIGURE in first.source
    assert [cell.source for cell in rest if FIGURE in cell.source] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_at_most_one_folded_cell_stands_before_the_story(name):
    question, *rest = read_myst_markdown_notebook(PAGES[name]).cells
    assert question.source.rstrip().endswith("**")
    seen = [cell for cell in rest if "remove-cell" not in cell.metadata.get("tags", [])]
    assert [cell.cell_type for cell in seen[:2]] == ["code", "markdown"]
    assert re.match(r"[A-Z“[].{80}", seen[1].source.strip(), re.DOTALL), "no paragraph"


ROLE = re.compile(r"\{\w[\w:]*\}`[^`]*`|\$[^$]*\$|`[^`]*`")
UNREAD = {"heading_open", "math_block", "math_block_label", "myst_line_comment", "table_open"}


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_is_read_in_one_sitting(name):
    text, exercises = re.sub(r"\A---\n.*?\n---\n", "", PAGES[name], flags=re.S), "\n## Exercises\n"
    assert exercises in text
    before = text.partition(exercises)[0]
    lines = before.splitlines()
    read = [
        "\n".join(lines[slice(*block.map)])
        for block in source.blocks(before)
        if not block.type.endswith("fence") and block.type not in UNREAD
    ]
    words = [word for one in read for word in ROLE.sub(" x ", one).split()]
    assert sum(any(map(str.isalnum, word)) for word in words) <= 2000
    assert max(part.count("{glue:") for one in read for part in one.split("\n\n")) <= 5


def test_a_chapter_says_what_it_costs(chapter):
    cost = chapter.metadata["gsbook"]["cost"]
    assert {"cpu"} <= set(cost) <= {"cpu", "gpu"}
    assert all(isinstance(text, str) and text for text in cost.values())
    assert "not measured" not in str(cost)
    assert isinstance(chapter.metadata["gsbook"]["gpu"], bool)


def test_a_figure_has_a_caption_a_name_and_a_text_for_those_who_cannot_see_it(chapter):
    names = []
    for cell in chapter.cells:
        shown = cell.metadata.get("mystnb", {})
        if "plt.show()" in cell.source or shown:
            assert shown["figure"]["caption"].strip()
            assert shown["image"]["alt"].strip()
            assert shown["image"]["alt"] != shown["figure"]["caption"]
            names.append(shown["figure"]["name"])
    for figure in chapter.named("figure"):
        assert figure.body.strip()
        assert figure.options["alt"].strip()
        names.append(figure.options["name"])
    for image in chapter.named("image"):
        assert image.options["alt"].strip()
    assert all(image.content.strip() for image in chapter.images)
    assert all(name.startswith("fig-") for name in names)
    assert len(set(names)) == len(names)


def test_a_chapter_has_three_to_six_exercises_each_with_a_collapsed_solution(chapter):
    exercises, solutions = chapter.named("exercise"), chapter.named("solution")
    assert 3 <= len(exercises) <= 6
    labels = [exercise.options["label"] for exercise in exercises]
    assert len(set(labels)) == len(labels)
    assert sorted(solution.argument for solution in solutions) == sorted(labels)
    assert all(solution.has_class("dropdown") for solution in solutions)
    assert chapter.stubs, "at least one exercise needs code"


def test_labels_are_unique_in_the_whole_book():
    labels = [
        str(d.options.get("label") or d.options.get("name"))
        for text in PAGES.values()
        for d in page(text).directives
        if d.options.get("label") or d.options.get("name")
    ]
    assert len(set(labels)) == len(labels)
