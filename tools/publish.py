"""Publish the notebooks behind the Colab buttons, on a branch of their own.

    python -m tools.publish             # push them to the remote `origin`
    python -m tools.publish --to DIR    # write them into a folder instead

The committed notebooks carry the addresses of the book's home; these carry those of this checkout's
repository, and install the package from the tag of the last commit, or from the commit. The
workflow `.github/workflows/pages.yml` runs this. Only PyYAML and git are needed.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tools import address

ROOT = Path(__file__).resolve().parent.parent
AUTHOR = {"NAME": "The pages workflow", "EMAIL": "pages@localhost"}
README = """\
# Notebooks

They are made from commit {commit} of [this repository]({repository}), and replaced whenever it
changes. Read them as [a book]({pages}).
"""


def branch(root: Path) -> str:
    """The branch to which the Colab buttons lead, as `_config.yml` names it."""
    settings = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return str(settings["sphinx"]["config"]["gsbook_notebooks"])


def notebooks(root: Path) -> dict[str, str]:
    """The committed notebooks with the addresses of this checkout, by their paths."""
    old, new = address.committed(root), address.addresses(root, local=True)
    return {
        path.relative_to(root).as_posix(): old.replaced(path.read_text(encoding="utf-8"), new)
        for path in sorted((root / "book").glob("*.ipynb"))
    }


def publish(root: Path, remote: str = "origin") -> str:
    """Replace the branch by one commit of the notebooks; return what was pushed where.

    Raises:
        RuntimeError: git fails; the message is what it says.
    """
    online, name = address.addresses(root, local=True), branch(root)
    commit = _git(root, "rev-parse", "HEAD")
    files = notebooks(root)
    files["README.md"] = README.format(
        commit=commit[:7], repository=online.repository, pages=online.pages
    )
    files["LICENSE"] = (root / "LICENSE").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        for path, text in files.items():
            blob = _git(root, "hash-object", "-w", "--stdin", text=text)
            _git(root, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", **env)
        tree = _git(root, "write-tree", **env)
    people = {f"GIT_{who}_{k}": v for who in ("AUTHOR", "COMMITTER") for k, v in AUTHOR.items()}
    made = _git(root, "commit-tree", tree, "-m", f"Notebooks of {commit[:7]}", **people)
    _git(root, "push", "--quiet", "--force", remote, f"{made}:refs/heads/{name}")
    return f"{len(files) - 2} notebooks on the branch {name} install {online.package}"


def _git(root: Path, *arguments: str, text: str = "", **environment: str) -> str:
    run = subprocess.run(
        ["git", *arguments],
        cwd=root,
        env=address.own_environment() | environment,
        input=text,
        capture_output=True,
        text=True,
    )
    if run.returncode:
        raise RuntimeError(f"git {arguments[0]} failed: {run.stderr.strip()}")
    return run.stdout.strip()


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Publish the notebooks; the exit status is 1 where that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tools.publish")
    parser.add_argument("--to", type=Path, help="a folder to write into, instead of pushing")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.to is None:
            print(publish(root))
            return 0
        for name, text in notebooks(root).items():
            path = chosen.to / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except (OSError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
