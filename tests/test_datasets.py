"""Data sets against an independent writing of their recipes, and their statistics."""

import gzip
import hashlib
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_moons

from gsutils.data import fetch, mnist, moons
from gsutils.seeding import stream

# --- two moons ------------------------------------------------------------------------------


def published_recipe(seed, delta, n=300, noise=0.1):
    """The authors' recipe, point by point."""
    moons, classes = make_moons(n, noise=noise, random_state=seed)
    points, labels = moons.tolist(), [2 * c - 1 for c in classes.tolist()]
    moved = [(a - 0.5, b - 0.3 * y) for (a, b), y in zip(points, labels)]
    centre = sum(b for _, b in moved) / n
    out = []
    for (a, b), y in zip(moved, labels):
        second = abs(b - centre) * -y
        second = second - y * delta
        out.append((second, a))
    return np.array(out), np.array(labels, float)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("delta", [-0.1, 0.1])
def test_two_moons_follow_the_published_recipe(seed, delta):
    X, y = moons.two_moons(seed, delta)
    expected, labels = published_recipe(seed, delta)
    np.testing.assert_allclose(X, expected, atol=1e-12)
    assert np.array_equal(y, labels)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-6, 2))
def test_a_positive_delta_makes_the_horizontal_sign_the_label_with_a_gap_of_two_delta(seed, delta):
    X, y = moons.two_moons(seed, delta, n=50)
    assert np.array_equal(np.sign(X[:, 0]), -y)
    assert np.abs(X[:, 0]).min() >= delta * (1 - 1e-12)
    closer, _ = moons.two_moons(seed, 0.0, n=50)
    np.testing.assert_allclose(np.abs(X[:, 0]) - np.abs(closer[:, 0]), delta, atol=1e-12)


def test_a_negative_delta_makes_the_classes_overlap_horizontally():
    X, y = moons.two_moons(0, -0.1)
    wrong = np.mean(np.sign(X[:, 0]) == y)
    assert 0.01 < wrong < 0.4


@settings(deadline=None)
@given(st.floats(-360, 360))
def test_rotation_preserves_lengths_and_turns_counter_clockwise(degrees):
    X, y = moons.two_moons(0, 0.1, n=40)
    turned, same = moons.two_moons(0, 0.1, n=40, rotation=degrees)
    z = (X[:, 0] + 1j * X[:, 1]) * np.exp(1j * math.radians(degrees))
    np.testing.assert_allclose(turned, np.stack([z.real, z.imag], 1), atol=1e-12)
    assert np.array_equal(y, same)


def test_two_moons_without_noise_are_half_circles():
    X, _ = moons.two_moons(2, noise=0.0)
    assert np.array_equal(np.sort(X, 0), np.sort(moons.two_moons(5, noise=0.0)[0], 0))
    assert not np.allclose(np.sort(X, 0), np.sort(moons.two_moons(2, noise=0.3)[0], 0))


def test_two_moons_hold_both_classes_alike_and_depend_on_the_seed():
    X, y = moons.two_moons(3, n=300)
    assert X.shape == (300, 2)
    assert (X.dtype, y.dtype) == (np.float64, np.float64)
    assert y.sum() == 0
    assert np.array_equal(X, moons.two_moons(3, n=300)[0])
    assert not np.array_equal(X, moons.two_moons(4, n=300)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 1}, "n must be an integer >= 2, got 1"),
        ({"noise": -0.1}, "noise must be a finite number >= 0, got -0.1"),
        ({"delta": float("nan")}, "delta must be a finite number, got nan"),
        ({"rotation": float("inf")}, "rotation must be a finite number, got inf"),
        ({"seed": -1}, "-1"),
    ],
)
def test_two_moons_refuse_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        moons.two_moons(**arguments)


# --- digits ---------------------------------------------------------------------------------


def idx(array):
    """An array of bytes in MNIST's format."""
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + (
        array.astype(np.uint8).tobytes()
    )  # fmt: skip


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("shape", [(5,), (4, 3, 2), (0,)])
def test_idx_files_are_read(pack, shape, tmp_path):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    (tmp_path / "file").write_bytes(pack(idx(array)))
    read = mnist.read_idx(tmp_path / "file")
    assert read.dtype == np.uint8
    assert np.array_equal(read, array)


