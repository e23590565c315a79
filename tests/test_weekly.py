"""The weekly check: what its workflow may do and says once, and which links are asked."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "weekly.yml").read_text("utf-8"))
JOBS = WORKFLOW["jobs"]
RUN = "https://github.com/a/b/actions/runs/1"


def commands(job):
    return "\n".join(step.get("run", "") for step in JOBS[job]["steps"])


def test_only_the_report_may_write_and_only_issues():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    granted = {name: job["permissions"] for name, job in JOBS.items() if "permissions" in job}
    assert granted == {"report": {"issues": "write"}}


def test_it_runs_the_commands_that_the_makefile_has():
    help_text = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    for job, command in (("newest", "make test"), ("colab", "make colab"), ("links", "make links")):
        assert command in commands(job)
        assert command in help_text
    assert "requirements.txt" not in commands("newest")
    assert set(JOBS["report"]["needs"]) == JOBS.keys() - {"report"}


@pytest.fixture
def github(tmp_path, monkeypatch):
    """Runs the report beside a stand-in for GitHub's command; returns what that was asked."""
    log = tmp_path / "log"
    lines = [f'printf "%s|" "$@" >> {log}', f"echo >> {log}", 'test "$2" != list || echo "$OPEN"']
    (tmp_path / "gh").write_text("\n".join(["#!/bin/sh", *lines]))
    (tmp_path / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def report(open_issue):
        env = os.environ | {"OPEN": open_issue, "RESULTS": "links: failure", "RUN": RUN}
        subprocess.run(["bash", "-e", "-c", commands("report")], env=env, check=True)
        return [line.split("|")[:-1] for line in log.read_text().splitlines()]

    return report


def test_the_first_failure_opens_an_issue(github):
    listed, label, create = github("")
    assert listed[:2] == ["issue", "list"]
    assert {"--label", "weekly", "--state", "open"} <= set(listed)
    assert label[:3] == ["label", "create", "weekly"]
    assert create[:4] == ["issue", "create", "--label", "weekly"]
    assert create[-1] == f"links: failure. What failed: {RUN}"


def test_the_next_failure_adds_to_the_issue_that_is_open(github):
    _, comment = github("7")
    assert comment == ["issue", "comment", "7", "--body", f"links: failure. What failed: {RUN}"]


# --- links -----------------------------------------------------------------------------------


def test_the_links_of_pages_notebooks_and_readme_are_asked():
    command = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.installed", "links"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    program, *arguments = shlex.split(done.stdout)
    assert program == ".venv/bin/lychee"
    assert arguments[:2] == ["--config", "lychee.toml"]
    asked = set(arguments[2:])
    wanted = {path for kind in ("md", "ipynb", "bib") for path in ROOT.glob(f"book/*.{kind}")}
    wanted |= {*ROOT.glob("*.md"), ROOT / "CITATION.cff"}
    assert asked == {path.relative_to(ROOT).as_posix() for path in wanted}


def test_only_addresses_of_other_sites_are_asked_that_a_reader_can_follow(tmp_path):
    owner = "https://github.com/OWNER" + "/REPO"  # not yet filled in
    (tmp_path / "a.md").write_text(
        f"<https://a.org/x_(y)> [tag](https://owner.github.io/REPO/x.html) <{owner}/blob/main/a.py>"
        " <http://localhost:8000> [b](b.md) `git+https://b.org/c@v1` [d](https://d.org/owner)"
    )
    cell = {"cell_type": "markdown", "id": "1", "metadata": {}, "source": "[e](https://e.org/f)"}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    lychee = Path(sys.executable).parent / "lychee"
    command = [lychee, "--config", ROOT / "lychee.toml", "--dump", "a.md", "a.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert found == {"https://a.org/x_(y)", "https://d.org/owner", "https://e.org/f"}


def test_a_site_that_does_not_answer_is_an_error_that_is_named(tmp_path):
    (tmp_path / "a.md").write_text("<http://127.0.0.1:9/x>")
    settings = (ROOT / "lychee.toml").read_text().replace("loopback = true", "loopback = false")
    (tmp_path / "lychee.toml").write_text(settings)
    lychee = Path(sys.executable).parent / "lychee"
    command = [lychee, "--config", "lychee.toml", "--max-retries=0", "a.md"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "http://127.0.0.1:9/x" in done.stdout
