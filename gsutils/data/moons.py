"""Two moons, the data of Figure 1.

>>> X, y = two_moons(seed=0, delta=0.1)
>>> X.shape, sorted(set(y.tolist()))
((300, 2), [-1.0, 1.0])
"""

import math

import numpy as np
from sklearn.datasets import make_moons

from gsutils import guards
from gsutils.seeding import check_seeds


def two_moons(
    seed: int = 0, delta: float = 0.1, n: int = 300, noise: float = 0.1, rotation: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw the two-moons data of Figure 1.

    scikit-learn's ``make_moons`` gives points :math:`(a, b)` and labels :math:`y = \pm 1`. Then
    :math:`a \leftarrow a - 0.5`; :math:`b \leftarrow b - 0.3\,y`, centred;
    :math:`b \leftarrow -y\,(|b| + \Delta)`; and the point is :math:`x = (b, a)`. So the sign
    of the horizontal coordinate gives the label away, while the vertical one needs a curve.

    Args:
        seed: the run's seed (``random_state`` of ``make_moons``, as in the authors' code).
        delta: the gap Δ between the classes is 2Δ wide; negative values make them overlap.
        n: the number of points.
        noise: standard deviation of the Gaussian noise.
        rotation: turn of the plane about the origin, degrees, counter-clockwise.

    Returns:
        X (n, 2) and y (n,), float64.

    Raises:
        ValueError: an argument out of range.

    Source: Figure 1; the recipe is that of the authors' published code.
    """
    (seed,) = check_seeds([seed])
    guards.count("n", n, least=2)
    guards.number("noise", noise, least=0.0)
    for name, value in {"delta": delta, "rotation": rotation}.items():
        guards.number(name, value)
    moons, moon = make_moons(n, noise=noise, random_state=seed)
    a, b, y = moons[:, 0] - 0.5, moons[:, 1], 2.0 * moon - 1
    b = b - 0.3 * y
    b = -y * (np.abs(b - b.mean()) + delta)
    angle = math.radians(rotation)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.stack([b, a], 1) @ turn.T, y
