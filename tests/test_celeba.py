"""Section 4.4: thresholds, groups, batches, networks, and training in one process or two."""

import sys
from dataclasses import fields, replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit

from gsutils import evaluate, losses, methods
from gsutils.data import faces, fetch
from gsutils.experiments import celeba
from gsutils.nets.residual import SmallCNN, image_network, resnet50
from gsutils.seeding import stream
from gsutils.train import History
from gsutils.train.distributed import launch, share
from gsutils.train.image_batches import Batches, HeldOut, Order

ENTRY = celeba.ENTRIES["table3"]
TINY = {"cards": (128, 40, 32), "epochs": 2, "batch": 32}
CPU = torch.device("cpu")


def tiny(name, **changes):
    return replace(ENTRY.cases["quick"][name], **TINY | changes)


def splits():
    return celeba.prepare(tiny("erm"), seed=0)


def trained(case, seed=0):
    """The logits of the test split after every epoch."""
    return celeba.train(case, [seed], "cpu").runs[0].history["test"]


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
    assert losses.optimal_logit(p, lam, gamma) == pytest.approx(best, abs=1e-5)


@given(st.floats(0, 1), st.floats(-18, 12), st.floats(-18, 12), targets, targets)
def test_the_best_logit_solves_its_equation(p, log_below, log_above, low, high):
    below, above = 10**log_below, 10**log_above
    z = losses.optimal_logit(p, (below, above), (low, high))
    weight, pull = p * above + (1 - p) * below, p * above * high + (1 - p) * below * low
    terms = expit(z), p, weight * z, pull
    assert abs(terms[0] - p + terms[2] - pull) <= 1e-13 * max(1, *map(abs, terms))


def test_the_best_logit_has_known_limits():
    assert losses.optimal_logit(0.8, 0.0) == pytest.approx(np.log(4))
    assert losses.optimal_logit(0.8, 1e-300) == pytest.approx(np.log(4))
    assert losses.optimal_logit(1.0, 1e9) == pytest.approx(0.5e-9, rel=1e-6)
    assert losses.optimal_logit(0.5, 3.0) == 0
    for p, lam, said in (
        (1.2, 1.0, "p must be"),
        (1.0, 0.0, "infinite"),
        (float("nan"), 1.0, "p must"),
    ):
        with pytest.raises(ValueError, match=said):
            losses.optimal_logit(p, lam)


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


@pytest.mark.parametrize("goal", evaluate.GOALS)
def test_a_group_may_hold_both_labels(goal):
    y, group = np.array([-1.0, 1, -1, 1]), np.zeros(4, int)
    logits = np.array([-3.0, 1, -2, 2])
    assert evaluate.best_threshold(logits, evaluate.Split(y, group), goal) == -0.5


def test_without_one_of_the_four_groups_there_are_no_group_accuracies():
    logits, y = np.array([-1.0, 1, 1, -1]), np.array([-1.0, -1, 1, 1])
    found = evaluate.group_accuracies(logits, evaluate.Split(y, np.array([0, 1, 2, 3])))
    assert found.tolist() == [1, 0, 1, 0]
    for group in ([0, 0, 2, 3], [1, 2, 3, 4]):
        with pytest.raises(ValueError, match=r"each of the groups 0\.\.3, got \[\d, 2, 3"):
            evaluate.group_accuracies(logits, evaluate.Split(y, np.array(group)))


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
    with pytest.raises(ValueError, match=r"batch must be an integer in 1\.\.4, got 5"):
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


class _Body(torch.nn.Module):
    """In the place of torchvision's network: the mean colour, then 1000 classes."""

    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 1000)

    def forward(self, pixels):
        return self.fc(pixels.mean((2, 3)))


@pytest.fixture
def torchvision(monkeypatch):
    """A module with the two names that are taken from torchvision; returns what was asked for."""
    asked = []

    def resnet(weights):
        asked.append(weights)
        return _Body()

    models = ModuleType("torchvision.models")
    models.resnet50, models.ResNet50_Weights = resnet, SimpleNamespace(IMAGENET1K_V1="weights")
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    return asked


