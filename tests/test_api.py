"""The page for those who use the package in a project of their own."""

import importlib
import re
import runpy

import pytest
from conftest import ROOT

PAGE = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
SCRIPT = ROOT / "book" / "own_network.py"
NAMED = sorted(set(re.findall(r"\{py:(?:func|class|mod)\}`(gsutils[\w.]*)`", PAGE)))


def found(name):
    """What a dotted name stands for."""
    for cut in range(name.count(".") + 1, 0, -1):
        parts = name.split(".")
        try:
            thing = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            thing = getattr(thing, part)
        return thing
    raise AttributeError(name)


@pytest.mark.parametrize("name", NAMED)
def test_what_the_page_names_is_there_and_says_what_it_is_for(name):
    assert found(name).__doc__


def test_a_function_of_the_table_is_of_a_module_in_the_reference():
    listed = re.findall(r"automodule:: (gsutils\.\w+)", PAGE)
    assert {".".join(name.split(".")[:2]) for name in NAMED} <= set(listed)


def test_the_script_is_short_and_reports_the_doses_before_and_after(capsys):
    code = SCRIPT.read_text(encoding="utf-8").splitlines()
    assert sum(bool(line.strip()) for line in code) <= 30
    assert max(map(len, code)) <= 100
    runpy.run_path(str(SCRIPT))
    before, after = capsys.readouterr().out.split("after:")
    doses, effective = [], []
    for text in (before, after):
        doses.append([float(v) for v in re.findall(r"([\d.]+) %$", text, re.M)][-2:])
        effective.append(float(re.search(r"pull like ([\d.,e+]+)", text)[1].replace(",", "")))
    assert all(sum(pair) == pytest.approx(100, abs=0.2) for pair in doses)
    assert effective[1] > 2 * effective[0], "with SD all examples go on pulling"
