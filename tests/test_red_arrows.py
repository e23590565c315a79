"""The chess book: what a case trains on, and that the phenomena of the chapter are there."""

import numpy as np
import pytest
import torch

from gsutils import methods
from gsutils.data import boards
from gsutils.experiments import red_arrows
from gsutils.experiments.red_arrows import ENTRIES, Case, select, train_case, training_set
from gsutils.runs import records

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

ERM = {"method": "erm", "options": {}, "boards": 60}
TWO_BOOKS = {"boards": 60, "agreement": [0.8, 1.0]}
SMALL = {
    "red-arrows": {
        "cases": {
            "ERM, 60 boards, q = 0.9": ERM | {"agreement": [0.9]},
            "ERM, 60 boards, no arrows": ERM | {"agreement": []},
        },
    },
    "red-arrows-methods": {
        "cases": {
            "SD, lam = 1": {"method": "sd", "options": {"lam": 1.0}} | TWO_BOOKS,
            "SD, lam = 0.1": {"method": "sd", "options": {"lam": 0.1}} | TWO_BOOKS,
            "LfF, q = 0.7": {"method": "lff", "options": {"q": 0.7}} | TWO_BOOKS,
        },
    },
}
TINY = {"steps": 15, "validation": 30, "test": 40, "hidden": 8}


@pytest.fixture(scope="module")
def tiny():
    """A record of each entry with few cases."""
    records = {}
    for name, small in SMALL.items():
        entry = ENTRIES[name]
        quick = dict(entry.settings["quick"]) | small | TINY | {"seeds": [0, 1]}
        changed = type(entry)(**vars(entry) | {"settings": {"quick": quick}})
        records[name] = changed.record("quick", device="cpu")
    return records


# --- what is trained on ---------------------------------------------------------------------


def test_a_seed_has_the_same_positions_whatever_the_arrows():
    free, _, _ = training_set(Case(agreement=()), seed=3)
    book, _, agrees = training_set(Case(agreement=(0.9,)), seed=3)
    assert (free.pieces == book.pieces).all()
    assert not free.arrow.any()
    assert abs(agrees.mean() - 0.9) < 0.04


def test_two_books_share_the_boards_and_keep_their_own_agreement():
    book, which, agrees = training_set(Case(boards=4000, agreement=(0.6, 0.95)), seed=0)
    assert np.bincount(which).tolist() == [2000, 2000]
    assert abs(agrees[which == 0].mean() - 0.6) < 0.04
    assert abs(agrees[which == 1].mean() - 0.95) < 0.02
    assert ((book.arrow == book.y) == agrees).all()


def test_augmentation_prints_each_board_with_the_arrow_to_either_side():
    book, which, _ = training_set(Case("augmented", boards=50), seed=0)
    assert len(book) == len(which) == 100
    assert (book.pieces[:50] == book.pieces[50:]).all()
    assert (book.arrow[:50] == -book.arrow[50:]).all()
    assert (book.y[:50] == book.y[50:]).all()


def test_arrows_agree_with_the_printed_label_where_there_are_misprints():
    true = boards.draw(1000, seed=0)
    book, _, agrees = training_set(Case(boards=1000, agreement=(1.0,), misprints=0.25), seed=0)
    assert agrees.all()
    assert abs((book.y != true.y).mean() - 0.25) < 0.05


