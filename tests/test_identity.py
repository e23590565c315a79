"""What a page says of its book: version, commit, licence, number, cost."""

import re
import subprocess
from types import SimpleNamespace

import pytest
from conftest import ROOT
from PIL import Image
from sphinx.errors import ConfigError

from gsutils.experiments import ENTRIES
from gsutils.ledger.verdicts import summary
from gsutils.runs import records
from tools import address, identity
from tools.identity import Provenance, footer, opening, provenance

GIT = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]


@pytest.fixture
def tree(tmp_path):
    project = '[project]\nname = "a"\nversion = "1.2"\n'
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    return tmp_path


def commit(tree):
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*GIT, *command], cwd=tree, check=True, capture_output=True)


def test_outside_a_checkout_only_the_version_is_known(tree):
    assert provenance(tree) == Provenance("1.2")
    assert "Version 1.2, built outside a git checkout." in footer(provenance(tree), "r", "main")


def test_a_machine_without_git_is_no_error(tree, monkeypatch):
    monkeypatch.setenv("PATH", str(tree))
    assert provenance(tree) == Provenance("1.2")


def test_a_folder_inside_another_checkout_does_not_borrow_its_commit(tree):
    commit(tree)
    inner = tree / "copy"
    inner.mkdir()
    (inner / "pyproject.toml").write_text('[project]\nversion = "3"\n', encoding="utf-8")
    assert provenance(inner) == Provenance("3")


def test_the_commit_its_date_and_local_changes_are_told(tree):
    (tree / "course.yml").touch()
    commit(tree)
    clean = provenance(tree)
    assert provenance(tree) == clean, "not deterministic"
    assert len(clean.commit) >= 7
    assert not clean.changed
    assert clean.date.count("-") == 2
    text = footer(clean, "https://a.org/b", "main")
    assert f'<a href="https://a.org/b/commit/{clean.commit}">' in text
    assert "https://a.org/b/blob/main/CITATION.cff" in text
    assert "local changes" not in text
    (tree / "untracked.txt").write_text("", encoding="utf-8")
    assert provenance(tree) == clean
    (tree / "course.yml").write_text("title: mine\n", encoding="utf-8")
    assert provenance(tree) == clean, "a course is made of the book, not the book of it"
    (tree / "pyproject.toml").write_text('[project]\nversion = "1.3"\n', encoding="utf-8")
    assert provenance(tree) == clean._replace(version="1.3", changed=True)
    assert "with local changes" in footer(provenance(tree), "r", "main")


def test_an_opening_names_the_costs_and_the_way_to_colab():
    line = opening({"cpu": "a minute < two", "gpu": "not needed"}, "https://colab/x?a&b")
    assert "<b>To run</b> a minute &lt; two" in line
    assert "<b>GPU</b> not needed" in line
    assert 'href="https://colab/x?a&amp;b">Open in Colab</a>' in line
    assert opening({}, "") == ""


@pytest.mark.parametrize(
    ("page", "settings", "body", "expected"),
    [
        (
            "book/01-a",
            '{"cost": {"cpu": "a minute"}}',
            "<h1>A<a>#</a></h1>\n<p>Why?</p><p>Text.</p>",
            '<h1><span class="gs-chapter">Chapter 1 </span>A<a>#</a></h1>\n<p>Why?</p>\n'
            '<p class="gs-opening"><span><b>To run</b> a minute</span></p><p>Text.</p>',
        ),
        (
            "book/02-b",
            '{"cost": {"cpu": "a minute"}}',
            "<h1>B</h1>\n<p>Why?</p><p>Text.</p>"
            '<div class="tip admonition">\n<p class="admonition-title">Before you start</p>\n'
            "<p>For all.</p>\n</div><div>More</div>",
            '<h1><span class="gs-chapter">Chapter 2 </span>B</h1>\n<p>Why?</p>\n<p>Text.</p>'
            '<div class="tip admonition">\n<p class="admonition-title">Before you start</p>\n'
            '<p>For all.</p>\n<p class="gs-opening"><span><b>To run</b> a minute</span></p>\n'
            "</div><div>More</div>",
        ),
        (
            "book/ledger",
            '{"cost": {"cpu": "a second"}}',
            "<h1>L</h1><p>All.</p>",
            '<h1>L</h1><p>All.</p>\n<p class="gs-opening"><span><b>To run</b> a second</span></p>',
        ),
        ("book/plain", None, "<h1>P</h1><p>Text.</p>", "<h1>P</h1><p>Text.</p>"),
    ],
)
def test_a_chapter_opens_with_number_question_and_cost(page, settings, body, expected):
    metadata = {page: {"gsbook": settings} if settings else {}}
    context = {"body": body}
    app = SimpleNamespace(env=SimpleNamespace(metadata=metadata))
    identity.open_chapter(app, page, "page.html", context, None)
    assert context["body"] == expected


def test_the_first_page_has_the_counts_of_the_stored_results_and_none_that_is_typed():
    text = (ROOT / "book" / "intro.md").read_text(encoding="utf-8")
    source = [text]
    identity.count(None, "book/intro", source)
    runs, _ = records.survey()
    assert source[0] == text.replace("{{ ledger_summary }}", summary(ENTRIES.values(), runs))
    assert re.search(r"Of the \d+ numbers that the paper prints, \d+ have been run here", source[0])
    assert "numbers that the paper prints" not in text
    other = ["# A page"]
    identity.count(None, "book/a", other)
    assert other == ["# A page"]


def test_a_page_that_asks_for_them_has_the_address_and_what_pip_installs():
    page = ["pip install {{ package }}, git clone {{ repository }}"]
    identity.count(SimpleNamespace(srcdir=ROOT), "book/api", page)
    online = address.addresses(ROOT)
    assert page == [f"pip install {online.package}, git clone {online.repository}"]


def test_the_card_is_of_the_size_that_its_tags_tell():
    card = ROOT / "book" / identity.CARD
    with Image.open(card) as picture:
        assert picture.size == identity.CARD_SIZE
    assert card.stat().st_size < 200_000


def test_a_build_with_an_unusable_address_stops_in_one_sentence(tree):
    config = "repository: { url: https://github.com/a/b.git }\n"
    (tree / "_config.yml").write_text(config, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"without \.git .*: write https://github\.com/a/b$"):
        identity.set_addresses(SimpleNamespace(srcdir=tree), SimpleNamespace())
