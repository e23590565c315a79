"""Planted cues: what decides, what tells, and how often it is right."""

import numpy as np
import pytest

from gsutils.data import mnist, planted
from gsutils.seeding import stream


@pytest.mark.parametrize("agreement", [0.0, 0.6, 1.0])
def test_the_order_of_two_tokens_decides_and_a_third_tells(agreement):
    made = planted.sequences(4000, agreement, stream(0, "test"))
    X, y = made.X.numpy(), made.y.numpy()
    for token in (planted.FIRST, planted.SECOND):
        assert ((token == X).sum(1) == 1).all()
    first, second = ((token == X).argmax(1) for token in (planted.FIRST, planted.SECOND))
    np.testing.assert_array_equal(np.where(second < first, 1, -1), y)
    told = np.where((planted.TELLS[1] == X).any(1), 1, -1)
    assert (np.isin(X, planted.TELLS).sum(1) == 1).all()
    np.testing.assert_array_equal(told == y, made.shows.numpy())
    assert made.shows.float().mean() == pytest.approx(agreement, abs=0.03)
    assert abs(y.mean()) < 0.05


@pytest.mark.parametrize("agreement", [0.0, 0.6, 1.0])
def test_the_stamp_is_one_pixel_whose_place_names_a_digit(agreement):
    digits, _ = mnist.parts(mnist.embedded_digits())
    made = planted.stamped(digits[:2000], agreement, stream(0, "test"))
    changed = made.X[:, 0].numpy() != digits.images[:2000].astype(np.float32) / 255
    assert changed.sum((1, 2)).max() <= 1
    place = made.X[:, 0, 0, 2:12].argmax(1)
    assert (made.X[:, 0, 0, 2:12].amax(1) == 1).all()
    np.testing.assert_array_equal((place == made.y).numpy(), made.shows.numpy())
    assert made.shows.float().mean() == pytest.approx(agreement, abs=0.04)


def test_an_agreement_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"agreement must be in \[0, 1\], got 1.2"):
        planted.sequences(10, 1.2, stream(0, "test"))