GOOD = idx(np.arange(100))
PACKED = gzip.compress(np.random.default_rng(0).bytes(2000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD[:-1], r"should hold 100 bytes of shape \(100,\), it holds 99"),
        (GOOD + b"!", "it holds 101"),
        (GOOD[:6], "not an IDX file"),
        (b"", "not an IDX file"),
        (b"<!DOCTYPE html><html>", "not an IDX file.*<!DO"),
        (b"\0\0\x0d\x01" + GOOD[4:], "not an IDX file of unsigned bytes"),
        (b"\0\0\x08\0" + GOOD[4:], "should hold 1 bytes"),
        (PACKED[:-500], "truncated or damaged gzip"),
        (PACKED[:200] + b"damage" + PACKED[206:], "truncated or damaged gzip"),
    ],
)
def test_a_file_that_is_not_idx_is_named_with_what_to_do(content, message, tmp_path):
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(fetch.CorruptData, match=message) as error:
        mnist.read_idx(tmp_path / "images")
    assert str(tmp_path / "images") in str(error.value)
    assert "fetch it again" in str(error.value)


def test_mnist_is_read_in_the_order_of_its_files(tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    paths = {key: tmp_path / key for key in ("train-images", "train-labels")}
    paths["train-images"].write_bytes(gzip.compress(idx(images)))
    paths["train-labels"].write_bytes(idx(np.arange(6)))
    monkeypatch.setattr(fetch, "mnist", lambda download=True: paths)
    source = mnist.digits(None)
    assert (source.name, len(source)) == ("MNIST", 6)
    assert np.array_equal(source.images, images)
    assert source.digits.tolist() == list(range(6))
    assert source[2:4].digits.tolist() == [2, 3]
    assert source[2:4].name == "MNIST"


@pytest.fixture
def no_mnist(monkeypatch):
    """MNIST is neither at hand nor to be had."""

    def unavailable(download=True):
        raise fetch.DataUnavailable("no server")

    monkeypatch.setattr(fetch, "mnist", unavailable)


def test_the_embedded_digits_serve_wherever_they_suffice(no_mnist):
    for digits in (mnist.digits(), mnist.digits(10_000), mnist.digits(1)):
        assert digits.name == mnist.embedded_digits().name
    for train_size in (None, 10_001):
        with pytest.raises(fetch.DataUnavailable):
            mnist.digits(train_size)


def test_a_corrupt_mnist_is_not_papered_over(monkeypatch):
    def corrupt(download=True):
        raise fetch.CorruptData("wrong hash")

    monkeypatch.setattr(fetch, "mnist", corrupt)
    with pytest.raises(fetch.CorruptData):
        mnist.digits(None)


def test_the_embedded_digits_are_mnists_thinned_and_kept_as_they_were_made():
    digits = mnist.embedded_digits()
    assert digits.images.shape == (12_000, 14, 14)
    assert (digits.images.dtype, digits.digits.dtype) == (np.uint8, np.uint8)
    content = hashlib.sha256(digits.images.tobytes() + digits.digits.tobytes()).hexdigest()
    assert content == ("931e58f6e7b5d3b9a0efb11e49096bad1e3287a172cd59d41516b3b558abd676")
    training, held_out = mnist.parts(digits)
    assert (len(training), len(held_out)) == (10_000, 2_000)
    # MNIST's own counts among its first 50,000 and last 10,000 training images.
    of_training = [4932, 5678, 4968, 5101, 4859, 4506, 4951, 5175, 4842, 4988]
    of_held_out = [991, 1064, 990, 1030, 983, 915, 967, 1090, 1009, 961]
    for part, counts in ((training, of_training), (held_out, of_held_out)):
        assert np.abs(np.bincount(part.digits) - np.array(counts) / 5).max() < 1


def test_the_embedded_digits_can_be_made_again_from_mnists_files(tmp_path):
    try:
        source = mnist.mnist_train(download=False)
    except fetch.DataUnavailable:
        pytest.skip("MNIST is not at hand")
    mnist.embed(source, tmp_path / "mnist.npz")
    made, kept = np.load(tmp_path / "mnist.npz"), mnist.embedded_digits()
    assert np.array_equal(made["images"], kept.images)
    assert np.array_equal(made["digits"], kept.digits)


def test_what_is_embedded_is_every_fifth_of_each_digit_in_both_parts(tmp_path):
    digit, number = stream(0, "test").integers(0, 10, 6000), np.arange(6000)
    images = np.zeros((6000, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 2] = number // 256, number % 256
    mnist.embed(mnist.Digits(images, digit, "made"), tmp_path / "some.npz")
    made = np.load(tmp_path / "some.npz")
    kept = made["images"][:, 0, 0].astype(int) * 256 + made["images"][:, 0, 1]
    assert np.array_equal(made["digits"], digit[kept])
    assert (np.diff(kept) > 0).all()
    assert (kept < 5000).sum() == 1000
    for k in range(10):
        for part in (range(5000), range(5000, 6000)):
            among = [n for n in part if digit[n] == k]
            places = [among.index(n) for n in kept if n in part and digit[n] == k]
            assert set(np.diff(places)) == {5}


# --- Colored MNIST --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def images60k():
    """As many images as MNIST's, each telling its number and its pixels apart."""
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (60_000, 28, 28), dtype=np.uint8)
    return mnist.Digits(images, rng.integers(0, 10, 60_000), "MNIST")


@pytest.fixture(scope="module")
def colored(images60k):
    return mnist.colored_mnist(images60k, seed=0)


def test_environments_have_the_sizes_of_the_paper(colored):
    assert [e.X.shape for e in colored.train] == [(25_000, 2, 14, 14)] * 2
    assert colored.test.X.shape == (10_000, 2, 14, 14)
    assert colored.test.flat.shape == (10_000, 392)
    assert {e.X.dtype for e in (*colored.train, colored.test)} == {np.dtype(np.float32)}


def test_images_are_thinned_by_every_second_pixel_and_the_last_10000_are_the_test(
    images60k, colored
):
    expected = images60k.images[50_000:, ::2, ::2].astype(np.float32) / 255
    np.testing.assert_array_equal(colored.test.X.sum(1), expected)


def test_the_first_50000_images_are_shared_out_to_the_two_training_environments(images60k, colored):
    dealt = np.concatenate([e.X.sum(1) for e in colored.train])
    expected = images60k.images[:50_000, ::2, ::2].astype(np.float32) / 255
    assert np.sort(dealt[:, 0, 0]).tolist() == np.sort(expected[:, 0, 0]).tolist()
    assert not np.array_equal(dealt[:, 0, 0], expected[:, 0, 0])


def test_channels_are_exclusive_and_the_colour_says_which_is_full(colored):
    for e in (*colored.train, colored.test):
        full = e.X.reshape(len(e.X), 2, -1).any(-1)
        assert np.array_equal(full[:, 1], e.colour > 0)
        assert np.array_equal(full[:, 0], e.colour < 0)


def within_binomial_error(got, probability, n):
    return abs(got - probability) < 4.5 * math.sqrt(probability * (1 - probability) / n)


def test_validation_has_label_noise_and_colours_of_its_own(images60k, colored):
    clean = np.where(images60k.digits < 5, 1, -1)
    held_out, first = colored.validation, colored.train[0]
    noise = held_out.y != clean[50_000:]
    order = stream(0, "environments").permutation(50_000)[::2]
    others = (colored.test.y != clean[50_000:], (first.y != clean[order])[: len(noise)])
    for other in others:
        assert abs(np.corrcoef(noise, other)[0, 1]) < 0.05


@pytest.mark.parametrize("seed", [0, 1])
def test_labels_and_colours_are_flipped_with_the_probabilities_of_section_4_3(images60k, seed):
    made = mnist.colored_mnist(images60k, seed)
    test_digits = images60k.digits[50_000:]
    clean = np.where(test_digits < 5, 1, -1)
    for label in (-1, 1):
        of = clean == label
        assert within_binomial_error(np.mean(made.test.y[of] != label), 0.25, of.sum())
    for e, flip in zip((*made.train, made.test), (0.2, 0.1, 0.9)):
        for label in (-1, 1):
            of = e.y == label
            assert within_binomial_error(np.mean(e.colour[of] != label), flip, of.sum())
    # The flips of labels and of colours are independent.
    flipped = made.test.y != clean
    share = np.mean(made.test.colour[flipped] != made.test.y[flipped])
    assert within_binomial_error(share, 0.9, flipped.sum())


def test_the_training_labels_belong_to_their_images():
    images = np.repeat(np.arange(10, dtype=np.uint8), 600)[:, None, None] * np.ones(
        (1, 28, 28), np.uint8
    )
    digits = mnist.Digits(images, np.repeat(np.arange(10), 600), "MNIST")
    made = mnist.colored_mnist(digits, colour_flips=(0, 0, 1), label_flip=0)
    for e in (*made.train, made.test):
        digit = np.round(e.X.max((1, 2, 3)) * 255)
        assert np.array_equal(e.y, np.where(digit < 5, 1, -1))
    assert all(np.array_equal(e.colour, e.y) for e in made.train)
    assert np.array_equal(made.test.colour, -made.test.y)


def test_a_seed_makes_the_same_data_again_and_another_seed_does_not():
    digits = mnist.embedded_digits()
    one, two, other = (mnist.colored_mnist(digits, seed) for seed in (7, 7, 8))
    for a, b, c in zip((*one.train, one.test), (*two.train, two.test), (*other.train, other.test)):
        assert np.array_equal(a.X, b.X)
        assert np.array_equal(a.y, b.y)
        assert not np.array_equal(a.y, c.y)


def test_the_four_variants_differ_in_digit_and_colour_alone():
    e = mnist.colored_mnist(mnist.embedded_digits()).test
    made = {name: mnist.variant(e, name) for name in mnist.ENVIRONMENTS}
    assert made["colored-digits"] is e
    for variant in made.values():
        assert np.array_equal(variant.y, e.y)
        assert variant.X.shape == e.X.shape
        assert variant.X.dtype == np.float32
    assert made["grayscale-blank"].X.tobytes() == mnist.grayscale(made["colored-blank"]).X.tobytes()
    cards = made["colored-blank"].X
    assert np.array_equal(cards[:, 1, 0, 0] > 0, e.colour > 0)
    assert np.ptp(cards, axis=(2, 3)).max() == 0
    assert np.ptp(cards.sum(1)) == 0


def test_a_blank_card_has_the_mean_ink_of_the_digits_or_what_is_asked():
    digits = mnist.embedded_digits()
    e = mnist.colored_mnist(digits).test
    mean = digits.images[10_000:].mean() / 255
    for ink, expected in ((None, mean), (1.0, 1.0), (0.0, 0.0)):
        np.testing.assert_allclose(mnist.variant(e, "colored-blank", ink).ink, expected, rtol=1e-6)
        gray = mnist.variant(e, "grayscale-blank", ink).X
        np.testing.assert_allclose(gray, expected / 2, rtol=1e-6)
    for ink in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="ink must be a finite number >= 0 and <= 1, got"):
            mnist.variant(e, "colored-blank", ink)


