"""The playground in a real browser: every reader can use it, it is fast, and rests off screen."""

import gzip
import io
import json

import numpy as np
import playground_page
import pytest
from conftest import HTML
from PIL import Image
from playground_page import FOLDER, NONSENSE, STATIC, opened, said_by, tool, visible_words

from benchmarks import playground as speed
from tools import playground, playground_assets

address, open_page = playground_page.address, playground_page.open_page


def test_the_tools_open_from_disk_and_play(open_page):
    page = open_page()
    moons = tool(page, "train")
    opened(page)
    moons.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "() => { const { runs, features } = document.querySelector('[data-tool=train]').playground;"
        " return features && runs[1].trainer.step > 1020 && runs[1].seen; }"
    )
    moons.get_by_role("button", name="Pause").click()
    assert "Paused at step" in moons.get_by_role("status").inner_text()
    step = page.evaluate("document.querySelector('.gs-play').playground.runs[1].trainer.step")
    moons.get_by_role("button", name="Step").click()
    page.wait_for_function(
        "step => document.querySelector('.play-steps').textContent === `step ${step}`", arg=step + 1
    )
    moons.get_by_role("button", name="Reset").click()
    page.wait_for_function("() => document.querySelector('.play-steps').textContent === 'step 0'")


OPENED = """() => {
  const { values, runs: [, run] } = document.querySelector('.gs-play').playground;
  const data = playground.moons.twoMoons(values);
  const network = playground.network.Network.initial(values.width, values.seed);
  const again = new playground.network.Trainer(network, data, values);
  while (again.step < run.trainer.step) again.advance();
  return { step: again.step, same: again.network.theta.every((v, i) => v === run.trainer.network.theta[i]),
    records: run.history.map(one => one.step), margins: run.margins.map(([step]) => step) };
}"""  # noqa: E501


@pytest.mark.alone
def test_it_opens_after_a_thousand_steps_in_short_tasks(browser, open_page, tmp_path):
    file = tmp_path / "page.html"
    alone = playground.document(playground.html("train", STATIC), static=STATIC)
    file.write_text(alone, encoding="utf-8")
    measured = []
    while not measured or (max(measured[-1]) > 1 and len(measured) < 3):
        # A collection of the browser's garbage may fall into a task; our work is there every time.
        page = open_page("", "about:blank")  # no frames of an older page in the trace
        browser.start_tracing(page=page, categories=["devtools.timeline", "toplevel"])
        page.goto(f"{file.as_uri()}?play=train&seed=1")
        opened(page)
        tasks, _ = speed.tasks(browser, drawing=True)
        seen = page.evaluate(OPENED)
        assert (seen["step"], seen["same"]) == (1000, True)
        assert (seen["margins"][:3], seen["margins"][-1]) == ([0, 20, 40], 1000)
        assert len(seen["records"]) > 200
        unit = speed.plain(page)
        times = [cpu / unit for _, cpu in tasks]
        assert len(times) > 10
        measured.append((max(times), sum(times) / 30))
    assert max(measured[-1]) <= 1, measured


def test_whoever_presses_a_button_does_not_wait_for_the_opening(open_page):
    page = open_page("?play=train&open=3000&width=500")
    tool(page, "train").get_by_role("button", name="Reset").click()
    page.wait_for_function("() => document.querySelector('.play-steps').textContent === 'step 0'")
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('.gs-play').playground.runs[1].trainer.step") == 0


SWITCH = """input => {
  const set = (value, event) => { input.value = value; input.dispatchEvent(new Event(event)); };
  if (input.type === 'range') [input.max, input.min].forEach(value => set(value, 'input'));
  else if (input.options) [...input.options].reverse().forEach(one => set(one.value, 'change'));
  else { input.click(); input.click(); }
}"""


