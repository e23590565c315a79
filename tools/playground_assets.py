r"""Make what the playground takes from Python: its colours and its still pictures.

    python -m tools.playground_assets            # write colours.css
    python -m tools.playground_assets --stills   # photograph the tools, too: needs a Chromium

The colours of the light theme are those of `gsutils.page.plots`, so that a line means the same in a
figure and in a tool; the dark theme has lighter ones of the same hues. Data and initial weights
are not embedded: the page draws them itself, number for number as `gsutils` does.

>>> "--play-negative: #2a6f97;" in stylesheet()
True
"""

import argparse
import tempfile
from pathlib import Path

from matplotlib.colors import to_hex

from gsutils.page import plots
from tools import playground, slim
from tools.browser import chromium

ROOT = Path(__file__).resolve().parents[1]

LIGHT = {
    "ground": "#ffffff",
    "ink": "#17344d",
    "muted": "#4d5b67",
    "frame": "#b9c0c8",
    "faint": "#b3bcc7",
    "arrow": "#c3cad3",
    "negative": plots.NEGATIVE,
    "positive": plots.POSITIVE,
    "plain": plots.PLAIN,
    "decoupled": plots.DECOUPLED,
    "third": plots.THIRD,
    "map-negative": to_hex(plots.MAP(0.0)),
    "map-middle": to_hex(plots.MAP(0.5)),
    "map-positive": to_hex(plots.MAP(1.0)),
    "starves": "#b35806",
    "neither": "#f7f7f7",
    "feeds": "#542788",
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
    "third": "#63cf9b",
    "map-negative": "#1f4d6b",
    "map-middle": "#161c24",
    "map-positive": "#692f3a",
    "starves": "#e98a2b",
    "neither": "#1d242d",
    "feeds": "#9a7fd6",
    "button": "#8cc4e6",
    "on-button": "#10151b",
}


def stylesheet() -> str:
    """The content of colours.css."""
    blocks = [
        "/* Made by `python -m tools.playground_assets` from gsutils.page.plots: edit that. */"
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stills", action="store_true", help="photograph the tools, too")
    options = parser.parse_args()
    playground.folder(ROOT).joinpath("colours.css").write_text(stylesheet(), encoding="utf-8")
    if options.stills:
        photograph()


if __name__ == "__main__":
    main()
