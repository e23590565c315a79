"""Diagnoses against gradients, closed forms and data whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gsutils import attack, diagnose, losses


def logits_of(classes, n=9):
    rng = np.random.default_rng(classes)
    return torch.from_numpy(3 * rng.normal(size=(n, classes))), torch.from_numpy(
        rng.integers(0, classes, n)
    )


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_pull_is_minus_the_slope_of_the_loss_by_the_right_logit(classes):
    logits, y = logits_of(classes)
    at = logits.clone().requires_grad_()
    losses.example_losses(at, y).sum().backward()
    slope = at.grad.gather(1, y[:, None])[:, 0]
    torch.testing.assert_close(diagnose.pull(logits, y), -slope, rtol=1e-12, atol=0)


def test_two_logits_pull_as_one_does_to_the_last_digit_however_sure():
    z = torch.tensor([-700.0, -40.0, -1.0, 0.0, 2.0, 40.0, 700.0], dtype=torch.float64)
    pair = torch.stack([torch.zeros_like(z), z], -1)
    for label in (-1.0, 1.0):
        one = diagnose.pull(z, torch.full_like(z, label))
        two = diagnose.pull(pair, torch.full((len(z),), int(label > 0)))
        assert torch.equal(one, two)
    assert one[0] == 1
    assert 0 < one[-1] < 1e-300


@pytest.mark.parametrize("k", [1, 3, 8])
def test_the_effective_number_counts_those_that_pull_alike(k):
    pull = np.zeros(8)
    pull[:k] = 1e-200
    assert diagnose.effective_number(pull) == pytest.approx(k, rel=1e-12)


def test_doses_are_shares_of_all_pull():
    found = diagnose.doses(np.array([1.0, 2.0, 5.0, 0.0]), ["a", "b", "a", "c"])
    assert found == {"a": 0.75, "b": 0.25, "c": 0.0}


class Net(nn.Module):
    """Logits that are its inputs, and a dropout that would show in training mode."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.drop = nn.Dropout(0.5)

    def forward(self, X):
        return self.drop(self.scale * X)


def test_a_report_is_the_same_for_any_batches_and_leaves_the_mode_as_it_was():
    logits, y = logits_of(4, n=11)
    net = Net()
    net.scale.requires_grad_(False)
    net.drop.eval()
    data = TensorDataset(logits.float(), y, torch.arange(11) % 2)
    whole, parts = (diagnose.report(net, DataLoader(data, batch_size=b)) for b in (11, 4))
    assert net.training
    assert not net.drop.training
    np.testing.assert_array_equal(whole.pull, parts.pull)
    assert whole.groups == parts.groups
    expected = diagnose.pull(logits.float().double(), y).numpy()
    np.testing.assert_allclose(whole.pull, expected, rtol=1e-12)
    np.testing.assert_allclose(
        whole.lead, attack.logit_margin(logits, y).numpy(), rtol=1e-6, atol=1e-7
    )
    assert whole.groups[0].examples == 6
    assert sum(g.dose for g in whole.groups.values()) == pytest.approx(1)
    assert whole.worst == min(g.accuracy for g in whole.groups.values())


def test_of_pulls_too_small_for_a_number_the_shares_are_reported():
    z = np.array([800.0, 800, 801, 900])
    expected = np.exp(800 - z)
    y, group = torch.ones(4), ["a", "b", "a", "b"]
    pairs = torch.stack([torch.zeros(4), torch.from_numpy(z)], -1)
    for data in ((torch.from_numpy(z)[:, None], y, group), (pairs, y.long(), group)):
        found = diagnose.report(lambda X: X if X.shape[1] > 1 else X[:, 0], [data])
        assert not found.pull.any()
        assert found.effective == pytest.approx(expected.sum() ** 2 / (expected**2).sum())
        dose = {name: of.dose for name, of in found.groups.items()}
        assert dose == pytest.approx(diagnose.doses(expected, group))


def test_the_shares_of_very_sure_networks_go_on_from_those_of_others():
    for shift in (0.0, 690.0, 707.0, 709.0, 740.0, 745.0, 2000.0):
        X = shift + torch.tensor([[0.0], [0.5], [3.0]], dtype=torch.float64)
        exact = np.exp([0.0, -0.5, -3.0])
        found = diagnose.report(lambda X: X[:, 0], [(X, torch.ones(3))])
        if shift:
            assert found.effective == pytest.approx(exact.sum() ** 2 / (exact**2).sum(), rel=1e-9)
        else:
            assert found.effective == diagnose.effective_number(found.pull)


