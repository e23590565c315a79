r"""The neural tangent kernel of a network, its features, and the linearised network.

Section 3.1 of the paper. Around its initial parameters a wide network is nearly linear in them,
:math:`\hat y \approx \hat y_0 + \Phi_0 (\theta - \theta_0)` (Eq. 3), where row i of
:math:`\Phi_0 = \partial \hat y / \partial \theta` (Eq. 2) is the gradient of the logit of example
i. The singular value decomposition :math:`Y \Phi_0 = U S V^\top` gives the features
(Definition 1), and :math:`z = U^\top Y \hat y` the network's responses to them (Eq. 4).

Networks are computed in float64, in evaluation mode, on a copy; results are NumPy arrays.

>>> import numpy as np
>>> from gsutils import nets
>>> from gsutils.data import moons
>>> X, y = moons.two_moons(n=50)
>>> net = nets.MLP((2, 30, 1))
>>> U, s, Vt = features(ntrf(net, X), y)
>>> U.shape, s.shape, Vt.shape
((50, 50), (50,), (50, 121))
>>> bool(np.allclose((y[:, None] * U * s**2) @ (y[:, None] * U).T, gram(net, X)))
True
"""

from gsutils.ntk.classes import class_features, class_jacobian, logit
from gsutils.ntk.decomposition import Features, features, response
from gsutils.ntk.jacobian import gram, ntrf
from gsutils.ntk.linearised import Linearised, Trajectory, linearise, train_both

__all__ = [
    "Features",
    "Linearised",
    "Trajectory",
    "class_features",
    "class_jacobian",
    "features",
    "gram",
    "linearise",
    "logit",
    "ntrf",
    "response",
    "train_both",
]
