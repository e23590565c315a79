"""A fork needs no edit: its address is found, and its notebooks are published with it."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from tools import address, publish
from tools.address import Addresses

GIT = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
PUBLISHED = "https://github.com/us/book"


def git(folder, *arguments):
    done = subprocess.run([*GIT, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A checkout with a commit, without a remote; pyproject.toml names the book's home."""
    for name in ("GITHUB_REPOSITORY", "GITHUB_SERVER_URL", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "clone"
    root.mkdir()
    project = f'[project]\nname = "a"\nversion = "1.2"\nurls.Repository = "{PUBLISHED}"\n'
    (root / "pyproject.toml").write_text(project, encoding="utf-8")
    (root / "_config.yml").write_text("repository:\n  branch: main\n", encoding="utf-8")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "one")
    return root


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/you/book", "https://github.com/you/book"),
        ("https://github.com/you/book.git", "https://github.com/you/book"),
        ("https://github.com/you/book.git/", "https://github.com/you/book"),
        ("https://x-access-token:secret@github.com/you/book.git", "https://github.com/you/book"),
        ("git@github.com:you/book.git", "https://github.com/you/book"),
        ("git@github.com:you/book", "https://github.com/you/book"),
        ("ssh://git@github.com/you/my.book.git", "https://github.com/you/my.book"),
        ("ssh://git@github.com:22/you/book.git", "https://github.com/you/book"),
        ("ssh://git@ssh.github.com:443/you/book.git", "https://github.com/you/book"),
        ("git://github.com/you/book.git", "https://github.com/you/book"),
        ("git@gitlab.example.org:group/sub/book.git", "https://gitlab.example.org/group/sub/book"),
        ("https://git.example.org:8443/you/book.git", "https://git.example.org:8443/you/book"),
        ("file:///srv/book.git", "file:///srv/book.git"),
        ("/srv/book.git", "file:///srv/book.git"),
        ("my-alias:you/book.git", PUBLISHED),  # a host of ssh's settings: nobody else knows it
    ],
)
def test_the_address_is_that_of_the_remote(tree, remote, expected):
    git(tree, "remote", "add", "origin", remote)
    assert address.address(tree, local=True) == expected
    assert "secret" not in str(address.addresses(tree))
    web = PUBLISHED if expected.startswith("file:") else expected  # no page leads to a folder
    assert address.address(tree) == web
    git(tree, "remote", "remove", "origin")  # as in a course's copy, whose settings name it
    settings = f"repository: {{ url: '{web}' }}\n"
    (tree / "_config.yml").write_text(settings, encoding="utf-8")
    assert address.address(tree) == web


def test_a_relative_remote_is_relative_to_the_checkout(tree):
    git(tree, "remote", "add", "origin", "../book.git")
    assert address.address(tree, local=True) == (tree.parent / "book.git").as_uri()


def test_of_several_remotes_origin_counts_and_the_settings_override_it(tree):
    git(tree, "remote", "add", "another", "https://github.com/another/book")
    assert address.address(tree) == "https://github.com/another/book"
    git(tree, "remote", "add", "origin", "https://github.com/you/book")
    assert address.address(tree) == "https://github.com/you/book"
    own = "repository: { url: https://github.com/own/book }\n"
    (tree / "_config.yml").write_text(own, encoding="utf-8")
    assert address.address(tree) == "https://github.com/own/book"


def test_without_a_remote_it_is_the_workflow_s_and_else_the_book_s_home(tree, monkeypatch):
    assert address.address(tree) == PUBLISHED
    monkeypatch.setenv("GITHUB_REPOSITORY", "you/book")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tree.parent))  # of another checkout
    assert address.address(tree) == PUBLISHED
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tree))
    assert address.address(tree) == "https://github.com/you/book"
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.org")
    assert address.address(tree) == "https://git.example.org/you/book"


def test_a_copy_inside_a_checkout_does_not_borrow_its_remote(tree):
    git(tree, "remote", "add", "origin", "https://github.com/you/book")
    copy = tree / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "_config.yml"):
        shutil.copy(tree / name, copy)
    assert address.address(copy) == PUBLISHED
    assert address.ref(copy) == "v1.2"


def test_the_package_comes_from_the_tag_of_the_commit_or_from_the_commit(tree):
    commit = git(tree, "rev-parse", "HEAD")
    assert address.ref(tree) == commit
    git(tree, "tag", "v1.2")
    git(tree, "tag", "v1.10")
    git(tree, "tag", "draft")
    assert address.ref(tree) == "v1.10"
    git(tree, "commit", "--allow-empty", "-qm", "two")
    assert address.ref(tree) == git(tree, "rev-parse", "HEAD") != commit


