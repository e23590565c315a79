r"""Two moons: how the responses to features grow while a network learns, Figure 1 (d).

The features are those of the network before training (Definition 1), the responses
:math:`z = U^\top Y (\hat y - \hat y_0)` (Eq. 4, centred). The figure draws two of them, and says
not which; :meth:`Responses.pairs` holds three choices.

>>> seen = train(replace(two_moons.CASES["plain"], steps=20), seeds=[0])
>>> seen.z.shape  # records, runs, features
(21, 1, 300)
>>> straight, curved = (part[-1, 0] for part in seen.pairs["straight, curved"])
>>> bool(straight > 10 * curved)
True
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from gsutils import ntk
from gsutils.experiments import two_moons
from gsutils.nets import MLP
from gsutils.runs.entry import Entry, Rows
from gsutils.runs.paper import Origin, Source

AUTHORS = (1, 6)  # eigenvectors of the authors' figure, counted from 0
RECORDS = 50


@dataclass(frozen=True)
class Responses:
    """The responses of the runs of one case.

    Attributes:
        trained: the runs.
        features: those of each run's network before training, on its own data.
        z: the responses, (records, runs, r), zero at step 0; the sign of each is that of the SVD.
    """

    trained: two_moons.Trained
    features: tuple[ntk.Features, ...]
    z: np.ndarray

    @property
    def steps(self) -> np.ndarray:
        """The steps of the records, (records,)."""
        return self.trained.history.steps

    @cached_property
    def straight(self) -> np.ndarray:
        """Which features are straight: :func:`affine_share` above 1/2, bool (runs, r)."""
        runs = zip(self.features, self.trained.X, self.trained.y)
        return np.stack([affine_share(F.U, X, y) > 0.5 for F, X, y in runs])

    @cached_property
    def pairs(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Three choices of the two responses |z1| and |z2| of Figure 1 (d), (records, runs) each.

        - "straight, curved": the lengths of the responses to all straight and to all other
          features;
        - "fastest": the two features that grow fastest at the start (:func:`growth`);
        - "authors": numbers 1 and 6, counted from 0 by falling strength.
        """
        fastest = [np.argsort(-growth(F.U, F.s))[:2] for F in self.features]
        runs = range(len(fastest))
        one, two = (np.array(part) for part in zip(*fastest))
        return {
            "straight, curved": (
                np.linalg.norm(self.z * self.straight, axis=-1),
                np.linalg.norm(self.z * ~self.straight, axis=-1),
            ),
            "fastest": (np.abs(self.z[:, runs, one]), np.abs(self.z[:, runs, two])),
            "authors": (np.abs(self.z[..., AUTHORS[0]]), np.abs(self.z[..., AUTHORS[1]])),
        }

    @property
    def data(self) -> dict[str, str]:
        """What a record calls the data."""
        return self.trained.data

    def metrics(self) -> Rows:
        """Return the last value of every curve."""
        return {"": {name: values[-1].tolist() for name, values in self._recorded().items()}}

    def curves(self) -> Rows:
        """Return the share of curved features, and the three choices of two responses."""
        drawn = {name: values.tolist() for name, values in self._recorded().items()}
        return {"": {"step": self.steps.tolist(), **drawn}}

    def _recorded(self) -> dict[str, np.ndarray]:
        found = {"curved share": self.curved_share}
        for choice, pair in self.pairs.items():
            found |= {f"|z{i}| ({choice})": z for i, z in enumerate(pair, 1)}
        return found

    @property
    def curved_share(self) -> np.ndarray:
        """The share of |z|² that falls on features that are not straight, (records, runs)."""
        straight, curved = self.pairs["straight, curved"]
        return curved**2 / np.maximum(straight**2 + curved**2, np.finfo(float).tiny)


def affine_share(U: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    r"""Return how far each feature is an affine function of the inputs, from 0 to 1.

    On the training points feature j has the values :math:`s_j y_i u_{ij}`. The share is that of
    their squared length which a least-squares fit :math:`a + b \cdot x` explains.

    Args:
        U: (n, r), of :func:`gsutils.ntk.features`.
        X: inputs, (n, d).
        y: labels -1/+1, (n,).

    Returns:
        (r,).
    """
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(X)), X]))
    return ((basis.T @ (y[:, None] * U)) ** 2).sum(0)


def growth(U: np.ndarray, s: np.ndarray) -> np.ndarray:
    r"""Return how fast each response grows at the start, :math:`s_j^2 |u_j \cdot \alpha_0|`.

    Near zero logits every example pulls with :math:`\alpha_0 = 1/2`.

    Args:
        U: (n, r).
        s: strengths, (r,).

    Returns:
        (r,), logits per unit of time of the gradient flow on the sum of the losses (η = 1).
    """
    return s**2 * np.abs(U.sum(0)) / 2


def train(
    case: two_moons.Case,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
) -> Responses:
    """Train a case once per seed and record the responses, at some 50 steps, evenly spaced.

    Args:
        case: what to train.
        seeds: one run each.
        device: of the training; features are computed on the CPU.
        checkpoint: see :func:`gsutils.train.minimise`.

    Raises:
        ValueError: an argument out of range.
    """
    record_at = range(0, case.steps, max(1, case.steps // RECORDS))
    trained = two_moons.train(case, seeds, device, checkpoint, record_at)
    start = MLP(trained.model.widths, trained.model.seeds)  # the weights before training
    features = tuple(
        ntk.features(ntk.ntrf(start.single(run), X), y)
        for run, (X, y) in enumerate(zip(trained.X, trained.y))
    )
    gained = trained.history["logits"] - trained.history["logits"][0]
    z = [
        ntk.response(F.U, y, gained[:, run]) for run, (F, y) in enumerate(zip(features, trained.y))
    ]
    return Responses(trained, features, np.stack(z, 1))


PUBLISHED = two_moons.ENTRIES["figure1"].cases["paper"]
CASES = {name: replace(case, steps=1000) for name, case in PUBLISHED.items()}
ENTRIES = {
    "figure1d": Entry(
        name="figure1d",
        title="Two moons: responses to two features in three cases (Fig. 1 d)",
        chapter="02-ntk-linearization",
        cases={"quick": CASES, "paper": PUBLISHED},
        seeds={"quick": range(3), "paper": range(10)},
        run=train,
        paper={},
        selection="none",
        sources=dict.fromkeys(CASES, Source(Origin.AUTHORS, "moon_fig_2.py")),
    ),
}
