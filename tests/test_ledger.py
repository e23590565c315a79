"""The ledger's rows: which run counts, what it is called, and that nothing is left out."""

import dataclasses
import re
import shlex

import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind_from_stats
from test_sweeps import Case
from test_sweeps import entry as demo_entry

from gsutils.__main__ import main
from gsutils.data import mnist, registry
from gsutils.experiments import ENTRIES
from gsutils.ledger import claims, picture, verdicts
from gsutils.ledger.judge import (
    FEWEST_SEEDS,
    MARGIN,
    PAPER_RUNS,
    Status,
    Verdict,
    difference,
    judge,
)
from gsutils.runs import pool, records
from gsutils.runs.case import to_json
from gsutils.runs.paper import Number, Origin, Source, Unit
from gsutils.runs.records import Run

PAPER = Number(0.70, 0.01)
OLDER = "settings of an older layout, to be run again"
CASES = {"a": Case(steps=9, lr=0.1), "b": Case(steps=9, lr=0.2)}
ENTRY = demo_entry(
    None,
    cases={"quick": {"a": Case(), "b": Case()}, "paper": CASES},
    seeds={"quick": [0], "paper": [0, 1, 2]},
    paper={
        "a": {"test accuracy": PAPER, "entropy": Number(0.41, unit=Unit.NATS)},
        "b": {"x": Number(1.0, 0.1, Unit.NATS)},
    },
    sources=dict.fromkeys(CASES, Source(Origin.AUTHORS, "code.py")),
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


def sample(n, mean, s, seed):
    """n values of exactly this mean and sample standard deviation."""
    values = np.random.default_rng(seed).normal(size=n)
    return mean + s * (values - values.mean()) / values.std(ddof=1)


@settings(deadline=None, max_examples=100)
@given(st.integers(3, 20), st.floats(0, 0.3), spreads, spreads, st.integers(0, 100))
def test_the_interval_of_two_means_is_that_of_welchs_t_test(n, off, s, s_p, seed):
    values = sample(n, 0.5 + off, s, seed)
    printed = s_p * np.sqrt(9 / 10)  # the authors' np.std is of ddof = 0
    p = ttest_ind_from_stats(0.5 + off, s, n, 0.5, s_p, 10, equal_var=False).pvalue
    assume(abs(p - 0.05) > 1e-6)
    low, high = difference(values, Number(0.5, printed)).interval(0.95)
    assert (low <= 0 <= high) == (p >= 0.05)


@settings(deadline=None, max_examples=100)
@given(st.integers(3, 20), st.floats(0, 0.3), spreads, st.integers(0, 100))
def test_the_interval_of_a_single_model_is_that_of_students_test_of_a_sample_of_one(
    n, off, s, seed
):
    p = ttest_ind_from_stats(0.5, 0, 1, 0.5 + off, s, n, equal_var=True).pvalue
    assume(abs(p - 0.05) > 1e-6)
    low, high = difference(sample(n, 0.5 + off, s, seed), Number(0.5)).interval(0.95)
    assert (low <= 0 <= high) == (p >= 0.05)


def test_nineteen_of_twenty_further_networks_lie_in_the_interval_of_a_single_model():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.7, 0.02, (4000, 6))  # five of ours, and the paper's
    inside = 0
    for *ours, theirs in draws:
        low, high = difference(ours, Number(theirs)).interval(0.95)
        inside += low <= 0 <= high
    assert inside / len(draws) == pytest.approx(0.95, abs=0.012)


def test_without_any_spread_nothing_is_left_to_chance():
    found = difference([0.5, 0.5, 0.5], Number(0.4, 0.0))
    assert found.interval(0.95) == pytest.approx((0.1, 0.1))


def test_a_difference_needs_two_seeds():
    with pytest.raises(ValueError, match="at least two seeds, got 1"):
        difference([0.5], Number(0.5))


