"""The settings of gradient dosage, in both sizes: what :mod:`gsutils.experiments.dosage` runs.

>>> THREE["quick"]["cases"]["stronger, squared"]
{'strengths': [2.0, 1.0, 1.0], 'objective': 'squared'}
"""

from typing import Any

_OBJECTIVES: dict[str, dict[str, Any]] = {
    "cross-entropy": {},
    "SD": {"objective": "SD", "lam": 0.1},
    "squared": {"objective": "squared"},
}
_STARTS: dict[str, dict[str, Any]] = {
    "equal": {},
    "stronger": {"strengths": [2.0, 1.0, 1.0]},
    "head start": {"head_start": 400},
}
_CASES: dict[str, dict[str, Any]] = {
    f"{start}, {objective}": how | what
    for start, how in _STARTS.items()
    for objective, what in _OBJECTIVES.items()
} | {
    "stronger, strong SD": {"strengths": [2.0, 1.0, 1.0], "objective": "SD", "lam": 2.0},
    "stronger, weight decay": {"strengths": [2.0, 1.0, 1.0], "weight_decay": 0.08},
    "alone, weight decay": {"reliability": [0.5, 0.9, 0.9], "weight_decay": 0.08},
    "silenced, no weight decay": {"silent_from": 600},
    "silenced, weight decay": {"silent_from": 600, "weight_decay": 0.01},
}
_NOISY: dict[str, dict[str, float]] = {
    "cross-entropy": {},
    "SD": {"lam": 0.1},
    "weight decay": {"weight_decay": 0.02},
}
_SEEDS: dict[str, dict[str, Any]] = {
    "quick": {"seeds": list(range(3))},
    "paper": {"seeds": list(range(10))},
}
_THREE: dict[str, dict[str, Any]] = {
    "quick": {"steps": 1200, "hidden": 32, "pool": 8192, "records": 60},
    "paper": {"steps": 4000, "hidden": 64, "pool": 65536, "records": 100},
}
_PRIVATE: dict[str, dict[str, Any]] = {
    "quick": {"n": 256, "steps": 1500, "records": 40},
    "paper": {"n": 512, "steps": 3000, "records": 60},
}
_PRIVATE_BOTH = {
    "private": 64, "label_noise": 0.2, "test": 1000, "twins": 4, "hidden": 128, "lr": 0.2,
    "cases": _NOISY,
}  # fmt: skip
THREE = {
    size: seeds | {"lr": 0.1, "batch": 256, "cases": _CASES} | _THREE[size]
    for size, seeds in _SEEDS.items()
}
PRIVATE = {size: seeds | _PRIVATE_BOTH | _PRIVATE[size] for size, seeds in _SEEDS.items()}
