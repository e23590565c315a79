r"""Where a checkout's repository is found, and which state of it a notebook installs.

A fork needs no edit: `_config.yml` may name the address, else git's remote does, else the workflow
that runs, else `pyproject.toml`, which has the address that the committed notebooks carry. Only
PyYAML is needed, and git where there is one.

>>> online("git@github.com:you/book.git")
'https://github.com/you/book'
>>> Addresses.of("https://github.com/You/book", "v1.0").package
'gsutils @ git+https://github.com/You/book@v1.0'
"""

import os
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

GITHUB = "https://github.com/"
_NAMES = r"([A-Za-z0-9][A-Za-z0-9-]*)/(?!\.{1,2}(?:/|$))([A-Za-z0-9_.-]+?)"
# The ways in which people write what `_NAMES` finds: clone addresses, a page of it, the two names.
_FORMS = re.compile(
    r"(?:(?:git\+)?(?:https?|ssh|git)://)?(?:[^@/\s]+@)?(?:www\.)?(?:github\.com[/:])?"
    rf"{_NAMES}(?:\.git)?(?:/(?:tree|blob|wiki|issues|pulls|actions|releases)\b.*)?/?(?:[?#].*)?",
    re.IGNORECASE,
)
_SCP = re.compile(r"(?:[^@/\s]+@)?([\w-]+(?:\.[\w-]+)+):(?!/)(\S+)")  # git@host.org:you/book


@dataclass(frozen=True)
class Addresses:
    """Where notebooks find things.

    Attributes:
        repository: the repository itself.
        package: what pip installs to get the package, from a tag or a commit.
        pages: the published pages, ending in "/".
        files: the repository's files at that tag or commit, ending in "/".
        ask: whom to ask where the package cannot be installed: "ask …".
    """

    repository: str
    package: str
    pages: str
    files: str
    ask: str

    @classmethod
    def of(cls, repository: str, ref: str, pages: str = "") -> "Addresses":
        """The addresses in a repository at a tag or commit, with its pages where they are known."""
        files = f"{repository}/raw/{ref}/"
        owner, name = repository.split("/")[-2:]
        if repository.startswith(GITHUB):
            files = f"https://raw.githubusercontent.com/{owner}/{name}/{ref}/"
            host = f"{owner.lower()}.github.io"
            pages = pages or f"https://{host}/{name}".removesuffix(f"/{host}")
        pages = pages or repository
        web = repository.startswith("https:")
        ask = f"at {repository}/issues" if web else "whoever gave you this notebook"
        named = "" if repository.startswith("file:") else "gsutils @ "  # pip takes no name there
        package = f"{named}git+{repository}@{ref}"
        return cls(repository, package, pages.rstrip("/") + "/", files, ask)

    def replaced(self, text: str, others: "Addresses") -> str:
        """A text with these addresses, those of `others` in their places."""
        for old, new in zip(
            (self.package, self.files, self.pages, self.ask, self.repository),
            (others.package, others.files, others.pages, others.ask, others.repository),
            strict=True,
        ):
            text = text.replace(old, new)
        return text


def own_environment() -> dict[str, str]:
    """This process's environment without git's variables, which in a hook name another checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def git(root: Path, *arguments: str, **environment: str) -> str:
    """What git prints, or nothing where it fails or there is none."""
    try:
        run = subprocess.run(
            ["git", *arguments],
            cwd=root, env=own_environment() | environment, capture_output=True, text=True,
        )  # fmt: skip
    except FileNotFoundError:
        return ""
    return "" if run.returncode else run.stdout.strip()


def is_checkout(root: Path) -> bool:
    """Whether a folder is the top of a git checkout, not a copy inside another one."""
    top = git(root, "rev-parse", "--show-toplevel")
    return bool(top) and Path(top).resolve() == root.resolve()


def online(remote: str, root: Path = Path()) -> str:
    """The address that stands for a git remote; "" for one whose host only ssh's settings know.

    Args:
        remote: as `git remote get-url` prints it, or as a workflow names it.
        root: the checkout, from which a path is relative.

    >>> [online(f"{scheme}github.com/a/b") for scheme in ("https://token@", "ssh://git@", "git://")]
    ['https://github.com/a/b', 'https://github.com/a/b', 'https://github.com/a/b']
    >>> online("ssh://git@ssh.github.com:443/a/b.git"), online("file:///srv/b.git")
    ('https://github.com/a/b', 'file:///srv/b.git')
    >>> online("github-work:a/b.git")
    ''
    """
    remote = remote.strip().rstrip("/")
    if found := _SCP.fullmatch(remote):
        host, path = found.groups()
    elif "://" in remote:
        parts = urlsplit(remote)
        if parts.scheme == "file":
            return remote
        host, path = parts.hostname or "", parts.path.strip("/")
        if parts.scheme in ("http", "https") and parts.port:
            host = f"{host}:{parts.port}"
    elif remote and (remote.startswith((".", "/")) or (root / remote).exists()):
        return (root / remote).resolve().as_uri()
    else:
        return ""
    host = "github.com" if host == "ssh.github.com" else host
    return f"https://{host}/{path.removesuffix('.git')}" if host and path else ""


def home(root: Path) -> str:
    """The address in `pyproject.toml`, that of the book itself and of the committed notebooks."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["urls"]["Repository"])