SAME, OTHER, OPEN = Status.EQUIVALENT, Status.DIFFERENT, Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("values", "paper", "expected"),
    [
        ([0.68, 0.68, 0.68], Number(0.70, 0.0), SAME),  # exactly two points
        ([0.72, 0.72, 0.72], Number(0.70, 0.0), SAME),
        ([0.679, 0.679, 0.679], Number(0.70, 0.0), OTHER),
        ([0.679, 0.679, 0.679], Number(0.70), OTHER),
        ([0.69, 0.70, 0.71], Number(0.70, 0.0), SAME),  # 90 %: ±1.69 points
        ([0.685, 0.70, 0.715], Number(0.70, 0.0), OPEN),  # ±2.53
        ([0.69, 0.70, 0.71], Number(0.70), OPEN),  # ±3.37: one model says less
        ([0.70, 0.70, 0.70], Number(0.70, 0.03), SAME),  # ±1.83
        ([0.70, 0.70, 0.70], Number(0.70, 0.04), OPEN),  # ±2.44: the paper's spread counts
        ([0.60, 0.61, 0.62], Number(0.70, 0.01), OTHER),
        ([0.60, 0.70, 0.65], Number(0.70, 0.01), OPEN),  # far off, and so wide that it may be 0
        ([0.10, 0.50, 0.10], Number(0.10), OPEN),
        ([0.715, 0.715, 0.716], Number(0.70, 0.0), SAME),  # surely not 0, and surely small
        ([0.718, 0.719, 0.7225], Number(0.70, 0.0), OPEN),  # surely not 0, perhaps not small
        ([0.46, 0.46, 0.46], Number(0.41, unit=Unit.NATS), SAME),  # exactly the margin
        ([0.461, 0.461, 0.461], Number(0.41, unit=Unit.NATS), OTHER),
        ([0.10, 0.35, 0.00], Number(0.41, unit=Unit.NATS), OPEN),
        ([1e-25, 2e-30, 0.0], Number(0.0, unit=Unit.NATS), SAME),
    ],
)
def test_a_verdict_follows_its_definition(values, paper, expected):
    assert judge(values, paper) == Verdict(expected)
    assert Verdict(expected).text == expected.value


@pytest.mark.parametrize(
    ("values", "obstacles", "expected"),
    [
        ([], (), Verdict(Status.NOT_RUN)),
        ([0.70], (), Verdict(Status.NOT_JUDGED, "only one seed")),
        ([0.70, 0.70], (), Verdict(Status.NOT_JUDGED, "only 2 seeds")),
        ([0.70] * 3, ["other data"], Verdict(Status.NOT_JUDGED, "other data")),
        ([0.70], ["quick size"], Verdict(Status.NOT_JUDGED, "quick size, only one seed")),
    ],
)
def test_a_number_without_a_run_of_the_papers_experiment_is_not_judged(values, obstacles, expected):
    assert judge(values, PAPER, obstacles) == expected
    assert not expected.status.judged


@settings(deadline=None, max_examples=200)
@given(
    st.integers(3, 8), st.integers(1, 5), st.floats(-0.08, 0.08), spreads,
    st.sampled_from([Number(0.7), Number(0.7, 0.0), Number(0.7, 0.01)]), st.integers(0, 9),
)  # fmt: skip
def test_more_seeds_of_the_same_mean_and_spread_never_turn_a_verdict_round(
    n, factor, off, s, number, seed
):
    few = judge(sample(n, 0.7 + off, s, seed), number).status
    many = judge(sample(n * factor, 0.7 + off, s, seed), number).status
    assert {few, many} != {SAME, OTHER}
    assert few is OPEN or many is few


def test_many_seeds_settle_a_number_that_is_not_on_the_margin():
    for off, expected in ((0.015, SAME), (-0.015, SAME), (0.025, OTHER), (-0.025, OTHER)):
        assert judge(sample(4000, 0.7 + off, 0.02, 0), Number(0.7, 0.0)).status is expected


def test_every_unit_has_a_margin():
    assert set(MARGIN) == set(Unit)


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
        ({"data": {"name": mnist.embedded_digits().name}}, ["other data"]),
        ({"data": {"name": "CIFAR-10; CIFAR-100"}}, []),
        ({"data": {"name": "CIFAR-10; CIFAR-100 (JPEG re-encoding)"}}, ["other data"]),
        ({"size": "quick", "data": {"name": "cards"}}, ["quick size", "other data"]),
    ],
)
def test_only_the_papers_experiment_is_judged(changes, obstacles):
    row = first(run(**changes))
    assert verdicts.obstacles(ENTRY, row.run, "a") == obstacles
    assert row.verdict.status is (Status.NOT_JUDGED if obstacles else Status.INCONCLUSIVE)
    assert row.verdict.reason == ", ".join(obstacles)
    assert row.shown_ours == "71.0 ± 1.0"


