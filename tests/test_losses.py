"""Losses against plain NumPy formulas in float64, and their gradients against closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.special import expit

from gsutils.losses import (
    SpectralDecoupling,
    check_lam,
    cross_entropy,
    example_losses,
    lam_for_lead,
    logistic,
    spectral_decoupling,
    spectral_decoupling_softmax,
    squared,
)

finite = st.floats(-900, 900)
lams = st.floats(0, 10)
# Logits (..., n) with none, one or two leading axes, and labels of the same shape.
batches = array_shapes(min_dims=1, max_dims=3, max_side=4).flatmap(
    lambda shape: st.tuples(
        arrays(float, shape, elements=finite),
        arrays(float, shape, elements=st.sampled_from([-1.0, 1.0])),
    )
)


def sigmoid(u):
    return (1 + np.tanh(u / 2)) / 2


def example(runs=3, n=8):
    rng = np.random.default_rng(0)
    logits, y = rng.normal(size=(runs, n)) * 3, np.sign(rng.normal(size=n))
    return torch.from_numpy(logits), torch.from_numpy(y)


@settings(deadline=None)
@given(batches)
def test_logistic_loss_is_the_mean_of_log_one_plus_exp(batch):
    logits, y = batch
    expected = np.logaddexp(0, -y * logits).mean(-1)
    got = logistic(torch.from_numpy(logits), torch.from_numpy(y))
    # From 20 on PyTorch's softplus is the identity: a relative error of at most e^-20 / 20.
    np.testing.assert_allclose(got.numpy(), expected, rtol=1.1e-10, atol=1e-300)


@settings(deadline=None)
@given(batches, lams, finite)
def test_penalty_is_half_lam_times_the_mean_square(batch, lam, gamma):
    logits, y = batch
    expected = lam / 2 * ((logits - gamma) ** 2).mean(-1)
    got = spectral_decoupling(torch.from_numpy(logits), torch.from_numpy(y), lam, gamma)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-300)


@settings(deadline=None)
@given(batches)
def test_squared_loss_is_half_the_mean_squared_distance_of_the_margin_from_one(batch):
    logits, y = batch
    got = squared(torch.from_numpy(logits), torch.from_numpy(y))
    np.testing.assert_allclose(got.numpy(), ((1 - y * logits) ** 2).mean(-1) / 2, rtol=1e-12)


@settings(deadline=None)
@given(batches, lams)
def test_autograd_gives_the_closed_form_gradient(batch, lam):
    logits, y = batch
    n = logits.shape[-1]
    leaf = torch.from_numpy(logits).requires_grad_()
    labels = torch.from_numpy(y)
    (logistic(leaf, labels) + spectral_decoupling(leaf, labels, lam)).sum().backward()
    expected = (-sigmoid(-y * logits) * y + lam * logits) / n
    np.testing.assert_allclose(leaf.grad.numpy(), expected, rtol=3e-9, atol=3e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_of_900_cost_900_or_nothing_and_have_finite_gradients(dtype):
    logits = torch.tensor([[-900.0], [900.0]], dtype=dtype, requires_grad=True)
    value = logistic(logits, torch.ones(1, dtype=dtype))
    assert value.tolist() == [900.0, 0.0]
    value.sum().backward()
    assert logits.grad.flatten().tolist() == [-1.0, 0.0]


def test_labels_may_be_shared_by_all_runs():
    logits, y = example()
    assert torch.equal(logistic(logits, y), logistic(logits, y.expand(3, 8)))


def test_integer_labels_are_labels():
    logits, y = example()
    assert torch.equal(logistic(logits, y.long()), logistic(logits, y))


def test_a_pair_holds_the_values_of_class_minus_one_and_plus_one():
    logits, y = example()
    got = spectral_decoupling(logits, y, lam=(0.2, 0.7), gamma=(0.44, 2.5))
    lam, gamma = np.where(y > 0, 0.7, 0.2), np.where(y > 0, 2.5, 0.44)
    expected = (lam / 2 * (logits.numpy() - gamma) ** 2).mean(-1)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_a_tensor_holds_one_value_per_run():
    logits, y = example()
    lam, gamma = torch.tensor([0.0, 0.5, 2.0]), torch.tensor([1.0, -1.0, 0.0])
    got = spectral_decoupling(logits, y, lam.double(), gamma.double())
    alone = [spectral_decoupling(logits[r], y, float(lam[r]), float(gamma[r])) for r in range(3)]
    np.testing.assert_allclose(got, alone, rtol=1e-12)


def test_a_scalar_tensor_is_a_number():
    logits, y = example()
    assert torch.equal(
        spectral_decoupling(logits, y, torch.tensor(0.5)), spectral_decoupling(logits, y, 0.5)
    )


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.tensor([0.0, 1.0]), r"-1 or \+1, got \[0.0\]; for labels 0/1 use 2 \* y - 1"),
        (torch.tensor([False, True]), r"got torch.bool; for labels 0/1 use 2.0 \* y - 1"),
        (torch.tensor([float("nan"), 1.0]), r"got \[nan\]"),
        (torch.tensor([2, 1]), r"got \[2\]"),
        (torch.ones(3), r"shape of logits, \(5, 2\).* got \(3,\)"),
        (torch.ones(5, 1), r"got \(5, 1\)"),
    ],
)
def test_wrong_labels_are_refused(y, message):
    logits = torch.zeros(5, 2)
    with pytest.raises(ValueError, match=message):
        logistic(logits, y)
    with pytest.raises(ValueError, match=message):
        spectral_decoupling(logits, y, 0.1)
    with pytest.raises(ValueError, match=message):
        squared(logits, y)


@pytest.mark.parametrize(
    ("lam", "message"),
    [
        (-0.1, "lam must be a finite number >= 0, got -0.1"),
        (float("nan"), "got nan"),
        (float("inf"), "got inf"),
        ((0.1, -0.2), "got -0.2"),
        ((0.1, 0.2, 0.3), r"number or a pair .*got \(0.1, 0.2, 0.3\)"),
        (torch.tensor([0.1, -0.5]), "got -0.5"),
        (torch.tensor([0.1, float("nan")]), "got nan"),
        (torch.ones(3), r"one value per run, shape \(2,\), got \(3,\)"),
    ],
)
def test_a_wrong_lam_is_refused(lam, message):
    with pytest.raises(ValueError, match=message):
        spectral_decoupling(torch.zeros(2, 4), torch.ones(4), lam)


@pytest.mark.parametrize("gamma", [(1.0,), torch.ones(3)])
def test_a_gamma_of_the_wrong_shape_is_refused(gamma):
    with pytest.raises(ValueError, match="gamma must"):
        spectral_decoupling(torch.zeros(2, 4), torch.ones(4), 0.1, gamma)


def test_a_wrong_coefficient_is_named():
    with pytest.raises(ValueError, match=r"beta must be a finite number >= 0, got -1"):
        check_lam(-1, "beta")


# --- the module -----------------------------------------------------------------------------


def classes_example(classes, n=7, runs=2, seed=1):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(runs, n, classes)) * 3)
    return logits, torch.from_numpy(rng.integers(0, classes, n))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("lam", "gamma"), [(0.1, 0.0), (0.3, 1.7), ((0.2, 0.7), (0.44, 2.5))])
def test_the_module_of_one_logit_is_the_function_to_the_last_digit(lam, gamma, dtype):
    logits, y = (part.to(dtype) for part in example())
    found = SpectralDecoupling(lam, gamma)(logits, y)
    assert torch.equal(found, spectral_decoupling(logits, y, lam, gamma))
    arrays = (torch.tensor(v, dtype=torch.float64) for v in (lam, gamma))
    assert torch.equal(SpectralDecoupling(*arrays)(logits, y), found)


def test_the_module_of_k_logits_is_the_softmax_function():
    logits, y = classes_example(5)
    for over, penalised, factor in (("sum", None, 1), ("mean", None, 5), ("true class", y, 1)):
        found = SpectralDecoupling(0.3, over=over)(logits, y)
        expected = spectral_decoupling_softmax(logits, 0.3, penalised) / factor
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_lam_and_gamma_of_each_class_weigh_and_move_its_examples():
    logits, y = classes_example(3, runs=1)
    lam, gamma = np.array([0.1, 0.5, 2.0]), np.array([1.0, -2.0, 0.5])
    flat, label = logits[0].numpy(), y.numpy()
    own = flat[np.arange(len(label)), label]
    expected = {
        "sum": (lam[label] * ((flat - gamma) ** 2).sum(1)).mean() / 2,
        "mean": (lam[label] * ((flat - gamma) ** 2).mean(1)).mean() / 2,
        "true class": (lam[label] * (own - gamma[label]) ** 2).mean() / 2,
    }
    for over, value in expected.items():
        found = SpectralDecoupling(lam, list(gamma), over)(logits, y)
        np.testing.assert_allclose(found, [value], rtol=1e-14)


def test_two_logits_that_are_plus_and_minus_half_of_one_cost_half_as_much():
    z, y = example(runs=1)
    pair = torch.stack([-z / 2, z / 2], -1)
    found = SpectralDecoupling(0.4)(pair, (y > 0).long())
    np.testing.assert_allclose(found, SpectralDecoupling(0.2)(z, y), rtol=1e-14)


def test_gradients_reach_lam_and_gamma():
    logits, y = classes_example(3, runs=1)
    lam = torch.nn.Parameter(torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    gamma = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    penalty = SpectralDecoupling(lam, gamma)
    assert list(penalty.parameters()) == [lam]
    penalty(logits, y).sum().backward()
    share = torch.nn.functional.one_hot(y, 3).double()
    of_class = (share * logits[0].square().sum(1)[:, None]).mean(0) / 2
    torch.testing.assert_close(lam.grad, of_class)
    pulled = -(lam.detach()[y][:, None] * logits[0]).mean(0)
    torch.testing.assert_close(gamma.grad, pulled)


@pytest.mark.parametrize(("classes", "lead"), [(2, 0.3), (3, 2.0), (10, 4.0), (100, 5.56)])
def test_lam_for_lead_is_where_the_objective_of_one_example_is_least(classes, lead):
    lam = lam_for_lead(lead, classes)
    logits = (lead * (torch.eye(classes).double()[0] - 1 / classes))[None].requires_grad_()
    y = torch.tensor([0])
    (cross_entropy(logits, y) + SpectralDecoupling(lam)(logits, y)).backward()
    np.testing.assert_allclose(logits.grad, 0, atol=1e-15)
    assert classes / (np.exp(lead) + classes - 1) == pytest.approx(lam * lead, rel=1e-12)
    if classes == 2:  # one logit has the same optimum at half the lam
        assert sigmoid(-lead) == pytest.approx(lam / 2 * lead, rel=1e-12)


TWO, FLOATS = torch.zeros(4), torch.tensor([1.0, -1, 1, -1])
THREE, INTS = torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("make", "logits", "y", "said"),
    [
        ({"lam": -0.1}, TWO, FLOATS, "lam must be a finite number >= 0, got -0.1"),
        ({"lam": [[0.1]]}, TWO, FLOATS, "a number or one value a class"),
        ({"lam": 0.1, "gamma": np.nan}, TWO, FLOATS, "gamma must be finite"),
        ({"lam": 0.1, "over": "logits"}, TWO, FLOATS, "over must be in"),
        ({"lam": [0.1] * 3}, TWO, FLOATS, r"a pair \(class -1, class \+1\), got 3 values"),
        ({"lam": 0.1, "gamma": [0, 1]}, THREE, INTS, "gamma must be a number or 3 values, got 2"),
        ({"lam": 0.1}, TWO, INTS, "labels of int64 are classes"),
        ({"lam": 0.1}, TWO, FLOATS.numpy(), r"got ndarray: torch.as_tensor\(y\)"),
        ({"lam": 0.1}, THREE, INTS + 1, r"classes must be 0\.\.2, got 1\.\.3"),
        ({"lam": 0.1}, TWO, FLOATS + 1, "labels must be -1 or \\+1"),
    ],
)
def test_the_module_says_what_is_wrong(make, logits, y, said):
    with pytest.raises(ValueError, match=said):
        SpectralDecoupling(**make)(logits, y)


@pytest.mark.parametrize(("lead", "classes"), [(0.0, 2), (-1.0, 2), (np.inf, 2), (1.0, 1)])
def test_a_lead_out_of_range_is_refused(lead, classes):
    with pytest.raises(ValueError, match="lead must be > 0 and classes >= 2"):
        lam_for_lead(lead, classes)


@pytest.mark.parametrize("margin", [-700.0, -41.0, -20.5, -19.5, 0.0, 20.5, 700.0])
def test_the_logistic_loss_is_exact_in_double_precision(margin):
    logits = torch.tensor([margin], dtype=torch.float64, requires_grad=True)
    y = torch.ones(1, dtype=torch.float64)
    for value in (logistic(logits, y), example_losses(logits, y).sum()):
        assert value.item() == pytest.approx(np.logaddexp(0, -margin), rel=1e-15)
        (slope,) = torch.autograd.grad(value, logits)
        assert slope.item() == pytest.approx(-expit(-margin), rel=1e-14)


def test_a_coefficient_that_is_trained_gets_a_gradient():
    lam = torch.tensor(0.5, requires_grad=True)
    logits, y = torch.tensor([1.0, -2.0]), torch.tensor([1.0, -1.0])
    spectral_decoupling(logits, y, lam).backward()
    assert lam.grad.item() == pytest.approx((1 + 4) / 4)


def test_an_array_is_no_coefficient():
    with pytest.raises(ValueError, match="lam must be a finite number >= 0"):
        spectral_decoupling(torch.ones(2), torch.ones(2), np.array([0.1, 0.2]))
