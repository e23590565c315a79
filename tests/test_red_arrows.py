"""The chess book: what a case trains on, and that the phenomena of the chapter are there."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from gsutils import evaluate, methods
from gsutils.data import boards
from gsutils.experiments import red_arrows
from gsutils.experiments.red_arrows import ENTRIES, Case, prepare, select, train
from gsutils.runs import records

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

TINY = {"boards": 60, "steps": 15, "validation": 30, "test": 40, "hidden": 8}
SMALL = {
    "red-arrows": ["ERM, 250 boards, q = 0.9", "ERM, 250 boards, no arrows"],
    "red-arrows-methods": ["SD, lam = 1", "SD, lam = 0.1", "LfF, q = 0.7"],
}


@pytest.fixture(scope="module")
def tiny():
    """A record of each entry with few cases."""
    return {
        name: ENTRIES[name].record("quick", [0, 1], "cpu", TINY, cases)
        for name, cases in SMALL.items()
    }


# --- what is trained on ---------------------------------------------------------------------


def test_a_seed_has_the_same_positions_whatever_the_arrows():
    free, book = (prepare(Case(agreement=q), seed=3) for q in ((), (0.9,)))
    assert (free.train.pieces == book.train.pieces).all()
    assert not free.train.arrow.any()
    assert abs(book.group.mean() - 0.9) < 0.04


@pytest.mark.parametrize("told", ["books", "arrows"])
def test_two_books_share_the_boards_and_keep_their_own_agreement(told):
    run = prepare(Case(boards=4000, agreement=(0.6, 0.95), told=told, validation=4000), seed=0)
    assert np.bincount(run.book).tolist() == [2000, 2000]
    agrees = run.train.arrow == run.train.y
    assert abs(agrees[run.book == 0].mean() - 0.6) < 0.04
    assert abs(agrees[run.book == 1].mean() - 0.95) < 0.02
    assert (run.group == (run.book if told == "books" else agrees)).all()
    new = run.validation.arrow == run.validation.y
    assert abs(new[::2].mean() - 0.6) < 0.04
    assert abs(new[1::2].mean() - 0.95) < 0.02


def test_only_methods_of_environments_are_told_the_books_and_the_oracle_has_no_arrows():
    for cases in ENTRIES["red-arrows-methods"].cases.values():
        for case in cases.values():
            assert (case.told == "books") == isinstance(case.method, (methods.IRM, methods.VREx))
            assert case.augmented == (case.family == "augmentation")
            assert case.agreement == (() if case.family == "oracle" else (0.8, 0.98))
            if case.family == "reweighting":
                assert case.method.eta == 0


def test_validation_boards_are_new_in_positions_misprints_and_arrows():
    run = prepare(Case(boards=400, validation=400, misprints=0.3, agreement=(0.5,)), seed=4)
    assert not (run.train.pieces == run.validation.pieces).all((1, 2, 3)).any()
    wrong = [run.train.y != boards.draw(400, 4).y]
    wrong.append(run.validation.y != boards.draw(400, 4, "validation boards").y)
    assert abs(np.mean(wrong[1]) - 0.3) < 0.08
    agrees = [part.arrow == part.y for part in (run.train, run.validation)]
    for one, other in (wrong, agrees):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.2


def test_test_boards_are_the_same_positions_with_right_wrong_and_no_arrows():
    shown = red_arrows.worlds(Case(test=50, misprints=0.3))
    right, wrong, none = shown.values()
    assert list(shown) == ["right arrows", "wrong arrows", "no arrows"]
    assert (right.pieces == wrong.pieces).all()
    assert (none.pieces == wrong.pieces).all()
    assert (right.arrow == right.y).all()
    assert (wrong.arrow == -wrong.y).all()
    assert not none.arrow.any()
    assert (right.y == boards.draw(50, 0, "test boards").y).all()


def test_augmentation_prints_each_board_with_the_arrow_to_either_side():
    run = prepare(Case(augmented=True, boards=50), seed=0)
    book = run.train
    assert len(book) == len(run.book) == len(run.group) == 100
    assert (book.pieces[:50] == book.pieces[50:]).all()
    assert (book.arrow[:50] == -book.arrow[50:]).all()
    assert (book.y[:50] == book.y[50:]).all()


def test_arrows_agree_with_the_printed_label_where_there_are_misprints():
    true = boards.draw(1000, seed=0)
    run = prepare(Case(boards=1000, agreement=(1.0,), misprints=0.25), seed=0)
    assert (run.train.arrow == run.train.y).all()
    assert abs((run.train.y != true.y).mean() - 0.25) < 0.05


def arrays(run):
    """All that a run is given."""
    parts = [run.train.flat, run.train.y, run.book, run.group]
    return [*parts, run.validation.flat, run.validation.y]


CHANGED = {
    "method": methods.SD(lam=3.0), "told": "books", "augmented": True, "boards": 40,
    "agreement": (0.2, 0.9), "misprints": 0.4, "steps": 4, "lr": 0.1, "hidden": 7,
    "validation": 21, "test": 33,
}  # fmt: skip
BASE = Case(boards=20, agreement=(0.5, 0.9), steps=3, hidden=5, validation=11, test=9)


@pytest.mark.parametrize("name", [f.name for f in fields(Case) if f.name != "family"])
def test_every_field_of_a_case_changes_what_it_should(name):
    case = replace(BASE, **{name: CHANGED[name]})
    given_before, given = arrays(prepare(BASE, 2)), arrays(prepare(case, 2))
    same = all(a.shape == b.shape and (a == b).all() for a, b in zip(given_before, given))
    assert same == (
        name not in ("told", "augmented", "boards", "agreement", "misprints", "validation")
    )
    if same:
        before, after = train(BASE, [2]), train(case, [2])
        moved = before.history["loss"][-1] != after.history["loss"][-1]
        tested = before.history["no arrows"][-1] != after.history["no arrows"][-1]
        assert tested if name == "test" else moved


@pytest.mark.parametrize(
    "case",
    [
        replace(BASE, method=methods.GroupDRO(eta=0.3, l2=0.01), told="arrows"),
        replace(BASE, method=methods.VREx(weight=9.0), told="books"),
    ],
)
def test_the_loss_is_that_of_the_methods_formula_on_what_was_prepared(case):
    seen = train(replace(case, steps=1), [2, 5])
    for k, seed in enumerate((2, 5)):
        run = prepare(case, seed)
        net = red_arrows.MLP((256, 5, 1), [seed])
        logits = net(torch.from_numpy(run.train.flat))[0]
        y, group = torch.from_numpy(run.train.y), torch.from_numpy(run.group)
        batch = methods.Batch(y, group)
        loss = case.method.loss(logits, batch, 0, case.method.start(y, 2))
        expected = methods.objective(case.method, net, loss, 0)
        assert seen.history["loss"][0, k] == pytest.approx(float(expected.detach()), rel=1e-4)


def test_the_biased_network_starts_elsewhere_than_the_one_that_counts():
    run = train(replace(BASE, method=methods.LfF(), steps=1, lr=0.0), [3])
    biased, counts = run.model.biased, run.model.debiased
    assert not torch.equal(biased.weights[0], counts.weights[0])
    assert torch.equal(counts.weights[0], red_arrows.MLP((256, 5, 1), [3]).weights[0])


def test_accuracies_are_of_the_boards_that_they_are_called_after():
    run = train(replace(BASE, steps=5), [3])
    given, worlds = prepare(BASE, 3), red_arrows.worlds(BASE)
    parts = {"train": given.train, "validation": given.validation} | worlds
    for name, part in parts.items():
        logits = torch.from_numpy(evaluate.predict(run.model, part.flat))
        expected = evaluate.accuracy(logits, torch.from_numpy(part.y))
        assert run.metrics()[""][f"{name} accuracy"] == pytest.approx(expected.tolist())


def test_reweighting_gives_right_and_wrong_arrows_the_same_weight():
    y = torch.tensor([1.0, 1.0, 1.0, -1.0])
    batch = methods.Batch(y=y, group=torch.tensor([1, 1, 1, 0]))
    case = ENTRIES["red-arrows-methods"].cases["quick"]["reweighting, l2 = 0"]
    method, logits = case.method, torch.tensor([0.0, 1.0, 2.0, 3.0])
    each = torch.nn.functional.softplus(-y * logits)
    state = method.start(y, groups=2)
    for _ in range(3):  # the weights never move
        value = method.loss(logits, batch, 0, state)
        torch.testing.assert_close(value, (each[:3].mean() + each[3]) / 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Case(told="magic"), "told must be 'books' or 'arrows', got 'magic'"),
        (lambda: Case(boards=5, agreement=(0.5, 0.9)), "a multiple of 2"),
        (lambda: Case(augmented=True, agreement=()), "needs arrows"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- the phenomena --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    return {
        (name, agreement): train(
            Case(name, method, boards=1500, agreement=agreement, steps=90, validation=50, test=400),
            seeds=[0, 1],
        )
        for name, method in (("erm", methods.ERM()), ("sd", methods.SD(lam=1.0)))
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
    case = Case(boards=40, steps=20, hidden=8, validation=20, test=40)
    both, alone = train(case, seeds=[3, 4]), train(case, seeds=[4])
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
    run, case = tiny["red-arrows"], "ERM, 250 boards, q = 0.9"
    right, wrong = (red_arrows.in_world(run, case, q) for q in (1.0, 0.0))
    np.testing.assert_allclose(red_arrows.in_world(run, case, 0.25), 0.25 * right + 0.75 * wrong)


def test_the_line_is_the_measured_accuracy_of_a_printed_book():
    run = train(Case(boards=200, steps=30, hidden=16, validation=20, test=4000), seeds=[0])
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