class Elsewhere(torch.Tensor):
    """A tensor that NumPy cannot read, as those on a GPU."""

    def __array__(self, dtype=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


def test_groups_may_lie_on_another_device():
    group = torch.tensor([0, 1, 0, 1]).as_subclass(Elsewhere)
    data = (PAIR[0][0], PAIR[0][1], group)
    for found in (
        diagnose.report(lambda X: X, [data]),
        diagnose.report(lambda X: X, PAIR, group=lambda X, y: group),
    ):
        assert {name: of.examples for name, of in found.groups.items()} == {0: 2, 1: 2}
    assert diagnose.doses(np.ones(4), group) == {0: 0.5, 1: 0.5}


def test_a_group_can_be_read_off_the_inputs_and_arrays_are_taken():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.integers(0, 3, 50)
    net = Net()
    found = diagnose.report(net, [(X, y)], group=lambda X, y: X[:, 0] > 0)
    assert list(found.groups) == [False, True]
    assert found.groups[True].examples == (X.astype(np.float32)[:, 0] > 0).sum()
    assert "True" in str(found)
    assert "\n" not in str(diagnose.report(net, [(X, y)]))


def test_margins_over_a_loader_are_those_of_a_linear_model():
    w = torch.tensor([3.0, 4.0])
    line = nn.Linear(2, 1)
    with torch.no_grad():
        line.weight.copy_(w[None])
        line.bias.fill_(1.0)
    X = torch.tensor([[0.2, 0.4], [0.1, -1.0], [1.0, 1.0]])
    y = torch.tensor([1.0, -1.0, -1.0])
    loader = DataLoader(TensorDataset(X, y), batch_size=2)
    found = diagnose.margins(line, loader, eps=[0.5, 2.0], box=None)
    exact = (y * (X @ w + 1) / 5).clamp_min(0)
    np.testing.assert_allclose(found, exact, atol=1e-3)


PAIR = [(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]))]
SIGNS = torch.tensor([1.0, -1, 1, -1])


@pytest.mark.parametrize(
    ("model", "data", "said"),
    [
        (lambda X: {"logits": X}, PAIR, r"tensor of logits, got dict; wrap it"),
        (lambda X: X.softmax(-1), PAIR, "returns probabilities"),
        (lambda X: X * np.nan, PAIR, "finite, got nan or inf"),
        (lambda X: X[:2], PAIR, r"logits \(4,\) or \(4, K\) for 4 labels, got \(2, 3\)"),
        (lambda X: X[None], PAIR, "take one run"),
        (lambda X: X, [(torch.zeros(4, 3), SIGNS)], r"write y.long\(\)"),
        (lambda X: X[:, 0], PAIR, r"for labels 0/1 use 2.0 \* y - 1"),
        (lambda X: X, [(torch.zeros(4, 3), torch.eye(4))], r"one-hot labels y.argmax\(-1\)"),
        (lambda X: X, [(torch.zeros(1, 2), torch.tensor([2]))], r"classes must be 0\.\.1"),
        (lambda X: X, [torch.zeros(4, 3)], r"\(X, y\) or \(X, y, group\), got Tensor"),
        (lambda X: X, [{"x": 1, "label": 2}], "with the keys"),
        (lambda X: X, torch.zeros(4, 3), r"write \[\(X, y\)\]"),
        (lambda X: X, PAIR[0], "got one batch"),
        (lambda X: X, [], "one batch or more, got none"),
        (lambda X: X, [(*PAIR[0], [1, 2])], "one value an example"),
        (lambda X: X, [*PAIR, (*PAIR[0], [1, 2, 3, 4])], "they came with 1 of 2"),
    ],
)
def test_a_diagnosis_says_what_is_wrong(model, data, said):
    with pytest.raises(ValueError, match=said):
        diagnose.report(model, data)


@pytest.mark.parametrize("pull", [[-1.0, 2.0], [0.0, 0.0], [], [[1.0]], [np.nan, 1.0]])
def test_pulls_that_cannot_be_are_refused(pull):
    with pytest.raises(ValueError, match="pull must be"):
        diagnose.effective_number(np.array(pull))


def test_margins_want_a_list_of_radii_and_doses_a_group_for_each_pull():
    with pytest.raises(ValueError, match=r"write \[0.5\]"):
        diagnose.margins(Net(), PAIR, eps=0.5)
    with pytest.raises(ValueError, match="one batch or more, got none"):
        diagnose.margins(Net(), [], eps=[0.5])
    with pytest.raises(ValueError, match="one for each pull"):
        diagnose.doses(np.ones(3), [1, 2])
