r"""Sphinx extension: on a phone, the panels of a figure stand below one another.

A figure of several panels brings a second version of itself inside its PNG (`gsutils.page.panels`).
After the HTML is written it becomes a file of its own, and the page offers both: a screen of less
than 600 pixels loads the stacked one, everything else, paper too, the one in a row.

>>> page = with_choice('<img alt="A" src="_images/a.png">', {"a": (4, 8)})
>>> 'srcset="_images/a-phone.png" width="4" height="8"><img' in page
True
"""

import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from sphinx.application import Sphinx

from gsutils.page import panels

NARROW = 599  # pixels
_IMAGE = re.compile(r'<img\b[^<>]*\bsrc="([^"]*_images/)([^"/]+)\.png"[^<>]*>')
_STYLE = re.compile(r'style="width: (\d+)px; height: (\d+)px;"')


def with_choice(page: str, sizes: Mapping[str, tuple[int, int]]) -> str:
    """The HTML `page` with both versions of figures; `sizes` in pixels of those for phones."""

    def choice(image: re.Match[str]) -> str:
        folder, stem = image.groups()
        if stem not in sizes:
            return image[0]
        width, height = sizes[stem]
        return (
            f'<picture><source media="screen and (max-width: {NARROW}px)" '
            f'srcset="{folder}{stem}-phone.png" width="{width}" height="{height}">'
            + _STYLE.sub(r'width="\1" height="\2"', image[0])
            + "</picture>"
        )

    return _IMAGE.sub(choice, page)


def separate(folder: Path) -> dict[str, tuple[int, int]]:
    """Write the versions for phones of a folder's figures as files of their own.

    Returns:
        The figures' stems, and the sizes of these versions in pixels of a page, of which each has
        two by two of the picture's.
    """
    sizes = {}
    for path in sorted(folder.glob("*.png")):
        plain, phone = panels.take(path.read_bytes())
        if phone is None:
            continue
        path.write_bytes(plain)
        path.with_name(f"{path.stem}-phone.png").write_bytes(phone)
        with Image.open(BytesIO(phone)) as image:
            sizes[path.stem] = (round(image.width / 2), round(image.height / 2))
    return sizes


def offer(app: Sphinx, exception: Exception | None) -> None:
    """Separate the versions of figures, and let pages offer both."""
    if exception is not None or app.builder.name != "html":
        return
    site = Path(app.outdir)
    sizes = separate(site / "_images")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(with_choice(text, sizes), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("build-finished", offer, priority=940)  # before tools.slim
    return {"parallel_read_safe": True, "parallel_write_safe": True}
