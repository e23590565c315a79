r"""Checks for the exercises: each says what is wrong, none gives the answer away.

A chapter's exercise cell ends with a call such as ``checks.linear_margin(linear_margin)``, which
shows a verdict. Every check compares an answer with the truth on inputs chosen so that the usual
slips can be told apart. There is one module a chapter.

>>> linear_margin(lambda w, b, X, y: None)
✗ Not solved yet: your function returned None.
"""

from gsutils.checks.clever_hans import flip_share, linear_margin, sd_objective
from gsutils.checks.colored_mnist import bayes_accuracy, colour_the_labels, sd_logit
from gsutils.checks.verdict import CHECKS, Verdict

__all__ = [
    "CHECKS",
    "Verdict",
    "bayes_accuracy",
    "colour_the_labels",
    "flip_share",
    "linear_margin",
    "sd_logit",
    "sd_objective",
]