def test_reweighting_gives_right_and_wrong_arrows_the_same_weight():
    y = torch.tensor([1.0, 1.0, 1.0, -1.0])
    batch = methods.Batch(y=y, group=torch.tensor([1, 1, 1, 0]))
    method, logits = Case("reweighted").objective, torch.tensor([0.0, 1.0, 2.0, 3.0])
    each = torch.nn.functional.softplus(-y * logits)
    state = method.start(y, groups=2)
    for _ in range(3):  # the weights never move
        value = method.loss(logits, batch, 0, state)
        torch.testing.assert_close(value, (each[:3].mean() + each[3]) / 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Case("magic"), "method must be in"),
        (lambda: Case(boards=5, agreement=(0.5, 0.9)), "a multiple of 2"),
        (lambda: Case("augmented", agreement=()), "needs arrows"),
        (lambda: red_arrows.case_settings(ENTRIES["red-arrows"].settings["quick"], "x"), "case"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- the phenomena --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    return {
        (name, agreement): train_case(
            Case(name, options, boards=1500, agreement=agreement, steps=90),
            seeds=[0, 1], validation=50, test=400,
        )
        for name, options in (("erm", {}), ("sd", {"lam": 1.0}))
        for agreement in ((0.8,), (1.0,))
    }  # fmt: skip


def last(run, world):
    return run.history[world][-1].mean()


def test_with_exceptions_networks_learn_chess_after_the_arrow_and_sd_learns_more(trained):
    erm, sd = (trained[name, (0.8,)] for name in ("erm", "sd"))
    assert erm.history["wrong arrows"].mean(1).min() < 0.25
    assert last(erm, "wrong arrows") > 0.4
    assert last(sd, "wrong arrows") > last(erm, "wrong arrows") + 0.1
    assert last(sd, "no arrows") > last(erm, "no arrows")


def test_without_exceptions_both_follow_every_arrow(trained):
    for name in ("erm", "sd"):
        run = trained[name, (1.0,)]
        assert last(run, "right arrows") > 0.98
        assert last(run, "wrong arrows") < 0.02
        assert last(run, "no arrows") < 0.75


def test_a_run_trains_as_it_would_alone():
    case = Case(boards=40, steps=20, hidden=8)
    both = train_case(case, seeds=[3, 4], validation=20, test=40)
    alone = train_case(case, seeds=[4], validation=20, test=40)
    np.testing.assert_allclose(both.history["loss"][:, 1:], alone.history["loss"], rtol=1e-4)


# --- records --------------------------------------------------------------------------------


def test_a_record_holds_all_worlds_over_time_and_survives_saving(tiny, tmp_path):
    for run in tiny.values():
        assert records.read(records.save(run, tmp_path)) == run
        for case in run.settings["cases"]:
            steps = len(run.curves[case]["step"])
            for world in ("train", "validation", *red_arrows.WORLDS):
                assert red_arrows.curve(run, case, world).shape == (steps, 2)
                final = red_arrows.curve(run, case, world)[-1]
                np.testing.assert_allclose(run.metrics[case][f"{world} accuracy"], final, atol=1e-5)


def test_the_accuracy_in_a_book_is_a_line_between_the_extremes(tiny):
    run, case = tiny["red-arrows"], "ERM, 60 boards, q = 0.9"
    right, wrong = (red_arrows.in_world(run, case, q) for q in (1.0, 0.0))
    np.testing.assert_allclose(red_arrows.in_world(run, case, 0.25), 0.25 * right + 0.75 * wrong)


def test_the_line_is_the_measured_accuracy_of_a_printed_book():
    run = train_case(Case(boards=200, steps=30, hidden=16), seeds=[0], validation=20, test=4000)
    book = boards.draw(4000, seed=0, name="test boards").with_arrows(0.7, seed=9)
    with torch.no_grad():
        right = run.model(torch.from_numpy(book.flat))[0].sign().numpy() == book.y
    line = 0.7 * last(run, "right arrows") + 0.3 * last(run, "wrong arrows")
    assert right.mean() == pytest.approx(line, abs=0.03)


def test_selection_takes_the_best_case_and_step_for_each_seed(tiny):
    run = tiny["red-arrows-methods"]
    assert red_arrows.methods_of(run.settings)["SD"] == ["SD, lam = 1", "SD, lam = 0.1"]
    by = {rule: select(run, "SD", rule) for rule in ("validation", "test")}
    assert (by["validation"]["validation"] >= by["test"]["validation"]).all()
    half = {rule: c["right arrows"] + c["wrong arrows"] for rule, c in by.items()}
    assert (half["test"] >= half["validation"]).all()
    for seed, case in enumerate(by["validation"]["case"]):
        assert (
            by["validation"]["validation"][seed]
            == red_arrows.curve(run, case, "validation")[:, seed].max()
        )
    with pytest.raises(ValueError, match="rule must be"):
        select(run, "SD", "luck")


def test_both_sizes_have_the_cases_that_the_chapter_names():
    for size in ("quick", "paper"):
        books = ENTRIES["red-arrows"].settings[size]["cases"]
        for title in ("ERM", "SD"):
            for point in ("q = 0.7", "q = 0.9", "q = 0.98", "q = 1", "no arrows"):
                assert f"{title}, 2000 boards, {point}" in books
            for n in (250, 500, 1000):
                assert {f"{title}, {n} boards, q = 0.9", f"{title}, {n} boards, no arrows"} <= set(
                    books
                )
        settings = ENTRIES["red-arrows-methods"].settings[size]
        assert {"reweighting, l2 = 0", "reweighting, l2 = 0.001", "ERM, l2 = 0.001"} <= set(
            settings["cases"]
        )
        assert len(red_arrows.methods_of(settings)) == 9
        for name in settings["cases"]:
            red_arrows.case_settings(settings, name)
