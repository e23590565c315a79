"""The NTK against plain autograd, its features against linear algebra, training against PyTorch."""

import copy
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import softplus
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gsutils import ntk
from gsutils.data import moons
from gsutils.nets import MLP

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

X, Y = moons.two_moons(3, n=12)


class Column(nn.Sequential):
    """A plain network with one output, (n, 1)."""

    def __init__(self):
        super().__init__(nn.Linear(2, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 1))


class Flat(Column):
    """The same with its logits as (n,)."""

    def forward(self, x):
        return super().forward(x)[:, 0]


def normalised():
    """A network with batch normalisation that has seen data."""
    net = MLP((2, 6, 5, 1), batch_norm=True).train()
    for scale in (1.0, 3.0):
        net(torch.from_numpy(X).float() * scale)
    return net


MODELS = {
    "standard": lambda: MLP((2, 6, 5, 1)),
    "ntk": lambda: MLP((2, 6, 5, 1), parameterisation="ntk"),
    "linear": lambda: MLP((2, 1)),
    "batch norm": normalised,
    "dropout": lambda: MLP((2, 6, 1), dropout=0.5),
    "column": Column,
    "flat": Flat,
}
WITHOUT_JACOBIAN = ["standard", "ntk", "linear", "dropout"]


def jacobian(model, inputs):
    """The Jacobian, one example and one backward pass at a time."""
    network, rows = model.double().eval(), []
    for x in torch.from_numpy(inputs):
        gradients = torch.autograd.grad(network(x[None]).sum(), list(network.parameters()))
        rows.append(torch.cat([g.flatten() for g in gradients]))
    return torch.stack(rows).numpy()


# --- the Jacobian and the Gram matrix -------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_the_ntrf_matrix_is_the_jacobian_in_the_order_of_the_parameters(name):
    model = MODELS[name]()
    Phi = ntk.ntrf(model, X)
    assert Phi.dtype == np.float64
    assert Phi.shape == (12, sum(p.numel() for p in model.parameters()))
    np.testing.assert_allclose(Phi, jacobian(model, X), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("chunk_size", [1, 5, 12, 100])
def test_chunks_change_nothing(chunk_size):
    model = MODELS["standard"]()
    np.testing.assert_allclose(
        ntk.ntrf(model, X, chunk_size), ntk.ntrf(model, X), rtol=1e-12, atol=1e-15
    )


def test_tensors_of_single_precision_serve_as_inputs():
    model, inputs = MODELS["standard"](), torch.from_numpy(X).float()
    np.testing.assert_array_equal(ntk.ntrf(model, inputs), ntk.ntrf(model, inputs.numpy()))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_left_as_it_was(name):
    model = MODELS[name]().train()
    if name == "dropout":
        model.eval()
    before = copy.deepcopy(model.state_dict())
    training = model.training
    ntk.ntrf(model, X)
    ntk.train_both(model, X, Y, steps=2, lr=0.1)
    if name in WITHOUT_JACOBIAN:
        ntk.gram(model, X)
    assert model.training == training
    for key, value in model.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, before[key])
            assert value.dtype == before[key].dtype
        else:  # where the dropout streams are
            assert value == before[key]
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_the_two_moons_network_takes_half_the_time_of_one_point_after_another():
    model, (inputs, _) = MLP((2, 500, 1)), moons.two_moons()
    ntk.ntrf(model, inputs[:2])  # the first call loads what torch.func needs
    X = torch.as_tensor(inputs, dtype=torch.float32)

    def one_by_one():
        weights = list(model.parameters())
        rows = (torch.autograd.grad(model(x[None]).sum(), weights) for x in X)
        return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])

    def seconds(work):
        start = time.process_time()
        assert work().shape == (300, 2001)
        return time.process_time() - start

    assert min(seconds(lambda: ntk.ntrf(model, inputs)) for _ in range(3)) < 0.5 * min(
        seconds(one_by_one) for _ in range(3)
    )


@pytest.mark.parametrize("name", WITHOUT_JACOBIAN)
@pytest.mark.parametrize("other", [None, X[:5] + 0.3])
def test_the_gram_matrix_equals_the_product_of_jacobians(name, other):
    model = MODELS[name]().eval()
    left, right = ntk.ntrf(model, X), ntk.ntrf(model, X if other is None else other)
    K = ntk.gram(model, X, other)
    assert np.abs(K - left @ right.T).max() <= 1e-12 * np.abs(K).max()


def test_the_gram_matrix_needs_no_tensor_larger_than_itself_or_a_layer():
    class Largest(TorchDispatchMode):
        entries = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **kwargs or {})
            sizes = [t.numel() for t in tree_leaves(result) if isinstance(t, torch.Tensor)]
            self.entries = max([self.entries, *sizes])
            return result

    model, inputs = MLP((30, 40, 50, 1)), np.random.default_rng(0).normal(size=(70, 30))
    with Largest() as largest:
        ntk.gram(model, inputs)
    assert largest.entries == 70 * 70  # the Jacobian has 70 x 3,341


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Column(), "gram needs a gsutils.nets.MLP .*got Column; otherwise form Phi"),
        (normalised(), "without batch normalisation"),
        (MLP((2, 6, 1), dropout=0.5).train(), r"only in evaluation mode \(model.eval\(\)\)"),
        (MLP((2, 6, 1), range(2)), r"got shape \(2, 1\) .*model.single\(run\)"),
    ],
)
def test_models_without_a_closed_form_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        ntk.gram(model, X)