def test_everything_can_be_switched_while_it_plays(open_page):
    page = open_page()
    moons = tool(page, "train")
    moons.get_by_role("button", name="Play").click()
    for control in moons.locator(":is(input, select):visible").all():
        control.evaluate(SWITCH)
        page.wait_for_timeout(60)
        assert NONSENSE.findall(visible_words(page)) == []
    assert said_by(page, "train") == "Training."
    reset = moons.get_by_role("button", name="Reset")
    reset.evaluate("button => { for (let i = 0; i < 50; i++) button.click(); }")
    page.wait_for_function("() => document.querySelector('.play-steps').textContent === 'step 0'")
    assert said_by(page, "train") == "Back at step 0."


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(open_page):
    page = open_page()
    focusable = "button:not([hidden]), input:not([hidden]), select, summary, a[href]"
    wanted = page.locator(f'[data-tool="train"] :is({focusable})').count()
    assert wanted > 20
    places = []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        places.append(
            page.evaluate(
                "focusable => [...document.querySelectorAll(`[data-tool=train] :is(${focusable})`)]"
                ".indexOf(document.activeElement)",
                focusable,
            )
        )
    assert places == list(range(wanted))
    tool(page, "train").get_by_role("button", name="Play").focus()
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('.gs-play').playground.runs[1].trainer.step > 3")
    page.keyboard.press("Space")
    assert said_by(page, "train").startswith("Paused at step")


def test_a_screen_reader_is_left_alone_while_it_plays(open_page):
    page = open_page()
    page.evaluate(
        "() => { window.told = 0; const count = records => { window.told += records.length };"
        " document.querySelectorAll('.gs-play [role=status]').forEach(one =>"
        "   new MutationObserver(count).observe(one, { childList: true, characterData: true,"
        "     subtree: true })); }"
    )
    moons = tool(page, "train")
    moons.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "document.querySelector('.gs-play').playground.runs[1].trainer.step > 40"
    )
    assert page.evaluate("window.told") == 1
    reading = moons.locator(".play-reading")
    assert reading.get_attribute("aria-live") == "off"
    moons.get_by_role("button", name="Pause").click()
    assert reading.get_attribute("aria-live") == "polite"
    page.wait_for_function(
        "() => document.querySelector('.play-run.play-decoupled canvas').ariaLabel.includes("
        "  `step ${document.querySelector('.gs-play').playground.runs[1].trainer.step}:`)"
    )


def test_every_control_is_large_enough_for_a_finger(open_page):
    page = open_page(viewport={"width": 390, "height": 2600}, has_touch=True)
    page.locator(".play-settings summary").tap()
    small = page.evaluate(
        "() => [...document.querySelectorAll('.gs-play :is(button, input, select, summary)')]"
        ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 24)"
        ".map(e => e.outerHTML.slice(0, 80))"
    )
    assert small == []


def test_it_rests_off_screen(open_page):
    page = open_page()
    tool(page, "train").get_by_role("button", name="Play").click()
    step = "document.querySelector('.gs-play').playground.runs[1].trainer.step"
    page.wait_for_function(f"{step} > 3")
    tool(page, "map").scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    before = page.evaluate(step)
    page.wait_for_timeout(300)
    assert page.evaluate(step) == before
    tool(page, "train").get_by_role("button", name="Pause").scroll_into_view_if_needed()
    page.wait_for_function(f"{step} > {before}")


@pytest.mark.alone
def test_reduced_motion_redraws_seldom(open_page):
    page = open_page(reduced_motion="reduce")
    count = (
        "() => { const gs = playground, draw = gs.canvas.Chart.prototype.end; window.drawn = 0;"
        " window.begun = performance.now();"
        " gs.canvas.Chart.prototype.end = function () { window.drawn += 1; draw.call(this); }; }"
    )
    page.evaluate(count)
    tool(page, "train").get_by_role("button", name="Play").click()
    page.wait_for_timeout(1500)
    drawn, seconds = page.evaluate("[window.drawn, (performance.now() - window.begun) / 1000]")
    charts = 7
    # At the start, at the click, when the features are there, and in play.
    assert charts < drawn <= charts * (2 * seconds + 3)


