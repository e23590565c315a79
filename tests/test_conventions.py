"""Each conversion, proved on random logits: the source's own penalty equals this book's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, softplus

from gsutils.conventions import CONVENTIONS, from_lam, to_lam
from gsutils.losses import spectral_decoupling
from gsutils.seeding import stream

GAMMA = (0.44, 2.5)  # class -1, class +1


def one_logit(seed, n=40):
    rng = stream(seed, "conventions")
    logits = torch.from_numpy(3 * rng.normal(size=n)).requires_grad_()
    return logits, torch.where(torch.arange(n) % 5 == 0, 1.0, -1.0).double()


def many_logits(seed, classes, n=40):
    rng = stream(seed, "conventions")
    logits = torch.from_numpy(3 * rng.normal(size=(n, classes))).requires_grad_()
    return logits, torch.from_numpy(rng.integers(classes, size=n))


def softmax_penalty(logits, lam):
    """This book's penalty for a softmax."""
    return lam / 2 * logits.square().sum(1).mean()


def assert_equal_with_gradients(theirs, ours, logits):
    torch.testing.assert_close(theirs, ours, rtol=1e-12, atol=0)
    gradients = [torch.autograd.grad(value, logits)[0] for value in (theirs, ours)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-15)


coefficients = st.floats(1e-6, 1e3)
seeds = st.integers(0, 1000)
proof = settings(deadline=None, max_examples=20)


@proof
@given(seeds, coefficients)
def test_the_papers_sum_form_is_n_times_ours_as_a_whole(seed, c):
    logits, y = one_logit(seed)
    theirs = softplus(-y * logits).sum() + c / 2 * (logits**2).sum()
    ours = softplus(-y * logits).mean() + spectral_decoupling(logits, y, to_lam("paper", c))
    assert_equal_with_gradients(theirs, len(y) * ours, logits)


@proof
@given(seeds, coefficients)
def test_the_authors_leave_out_the_half(seed, c):
    logits, y = one_logit(seed)
    ours = spectral_decoupling(logits, y, to_lam("authors", c))
    assert_equal_with_gradients(c * (logits**2).mean(), ours, logits)


@proof
@given(seeds, coefficients)
def test_figure_5_sums_both_loss_and_penalty_which_changes_nothing(seed, c):
    logits, y = one_logit(seed)
    theirs = softplus(-y * logits).sum() + c * (logits**2).sum()
    ours = softplus(-y * logits).mean() + spectral_decoupling(logits, y, to_lam("authors", c))
    assert_equal_with_gradients(theirs, len(y) * ours, logits)


@proof
@given(seeds, coefficients)
def test_a_mean_within_each_class_weights_the_rare_class_more(seed, c):
    logits, y = one_logit(seed)
    theirs = c * (
        (logits[y > 0] - GAMMA[1]).square().mean() + (logits[y < 0] - GAMMA[0]).square().mean()
    )
    lam = to_lam("authors-celeba", c, shares=(0.8, 0.2))
    assert lam == pytest.approx((2.5 * c, 10 * c))
    assert_equal_with_gradients(theirs, spectral_decoupling(logits, y, lam, GAMMA), logits)


@proof
@given(seeds, coefficients, st.integers(2, 12))
def test_domainbed_averages_over_classes_too(seed, c, classes):
    logits, _ = many_logits(seed, classes)
    ours = softmax_penalty(logits, to_lam("domainbed", c, classes=classes))
    assert_equal_with_gradients(c * (logits**2).mean(), ours, logits)


@proof
@given(seeds, coefficients, st.integers(2, 12))
def test_woods_sums_over_classes(seed, c, classes):
    logits, _ = many_logits(seed, classes)
    ours = softmax_penalty(logits, to_lam("woods", c))
    assert_equal_with_gradients(c * (logits**2).sum(-1).mean(), ours, logits)


@proof
@given(seeds, coefficients)
def test_bias_mitigators_is_ours_on_the_true_classs_logit_alone(seed, c):
    logits, y = many_logits(seed, 3)
    theirs = (0.5 * c * logits.gather(1, y.view(-1, 1)).squeeze() ** 2).mean()
    true_class_alone = logits * torch.nn.functional.one_hot(y, 3)
    ours = softmax_penalty(true_class_alone, to_lam("bias-mitigators", c))
    assert_equal_with_gradients(theirs, ours, logits)
    assert not torch.isclose(theirs, softmax_penalty(logits, c))