def test_only_settings_of_the_authors_or_another_repository_are_judged():
    for origin in Origin:
        entry = dataclasses.replace(ENTRY, sources={"a": Source(origin)})
        (row, *_) = verdicts.rows(entry, [run()])
        assert row.verdict.status.judged == (origin is not Origin.OURS)
    (row, *_) = verdicts.rows(dataclasses.replace(ENTRY, sources={}), [run()])
    assert row.verdict == Verdict(Status.NOT_JUDGED, "settings of our choice")


def test_published_data_are_those_of_the_registry():
    assert {"MNIST", "CIFAR-10", "CIFAR-100", "CelebA"} <= registry.PUBLISHED
    for name in registry.PUBLISHED:
        assert verdicts.obstacles(ENTRY, run(data={"name": name}), "a") == []


def test_the_precision_behind_the_number_of_seeds_is_the_recorded_one():
    for chosen, expected in (("bfloat16", "3 (b)"), ("float32", "3"), ("auto", "3")):
        assert first(run(settings=ran("a", "b", precision=chosen))).shown_seeds == expected
    assert first(run(settings={"cases": {"a": {"steps": 9}}})).shown_seeds == "3"
    assert first().shown_seeds == "–"


def test_runs_of_two_precisions_are_one_that_says_which_seeds_had_which():
    reduced = run(settings=ran("a", "b", precision="bfloat16"), seeds=[1, 2, 3])
    plain = run(settings=ran("a", "b", precision="float32"), seeds=[0, 4, 5])
    (whole,) = pool.pooled([plain, reduced])
    used = ["float32", *3 * ["bfloat16"], "float32", "float32"]
    assert (whole.seeds, pool.precisions(whole, "a")) == ([0, 1, 2, 3, 4, 5], used)
    assert pool.precisions(whole, "b") == 6 * ["float32"]
    assert first(plain, reduced).shown_seeds == "6 (3 b)"
    assert verdicts.obstacles(ENTRY, whole, "a") == []
    third = run(settings=ran("a", "b", precision="float32"), seeds=[7, 8, 9])
    (more,) = pool.pooled([third, plain, reduced])
    assert pool.precisions(more, "a") == [*used, *3 * ["float32"]]
    assert pool.parts(more, [third, plain, reduced]) == [third, plain, reduced]


def test_a_number_counts_once_whatever_it_is_called_and_a_variant_only_where_nothing_else_is():
    twice = {
        "a": {"test accuracy": PAPER, "digits": dataclasses.replace(PAPER, repeats="test accuracy")}
    }
    whole = dataclasses.replace(ENTRY, paper=twice)
    small = dataclasses.replace(whole, name="small", variant_of="demo", sources={})
    metrics = {"a": {"test accuracy": [0.70, 0.70, 0.71], "digits": [0.70, 0.70, 0.71]}}
    published, scaled = run(metrics=metrics), run(metrics=metrics, experiment="small")
    both = [whole, small]
    assert verdicts.counts(both, []) == {Status.NOT_RUN: 1}
    assert verdicts.counts(both, [scaled]) == {Status.NOT_JUDGED: 1}
    for order in (both, both[::-1]):
        assert verdicts.counts(order, [published, scaled]) == {Status.EQUIVALENT: 1}
    assert len(verdicts.rows(whole, [published])) == 2  # both are shown


def test_the_counts_as_a_sentence():
    said = "Of the 3 numbers that the paper prints, 2 have been run here, 2 of them as published: "
    said += "0 equivalent, 0 different, 2 inconclusive."
    metrics = {"a": {"test accuracy": [0.70, 0.71, 0.75], "entropy": [0.3, 0.4, 0.5]}}
    assert verdicts.summary([ENTRY], [run(metrics=metrics)]) == said


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
    assert rows[2].verdict == Verdict(Status.NOT_RUN)
    assert (rows[2].shown_ours, rows[2].shown_difference) == ("–", "–")
    assert (rows[2].values, rows[2].difference) == ([], None)