def test_the_mean_ink_of_mnists_test_digits_is_the_authors():
    try:
        source = mnist.mnist_train(download=False)
    except fetch.DataUnavailable:
        pytest.skip("MNIST is not at hand")
    e = mnist.colored_mnist(source).test
    assert float(mnist.variant(e, "colored-blank").ink.mean()) == pytest.approx(0.1291, abs=5e-5)


def test_grayscale_images_hold_the_digit_and_no_colour():
    digits = mnist.embedded_digits()
    red, green = (mnist.colored_environment(digits, flip, stream(0, "x"), 0) for flip in (0, 1))
    assert np.array_equal(red.colour, -green.colour)
    gray = mnist.grayscale(red).X
    assert np.array_equal(gray, mnist.grayscale(green).X)
    assert np.array_equal(gray[:, 0], gray[:, 1])
    np.testing.assert_allclose(gray.sum(1), digits.images / 255, rtol=1e-6)


def test_an_unknown_variant_is_refused():
    e = mnist.colored_mnist(mnist.embedded_digits()).test
    with pytest.raises(ValueError, match=r"test environments are .*got 'blank'"):
        mnist.variant(e, "blank")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train_size": 1}, "train_size must be an integer in 2..10000, got 1"),
        ({"train_size": 10_001}, "got 10001"),
        ({"label_flip": 1.5}, "label_flip must be a finite number >= 0 and <= 1, got 1.5"),
        (
            {"colour_flips": (0.2, -0.1, 0.9)},
            "colour_flip must be a finite number .*got -0.1",
        ),
        ({"colour_flips": (0.2, float("nan"), 0.9)}, "got nan"),
        ({"seed": -3}, "got -3"),
    ],
)
def test_colored_mnist_refuses_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        mnist.colored_mnist(mnist.embedded_digits(), **arguments)
