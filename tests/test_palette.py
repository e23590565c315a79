"""One palette, one meaning: colours that all readers can tell apart, and orange for SD alone."""

import ast
import re
from itertools import combinations

import pytest
from coloraide.everything import ColorAll as Color
from conftest import ROOT
from matplotlib.colors import to_rgb
from myst_nb.core.read import read_myst_markdown_notebook

from gsutils.page import palette

# What stands side by side in figures, and must be told apart.
METHOD, SLATE = palette.METHODS["sd"], palette.METHODS["erm"]
FAMILIES = {
    "methods": list(palette.METHODS.values()),
    "features": [*palette.FEATURES, METHOD],
    "classes": [*palette.CLASSES.values(), METHOD],
    "cases": [*palette.CASES, METHOD],
    "features and plain training": [*palette.FEATURES, SLATE],
    "cases and plain training": [palette.CASES[1], palette.CASES[2], SLATE],
    "digits": [palette.Look(colour, "-", marker) for colour, marker in zip(palette.DIGITS, "o^")],
}
SIGHTS = (None, "protan", "deutan", "tritan")
APART = 10  # CIEDE2000; neighbours look alike below some 2 to 5
LIGHTER = 12  # difference of lightness (CIELAB) that is seen in grey


def seen(colour, sight):
    return Color(colour).filter(sight) if sight else Color(colour)


def distance(one, other, sight):
    return seen(one, sight).delta_e(seen(other, sight), method="2000")


def lightness(colour):
    return Color(colour).convert("lab-d65")["lightness"]


def test_the_measure_of_distance_is_that_of_its_authors():
    """The first pair of the test data of Sharma, Wu and Dalal (2005)."""
    one, other = (Color("lab-d65", [50, *ab]) for ab in ((2.6772, -79.7751), (0, -82.7485)))
    assert one.delta_e(other, method="2000") == pytest.approx(2.0425, abs=1e-4)


def test_red_and_green_of_one_lightness_are_told_apart_by_nobody_who_lacks_green():
    """The test would notice: two colours that differ for most readers, and not for these."""
    red, green = "#a97b5c", "#7d8a55"
    assert distance(red, green, None) > 2 * APART
    assert distance(red, green, "deutan") < APART


