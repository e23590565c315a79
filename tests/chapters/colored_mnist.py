"""Chapter 7."""

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import expit

from gsutils import datasets
from gsutils.experiments import ENTRIES, colored_mnist
from gsutils.seeding import stream

PAGE = "07-colored-mnist"


def compare_colour(names):
    digits = datasets.embedded_digits()
    for flip, label_flip in [(0.2, 0.25), (0.9, 0.25), (0.5, 0.0)]:
        X, y, colour = names["colour_by_hand"](
            digits.images, digits.digits, flip, stream(5, "test"), label_flip
        )
        expected = datasets.colored_environment(digits, flip, stream(5, "test"), label_flip)
        np.testing.assert_allclose(X, expected.X, atol=1e-6)
        assert np.array_equal(y, expected.y)
        assert np.array_equal(colour, expected.colour)


def compare_sd_schedule(names):
    published = ENTRIES["table2"].settings["paper"]["sd"]
    settings = colored_mnist.Settings(**published)
    rng = stream(0, "test")
    logits = torch.from_numpy(rng.normal(size=(3, 50))) * 3
    y = torch.from_numpy(np.sign(rng.normal(size=50)))
    for step in (0, 449, 450, 2000):
        torch.testing.assert_close(
            names["published_sd_loss"](logits, y, step),
            colored_mnist.objective(settings, logits, y, step),
        )


CORE = {
    "colour": compare_colour,
    "sd-schedule": compare_sd_schedule,
}

ALLOWED = [
    # Section 4.3: how often colour agrees with the label.
    "0.8 and 0.9 in the two training environments, 0.1 in the test environment",
    # A quarter of the labels is noise: three quarters is the most that shape can give.
    "more than 75 % from the shape",
    "a perfect shape classifier 75 % of both",
    "Dashed: 75 %, the ceiling",
    # The mean of 0.9 and 0.8, and 0.1: what colour alone gives.
    "about 85 % training and 10 % test accuracy",
    "the 85 % of colour alone",
    "above the 10 % of colour alone",
    "the ceiling of 75 % is",
    "colour is right 85 % of the time and shape 75 %",
    "with 85 % training and 10 % test accuracy",
    "this is 85 %, all of it from colour",
    "A colour classifier scores 80 % and 90 %",
    # The authors' factor, and the settings of the quick size.
    "factor 2e-5 only sets the speed",
    "learning rate 5e-4, factor 2e-4",
    # Zhang et al. 2022, cited there.
    "49.8 ± 0.6 % from a random start and 65.5 ± 1.1 % from a network",
    "from 54.0 % to 68.9 %",
    "a test accuracy above 55 %",  # a bar that an exercise sets
]


def logit(p, lam, factor=1.0):
    return brentq(lambda z: expit(z) - p + factor * lam * z, -1e4, 1e4, xtol=1e-13)


def wrong_sign(p, lam):
    return brentq(lambda z: expit(z) - p - lam * z, -99, 0)


def in_place(y, flip, rng):
    y[rng.random(len(y)) < flip] *= -1
    return y


def colours(y, flip, rng):
    return np.where(rng.random(len(y)) < flip, -y, y)


def one_class_only(y, flip, rng):
    of = y < 0
    return np.where(of & (rng.random(len(y)) < flip * len(y) / of.sum()), -y, y)


RIGHT = {
    "bayes-accuracy": [
        lambda c, d: max(c, 1 - c, d, 1 - d),
        lambda c, d: 0.5 + max(abs(c - 0.5), abs(d - 0.5)),
    ],
    "colour-the-labels": [
        colours,
        in_place,
        lambda y, flip, rng: y * rng.choice([-1, 1], len(y), p=[flip, 1 - flip]),
    ],
    "sd-logit": [logit],
}

WRONG = {
    "bayes-accuracy": [
        (max, "turn it round"),
        (lambda c, d: c * d, "both cues are right"),
        (lambda c, d: 1 - (1 - c) * (1 - d), "one cue or the other"),
        (lambda c, d: c, "Colour alone"),
        (lambda c, d: (c + d) / 2, "compare the odds"),
    ],
    "colour-the-labels": [
        (lambda y, flip, rng: colours(y, 1 - flip, rng), "kept what should be flipped"),
        (lambda y, flip, rng: y, "agrees with 100 %"),
        (lambda y, flip, rng: (colours(y, flip, rng) + 1) / 2, "must be −1 or +1"),
        (one_class_only, "must not depend on the class"),
        (lambda y, flip, rng: colours(y, flip, np.random.default_rng()), "draw from rng, not"),
        (lambda y, flip, rng: colours(y, flip, np.random.default_rng(0)), "Another stream"),
    ],
    "sd-logit": [
        (lambda p, lam: np.log(p / (1 - p)), "without a penalty"),
        (lambda p, lam: p, "the probability p"),
        (lambda p, lam: logit(p, lam, 2.0), "λ·z²"),
        (wrong_sign, "wrong sign"),
        (lambda p, lam: (p - 0.5) / (lam + 0.25), "the slope of the objective is"),
    ],
}

GIVEAWAYS = {
    "bayes-accuracy": ["max", "1 -", "1 −"],
    "colour-the-labels": ["np.where", "random(", "choice"],
    "sd-logit": ["brentq", "bisect", "root", "newton"],
}
