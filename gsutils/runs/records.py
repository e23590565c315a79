r"""The ledger: one JSON file per run, with everything needed to judge it and to run it again.

A file is named after its entry, its size and a hash of its settings and seeds, and is written
whole or not at all. It is held against the JSON schema ``run.schema.json`` on writing and on
reading, and against the SHA-256 of its content where it carries one. What passes is safe to show:
its texts are made of characters with which neither HTML nor a link nor a command can be written.

>>> run = Run(experiment="demo", size="quick", settings={"steps": 3}, seeds=[0, 1],
...           metrics={"erm": {"test accuracy": [0.25, 0.35]}}, selection="none",
...           data={"name": "none"}, device="cpu", wall_time_s=0.1, command="-")
>>> mean_std = run.summary("erm", "test accuracy")
>>> round(mean_std[0], 2), round(mean_std[1], 3)
(0.3, 0.071)
"""

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from gsutils.files import OutputUnavailable, atomic, explained

SCHEMA = 1
MOST_BYTES = 10_000_000
SELECTIONS = ("none", "train-val", "oracle-test")
_PACKAGE = Path(__file__).resolve().parents[1]


def versions() -> dict[str, str]:
    """Return the versions that a number may depend on."""
    packages = ("gsutils", "numpy", "scipy", "scikit-learn", "torch")
    return {"python": platform.python_version()} | {p: metadata.version(p) for p in packages}


def commit() -> str:
    """Return the commit of the checkout, with "+changes" where it is not clean, or "unknown"."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(_PACKAGE), *words]
        own = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}  # as in a hook
        done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", __file__)  # not a package within another repository
        changed = git("status", "--porcelain", "--", ".")
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


@dataclass(frozen=True)
class Run:
    """One run of an experiment.

    Attributes:
        experiment: the entry's name, such as "table2".
        size: "quick" or "paper".
        settings: everything that was chosen, JSON values only.
        seeds: one per run of each case.
        metrics: case -> metric -> one value per seed; accuracies as fractions.
        selection: how hyper-parameters were chosen: "none", "train-val" or "oracle-test".
        data: the data's name, and hashes where it came from files.
        device: what it ran on, in words.
        wall_time_s: seconds, the sum over all jobs, also where some ran side by side.
        command: what runs it again.
        curves: case -> {"step": [...], metric: [[one value per seed], ...]}.
    """

    experiment: str
    size: str
    settings: dict[str, Any]
    seeds: list[int]
    metrics: dict[str, dict[str, list[float]]]
    selection: str
    data: dict[str, str]
    device: str
    wall_time_s: float
    command: str
    curves: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=versions)
    commit: str = field(default_factory=commit)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Refuse a run whose parts do not fit together."""
        if self.schema != SCHEMA:
            raise ValueError(f"this gsutils reads schema {SCHEMA}, the run has {self.schema}")
        if self.selection not in SELECTIONS:
            raise ValueError(f"selection must be in {SELECTIONS}, got {self.selection!r}")
        check_metrics(self.metrics, self.seeds)
        for case, values in self.curves.items():
            for name, rows in values.items():
                if any(isinstance(row, list) and len(row) != len(self.seeds) for row in rows):
                    raise ValueError(
                        f"{case}, {name}: a step of the curve has no value for each of the seeds"
                    )

    @property
    def name(self) -> str:
        """The file's name without its ending: entry, size, hash of settings and seeds."""
        chosen = json.dumps([self.settings, self.seeds], sort_keys=True)
        digest = hashlib.sha256(chosen.encode()).hexdigest()[:8]
        return f"{self.experiment}-{self.size}-{digest}"

    def summary(self, case: str, metric: str) -> tuple[float, float]:
        """Return mean and sample standard deviation over seeds (nan for a single one)."""
        values = np.array(self.metrics[case][metric])
        return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else np.nan


def check_metrics(metrics: dict[str, dict[str, list[float]]], seeds: Sequence[int]) -> None:
    """Check that there is one finite value per seed.

    Raises:
        ValueError: there is not; the message names the case and the metric.
    """
    for case, values in metrics.items():
        for name, per_seed in values.items():
            if len(per_seed) != len(seeds):
                raise ValueError(f"{case}, {name}: {len(per_seed)} values for {len(seeds)} seeds")
            if not np.isfinite(per_seed).all():
                raise ValueError(f"{case}, {name}: every value must be finite, got {per_seed}")


_NUMBERS = re.compile(r"\[[-+\d.eE,\s]+\]")  # a list of numbers: one line of the file


def folder() -> Path:
    """Return where the shipped results lie: in the package, or in the checkout around it."""
    shipped = _PACKAGE / "_results"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "results"


