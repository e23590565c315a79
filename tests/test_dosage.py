"""Gradient dosage: exact doses, the law of what is left, and what networks do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from gsutils.data import features
from gsutils.data.features import OBJECTIVES, Population
from gsutils.experiments import dosage
from gsutils.experiments.dosage import Case, train_case, train_noisy

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

PROBABILITY = st.floats(0.55, 0.98)
SMALL = {"lr": 0.1, "batch": 64, "pool": 512, "hidden": 8, "steps": 30, "records": 3}
PRIVATE = {
    "n": 40, "private": 30, "label_noise": 0.2, "test": 50, "twins": 2, "hidden": 30,
    "lr": 0.2, "steps": 20, "records": 4,
}  # fmt: skip


# --- the population -------------------------------------------------------------------------


def test_probabilities_are_those_of_independent_features():
    population = Population.of_features((0.9, 0.6))
    assert population.f.tolist() == [[1, 1], [1, -1], [-1, 1], [-1, -1]]
    np.testing.assert_allclose(population.plus, np.array([0.54, 0.36, 0.06, 0.04]) / 2)
    np.testing.assert_allclose(population.minus, population.plus.flip(0))


def test_three_features_start_at_nine_to_one_and_end_at_one_to_one():
    population = Population.of_features((0.9,) * 3)
    w = torch.tensor([0.0, np.log(9)], dtype=torch.float64)[:, None] * torch.ones(3)
    total, agreed = population.doses(w.double() @ population.f.T, "cross-entropy")
    np.testing.assert_allclose(agreed / total[:, None], [[0.9] * 3, [0.5] * 3])


def test_the_majority_is_right_on_97_2_per_cent_and_one_feature_on_90():
    population = Population.of_features((0.9,) * 3)
    logits = torch.stack([population.f.sum(1), population.f[:, 0], 0 * population.f[:, 0]])
    np.testing.assert_allclose(population.accuracy(logits), [0.972, 0.9, 0.5])


@settings(deadline=None, max_examples=10)
@given(p=PROBABILITY, other=PROBABILITY, lam=st.floats(0, 3))
def test_what_is_left_for_another_feature_is_4p_1_minus_p_for_three_losses(p, other, lam):
    population = Population.of_features((p, other))

    def doses(w, objective):
        return population.doses(w * population.f[:, 0], objective, lam)

    def net(w, objective):
        total, agreed = doses(w, objective)
        return float(2 * agreed[0] - total)

    for objective in OBJECTIVES:
        total, agreed = doses(brentq(net, 0, 10, args=(objective,)), objective)
        before, _ = doses(0.0, objective)
        assert total / before == pytest.approx(4 * p * (1 - p), rel=1e-6)
        assert agreed[1] / total == pytest.approx(other, rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(u=st.floats(-20, 20), lam=st.floats(0, 3))
def test_pulls_are_the_closed_forms(u, lam):
    margin = torch.tensor(u, dtype=torch.float64)
    alpha = float(torch.sigmoid(-margin))
    assert float(features.pull(margin, "cross-entropy")) == pytest.approx(alpha)
    assert float(features.pull(margin, "SD", lam)) == pytest.approx(alpha - lam * u)
    assert float(features.pull(margin, "squared")) == pytest.approx(1 - u)


def test_the_net_pull_is_minus_the_gradient_of_the_expected_loss():
    population = Population.of_features((0.9, 0.7, 0.8))
    for objective in OBJECTIVES:
        w = torch.tensor([1.0, -0.5, 0.3], dtype=torch.float64, requires_grad=True)
        loss = population.loss(population.f @ w, objective, 0.2)
        (slope,) = torch.autograd.grad(loss, w)
        total, agreed = population.doses((population.f @ w).detach(), objective, 0.2)
        np.testing.assert_allclose(2 * agreed - total, -slope, atol=1e-12)


def test_the_exact_flow_ends_at_the_log_odds_of_each_feature():
    w = features.flow([2, 1], [0.9, 0.7], [0.0, 60.0, 120.0], substeps=120)
    np.testing.assert_allclose(w[-1], np.log([9, 7 / 3]), atol=1e-3)
    again = features.flow([2, 1], [0.9, 0.7], [0.0, 60.0], start=w[1], substeps=150)
    np.testing.assert_allclose(again[-1], w[-1], atol=1e-6)


# --- data -----------------------------------------------------------------------------------


def test_only_the_product_of_a_block_says_something_about_the_feature():
    f = np.where(np.arange(20_000)[:, None] % 2 == 0, 1.0, -1.0)
    X = features.blocks(f, [3.0], np.random.default_rng(0))
    assert np.abs((X * f).mean(0)).max() < 0.1
    assert (np.sign(X.prod(1)) == f[:, 0]).mean() > 0.99
    assert np.abs(X).mean() == pytest.approx(3, abs=0.1)


def test_features_agree_with_the_label_as_often_as_asked():
    X, y = features.draw(0, 20_000, [1, 1], [0.9, 0.6])
    agrees = np.sign(X.reshape(-1, 2, 2).prod(2)) == y[:, None]
    np.testing.assert_allclose(agrees.mean(0), [0.9, 0.6], atol=0.01)


def test_a_fifth_of_the_labels_is_wrong_and_private_inputs_are_nearly_orthogonal():
    X, y, f = features.draw_noisy(0, 2000, 300, 0.2)
    assert (y != f).mean() == pytest.approx(0.2, abs=0.03)
    gram = X[:50, 2:] @ X[:50, 2:].T
    assert np.diag(gram).mean() == pytest.approx(1, abs=0.05)
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 0.35


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Population.of_features((0.9, 1.0)), r"reliability must be .*got \(0.9, 1.0\)"),
        (lambda: features.draw(0, 5, [1], [0.0]), "reliability must be probabilities"),
        (lambda: features.draw_noisy(0, 5, 3, 0.5), "label_noise must lie in .*got 0.5"),
        (lambda: features.pull(torch.zeros(2), "hinge"), "objective must be in .*got 'hinge'"),
        (lambda: features.pull(torch.zeros(2), "SD", -1.0), "lam must be .*got -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- networks -------------------------------------------------------------------------------


def test_what_a_detector_receives_is_how_fast_its_response_grows():
    found = train_case(Case(), SMALL | {"steps": 2, "records": 2, "batch": 4096, "pool": 4096}, [0])
    grown = np.diff(found["responses"], axis=0) / SMALL["lr"]
    np.testing.assert_allclose(grown[0], found["received"][0], atol=0.02)


def test_a_seed_gives_the_same_numbers_alone_and_among_others():
    together = train_case(Case(head_start=10), SMALL, [3, 1])
    alone = train_case(Case(head_start=10), SMALL, [1])
    for name in ("responses", "share", "received", "size"):
        np.testing.assert_allclose(together[name][:, 1:], alone[name], rtol=1e-3, atol=1e-5)


def test_in_a_head_start_only_the_first_feature_is_learned():
    chosen = SMALL | {"hidden": 32, "pool": 4096, "batch": 256, "steps": 1}
    found = train_case(Case(head_start=400), chosen, [0])
    first, *others = found["responses"][found.at(0), 0]
    assert first > 1.8
    assert max(map(abs, others)) < 0.1
    share = found["share"][found.at(0), 0]
    np.testing.assert_allclose(share, [0.5, 0.9, 0.9], atol=0.07)


def test_silence_and_decay_shrink_a_detector_exponentially_and_silence_alone_does_not():
    case = Case(silent_from=0, weight_decay=0.1)
    sizes = {
        decay: train_case(replace(case, weight_decay=decay), SMALL, [0])["size"][:, 0, 1]
        for decay in (0.1, 0.0)
    }
    steps = np.array([0, 10, 20, 30])
    np.testing.assert_allclose(sizes[0.1] / sizes[0.1][0], 0.99**steps, rtol=1e-5)
    np.testing.assert_allclose(sizes[0.0], sizes[0.0][0], rtol=1e-6)


def test_a_condition_holds_since_the_first_step_after_which_it_never_fails():
    found = dosage.Doses(np.array([0, 5, 9]), {})
    holds = np.array([[1, 1, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0]], bool)
    assert found.since(holds).tolist() == [9, 0, 5, 9]


def test_the_general_dose_of_a_noisy_sample_starts_at_right_less_wrong_labels():
    found = train_noisy(PRIVATE, [0, 1])
    wrong = found["wrong labels"][0]
    general = found["clean"][0] * (40 - wrong) - found["wrong"][0] * wrong
    np.testing.assert_allclose(general / found["wrong"][0], 40 - 2 * wrong, rtol=0.05)
    np.testing.assert_allclose(found["share"][0], 1 - wrong / 40, rtol=0.05)
    assert np.abs(found["memory wrong"][0]).max() < 0.1


def test_the_entries_list_every_start_with_every_loss():
    cases = dosage.ENTRIES["dosage"].settings["paper"]["cases"]
    for start in ("equal", "stronger", "head start"):
        assert {f"{start}, {loss}" for loss in OBJECTIVES} <= set(cases)
    named = dosage.case_of(dosage.settings("dosage", "quick"), "stronger, SD")
    assert named == Case(strengths=(2.0, 1.0, 1.0), objective="SD", lam=0.1)


def test_the_records_hold_the_last_values_and_their_curves():
    tiny = {"steps": 4, "records": 2, "hidden": 4, "pool": 256, "cases": {"equal, SD": {}}}
    run = dosage.ENTRIES["dosage"].record("quick", settings=tiny, seeds=[0, 4], device="cpu")
    assert run.curves["equal, SD"]["step"] == [0, 2, 4]
    assert run.metrics["equal, SD"]["step of 95 %"] == [4, 4]  # never: the last step
    assert len(run.metrics["equal, SD"]["responses 2"]) == 2
    tiny = {"steps": 4, "records": 2, "hidden": 4, "n": 20, "test": 10, "cases": {"SD": {}}}
    run = dosage.ENTRIES["dosage-noise"].record("quick", settings=tiny, seeds=[0], device="cpu")
    assert 0 <= run.metrics["SD"]["test"][0] <= 1