def test_a_resnet50_sees_imagenets_colours_and_has_a_last_layer_of_its_own(torchvision):
    images = splits()[1].images[:5]
    first, again, other = (resnet50(seed).eval() for seed in (1, 1, 2))
    assert torchvision == ["weights"] * 3
    resnet50(pretrained=False)
    assert torchvision[-1] is None
    colours = images.double().div(255).mean((2, 3)).numpy()
    normal = (colours - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    last = first.body.fc
    expected = normal @ last.weight.detach().numpy()[0] + float(last.bias.detach()[0])
    logits = first(images).detach()
    assert logits.shape == (5,)
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-5)
    assert torch.equal(again(images), logits)
    assert not torch.equal(other(images), logits)
    assert float(last.weight.detach().abs().max()) <= 3**-0.5


def test_imagenet_weights_that_cannot_be_had_are_explained(torchvision, monkeypatch):
    def offline(weights):
        raise OSError("no network")

    monkeypatch.setattr(sys.modules["torchvision.models"], "resnet50", offline)
    with pytest.raises(fetch.DataUnavailable, match="could not load the ImageNet weights"):
        resnet50()


# --- training --------------------------------------------------------------------------------


def test_the_splits_are_those_of_the_cards_of_each_seed():
    sizes = (96, 40, 24)
    first, other = (celeba.prepare(tiny("erm", cards=sizes), seed) for seed in (0, 7))
    for data, seed in ((first, 0), (other, 7)):
        for mine, theirs, size in zip(data, faces.cards(seed, sizes), sizes):
            assert len(mine) == size
            assert mine.name == faces.CARDS
            assert torch.equal(mine.images, theirs.images)
            assert torch.equal(mine.group, theirs.group)
    assert not torch.equal(first[2].images, other[2].images)


