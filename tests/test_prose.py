"""Values in sentences: stored, formatted, and missed loudly."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from gsutils.page import prose
from gsutils.page.prose import fill, glue, pm, say, table


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    monkeypatch.setattr(prose, "_values", {})


@pytest.mark.parametrize(
    ("value", "template", "text"),
    [
        (2.125, "{{x:.1f}} times", "2.1 times"),
        (np.float32(0.5), "{{ x : .2f}}", " 0.50"),
        (np.int64(1234), "{{x:,}}", "1,234"),
        (torch.tensor(0.25, requires_grad=True), "{{x:.0%}}", "25%"),
        (np.array(7), "{{x}} and {{x:03d}}", "7 and 007"),
        ("MNIST", "{{x}}, {x}, $\\frac{1}{{2}}$", "MNIST, {x}, $\\frac{1}{{2}}$"),
    ],
)
def test_placeholders_are_filled(value, template, text, request):
    glue("x", value)
    if "{{2}}" in template:
        glue("2", "{{2}}")  # a name like any other
    assert fill(template) == text


def test_stored_values_are_pythons_own():
    for value in (np.float64(1), np.int32(1), torch.tensor(1.0), 1, 1.0, "one"):
        glue("x", value)
        assert type(prose._values["x"]) in (float, int, str)


def test_the_last_value_counts():
    glue("x", 1)
    glue("x", 2)
    assert fill("{{x}}") == "2"


def test_a_missing_value_is_named():
    with pytest.raises(KeyError, match="nothing was glued as 'margin': run the cells above first"):
        fill("{{margin:.1f}}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0, 2.0], r"one number or text, got shape \(2,\)"),
        (np.ones((1, 1)), r"got shape \(1, 1\)"),
        (torch.ones(3), r"got shape .*3"),
        (None, "one number or text, got None"),
        (1j, "got 1j"),
        (float("nan"), "x is nan: it cannot be quoted"),
        (np.inf, "x is inf"),
    ],
)
def test_what_cannot_be_quoted_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        glue("x", value)


def test_outside_ipython_no_myst_nb_is_needed():
    code = (
        "import sys; sys.modules['myst_nb'] = None; sys.modules['IPython'] = None\n"
        "from gsutils.page.prose import fill, glue, pm\n"
        "glue('x', 1.5); print(fill('{{x:.2f}}'), pm([1, 2]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1.50 1.50 ± 0.71\n"


def test_in_a_notebook_the_value_is_glued_for_the_page(monkeypatch):
    import IPython
    import myst_nb

    glued = {}
    monkeypatch.setattr(IPython, "get_ipython", lambda: "a shell")
    monkeypatch.setattr(
        myst_nb, "glue", lambda name, value, display: glued.update({name: (value, display)})
    )
    glue("x", np.float64(1.5))
    assert glued == {"x": (1.5, False)}


def test_say_displays_markdown(monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    glue("x", 0.5)
    say("**{{x:.2f}}**")
    assert shown[0].data == "**0.50**"


def test_a_table_is_markdown_with_numbers_to_the_right():
    shown = table(["case", "margin"], [["plain", 0.1], ["SD", pm([0.2, 0.2])]])
    assert shown.data.splitlines() == [
        "| case | margin |",
        "| :-- | --: |",
        "| plain | 0.1 |",
        "| SD | 0.20\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.00 |",  # never broken in two
    ]


@pytest.mark.parametrize(
    ("values", "arguments", "text"),
    [
        ([1.0, 3.0], {}, "2.00 ± 1.41"),
        ([0.25], {"form": ".1f", "scale": 100}, "25.0"),
        (iter([0.5, 0.75]), {"form": ".0f", "scale": 100}, "62 ± 18"),
        (torch.tensor([1.0, 1.0]), {}, "1.00 ± 0.00"),
    ],
)
def test_pm_is_mean_and_sample_standard_deviation_or_the_single_value(values, arguments, text):
    assert pm(values, **arguments) == text