@proof
@given(seeds, coefficients, st.integers(2, 500))
def test_pytorchs_weight_decay_under_a_mean_loss_is_lam_over_n(seed, c, n):
    rng = stream(seed, "conventions")
    X, y = torch.from_numpy(rng.normal(size=(n, 3))), torch.ones(n)
    lam = to_lam("weight-decay", c, n=n)
    start = torch.from_numpy(rng.normal(size=3))
    theta = start.clone().requires_grad_()
    optimizer = torch.optim.SGD([theta], lr=1.0, weight_decay=c)
    softplus(-y * (X @ theta)).mean().backward()
    optimizer.step()
    weights = start.clone().requires_grad_()
    sum_form = softplus(-y * (X @ weights)).sum() + lam / 2 * weights.square().sum()
    (gradient,) = torch.autograd.grad(sum_form, weights)
    torch.testing.assert_close(n * (start - theta.detach()), gradient, rtol=1e-9, atol=1e-9 * n * c)


def test_two_logits_at_lam_are_one_logit_at_half_of_it():
    """A remark of chapter 5: the best pair with a given difference z is (-z/2, z/2)."""
    lam, z = 0.3, torch.linspace(-4, 4, 9).double()
    pair = torch.stack([-z / 2, z / 2], 1)
    y = torch.ones(9, dtype=torch.double)
    both = cross_entropy(pair, torch.ones(9, dtype=int)) + softmax_penalty(pair, lam)
    one = softplus(-z).mean() + spectral_decoupling(z, y, lam / 2)
    torch.testing.assert_close(both, one)
    for shift in (-0.1, 0.1):
        assert softmax_penalty(pair + shift, lam) > softmax_penalty(pair, lam)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_from_lam_is_the_inverse(name):
    extra = {"classes": 7, "shares": (0.851, 0.149), "n": 300}
    needs = CONVENTIONS[name].needs
    chosen = {needs: extra[needs]} if needs else {}
    for value in (0.03, (0.03, 2.0)):
        back = from_lam(name, to_lam(name, value, **chosen), **chosen)
        pair = value if isinstance(value, tuple) else (value, value)
        assert back == pytest.approx(pair if isinstance(back, tuple) else value)


def test_published_coefficients():
    assert to_lam("authors", 0.003) == 0.006
    assert to_lam("authors", 0.001) == 0.002  # Figure 5
    assert to_lam("weight-decay", 0.01, n=300) == pytest.approx(3)
    assert to_lam("weight-decay", 2e-4, n=300) == pytest.approx(0.06)
    celeba = to_lam("authors-celeba", 0.1, shares=(0.851, 0.149))
    assert celeba == pytest.approx((0.235, 1.342), abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "extra", "message"),
    [
        (("pepper", 1.0), {}, r"convention must be in \('paper', .*got 'pepper'"),
        (("domainbed", 1.0), {}, "'domainbed' cannot be converted without classes=…"),
        (("authors-celeba", 1.0), {}, "without shares=…"),
        (("weight-decay", 1.0), {}, "without n=…"),
        (("woods", 1.0), {"classes": 3}, r"'woods' needs nothing else, got \{'classes': 3\}"),
        (("domainbed", 1.0), {"classes": 2, "n": 5}, "'domainbed' needs classes alone"),
        (("domainbed", 1.0), {"classes": 1}, "classes must be an integer >= 2, got 1"),
        (("weight-decay", 1.0), {"n": 2.5}, "n must be an integer >= 1, got 2.5"),
        (("authors-celeba", 1.0), {"shares": (0.5, 0.6)}, "shares must be two positive numbers"),
        (("authors-celeba", 1.0), {"shares": (0.0, 1.0)}, "shares must be two positive numbers"),
        (("paper", -0.1), {}, "a coefficient must be a finite number >= 0, got -0.1"),
        (("paper", float("nan")), {}, "got nan"),
        (("paper", (1.0, -2.0)), {}, r"got \(1.0, -2.0\)"),
    ],
)
@pytest.mark.parametrize("convert", [to_lam, from_lam])
def test_bad_input_is_refused_with_a_remedy(convert, arguments, extra, message):
    with pytest.raises(ValueError, match=message):
        convert(*arguments, **extra)
