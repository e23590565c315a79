r"""Sphinx extension: make the built pages light, without a change that a reader would see.

After the HTML is written, four things become smaller:

- *Icons.* The theme brings Font Awesome twice, as a script of 2,000 drawings and as fonts. Pages
  do without the script, and the fonts and the style sheet keep the icons that are used.
- *Figures.* A figure drawn by code has few colours; with a palette it takes a third of the
  space. A picture that would change visibly, as a photograph does, is only recompressed.
- *Styles* of the book's own come without comments and indentation.
- *Scripts.* MathJax is loaded in parts, without its menu (`PARTS`), and what the search needs, on
  the page of the search alone.

Fonts are cut by fontTools and pictures packed by Pillow, both of which Matplotlib needs anyway.

>>> sorted(icons_of('<i class="fas fa-code"></i><a class="fa-x big">'))
['fa-code', 'fa-x']
"""

import hashlib
import logging
import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from PIL import Image
from sphinx.application import Sphinx

from gsutils.page import panels

PARTS = ["core", "input/tex", "output/chtml", "a11y/assistive-mml"]
# The smaller palette that will do. It may change a picture by this much (root mean square of the
# levels 0 to 255).
COLOURS, TOLERANCE = (192, 256), 3.0
WIDE = 800  # pixels

_ICON = re.compile(r"\bfa-[a-z0-9-]+")
_ICON_RULE = re.compile(r"(?:\.fa-[a-z0-9-]+::?before,?)+\{[^{}]*\}")
_NEEDLESS = re.compile(r"/\*.*?\*/\n*|^[ \t]+|\n(?=\n)", re.DOTALL | re.MULTILINE)
_SCRIPT = re.compile(r'<script[^<>]*\bsrc="(?:[^"]*/)?(\w+)\.js[^"]*"></script>\s*')
_SEARCH = {"searchtools", "language_data", "searchindex"}
_SIZE = re.compile(r'style="width: (\d+)px; height: (\d+)px;"')
_PRIVATE = re.compile(r"\\([ef][0-9a-f]{3})|([\ue000-\uf8ff])")


def icons_of(text: str) -> set[str]:
    """Names of the Font Awesome icons, and of its sizes and styles, in HTML or JavaScript."""
    return set(_ICON.findall(text))


def without_other_icons(css: str, names: set[str]) -> str:
    """The style sheet `css` without the rules that draw icons other than `names`.

    >>> without_other_icons('.fa-a:before{content:"a"}.fa-b:before,.fa-c:before{x}p{}', {"fa-c"})
    '.fa-b:before,.fa-c:before{x}p{}'
    """
    return _ICON_RULE.sub(lambda rule: rule[0] if names & icons_of(rule[0]) else "", css)


def code_points(css: str) -> set[int]:
    r"""The code points of icons in a style sheet, written as such or as an escape.

    >>> [hex(point) for point in code_points(r'a::after{content:"\f107"}')]
    ['0xf107']
    """
    found = _PRIVATE.findall(css)
    return {int(escape, 16) if escape else ord(sign) for escape, sign in found}


def subset(font: Path, points: Iterable[int]) -> bytes:
    """A WOFF font with the glyphs of `font` at `points`, as far as it has them."""
    options = Options(flavor="woff", layout_features=[], notdef_outline=True)
    result = TTFont(font, recalcTimestamp=False)
    cutter = Subsetter(options)
    cutter.populate(unicodes=points)
    cutter.subset(result)
    result.flavor = "woff"
    stream = BytesIO()
    result.save(stream)
    return stream.getvalue()


def without_needless_scripts(page: str, search: bool = False) -> str:
    """The HTML `page` without the script of icons and, unless it is the `search`, its scripts."""
    needless = {"fontawesome"} if search else {"fontawesome", *_SEARCH}
    return _SCRIPT.sub(lambda tag: "" if tag[1] in needless else tag[0], page)


def with_sizes(page: str) -> str:
    """The HTML `page` with the sizes of pictures as attributes, which keep their places free.

    What is drawn for a wide page is marked: on a phone its letters would be too small.

    >>> with_sizes('<img style="width: 911px; height: 351px;">')
    '<img width="911" height="351" data-wide="">'
    """

    def attributes(size: re.Match[str]) -> str:
        width, height = map(int, size.groups())
        wide = width > WIDE and width > height
        return f'width="{width}" height="{height}"' + ' data-wide=""' * wide

    return _SIZE.sub(attributes, page)


