"""The ledger's rows: which run counts, what it is called, and that nothing is left out."""

import dataclasses
import shlex

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind_from_stats
from test_sweeps import Case
from test_sweeps import entry as demo_entry

from gsutils.__main__ import main
from gsutils.experiments import ENTRIES
from gsutils.ledger import claims, verdicts
from gsutils.runs import records
from gsutils.runs.case import to_json
from gsutils.runs.records import Run

PAPER = (0.70, 0.01)
OLDER = "settings of an older layout, to be run again"
WIDE = "undecided: the seeds spread too widely"
CASES = {"a": Case(steps=9, lr=0.1), "b": Case(steps=9, lr=0.2)}
ENTRY = demo_entry(
    None,
    cases={"quick": {"a": Case(), "b": Case()}, "paper": CASES},
    seeds={"quick": [0], "paper": [0, 1, 2]},
    paper={"a": {"test accuracy": PAPER, "entropy": (0.41, None)}, "b": {"x": (1.0, 0.1)}},
)


def ran(*names, seeds=(0, 1, 2), **changes):
    """The settings of a record of some cases, with changes of the first."""
    cases = {name: to_json(CASES[name]) for name in names}
    cases[names[0]] |= changes
    return {"cases": cases, "seeds": list(seeds)}


PUBLISHED = ran("a", "b")


def run(**changes):
    values = {
        "experiment": "demo",
        "size": "paper",
        "settings": PUBLISHED,
        "seeds": [0, 1, 2],
        "metrics": {"a": {"test accuracy": [0.70, 0.71, 0.72], "entropy": [0.40, 0.41, 0.42]}},
        "selection": "none",
        "data": {"name": "MNIST"},
        "device": "CPU",
        "wall_time_s": 1.0,
        "command": "python -m gsutils run demo --size paper",
    }
    return Run(**values | changes)


def first(*runs):
    return verdicts.rows(ENTRY, runs)[0]


# --- the verdict --------------------------------------------------------------------------------

spreads = st.floats(1e-4, 0.1)


@settings(deadline=None, max_examples=100)
@given(st.integers(3, 20), st.floats(0, 0.3), spreads, spreads, st.integers(0, 100))
def test_the_tolerance_is_that_of_welchs_t_test(n, difference, s, s_p, seed):
    values = np.random.default_rng(seed).normal(size=n)
    values = difference + s * (values - values.mean()) / values.std(ddof=1)
    p = ttest_ind_from_stats(difference, s, n, 0.0, s_p, 10, equal_var=False).pvalue
    assume(abs(p - 0.05) > 1e-6)
    assert (difference <= verdicts.tolerance(values, s_p)) == (p >= 0.05)


def test_without_a_published_spread_ours_alone_counts():
    values = [0.40, 0.41, 0.42]
    assert verdicts.tolerance(values, None) == pytest.approx(4.302653 * 0.01 / np.sqrt(3))
    assert verdicts.tolerance(values, None) == verdicts.tolerance(values, 0.0)


def test_without_any_spread_nothing_is_left_to_chance():
    assert verdicts.tolerance([0.5, 0.5, 0.5], 0.0) == 0


@pytest.mark.parametrize(
    ("values", "paper", "accuracy", "expected"),
    [
        ([0.69, 0.69, 0.69], (0.70, 0.0), True, "reproduced"),  # exactly one point
        ([0.689, 0.689, 0.689], (0.70, 0.0), True, "not reproduced"),
        ([0.689, 0.689, 0.689], (0.70, None), True, "not reproduced"),
        ([0.69, 0.70, 0.73], (0.68, 0.01), True, "reproduced"),  # within the spread of ours
        ([0.68, 0.68, 0.68], (0.70, 0.04), True, "reproduced"),  # of the paper's
        ([0.10, 0.50, 0.10], (0.10, None), True, WIDE),
        ([0.70, 0.70, 0.70], (0.70, 0.10), True, WIDE),
        ([0.10, 0.35, 0.00], (0.41, None), False, WIDE),
        ([0.10, 0.50, 0.10], (0.95, None), True, "not reproduced"),  # even so
        ([0.4149, 0.4149, 0.4149], (0.41, None), False, "reproduced"),  # within its printing
        ([0.4151, 0.4151, 0.4151], (0.41, None), False, "not reproduced"),
        ([0.42, 0.42, 0.42], (0.41, 0.0), False, "not reproduced"),  # no points but accuracies'
        ([0.70, 0.70], (0.70, 0.01), True, "not re-run as published: only 2 seeds"),
        ([0.70], (0.70, 0.01), True, "not re-run as published: only one seed"),
        ([], (0.70, 0.01), True, "not re-run"),
    ],
)
def test_a_verdict_follows_its_definition(values, paper, accuracy, expected):
    assert verdicts.verdict(values, paper, accuracy) == expected


