"""Pages made light: the icons that are used stay, and a figure looks as before."""

from io import BytesIO

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw
from pydata_sphinx_theme import __file__ as theme

from tools import slim

FONTS = "theme/pydata_sphinx_theme/static/vendor/fontawesome/webfonts"


def png(image):
    stream = BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def opened(picture):
    return np.asarray(Image.open(BytesIO(picture)).convert("RGB"), float)


def figure():
    """A figure as Matplotlib draws it: white ground, smooth lines, a map of two colours."""
    across = np.linspace(0, 1, 300)[None, :, None] * np.ones((200, 1, 1))
    levels = (1 - across) * [127, 178, 211] + across * [237, 163, 173]
    image = Image.fromarray(levels.astype(np.uint8)).resize((600, 400))
    ImageDraw.Draw(image).line([(10, 10), (300, 390), (590, 20)], fill="black", width=5)
    return image


def test_a_figure_becomes_smaller_and_looks_the_same():
    before = png(figure().convert("RGBA"))
    after = slim.packed(before)
    assert len(after) < 0.8 * len(before)
    assert np.sqrt(np.mean((opened(before) - opened(after)) ** 2)) <= slim.TOLERANCE


def test_a_short_line_in_a_map_of_many_colours_keeps_its_colour():
    noise = np.random.default_rng(0).integers(-4, 5, (400, 600, 3))
    picture = Image.fromarray(np.clip(opened(png(figure())) + noise, 0, 255).astype(np.uint8))
    ImageDraw.Draw(picture).line([(280, 200), (320, 200)], fill="#e08a1e", width=2)
    before = png(picture)
    after = slim.packed(before)
    assert len(after) < 0.8 * len(before)
    assert np.abs(opened(after) - opened(before)).max() < 16


def test_a_photograph_keeps_every_colour():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    before = png(Image.fromarray(noise))
    after = slim.packed(before)
    assert len(after) <= len(before)
    assert (opened(after) == opened(before)).all()


def test_a_picture_that_lets_the_ground_through_stays_as_it_is():
    clear = png(Image.new("RGBA", (50, 50), (10, 20, 30, 128)))
    assert np.asarray(Image.open(BytesIO(slim.packed(clear))))[0, 0, 3] == 128


def test_packed_pictures_are_remembered(tmp_path, monkeypatch):
    pictures, memory = tmp_path / "images", tmp_path / "memory"
    pictures.mkdir()
    for _ in range(2):
        (pictures / "a.png").write_bytes(png(figure()))
        slim.slim_pictures(pictures, memory)
        monkeypatch.setattr(slim, "packed", lambda _: pytest.fail("packed again"))
    assert (pictures / "a.png").stat().st_size < len(png(figure()))


def test_a_cut_font_draws_what_it_keeps_as_the_whole_one_does():
    whole = next(iter((slim.Path(theme).parent / FONTS).glob("fa-solid-900.ttf")))
    cut = TTFont(BytesIO(slim.subset(whole, [0xF002, 0xF107])))
    assert set(cut.getBestCmap()) == {0xF002, 0xF107}
    assert cut.flavor == "woff"
    before, after = (
        font["glyf"][font.getBestCmap()[0xF002]].getCoordinates(font["glyf"])[0]
        for font in (TTFont(whole), cut)
    )
    assert list(before) == list(after)
    assert slim.subset(whole, [0xF002]) == slim.subset(whole, [0xF002]), "not deterministic"


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        ('.fa-sun:before{content:"\\f185"}', True),
        ('.fa-sun-o:before,.fa-sun::before{content:"\\f185"}', True),
        ('.fa-sunny:before{content:"\\f186"}', False),
        (".fa-lg{font-size:1.25em}", True),
        ('.note::after{content:"\\f107"}', True),
    ],
)
def test_only_rules_of_unused_icons_go(css, kept):
    assert slim.without_other_icons(css, {"fa-sun"}) == (css if kept else "")


def test_icons_of_a_style_sheet_are_found_in_both_spellings():
    assert slim.code_points('a{content:"\uf058"}b{content:"\\f107"}c{content:"x"}') == {
        0xF058,
        0xF107,
    }


def test_pages_lose_the_scripts_that_they_do_not_use_and_no_other():
    tag = '<script src="../_static/{}.js?v=1"></script>'
    needless = ("fontawesome", "searchtools", "language_data", "searchindex")
    page = "".join(map(tag.format, (*needless, "book")))
    assert slim.without_needless_scripts(page) == tag.format("book")
    assert "fontawesome" not in slim.without_needless_scripts(page, search=True)
    assert "searchindex" in slim.without_needless_scripts(page, search=True)


def test_a_style_sheet_of_ours_says_the_same_in_less(tmp_path):
    own, static = tmp_path / "own", tmp_path / "static"
    for folder in (own, static):
        folder.mkdir()
        css = '/* A: "b" */\n\na {\n  content: "x y";\n\n  /* c */\n  margin: 0 1px;\n}\n'
        (folder / "a.css").write_text(css, encoding="utf-8")
    (static / "theme.css").write_text("/* theirs */", encoding="utf-8")
    slim.slim_styles(static, own)
    short = (static / "a.css").read_text(encoding="utf-8")
    assert short == 'a {\ncontent: "x y";\nmargin: 0 1px;\n}\n'
    assert (static / "theme.css").read_text(encoding="utf-8") == "/* theirs */"
