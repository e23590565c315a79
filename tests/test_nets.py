"""Networks against plain PyTorch and NumPy, and runs together against the same runs alone."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from gsutils.nets import MLP

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread


def inputs(n=7, d=3, runs=None):
    rng = np.random.default_rng(0)
    shape = (n, d) if runs is None else (runs, n, d)
    return torch.from_numpy(rng.normal(size=shape)).float()


def as_sequential(net, run):
    """One run of a standard network as plain PyTorch modules."""
    layers = []
    for layer, (fan_in, fan_out) in enumerate(zip(net.widths, net.widths[1:])):
        linear = nn.Linear(fan_in, fan_out)
        linear.weight.data, linear.bias.data = net.weights[layer][run], net.biases[layer][run]
        layers.append(linear)
        if layer < len(net.widths) - 2:
            layers += [nn.BatchNorm1d(fan_out)] if net.norms else []
            layers += [nn.ReLU()]
    return nn.Sequential(*layers)


VARIATIONS = [
    {},
    {"init": "xavier"},
    {"batch_norm": True},
    {"parameterisation": "ntk"},
    {"dropout": 0.5},
    {"dropout": 0.3, "batch_norm": True},
]


@pytest.mark.parametrize("options", VARIATIONS)
@pytest.mark.parametrize("training", [False, True])
def test_each_run_is_the_run_alone(options, training):
    together = MLP((3, 16, 8, 1), seeds=(4, 9, 2), **options).train(training)
    X = inputs()
    singles = [together.single(run).train(training) for run in range(3)]
    logits = together(X).detach()
    for run, seed in enumerate((4, 9, 2)):
        alone = MLP((3, 16, 8, 1), seeds=(seed,), **options).train(training)
        torch.testing.assert_close(logits[run : run + 1], alone(X).detach())
        torch.testing.assert_close(logits[run : run + 1], singles[run](X).detach())


@pytest.mark.parametrize("widths", [(3, 1), (3, 16, 1), (3, 16, 8, 4, 1)])
def test_standard_equals_sequential(widths):
    net, X = MLP(widths, seeds=range(2)), inputs()
    for run in range(2):
        torch.testing.assert_close(net(X)[run], as_sequential(net, run)(X)[:, 0])


@pytest.mark.parametrize("widths", [(3, 5), (3, 16, 4)])
def test_several_classes_have_a_logit_each(widths):
    net, X = MLP(widths, seeds=range(2)), inputs()
    logits = net(X)
    assert logits.shape == (2, len(X), widths[-1])
    for run in range(2):
        torch.testing.assert_close(logits[run], as_sequential(net, run)(X))


def test_batch_norm_equals_pytorch_in_training_and_then_in_evaluation():
    net = MLP((3, 16, 8, 1), seeds=range(2), batch_norm=True).train()
    plain = [as_sequential(net, run).train() for run in range(2)]
    for step in range(5):
        X = inputs(n=20) * (step + 1)
        for run in range(2):
            torch.testing.assert_close(net.single(run).train()(X)[0], plain[run](X)[:, 0])
        net(X)
    for run in range(2):
        norms = [m for m in plain[run] if isinstance(m, nn.BatchNorm1d)]
        for mine, theirs in zip(net.norms, norms):
            torch.testing.assert_close(mine.running_mean[run], theirs.running_mean)
            torch.testing.assert_close(mine.running_var[run], theirs.running_var)
    X = inputs(n=5)
    net.eval()
    for run in range(2):
        torch.testing.assert_close(net(X)[run], plain[run].eval()(X)[:, 0])


def test_runs_may_have_inputs_of_their_own():
    net, X = MLP((3, 16, 1), seeds=range(4)), inputs(runs=4)
    for run in range(4):
        torch.testing.assert_close(net(X)[run], net(X[run])[run])


def test_ntk_parameterisation_is_equation_1():
    net, X = MLP((3, 16, 8, 1), seeds=(5,), parameterisation="ntk"), inputs()
    h = X.numpy().T
    for weight in [w[0].detach().numpy() for w in net.weights[:-1]]:
        h = np.sqrt(2 / len(weight)) * np.maximum(0, weight @ h)
    expected = net.weights[-1][0].detach().numpy() @ h
    np.testing.assert_allclose(net(X).detach(), expected, rtol=1e-5, atol=1e-5)
    assert not net.biases


def test_ntk_parameterisation_keeps_the_norm_of_the_input():
    net, X = MLP((3, 64, 64, 1), seeds=range(1500), parameterisation="ntk"), inputs(n=2)
    logits = net(X).detach().numpy()  # each about N(0, |x|²)
    spread = logits.var(0) / (X**2).sum(-1).numpy()
    assert np.abs(spread - 1).max() < 5 * math.sqrt(2 / 1500)
    assert np.abs(logits.mean(0)).max() < 5 * logits.std() / math.sqrt(1500)


@pytest.mark.parametrize(
    ("options", "weight_bound", "bias_bound"),
    [({}, 50**-0.5, 50**-0.5), ({"init": "xavier"}, (6 / 250) ** 0.5, 0)],
)
def test_initial_weights_are_uniform_within_the_published_bounds(options, weight_bound, bias_bound):
    net = MLP((50, 200, 1), seeds=range(2), **options)
    weight, bias = (p[0].detach().numpy() for p in (net.weights, net.biases))
    assert np.abs(weight).max() <= weight_bound * (1 + 1e-6)
    assert (
        stats.kstest(weight.ravel(), stats.uniform(-weight_bound, 2 * weight_bound).cdf)[1] > 0.01
    )
    assert np.abs(bias).max() <= bias_bound * (1 + 1e-6)
    assert bias.std() == pytest.approx(bias_bound / math.sqrt(3), rel=0.1)


def test_the_default_initialisation_is_distributed_as_in_pytorch():
    torch.manual_seed(0)
    mine, theirs = MLP((50, 200, 1)), nn.Linear(50, 200)
    pairs = [(mine.weights[0], theirs.weight), (mine.biases[0], theirs.bias)]
    for a, b in pairs:
        assert stats.ks_2samp(*(p.detach().numpy().ravel() for p in (a, b))).pvalue > 0.01


def test_ntk_weights_are_standard_normal():
    weight = MLP((50, 200, 1), parameterisation="ntk").weights[0].detach().numpy().ravel()
    assert stats.kstest(weight, "norm").pvalue > 0.01


def test_dropout_keeps_the_mean_and_scales_what_it_keeps():
    net = MLP((1, 1, 1), dropout=0.7).train()
    with torch.no_grad():
        for p, value in zip([*net.weights, *net.biases], (2.0, 1.0, 0.0, 0.0)):
            p.fill_(value)
    logits = net(torch.ones(20_000, 1)).detach()[0]  # one hidden unit, its value is 2
    dropped = float((logits == 0).float().mean())
    assert dropped == pytest.approx(0.7, abs=5 * math.sqrt(0.21 / 20_000))
    torch.testing.assert_close(logits.max(), torch.tensor(2 / 0.3))
    assert sorted(logits.unique().tolist())[0] == 0
    assert len(logits.unique()) == 2
    assert net.eval()(torch.ones(1, 1)).item() == 2


def test_dropout_draws_anew_at_each_step_and_leaves_the_weights_as_they_were():
    X = inputs()
    net, plain = MLP((3, 64, 1), dropout=0.5).train(), MLP((3, 64, 1))
    assert not torch.equal(net(X), net(X))
    for a, b in zip(net.weights, plain.weights):
        assert torch.equal(a, b)


def test_a_single_run_is_a_copy():
    net = MLP((3, 4, 1), seeds=range(2))
    alone = net.single(1)
    with torch.no_grad():
        alone.weights[0].zero_()
    assert net.weights[0].abs().min() > 0
    assert not alone.training
    assert alone.runs == 1
    assert alone.seeds == (1,)


def test_a_single_run_keeps_the_number_type():
    assert MLP((3, 4, 1)).double().single(0)(inputs().double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("widths", "options", "message"),
    [
        ((2,), {}, r"widths must be positive and end with 1 for two classes, got \(2,\)"),
        ((2, 0, 1), {}, "a width must be an integer >= 1, got 0"),
        ((3, 5, 2), {}, r"got \(3, 5, 2\)"),
        ((2, 1), {"parameterisation": "mup"}, "parameterisation must be in .*got 'mup'"),
        ((2, 1), {"init": "he"}, "init must be in .*got 'he'"),
        ((2, 1), {"dropout": 1.0}, "dropout must be a finite number >= 0 and < 1, got 1.0"),
        ((2, 1), {"dropout": -0.1}, "got -0.1"),
        ((2, 4, 1), {"parameterisation": "ntk", "batch_norm": True}, "batch_norm has no place"),
        ((2, 1), {"seeds": (1, 1)}, r"differ .*\(1, 1\)"),
    ],
)
def test_wrong_arguments_are_refused(widths, options, message):
    with pytest.raises(ValueError, match=message):
        MLP(widths, **options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 2), r"X must be \(n, 3\) or \(runs, n, 3\), got \(4, 2\)"),
        ((3,), r"got \(3,\)"),
        ((5, 4, 3), "X holds 5 runs, the network 2"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        MLP((3, 4, 1), seeds=range(2))(torch.zeros(shape))


@pytest.mark.parametrize("run", [-1, 2])
def test_a_run_that_is_not_there_is_refused(run):
    with pytest.raises(ValueError, match=rf"run must be in 0..1, got {run}"):
        MLP((3, 1), seeds=range(2)).single(run)