def test_numbers_are_shown_in_the_papers_units():
    accuracy, entropy, _ = verdicts.rows(ENTRY, [run()])
    assert (str(accuracy.number), accuracy.shown_ours) == ("70.0 ± 1.0", "71.0 ± 1.0")
    assert accuracy.shown_difference == "+1.0 [−0.5,\N{NO-BREAK SPACE}+2.5]"
    assert (str(entropy.number), entropy.shown_ours) == ("0.41", "0.410 ± 0.010")
    assert (
        entropy.shown_difference.removeprefix("−").removeprefix("+")
        == "0.00 [−0.03,\N{NO-BREAK SPACE}+0.03]"
    )
    assert str(Number(0.4035, 0.0012)) == "40.35 ± 0.12"
    assert verdicts.rows(ENTRY, [run(size="quick")])[0].shown_difference == "+1.0"


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
        values, holds = claim.evidence(pool.joined(found))
        assert holds.dtype == bool
        assert set(values) <= set(ENTRIES[claim.entry].cases["paper"])
        assert {len(holds)} == {len(value) for value in values.values()} == {len(found[0].seeds)}


def test_the_input_margin_of_figure_1_is_larger_with_sd_in_every_stored_seed():
    claim = claims.CLAIMS[0]
    _, holds = claim.evidence(*claim.deciding(records.load("figure1")))
    assert holds.all()


def test_a_claim_knows_what_keeps_its_runs_from_being_the_papers_experiment():
    claim = claims.CLAIMS[0]
    runs = records.load("figure1")
    assert claim.obstacles(runs) == list(
        dict.fromkeys(w for r in runs for w in verdicts.obstacles(ENTRIES["figure1"], r, "sd"))
    )
    copy = dataclasses.replace(runs[0], data={"name": "copy"})
    assert "other data" in claim.obstacles([copy])


def test_a_run_of_the_entrys_settings_decides_before_one_with_more_seeds():
    claim, entry = claims.CLAIMS[0], ENTRIES["figure1"]
    metrics = {case: {"input margin": [1.0] * 3} for case in entry.cases["paper"]}
    whole = {"experiment": "figure1", "settings": entry.settings["paper"], "metrics": metrics}
    ours = run(**whole)
    more = {case: {"input margin": [1.0] * 9} for case in metrics}
    changed = run(**whole | {"settings": PUBLISHED, "metrics": more, "seeds": list(range(9))})
    assert claim.deciding([changed, ours]) == [ours]
    assert claim.deciding([changed]) == [changed]


def test_the_disturbed_images_of_figure_2_are_counted_over_small_radii_alone():
    small = [claim for claim in claims.CLAIMS if claim.entry == "cifar2-cpu"]
    assert len(small) == len(claims.RADII) == 2
    for claim, (norm, largest) in zip(small, claims.RADII.items()):
        radii = [0.0, largest / 2, largest, 2 * largest, 100 * largest]
        kept = {"erm": [0.9, 0.8, 0.4, 0.0, 0.0], "sd": [0.9, 0.7, 0.2, 1.0, 1.0]}
        curves = {
            f"cifar2-{method}": {f"eps ({norm})": radii, f"PGD accuracy ({norm})": [[v] for v in y]}
            for method, y in kept.items()
        }
        alone = run(experiment="cifar2-cpu", curves=curves, seeds=[0], metrics={})
        values, holds = claim.evidence(alone)
        assert values["cifar2-erm"] == pytest.approx([0.3])  # the mean of 10, 20 and 60 %
        assert values["cifar2-sd"] == pytest.approx([0.4])
        assert holds.tolist() == [False]


def test_every_attempt_of_appendix_b_is_a_claim():
    named = [claim for claim in claims.CLAIMS if claim.entry == "regularisers"]
    others = set(ENTRIES["regularisers"].cases["paper"]) - {"plain", "sd"}
    assert len(named) == len(others)


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
    assert set(pool.joined([sd, plain]).metrics) == {"sd", "plain"}
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


def test_the_page_states_the_rule_that_the_judge_applies(page):
    points, nats = 100 * MARGIN[Unit.ACCURACY], MARGIN[Unit.NATS]
    assert f"The margin is {points:g} points for an accuracy, and {nats:g} nats" in page.text
    assert "at least three seeds" in page.text
    assert FEWEST_SEEDS == 3
    assert f"over {PAPER_RUNS} runs" in page.text
    for status in (s for s in Status if s is not Status.NOT_RUN):
        assert f"**{status.value.capitalize()}**: " in page.text


