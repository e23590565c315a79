r"""Figure 5 (section 3.4): two features, weight decay against spectral decoupling.

Two examples of label +1, two features of strengths :math:`(s_1, 2)` with :math:`s_1 = 2, …, 6`,
and the coupling U of Eq. 15 with δ = 0.5; so :math:`\Phi_0 = U S V^T`, where the rotation V of
run ``s`` is drawn from seed ``s`` and does not matter to the responses. The primal is gradient
descent from θ = 0 on the sum loss; the dual is the flow of Eq. 9 or 18 from a small α, where
the responses are close to zero as well. The paper does not state the dual's start.

>>> settings = dict(ENTRIES["figure5"].settings["quick"]) | {"steps": 500, "strengths": [2.0]}
>>> weight_decay, decoupled = paths(settings, seed=0)
>>> bool(np.abs(weight_decay.dual[-1] - weight_decay.fixed).max() < 1e-6)
True
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gsutils import dual
from gsutils.perturbation import coupling
from gsutils.runs.untyped import Job, Outcome
from gsutils.runs.untyped import UntypedEntry as Entry
from gsutils.seeding import stream

PENALTIES = {"weight decay": "exact", "SD": "sd"}  # penalty -> kind of flow


@dataclass(frozen=True)
class Path:
    """The way of the responses to their optimum, for one penalty and one strength.

    Attributes:
        penalty: one of :data:`PENALTIES`.
        s1: strength of the first feature.
        fixed: the responses at the optimum, (2,), from the fixed point of the dual.
        steps: updates after which the primal was recorded, (k,).
        primal: the responses of gradient descent, (k, 2).
        times: of the dual flow, in units of 1/η, (k,).
        dual: the responses of the flow, (k, 2).
    """

    penalty: str
    s1: float
    fixed: np.ndarray
    steps: np.ndarray
    primal: np.ndarray
    times: np.ndarray
    dual: np.ndarray


def paths(
    settings: Mapping[str, Any], seed: int = 0, penalties: Iterable[str] = tuple(PENALTIES)
) -> list[Path]:
    """Follow primal and dual for every penalty and strength of the entry's settings.

    Args:
        settings: those of the entry ``figure5``.
        seed: draws the rotation V.
        penalties: keys of :data:`PENALTIES`.

    Raises:
        ValueError: an argument out of range.
        gsutils.dual.NotConverged: see :func:`gsutils.dual.flow`.
    """
    U = coupling(settings["delta"])
    angle = 2 * np.pi * stream(seed, "rotation").random()
    Vt = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    strengths = [np.array([s1, settings["s2"]]) for s1 in settings["strengths"]]
    first, last = settings["times"]
    times = np.geomspace(first, last, settings["records"])
    found = []
    for penalty in penalties:
        kind = PENALTIES[penalty]
        # Eq. 18 knows no strengths: one flow serves them all.
        flows = [
            dual.flow(
                np.full(2, settings["alpha0"]), U, s**2, settings["lam"][penalty], times, kind
            )
            for s in (strengths[:1] if kind == "sd" else strengths)
        ]
        flows *= len(strengths) // len(flows)
        found += [
            _path(penalty, s, U, Vt, times, alphas, settings) for s, alphas in zip(strengths, flows)
        ]
    return found


def _path(
    penalty: str,
    s: np.ndarray,
    U: np.ndarray,
    Vt: np.ndarray,
    times: np.ndarray,
    alphas: np.ndarray,
    settings: Mapping[str, Any],
) -> Path:
    """Follow the primal, and turn the flow's ``alphas`` (k, 2) into responses."""
    kind, lam, count = PENALTIES[penalty], settings["lam"][penalty], settings["steps"]
    thetas = dual.descent((U * s) @ Vt, np.ones(2), lam, settings["lr"], count, kind)
    steps = np.unique(np.geomspace(1, count, settings["records"]).astype(int))
    steps = np.concatenate([[0], steps])
    fixed = dual.fixed_point(U, s**2, lam, kind)
    return Path(
        penalty=penalty,
        s1=float(s[0]),
        fixed=dual.response_at(fixed, U, s**2, lam, kind),
        steps=steps,
        primal=(thetas[steps] @ Vt.T) * s,
        times=times,
        dual=dual.response_at(alphas, U, s**2, lam, kind),
    )


def _run(job: Job) -> Outcome:
    """Follow one penalty; the device does not matter, NumPy does the work."""
    runs = [paths(job.settings, seed, [job.case]) for seed in job.seeds]
    metrics, curves = {}, {}
    for same in zip(*runs):
        name = f"{same[0].penalty}, s1 = {same[0].s1:g}"
        metrics[name] = {
            "z1": [float(path.fixed[0]) for path in same],
            "z2": [float(path.fixed[1]) for path in same],
            "primal gap": [float(np.abs(path.primal[-1] - path.fixed).max()) for path in same],
            "dual gap": [float(np.abs(path.dual[-1] - path.fixed).max()) for path in same],
        }
        for way, axis in (("primal", "steps"), ("dual", "times")):
            z = np.stack([getattr(path, way) for path in same], -1).round(5)  # (k, 2, seeds)
            curves[f"{name}, {way}"] = {
                axis.rstrip("s"): getattr(same[0], axis).tolist(),
                "z1": z[:, 0].tolist(),
                "z2": z[:, 1].tolist(),
            }
    return Outcome(metrics, {"name": "two examples (given)"}, curves)


_SETTINGS = {
    "strengths": [2.0, 3.0, 4.0, 5.0, 6.0],
    "s2": 2.0,
    "delta": 0.5,
    "lam": {"weight decay": 0.01, "SD": 0.002},  # the authors' 0.001 on the sum of squares
    "lr": 0.05,
    "steps": 5000,
    "alpha0": 1e-6,
    "times": [1e-8, 1.0],
    "records": 120,
    "seeds": [0],
}
ENTRIES = {
    "figure5": Entry(
        name="figure5",
        title="Two coupled features: primal and dual, weight decay and SD (Fig. 5)",
        chapter="05-spectral-decoupling",
        settings={"quick": _SETTINGS, "paper": _SETTINGS},
        cases=lambda settings: list(PENALTIES),
        run=_run,
        paper={},
        selection="none",
    ),
}
