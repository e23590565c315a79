"""Check every address that a page, a notebook or the README leads to.

    python -m tools.links      # or: make links

Sphinx's own link checker asks them, which is there with the book: each address once, again where a
site does not answer, later where it says so. It is given a list of the addresses for each file,
so that notebooks are checked too and no chapter needs to be built. The exit status is 1 when an
address is broken, 2 when none could be reached.

>>> addresses("[a](https://a.org/x_(y)), <https://b.org/>. See https://c.org/d/, `http://localhost`")
['https://a.org/x_(y)', 'https://b.org/', 'https://c.org/d/']
>>> verdict([{"status": "broken", "uri": "https://a.org", "filename": "b.md.rst", "info": "404"}])
(1, ['b.md: https://a.org: 404', '1 of 1 addresses broken'])
"""

import json
import re
import shutil
import sys
from pathlib import Path

import nbformat
from sphinx.application import Sphinx

from tools import notebooks, release

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = Path("_build") / "links"
SOURCES = ["book/*.md", "book/*.ipynb", "book/*.bib", "*.md", "CITATION.cff"]
# Patterns of sites that refuse programs and open in a browser, with the day this was seen.
REFUSING: list[str] = []
# What the checker says when it could not even ask.
UNREACHED = re.compile("NameResolutionError|Network is unreachable|ProxyError|No route to host")


def addresses(text: str) -> list[str]:
    """The addresses of other sites in a text, in order; those are left out that only pip reads."""
    found = re.findall(
        r"(?<!git\+)https?://(?!localhost)(?:[^\s()<>\[\]{}\"'`|\\]|\([^\s()]*\))+", text
    )
    return [address.rstrip(".,;:*") for address in found]


def read(path: Path) -> str:
    """What a file shows; of a notebook, its cells."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


def own(root: Path) -> list[str]:
    """Patterns of the book's own addresses while they are still to be filled in."""
    found = notebooks.addresses(root)
    places = [found.pages, found.files] if release.PLACEHOLDER in release.address(root) else []
    return [re.escape(place) for place in places]


def check(root: Path) -> list[dict[str, str]]:
    """Run Sphinx's link checker; return its records, one for each address."""
    output = root / OUTPUT
    shutil.rmtree(output, ignore_errors=True)
    pages = []
    for path in sorted(path for pattern in SOURCES for path in root.glob(pattern)):
        page = path.relative_to(root).as_posix()
        lines = [f"`<{address}>`__\n\n" for address in dict.fromkeys(addresses(read(path)))]
        target = output / "source" / f"{page}.rst"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(":orphan:\n\n" + "".join(lines), encoding="utf-8")
        pages.append(page)
    settings = {
        "root_doc": pages[0],
        "linkcheck_ignore": [*REFUSING, *own(root)],
        "linkcheck_retries": 3,
        "linkcheck_timeout": 30,
        "linkcheck_report_timeouts_as_broken": False,  # they have a status of their own
        "linkcheck_anchors": False,  # many are made by scripts
    }
    source, doctrees = str(output / "source"), str(output / "doctrees")
    app = Sphinx(source, None, str(output), doctrees, "linkcheck", settings, None, None)
    app.build()
    text = (output / "output.json").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def verdict(records: list[dict[str, str]]) -> tuple[int, list[str]]:
    """The exit status for the checker's records, and what to say of them."""
    asked = [record for record in records if record["status"] != "ignored"]
    broken = [record for record in asked if record["status"] in ("broken", "timeout")]
    every, failed = ({record["uri"] for record in some} for some in (asked, broken))
    if failed and failed == every and all(UNREACHED.search(record["info"]) for record in broken):
        return 2, [f"none of {len(every)} addresses could be reached: is there a network?"]
    named = {(r["filename"].removesuffix(".rst"), r["uri"], r["info"]) for r in broken}
    lines = [": ".join(each) for each in sorted(named)]
    return min(1, len(failed)), [*lines, f"{len(failed)} of {len(every)} addresses broken"]


def main(root: Path = ROOT) -> int:
    """Check the addresses and say which are broken; the exit status is 0 when none is."""
    status, lines = verdict(check(root))
    print(*lines, sep="\n", file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main())
