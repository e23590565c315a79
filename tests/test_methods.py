"""Each method against its definition, written out by hand or left to autograd."""

import dataclasses
import math

import pytest
import torch

from gsutils import losses, methods, train
from gsutils.methods import (
    ERM,
    IRM,
    METHODS,
    SD,
    BalancedERM,
    Batch,
    ClassSD,
    GroupDRO,
    LfF,
    Squared,
    VREx,
)
from gsutils.nets import MLP, Pair

torch.set_num_threads(1)

GENERATOR = torch.Generator().manual_seed(0)
N = 24
X = torch.randn(3, N, 4, generator=GENERATOR, dtype=torch.float64)
Y = torch.where(torch.rand(3, N, generator=GENERATOR) < 0.4, 1.0, -1.0).double()
GROUP = torch.randint(0, 2, (3, N), generator=GENERATOR)
LOGITS = 3 * torch.randn(3, N, generator=GENERATOR, dtype=torch.float64)
BATCH = Batch(Y, GROUP)


def minimised(method, net, step):
    """What training minimises on the batch above."""
    return methods.objective(method, net, method.loss(LOGITS, BATCH, step, {}), step)


def environments(run):
    return [(LOGITS[run][GROUP[run] == g], Y[run][GROUP[run] == g]) for g in (0, 1)]


def run_of(batch, run):
    return Batch(batch.y[run : run + 1], batch.group[run : run + 1])


def test_the_irm_penalty_is_the_squared_derivative_that_autograd_finds():
    for run in range(3):
        for logits, y in environments(run):
            scale = torch.ones((), dtype=torch.float64, requires_grad=True)
            (slope,) = torch.autograd.grad(losses.logistic(scale * logits, y), scale)
            torch.testing.assert_close(losses.irm_penalty(logits, y), slope**2, rtol=1e-12, atol=0)


def test_the_gradient_of_the_irm_penalty_is_that_of_the_double_backward():
    logits, y = LOGITS[0].clone().requires_grad_(), Y[0]
    (mine,) = torch.autograd.grad(losses.irm_penalty(logits, y), logits)
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(losses.logistic(scale * logits, y), scale, create_graph=True)
    (theirs,) = torch.autograd.grad(slope**2, logits)
    torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("step", [5, 20])
def test_irm_is_mean_risk_plus_weighted_mean_penalty_divided_by_the_weight(step):
    method = IRM(weight=50.0, switch=10)
    value = minimised(method, MLP((4, 1)), step)
    weight = 50.0 if step >= 10 else 1.0
    for run in range(3):
        (a, ya), (b, yb) = environments(run)
        risk = (losses.logistic(a, ya) + losses.logistic(b, yb)) / 2
        penalty = (losses.irm_penalty(a, ya) + losses.irm_penalty(b, yb)) / 2
        assert float(value[run]) == pytest.approx(float(risk + weight * penalty) / weight)


@pytest.mark.parametrize("step", [5, 20])
def test_vrex_is_summed_risk_plus_the_weighted_squared_difference(step):
    value = minimised(VREx(weight=9.0, switch=10), MLP((4, 1)), step)
    weight = 9.0 if step >= 10 else 1.0
    for run in range(3):
        (a, ya), (b, yb) = environments(run)
        first, second = losses.logistic(a, ya), losses.logistic(b, yb)
        by_hand = (first + second + weight * (first - second) ** 2) / weight
        assert float(value[run]) == pytest.approx(float(by_hand))


def test_vrex_sums_the_differences_of_all_pairs_of_environments():
    group = torch.arange(N) % 3
    risks = methods.group_means(losses.example_losses(LOGITS[0], Y[0]), group).tolist()
    by_hand = sum(risks) + sum((risks[a] - risks[b]) ** 2 for a, b in ((0, 1), (0, 2), (1, 2)))
    assert float(VREx().loss(LOGITS[0], Batch(Y[0], group), 0, {})) == pytest.approx(by_hand)