def test_a_commit_is_unpublished_until_a_remote_has_it(tree, tmp_path):
    assert address.is_unpublished(tree)
    git(tmp_path, "init", "-q", "--bare", "book.git")
    git(tree, "remote", "add", "origin", str(tmp_path / "book.git"))
    assert address.is_unpublished(tree)
    git(tree, "push", "-q", "origin", "HEAD:main")
    assert not address.is_unpublished(tree)
    git(tree, "commit", "-qm", "two", "--allow-empty")
    assert address.is_unpublished(tree)
    git(tree, "push", "-q", "origin", "HEAD:another")
    assert not address.is_unpublished(tree)
    (tmp_path / "unpacked").mkdir()  # no checkout: its version's tag is pinned
    assert not address.is_unpublished(tmp_path / "unpacked")


@pytest.mark.parametrize(
    ("repository", "pages"),
    [
        ("https://github.com/You/Book", "https://you.github.io/Book/"),
        ("https://github.com/You/you.github.io", "https://you.github.io/"),
        ("https://git.example.org/you/book", "https://git.example.org/you/book/"),
    ],
)
def test_the_pages_follow_from_the_repository_unless_they_are_told(repository, pages):
    assert Addresses.of(repository, "v1").pages == pages
    assert Addresses.of(repository, "v1", "https://own.org").pages == "https://own.org/"


@pytest.mark.parametrize("name", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda p: p.stem)
def test_nothing_of_the_home_is_left_in_a_published_notebook(name):
    old = address.committed(ROOT)
    new = Addresses.of("https://github.com/you/fork", "0" * 40)
    text = old.replaced(name.read_text(encoding="utf-8"), new)
    owner, book = old.repository.split("/")[-2:]
    assert not re.search(rf"{owner}[/.\w]*/{book}", text, re.IGNORECASE)
    assert new.package in text.replace('\\"', "")
    assert json.loads(text)["nbformat"] == 4


# --- from a bare repository to an installed package ---------------------------------------------


@pytest.fixture
def host(tmp_path):
    """A bare repository with all that the package and its notebooks need; its `file://` address."""
    work, bare = tmp_path / "work", tmp_path / "book.git"
    for folder in ("gsutils", "results"):
        shutil.copytree(ROOT / folder, work / folder, ignore=lambda *_: {"__pycache__"})
    (work / "book").mkdir()
    for path in (ROOT / "book").glob("0[13]-*.ipynb"):
        shutil.copy(path, work / "book")
    for name in ("pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "_config.yml"):
        shutil.copy(ROOT / name, work)
    git(work, "init", "-q", "-b", "main")
    git(work, "add", ".")
    git(work, "commit", "-qm", "one")
    git(work, "clone", "-q", "--bare", str(work), str(bare))
    return bare.as_uri()


def test_from_a_fork_s_clone_to_the_package_that_its_notebook_installs(host, tmp_path, capsys):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", host, str(clone))
    for _ in range(2):  # a second push replaces the branch
        assert publish.main([], clone) == 0
    said = capsys.readouterr().out
    assert f"2 notebooks on the branch notebooks install git+{host}@" in said
    reader = tmp_path / "reader"
    git(tmp_path, "clone", "-q", "--branch", "notebooks", host, str(reader))
    names = sorted(p.relative_to(reader).as_posix() for p in reader.rglob("*") if p.is_file())
    names = [name for name in names if not name.startswith(".git/")]
    assert names[:2] == ["LICENSE", "README.md"]
    assert len(names) == 4
    cells = json.loads((reader / names[2]).read_text(encoding="utf-8"))["cells"]
    first = "".join(next(cell["source"] for cell in cells if cell["cell_type"] == "code"))
    package = re.search(r'--no-deps "([^"]+)"', first)[1]
    assert package == f"git+{host}@{git(clone, 'rev-parse', 'HEAD')}"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", package]
    command += ["--no-build-isolation", "--target", str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    code = "import gsutils.losses; print(gsutils.__file__)"
    env = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    where = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert where.stdout.startswith(str(tmp_path / "site")), where.stderr


def test_a_host_that_cannot_be_reached_is_reported_in_a_sentence(tree, tmp_path, capsys):
    shutil.copy(ROOT / "_config.yml", tree)
    shutil.copy(ROOT / "LICENSE", tree)
    git(tree, "remote", "add", "origin", str(tmp_path / "nowhere.git"))
    assert publish.main([], tree) == 1
    assert capsys.readouterr().err.startswith("git push failed: ")


def test_notebooks_are_written_into_a_folder_instead(host, tmp_path):
    git(tmp_path, "clone", "-q", host, str(tmp_path / "clone"))
    assert publish.main(["--to", str(tmp_path / "out")], tmp_path / "clone") == 0
    assert len(list((tmp_path / "out" / "book").glob("*.ipynb"))) == 2
    assert host in next((tmp_path / "out" / "book").glob("*.ipynb")).read_text(encoding="utf-8")
