"""The last layer fitted anew: see :mod:`gsutils.experiments.dominoes`.

>>> features = np.array([[0.0], [1.0], [2.0], [3.0]])
>>> logits = fitted(features, np.array([-1, -1, 1, 1]), strength=1.0).decision_function(features)
>>> (logits > 0).tolist()
[False, False, True, True]
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from gsutils.evaluate import Split, group_accuracies


def fitted(features: np.ndarray, y: np.ndarray, strength: float) -> Pipeline:
    """Return a logistic regression on standardised features (n, d), with a squared penalty.

    Args:
        features: of the examples, (n, d).
        y: labels -1/+1, (n,).
        strength: C, one over the penalty's coefficient.
    """
    model = LogisticRegression(C=strength, max_iter=10_000)
    return make_pipeline(StandardScaler(), model).fit(features, y)


def refitted(
    features: Mapping[str, np.ndarray],
    splits: Mapping[str, Split],
    strengths: Sequence[float],
) -> np.ndarray:
    """Return the accuracy within each group of the test, (4,), of a last layer fitted anew.

    It is fitted on the split "retraining"; the strength is the one with the highest worst-group
    accuracy on "validation", the smallest of them where several have it.

    Args:
        features: of the splits "retraining", "validation" and "test", each (n, d).
        splits: their labels and groups.
        strengths: the values of C to choose from.

    Source: Kirichenko et al. 2023, "Last layer re-training is sufficient for robustness to
    spurious correlations", who penalise absolute values, and average several such fits.
    """
    best, chosen = -1.0, np.empty(0)
    for strength in sorted(strengths):
        model = fitted(features["retraining"], splits["retraining"].y, strength)
        validation, test = (
            group_accuracies(model.decision_function(features[name]), splits[name])
            for name in ("validation", "test")
        )
        if validation.min() > best:
            best, chosen = validation.min(), test
    return chosen
