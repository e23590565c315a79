r"""Figure 5 (section 3.4): two features, weight decay against spectral decoupling.

Two examples of label +1, two features of strengths :math:`(s_1, 2)` with :math:`s_1 = 2, …, 6`,
and the coupling U of Eq. 15 with δ = 0.5; so :math:`\Phi_0 = U S V^T`, where the rotation V of
run ``s`` is drawn from seed ``s`` and does not matter to the responses. The primal is gradient
descent from θ = 0 on the sum loss; the dual is the flow of Eq. 9 or 18 from the authors' start,
where the responses are close to zero as well. Their code stops it at time 0.015 (5,000 steps of
3e-6), before its end; here it is followed to the end.

>>> trained = train(Case("sd", lam=0.002, s1=2.0, steps=500), seeds=[0])
>>> bool(np.abs(trained.dual[-1] - trained.fixed).max() < 1e-6)
True
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gsutils import dual
from gsutils.perturbation import coupling
from gsutils.runs.entry import Entry, Rows
from gsutils.runs.paper import Origin, Source
from gsutils.seeding import check_seeds, stream


@dataclass(frozen=True)
class Case:
    """One penalty and one strength of the first feature.

    Attributes:
        kind: of the flow and its primal, "exact" (weight decay) or "sd".
        lam: λ of Eq. 5 or 17.
        s1: strength of the first feature.
        s2: of the second.
        delta: δ of Eq. 15.
        lr: learning rate of gradient descent, of the sum over examples.
        steps: of gradient descent.
        alpha0: where both examples of the dual start.
        times: the first and the last time of the dual at which it is recorded, in units of 1/η.
        records: of the dual, and at most as many of the primal.
    """

    kind: str
    lam: float
    s1: float
    s2: float = 2.0
    delta: float = 0.5
    lr: float = 0.05
    steps: int = 5000
    alpha0: float = 1e-8
    times: tuple[float, float] = (1e-8, 1.0)
    records: int = 120

    @property
    def strengths(self) -> np.ndarray:
        """Both strengths, (2,)."""
        return np.array([self.s1, self.s2])


@dataclass(frozen=True)
class Trained:
    """The way of the responses to their optimum.

    Attributes:
        case: which penalty and strength.
        fixed: the responses at the optimum, (2,), from the fixed point of the dual.
        steps: updates after which the primal was recorded, (k,).
        primal: the responses of gradient descent, (k, runs, 2).
        times: of the dual flow, in units of 1/η, (l,).
        dual: the responses of the flow, (l, 2): it knows no rotation, all runs have the same.
    """

    case: Case
    fixed: np.ndarray
    steps: np.ndarray
    primal: np.ndarray
    times: np.ndarray
    dual: np.ndarray

    @property
    def data(self) -> dict[str, str]:
        """What a record calls the data."""
        return {"name": "two examples (given)"}

    def metrics(self) -> Rows:
        """Return the optimum, and how far from it primal and dual end."""
        runs = self.primal.shape[1]
        same = {
            "z1": self.fixed[0],
            "z2": self.fixed[1],
            "dual gap": np.abs(self.dual[-1] - self.fixed).max(),
        }
        gap = np.abs(self.primal[-1] - self.fixed).max(-1)
        found = {name: [float(value)] * runs for name, value in same.items()}
        return {"": found | {"primal gap": gap.tolist()}}

    def curves(self) -> Rows:
        """Return both ways."""
        flow = np.broadcast_to(self.dual[:, None], (len(self.times), *self.primal.shape[1:]))
        ways = {"primal": ("step", self.steps, self.primal), "dual": ("time", self.times, flow)}
        return {
            part: {axis: at.tolist()}
            | {f"z{j + 1}": z[..., j].round(5).tolist() for j in range(z.shape[-1])}
            for part, (axis, at, z) in ways.items()
        }


def prepare(case: Case, seed: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Return a run's :math:`\Phi_0` (2, 2), and its rotation :math:`V^T` (2, 2)."""
    angle = 2 * np.pi * stream(seed, "rotation").random()
    Vt = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (coupling(case.delta) * case.strengths) @ Vt, Vt


def train(
    case: Case,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
) -> Trained:
    """Follow primal and dual of a case.

    Args:
        case: which penalty and strength.
        seeds: one run each; they draw the rotation V.
        device: does not matter, NumPy does the work.
        checkpoint: none is written, it takes less than a second.

    Raises:
        ValueError: an argument out of range.
        gsutils.dual.NotConverged: see :func:`gsutils.dual.flow`.
    """
    U, s, s2 = coupling(case.delta), case.strengths, case.strengths**2
    updates = np.unique(np.geomspace(1, case.steps, case.records).astype(int))
    steps = np.concatenate([[0], updates])
    primal = []
    for Phi, Vt in (prepare(case, seed) for seed in check_seeds(seeds)):
        thetas = dual.descent(Phi, np.ones(2), case.lam, case.lr, case.steps, case.kind)
        primal.append((thetas[steps] @ Vt.T) * s)
    times = np.geomspace(*case.times, case.records)
    alphas = dual.flow(np.full(2, case.alpha0), U, s2, case.lam, times, case.kind)
    fixed = dual.fixed_point(U, s2, case.lam, case.kind)
    return Trained(
        case=case,
        fixed=dual.response_at(fixed, U, s2, case.lam, case.kind),
        steps=steps,
        primal=np.stack(primal, 1),
        times=times,
        dual=dual.response_at(alphas, U, s2, case.lam, case.kind),
    )


PENALTIES = {  # the authors' λ of SD is 0.001, on the sum of squares
    "weight decay": ("exact", 0.01),
    "SD": ("sd", 0.002),
}
CASES = {
    f"{penalty}, s1 = {s1}": Case(kind, lam, float(s1))
    for penalty, (kind, lam) in PENALTIES.items()
    for s1 in (2, 3, 4, 5, 6)
}
ENTRIES = {
    "figure5": Entry(
        name="figure5",
        title="Two coupled features: primal and dual, weight decay and SD (Fig. 5)",
        chapter="05-spectral-decoupling",
        cases=dict.fromkeys(("quick", "paper"), CASES),
        seeds=dict.fromkeys(("quick", "paper"), (0,)),
        run=train,
        paper={},
        selection="none",
        sources=dict.fromkeys(CASES, Source(Origin.AUTHORS, "toy_fig_6.py")),
    ),
}
