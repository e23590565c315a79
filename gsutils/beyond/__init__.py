r"""Beyond the linear theory: λ → 0, mutual starvation, K classes, test error, learned features.

The paper's theory is for two classes, a fixed kernel and λ > 0. Here are

- weight decay's limit as λ → 0, the hard-margin solution, beside SD's, the interpolant of the
  labels: :func:`multipliers`, :func:`threshold`, :func:`limit_elasticities`;
- starvation for any smooth convex loss and any features: :func:`optimum`, :func:`elasticities`;
- the dual with K classes and SD's lead: :func:`class_dual`, :func:`lead`;
- test error on a mixture with a spurious cue, in closed form: :class:`Mixture`;
- a diagonal linear network, whose features grow: :func:`grown`, :func:`shared_margin`.

Losses are sums over examples, everything is NumPy in float64.

>>> round(float(threshold(0.3)), 3)
6.097
>>> round(float(lead(0.05, classes=100)), 3)
5.563
"""

from gsutils.beyond._classes import (
    class_dual,
    class_optimum,
    lead,
    simplex_logits,
)
from gsutils.beyond._limit import (
    elasticities_at,
    labelled_gram,
    limit_elasticities,
    multipliers,
    scaled_pulls,
    threshold,
)
from gsutils.beyond._mixture import Mixture
from gsutils.beyond._mutual import LOSSES, Loss, elasticities, optimum
from gsutils.beyond._rich import grown, shared_margin, sparse_optimum

__all__ = [
    "LOSSES",
    "Loss",
    "Mixture",
    "class_dual",
    "class_optimum",
    "elasticities",
    "elasticities_at",
    "grown",
    "labelled_gram",
    "lead",
    "limit_elasticities",
    "multipliers",
    "optimum",
    "scaled_pulls",
    "shared_margin",
    "simplex_logits",
    "sparse_optimum",
    "threshold",
]