def test_a_newer_request_does_not_cut_a_sketch_short(open_page):
    asked = """() => {
      function* wait(n, word) { for (let i = 0; i < n; i++) yield; return word; }
      const stages = new playground.loop.Stages(n => wait(4, `sketch ${n}`), n => wait(4, `all ${n}`));
      const found = [];
      for (let i = 0; i < 60; i++) {
        if (i < 30) stages.ask(i);
        found.push(stages.work(0));
      }
      return [found.filter(Boolean), stages.busy];
    }"""  # noqa: E501
    found, busy = open_page().evaluate(asked)
    assert len(found) > 5
    assert found[-2:] == ["sketch 29", "all 29"]
    assert not busy


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1000, 390])
def test_axe_finds_nothing_and_nothing_overflows(open_page, theme, width):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(viewport={"width": width, "height": 2600})
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    page.add_style_tag(
        content="body { background: var(--pst-color-background) } h1 { color: #888 }"
    )
    options = {"resultTypes": ["violations"]}
    found = Axe().run(page, context=".gs-play", options=options).response["violations"]
    assert found == [], json.dumps([[v["id"], v["help"]] for v in found])
    page.complaints.clear()  # axe asks for the style sheets, which a page from disk may not read
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [100, 500])
@pytest.mark.alone
def test_a_training_step_is_short(open_page, width):
    page = open_page(f"?play=train&width={width}&open=0")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    assert speed.step(page, session)[1] <= speed.plain(page) / 12


@pytest.mark.alone
def test_no_frame_has_a_long_task(browser, open_page):
    page = open_page(viewport={"width": 1000, "height": 1700})
    unit, longest = speed.plain(page), []
    while not longest or (min(longest) > unit and len(longest) < 3):
        # A collection of the browser's garbage may fall into a task; our work is there every time.
        tasks, frames = speed.play(browser, page, 3)
        processor = [cpu for _, cpu in tasks]
        assert frames > 10
        assert sum(processor) / frames <= unit / 3  # leaves 60 frames a second
        longest.append(max(processor))
    assert min(longest) <= unit, longest


def test_without_javascript_there_is_a_picture_and_a_sentence(browser, address):
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    for name, words in playground.STILLS.items():
        picture, sentence = tool(page, name).locator("img"), tool(page, name).locator("p")
        assert picture.get_attribute("alt") == words
        assert picture.bounding_box()["height"] > 100
        assert (FOLDER / f"{name}.png").stat().st_size < 200_000
        assert sentence.inner_text() == playground.SENTENCE
        assert sentence.bounding_box()["height"] > 10
    page.close()


def test_a_drawing_changes_with_the_theme(open_page):
    page = open_page()
    canvas = tool(page, "plane").locator("canvas").first
    page.wait_for_function("document.querySelector('[data-tool=plane]').playground.seen")

    def brightness():
        page.wait_for_timeout(300)
        return np.mean(Image.open(io.BytesIO(canvas.screenshot())).convert("L"))

    light = brightness()
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert light > 200 > 80 > brightness()


def test_only_pages_with_a_tool_load_it():
    pages = {path: path.read_text(encoding="utf-8") for path in HTML.glob("book/**/*.html")}
    loaded = {path.name for path, text in pages.items() if f"{playground.FOLDER}start.js" in text}
    assert loaded == {path.name for path, text in pages.items() if 'class="gs-play"' in text}


def test_the_colours_are_those_of_the_figures():
    written = (FOLDER / "colours.css").read_text(encoding="utf-8")
    assert written == playground_assets.stylesheet(), "run `python -m tools.playground_assets`"


def test_the_code_is_small():
    names = [f"{name}.js" for name in playground.SCRIPTS]
    names = sorted({*names, *playground.HERO, "lazy.js", *(f"{n}.css" for n in playground.STYLES)})
    assert {path.name for path in FOLDER.iterdir() if path.suffix in (".js", ".css")} == set(names)
    assert sum(len(gzip.compress((FOLDER / name).read_bytes())) for name in names) <= 60_000
