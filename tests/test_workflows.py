"""Every workflow: YAML that GitHub can read, commands that exist, actions that are pinned."""

import re
import subprocess

import pytest
import yaml
from conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
PINNED = re.compile(r"[\w-]+/[\w./-]+@(v\d+(\.\d+)*|[0-9a-f]{40})")


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request):
    return yaml.safe_load(request.param.read_text(encoding="utf-8"))


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def scripts(workflow):
    return [step["run"] for step in steps(workflow) if "run" in step]


def test_there_are_workflows():
    assert {"ci", "pages", "release"} <= {path.stem for path in WORKFLOWS}


def test_it_says_when_it_runs_and_what_it_does(workflow):
    assert workflow["name"]
    assert workflow[True], "`on` is a truth value in YAML"
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert job["steps"]
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])


def test_it_may_only_read_unless_a_job_says_more(workflow):
    assert workflow["permissions"] == {"contents": "read"}


def test_its_jobs_need_jobs_that_exist(workflow):
    for job in workflow["jobs"].values():
        needed = job.get("needs", [])
        assert set([needed] if isinstance(needed, str) else needed) <= workflow["jobs"].keys()


def test_its_actions_are_pinned_to_a_version(workflow):
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert [action for action in used if not PINNED.fullmatch(action)] == []


def test_its_commands_exist(workflow):
    for script in scripts(workflow):
        for target in re.findall(r"\bmake ([a-z]+)", script):
            assert target in TARGETS, f"make {target}"
        for module in re.findall(r"-m (tools[\w.]*)", script):
            place = ROOT / module.replace(".", "/")
            assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module
        for program in re.findall(r"(?<![\w/])\.ci/\w+", script):
            assert (ROOT / program).stat().st_mode & 0o111, f"{program} cannot be run"


def test_its_scripts_are_shell(workflow):
    for script in scripts(workflow):
        plain = re.sub(r"\$\{\{.*?\}\}", "x", script)
        check = subprocess.run(["bash", "-n"], input=plain, text=True, capture_output=True)
        assert check.returncode == 0, check.stderr


def test_nothing_that_strangers_write_reaches_its_shell(workflow):
    for script in scripts(workflow):
        assert not re.search(r"\$\{\{[^}]*(github\.(event|head_ref)|inputs)", script)


def test_the_buttons_lead_to_notebooks_that_are_published_before_the_pages():
    text = (ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert set(jobs["deploy"]["needs"]) == {"build", "notebooks"}
    assert jobs["notebooks"]["permissions"] == {"contents": "write"}
    assert "-m tools.publish" in "".join(scripts({"jobs": {"one": jobs["notebooks"]}}))
    (checkout,) = [s for s in jobs["notebooks"]["steps"] if "checkout" in s.get("uses", "")]
    assert checkout["with"]["fetch-tags"], "the tag of the commit is not seen"


def test_the_book_is_built_and_checked_before_a_release():
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"contents": "write"}
    order = ["tools.release check", ".ci/run", "make pdf", "python -m build"]
    places = ["\n".join(scripts({"jobs": {"build": jobs["build"]}})).index(part) for part in order]
    assert places == sorted(places)
