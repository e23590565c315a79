r"""Make what the playground takes from Python: its colours and its still pictures.

    python -m tools.playground_assets            # write colours.css
    python -m tools.playground_assets --stills   # photograph the tools, too: needs a Chromium

The colours of the light theme are those of `gsutils.page.palette`, so that a line means the same in
a figure and in a tool; the dark theme has lighter ones of the same hues. Data and initial weights
are not embedded: the page draws them itself, number for number as `gsutils` does.

>>> "--play-negative: #2a6f97;" in stylesheet()
True
"""

import argparse
import tempfile
from pathlib import Path

from matplotlib import colormaps
from matplotlib.colors import to_hex

from gsutils.page import palette
from tools import playground, slim
from tools.browser import chromium

ROOT = Path(__file__).resolve().parents[1]

CHANGE = colormaps[palette.CHANGE_MAP]

LIGHT = {
    "ground": "#ffffff",
    "ink": "#17344d",
    "muted": "#4d5b67",
    "frame": "#b9c0c8",
    "faint": "#b3bcc7",
    "arrow": "#c3cad3",
    "negative": palette.NEGATIVE,
    "positive": palette.POSITIVE,
    "plain": palette.PLAIN,
    "decoupled": palette.DECOUPLED,
    "feature-1": palette.FEATURE_1,
    "feature-2": palette.FEATURE_2,
    "null1": palette.GREY,
    "null2": palette.CASES[2].colour,
    "map-negative": to_hex(palette.MAP(0.0)),
    "map-middle": to_hex(palette.MAP(0.5)),
    "map-positive": to_hex(palette.MAP(1.0)),
    "starves": to_hex(CHANGE(0.05)),
    "neither": to_hex(CHANGE(0.5)),
    "feeds": to_hex(CHANGE(0.95)),
    "button": "#1f5f86",
    "on-button": "#ffffff",
}
DARK = {
    "ground": "#10151b",
    "ink": "#eaf1f6",
    "muted": "#a7b3be",
    "frame": "#46525f",
    "faint": "#56626f",
    "arrow": "#566270",
    "negative": "#7cc0ea",
    "positive": "#ff9a90",
    "plain": "#b7c4d6",
    "decoupled": "#f2a93b",
    "feature-1": "#e58ccb",
    "feature-2": "#3fcabd",
    "null1": "#9aa3ac",
    "null2": "#b58a5c",
    "map-negative": "#1f4d6b",
    "map-middle": "#161c24",
    "map-positive": "#692f3a",
    "starves": "#e66fb0",
    "neither": "#1d242d",
    "feeds": "#7fbf4d",
    "button": "#8cc4e6",
    "on-button": "#10151b",
}


def stylesheet() -> str:
    """The content of colours.css."""
    blocks = [
        "/* Made by `python -m tools.playground_assets` from gsutils.page.palette: edit that. */"
    ]
    for selector, colours in (
        ('html,\nhtml[data-theme="light"]', LIGHT),
        ('html[data-theme="dark"]', DARK),
    ):
        lines = "".join(f"  --play-{name}: {value};\n" for name, value in colours.items())
        blocks.append(f"{selector} {{\n{lines}}}")
    return "\n\n".join(blocks) + "\n"


def photograph() -> None:
    """Take the still pictures in a Chromium, of the tools as they open."""
    target = playground.folder(ROOT)
    places = [playground.html(tool, "") for tool in playground.STILLS]
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        page_file = Path(folder) / "page.html"
        static = (ROOT / "book" / "_static").as_uri() + "/"
        page_file.write_text(playground.document(*places, static=static), encoding="utf-8")
        page = browser.new_page(viewport={"width": 760, "height": 1400}, device_scale_factor=1.5)
        page.goto(page_file.as_uri())
        for tool in playground.STILLS:
            place = page.locator(f'.gs-play[data-tool="{tool}"]')
            place.scroll_into_view_if_needed()
            if tool == "train":
                page.wait_for_function(
                    "(({ opening, features }) => !opening && features)"
                    "(document.querySelector('.gs-play').playground)"
                )
            page.wait_for_timeout(4000)
            shot = place.locator(".play-panels, .play-map").first.screenshot()
            (target / f"{tool}.png").write_bytes(slim.packed(shot))


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stills", action="store_true", help="photograph the tools, too")
    options = parser.parse_args()
    playground.folder(ROOT).joinpath("colours.css").write_text(stylesheet(), encoding="utf-8")
    if options.stills:
        photograph()


if __name__ == "__main__":
    main()
