"""A release: what refuses a tag, what is said of a version, and which files go with it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from datetime import date

import pytest
import yaml
from conftest import ROOT

from tools import address, release

FILES = ("pyproject.toml", "CITATION.cff", "CHANGELOG.md", "_config.yml")
TAG = f"v{release.version(ROOT)}"


def read(root, name):
    return (root / name).read_text(encoding="utf-8")


def change(root, name, old, new):
    text = read(root, name)
    assert old in text
    (root / name).write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def tree(tmp_path):
    """What a release is checked by, with an address that is no placeholder."""
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    own = "repository:\n  url: https://github.com/a/b"
    change(tmp_path, "_config.yml", "repository:", own)
    release.copy_address(tmp_path)
    return tmp_path


def test_this_tree_may_be_released_once_it_has_an_address():
    about_the_address = ("the repository's address", "repository-code in", "urls in")
    assert all(p.startswith(about_the_address) for p in release.problems(ROOT, TAG))


def test_the_tag_of_the_version_is_taken(tree):
    assert release.problems(tree, TAG) == []


@pytest.mark.parametrize("tag", ["v9.9.9", TAG[1:], f"{TAG}rc1", "main"])
def test_a_tag_of_another_version_is_refused(tree, tag):
    (problem,) = release.problems(tree, tag)
    assert f"must be {TAG}" in problem
    assert tag in problem


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("CITATION.cff", f"version: {TAG[1:]}", "version: 0.0.1", "version in CITATION.cff"),
        ("CITATION.cff", "date-released: 2", "date-released: x2", "must be a date"),
        ("CITATION.cff", "com/a/b", "com/a/c", "make notebooks"),
        ("pyproject.toml", "com/a/b/issues", "com/a/c/issues", "urls in pyproject.toml"),
        ("CHANGELOG.md", f"## {TAG[1:]}", "## 0.0.1", "CHANGELOG.md must have a section"),
        ("_config.yml", "com/a/b", f"com/{release.PLACEHOLDER}", f"is still {release.PLACEHOLDER}"),
    ],
)
def test_a_tree_that_does_not_fit_is_refused_with_the_remedy(tree, name, old, new, words):
    change(tree, name, old, new)
    assert words in "\n".join(release.problems(tree, TAG))


def test_the_check_fails_with_the_reasons_on_standard_error(capsys):
    assert release.main(["check", "v9.9.9"]) == 1
    assert "got v9.9.9" in capsys.readouterr().err


def test_the_notes_are_the_section_of_the_version_alone(tree, capsys):
    change(tree, "CHANGELOG.md", f"## {TAG[1:]}", "## 99.0.0 (2030-01-01)\n\nNew.\n\n## 0.1.0")
    assert "New." not in release.notes(tree)
    assert release.notes(tree).startswith("The first version.")
    assert release.main(["notes"]) == 0
    assert capsys.readouterr().out == release.notes(ROOT)


def test_the_address_is_copied_from_the_one_place_and_nothing_else_changes(tree):
    before = read(tree, "CITATION.cff")
    change(tree, "_config.yml", "https://github.com/a/b", "https://github.com/c/d")
    release.copy_address(tree)
    assert read(tree, "CITATION.cff") == before.replace("com/a/b", "com/c/d")


def test_the_citation_is_complete():
    citation = yaml.safe_load(read(ROOT, "CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == TAG[1:]
    assert type(citation["date-released"]) is date
    assert citation["license"] == ["MIT", "CC-BY-4.0"]
    assert citation["repository-code"] == address.home(ROOT), release.REMEDY
    (paper,) = citation["references"]
    assert paper["identifiers"][0]["value"] == "10.48550/arXiv.2011.09468"
    assert len(paper["authors"]) == 6


def test_zenodo_is_told_what_the_citation_says():
    citation = yaml.safe_load(read(ROOT, "CITATION.cff"))
    zenodo = json.loads(read(ROOT, ".zenodo.json"))
    assert zenodo["title"] == citation["title"]
    assert zenodo["description"] == citation["abstract"]
    assert zenodo["keywords"] == citation["keywords"]
    assert [person["name"] for person in zenodo["creators"]] == [
        person["name"] for person in citation["authors"]
    ]
    assert (
        zenodo["related_identifiers"][0]["identifier"]
        == (citation["references"][0]["identifiers"][0]["value"])
    )
    assert "version" not in zenodo, "it takes the tag's"


@pytest.fixture
def packed(tree):
    """Runs the workflow's step on a built book in small, but for the package's own build."""
    for name in (
        "_build/html/index.html",
        "_build/html/.nojekyll",
        "_build/html/slides/01.html",
        "_build/gradient-starvation.pdf",
        "book/01.ipynb",
        "book/01.md",
        "results/a.json",
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    jobs = yaml.safe_load(read(ROOT, ".github/workflows/release.yml"))["jobs"]
    (script,) = [step["run"] for step in jobs["build"]["steps"] if step.get("name") == "Pack"]
    (tree / "bin").mkdir()
    (tree / "bin" / "python").write_text("#!/bin/sh\nmkdir -p dist && touch dist/gsutils.whl\n")
    (tree / "bin" / "python").chmod(0o755)
    path = f"{tree / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "GITHUB_REF_NAME": TAG}

    def pack():
        command = ["bash", "-e", "-c", script]
        done = subprocess.run(command, cwd=tree, env=env, capture_output=True, check=False)
        return done.returncode, tree / "dist"

    return pack


def names(archive):
    return {name for name in zipfile.ZipFile(archive).namelist() if not name.endswith("/")}


def test_a_release_has_every_file_and_its_checksum(packed):
    status, dist = packed()
    assert status == 0
    stem = f"gradient-starvation-{TAG[1:]}"
    kinds = {f"{stem}-{kind}.zip" for kind in ("site", "slides", "notebooks", "results")}
    files = {path.name: path for path in dist.iterdir()}
    assert files.keys() == kinds | {f"{stem}.pdf", "gsutils.whl", "SHA256SUMS"}
    for line in files["SHA256SUMS"].read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256(files.pop(name).read_bytes()).hexdigest() == digest
    assert files.keys() == {"SHA256SUMS"}
    assert names(dist / f"{stem}-site.zip") == {"index.html", ".nojekyll", "slides/01.html"}
    assert names(dist / f"{stem}-slides.zip") == {"slides/01.html"}
    assert names(dist / f"{stem}-notebooks.zip") == {"book/01.ipynb"}
    assert names(dist / f"{stem}-results.zip") == {"results/a.json"}


@pytest.mark.parametrize("missing", ["_build/html/slides", "_build/gradient-starvation.pdf"])
def test_a_release_of_which_a_part_is_not_built_fails(packed, tree, missing):
    target = tree / missing
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    assert packed()[0] != 0


UNDERSTOOD = [
    "https://github.com/You/my.book.git",
    "https://github.com/You/my.book/tree/main",
    "https://token@www.github.com/You/my.book.git/?tab=readme#more",
    "HTTP://GitHub.com/You/my.book/",
    "git@github.com:You/my.book.git",
    "ssh://git@github.com/You/my.book.git",
    "git+https://github.com/You/my.book.git",
    "You/my.book",
]
REFUSED = ["https://github.com/you", "https://gitlab.com/book", "https://github.com/you/..", 5]
REFUSED += ["https://github.com/ü/book", "https://you.github.io/book", ["a/b"]]


@pytest.mark.parametrize("written", [*UNDERSTOOD, *REFUSED])
def test_an_address_with_more_than_the_repository_is_refused_with_what_to_write(
    written, tree, monkeypatch, capsys
):
    settings = json.dumps({"repository": {"url": written}})
    (tree / "_config.yml").write_text(settings, encoding="utf-8")
    monkeypatch.setattr(release, "ROOT", tree)
    assert release.main(["address"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    write = "write https://github.com/You/my.book"
    assert line.endswith(write if written in UNDERSTOOD else f"got {written!a}")


@pytest.mark.parametrize("text", ["", "[", "repository: 5", "a: b: c", "\0", "- 1"])
def test_settings_without_an_address_are_refused_in_one_line(text, tmp_path):
    (tmp_path / "_config.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"\A.*_config\.yml.*\Z"):
        release.address(tmp_path)


def test_the_package_builds_both_as_source_and_as_wheel(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    names = sorted(path.name for path in tmp_path.iterdir())
    version = TAG[1:]
    assert names == [f"gsutils-{version}-py3-none-any.whl", f"gsutils-{version}.tar.gz"]
    with zipfile.ZipFile(tmp_path / names[0]) as wheel:
        assert "gsutils/py.typed" in wheel.namelist()
        metadata = wheel.read(f"gsutils-{version}.dist-info/METADATA").decode()
    assert f"Project-URL: Repository, {address.home(ROOT)}\n" in metadata