def test_group_dro_weights_groups_exponentially_by_their_losses():
    method, group = GroupDRO(eta=0.3), torch.arange(N) % 3
    state = method.start(Y[0], groups=4)
    q = [0.25] * 4
    for logits in LOGITS:
        mine = method.loss(logits, Batch(Y[0], group), 0, state)
        each = losses.example_losses(logits, Y[0])
        risks = [float(each[group == g].mean()) for g in range(3)] + [0.0]
        q = [a * math.exp(0.3 * risk) for a, risk in zip(q, risks)]
        q = [a / sum(q) for a in q]
        assert float(mine) == pytest.approx(sum(a * b for a, b in zip(q, risks)))
    assert state["q"].tolist() == pytest.approx(q)


def lff_by_hand(batches, smoothing):
    """Weights of each batch in plain Python: dicts of examples, one loop per line of the paper."""
    label = {i: float(Y[0, i]) for i in range(N)}
    smooth = [{}, {}]
    for index, logits in batches:
        for network in (0, 1):
            for place, i in enumerate(index.tolist()):
                now = math.log1p(math.exp(-label[i] * float(logits[network, place])))
                before = smooth[network].get(i, now)
                smooth[network][i] = smoothing * before + (1 - smoothing) * now
        weights = []
        for i in index.tolist():
            b, d = (
                network[i] / max(v for j, v in network.items() if label[j] == label[i])
                for network in smooth
            )
            weights.append(b / (b + d + 1e-8))
        yield weights


def test_lff_weights_examples_by_the_smoothed_losses_of_both_networks():
    method = LfF(smoothing=0.6)
    state = method.start(Y[0])
    order = torch.randperm(N, generator=GENERATOR)
    batches = [
        (index, 2 * torch.randn(2, len(index), generator=GENERATOR, dtype=torch.float64))
        for index in (order[:10], order[10:20], order[5:15])
    ]
    for (index, logits), by_hand in zip(batches, lff_by_hand(batches, 0.6)):
        mine = method.loss(logits, Batch(Y[0][index], None, index), 0, state)
        each = losses.example_losses(logits[1], Y[0][index])
        weighted = (torch.tensor(by_hand, dtype=torch.float64) * each).mean()
        p = torch.sigmoid(Y[0][index] * logits[0])
        assert float(mine) == pytest.approx(float(((1 - p**0.7) / 0.7).mean() + weighted))


def test_generalised_cross_entropy_tends_to_the_logistic_loss_as_q_vanishes():
    small = losses.generalised_cross_entropy(LOGITS, Y, 1e-6)
    torch.testing.assert_close(small, losses.logistic(LOGITS, Y), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"q must lie in \(0, 1\], got 0"):
        losses.generalised_cross_entropy(LOGITS, Y, 0)


def test_balanced_erm_is_the_mean_of_the_two_class_means():
    method = BalancedERM()
    value = method.loss(LOGITS, BATCH, 0, method.start(Y))
    for run in range(3):
        each = losses.example_losses(LOGITS[run], Y[run])
        by_hand = (each[Y[run] < 0].mean() + each[Y[run] > 0].mean()) / 2
        assert float(value[run]) == pytest.approx(float(by_hand))
    with pytest.raises(ValueError, match="both classes must be among the labels"):
        method.start(torch.ones(3))


def test_spectral_decoupling_follows_the_published_schedule():
    method = SD(lam=2.0, lam_before=4e-5, switch=450, factor=2e-5)
    net = MLP((4, 1))
    nll, square = losses.logistic(LOGITS, Y), LOGITS.square().mean(-1)
    torch.testing.assert_close(minimised(method, net, 449), nll + 2e-5 * square)
    torch.testing.assert_close(minimised(method, net, 450), 2e-5 * (nll + square))


