r"""Checks for the exercises: each says what is wrong, none gives the answer away.

A chapter's exercise cell ends with a call such as ``checks.linear_margin(linear_margin)``, which
shows a verdict. Every check compares an answer with the truth on inputs chosen so that the usual
slips can be told apart. There is one module a chapter.

>>> linear_margin(lambda w, b, X, y: None)
✗ Not solved yet: your function returned None.
"""

from gsutils.checks.beyond import lam_for_lead, same_limit, train_to_lead
from gsutils.checks.celeba import (
    gamma_for_threshold,
    group_report,
    weighted_threshold,
    worst_group_threshold,
)
from gsutils.checks.cifar_margins import dual_margin, find_crossing, project_to_ball
from gsutils.checks.clever_hans import (
    confident_and_wide,
    flip_share,
    linear_margin,
    sd_objective,
)
from gsutils.checks.colored_mnist import (
    bayes_accuracy,
    colour_the_labels,
    irm_colour_penalty,
    sd_logit,
)
from gsutils.checks.decoupling import example_coupling, lam_for_margin, measure_lam
from gsutils.checks.dosage import dose_share, portion_left, weights_from_doses
from gsutils.checks.dual import dual_value, remaining_gradient, weights_from_pulls
from gsutils.checks.friend_or_foe import boards_needed, book_that_teaches, break_even
from gsutils.checks.limits import matching_smoothing, neck_and_neck, share_memorised
from gsutils.checks.ntk import centred_response, fix_signs, two_layer_gram
from gsutils.checks.own_network import (
    balanced_weights,
    class_pull,
    lead_for_lam,
    rescued_head,
)
from gsutils.checks.perturbation import lemma1_flip, starvation_sign, strength_behind
from gsutils.checks.verdict import CHECKS, Verdict

__all__ = [
    "CHECKS",
    "Verdict",
    "balanced_weights",
    "bayes_accuracy",
    "boards_needed",
    "book_that_teaches",
    "break_even",
    "centred_response",
    "class_pull",
    "colour_the_labels",
    "confident_and_wide",
    "dose_share",
    "dual_margin",
    "dual_value",
    "example_coupling",
    "find_crossing",
    "fix_signs",
    "flip_share",
    "gamma_for_threshold",
    "group_report",
    "irm_colour_penalty",
    "lam_for_lead",
    "lam_for_margin",
    "lead_for_lam",
    "lemma1_flip",
    "linear_margin",
    "matching_smoothing",
    "measure_lam",
    "neck_and_neck",
    "portion_left",
    "project_to_ball",
    "remaining_gradient",
    "rescued_head",
    "same_limit",
    "sd_logit",
    "sd_objective",
    "share_memorised",
    "starvation_sign",
    "strength_behind",
    "train_to_lead",
    "two_layer_gram",
    "weighted_threshold",
    "weights_from_doses",
    "weights_from_pulls",
    "worst_group_threshold",
]
