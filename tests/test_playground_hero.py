"""The live figure of the first page: it loads when it is wanted, and trains Figure 1 (a-c)."""

import gzip
import json
import re
from dataclasses import replace

import playground_page
import pytest
from playground_page import FOLDER, NONSENSE, STATIC

from benchmarks import playground as speed
from gsutils.experiments import two_moons
from tools import picture, playground

open_page = playground_page.open_page
CASES = two_moons.ENTRIES["figure1"].cases["quick"]
RUNS = "document.querySelector('.gs-hero').playground?.runs"
TRAINED = f"() => {RUNS}?.every(run => run.trainer?.step === 1000 && !run.behind && !run.stale)"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Address of a page with the place of the hero, its loader and the book's styles."""
    file = tmp_path_factory.mktemp("hero") / "page.html"
    file.write_text(
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Hero</title>'
        f'<link rel="stylesheet" href="{STATIC}book.css">'
        f'<script defer src="{STATIC}{playground.FOLDER}lazy.js"></script></head>'
        '<body style="background: var(--pst-color-background)"><main class="bd-article">'
        f"{playground.hero(STATIC)}</main></body></html>",
        encoding="utf-8",
    )
    return file.as_uri()


def test_it_trains_the_networks_of_figure_1_when_it_is_asked_to(browser, open_page):
    page = open_page()
    assert [url for url in page.asked if url.endswith("run.js") or "run.js?" in url] == []
    button = page.get_by_role("button", name="Train it here")
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(TRAINED, timeout=120_000)
    assert page.get_by_role("button", name="Train again").is_visible()
    settings = page.evaluate(
        f"{RUNS}.map(run => ({{ ...run.settings, width: run.trainer.network.width }}))"
    )
    for found, case in zip(settings, CASES.values(), strict=True):
        used = (found["lam"], found["lr"], found["decay"], (found["width"],))
        assert used == (case.lam, case.lr, case.weight_decay, case.hidden)
        assert case.steps == 1000
    said = page.get_by_role("status").inner_text()
    shares = [int(share) for share in re.findall(r"(\d+)\s%", said)]
    assert shares == [int(b.rstrip("\u00a0%")) for b in page.locator("b").all_inner_texts()]
    for share, case in zip(shares, CASES.values(), strict=True):
        ours = picture.vertical(two_moons.train(replace(case, steps=1000), seeds=[0]))[0]
        assert abs(share - ours) < 1
    page.keyboard.press("Enter")  # again, from the start
    page.wait_for_function(f"{RUNS}[0].trainer.step < 900")
    page.keyboard.press("Enter")
    assert page.get_by_role("button", name="Go on").is_visible()


@pytest.mark.alone
def test_its_training_is_in_short_tasks(browser, open_page):
    longest = []
    for _ in range(3):  # a collection of the browser's garbage may fall into a task
        page = open_page()
        page.get_by_role("button", name="Train it here").focus()
        browser.start_tracing(page=page, categories=["devtools.timeline", "toplevel"])
        page.keyboard.press("Enter")
        page.wait_for_function(TRAINED, timeout=120_000)
        tasks, _ = speed.tasks(browser)
        longest.append(max(cpu for _, cpu in tasks) / speed.plain(page))
        if longest[-1] <= 1:
            return
    pytest.fail(f"the longest tasks, of a plain loop: {longest}")


@pytest.mark.parametrize(("theme", "width"), [("light", 1000), ("dark", 375)])
def test_axe_finds_nothing_and_nothing_moves_where_motion_is_unwelcome(open_page, theme, width):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(viewport={"width": width, "height": 800}, reduced_motion="reduce")
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    page.get_by_role("button", name="Train it here").click()
    page.wait_for_function(f"{RUNS}?.[0].trainer?.step > 10")
    early = page.locator("canvas").first.evaluate("canvas => canvas.toDataURL()")
    page.wait_for_timeout(400)
    if page.evaluate(f"{RUNS}[0].trainer.step < 1000"):
        assert page.locator("canvas").first.evaluate("canvas => canvas.toDataURL()") == early
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function(f"{RUNS}.every(run => !run.behind && !run.stale)")
    assert page.locator("canvas").first.evaluate("canvas => canvas.toDataURL()") != early
    assert NONSENSE.findall(page.locator("main").inner_text()) == []
    options = {"resultTypes": ["violations"]}
    found = Axe().run(page, context=".gs-hero", options=options).response["violations"]
    assert found == [], json.dumps([[v["id"], v["help"]] for v in found])
    page.wait_for_timeout(500)  # complaints come late
    page.complaints.clear()  # axe asks for the style sheets, which a page from disk may not read
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_javascript_nothing_dead_stands_there(browser, address):
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    assert page.locator("main").inner_text().strip() == ""
    page.close()


def test_where_the_files_cannot_be_had_it_says_so(browser, address):
    page = browser.new_page()
    page.route("**/hero.js*", lambda route: route.abort())
    page.goto(address)
    page.get_by_role("button", name="Train it here").click()
    page.get_by_text("cannot be loaded now").wait_for()
    page.close()


def test_what_it_loads_is_small():
    sizes = [len(gzip.compress((FOLDER / name).read_bytes())) for name in playground.HERO]
    assert sum(sizes) <= 30_000
    assert len(gzip.compress((FOLDER / "lazy.js").read_bytes())) <= 1_000
