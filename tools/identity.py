r"""Sphinx extension: what a page says of the book that it belongs to, and how a chapter opens.

- Every page ends with the version, the commit that it was built from, and the licence, and has a
  description and a card for those who share its address (by the library sphinxext-opengraph; the
  addresses are those of `tools.address`).
- A chapter, a file `NN-name.md`, has its number in its heading, in the sidebar and in the links
  to the next and the previous page.
- After a chapter's question stands the button that opens it in Colab. What it costs to run, from
  its front matter, stands in its box "Before you start", or beside the button where there is none.
- Where a page has ``{{ ledger_summary }}``, it has the counts of the ledger, in a sentence; where
  it has ``{{ repository }}`` or ``{{ package }}``, the repository's address or what pip installs.

>>> opening({"cpu": "a minute"}, "")
'<p class="gs-opening"><span><b>To run</b> a minute</span></p>'
"""

import json
import re
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ConfigError

from tools import address
from tools.address import git
from tools.numbering import CHAPTER

CARD = "_static/social-card.png"
CARD_SIZE = (1200, 630)
CARD_TEXT = (
    "Gradient Starvation, an executable book. Two moons of points, circles and triangles, and "
    "between them a boundary that hardly bends."
)
SUMMARY = "{{ ledger_summary }}"
_START = re.compile(r'<p class="admonition-title">Before you start</p>.*?(?=</div>)', re.DOTALL)
_QUESTION = re.compile(r"<h1>(.*?</h1>\s*<p>.*?</p>)", re.DOTALL)


class Provenance(NamedTuple):
    """Which state of the repository a book was built from."""

    version: str
    commit: str = ""  # empty outside a git checkout
    date: str = ""
    changed: bool = False  # tracked files differ from the commit; a course is not the book


def provenance(root: Path) -> Provenance:
    """The version in `pyproject.toml` and, where `root` is a git checkout, its last commit."""
    version = address.version(root)
    last = git(root, "log", "-1", "--abbrev=7", "--format=%h %cs")
    if not last or not address.is_checkout(root):
        return Provenance(version)
    commit, date = last.split()
    book = (".", ":(exclude)course.yml")
    changed = bool(git(root, "status", "--porcelain", "--untracked-files=no", "--", *book))
    return Provenance(version, commit, date, changed)


def footer(built: Provenance, repository: str, branch: str) -> str:
    """The last lines of a page, as HTML.

    >>> footer(Provenance("1.0"), "https://a.org/b", "main").split(". ")[0]
    '<p>Version 1.0, built outside a git checkout'
    """
    state = f"Version {escape(built.version)}, "
    if built.commit:
        link = f'<a href="{repository}/commit/{built.commit}">{built.commit}</a>'
        state += f"commit {link} of {built.date}" + built.changed * ", with local changes"
    else:
        state += "built outside a git checkout"
    return (
        f"<p>{state}. Text and figures "
        '<a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>, code '
        f'<a href="{repository}/blob/{branch}/LICENSE">MIT</a>. '
        f'<a href="{repository}/blob/{branch}/CITATION.cff">How to cite</a></p>'
    )


def opening(cost: dict[str, str], colab: str = "") -> str:
    """A line with a chapter's cost and, unless empty, the address in Colab."""
    names = {"cpu": "To run", "gpu": "GPU"}
    parts = [
        f"<span><b>{name}</b> {escape(cost[key])}</span>"
        for key, name in names.items()
        if cost.get(key)
    ]
    if colab:
        parts.append(f'<a class="gs-run" href="{escape(colab)}">Open in Colab</a>')
    return f'<p class="gs-opening">{" ".join(parts)}</p>' if parts else ""