@pytest.mark.parametrize("label", [None, -1.0, 1.0])
def test_class_sd_averages_its_penalty_within_each_class(label):
    y = Y if label is None else torch.full_like(Y, label)
    found = ClassSD(lam=0.2, gamma=(0.44, 2.5)).loss(LOGITS, Batch(y), 0, {})
    for run in range(3):
        expected = losses.logistic(LOGITS[run], y[run])
        for sign, gamma in ((-1, 0.44), (1, 2.5)):
            if (y[run] == sign).any():  # the authors' 0.1
                expected += 0.1 * (LOGITS[run][y[run] == sign] - gamma).square().mean()
        torch.testing.assert_close(found[run], expected)
    half = torch.arange(N) % 2 * 2.0 - 1
    found, expected = (
        kind(lam=lam).loss(LOGITS, Batch(half), 0, {}) for kind, lam in ((ClassSD, 1.0), (SD, 2.0))
    )
    torch.testing.assert_close(found, expected)


def test_squared_loss_is_that_of_the_package():
    expected = losses.squared(LOGITS, Y)
    torch.testing.assert_close(Squared().loss(LOGITS, BATCH, 0, {}), expected, rtol=0, atol=0)


def test_spectral_decoupling_without_a_penalty_is_erm():
    for y, logits in ((Y, LOGITS), (torch.zeros(3, N).long(), torch.randn(3, N, 5))):
        batch = Batch(y)
        assert torch.equal(SD().loss(logits, batch, 0, {}), ERM().loss(logits, batch, 0, {}))


def test_classes_are_trained_by_the_softmax():
    logits = torch.randn(N, 5, generator=GENERATOR)
    y = torch.randint(0, 5, (N,), generator=GENERATOR)
    plain = torch.nn.functional.cross_entropy(logits, y)
    torch.testing.assert_close(ERM().loss(logits, Batch(y), 0, {}), plain)
    penalty = 0.05 / 2 * logits.square().sum(1).mean()
    torch.testing.assert_close(SD(lam=0.05).loss(logits, Batch(y), 0, {}), plain + penalty)
    with pytest.raises(ValueError, match="for two classes"):
        ClassSD(lam=0.1).loss(logits, Batch(y), 0, {})
    with pytest.raises(ValueError, match="for two classes"):
        SD(lam=(0.1, 0.2)).loss(logits, Batch(y), 0, {})
    with pytest.raises(ValueError, match=r"classes must be 0\.\.4, got 0\.\.7"):
        losses.cross_entropy(logits, torch.arange(N) % 8)


def test_squared_weights_are_summed_for_each_run_apart():
    net = MLP((4, 5, 1), seeds=(0, 1, 2)).double()
    with_l2 = minimised(ERM(l2=0.1), net, 0).detach()
    for run in range(3):
        squares = sum(float(p.detach().square().sum()) for p in net.single(run).parameters())
        plain = float(losses.logistic(LOGITS[run], Y[run]))
        assert float(with_l2[run]) == pytest.approx(plain + 0.1 * squares)


OPTIONS = {
    "sd": {"lam": 0.5, "lam_before": 0.01, "switch": 20, "factor": 0.1},
    "irm": {"weight": 100.0, "switch": 20, "l2": 1e-3},
    "vrex": {"weight": 100.0, "switch": 20, "l2": 1e-3},
}


def trained(name, runs, steps=50):
    method = METHODS[name](**OPTIONS.get(name, {}))
    net = MLP((4, 8, 1), runs).double()
    if method.networks == 2:
        net = Pair(MLP((4, 8, 1), [run + 100 for run in runs]).double(), net)
    runs = list(runs)
    batch = Batch(Y[runs], GROUP[runs])
    state = method.start(batch.y, groups=2)
    state = {k: v.double() for k, v in state.items()}
    options = {"steps": steps, "optimizer": train.Adam(net.parameters(), 0.01)}
    history = train.fit(net, method, X[runs], batch=batch, state=state, **options)
    net.eval()
    return net(X[runs]).detach(), history["loss"]


@pytest.mark.parametrize("name", METHODS)
def test_a_run_in_a_batch_equals_the_run_alone(name):
    together, losses_together = trained(name, (0, 1, 2))
    for run in range(3):
        alone, loss_alone = trained(name, (run,))
        torch.testing.assert_close(together[run], alone[0], rtol=1e-8, atol=1e-8)
        assert losses_together[:, run] == pytest.approx(loss_alone[:, 0], rel=1e-8)


