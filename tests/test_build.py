"""The build on a tiny book: what is executed when, and what makes it fail."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from conftest import ROOT
from PIL import Image

from tools import ahead, gsbook
from tools import book as book_tool
from tools.book import INPUT_FOLDERS, INPUTS, STAMP

CHAPTER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# {title}

```{{code-cell}} ipython3
{code}
```
"""

PACKAGE = {
    "__init__.py": "__version__ = '0.1.0'\n",
    "top.py": "from . import middle\n\nvalue = middle.value\n",
    "middle.py": "from gsutils.deep.bottom import value\n",
    "deep/__init__.py": "",
    "deep/bottom.py": "value = 'one'\n",
    "aside.py": "value = 'aside'\n",
    "gathers/__init__.py": "from gsutils.gathers.one import a\nfrom gsutils.gathers.two import b\n",
    "gathers/one.py": "a = 1\n",
    "gathers/two.py": "b = 2\n",
    "runs/__init__.py": "",
    "runs/records.py": "",
    "data/__init__.py": "",
    "data/fetch.py": "def cached():\n    return {}\n",
}


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def chapter(code, title="A chapter"):
    return CHAPTER.format(title=title, code=code)


@pytest.fixture
def tree(tmp_path):
    """A repository with the tiny package, one stored result and no book."""
    write(tmp_path / "gsutils", PACKAGE)
    write(tmp_path, {"results/a.json": "{}", "pyproject.toml": "[project]\ndependencies = []\n"})
    return tmp_path


@pytest.mark.parametrize(
    ("code", "changed", "matters"),
    [
        ("from gsutils.top import value", "deep/bottom.py", True),
        ("from gsutils import top", "deep/bottom.py", True),
        ("import gsutils.top as t", "deep/__init__.py", True),
        ("%matplotlib inline\nimport gsutils.top", "middle.py", True),
        ("def f():\n    from gsutils import aside", "aside.py", True),
        ("import gsutils", "table.csv", True),
        ("for in", "aside.py", True),
        ("from gsutils.top import value", "aside.py", False),
        ("from gsutils.runs import records", "../results/a.json", True),
        ("from gsutils.runs import records", "../results/new.json", True),
        ("from gsutils import top", "../results/a.json", False),
        ("import math", "__init__.py", False),
        ("from gsutils import gathers", "gathers/two.py", True),
        ("from gsutils.gathers import a", "gathers/two.py", True),
        ("from gsutils.gathers import one", "gathers/__init__.py", True),
        ("from gsutils.gathers import one", "gathers/two.py", False),
        ("import gsutils.gathers.one", "gathers/two.py", False),
        ("import importlib\nimportlib.import_module('gsutils.top')", "deep/bottom.py", True),
        ("import importlib\nimportlib.import_module('gsutils.top')", "aside.py", False),
        ("import importlib\nimportlib.import_module(str())", "aside.py", True),
    ],
)
def test_a_chapter_depends_on_just_what_it_uses(tree, code, changed, matters):
    before = gsbook.chapter_digest(tree, chapter(code))
    write(tree / "gsutils", {changed: "# changed\n"})
    assert (gsbook.chapter_digest(tree, chapter(code)) != before) == matters


def test_a_module_that_imports_by_computed_names_stands_for_all(tree):
    write(
        tree / "gsutils",
        {"top.py": "import importlib\nimportlib.import_module('gsutils.' + 'x')\n"},
    )
    test_a_chapter_depends_on_just_what_it_uses(tree, "import gsutils.top", "aside.py", True)


def test_the_modules_that_read_results_and_data_are_where_the_digest_looks_for_them():
    assert all((ROOT / gsbook.PACKAGE / name).is_file() for name in (gsbook.RECORDS, gsbook.FETCH))


