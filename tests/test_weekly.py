"""The weekly check: what its workflow may do and says once, and what counts as a broken link."""

import json
import os
import subprocess

import pytest
import yaml
from conftest import ROOT

from tools import links

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


def record(uri, status, info="", filename="book/a.md.rst"):
    return {"uri": uri, "status": status, "info": info, "filename": filename}


GOOD = record("https://good.org", "working")
GONE = record("https://gone.org", "broken", "404 Client Error: Not Found")
UNREACHED = record("https://far.org", "broken", "NameResolutionError: far.org")


def test_a_broken_link_is_named_with_the_file_that_has_it():
    status, lines = links.verdict([GOOD, GONE, GONE | {"filename": "README.md.rst"}])
    assert status == 1
    assert lines == [
        "README.md: https://gone.org: 404 Client Error: Not Found",
        "book/a.md: https://gone.org: 404 Client Error: Not Found",
        "1 of 2 addresses broken",
    ]


@pytest.mark.parametrize("status", ["working", "redirected", "ignored"])
def test_a_link_that_leads_somewhere_is_no_problem(status):
    assert links.verdict([GOOD, record("https://b.org", status)])[0] == 0


def test_a_site_that_is_too_slow_is_broken_and_without_network_no_site_is():
    assert links.verdict([GOOD, record("https://slow.org", "timeout")])[0] == 1
    assert links.verdict([GOOD, UNREACHED])[0] == 1
    status, (line,) = links.verdict([UNREACHED])
    assert status == 2
    assert line == "none of 1 addresses could be reached: is there a network?"


def test_pages_notebooks_and_readme_are_asked_for_the_addresses_that_they_show(tmp_path):
    (tmp_path / "book").mkdir()
    repository = "https://github.com/OWNER" + "/REPO"  # not yet filled in
    (tmp_path / "_config.yml").write_text(f"repository: {{ url: {repository} }}\n")
    page = "[a](http://127.0.0.1:9/a) and [tag](https://owner.github.io/REPO/x.html)"
    (tmp_path / "book" / "a.md").write_text(page)
    (tmp_path / "README.md").write_text("<http://127.0.0.1:9/a>")
    cell = {"cell_type": "markdown", "id": "1", "metadata": {}, "source": "(http://127.0.0.1:9/b)"}
    code = {
        "cell_type": "code", "id": "2", "metadata": {}, "outputs": [], "execution_count": None,
        "source": f'%pip install "gsutils @ git+{repository}@v1"',
    }  # fmt: skip
    notebook = {"cells": [cell, code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "book" / "a.ipynb").write_text(json.dumps(notebook))
    found = {(r["filename"], r["uri"], r["status"]) for r in links.check(tmp_path)}
    assert found == {
        ("README.md.rst", "http://127.0.0.1:9/a", "broken"),
        ("book/a.ipynb.rst", "http://127.0.0.1:9/b", "broken"),
        ("book/a.md.rst", "https://owner.github.io/REPO/x.html", "ignored"),
    }