@pytest.mark.parametrize("name", ["irm", "vrex", "group_dro"])
def test_methods_that_need_groups_say_so(name):
    method = METHODS[name]()
    with pytest.raises(ValueError, match="needs the group or environment of every example"):
        method.loss(LOGITS, Batch(Y), 0, method.start(Y, 2))


@pytest.mark.parametrize("kind", METHODS.values())
def test_methods_refuse_a_negative_coefficient(kind):
    assert dataclasses.is_dataclass(kind)
    with pytest.raises(ValueError, match="l2 must be a finite number >= 0, got -1"):
        kind(l2=-1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": torch.tensor([0.0, 1.0])}, r"-1 or \+1, got \[0.0\]; for labels 0/1 use 2 \* y - 1"),
        ({"y": torch.tensor([True, False])}, r"-1 or \+1, got torch.bool; for labels 0/1"),
        ({"y": torch.tensor([-1, 1])}, r"classes must be >= 0, got -1; labels -1/\+1 are in float"),
        ({"group": torch.tensor([0.0, 1.0])}, "group must be int64, got torch.float32"),
        ({"group": torch.tensor([0, -1])}, "group must be >= 0, got -1"),
        ({"group": torch.tensor([0, 1, 1])}, r"group .* each label, \(\.\.\., 2\), got \(3,\)"),
        ({"index": torch.tensor([[0], [1]])}, r"index .* each label, \(\.\.\., 2\), got \(2, 1\)"),
        ({"index": torch.tensor([0.0, 1.0])}, "index must be int64"),
        ({"weight": torch.ones(3) / 3}, r"weight .* each label, \(\.\.\., 2\), got \(3,\)"),
        ({"weight": torch.tensor([[0.5, 0.5], [1.0, 1.0]])}, "sum to 1 .* got sums from 1 to 2"),
        ({"weight": torch.tensor([1.5, -0.5])}, "weight must be >= 0"),
        ({"weight": torch.tensor([1.0, float("nan")])}, "weight must be >= 0"),
    ],
)
def test_what_is_no_batch_is_refused_when_it_is_made(arguments, message):
    with pytest.raises(ValueError, match=message):
        Batch(**{"y": torch.tensor([1.0, -1.0])} | arguments)


@pytest.mark.parametrize("index", [slice(3, 9), torch.tensor([4, 0, 4])])
@pytest.mark.parametrize("y", [Y, Y[0], torch.arange(N) % 5])
def test_a_part_of_a_batch_is_the_batch_of_the_part(y, index):
    group = torch.arange(N) % 3
    part, alone = Batch(y, group).take(index), Batch(y[..., index], group[index], index)
    assert torch.equal(part.y, alone.y)
    assert torch.equal(part.group, alone.group)
    assert part.index is index


def test_a_batch_with_weights_has_no_parts():
    with pytest.raises(ValueError, match="trained on together, not in parts"):
        Batch(Y, weight=torch.full((N,), 1 / N)).take(slice(3))


@pytest.mark.parametrize("part", [False, True])
def test_a_class_beyond_the_logits_is_refused(part):
    batch = Batch(torch.arange(N) % 8)
    with pytest.raises(ValueError, match=r"classes must be 0\.\.4, got 0\.\.7"):
        ERM().loss(torch.zeros(N, 5), batch.take(slice(0, N)) if part else batch, 0, {})


@pytest.mark.parametrize("name", [name for name in METHODS if name != "lff"])
def test_labels_of_another_shape_than_the_logits_are_refused(name):
    method = METHODS[name]()
    with pytest.raises(ValueError, match="y must have the shape of logits"):
        method.loss(LOGITS[:, :-1], BATCH, 0, method.start(Y, 2))