def slim_icons(static: Path, used: set[str]) -> None:
    """Keep the icons `used`, and those of the style sheets; `static` is the site's folder."""
    theme = static / "styles" / "pydata-sphinx-theme.css"
    css = without_other_icons(theme.read_text(encoding="utf-8"), used)
    css = re.sub(r'url\([^()]*\.woff2\) format\("woff2"\),', "", css)
    css = css.replace('.ttf) format("truetype")', '.woff) format("woff")')
    theme.write_text(css, encoding="utf-8")
    sheets = [path.read_text(encoding="utf-8") for path in static.rglob("*.css")]
    points = set().union(*map(code_points, sheets))
    for font in (static / "vendor" / "fontawesome" / "webfonts").glob("*.ttf"):
        font.with_suffix(".woff").write_bytes(subset(font, points))
        font.unlink()
        font.with_suffix(".woff2").unlink()
    (static / "scripts" / "fontawesome.js").unlink()


def packed(picture: bytes) -> bytes:
    """The PNG `picture` in less space: with a palette if that is not seen, and never in more."""
    picture, _ = panels.take(picture)
    image: Image.Image = Image.open(BytesIO(picture))
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    if image.mode == "RGB":
        # By coverage of the colours, not of the area: a thin line in a broad map keeps its colour.
        for colours in COLOURS:
            few = image.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            change = np.asarray(few.convert("RGB"), float) - np.asarray(image, float)
            if np.sqrt(np.mean(change**2)) <= TOLERANCE:
                image = few
                break
    stream = BytesIO()
    image.save(stream, "PNG", optimize=True)
    return min(picture, stream.getvalue(), key=len)


def memory(app: Sphinx) -> Path:
    """The folder of the pictures that were packed before: beside the cache of executed cells."""
    cache = getattr(app.config, "nb_execution_cache_path", "")
    return Path(cache or app.outdir).with_name(".pictures")


def remembered(picture: bytes, memory: Path) -> bytes:
    """The PNG `picture` packed, from the folder `memory` if it has been packed before."""
    settings = f"{COLOURS} {TOLERANCE}".encode()
    known = memory / f"{hashlib.sha256(settings + picture).hexdigest()}.png"
    if not known.is_file():
        memory.mkdir(parents=True, exist_ok=True)
        known.write_bytes(packed(picture))
    return known.read_bytes()


def slim_styles(static: Path, own: Path) -> None:
    """Make the style sheets shorter that the folder `own` gave to the site's folder `static`."""
    for source in own.rglob("*.css"):
        path = static / source.relative_to(own)
        path.write_text(_NEEDLESS.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")


def slim_pictures(folder: Path, memory: Path) -> None:
    """Pack the PNG files of a folder."""
    for path in folder.glob("*.png"):
        path.write_bytes(remembered(path.read_bytes(), memory))


def slim_site(app: Sphinx, exception: Exception | None) -> None:
    """Make the built site light: the last thing that happens to it."""
    if exception is not None or app.builder.name != "html":
        return
    site = Path(app.outdir)
    used = set()
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        used |= icons_of(text)
        text = without_needless_scripts(text, search=page.name == "search.html")
        page.write_text(with_sizes(text), encoding="utf-8")
    for script in (site / "_static").rglob("*theme.js"):
        used |= icons_of(script.read_text(encoding="utf-8"))
    slim_icons(site / "_static", used)
    for folder in app.config.html_static_path:
        slim_styles(site / "_static", Path(app.confdir, folder))
    slim_pictures(site / "_images", memory(app))


def load_parts(app: Sphinx, config: Any) -> None:
    """Let pages load the parts of MathJax that they need."""
    config.mathjax_path = "mathjax/startup.js"
    config.mathjax3_config = {"loader": {"load": PARTS}, **(config.mathjax3_config or {})}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    app.connect("config-inited", load_parts)
    app.connect("build-finished", slim_site, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