def set_addresses(app: Sphinx, config: Any) -> None:
    """Tell the theme repository and footer, and sphinxext-opengraph where the book will stand."""
    root = Path(app.srcdir)
    try:
        online = address.addresses(root)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    options = config.html_theme_options
    repository, branch = online.repository, options["repository_branch"]
    options["repository_url"] = repository
    if not repository.startswith(address.GITHUB):  # the theme and Colab know no other host
        # Without an address there the theme would put up no notebook for download.
        options["repository_url"] = address.home(root)
        options |= {"use_repository_button": False, "use_issues_button": False}
    own = options.get("extra_footer")  # of an edition
    options["extra_footer"] = own or footer(provenance(root), repository, branch)
    options["footer_content_items"] = ["extra-footer.html"]
    config.ogp_site_url = online.pages
    config.ogp_image, config.ogp_image_alt = CARD, CARD_TEXT
    config.ogp_custom_meta_tags = [
        '<meta name="twitter:card" content="summary_large_image" />',
        *(
            f'<meta property="og:image:{side}" content="{pixels}" />'
            for side, pixels in zip(("width", "height"), CARD_SIZE)
        ),
    ]


def count(app: Sphinx, page: str, source: list[str]) -> None:
    """Put addresses and the ledger's counts into a page that asks for them."""
    for name in ("repository", "package"):
        if (mark := f"{{{{ {name} }}}}") in source[0]:
            online = address.addresses(Path(app.srcdir))
            source[0] = source[0].replace(mark, getattr(online, name))
    if SUMMARY not in source[0]:
        return
    from gsutils.experiments import ENTRIES
    from gsutils.ledger import verdicts
    from gsutils.runs import records

    runs, _ = records.survey()
    source[0] = source[0].replace(SUMMARY, verdicts.summary(ENTRIES.values(), runs))


def number(app: Sphinx, doctree: nodes.document) -> None:
    """Put a chapter's number before its title where other pages name it."""
    name = app.env.docname
    if chapter := CHAPTER.fullmatch(name):
        app.env.titles[name] = app.env.titles[name].deepcopy()
        entry = next(iter(app.env.tocs[name].findall(nodes.reference)))
        for title in (app.env.titles[name], entry):
            title.insert(0, nodes.inline("", f"{chapter[1]} ", classes=["gs-number"]))


def open_chapter(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Put the number above a chapter's heading, its cost into its box, Colab below its question."""
    settings = app.env.metadata.get(page, {}).get("gsbook")
    if not settings or "body" not in context:
        return
    settings = json.loads(settings) if isinstance(settings, str) else settings
    colab = [b["url"] for b in context.get("header_buttons", []) if b.get("label") == "colab"]
    chapter = CHAPTER.fullmatch(page)
    kicker = f'<span class="gs-chapter">Chapter {chapter[1]} </span>' if chapter else ""
    cost, body = settings.get("cost", {}), context["body"]
    body, boxes = _START.subn(lambda found: f"{found[0]}{opening(cost)}\n", body, count=1)
    line = opening({} if boxes else cost, "".join(colab))
    context["body"] = _QUESTION.sub(lambda found: f"<h1>{kicker}{found[1]}\n{line}", body, count=1)


def describe_root(app: Sphinx, exception: Exception | None) -> None:
    """Give the page at the root, which leads to the first page, that page's description."""
    if exception is not None or app.builder.name != "html":
        return
    site = Path(app.outdir)
    first = f"{app.config.root_doc}.html"
    text = (site / first).read_text(encoding="utf-8")
    found = re.findall(r"<title>.*?</title>|<meta (?:property|name)=.*?>", text, re.DOTALL)
    head = [f'<meta http-equiv="refresh" content="0; url={first}" />', *found]
    lines = ["<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8" />', *head]
    body = f'<body><p><a href="{first}">{escape(app.config.project)}</a></p></body>'
    page = "\n".join([*lines, "</head>", body, "</html>", ""])
    (site / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.setup_extension("sphinxext.opengraph")
    app.connect("config-inited", set_addresses, priority=900)
    app.connect("source-read", count)
    app.connect("doctree-read", number, priority=900)
    app.connect("html-page-context", open_chapter, priority=950)
    app.connect("build-finished", describe_root, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
