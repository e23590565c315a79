"""A release: what refuses a tag, and what is said of a version.

    python -m tools.release check v0.1.0    tag, version, CITATION.cff and CHANGELOG.md must agree
    python -m tools.release notes           the version's section of CHANGELOG.md
    python -m tools.release address         copy the repository's address to where it is needed

The workflow `.github/workflows/release.yml` runs the first two and packs the files. The last comes
before a fork's first release: then `make notebooks`. Only PyYAML is needed.
"""

import argparse
import re
import sys
from datetime import date
from pathlib import Path

import yaml

from tools.address import address, version

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDER = "OWNER/REPO"
REMEDY = "type python -m tools.release address and make notebooks, and commit"
_REPOSITORY = r"https://github\.com/[^/\s]+/[^/\s\"]+"
# Which addresses stand where: what comes before them.
_ADDRESSES = {
    "CITATION.cff": re.compile(rf"(?m)(?<=^repository-code: ){_REPOSITORY}"),
    "pyproject.toml": re.compile(rf'(?m)(?<= = "){_REPOSITORY}'),
}


def copy_address(root: Path) -> None:
    """Write the repository's address into the files that repeat it, where it is another one."""
    for name, pattern in _ADDRESSES.items():
        text = (root / name).read_text(encoding="utf-8")
        changed = pattern.sub(address(root), text)
        if changed != text:
            (root / name).write_text(changed, encoding="utf-8")


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
        f"repository-code in CITATION.cff must be {address(root)}: {REMEDY}": (
            citation.get("repository-code") == address(root)
        ),
        f"urls in pyproject.toml must have {address(root)}: {REMEDY}": set(
            _ADDRESSES["pyproject.toml"].findall((root / "pyproject.toml").read_text("utf-8"))
        )
        == {address(root)},
        f"the repository's address is still {PLACEHOLDER}: give the checkout its remote": (
            PLACEHOLDER not in address(root)
        ),
    }
    return [problem for problem, holds in found.items() if not holds]


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status is 1 where the tag or the address cannot be used."""
    parser = argparse.ArgumentParser(prog="tools.release", description="Make a release.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check").add_argument("tag")
    commands.add_parser("notes")
    commands.add_parser("address")
    chosen = parser.parse_args(arguments)
    found: list[str] = []
    try:
        if chosen.command == "check":
            found = problems(ROOT, chosen.tag)
        elif chosen.command == "notes":
            print(notes(ROOT), end="")
        else:
            copy_address(ROOT)
    except (OSError, ValueError) as error:
        found = [str(error)]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
