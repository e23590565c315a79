"""A deck of slides as one HTML file, presented by reveal.js.

reveal.js (keys, touch, speaker notes, overview, print) comes with `sphinx-revealjs`, MathJax with
`sphinx-mathjax-offline`: it draws the formulas when the deck is opened. What the deck looks like is
in `deck.css`, its frame in `deck.html`, both beside this module.
"""

import base64
import functools
import gzip
import importlib.resources
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image
from pygments.formatters import HtmlFormatter

from tools import slim
from tools.slides import wall

MATHJAX = ["startup", "core", "input/tex-full", "output/svg", "output/svg/fonts/tex"]
MATHJAX += ["a11y/assistive-mml"]


@dataclass
class Figure:
    """A picture, its text for those who cannot see it, and the folder of packed ones."""

    picture: Image.Image
    alt: str
    memory: Path

    @property
    def ratio(self) -> float:
        """Width over height."""
        return self.picture.width / self.picture.height

    @property
    def wide(self) -> int:
        """Pixels of the stage that it takes beside a text."""
        return round(min(wall.BESIDE[0], wall.BESIDE[1] * self.ratio))

    @property
    def data(self) -> str:
        """The picture as a `data:` address, packed as the site's figures are."""
        stream = BytesIO()
        self.picture.save(stream, "PNG", compress_level=1)
        packed = slim.remembered(stream.getvalue(), self.memory)
        return f"data:image/png;base64,{base64.b64encode(packed).decode()}"


@dataclass
class Slide:
    """One slide; the texts are HTML."""

    title: str
    text: str
    notes: str
    equation: str = ""
    number: str = ""
    figure: Figure | None = None

    @property
    def layout(self) -> str:
        """How the slide is laid out: the class of its section."""
        if self.figure is None:
            return "plain"
        if self.text:
            return "beside"
        width, height = self.figure.picture.size
        below, beside = (min(w / width, h / height) for w, h in (wall.BELOW, wall.BESIDE))
        return "below" if below >= beside else "beside"


def reveal(path: str) -> str:
    """A file of reveal.js."""
    folder = importlib.resources.files("sphinx_revealjs").joinpath("_static", "revealjs")
    return folder.joinpath(path).read_text(encoding="utf-8")


@functools.cache
def scripts() -> str:
    """MathJax with the drawings of its letters, and reveal.js: packed by gzip, in base64."""
    mathjax = importlib.resources.files("sphinx-mathjax-offline").joinpath("static", "mathjax")
    files = [mathjax.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in MATHJAX]
    files += [reveal("dist/reveal.js"), reveal("plugin/notes/notes.js")]
    return base64.b64encode(gzip.compress(";\n".join(files).encode(), mtime=0)).decode()


def styles(config: Any) -> str:
    """The style sheets of reveal.js, of a deck and of code in it, in the page's colours."""
    own = Path(__file__).with_name("deck.css").read_text(encoding="utf-8")
    options = config.html_theme_options
    light, dark = (
        HtmlFormatter(style=options[f"pygments_{theme}_style"]).get_style_defs(".highlight")
        for theme in ("light", "dark")
    )
    dark = f"@media (prefers-color-scheme: dark) {{ {dark} }}"
    return "\n".join([reveal("dist/reset.css"), reveal("dist/reveal.css"), light, dark, own])


def write(path: Path, slides: Sequence[Slide], title: str, chapter: str, config: Any) -> None:
    """Write a deck.

    Args:
        path: the file.
        slides: what comes between the first slide and the last.
        title: of the chapter.
        chapter: address of the chapter's page, from the deck.
        config: Sphinx's.
    """
    template = Path(__file__).with_name("deck.html").read_text(encoding="utf-8")
    html = jinja2.Environment(autoescape=False, trim_blocks=True).from_string(template)
    text = html.render(
        slides=slides,
        title=title,
        plain=re.sub("<[^>]*>", "", title),
        chapter=chapter,
        book=config.html_title or config.project,
        author=config.author,
        copyright=config.copyright,
        language=config.language,
        styles=styles(config),
        tex=(config.mathjax3_config or {}).get("tex", {}),
        scripts=scripts(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