# --- what counts as the paper's experiment ------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "obstacles"),
    [
        ({}, []),
        ({"seeds": [5, 6, 7], "settings": ran("a", "b", seeds=(5, 6, 7))}, []),
        ({"settings": ran("a")}, []),
        ({"settings": ran("a", "b", precision="float32")}, []),
        ({"settings": ran("b", "a", lr=0.9)}, []),
        ({"settings": ran("a", "b", lr=0.3)}, ["changed settings"]),
        ({"settings": ran("a", steps=8)}, ["changed settings"]),
        ({"settings": ran("b")}, [OLDER]),
        ({"settings": {"steps": 9, "seeds": [0, 1, 2]}}, [OLDER]),
        ({"settings": {"cases": {"a": {"steps": 9}}, "seeds": [0, 1, 2]}}, [OLDER]),
        ({"settings": {"cases": [1], "seeds": [0, 1, 2]}}, [OLDER]),
        ({"size": "quick"}, ["quick size"]),
        ({"data": {"name": "CIFAR-10 (JPEG re-encoding)"}}, ["other data"]),
        ({"data": {"name": "CIFAR-2 of CIFAR-10 (JPEG re-encoding)"}}, ["other data"]),
        ({"data": {"name": "CIFAR-10 (unverified)"}}, ["other data"]),
        ({"data": {"name": "scikit-learn digits (8×8 stand-in)"}}, ["other data"]),
        ({"data": {"name": "CIFAR-10; CIFAR-100"}}, []),
        ({"data": {"name": "CIFAR-10; CIFAR-100 (JPEG re-encoding)"}}, ["other data"]),
        ({"size": "quick", "data": {"name": "cards"}}, ["quick size", "other data"]),
    ],
)
def test_only_the_papers_experiment_is_judged(changes, obstacles):
    row = first(run(**changes))
    assert verdicts.obstacles(ENTRY, row.run, "a") == obstacles
    reasons = f"not re-run as published: {', '.join(obstacles)}"
    assert row.verdict == (reasons if obstacles else "reproduced")
    assert row.shown_ours == "71.0 ± 1.0"


def test_a_scaled_down_entry_is_never_called_reproduced():
    (row, *_) = verdicts.rows(dataclasses.replace(ENTRY, as_published=False), [run()])
    assert row.verdict == "not re-run as published: scaled down"


def test_the_run_with_the_fewest_obstacles_counts_and_then_the_one_with_most_seeds():
    def seeds(n, **changes):
        values = {"a": {"test accuracy": [0.7] * n, "entropy": [0.4] * n}}
        return run(seeds=list(range(n)), metrics=values, **changes)

    quick, other = seeds(9, size="quick"), seeds(8, data={"name": "copy"})
    few, many = seeds(3, device="few"), seeds(5, device="many")
    assert first(quick).run == quick
    assert first(quick, other).run == other
    assert first(other, few, quick).run == few
    assert first(few, many, other).run == many
    assert first(many, few).run == many


def test_every_number_has_a_row_and_a_run_of_some_cases_fills_some():
    rows = verdicts.rows(ENTRY, [run(), run(experiment="another")])
    assert [(row.case, row.metric) for row in rows] == [
        ("a", "test accuracy"), ("a", "entropy"), ("b", "x"),
    ]  # fmt: skip
    assert [row.run is None for row in rows] == [False, False, True]
    assert (rows[2].verdict, rows[2].shown_ours, rows[2].difference) == ("not re-run", "–", "–")
    assert rows[2].values == []


def test_numbers_are_shown_in_the_papers_units():
    accuracy, entropy, _ = verdicts.rows(ENTRY, [run()])
    assert (accuracy.shown_paper, accuracy.difference) == ("70.0 ± 1.0", "+1.0")
    assert (entropy.shown_paper, entropy.shown_ours) == ("0.41", "0.410 ± 0.010")
    assert entropy.difference in ("+0.00", "−0.00")
    finer = demo_entry(None, paper={"a": {"test accuracy": (0.4035, 0.0012)}})
    assert verdicts.rows(finer, [])[0].shown_paper == "40.35 ± 0.12"


def test_rows_come_from_the_stored_runs_by_default(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "folder", lambda: tmp_path)
    assert verdicts.rows(ENTRY)[0].run is None
    records.save(run(), tmp_path)
    records.save(run(size="quick"), tmp_path)
    assert verdicts.rows(ENTRY)[0].run.size == "paper"


# --- claims -------------------------------------------------------------------------------------


def test_each_claim_belongs_to_an_entry_and_counts_seeds():
    runs, _ = records.survey()
    for claim in claims.CLAIMS:
        if claim.entry not in ENTRIES:
            continue
        found = claim.deciding(runs)
        if not found:
            continue
        values, holds = claim.evidence(claims.joined(found))
        assert holds.dtype == bool
        assert {len(holds)} == {len(value) for value in values.values()} == {len(found[0].seeds)}