def by_hand(name, make, seed, by_group):
    """Train a small network as PyTorch does, and return the test logits after every epoch."""
    data, _, test = celeba.prepare(tiny("erm"), seed)
    net = SmallCNN(seed=seed)
    optimizer, seen = make(net.parameters()), []
    order = Order(data.group, 32, seed, by_group)
    q = torch.full((4,), 0.25)
    for step in range(9):
        if step % 4 == 0:
            with torch.no_grad():
                seen.append(net(test.images))
        index = order(step)
        z, y, group = net(data.images[index]), data.y[index], data.group[index]
        each = torch.log1p(torch.exp(-y * z))
        if name == "balanced":
            share = float((data.y > 0).float().mean())
            each = each * torch.where(y > 0, 0.5 / share, 0.5 / (1 - share))
        elif name == "sd":
            lam = torch.where(y > 0, *ENTRY.cases["quick"]["sd"].method.lam[::-1])
            each = each + lam / 2 * (z - torch.where(y > 0, 2.5, 0.44)) ** 2
        loss = each.mean()
        if name == "group_dro":
            zero = torch.zeros(())
            risks = [each[group == g].mean() if (group == g).any() else zero for g in range(4)]
            q = q * torch.exp(0.01 * torch.stack(risks).detach())
            q = q / q.sum()
            loss = (q * torch.stack(risks)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.stack(seen).double().numpy()


def _adam(parameters):
    return torch.optim.Adam(parameters, 2e-3)


def _sgd(parameters):
    return torch.optim.SGD(parameters, 0.02, momentum=0.9, weight_decay=0.1)


@pytest.mark.parametrize(
    ("name", "make", "changes"),
    [
        ("erm", _adam, {}),
        ("erm", _sgd, {"optimizer": "sgd", "lr": 0.02, "weight_decay": 0.1}),
        ("balanced", _adam, {}),
        ("sd", _adam, {}),
        ("group_dro", _adam, {}),
    ],
)
def test_a_case_is_trained_as_plain_pytorch_trains_it(name, make, changes):
    expected = by_hand(name, make, seed=3, by_group=name == "group_dro")
    found = trained(tiny(name, **changes), 3)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert np.abs(expected[-1] - expected[0]).mean() > 0.01


def test_the_debiased_network_of_lff_answers_and_starts_as_erm_does():
    lff, erm = (trained(tiny(name)) for name in ("lff", "erm"))
    np.testing.assert_array_equal(lff[0], erm[0])
    assert not np.allclose(lff[-1], erm[-1])


def test_sd_without_a_penalty_is_erm():
    method = methods.SD(lam=(0.0, 0.0), gamma=(0.44, 2.5))
    np.testing.assert_array_equal(trained(tiny("erm")), trained(tiny("sd", method=method)))


def test_a_resumed_run_ends_where_the_uninterrupted_one_does(tmp_path):
    path, case = tmp_path / "run.pt", tiny("lff")

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
            celeba.train(case, [0], "cpu", path)
    assert len(list(tmp_path.iterdir())) == 1
    resumed, uninterrupted = celeba.train(case, [0], "cpu", path), celeba.train(case, [0], "cpu")
    for name in ("test", "validation", "loss"):
        mine, theirs = (one.runs[0].history[name] for one in (resumed, uninterrupted))
        np.testing.assert_array_equal(mine, theirs)


def test_seeds_are_runs_of_their_own(tmp_path):
    both = celeba.train(tiny("erm"), (0, 1), "cpu", tmp_path / "run.pt")
    assert len(list(tmp_path.iterdir())) == 2
    for seed, run in enumerate(both.runs):
        np.testing.assert_array_equal(run.history["test"], trained(tiny("erm"), seed))


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


@pytest.mark.parametrize("case", ENTRY.cases["quick"])
def test_every_method_of_table_3_trains_and_is_recorded(case):
    record = ENTRY.record("quick", seeds=[0], device="cpu", settings=TINY, cases=[case])
    assert {"average accuracy", "worst-group accuracy"} <= set(record.metrics[case])
    assert f"{faces.CARD_GROUPS[3]} accuracy" in record.metrics[case]
    assert record.curves[case]["step"] == [0, 4, 8]
    assert record.data["name"] == faces.CARDS
    assert ("erm, predicted threshold" in record.metrics) == (case == "erm")


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="optimizer must be 'adam' or 'sgd', got 'lion'"):
        celeba.train(tiny("erm", optimizer="lion"), [0])


def test_the_published_size_asks_for_celeba(monkeypatch, tmp_path):
    monkeypatch.setenv("GSUTILS_DATA", str(tmp_path))
    with pytest.raises(fetch.DataUnavailable, match=r"CelebA is not in .*list_eval_partition\.txt"):
        ENTRY.record("paper", seeds=[0], device="cpu", cases=["erm"])


def test_the_published_lam_and_gamma_are_the_authors():
    quick, paper = (ENTRY.cases[size]["sd"].method for size in ("quick", "paper"))
    assert quick.lam == pytest.approx((0.235, 1.34), abs=2e-3)  # 2 · 0.1 over the classes' shares
    assert paper == methods.ClassSD(lam=0.2, gamma=(0.44, 2.5))
    assert quick.gamma == paper.gamma
    for cases in ENTRY.cases.values():
        assert {name for name, case in cases.items() if case.compared_with} == {"erm"}
        assert cases["erm"].compared_with == quick


def test_the_published_size_is_that_of_two_published_codes():
    cases = ENTRY.cases["paper"]
    names = ("erm", "balanced", "sd", "lff", "group_dro")
    assert tuple(cases) == names
    assert {(c.network, c.batch, c.precision, c.cards) for c in cases.values()} == {
        ("resnet50", 128, "auto", None)
    }
    assert {
        name: (c.optimizer, c.lr, c.weight_decay, c.epochs, c.keeps) for name, c in cases.items()
    } == {
        "erm": ("sgd", 1e-5, 0.0, 3, "average"),
        "balanced": ("sgd", 1e-5, 0.0, 3, "average"),
        "sd": ("adam", 1e-5, 0.0, 3, "average"),
        "lff": ("adam", 1e-4, 0.0, 50, "last"),
        "group_dro": ("sgd", 1e-4, 1e-4, 50, "last"),
    }
    assert [name for name, case in cases.items() if case.by_group] == ["group_dro"]
    assert cases["group_dro"].method.eta == 0.01