@pytest.mark.parametrize("function", [ntk.ntrf, ntk.linearise])
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (MLP((2, 6, 1), range(3)), r"one logit per example, got shape \(3, 1\) .*single\(run\)"),
        (nn.Linear(2, 2), r"got shape \(1, 2\) for one example; .*one output"),
    ],
)
def test_a_model_with_several_outputs_is_refused_with_the_remedy(function, model, message):
    with pytest.raises(ValueError, match=message):
        function(model, X)


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (X[:0], {}, r"X must be \(n, ...\) with n >= 1, got \(0, 2\)"),
        (X[0], {}, r"got \(2,\)"),
        (X, {"chunk_size": 0}, "chunk_size must be an integer >= 1, got 0"),
    ],
)
def test_inputs_that_make_no_sense_are_refused(inputs, options, message):
    with pytest.raises(ValueError, match=message):
        ntk.ntrf(MLP((2, 3, 1)), inputs, **options)


# --- features and responses -----------------------------------------------------------------

sizes = st.integers(1, 9)


@given(sizes, sizes, st.integers(0, 2**32 - 1))
def test_features_are_a_singular_value_decomposition_with_fixed_signs(n, m, seed):
    rng = np.random.default_rng(seed)
    Phi, y = rng.normal(size=(n, m)), rng.choice([-1.0, 1.0], n)
    U, s, Vt = ntk.features(Phi, y)
    r = min(n, m)
    np.testing.assert_allclose(U * s @ Vt, y[:, None] * Phi, atol=1e-12)
    np.testing.assert_allclose(U.T @ U, np.eye(r), atol=1e-12)
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(r), atol=1e-12)
    assert (np.diff(s) <= 0).all()
    assert (s >= 0).all()
    assert (U[np.abs(U).argmax(0), range(r)] > 0).all()


def test_labels_change_neither_the_strengths_nor_the_features_but_the_weights_row_by_row():
    Phi = ntk.ntrf(MLP((2, 30, 1)), X)
    U, s, Vt = ntk.features(Phi, Y)
    U0, s0, Vt0 = ntk.features(Phi, np.ones(12))
    np.testing.assert_allclose(s, s0)
    sign = np.sign((Vt * Vt0).sum(1))
    np.testing.assert_allclose(Vt, sign[:, None] * Vt0, atol=1e-9)
    np.testing.assert_allclose(U, Y[:, None] * U0 * sign, atol=1e-9)


def test_zero_strengths_are_kept():
    Phi = np.vstack([np.eye(3), np.eye(3)])
    U, s, _ = ntk.features(Phi, np.ones(6))
    np.testing.assert_allclose(s, [2**0.5] * 3)
    U, s, Vt = ntk.features(Phi.T, np.ones(3))
    assert (U.shape, s.shape, Vt.shape) == ((3, 3), (3,), (3, 6))
    _, s, _ = ntk.features(np.ones((4, 5)), np.ones(4))
    np.testing.assert_allclose(s, [20**0.5, 0, 0, 0], atol=1e-12)


def test_weak_strengths_survive_that_the_gram_matrix_would_lose():
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.normal(size=(20, 20)))[0] for _ in range(2))
    strengths = np.logspace(0, -9, 20)
    Phi = U * strengths @ V.T
    np.testing.assert_allclose(ntk.features(Phi, np.ones(20)).s, strengths, rtol=1e-5)
    through_gram = np.sqrt(np.maximum(np.linalg.eigvalsh(Phi @ Phi.T)[0], 0))
    assert abs(through_gram / strengths[-1] - 1) > 0.1


def test_responses_are_strengths_times_coordinates_of_the_parameters():
    linear = ntk.linearise(MLP((2, 30, 1)), X)
    U, s, Vt = ntk.features(linear.Phi, Y)
    theta = linear.theta0 + np.random.default_rng(1).normal(size=(4, 3, 121))
    z = ntk.response(U, Y, linear(theta) - linear.logits0)
    assert z.shape == (4, 3, 12)
    np.testing.assert_allclose(z, s * ((theta - linear.theta0) @ Vt.T), atol=1e-10)


@pytest.mark.parametrize(
    ("Phi", "y", "message"),
    [
        (np.eye(3), np.array([0.0, 1.0, 1.0]), r"labels must be -1 or \+1, got \[0.0\]"),
        (np.eye(3), np.ones(2), r"Phi must be \(n, m\) and y \(n,\), got \(3, 3\) and \(2,\)"),
        (np.ones(3), np.ones(3), r"got \(3,\)"),
        (np.diag([1.0, np.nan, 1.0]), np.ones(3), "Phi must be finite, got 1 other"),
    ],
)
def test_features_of_what_is_no_labelled_matrix_are_refused(Phi, y, message):
    with pytest.raises(ValueError, match=message):
        ntk.features(Phi, y)