@pytest.mark.parametrize("name", METHODS)
def test_a_training_does_not_look_at_the_labels_again(name, monkeypatch):
    looked, check_labels = [], losses.check_labels

    def check(logits, y, values=True):
        looked.append(values)
        return check_labels(logits, y, values)

    for place in (losses, losses._functions):
        monkeypatch.setattr(place, "check_labels", check)
    trained(name, (0, 1), steps=3)
    assert looked[0]  # when the batch is made
    assert len(looked) > 3
    assert not any(looked[1:])


@pytest.mark.parametrize("lam", [-1, (0.1, -1), torch.tensor([0.1, -1])])
def test_spectral_decoupling_refuses_a_negative_penalty_when_it_is_made(lam):
    with pytest.raises(ValueError, match="lam must be a finite number >= 0, got -1"):
        SD(lam=lam)
    with pytest.raises(ValueError, match="lam_before must be a finite number >= 0, got -1"):
        SD(lam_before=-1)


# --- what a batch may lack, and how training starts by default ------------------------------------


@pytest.mark.parametrize("method", [IRM(weight=10.0), VREx(weight=10.0)])
def test_an_environment_without_examples_is_none(method):
    logits, y = LOGITS[0, :4], Y[0, :4]
    two = torch.tensor([0, 0, 1, 1])
    expected = method.loss(logits, Batch(y, two), 0, {})
    for renumbered in (2 * two, two + 1, 5 * two + 3):
        torch.testing.assert_close(method.loss(logits, Batch(y, renumbered), 0, {}), expected)


@pytest.mark.parametrize("method", [IRM(), VREx()])
def test_an_environment_that_only_some_runs_have_is_refused(method):
    batch = Batch(Y[:2, :4], torch.tensor([[0, 0, 1, 1], [0, 0, 0, 0]]))
    with pytest.raises(ValueError, match="in all of the runs, or in none"):
        method.loss(LOGITS[:2, :4], batch, 0, {})


def test_a_group_beyond_those_that_were_declared_is_refused():
    method = GroupDRO()
    with pytest.raises(ValueError, match="there are 2 groups, numbered from 0, got group 2"):
        method.loss(LOGITS[0], Batch(Y[0], torch.arange(N) % 3), 0, method.start(Y[0], 2))


def test_group_dro_starts_with_all_groups():
    group, net = torch.arange(N) % 4, MLP((4, 8, 1), [0, 1]).double()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
    found = train.fit(
        net, GroupDRO(eta=0.0), X[0], batch=Batch(Y[0], group), steps=1, optimizer=optimizer
    )
    risks = methods.group_means(losses.example_losses(net(X[0]), Y[0]), group)
    assert found["loss"][0] == pytest.approx(risks.mean(-1).tolist())


def test_methods_with_a_state_take_labels_that_runs_share():
    group, y = torch.arange(N) % 2, Y[0].float()
    for method in (GroupDRO(), LfF(), BalancedERM()):
        histories = []
        for labels in (y, y.expand(2, -1)):
            net = MLP((4, 8, 1), [0, 1])
            net = Pair(MLP((4, 8, 1), [0, 1], role="other"), net) if method.networks == 2 else net
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            batch = Batch(labels, group)
            inputs = X[0].float()
            done = train.fit(net, method, inputs, batch=batch, steps=5, optimizer=optimizer)
            histories.append(done["loss"])
        assert (histories[0] == histories[1]).all()


def test_a_part_of_a_part_knows_its_places_in_the_whole():
    batch = Batch(Y[0])
    for index in (slice(10, 20, 2), torch.tensor([10, 12, 14, 16, 18])):
        part = batch.take(index).take(torch.tensor([4, 1]))
        assert part.places.tolist() == [18, 12]
        assert (part.y == Y[0][part.places]).all()


def test_networks_of_one_seed_and_two_roles_drop_other_units():
    nets = [MLP((4, 50, 1), [0], dropout=0.5, role=role) for role in ("weights", "another")]
    nets[1].load_state_dict(
        {k: v for k, v in nets[0].state_dict().items() if "extra" not in k}, strict=False
    )
    one, other = (net.train()(X[0].float()) for net in nets)
    assert not torch.allclose(one, other)