def test_the_input_margin_of_figure_1_is_larger_with_sd_in_every_stored_seed():
    claim = claims.CLAIMS[0]
    _, holds = claim.evidence(*claim.deciding(records.load("figure1")))
    assert holds.all()


def test_a_claim_is_decided_by_the_published_size_with_most_seeds():
    claim = claims.CLAIMS[0]

    def stored(n, **changes):
        cases = {case: {"input margin": [margin] * n} for case, margin in (("sd", 2), ("plain", 1))}
        whole = {"metrics": cases, "experiment": "figure1", "seeds": list(range(n))}
        return run(**whole | changes)

    part = stored(9, metrics={"sd": {"input margin": [2.0] * 9}})
    runs = [stored(5, size="quick"), stored(2), stored(4), part, stored(7, experiment="other")]
    assert claim.deciding(runs) == [runs[2]]
    assert claim.deciding(runs[:1]) == []


def test_runs_of_some_cases_each_decide_together_if_nothing_else_differs():
    claim = claims.CLAIMS[0]

    def part(case, **changes):
        published = ENTRIES["figure1"].settings["paper"]["cases"]
        settings = {"cases": {case: published[case]}, "seeds": [0, 1, 2]}
        whole = {"metrics": {case: {"input margin": [1.0, 2.0, 3.0]}}, "experiment": "figure1"}
        return run(**whole | {"settings": settings} | changes)

    sd, plain = part("sd"), part("plain")
    assert claim.deciding([sd, plain]) == [sd, plain]
    assert set(claims.joined([sd, plain]).metrics) == {"sd", "plain"}
    for changes in (
        {"seeds": [3, 4, 5]},
        {"settings": {"cases": {"plain": {"steps": 8}}}},
        {"data": {"name": "copy"}},
    ):
        assert claim.deciding([sd, part("plain", **changes)]) == []


# --- the page -----------------------------------------------------------------------------------


@pytest.fixture
def page(monkeypatch):
    """What the cells of the ledger page define, its folder of results being another."""
    from myst_nb.core.read import read_myst_markdown_notebook

    text = (ROOT / "book" / "ledger.md").read_text(encoding="utf-8")
    cells = [c for c in read_myst_markdown_notebook(text).cells if c.cell_type == "code"]

    def names(folder):
        monkeypatch.setattr(records, "folder", lambda: folder)
        found = {}
        exec(cells[0].source, found)
        return found

    names.text = text
    return names


def test_every_entry_with_numbers_of_the_paper_is_on_the_page(page):
    for name, entry in ENTRIES.items():
        if entry.paper:
            assert f'compare("{name}")' in page.text
            assert f'sources(of("{name}"))' in page.text


def test_a_damaged_file_is_named_on_the_page_and_the_others_are_shown(page, tmp_path, capsys):
    records.save(run(experiment="table2"), tmp_path)
    (tmp_path / "table2-paper-1.json").write_text('{"schema": 2}')
    names = page(tmp_path)
    said = capsys.readouterr().out
    assert "cannot be read: table2-paper-1.json: it has schema 2" in said
    assert [run.experiment for run in names["runs"]] == ["table2"]


def test_the_page_shows_a_run_with_all_it_takes_to_run_it_again(page, tmp_path, monkeypatch):
    one = run(experiment="table2", metrics={"sd": {"test accuracy": [0.68, 0.67, 0.69]}})
    records.save(one, tmp_path)
    names = page(tmp_path)
    shown = []
    names["display"] = shown.append
    names["sources"](names["of"]("table2"))
    (text,) = (markdown.data for markdown in shown)
    for part in (one.name, "0, 1, 2", "MNIST", "CPU", "1.0 s", one.commit, one.command):
        assert part in text
    table = names["compare"]("table2").data
    assert "| SD: test | 68.4 ± 1.2 | 68.0 ± 1.0 (3) | −0.4: not re-run as published: " in (
        table.replace("\N{NO-BREAK SPACE}", " ")
    )


# --- again --------------------------------------------------------------------------------------


def test_a_stored_run_made_again_from_its_command_gives_its_metrics(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GSUTILS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    (stored,) = records.load("figure5")
    half = [name for name, case in stored.settings["cases"].items() if case["kind"] == "sd"]
    words = [*shlex.split(stored.command)[3:], "--cases", *half]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    (path,) = (tmp_path / "out").iterdir()
    again = records.read(path).metrics
    assert set(again) == set(half)
    for case, metrics in again.items():
        for metric, values in metrics.items():
            # not to the last digit: the versions may be others
            assert values == pytest.approx(stored.metrics[case][metric], rel=1e-6, abs=1e-9)
