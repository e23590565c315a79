"""Where lines may break: what stays together on a page, and what is left alone."""

import re

import pytest
from conftest import ROOT
from docutils import nodes

from tools.typography import TOGETHER, mend

NO_BREAK = "\N{NO-BREAK SPACE}"


def paragraph(*children):
    result = nodes.paragraph("", "", *children)
    mend(result)
    return result


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("5 % of 100 %", f"5{NO_BREAK}% of 100{NO_BREAK}%"),
        ("in % of all", "in % of all"),
        ("48 ± 4, IRM", f"48{NO_BREAK}±{NO_BREAK}4, IRM"),
        ("The sign ± stands", "The sign ± stands"),
        ("about 5 per cent", "about 5 per cent"),
    ],
)
def test_a_sign_stays_with_its_number(before, after):
    assert paragraph(nodes.Text(before)).astext() == after


def test_a_per_cent_sign_stays_with_a_quoted_value():
    value = nodes.inline("", "12.5", classes=["pasted-text"])
    assert paragraph(value, nodes.Text(" %, no more")).astext() == f"12.5{NO_BREAK}%, no more"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("-0.5", "−0.5"),
        ("-2e-03", "−2e-03"),
        ("1, -2 and -.3", "1, −2 and −.3"),
        ("0.5", "0.5"),
        ("non-zero", "non-zero"),
    ],
)
def test_a_quoted_value_below_zero_has_a_minus_sign(value, shown):
    assert paragraph(nodes.inline("", value, classes=["pasted-text"])).astext() == shown
    assert paragraph(nodes.Text(value)).astext() == value


def test_punctuation_stays_with_the_formula_before_it():
    texts = ["If ", ", then ", ", too."]
    formulas = [nodes.math("", letter) for letter in "xy"]
    result = paragraph(
        nodes.Text(texts[0]), formulas[0], nodes.Text(texts[1]), formulas[1], nodes.Text(texts[2])
    )
    assert result.astext() == "If x, then y, too."
    together = [node.astext() for node in result.findall(nodes.inline)]
    assert together == ["x,", "y,"]
    assert all(node["classes"] == [TOGETHER] for node in result.findall(nodes.inline))


def test_a_space_after_a_formula_may_break():
    assert not list(paragraph(nodes.math("", "x"), nodes.Text(" is")).findall(nodes.inline))


@pytest.mark.parametrize("kind", [nodes.literal, nodes.literal_block, nodes.math, nodes.raw])
def test_code_and_formulas_stay_as_they_are(kind):
    assert paragraph(kind("", "7 % 2")).astext() == "7 % 2"


# --- letters --------------------------------------------------------------------------------

FONTS = ROOT / "book/_static/fonts"
CUT = ["greek-italic", "greek-normal", "latin-italic", "latin-normal"]


def test_the_letters_are_all_there_free_and_light():
    files = sorted(FONTS.glob("*.woff2"))
    assert [path.stem for path in files] == [f"literata-{name}" for name in CUT]
    assert all(path.read_bytes()[:4] == b"wOF2" for path in files)
    assert sum(path.stat().st_size for path in files) <= 52_000
    assert "SIL Open Font License" in (FONTS / "LICENSE.txt").read_text(encoding="utf-8")
    css = (FONTS / "fonts.css").read_text(encoding="utf-8")
    assert sorted(re.findall(r'url\("(.*?)"\)', css)) == [path.name for path in files]
