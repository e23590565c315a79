"""Section 4.4: thresholds, groups, batches, networks, and training in one process or two."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from gsutils import evaluate, losses
from gsutils.data import faces, fetch
from gsutils.experiments import celeba
from gsutils.nets.residual import SmallCNN, image_network, resnet50
from gsutils.seeding import stream
from gsutils.train.distributed import launch, share
from gsutils.train.image_batches import Batches, HeldOut, Order

ENTRY = celeba.ENTRIES["table3"]
TINY = {"cards": [128, 32, 32], "epochs": 2, "batch": 32}
CPU = torch.device("cpu")


def tiny(case, **changes):
    return replace(celeba.method_settings(ENTRY.settings["quick"] | TINY, case), **changes)


def splits():
    return celeba.data(ENTRY.settings["quick"] | TINY, seed=0)


# --- thresholds ------------------------------------------------------------------------------

rates = st.floats(0, 2)
targets = st.floats(-0.2, 3)


@given(st.tuples(rates, rates), st.tuples(targets, targets), st.floats(0.02, 0.98))
def test_the_best_logit_is_positive_exactly_beyond_the_sign_change(lam, gamma, p):
    below, above = lam[0] * gamma[0], lam[1] * gamma[1]
    if 1 + above - below < 0.05:
        return
    change = losses.sign_change(lam, gamma)
    if abs(p - change) < 1e-3:
        return

    def expected(z):
        plus = np.logaddexp(0, -z) + lam[1] / 2 * (z - gamma[1]) ** 2
        return p * plus + (1 - p) * (np.logaddexp(0, z) + lam[0] / 2 * (z - gamma[0]) ** 2)

    best = minimize_scalar(expected, bounds=(-50, 50), method="bounded", options={"xatol": 1e-9}).x
    assert (best > 0) == (p > change)


def test_the_sign_change_is_where_the_package_s_penalty_balances_the_loss():
    lam, gamma = (0.235, 1.34), (0.44, 2.5)
    p = losses.sign_change(lam, gamma)
    z = torch.zeros(1000, dtype=torch.float64, requires_grad=True)
    y = torch.where(torch.arange(1000) < round(1000 * p), 1.0, -1.0)
    (losses.logistic(z, y) + losses.spectral_decoupling(z, y, lam, gamma)).backward()
    assert abs(float(z.grad.sum())) < 2e-3
    assert p == pytest.approx(0.0933, abs=1e-4)


def test_targets_that_turn_the_decision_round_are_refused():
    with pytest.raises(ValueError, match=r"must be > 0, got -1\.0"):
        losses.sign_change((1.0, 0.0), (2.0, 0.0))


def many(rng, n=400):
    group = rng.integers(0, 4, n)
    y = np.where(group >= 2, 1.0, -1.0)
    return y + rng.standard_normal(n), evaluate.Split(y, group)


@pytest.mark.parametrize("goal", evaluate.GOALS)
def test_no_threshold_beats_the_best_one(goal):
    logits, split = many(stream(0, "test"))

    def score(threshold):
        right = np.sign(logits - threshold) == split.y
        return (
            min(evaluate.group_accuracies(logits, split, threshold))
            if goal != "average"
            else right.mean()
        )

    best = evaluate.best_threshold(logits, split, goal)
    assert score(best) >= max(score(t) for t in np.linspace(-4, 4, 501)) - 1e-12


def test_an_unknown_goal_is_refused():
    logits, split = many(stream(0, "test"))
    with pytest.raises(ValueError, match="goal must be in"):
        evaluate.best_threshold(logits, split, "worst")


def test_the_average_on_celebas_test_shares_is_the_plain_accuracy():
    counts = np.array(faces.COUNTS["test"])
    group = np.repeat(np.arange(4), counts)
    y = np.where(group >= 2, 1.0, -1.0)
    logits = y + 1.5 * stream(0, "test").standard_normal(len(y))
    found = celeba.summary(evaluate.group_accuracies(logits, evaluate.Split(y, group)))
    plain = evaluate.accuracy(torch.from_numpy(logits), torch.from_numpy(y))
    assert found["average accuracy"] == pytest.approx(float(plain))
    assert found["worst-group accuracy"] <= found["mean group accuracy"]


# --- batches ---------------------------------------------------------------------------------


def test_an_epoch_is_a_permutation_and_another_seed_another_one():
    group = torch.zeros(12, dtype=torch.int64)
    order = Order(group, 4, seed=0)
    epochs = [torch.cat([order(3 * e + i) for i in range(3)]) for e in range(2)]
    assert all(sorted(epoch.tolist()) == list(range(12)) for epoch in epochs)
    assert not torch.equal(*epochs)
    assert not torch.equal(order(0), Order(group, 4, seed=1)(0))


def test_the_order_of_a_step_does_not_depend_on_the_steps_before():
    group = torch.arange(40) % 4
    once, again = Order(group, 8, seed=0), Order(group, 8, seed=0)
    for step in range(12):
        once(step)
    assert torch.equal(once(11), again(11))


def test_balanced_order_shows_all_groups_alike():
    group = torch.tensor([0] * 960 + [1] * 20 + [2] * 15 + [3] * 5)
    order = Order(group, 1000, seed=0, balanced=True)
    counts = group[torch.cat([order(step) for step in range(4)])].bincount()
    assert counts.min() > 900
    assert counts.max() < 1100


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_decoding_in_workers_gives_the_images_of_memory():
    data = splits()[0]
    order = Order(data.group, 32, seed=0)
    ahead, memory = Batches(data, order, CPU, workers=1), Batches(data, order, CPU)
    for step in (5, 6, 0):  # going on, and starting over as after a resume
        assert torch.equal(ahead(step), memory(step))


def test_held_out_logits_come_in_the_order_of_the_split():
    data, net = splits()[1], SmallCNN(seed=0).eval()
    with torch.no_grad():
        torch.testing.assert_close(HeldOut(data, CPU).logits(net), net(data.images))


def test_an_impossible_batch_is_refused():
    with pytest.raises(ValueError, match=r"batch must be in 1\.\.4, got 5"):
        Order(torch.zeros(4, dtype=torch.int64), 5, seed=0)


# --- networks --------------------------------------------------------------------------------


def test_a_network_is_drawn_by_its_seed_alone():
    torch.manual_seed(0)
    images = splits()[1].images[:4]
    first, again = SmallCNN(seed=1)(images), SmallCNN(seed=1)(images)
    assert torch.equal(first, again)
    assert not torch.equal(first, SmallCNN(seed=2)(images))
    assert not torch.equal(first, SmallCNN(seed=1, role="other")(images))


def test_networks_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="network must be in"):
        image_network("resnet18", 16, 0)
    with pytest.raises(ValueError, match="multiple of 4"):
        SmallCNN(side=18)


def test_without_torchvision_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ModuleNotFoundError, match="pip install torchvision"):
        resnet50()


def test_a_resnet50_has_one_logit_where_torchvision_is_installed():
    pytest.importorskip("torchvision")
    images = splits()[1].images[:2]
    assert resnet50(pretrained=False).eval()(images).shape == (2,)


# --- training --------------------------------------------------------------------------------


def test_sd_without_a_penalty_is_erm():
    options = {"lam": [0.0, 0.0], "gamma": [0.44, 2.5]}
    erm = celeba.train_run(tiny("erm"), splits(), seed=0)
    sd = celeba.train_run(tiny("sd", options=options), splits(), seed=0)
    np.testing.assert_array_equal(erm.logits(), sd.logits())


def test_a_resumed_run_ends_where_the_uninterrupted_one_does(tmp_path):
    path, whole = tmp_path / "run.pt", tiny("lff")
    stopped = replace(whole, epochs=2)

    class Killed(Exception):
        pass

    net = SmallCNN.forward
    calls = iter(range(10_000))

    def dying(self, images):
        if next(calls) > 12:
            raise Killed
        return net(self, images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SmallCNN, "forward", dying)
        patch.setattr("gsutils.train.checkpoints.INTERVAL", 0.0)
        with pytest.raises(Killed):
            celeba.train_run(stopped, splits(), 0, checkpoint=path)
    assert path.is_file()
    resumed = celeba.train_run(whole, splits(), 0, checkpoint=path)
    uninterrupted = celeba.train_run(whole, splits(), 0)
    np.testing.assert_array_equal(resumed.logits(), uninterrupted.logits())
    np.testing.assert_array_equal(resumed.history["loss"], uninterrupted.history["loss"])


def _histories(device, data, cases):
    return {case: celeba._train(device, tiny(case), data, 0, None) for case in cases}


def test_two_processes_train_what_one_does():
    data, cases = splits(), ("group_dro", "lff")
    one, two = (launch(_histories, n, CPU, data, cases) for n in (1, 2))
    for case in cases:
        for name in ("loss", "validation", "test"):
            np.testing.assert_allclose(two[case][name], one[case][name], atol=1e-5)


def test_processes_that_cannot_be_had_are_refused():
    with pytest.raises(ValueError, match="processes must be >= 1, got 0"):
        launch(print, 0, CPU)
    if torch.cuda.device_count() < 99:
        with pytest.raises(ValueError, match="at most the number of GPUs"):
            launch(print, 99, torch.device("cuda"))


def test_a_single_process_has_the_whole_batch():
    assert share(torch.arange(5)).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("case", celeba.CASES)
def test_every_method_of_table_3_trains_and_is_recorded(case):
    record = ENTRY.record("quick", seeds=[0], device="cpu", settings=TINY, cases=[case])
    assert {"average accuracy", "worst-group accuracy"} <= set(record.metrics[case])
    assert f"{faces.CARD_GROUPS[3]} accuracy" in record.metrics[case]
    assert len(record.curves[case]["step"]) == TINY["epochs"] + 1
    assert record.data["name"] == faces.CARDS
    assert ("erm, predicted threshold" in record.metrics) == (case == "erm")


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="optimizer must be 'adam' or 'sgd', got 'lion'"):
        celeba.train_run(tiny("erm", optimizer="lion"), splits(), 0)


def test_the_published_size_asks_for_celeba(monkeypatch, tmp_path):
    monkeypatch.setenv("GSUTILS_DATA", str(tmp_path))
    with pytest.raises(fetch.DataUnavailable, match=r"CelebA is not in .*list_eval_partition\.txt"):
        ENTRY.record("paper", seeds=[0], device="cpu", cases=["erm"])


def test_the_published_lam_and_gamma_are_the_authors():
    sd = ENTRY.settings["paper"]["sd"]
    assert sd["lam"] == pytest.approx([0.235, 1.34], abs=2e-3)
    assert sd["gamma"] == [0.44, 2.5]
