"""Attacks and margins: exact on linear models, bounded by the ball, no weaker than a plain one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from gsutils import attack
from gsutils.attack import _geometry
from gsutils.nets import ConvNet
from gsutils.seeding import stream

torch.set_num_threads(1)
DUAL = {"l2": 2, "linf": 1}


def linear(seed=0, d=12, classes=None):
    rng = stream(seed, "test")
    shape = (d,) if classes is None else (d, classes)
    w = torch.from_numpy(rng.normal(size=shape))
    return w, lambda X: X.flatten(1) @ w + 0.3


def inputs(n=40, d=12, seed=1):
    rng = stream(seed, "test")
    X = torch.from_numpy(rng.random((n, d)))
    return X, torch.from_numpy(np.sign(rng.normal(size=n)))


@pytest.fixture(scope="module")
def network():
    """A small convolutional network with normalisation statistics of its own."""
    X = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    net = ConvNet((6, 8), X)
    net(X)
    net.eval().requires_grad_(False)
    X = X[net(X) != 0]
    return net, X, net(X).sign()


@pytest.mark.parametrize("norm", attack.NORMS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), d=st.integers(2, 30))
def test_the_margin_of_a_linear_model_is_exact(norm, seed, d):
    w, model = linear(seed, d)
    X, y = inputs(d=d, seed=seed + 1)
    score = y * model(X)
    exact = (score / torch.linalg.vector_norm(w, DUAL[norm])).clamp(min=0)
    found = attack.margins(model, X, y, [float(exact.max()) * 1.01 + 1e-9], norm, box=None)
    torch.testing.assert_close(found, exact, rtol=0, atol=float(exact.max()) / 2**12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), d=st.integers(2, 30))
def test_a_walk_from_afar_finds_the_margin_of_a_linear_model(seed, d):
    w, model = linear(seed, d)
    X, y = inputs(d=d, seed=seed + 1)
    y = model(X).sign()
    moved = inputs(d=d, seed=seed + 2)[0] - 20 * y[:, None] * w / w.norm()
    found = attack.from_afar(model, X, moved, y, rounds=3, box=None)
    torch.testing.assert_close(found, y * model(X) / w.norm(), rtol=1e-3, atol=1e-3)


def test_a_walk_in_a_box_finds_the_nearest_point_of_the_plane_in_the_box():
    w, _ = linear(d=8)
    X = inputs(n=30, d=8)[0]
    moved = (w < 0).double().expand_as(X)  # the corner where the model is surest of -1

    def model(points):
        return (points - 0.5) @ w + 0.3 * w.abs().sum()

    y = torch.ones(30).double()
    X = X[model(X) > 0]
    y, moved = y[: len(X)], moved[: len(X)]
    found = attack.from_afar(model, X, moved, y, rounds=20)
    for x, length in zip(X.numpy(), found.numpy()):
        best = minimize(
            lambda point, x=x: ((point - x) ** 2).sum(), moved[0].numpy(), method="SLSQP",
            bounds=[(0, 1)] * 8, options={"ftol": 1e-12, "maxiter": 200},
            constraints={"type": "ineq", "fun": lambda point: -float(model(torch.tensor(point)))},
        )  # fmt: skip
        assert best.fun**0.5 - 1e-6 <= length <= 1.02 * best.fun**0.5


def test_a_walk_from_afar_is_no_longer_than_the_straight_way_and_stays_in_the_box(network):
    net, X, y = network
    X, y = X[y != 0], y[y != 0]
    of = {sign: X[y == sign] for sign in (-1, 1)}
    moved = torch.stack([of[-int(sign)][0] for sign in y])
    straight = attack.crossing(net, X, moved, y) * (moved - X).flatten(1).norm(dim=1)
    few, many = (attack.from_afar(net, X, moved, y, rounds) for rounds in (1, 8))
    torch.testing.assert_close(few, straight)
    assert bool((many <= few).all())
    assert float(many.mean()) < 0.9 * float(few.mean())


def test_a_walk_says_where_it_cannot_begin(network):
    net, X, y = network
    assert bool(attack.from_afar(net, X, X, y).isinf().all())
    assert bool((attack.from_afar(net, X, X, -y) == 0).all())
    with pytest.raises(ValueError, match="moved must be"):
        attack.from_afar(net, X, X[:3], y)
    with pytest.raises(ValueError, match="rounds must be an integer >= 1, got 0"):
        attack.from_afar(net, X, X, y, rounds=0)


def test_with_several_classes_the_margin_found_is_the_nearest_boundary_for_most_inputs():
    W, model = linear(classes=4)
    X, _ = inputs()
    y = model(X).argmax(1)
    logits = model(X)
    lead = logits.gather(1, y[:, None]) - logits  # (n, classes)
    apart = torch.linalg.vector_norm(W[:, y].T[:, :, None] - W[None], dim=1)  # (n, classes)
    exact = (lead / apart).nan_to_num(nan=torch.inf).amin(1)
    found = attack.margins(model, X, y, np.linspace(0.05, 2, 40).tolist(), box=None, steps=40)
    assert bool((found >= exact - 1e-3).all())  # an upper bound: it may make for a farther class
    assert float((found <= exact + 0.01).double().mean()) > 0.8


@pytest.mark.parametrize("norm", attack.NORMS)
@pytest.mark.parametrize("objective", attack.OBJECTIVES)
def test_what_pgd_returns_lies_in_the_ball_and_in_the_box(network, norm, objective):
    net, X, y = network
    moved = attack.pgd(net, X, y, 0.3, norm, restarts=3, steps=5, objective=objective)
    delta = (moved - X).flatten(1)
    length = delta.norm(dim=1) if norm == "l2" else delta.abs().amax(1)
    assert float(length.max()) <= 0.3 * (1 + 1e-5)
    assert float(length.max()) > 0.29
    assert float(moved.min()) >= 0
    assert float(moved.max()) <= 1
    assert not moved.requires_grad


@pytest.mark.parametrize("norm", attack.NORMS)
def test_an_attack_never_helps_the_model(network, norm):
    net, X, y = network
    before = attack.logit_margin(net(X), y)
    for eps in (0.0, 0.1, 0.5):
        after = attack.logit_margin(net(attack.pgd(net, X, y, eps, norm, steps=5)), y)
        assert bool((after <= before + 1e-6).all())
    assert float(after.mean()) < float(before.mean())


def test_more_restarts_find_no_less(network):
    net, X, y = network
    lead = [
        attack.logit_margin(net(attack.pgd(net, X, y, 0.2, restarts=n, steps=4)), y) for n in (1, 4)
    ]
    assert bool((lead[1] <= lead[0] + 1e-6).all())


def test_random_starts_depend_on_the_seed_alone(network):
    net, X, y = network
    runs = [attack.pgd(net, X, y, 0.2, restarts=2, steps=3, seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize("norm", attack.NORMS)
def test_a_margin_is_the_length_of_a_disturbance_that_crosses(network, norm):
    net, X, y = network
    radii = [0.02, 0.05, 0.1, 0.2, 0.4]
    margin = attack.margins(net, X, y, radii, norm, steps=5, chunk_size=17)
    assert margin.shape == (len(X),)
    assert float(margin[margin.isfinite()].max()) <= 0.4 * (1 + 1e-5)
    for eps in radii:
        fell = attack.logit_margin(net(attack.pgd(net, X, y, eps, norm, steps=5)), y) <= 0
        assert bool((margin[fell] <= eps * (1 + 1e-5)).all())


def test_a_misclassified_input_has_margin_zero_and_an_unreachable_one_infinity():
    _, model = linear()
    X, y = inputs()
    wrong = y * model(X) <= 0
    assert bool((attack.margins(model, X, y, [1e-9], box=None)[wrong] == 0).all())
    assert bool(attack.margins(model, X, y, [1e-9], box=None)[~wrong].isinf().all())


def test_accuracy_under_attack_is_the_share_of_larger_margins():
    margin = torch.tensor([0.0, 0.1, 0.2, torch.inf])
    assert attack.accuracy_under_attack(margin, [0, 0.1, 0.15, 5]).tolist() == [
        0.75,
        0.5,
        0.5,
        0.25,
    ]


def test_the_loss_of_a_very_sure_model_has_no_gradient_and_its_margin_has_one():
    _, model = linear()
    X, _ = inputs()
    y = model(X).sign()
    sure = lambda X: 1e4 * model(X)  # noqa: E731
    by = {
        objective: attack.pgd(sure, X, y, 0.3, objective=objective, box=None)
        for objective in attack.OBJECTIVES
    }
    assert float((by["loss"] - X).abs().mean()) < float((by["margin"] - X).abs().mean()) / 2
    torch.testing.assert_close((by["margin"] - X).norm(dim=1), torch.full((40,), 0.3).double())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "l1"}, "norm must be in"),
        ({"eps": -0.1}, "eps must be a finite number >= 0, got -0.1"),
        ({"steps": 0}, "steps must be an integer >= 1, got 0"),
        ({"restarts": 0}, "restarts must be an integer >= 1"),
        ({"objective": "accuracy"}, "objective must be in"),
    ],
)
def test_nonsense_is_refused(change, message):
    _, model = linear()
    X, y = inputs()
    with pytest.raises(ValueError, match=message):
        attack.pgd(model, X, y, **{"eps": 0.1, **change})


def test_labels_of_another_shape_and_shrinking_radii_are_refused():
    _, model = linear()
    X, y = inputs()
    with pytest.raises(ValueError, match="one label per input"):
        attack.pgd(model, X, y[:, None], 0.1)
    with pytest.raises(ValueError, match="increasing"):
        attack.margins(model, X, y, [0.2, 0.1])


def plain_pgd(net, X, y, eps, norm, steps=20):
    """Ascent on the loss by normalised steps, one image at a time, as attack libraries do it."""
    moved = []
    for x, label in zip(X, y):
        delta = torch.zeros_like(x)
        for _ in range(steps):
            at = (x + delta).requires_grad_()
            loss = torch.log1p(torch.exp(-label * net(at[None])[0]))
            (slope,) = torch.autograd.grad(loss, at)
            if norm == "l2":
                delta = delta + 0.125 * eps * slope / slope.norm().clamp(min=1e-12)
                delta = delta * min(1.0, eps / max(float(delta.norm()), 1e-12))
            else:
                delta = (delta + 0.125 * eps * slope.sign()).clamp(-eps, eps)
            delta = (x + delta).clamp(0, 1) - x
        moved.append(x + delta)
    return torch.stack(moved)


@pytest.mark.parametrize("norm", attack.NORMS)
def test_the_attack_is_no_weaker_than_a_plain_one(network, norm):
    net, X, y = network
    X, y = X[:32], y[:32]
    fooled = []
    for eps in (0.02, 0.1):
        plain, ours = (
            attack.logit_margin(net(attacked(net, X, y, eps, norm)), y)
            for attacked in (plain_pgd, attack.pgd)
        )
        assert float(ours.mean()) <= float(plain.mean()) + 0.02 * float(plain.std())
        fooled.append([float((lead <= 0).float().mean()) for lead in (plain, ours)])
        assert fooled[-1][1] >= fooled[-1][0] - 0.02
    assert any(0 < plain < 1 for plain, _ in fooled)  # the radii tell attacks apart


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_an_attack_needs_no_state_of_autograd(off):
    _, model = linear()
    X, y = inputs()
    usual = attack.margins(model, X, y, [0.1, 0.4], box=None)
    with off():
        given = X.clone() if off is torch.inference_mode else X.clone().requires_grad_()
        found = attack.margins(model, given, y.clone(), [0.1, 0.4], box=None)
        walked = attack.from_afar(model, given, given.flip(0), y.clone(), box=None)
    torch.testing.assert_close(found.clone(), usual)
    torch.testing.assert_close(walked.clone(), attack.from_afar(model, X, X.flip(0), y, box=None))
    assert not found.requires_grad


def test_bytes_and_normalised_images_are_refused_with_what_to_give():
    _, model = linear()
    X, y = inputs()
    with pytest.raises(ValueError, match=r"X must lie in the box.*box=\(low, high\)"):
        attack.margins(model, (X - 0.5) / 0.25, y, [0.1])
    shifted = attack.margins(lambda Z: model(Z / 4 + 0.5), 4 * X - 2, y, [0.8], box=(-2.0, 2.0))
    torch.testing.assert_close(shifted, 4 * attack.margins(model, X, y, [0.2]))


@pytest.mark.parametrize("kind", [torch.float16, torch.float32, torch.float64])
def test_normalised_images_lie_in_their_own_box_and_stay_there(kind):
    pixels = torch.rand(20, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    pixels[0], pixels[1] = 0.0, 1.0
    for mean, std in ((0.4914, 0.247), (0.4465, 0.2616), (0.2860, 0.3530), (0.9, 0.01)):
        X, box = (pixels.to(kind) - mean) / std, ((0 - mean) / std, (1 - mean) / std)
        y = torch.ones(20, dtype=kind)
        moved = attack.pgd(lambda X: X.flatten(1).mean(1), X, y, 0.1, "linf", box=box)
        assert bool((moved >= min(float(X.min()), box[0])).all())
        assert bool((moved <= max(float(X.max()), box[1])).all())
        assert torch.equal(attack.pgd(lambda X: X.flatten(1).mean(1), X, y, 0.0, box=box), X)
        width = box[1] - box[0]
        for beyond in (X - 0.05 * width, X + 0.05 * width):
            with pytest.raises(ValueError, match="X must lie in the box"):
                attack.pgd(lambda X: X.flatten(1).mean(1), beyond, y, 0.1, box=box)


def test_all_chunks_of_images_are_attacked_in_one_box():
    X, box = torch.tensor([[0.5, 1 + 2e-7], [0.5, 0.9]]), (0.0, 1.0)
    model, y = lambda X: 1.5 - X.sum(1), torch.ones(2)
    X[0, 0] = 0.2
    together, apart = (
        attack.nearest(model, X, y, [0.5], box=box, chunk_size=size)[0] for size in (2, 1)
    )
    assert torch.equal(together, apart)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_direction_has_length_one_however_small_or_large_the_gradient(kind):
    limits = torch.finfo(kind)
    for size in (limits.smallest_normal * 1e-3, limits.tiny, limits.tiny**0.5, 1.0, limits.max / 2):
        g = torch.tensor([[size, -size], [size, 0.0], [0.0, 0.0]], dtype=kind)
        lengths = _geometry.unit(g).norm(dim=1)
        torch.testing.assert_close(lengths, torch.tensor([1.0, 1.0, 0.0], dtype=kind))
        expected = torch.tensor([2**0.5 * size, size, 0.0], dtype=kind)
        torch.testing.assert_close(_geometry.norm_of(g, "l2"), expected, rtol=1e-3, atol=0)


def test_many_gradients_of_half_precision_are_finite_and_one_that_is_not_is_refused():
    X, y = torch.full((100, 3000), 0.5, dtype=torch.float16), torch.ones(100, dtype=torch.float16)
    moved = attack.pgd(lambda X: X.sum(1), X, y, 0.1, "linf", steps=2)
    assert bool((moved < X).all())
    with pytest.raises(ValueError, match="gradient of the model by its inputs is not finite"):
        attack.pgd(lambda X: (X - 0.5).sqrt().sum(1), X, y, 0.1, steps=2)
