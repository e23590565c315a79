r"""Adversarial attacks and input margins: how far an image is from the decision boundary.

Section 4.2 measures the margin as the norm of the disturbance that crosses the boundary, found by
projected gradient descent (PGD, Madry et al. 2018). Inputs are pixels in [0, 1], and so are the
units of every norm here. What an attack finds is an upper bound of the margin: an attack that gets
stuck makes a model look robust. (PGD gets stuck where the slope near the image leads nowhere;
:func:`from_afar` starts elsewhere.) Of a linear model :math:`w \cdot x + b` of two classes it is
the margin itself, :math:`|w \cdot x + b| / \|w\|`, with the norm of :math:`w` dual to the attack's.

>>> import torch
>>> line = lambda X: X @ torch.tensor([3.0, 4.0]) + 1
>>> X, y = torch.tensor([[0.2, 0.4]]), torch.tensor([1.0])
>>> found = margins(line, X, y, eps=[0.3, 1.0], norm="l2", box=None)  # (0.6 + 1.6 + 1) / 5
>>> round(float(found), 4)
0.64
"""

from gsutils.attack._geometry import NORMS, logit_margin
from gsutils.attack._margins import accuracy_under_attack, crossing, margins, nearest
from gsutils.attack._pgd import OBJECTIVES, pgd
from gsutils.attack._walk import from_afar

__all__ = [
    "NORMS",
    "OBJECTIVES",
    "accuracy_under_attack",
    "crossing",
    "from_afar",
    "logit_margin",
    "margins",
    "nearest",
    "pgd",
]