def test_size_and_data_at_hand_matter_to_the_chapters_that_can_see_them(tree, monkeypatch):
    def digests():
        return [
            gsbook.chapter_digest(tree, chapter(f"import {name}"))
            for name in ("math", "gsutils.top", "gsutils.data.fetch")
        ]

    monkeypatch.delenv("GSUTILS_SIZE", raising=False)
    monkeypatch.setitem(sys.modules, "gsutils.data.fetch", SimpleNamespace(cached=dict))
    plain, small, loading = digests()
    found = SimpleNamespace(cached=lambda: {"mnist": "MNIST"})
    monkeypatch.setitem(sys.modules, "gsutils.data.fetch", found)
    assert [new == old for new, old in zip(digests(), [plain, small, loading], strict=True)] == [
        True,
        True,
        False,
    ]
    monkeypatch.setenv("GSUTILS_SIZE", "paper")
    assert digests()[0] == plain
    assert digests()[1] != small


def test_the_digest_enters_the_kernelspec_and_no_line_moves(tree):
    text = chapter("import gsutils.top")
    source = [text]
    gsbook.add_digest(SimpleNamespace(srcdir=tree), "book/a", source)
    head, body = source[0].split("\n---\n", 1)
    digest = gsbook.chapter_digest(tree, text)
    assert json.loads(head.removeprefix("---\n"))["kernelspec"]["inputs"] == digest
    assert source[0].count("\n") == text.count("\n")
    assert body == text.split("\n---\n", 1)[1]
    plain = ["# A page without code\n"]
    gsbook.add_digest(SimpleNamespace(srcdir=tree), "book/b", plain)
    assert plain == ["# A page without code\n"]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A tiny book of two chapters, with the settings and tools of this one."""
    root = tmp_path_factory.mktemp("book") / "100 % [a]? #1 'ü' $5"
    root.mkdir()
    for name in ("_config.yml", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, root)
    for name in ("tools", "book/_static"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "book/references.bib", root / "book")
    write(root / "gsutils", PACKAGE)
    shutil.copy(ROOT / "gsutils/text.py", root / "gsutils")  # for tools.typography
    shutil.copytree(ROOT / "gsutils/page", root / "gsutils/page")
    pages = [{"file": f"book/{name}.md"} for name in ("deep", "aside")]
    toc = {"format": "jb-book", "root": "book/intro.md", "chapters": pages}
    intro = "# Intro\n\n```{nb-exec-table}\n```\n"
    slow = "import time\nprint('one line,', end=' ')\ntime.sleep(0.5)\nprint('one piece')"
    note = "with open('../_build/log', 'a') as log: print('{}', file=log)\n"
    deep = chapter(
        f"{note.format('deep')}from gsutils.top import value\nprint('deep is', value)\n{slow}",
        "Deep",
    )
    panels = (
        "import matplotlib.pyplot as plt\nfrom gsutils.page import plots\nplots.use_style()\n"
        "plt.subplots(1, 3, figsize=(10, 3))\nplt.show()"
    )
    aside = chapter(
        f"{note.format('aside')}from gsutils.aside import value\nprint(value)\n{panels}", "Aside"
    )
    write(root, {"_toc.yml": json.dumps(toc), "book/intro.md": intro})
    write(root, {"book/deep.md": deep, "book/aside.md": aside})
    return root


# What a shell may have set, another checkout's package among it: no page must show it.
SURROUNDINGS = {
    "GIT_DIR": "/nowhere",
    "IPYTHONDIR": "/nowhere",
    "JPY_SESSION_NAME": "notebook",
    "JUPYTER_PATH": "/nowhere",
    "MATPLOTLIBRC": "/nowhere",
    "MPLBACKEND": "agg",
    "OMP_NUM_THREADS": "all",
    "PYTHONPATH": str(ROOT),
    "PYTHONSTARTUP": "/nowhere",
}


def build(root):
    """Exit status and output of a build, and the chapters that it executed."""
    environment = {**os.environ, **SURROUNDINGS, "NO_COLOR": "1"}
    command = [sys.executable, "-W", "error::DeprecationWarning:tools", "-m", "tools.book"]
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    times = root / "_build" / gsbook.TIMES
    chapters = json.loads(times.read_text(encoding="utf-8")) if times.is_file() else {}
    executed = {name for name, run in chapters.items() if run["executed_now"]}
    return run.returncode, run.stdout + run.stderr, executed


def commit(root):
    """Make the tree a git checkout with one commit that holds all but what is built."""
    write(root, {".gitignore": "_build/\n__pycache__/\n"})
    git = [
        "git",
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@example.org",
        "-c",
        "commit.gpgsign=false",
    ]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], cwd=root, check=True, capture_output=True)


def test_a_change_executes_the_chapters_that_depend_on_it(book):
    status, output, executed = build(book)
    assert status == 0, output
    assert executed == {"book/deep", "book/aside"}
    assert sorted(re.findall(r"Executed (\S+) in", output)) == ["book/aside", "book/deep"]
    log = (book / "_build/log").read_text(encoding="utf-8").split()
    assert sorted(log) == ["aside", "deep"], "each is executed once"
    assert "_build/html/index.html" in output
    assert "WARNING" not in output
    assert "Warning" not in output
    page = book / "_build/html/book/deep.html"
    assert "deep is one\none line, one piece" in page.read_text(encoding="utf-8")

    aside = (book / "_build/html/book/aside.html").read_text(encoding="utf-8")
    phone, wide = re.search(
        r'<picture><source [^<>]*srcset="../(_images/\w+-phone.png)" [^<>]*>'
        r'<img [^<>]*src="../(_images/\w+.png)"',
        aside,
    ).groups()
    with (
        Image.open(book / "_build/html" / phone) as below,
        Image.open(book / "_build/html" / wide) as abreast,
    ):
        assert below.height > 2 * below.width
        assert abreast.width > 2 * abreast.height
    assert b"phOn" not in (book / "_build/html" / wide).read_bytes()

    intro = (book / "_build/html/book/intro.html").read_text(encoding="utf-8")
    rows = re.findall(r"<tr.*?</tr>", intro, re.DOTALL)
    cells = [re.sub(r"<.*?>|\s", " ", row).split() for row in rows]
    assert [cell[:-1] for cell in cells] == [["Document", "Run", "Time"], ["Aside"], ["Deep"]]
    assert all(float(cell[-1]) < 60 for cell in cells[1:])

    built = page.stat().st_mtime_ns
    status, output, _ = build(book)
    assert status == 0
    assert "up to date" in output
    assert "Sphinx" not in output
    assert page.stat().st_mtime_ns == built

    assert "built outside a git checkout" in page.read_text(encoding="utf-8")

    write(book, {"gsutils/deep/bottom.py": "value = 'two'\n", "book/gone.html": ""})
    commit(book)
    status, output, executed = build(book)
    assert status == 0, output
    assert executed == {"book/deep"}, "a commit changes what a page says, and executes nothing"
    assert "deep is two" in page.read_text(encoding="utf-8")
    assert re.search("commit .*[0-9a-f]{7}</a> of ", page.read_text(encoding="utf-8"))

    status, output, _ = build(book)
    assert "up to date" in output


def test_a_book_of_another_host_has_no_buttons_for_github_and_its_notebooks(book):
    settings = (book / "_config.yml").read_text(encoding="utf-8")
    own = settings.replace("  # url: https://github.com/you/book", "  url: https://a.org/b/c")
    write(book, {"_config.yml": own})
    status, output, executed = build(book)
    write(book, {"_config.yml": settings})
    assert (status, executed) == (0, set()), output
    html = book / "_build" / "html"
    page = (html / "book/deep.html").read_text(encoding="utf-8")
    assert "colab.research" not in page
    assert "https://github.com/" not in page.replace("https://github.com/executablebooks", "")
    assert "_sources/book/deep.ipynb" in page
    assert (html / "_sources/book/deep.ipynb").is_file()


def test_a_failing_chapter_fails_the_build_and_shows_its_traceback(book):
    good = (book / "book/aside.md").read_text(encoding="utf-8")
    write(book, {"book/aside.md": chapter("wrong = 1 / 0", "Aside")})
    status, output, _ = build(book)
    assert status == 1
    assert "wrong = 1 / 0" in output
    assert "ZeroDivisionError" in output
    write(book, {"book/aside.md": good})


def test_a_warning_fails_the_build_each_time(book):
    write(book, {"book/intro.md": "# Intro\n\nSee {ref}`nowhere`.\n"})
    for _ in range(2):
        status, output, _ = build(book)
        assert status == 1
        assert "nowhere" in output
    write(book, {"book/intro.md": "# Intro\n\nText.\n"})


def test_a_change_of_prose_reads_one_page_and_writes_what_a_whole_build_writes(book):
    def pages():
        html = book / "_build" / "html"
        files = [path for path in html.rglob("*.*") if path.suffix != ".ipynb"]  # ids at random
        return {path.relative_to(html): path.read_bytes() for path in files}

    def forget():
        shutil.rmtree(book / "_build" / ".doctrees", ignore_errors=True)
        (book / "_build" / STAMP.name).unlink(missing_ok=True)

    forget()
    status, output, _ = build(book)
    assert status == 0, output
    assert "Chapter book/deep" in output
    aside = (book / "book/aside.md").read_text(encoding="utf-8")
    write(book, {"book/aside.md": aside.replace("# Aside", "# Elsewhere\n\nSee {doc}`deep`.")})
    status, output, executed = build(book)
    assert (status, executed) == (0, set()), output
    assert re.findall(r"Chapter (\S+)", output) == ["book/aside"]
    soon = pages()
    assert b"Elsewhere" in soon[Path("book/deep.html")], "pages that link to it say its new title"
    forget()
    status, output, _ = build(book)
    assert "Chapter book/deep" in output
    assert pages() == soon
    write(book, {"book/references.bib": (book / "book/references.bib").read_text("utf-8") + "\n"})
    status, output, _ = build(book)
    assert "Chapter book/deep" in output, "what is beside the pages has changed"


@pytest.mark.parametrize("target", ["book", "course", "pdf"])
def test_a_second_make_in_a_folder_waits_for_the_first(target, tmp_path, monkeypatch):
    monkeypatch.setattr(book_tool, "BUILD", tmp_path / "_build")
    code = (
        "import sys, pathlib; from tools import book; book.BUILD = pathlib.Path(sys.argv[1])\n"
        f"with book.alone({target!r}): print('built')"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "_build")]
    with book_tool.alone(target):
        other = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        said = other.stdout.readline()
        assert said == f"Another `make {target}` is at work in this folder: waiting for it.\n"
        assert other.poll() is None
    assert other.communicate(timeout=60)[0] == "built\n"
    assert subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout == b"built\n"


def test_the_address_of_the_repository_stands_in_one_place():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git repository")
    address = "OWNER" + "/REPO"
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    holders = {name for name in names if address.encode() in (ROOT / name).read_bytes()}
    made_from_it = (".ipynb", "tests/pages/_config.yml", "CITATION.cff")  # by `make notebooks`
    refuses_it = {"tools/release.py"}  # no release while the address is this placeholder
    made_from_it += ("pyproject.toml",)  # by `python -m tools.release address`
    assert {n for n in holders if not n.endswith(made_from_it)} <= refuses_it


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_files_that_a_text_links_to_exist(name):
    links = re.findall(r"\]\(([^)#\s]+)", (ROOT / name).read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_every_extension_of_ours_is_an_input_of_the_build():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    ours = [name for name in config["sphinx"]["config"]["extensions"] if name.startswith("tools.")]
    assert ours
    for path in (name.replace(".", "/") for name in ours):
        assert f"{path}.py" in INPUTS or path in INPUT_FOLDERS, path


@pytest.mark.parametrize(("patterns", "count"), [([], 2), (["problem-sets/*"], 0)])
def test_what_is_not_to_be_executed_is_not_executed_ahead(patterns, count, tmp_path, monkeypatch):
    ran = []
    made = [(name, str(tmp_path / f"problem-sets/{name}.ipynb"), nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(f"{name} = 1")])) for name in "ab"]  # fmt: skip
    monkeypatch.setattr(ahead, "notebooks", lambda app, names: made)
    monkeypatch.setattr(ahead, "single_nb_execution", lambda book, **_: ran.append(book))
    settings = SimpleNamespace(
        execution_mode="cache",
        execution_cache_path=str(tmp_path / "cache"),
        execution_excludepatterns=patterns,
        execution_timeout=1,
        execution_allow_errors=False,
    )
    app = SimpleNamespace(outdir=str(tmp_path / "html"), config=SimpleNamespace(gsbook_ahead=[]))
    monkeypatch.setattr(ahead, "as_completed", lambda jobs: [])
    ahead.execute(app, SimpleNamespace(mystnb_config=settings), ["a", "b"])
    assert len(ran) == count
