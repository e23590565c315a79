r"""Loss functions and penalties of logits and labels, one value per run.

Logits have shape (..., n): a leading axis, where there is one, counts runs. Labels are -1/+1;
with K classes they are 0..K-1, int64, and logits (..., n, K). All losses are **means** over the
n examples. The paper writes sums; both have the same minimiser for the same ``lam`` when the
penalty is a mean as well (Eq. 17 divided by n).

Shapes are always checked. ``check=False`` leaves out the look at the values of labels and λ, for
those that have been looked at: a :class:`gsutils.methods.Batch` does so once.

>>> import torch
>>> logits, y = torch.tensor([2.0, -1.0]), torch.tensor([1.0, -1.0])
>>> round(float(logistic(logits, y)), 4)
0.2201
>>> float(spectral_decoupling(logits, y, lam=0.1))
0.125
>>> sign_change(lam=0.1, gamma=0.0)  # with γ = 0 the penalty moves no decision
0.5
>>> round(sign_change(lam=(0.235, 1.34), gamma=(0.44, 2.5)), 3)
0.093
"""

from gsutils.losses._checks import (
    PerClass,
    check_classes,
    check_labels,
    check_lam,
    check_weight,
    misshapen,
)
from gsutils.losses._decoupling import OVER, SpectralDecoupling, lam_for_lead
from gsutils.losses._functions import (
    cross_entropy,
    example_losses,
    generalised_cross_entropy,
    irm_penalty,
    logistic,
    mean,
    spectral_decoupling,
    spectral_decoupling_softmax,
    squared,
)
from gsutils.losses._optimum import optimal_logit, sign_change

__all__ = [
    "OVER",
    "PerClass",
    "SpectralDecoupling",
    "check_classes",
    "check_labels",
    "check_lam",
    "check_weight",
    "cross_entropy",
    "example_losses",
    "generalised_cross_entropy",
    "irm_penalty",
    "lam_for_lead",
    "logistic",
    "mean",
    "misshapen",
    "optimal_logit",
    "sign_change",
    "spectral_decoupling",
    "spectral_decoupling_softmax",
    "squared",
]
