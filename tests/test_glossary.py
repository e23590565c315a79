"""The glossary: every term is linked from its first use, and every link leads to a term.

The first use of a term is looked for in the prose of the pages before the back matter, in the
order of the book: not in headings, tables, formulas, code and captions.
"""

import re
from functools import cache
from pkgutil import resolve_name

import pytest
from conftest import ROOT
from markdown_it.renderer import RendererHTML
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from sphinx_external_toc.parsing import parse_toc_yaml

from tools.notebooks.syntax import EXTENSIONS, Directive

MD = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)
GLOSSARY = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
PAGES = {p.stem: p.read_text(encoding="utf-8") for p in (ROOT / "book").glob("*.md")}
BACK_MATTER = ("ledger", "running", "api", "errata", "glossary", "references")
NOT_PROSE = {"code", "code-block", "figure", "image", "math", "raw", "toctree", "bibliography"}
NOT_PROSE |= {"slide"}  # shows nothing on the page
LINK = re.compile("\ue000(.*?)\ue001")  # the place of a {term}; between them what it leads to

# Terms that are words of every day, too: where their use as a term begins.
EVERYDAY = {
    "strength": "mathematics",
    "dual variable": "mathematics",  # also called "pull"
    "equal margin": "05-spectral-decoupling",
}


@cache
def entries():
    """What a glossary entry is called -> its definition, in the order of the page."""
    (block,) = [t for t in MD.parse(GLOSSARY) if t.info.startswith("{glossary}")]
    found, names = {}, []
    for line in Directive.read(block.info, block.content, 0).body.splitlines():
        if line.startswith(" "):
            found[tuple(names)] = found.get(tuple(names), "") + line
        elif line:
            names = [] if tuple(names) in found else names
            names.append(line)
    return found


def order():
    """The pages before the back matter, in the book's order; chapters not listed yet come last."""
    listed = [name.removeprefix("book/").removesuffix(".md") for name in toc()]
    others = sorted(name for name in PAGES if name[0].isdigit() and name not in listed)
    return [name for name in listed + others if name not in BACK_MATTER]


def toc():
    site = parse_toc_yaml(ROOT / "_toc.yml")
    return [site.root.docname, *(name for name in site if name != site.root.docname)]


@cache
def prose(name):
    """The prose of a page, with a mark in the place of every link to a term."""
    text = PAGES[name]
    if "kernelspec:" not in text:
        return read(text)
    cells = read_myst_markdown_notebook(text).cells
    return " ".join(read(cell.source) for cell in cells if cell.cell_type == "markdown")


def read(markdown):
    words, before, rows = [], "", 0
    for token in MD.parse(markdown):
        rows += (token.type == "table_open") - (token.type == "table_close")
        if token.type == "inline" and before != "heading_open" and not rows:
            words.append(inline(token))
        elif token.type in ("fence", "colon_fence") and token.info.strip().startswith("{"):
            directive = Directive.read(token.info, token.content, 0)
            words.append("" if directive.name in NOT_PROSE else read(directive.body))
        before = token.type
    return " ".join(words)


def inline(token):
    words = []
    for child in token.children:
        if child.type == "myst_role" and child.meta["name"] == "term":
            words.append(f"\ue000{target(child.content)}\ue001")
        elif child.type == "text":
            words.append(child.content)
        else:
            words.append("" if child.type.endswith(("_open", "_close")) else " ")
    return "".join(words)


def target(content):
    """What `shown <term>`, or `term` alone, leads to."""
    return re.sub(r".*<(.*)>", r"\1", content, flags=re.DOTALL).lower()


def mentions(name, names):
    """Where a page has one of the names in plain words, and where it links to one of them."""
    text, wanted = prose(name), [n.lower() for n in names]
    links = [m.start() for m in LINK.finditer(text) if m[1] in wanted]
    plain = LINK.sub(lambda m: " " * len(m[0]), text)
    pattern = rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})s?(?![\w-])"
    return [m.start() for m in re.finditer(pattern, plain, re.IGNORECASE)], links


@pytest.mark.parametrize("names", entries(), ids=lambda names: names[0])
def test_a_term_is_linked_from_its_first_use(names):
    pages = order()
    for name in pages[pages.index(EVERYDAY.get(names[0], pages[0])) :]:
        plain, links = mentions(name, names)
        if plain or links:
            assert links, f"{name} has {names[0]!r} first, without a link"
            assert not plain or links[0] < plain[0], f"{name} has {names[0]!r} before it links it"
            return
    pytest.fail(f"no chapter links to {names[0]!r}")


def test_every_link_leads_to_a_term():
    known = {name.lower() for names in entries() for name in names}
    links = {name: LINK.findall(prose(name)) for name in PAGES}
    assert {link for found in links.values() for link in found} <= known
    everywhere = {name: text.count("{term}`") for name, text in PAGES.items()}
    assert everywhere == {name: len(found) for name, found in links.items()}


def test_a_name_stands_once_in_the_glossary():
    names = [name.lower() for names in entries() for name in names]
    assert len(set(names)) == len(names)


def test_the_entries_stand_in_the_order_of_the_alphabet():
    first = [names[0].lower() for names in entries()]
    assert first == sorted(first)


@pytest.mark.parametrize("names", entries(), ids=lambda names: names[0])
def test_a_definition_is_short_and_leads_to_a_page(names):
    text = entries()[names]
    assert len(re.findall(r"[.?!](?=\s|$)", text)) <= 4
    assert re.search(r"\]\((#[\w-]+|[\w-]+\.md)\)", text)


def test_a_name_in_the_notation_table_is_there():
    rows = [line for line in GLOSSARY.splitlines() if line.startswith("|")]
    names = re.findall(r"`([a-z]+(?:\.\w+)+)`", " ".join(rows))
    assert len(names) > 10
    for name in names:
        module, _, attribute = name.rpartition(".")
        package = "" if module.startswith("scipy") else "gsutils."
        assert resolve_name(f"{package}{module}:{attribute}") is not None


def test_reading_a_page_keeps_links_and_leaves_code_out():
    text = (
        "# A dual\n\nA {term}`flow <gradient flow>` and `dual`, $dual$.\n\n| dual |\n|--|\n| x |\n"
    )
    assert read(text).strip() == "A \ue000gradient flow\ue001 and  ,  ."
    assert read(":::{tip}\nThe **{term}`dual`**.\n:::") == "The \ue000dual\ue001."