def save(run: Run, out: Path | None = None) -> Path:
    """Write a run, whole or not at all, and return the file.

    Args:
        run: what to keep.
        out: the folder, made if need be; default :func:`folder`.

    Raises:
        ValueError: the run does not keep to the schema.
        OSError: it cannot be written; the message names the folder and the way out.
    """
    content = check(run)
    try:
        content["sha256"] = _digest(content)
        path = (Path(out) if out else folder()) / f"{run.name}.json"
        text = json.dumps(content, allow_nan=False, indent=1, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"a record holds finite JSON values alone: {error}") from error
    with explained(path, OutputUnavailable):
        write(path, _NUMBERS.sub(lambda found: " ".join(found[0].split()), text) + "\n")
    return path


def check(run: Run) -> dict[str, Any]:
    """Return a run's content, held against the schema.

    Raises:
        ValueError: it does not keep to it.
    """
    content = asdict(run)
    _validate(content)
    return content


def write(path: Path, text: str) -> None:
    """Write a text file whole or not at all; its folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path, OutputUnavailable) as part:
        part.write_text(text, "utf-8")


def label(text: str) -> str:
    """Return a text as a record may hold it: characters that it may not become "_".

    >>> label("NVIDIA T4™ <b>")
    'NVIDIA T4_ _b_'
    """
    return re.sub(r"[^\w .,:;+=()/%×°±–−∞≤≥-]|(?<=/)/", "_", text, flags=re.ASCII)[:200]


def read(path: Path) -> Run:
    """Read one run.

    Raises:
        ValueError: the file cannot be read, is not JSON, not a run of this schema, or not the run
            that its name says; or it comes from a newer gsutils.
    """
    try:
        return _parsed(path)
    except ValueError as error:
        raise ValueError(f"{path} is not a run of the ledger: {error}") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error


def _parsed(path: Path) -> Run:
    if path.exists() != path.is_file() or (path.is_symlink() and not path.exists()):
        raise ValueError("it is no regular file")  # which might not end, or not be there
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    try:
        content = json.loads(path.read_text("utf-8"), parse_constant=_refuse_constant)
        _validate(content)
        digest = content.pop("sha256", None)
        if digest is not None and digest != _digest(content):
            raise ValueError(
                "its SHA-256 is another: it was changed after it was written; take it from git "
                f"again, or run it again: {content['command']}"
            )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    run = Run(**content)
    if run.name != path.stem:
        raise ValueError(f"its settings and seeds belong to a file called {run.name}.json")
    return run


def _digest(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a record's content, however its file is laid out."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _validate(content: Any) -> None:
    """Hold a record against the JSON schema.

    Raises:
        ValueError: it does not fit; the message says where, and what is expected there.
    """
    version = content.get("schema") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA:
        raise ValueError(
            f"it has schema {version}, and this gsutils knows {SCHEMA}: update gsutils to read it"
        )
    errors = list(_validator().iter_errors(content))
    if not errors:
        return
    # The command repeats settings: of both, these say better what is wrong.
    error = best_match([e for e in errors if "command" not in e.absolute_path] or errors)
    where = "/".join(map(str, error.absolute_path))
    expected = error.schema.get("description")
    said = error.message
    if expected and error.validator != "required":
        said = f"must be {expected}, got {error.instance!r}"
    if where:
        said = f"{where[:80]}: {said}"
    raise ValueError(ascii(said if len(said) < 400 else f"{said[:300]} ... {said[-90:]}")[1:-1])


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(
        json.loads((_PACKAGE / "runs" / "run.schema.json").read_text("utf-8"))
    )


def load(experiment: str, size: str = "paper", source: Path | None = None) -> list[Run]:
    """Return the stored runs of an entry in one size, by name; none is an empty list.

    Raises:
        ValueError: one of them cannot be read, see :func:`read`, or no entry is called so.
    """
    if not re.fullmatch(r"[\w.-]+", experiment, re.ASCII):
        raise ValueError(f"experiment must be the name of an entry, got {experiment!r}")
    files = sorted(Path(source or folder()).glob(f"{experiment}-{size}-*.json"))
    return [read(path) for path in files]


def survey(source: Path | None = None) -> tuple[list[Run], dict[str, str]]:
    """Return all stored runs, by name, and file -> reason of those that cannot be read."""
    runs, refused = [], {}
    for path in sorted(Path(source or folder()).glob("[!.]*.json")):
        try:
            runs.append(_parsed(path))
        except (OSError, ValueError) as error:
            refused[ascii(path.name)[1:-1]] = str(error)
    return runs, refused