@pytest.mark.parametrize(
    "change",
    [
        {"method": methods.BalancedERM()}, {"lr": 3e-3}, {"optimizer": "sgd"},
        {"weight_decay": 0.1}, {"by_group": True}, {"network": "resnet50"}, {"epochs": 3},
        {"batch": 16}, {"precision": "bfloat16"}, {"cards": (128, 41, 32)},
        {"compared_with": methods.SD(lam=0.1, gamma=1.0)},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_field_that_says_what_changes_what_comes_of_a_case(torchvision, change):
    cases = (tiny("erm"), tiny("erm", **change))
    runs = [celeba.train(case, [0], "cpu").runs[0] for case in cases]
    if "compared_with" in change:
        one, other = (celeba.thresholds(r, c.compared_with) for r, c in zip(runs, cases))
        assert one != other
    else:
        one, other = (run.history["validation"] for run in runs)
        assert one.shape != other.shape or not np.array_equal(one, other)


def test_every_field_that_says_how_reaches_what_computes(monkeypatch):
    mark = test_every_field_that_says_what_changes_what_comes_of_a_case.pytestmark[0]
    tried = {name for change in mark.args[1] for name in change}
    elsewhere = {"processes", "workers", "keeps"}
    assert {field.name for field in fields(celeba.Case)} - tried == elsewhere
    seen = []

    def batches(data, index, device, workers=0):
        seen.append(workers)
        return Batches(data, index, device)

    def launched(function, processes, *arguments):
        seen.append(processes)
        return function(*arguments)

    monkeypatch.setattr(celeba, "Batches", batches)
    monkeypatch.setattr("gsutils.train.image_batches.Batches", batches)
    monkeypatch.setattr(celeba, "launch", launched)
    celeba.train(tiny("erm", processes=3, workers=2), [0], "cpu")
    assert seen == [3, 2, 2, 2]


def test_a_comparison_with_what_shifts_no_decision_is_refused():
    with pytest.raises(ValueError, match="compared_with must be SD or null, got group DRO"):
        tiny("erm", compared_with=methods.GroupDRO())


# --- what is chosen, and by which split -------------------------------------------------------


def drawn(seed):
    """A run whose two splits differ in size, in their groups' shares, and in what is best."""
    rng = stream(seed, "test")
    splits, history = {}, {}
    for name, sizes, shift, quality in (
        ("validation", (150, 80, 50, 20), 0.8, (1.0, 0.1, 0.5)),
        ("test", (17, 34, 51, 68), -1.1, (0.1, 1.0, 0.5)),
    ):
        group = rng.permutation(np.repeat(np.arange(4), sizes))
        y = np.where(group >= 2, 1.0, -1.0)
        splits[name] = evaluate.Split(y, group)
        epochs = [q * y + shift * e / 3 - 0.3 * (group == 3) for e, q in enumerate(quality)]
        history[name] = np.stack(epochs) + rng.standard_normal((3, len(y))) / 2
    return celeba.Run(splits, History(np.arange(3), history))


def groups_by_hand(run, split, threshold=0.0, epoch=-1):
    data, z = run.splits[split], run.history[split][epoch]
    right = np.where(z > threshold, 1, -1) == data.y
    return np.array([right[data.group == g].mean() for g in range(4)])


def test_thresholds_and_the_epoch_are_chosen_by_the_validation_split():
    run, sd = drawn(0), methods.SD(lam=(0.2, 1.3), gamma=(0.4, 2.5))
    found = celeba.thresholds(run, sd)
    p = (0.5 - 0.2 * 0.4) / (1 + 1.3 * 2.5 - 0.2 * 0.4)
    assert found["predicted threshold"] == pytest.approx(np.log(p / (1 - p)))
    groups = np.array([groups_by_hand(run, "validation", t) for t in np.linspace(-3, 3, 3001)])
    shares = np.array([0.5, 80 / 300, 50 / 300, 20 / 300])
    for goal, score in (("average", lambda g: g @ shares), ("worst-group", lambda g: g.min(-1))):
        chosen = found[f"threshold for {goal}"]
        assert score(groups_by_hand(run, "validation", chosen)) >= score(groups).max() - 1e-12
        on_test = evaluate.best_threshold(run.logits("test"), run.splits["test"], goal)
        assert abs(on_test - chosen) > 0.1
    assert found["threshold for average"] != found["threshold for worst-group"]
    assert run.best_epoch() == 0
    assert np.argmax([groups_by_hand(run, "test", epoch=e).min() for e in range(3)]) == 1


def test_the_epoch_that_counts_is_the_best_by_average_accuracy_on_validation():
    run = drawn(0)
    y = run.splits["validation"].y
    right = [np.mean(np.where(z > 0, 1, -1) == y) for z in run.history["validation"]]
    best = int(np.argmax(right))
    assert run.best_epoch("average accuracy") == best == 0
    for keeps, epoch in (("average", best), ("last", -1)):
        metrics = celeba.Trained(tiny("erm", keeps=keeps), "drawn", (run,)).metrics()[""]
        worst = groups_by_hand(run, "test", epoch=epoch).min()
        assert metrics["worst-group accuracy"] == [pytest.approx(worst)]
    with pytest.raises(ValueError, match="keeps must be 'last' or 'average', got 'best'"):
        tiny("erm", keeps="best")


def test_a_record_holds_the_test_split_after_the_last_epoch_and_at_what_was_chosen():
    case = tiny("erm", compared_with=methods.SD(lam=(0.2, 1.3), gamma=(0.4, 2.5)))
    runs = (drawn(0), drawn(1))
    of_case = celeba.Trained(case, "drawn", runs)
    metrics, curves = of_case.metrics(), of_case.curves()[""]
    counts = np.array([9767, 7535, 2480, 180])
    for place, run in enumerate(runs):
        moved = celeba.thresholds(run, case.compared_with)
        assert set(metrics) == {"", *moved}
        for part, threshold in {"": 0.0, **moved}.items():
            groups = groups_by_hand(run, "test", threshold)
            expected = {f"{t} accuracy": value for t, value in zip(faces.CARD_GROUPS, groups)} | {
                "average accuracy": groups @ counts / counts.sum(),
                "worst-group accuracy": groups.min(),
                "mean group accuracy": groups.mean(),
            }
            for name, value in expected.items():
                assert metrics[part][name][place] == pytest.approx(value)
        best = groups_by_hand(run, "test", epoch=run.best_epoch())
        assert metrics[""]["worst-group accuracy, best epoch"][place] == pytest.approx(best.min())
        for split in ("validation", "test"):
            for epoch in range(3):
                shown = curves[f"{split}: worst-group accuracy"][epoch][place]
                assert shown == pytest.approx(groups_by_hand(run, split, epoch=epoch).min())
    assert curves["step"] == [0, 1, 2]
    of_faces = replace(of_case, case=replace(case, cards=None)).metrics()[""]
    assert of_faces["blond men accuracy"] == metrics[""]["pale, cross accuracy"]


def test_logits_are_kept_with_the_labels_of_their_own_split():
    case = tiny("erm", cards=(128, 50, 30))
    (run,) = celeba.train(case, [2], "cpu").runs
    for name, split in zip(("train", "validation", "test"), celeba.prepare(case, 2)):
        np.testing.assert_array_equal(run.splits[name].group, split.group)
        np.testing.assert_array_equal(run.splits[name].y, split.y)
    assert run.history["validation"].shape == (3, 50)
    assert run.history["test"].shape == (3, 30)