def test_the_page_opens_with_the_picture_and_ends_with_what_was_not_run(page):
    places = [
        page.text.index(part)
        for part in (
            "name: fig-ledger", "(ledger-table1)=", "(ledger-claims)=", "## All stored runs",
            "(ledger-reading)=", "(ledger-not-run)=",
        )
    ]  # fmt: skip
    assert places == sorted(places)


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
    assert "settings: our choice: not the entry's" in text
    table = names["compare"]("table2").data.replace("\N{NO-BREAK SPACE}", " ")
    row = "| SD: test | 68.4 ± 1.2 | 68.0 ± 1.0 | 3 | −0.4 | ours | not judged: "
    assert row in table
    assert "V-REx" not in table  # not run: it is in the list of what was not
    assert "Nothing of it has been run" in names["compare"]("table3").data


def test_the_page_names_the_source_of_each_runs_settings(page, tmp_path):
    cases = ENTRIES["table2"].settings["paper"]["cases"]
    chosen = {"cases": {name: cases[name] for name in ("sd", "vrex")}, "seeds": [0, 1, 2]}
    metrics = {name: {"test accuracy": [0.684, 0.685, 0.686]} for name in chosen["cases"]}
    records.save(run(experiment="table2", settings=chosen, metrics=metrics), tmp_path)
    names, shown = page(tmp_path), []
    names["display"] = shown.append
    names["sources"](names["of"]("table2"))
    (text,) = (markdown.data for markdown in shown)
    for case in ("sd", "vrex"):
        assert f"{ENTRIES['table2'].source(case)} ({case})" in text
    table = names["compare"]("table2").data
    assert "| authors | equivalent |" in table
    assert "| other | equivalent |" in table


# --- what was not run ---------------------------------------------------------------------------


def test_a_case_is_missing_until_a_run_has_its_settings():
    assert verdicts.missing(ENTRY, []) == ["a", "b"]
    assert verdicts.missing(ENTRY, [run(settings=ran("a"))]) == ["b"]
    assert verdicts.missing(ENTRY, [run(settings=ran("a", "b", lr=0.3))]) == ["a"]
    assert verdicts.missing(ENTRY, [run(size="quick"), run(experiment="other")]) == ["a", "b"]
    assert verdicts.missing(ENTRY, [run(settings=ran("b")), run(settings=ran("a"))]) == []


# --- the picture --------------------------------------------------------------------------------


def test_the_picture_has_a_line_for_each_judged_number_in_the_axes_of_its_unit():
    colours = {status: f"C{place}" for place, status in enumerate(picture.MARKERS)}
    rows = verdicts.rows(ENTRY, [run()])
    fig = picture.draw(rows, colours)
    try:
        labels = [[text.get_text() for text in ax.get_yticklabels()] for ax in fig.axes[::2]]
        assert labels == [["a: test accuracy"], ["a: entropy"]]  # b has no run
        drawn = [line.get_xdata() for line in fig.axes[1].lines]
        ends = 100 * np.array(rows[0].difference.interval(0.90))
        assert any(np.shape(x) == (2,) and np.allclose(x, ends) for x in drawn)
    finally:
        plt.close(fig)
    assert picture.draw(verdicts.rows(ENTRY, []), colours) is None


def test_each_verdict_has_a_shape_of_its_own():
    assert set(picture.MARKERS) == {status for status in Status if status.judged}
    assert len(set(picture.MARKERS.values())) == 3


# --- what pages say of the stored runs ----------------------------------------------------------


def test_chapter_6_says_of_the_small_networks_what_their_runs_say():
    """Its words are "nearly equal" and "no better": where a new run differs, change them."""
    whole = pool.joined(records.load("cifar2-cpu"))
    for attack in ("PGD", "one-step"):
        for norm in claims.RADII:
            sd, erm = (
                np.mean(whole.metrics[f"cifar2-{method}"][f"{attack} median margin ({norm})"])
                for method in ("sd", "erm")
            )
            assert sd / erm == pytest.approx(1, abs=0.1)
    for claim in claims.CLAIMS:
        if claim.entry == "cifar2-cpu":
            sd, erm = claim.evidence(whole)[0].values()
            assert sd.mean() > erm.mean()


def test_no_page_types_a_count_of_verdicts():
    words = "|".join(status.value for status in Status if status.judged)
    typed = re.compile(rf"\d+ (of them )?(are |came out )?({words}|reproduced)\b")
    assert typed.search("11 are reproduced")
    for path in [*(ROOT / "book").glob("*.md"), ROOT / "README.md", ROOT / "tools/identity.py"]:
        assert not typed.search(path.read_text(encoding="utf-8")), path.name


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
