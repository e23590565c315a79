"""A release: what refuses a tag, and what is said of a version.

    python -m tools.release check v0.1.0    tag, version, CITATION.cff and CHANGELOG.md must agree
    python -m tools.release notes           the version's section of CHANGELOG.md
    python -m tools.release address         copy the repository's address to where it is needed

The workflow `.github/workflows/release.yml` runs the first two and packs the files;
`make notebooks` runs the last. Only PyYAML is needed.
"""

import argparse
import re
import sys
import tomllib
from datetime import date
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDER = "OWNER/REPO"
_REPOSITORY = r"https://github\.com/[^/\s]+/[^/\s\"]+"
_NAMES = r"([A-Za-z0-9][A-Za-z0-9-]*)/(?!\.{1,2}(?:/|$))([A-Za-z0-9_.-]+?)"
# The ways in which people write what `_NAMES` finds: clone addresses, a page of it, the two names.
_FORMS = re.compile(
    r"(?:(?:git\+)?(?:https?|ssh|git)://)?(?:[^@/\s]+@)?(?:www\.)?(?:github\.com[/:])?"
    rf"{_NAMES}(?:\.git)?(?:/(?:tree|blob|wiki|issues|pulls|actions|releases)\b.*)?/?(?:[?#].*)?",
    re.IGNORECASE,
)
# Which addresses stand where: what comes before them.
_ADDRESSES = {
    "CITATION.cff": re.compile(rf"(?m)(?<=^repository-code: ){_REPOSITORY}"),
    "pyproject.toml": re.compile(rf'(?m)(?<= = "){_REPOSITORY}'),
}


def version(root: Path) -> str:
    """The version in `pyproject.toml`."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def address(root: Path) -> str:
    """The repository's address, from the one place that has it, `_config.yml`.

    Raises:
        ValueError: it is not the address of a repository on GitHub.
    """
    try:
        settings = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"_config.yml cannot be read: {' '.join(str(error).split())}") from None
    repository = settings.get("repository") if isinstance(settings, dict) else None
    found = repository.get("url") if isinstance(repository, dict) else None
    text = found if isinstance(found, str) else ""
    if re.fullmatch(rf"https://github\.com/{_NAMES}", text) and not text.endswith(".git"):
        return text
    meant = _FORMS.fullmatch(text.strip())
    write = f"write https://github.com/{meant[1]}/{meant[2]}" if meant else f"got {found!a:.200}"
    raise ValueError(
        "repository url in _config.yml must be like https://github.com/you/book, without .git "
        f"or anything else before or after it: {write}"
    )


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
        "repository-code in CITATION.cff must be the address in _config.yml: make notebooks": (
            citation.get("repository-code") == address(root)
        ),
        "urls in pyproject.toml must have the address in _config.yml: make notebooks": set(
            _ADDRESSES["pyproject.toml"].findall((root / "pyproject.toml").read_text("utf-8"))
        )
        == {address(root)},
        f"the address in _config.yml is still {PLACEHOLDER}: put yours": (
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
