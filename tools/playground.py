r"""Sphinx extension: the directive that puts a tool of the playground into a page.

    :::{playground} train
    :settings: lam=0.02 width=500
    :show: delta lam decay kind:exact,sd responses
    :examples: starved overlap
    :::

`settings` differ from the tool's own. A chapter that calls for only a part of a tool names in
`show` the settings and parts that its readers see, some options of a menu after a colon, and in
`examples` the ready settings (`examples.js`), or none; the tool then leads to the whole one.

`:::{playground} hero` is a button, which loads and trains Figure 1 (a-c) when it is pressed; the
picture that stands before it is what shows without JavaScript.

The tools are JavaScript, `book/_static/playground/*.js`, and only a page that holds one loads
them. Without JavaScript the page shows a still picture of the tool and a sentence.

>>> print(html("map", "../_static/", settings="ratio=1"))  # doctest: +ELLIPSIS
<div class="gs-play" data-tool="map" data-settings="ratio=1">
<noscript><img src="../_static/playground/map.png" alt="..."><p>...</p></noscript>
</div>
"""

import hashlib
from html import escape
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER = "playground/"
ROOT = Path(__file__).resolve().parents[1]
# In the order in which they need one another.
SCRIPTS = (
    "random", "moons", "network", "eigen", "features", "boundary", "dual", "flow",
    "loop", "canvas", "controls", "share", "examples", "run", "curves", "train", "plane", "map",
    "start",
)  # fmt: skip
STYLES = ("colours", "charts", "playground")
# What the hero loads, when it is wanted; the script that loads it is `lazy`.
HERO = (
    *(f"{name}.css" for name in STYLES), "random.js", "moons.js", "network.js", "boundary.js",
    "loop.js", "canvas.js", "controls.js", "run.js", "hero.js",
)  # fmt: skip
# The pages that have the whole tools.
HOMES = {
    "train": "book/playground",
    "plane": "book/phase-plane",
    "map": "book/phase-plane",
}
STILLS = {
    "train": "The tool as it is after 1,000 steps: two moons, twice, with the decision map of a "
    "network that was trained plainly, whose boundary passes close to the points, and of one "
    "trained with spectral decoupling, whose boundary is curved and farther away.",
    "plane": "The tool at its first settings: the plane of the two dual variables with both "
    "nullclines, paths and the fixed point where the nullclines meet, and the path of the two "
    "responses.",
    "map": "The tool at its first settings: a map over the coupling and the ratio of squared "
    "strengths, pink where the first feature starves the second, green where it feeds it.",
}
SENTENCE = (
    "This picture comes alive with JavaScript, which is switched off here; nothing else is needed."
)


def html(tool: str, static: str, **data: str) -> str:
    """The place of a tool in a page.

    Args:
        tool: a key of :data:`STILLS`.
        static: the way from the page to the folder `_static/`.
        **data: `settings`, a query string of settings that differ from the tool's own; `show` and
            `examples`, as in the directive; `home`, the way to the page with the whole tool;
            `homes`, a query string of the ways to those of other tools, for old links.
    """
    still = f'<img src="{static}{FOLDER}{tool}.png" alt="{escape(STILLS[tool])}">'
    attributes = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    return (
        f'<div class="gs-play" data-tool="{tool}"{attributes}>\n'
        f"<noscript>{still}<p>{SENTENCE}</p></noscript>\n</div>"
    )


def hero(static: str) -> str:
    """The place of the live figure of the first page; `static` as in :func:`html`.

    >>> hero("../_static/")[:74]
    '<div class="gs-hero" data-files="../_static/playground/colours.css?v=...'
    """
    files = [(name, folder(ROOT).joinpath(name).read_bytes()) for name in HERO]
    version = hashlib.sha256(b"".join(content for _, content in files)).hexdigest()[:8]
    addresses = " ".join(f"{static}{FOLDER}{name}?v={version}" for name, _ in files)
    return f'<div class="gs-hero" data-files="{addresses}"></div>'


def document(*places: str, static: str) -> str:
    """A page of its own with some tools and nothing else, for tests and benchmarks.

    >>> document(html("map", "_static/"), static="_static/").count("<script")
    19
    """
    styles = ["book", *(FOLDER + name for name in STYLES)]
    lines = [
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width"><title>Playground</title>',
        *(f'<link rel="stylesheet" href="{static}{name}.css">' for name in styles),
        *(f'<script defer src="{static}{FOLDER}{name}.js"></script>' for name in SCRIPTS),
        "</head><body><main><h1>Playground</h1>",
        *places,
        "</main></body></html>",
    ]
    return "\n".join(lines)


class Playground(SphinxDirective):
    """The directive ``playground``: its argument is the tool, its content nothing."""

    required_arguments = 1
    option_spec: ClassVar = dict.fromkeys(("settings", "show", "examples"), directives.unchanged)

    def run(self) -> list[nodes.Node]:
        """Return the tool's place; a page with one is marked, so that it gets the scripts."""
        (tool,) = self.arguments
        page = self.env.docname
        up = "../" * page.count("/")
        if tool == "hero":
            self.env.metadata[page]["hero"] = tool
            return [nodes.raw("", hero(f"{up}_static/"), format="html")]
        if tool not in STILLS:
            raise self.error(f"the tools are {', '.join(STILLS)}, got {tool!r}")
        pairs = [pair.partition("=") for pair in self.options.get("settings", "").split()]
        data = self.options | {"settings": urlencode({name: value for name, _, value in pairs})}
        if page != HOMES[tool]:
            data["home"] = f"{up}{HOMES[tool]}.html"
        else:
            others = {name: f"{up}{home}.html" for name, home in HOMES.items() if home != page}
            data["homes"] = urlencode(others)
        self.env.metadata[page]["playground"] = tool
        return [nodes.raw("", html(tool, f"{up}_static/", **data), format="html")]


def add_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Let a page that holds a tool load the scripts and styles, and no other page."""
    if "hero" in app.env.metadata.get(page, {}):
        app.add_js_file(f"{FOLDER}lazy.js", loading_method="defer")
    if "playground" not in app.env.metadata.get(page, {}):
        return
    for name in STYLES:
        app.add_css_file(f"{FOLDER}{name}.css")
    for name in SCRIPTS:
        app.add_js_file(f"{FOLDER}{name}.js", loading_method="defer")


def folder(root: Path) -> Path:
    """Where the scripts are, from the root of the repository."""
    return root / "book" / "_static" / FOLDER


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_directive("playground", Playground)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