@pytest.mark.parametrize("sight", SIGHTS, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_colours_are_told_apart(family, sight):
    alike = {
        (one, other): round(found, 1)
        for one, other in combinations(sorted({look.colour for look in FAMILIES[family]}), 2)
        if (found := distance(one, other, sight)) < APART
    }
    assert alike == {}


@pytest.mark.parametrize("family", FAMILIES)
def test_in_grey_lightness_or_line_and_marker_tell_apart(family):
    for one, other in combinations(FAMILIES[family], 2):
        lighter = abs(lightness(one.colour) - lightness(other.colour)) >= LIGHTER
        shape = one.line != other.line or one.marker != other.marker
        assert lighter or shape, (one, other)
        assert one.colour != other.colour or (one.line, one.marker) != (other.line, other.marker)


def test_lines_and_marks_are_seen_on_white():
    for look in (*palette.METHODS.values(), *palette.FEATURES, *palette.CASES):
        assert Color(look.colour).contrast("white") >= 2.5, look


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shades_go_from_light_to_dark_and_are_told_apart(count):
    found = palette.shades(palette.DECOUPLED, count)
    assert len(set(found)) == count
    assert sorted(found, key=lightness, reverse=True) == found
    if count == 3:
        for sight in SIGHTS:
            assert all(distance(*pair, sight) >= APART for pair in combinations(found, 2))


ORANGE_NAMES = re.compile(
    r"(tab:|dark)?orange\w*|C1|Oranges|OrRd|YlOr(Br|Rd)|PuOr|autumn|Wistia|copper|[Hh]ot|coral"
)
WORD = re.compile(r"[A-Za-z]{2,}")
NAMES_SD = re.compile(r"\bsd\b|\bSD\b|[Dd]ecoupl")


def is_orange(text):
    """Whether a string of a plotting cell names an orange: by its code, or by Matplotlib's name."""
    if re.fullmatch("#[0-9a-fA-F]{6}", text):
        light, chroma, hue = Color("srgb", to_rgb(text)).convert("oklch").coords()
        return chroma > 0.09 and 45 < hue < 85 and light > 0.55
    return bool(ORANGE_NAMES.fullmatch(text.removesuffix("_r")))


def words(node):
    """The strings below a node that say something: no markers, no line styles."""
    texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
    return [text for text in texts if isinstance(text, str) and WORD.search(text)]


def misuses(source):
    """Lines of Python `source` that use orange for something that they do not call SD.

    What it is used for is told by the strings beside it: those of the smallest tuple, entry of a
    dict, call or statement around it that has any.
    """
    tree = ast.parse(source)
    parents = {
        child: node
        for node in ast.walk(tree)
        if not isinstance(node, ast.Module)
        for child in ast.iter_child_nodes(node)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and is_orange(node.value):
            found.append(node.lineno)
        name = getattr(node, "attr", getattr(node, "id", None))
        if name != "DECOUPLED" or not isinstance(node.ctx, ast.Load):
            continue
        said, inner = [], node
        while not said and inner in parents:
            around = parents[inner]
            if isinstance(around, ast.Dict):
                place = next(i for i, value in enumerate(around.values) if value is inner)
                said = words(around.keys[place]) + words(inner)
            elif isinstance(around, ast.For) and inner is not around.iter:
                break
            else:
                said = words(around.iter if isinstance(around, ast.For) else around)
            inner = around
        if not any(NAMES_SD.search(text) for text in said):
            found.append(node.lineno)
    return sorted(found)


@pytest.mark.parametrize(
    "source",
    [
        'ax.plot(x, y, color=plots.DECOUPLED, label="test")',
        'for n, c in (("train", plots.PLAIN), ("test", plots.DECOUPLED)): draw(n, c)',
        'looks = {"SD": plots.PLAIN, "hinge": plots.DECOUPLED}',
        "for c in (plots.PLAIN, plots.DECOUPLED):\n    ax.plot(x, c, label='SD')",
        'ax.plot(x, y, color="#e08e0b", label="SD")',
        'ax.fill(x, y, color="#f0a030")',
        'ax.imshow(z, cmap="PuOr_r")',
        'ax.plot(x, y, "C1")',
        'ax.plot(x, y, color="tab:orange")',
    ],
)
def test_orange_for_something_else_is_found(source):
    with pytest.raises(AssertionError):
        assert misuses(source.replace('"C1"', 'color="C1"')) == []


@pytest.mark.parametrize(
    "source",
    [
        'ax.plot(x, y, "--", color=plots.DECOUPLED, label="SD, any threshold")',
        'for n, c in (("plain", plots.PLAIN), ("sd", plots.DECOUPLED)): draw(n, c)',
        'looks = {"erm": (plots.PLAIN, "-"), "sd": (plots.DECOUPLED, "--")}',
        'ax.plot(x, y, color="#2b8a5b")',
        'ax.imshow(z, cmap="PiYG")',
    ],
)
def test_orange_for_spectral_decoupling_is_right(source):
    assert misuses(source) == []


def sources():
    """Name -> Python of every chapter's cells, and of every module that draws."""
    for path in sorted((ROOT / "book").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if "{code-cell}" in text:
            cells = read_myst_markdown_notebook(text).cells
            code = "\n".join(c.source for c in cells if c.cell_type == "code")
            yield path.name, re.sub(r"^[%!].*", "", code, flags=re.MULTILINE)
    for path in sorted((ROOT / "gsutils").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "plots" in text and path.name != "palette.py":
            yield path.relative_to(ROOT).as_posix(), text


SOURCES = dict(sources())


@pytest.mark.parametrize("name", SOURCES)
def test_orange_is_spectral_decoupling_and_nothing_else(name):
    assert misuses(SOURCES[name]) == []


def test_the_tools_of_the_playground_keep_orange_for_spectral_decoupling():
    folder = ROOT / "book" / "_static" / "playground"
    rules = [
        rule
        for path in folder.glob("*.css")
        for rule in re.findall(r"([^{}]+)\{([^{}]*)\}", path.read_text(encoding="utf-8"))
    ]
    oranges = [selector for selector, body in rules if "var(--play-decoupled)" in body]
    assert oranges
    assert [selector for selector in oranges if not re.search('decoupled|="sd"', selector)] == []


@pytest.mark.parametrize("sheet", ["book/_static/book.css", "tools/pdf/page.css"])
def test_the_accents_of_pages_are_the_colours_of_the_classes(sheet):
    text = (ROOT / sheet).read_text(encoding="utf-8")
    accents = [re.search(rf"-{name}: (#\w{{6}});", text)[1] for name in ("strong", "starved")]
    assert accents == [palette.NEGATIVE, palette.POSITIVE]