@pytest.mark.parametrize(
    ("U", "y", "logits", "message"),
    [
        (np.eye(3), np.array([1.0, 2.0, 1.0]), np.ones(3), r"labels must be .*got \[2.0\]"),
        (np.eye(3), np.ones(3), np.ones((3, 2)), r"logits \(..., n\), got .*\(3, 2\)"),
        (np.eye(3), np.ones(2), np.ones(2), r"got \(3, 3\), \(2,\), \(2,\)"),
    ],
)
def test_responses_of_shapes_or_labels_that_do_not_fit_are_refused(U, y, logits, message):
    with pytest.raises(ValueError, match=message):
        ntk.response(U, y, logits)


# --- linearised networks --------------------------------------------------------------------


def with_parameters(model, theta):
    model = model.double()
    nn.utils.vector_to_parameters(torch.from_numpy(theta), model.parameters())
    return model(torch.from_numpy(X)).detach().numpy().ravel()


def test_the_error_of_the_linearisation_is_of_second_order():
    model = Column()
    linear = ntk.linearise(model, X)
    np.testing.assert_allclose(linear(linear.theta0), linear.logits0)
    direction = np.random.default_rng(2).normal(size=linear.theta0.size)
    thetas = [linear.theta0 + step * direction for step in (1e-3, 2e-3)]
    small, large = (np.abs(with_parameters(model, theta) - linear(theta)).max() for theta in thetas)
    assert large / small == pytest.approx(4, rel=0.05)


def test_the_network_is_trained_as_pytorch_trains_it():
    model, y = Column(), torch.from_numpy(Y)
    network, _ = ntk.train_both(
        model, X, Y, steps=6, lr=0.3, momentum=0.9, weight_decay=0.1, lam=0.5, record_at=[2]
    )
    model.double()
    start = nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9, weight_decay=0.1)
    logits = []
    for _ in range(7):
        out = model(torch.from_numpy(X))[:, 0]
        logits.append(out.detach().numpy())
        optimizer.zero_grad()
        (softplus(-y * out).mean() + 0.25 * out.square().mean()).backward()
        theta = nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
        optimizer.step()
    assert network.steps.tolist() == [0, 2, 6]
    np.testing.assert_allclose(network.logits, np.stack(logits)[[0, 2, 6]], atol=1e-12)
    np.testing.assert_allclose(network.theta[-1], theta, atol=1e-12)
    moved = np.linalg.norm(theta - start) / np.linalg.norm(start)
    assert network.moved[0] == 0
    assert network.moved[-1] == pytest.approx(moved)


def test_a_model_that_is_linear_in_its_parameters_is_its_own_linearisation():
    network, linear = ntk.train_both(
        nn.Linear(2, 1), X, Y, steps=30, lr=0.5, momentum=0.9, weight_decay=0.01, lam=0.1
    )
    np.testing.assert_allclose(network.logits, linear.logits, atol=1e-12)
    np.testing.assert_allclose(network.theta, linear.theta, atol=1e-12)


def test_the_linearised_network_follows_the_logits_of_its_parameters():
    model = MLP((2, 20, 1))
    _, path = ntk.train_both(model, X, Y, steps=40, lr=0.5, record_at=range(0, 40, 10))
    np.testing.assert_allclose(ntk.linearise(model, X)(path.theta), path.logits, atol=1e-12)


def test_a_wide_network_stays_closer_to_its_linearisation():
    errors = []
    for width in (16, 1024):
        model = MLP((2, width, 1), parameterisation="ntk")
        network, linear = ntk.train_both(model, X, Y, steps=20, lr=1.0)
        gained = np.linalg.norm(network.logits[-1] - network.logits[0])
        errors.append(np.linalg.norm(network.logits[-1] - linear.logits[-1]) / gained)
    assert errors[1] < errors[0] / 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be >= 1, .*got 0,"),
        ({"lr": 0.0}, "lr > 0 .*got 3, 0.0"),
        ({"momentum": 1.0}, r"momentum in \[0, 1\), got 3, 0.1 and 1.0"),
        ({"lam": -1.0}, "lam must be .*got -1.0"),
        ({"weight_decay": -0.1}, "weight_decay must be .*got -0.1"),
        ({"record_at": [4]}, r"record_at must lie in 0..3, got 0..4"),
        ({"y": np.zeros(12)}, r"labels must be -1 or \+1, got \[0.0\]"),
        ({"y": np.ones(3)}, r"y must have the shape of logits, \(12,\)"),
    ],
)
def test_training_with_wrong_arguments_is_refused(changes, message):
    arguments = {"y": Y, "steps": 3, "lr": 0.1} | changes
    with pytest.raises(ValueError, match=message):
        ntk.train_both(MLP((2, 3, 1)), X, **arguments)


def test_a_run_that_diverges_says_so():
    with pytest.raises(FloatingPointError, match="not finite at step 2000; lower lr=1000"):
        ntk.train_both(Column(), X, Y, steps=2000, lr=1000.0, weight_decay=1.0)