def settings(root: Path) -> dict[str, Any]:
    """What `_config.yml` holds.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        found = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"_config.yml cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise ValueError(f"_config.yml must hold keys and their values, got {found!a:.200}")
    return found


def is_plain(text: str) -> bool:
    """Whether a text is an address of a repository as `_config.yml` may name it, and nothing else.

    >>> [is_plain(f"https://{name}") for name in ("github.com/a/b", "a.org/b/c/d", "github.com/a")]
    [True, True, False]
    """
    if text.startswith(GITHUB):
        return bool(re.fullmatch(rf"{GITHUB}{_NAMES}", text)) and not text.endswith(".git")
    web = r"https://[\w-]+(\.[\w-]+)+(:\d+)?(/[\w.~-]+){2,}(?<!\.git)"
    return bool(re.fullmatch(web, text, re.ASCII))


def configured(root: Path) -> str:
    """The address that `_config.yml` names, "" where it names none.

    Raises:
        ValueError: it is not that of a repository.
    """
    repository = settings(root).get("repository") or {}
    found = repository.get("url") if isinstance(repository, dict) else repository
    if found is None or found == "":
        return ""
    text = found if isinstance(found, str) else ""
    if is_plain(text):
        return text
    meant = _FORMS.fullmatch(text.strip())
    write = f"write {GITHUB}{meant[1]}/{meant[2]}" if meant else f"got {found!a:.200}"
    raise ValueError(
        "repository url in _config.yml must be like https://github.com/you/book, without .git "
        f"or anything else before or after it: {write}"
    )


def address(root: Path, local: bool = False) -> str:
    """The address of the repository of the checkout in `root`.

    Args:
        root: the checkout.
        local: whether a remote may be a folder, to which no page can lead its readers.

    Raises:
        ValueError: `_config.yml` names one that is not that of a repository on the web.
    """
    if found := configured(root):
        return found
    if is_checkout(root):
        remotes = git(root, "remote").split()
        for remote in sorted(remotes, key=lambda name: name != "origin"):
            found = online(git(root, "remote", "get-url", remote), root)
            if found and (local or not found.startswith("file:")):
                return found
    workspace = os.environ.get("GITHUB_WORKSPACE", "")
    if (name := os.environ.get("GITHUB_REPOSITORY")) and Path(workspace) == root.resolve():
        return f"{os.environ.get('GITHUB_SERVER_URL') or GITHUB.rstrip('/')}/{name}"
    return home(root)


def version(root: Path) -> str:
    """The version in `pyproject.toml`."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def ref(root: Path) -> str:
    """The tag of the checkout's last commit, or the commit; outside a checkout, the version's."""
    if is_checkout(root) and (commit := git(root, "rev-parse", "HEAD")):
        tags = git(root, "tag", "--points-at", "HEAD", "--sort=-version:refname", "v*").split()
        return next(iter(tags), commit)
    return f"v{version(root)}"


def is_unpublished(root: Path) -> bool:
    """Whether no branch of a remote has the last commit of the checkout in `root`, as last seen.

    What `ref` names cannot be installed then. No remote is asked.
    """
    if not is_checkout(root) or not git(root, "rev-parse", "HEAD"):
        return False
    return not git(root, "branch", "--remotes", "--contains", "HEAD")


def addresses(root: Path, local: bool = False) -> Addresses:
    """The addresses of the checkout in `root`, as its repository has them; `local` as in `address`.

    Raises:
        ValueError: see `address`.
    """
    pages = (settings(root).get("html") or {}).get("baseurl") or ""
    return Addresses.of(address(root, local), ref(root), pages)


def committed(root: Path) -> Addresses:
    """The addresses that the committed notebooks carry in every fork, of the version's tag."""
    return Addresses.of(home(root), f"v{version(root)}")
