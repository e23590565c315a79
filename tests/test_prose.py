"""Values in sentences: stored, formatted, and missed loudly."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from gsutils.page import prose
from gsutils.page.prose import glue, pm, table, written, yours


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    monkeypatch.setattr(prose, "_values", {})


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (2.125, ".1f", "2.1"),
        (np.float32(0.5), " .2f", " 0.50"),
        (-3, "", "−3"),
        (np.int64(1234), ",", "1,234"),
        (torch.tensor(0.25, requires_grad=True), ".0%", "25%"),
        (np.array(7), "03d", "007"),
        ("MNIST", "", "MNIST"),
    ],
)
def test_a_stored_value_is_written_as_prose_has_it(value, form, text):
    glue("x", value)
    assert written(prose._values["x"], form) == text


def test_stored_values_are_pythons_own():
    for value in (np.float64(1), np.int32(1), torch.tensor(1.0), 1, 1.0, "one"):
        glue("x", value)
        assert type(prose._values["x"]) in (float, int, str)


def test_the_last_value_counts():
    glue("x", 1)
    glue("x", 2)
    assert prose._values == {"x": 2}


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
        "from gsutils.page.prose import glue, pm, written\n"
        "glue('x', 1.5); print(written(1.5, '.2f'), pm([1, 2]))"
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


@pytest.fixture
def shown(monkeypatch):
    """The texts that are displayed."""
    import IPython.display

    texts = []
    monkeypatch.setattr(IPython.display, "display", lambda one: texts.append(one.data))
    return texts


def test_the_readers_own_values_stand_beside_the_books(shown):
    glue("test_accuracy", 0.5)
    glue("lam", 2)
    glue("verdict", "It holds.")
    yours({"test_accuracy:.2f": "0.51", "lam": "2", "verdict": ""})
    assert shown == [
        "| number | in the text | here |\n| :-- | --: | --: |\n"
        "| test accuracy | 0.51 | 0.50 |\n| lam | 2 | 2 |",
        "Here: It holds.",
    ]


def test_values_that_are_the_books_are_not_listed(shown):
    glue("loss", -0.5)
    yours({"loss:.1f": "−0.5"})
    assert shown == ["The numbers of this section are the same here as in the book."]


def test_a_value_that_was_not_computed_says_what_to_run():
    with pytest.raises(KeyError, match="nothing was glued as 'nowhere': run the cells above"):
        yours({"nowhere": "1"})


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
