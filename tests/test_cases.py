"""Cases as JSON: what comes back is what was written, and nothing else is taken."""

from dataclasses import dataclass, replace

import pytest

from gsutils import methods
from gsutils.experiments import ENTRIES, SIZES
from gsutils.runs import records
from gsutils.runs.case import changed, from_json, to_json
from gsutils.runs.pool import HOW

CASES = {
    f"{entry.name}, {size}, {name}": case
    for entry in ENTRIES.values()
    for size in SIZES
    for name, case in entry.cases[size].items()
}
ONE_EACH = {type(case): case for case in CASES.values()}


def test_every_case_comes_back_from_its_table():
    for name, case in CASES.items():
        assert from_json(type(case), to_json(case)) == case, name


def test_every_stored_record_holds_cases_of_its_entry():
    runs, refused = records.survey()
    assert runs
    assert not refused
    for run in runs:
        cases = ENTRIES[run.experiment].cases["paper"]
        for name, table in run.settings["cases"].items():
            how = {key: table[key] for key in HOW if key in table}
            assert from_json(type(cases[name]), table) == replace(cases[name], **how), run.name


@pytest.mark.parametrize("case", ONE_EACH.values(), ids=lambda case: type(case).__module__)
def test_a_table_that_is_no_case_is_refused_by_the_name_of_its_field(case):
    table = to_json(case)
    with pytest.raises(ValueError, match=r"there is no setting x\.stepz; there is"):
        from_json(type(case), table | {"stepz": 3}, "x")
    for name, value in table.items():
        wrong = [[["?"]], {"?": 1}] if value is not None else [{"?": 1}]
        if isinstance(value, float):
            wrong += [float("nan"), float("inf"), True, "1"]
        if isinstance(value, int) and not isinstance(value, bool):
            wrong += [2.5, True, "1"]
        for other in wrong:
            with pytest.raises(ValueError, match=f"{name}|a method must be"):
                from_json(type(case), table | {name: other}, "x")


@pytest.mark.parametrize("table", [None, 3, [], "case"])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(ValueError, match="x must be a table of"):
        from_json(type(CASES["table2, paper, sd"]), table, "x")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"name": "rex"}, "a method must be a table with a name, one of erm, .*got"),
        ({"lam": 1.0}, "a method must be a table with a name"),
        ("sd", "a method must be a table with a name"),
        ({"name": "sd", "lamb": 1.0}, "there is no setting sd.lamb; there is"),
        ({"name": "sd", "switch": 2.5}, "sd.switch must be an integer, got 2.5"),
        ({"name": "erm", "l2": -1.0}, "l2 must be"),
    ],
)
def test_a_method_that_there_is_not_is_refused(method, message):
    case = CASES["table2, paper, sd"]
    with pytest.raises(ValueError, match=message):
        from_json(type(case), to_json(case) | {"method": method})


@dataclass(frozen=True)
class Case:
    steps: int = 3
    method: methods.ERM = methods.SD()


def test_a_setting_is_that_of_all_cases_or_of_the_one_with_the_longest_name():
    cases = {"a": Case(), "a.method": Case(), "b": Case()}
    assert {n: c.steps for n, c in changed(cases, {"steps": 5}).items()} == dict.fromkeys(cases, 5)
    one = changed(cases, {"a.method.steps": 5})
    assert one == cases | {"a.method": Case(5)}
    assert changed(cases, {"b.method.lam": 2}) == cases | {"b": Case(3, methods.SD(lam=2.0))}
    assert changed({"a": Case()}, {"a.method.lam": 2})["a"] == Case(3, methods.SD(lam=2.0))
