"""A release: whether a tag may become one, what is said of it, and the files that go with it.

    python -m tools.release check v0.1.0    refuse a tag that the tree does not fit
    python -m tools.release notes           the version's section of CHANGELOG.md
    python -m tools.release files dist      pack site, PDF, notebooks, slides, results and package
    python -m tools.release address         copy the repository's address into CITATION.cff

The workflow `.github/workflows/release.yml` runs the first three, `make notebooks` the last. Only
PyYAML is needed for all but `files`, which wants a built book (`make book`, `make pdf`).
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
NAME = "gradient-starvation"
PLACEHOLDER = "OWNER/REPO"
_ADDRESS = re.compile(r"(?m)^repository-code: .*$")


def version(root: Path) -> str:
    """The version in `pyproject.toml`."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def address(root: Path) -> str:
    """The repository's address, from the one place that has it, `_config.yml`."""
    settings = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return str(settings["repository"]["url"])


def copy_address(root: Path) -> None:
    """Write the repository's address into `CITATION.cff`, if it is another one there."""
    path = root / "CITATION.cff"
    text = path.read_text(encoding="utf-8")
    changed = _ADDRESS.sub(f"repository-code: {address(root)}", text)
    if changed != text:
        path.write_text(changed, encoding="utf-8")


def notes(root: Path) -> str:
    """What `CHANGELOG.md` says of the version; nothing if it has no section for it."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## {re.escape(version(root))} \((\S+)\)\n"
    found = re.search(heading + r"(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[2].strip() + "\n" if found else ""


def problems(root: Path, tag: str) -> list[str]:
    """Why `tag` must not become a release of the tree at `root`; empty if it may."""
    number = version(root)
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    released = citation.get("date-released")
    heading = f"## {number} ({released})"
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    found = {
        f"the tag must be v{number}, the version in pyproject.toml, got {tag}": tag == f"v{number}",
        f"version in CITATION.cff must be {number}, got {citation.get('version')}": (
            citation.get("version") == number
        ),
        f"date-released in CITATION.cff must be a date like 2026-05-07, got {released}": (
            isinstance(released, date)
        ),
        f"CHANGELOG.md must have a section {heading!r} that says what is new": (
            heading in changes and bool(notes(root))
        ),
        "repository-code in CITATION.cff must be the address in _config.yml: make notebooks": (
            citation.get("repository-code") == address(root)
        ),
        f"the address in _config.yml is still {PLACEHOLDER}: put yours": (
            PLACEHOLDER not in address(root)
        ),
    }
    return [problem for problem, holds in found.items() if not holds]


def pack(target: Path, root: Path, paths: Iterable[Path]) -> None:
    """Write the files `paths`, below `root`, into the archive `target`, alike at every time.

    Raises:
        FileNotFoundError: there is nothing to pack.
    """
    files = sorted(path for path in paths if path.is_file())
    if not files:
        raise FileNotFoundError(f"nothing for {target.name} below {root}: make book pdf")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix())
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def make_files(root: Path, target: Path) -> None:
    """Fill the folder `target` with the files of a release and their checksums.

    Raises:
        FileNotFoundError: the book or its PDF is not built.
        subprocess.CalledProcessError: the package does not build.
    """
    target.mkdir(parents=True, exist_ok=True)
    stem = target / f"{NAME}-{version(root)}"
    html, pdf = root / "_build" / "html", root / "_build" / f"{NAME}.pdf"
    pack(Path(f"{stem}-site.zip"), html, html.rglob("*"))
    pack(Path(f"{stem}-slides.zip"), html, (html / "slides").rglob("*"))
    pack(Path(f"{stem}-notebooks.zip"), root, root.glob("book/*.ipynb"))
    pack(Path(f"{stem}-results.zip"), root, root.glob("results/**/*"))
    shutil.copyfile(pdf, Path(f"{stem}.pdf"))
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(target.resolve())]
    subprocess.run(build, cwd=root, check=True)
    made = sorted(path for path in target.iterdir() if path.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in made]
    (target / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status is 1 where the tag must not become a release."""
    parser = argparse.ArgumentParser(prog="tools.release", description="Make a release.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check").add_argument("tag")
    commands.add_parser("notes")
    commands.add_parser("files").add_argument("folder", type=Path)
    commands.add_parser("address")
    chosen = parser.parse_args(arguments)
    if chosen.command == "check":
        found = problems(ROOT, chosen.tag)
        print("\n".join(found), file=sys.stderr, end="\n" if found else "")
        return 1 if found else 0
    if chosen.command == "notes":
        print(notes(ROOT), end="")
    elif chosen.command == "files":
        make_files(ROOT, chosen.folder)
    else:
        copy_address(ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
