"""The playground in a real browser: it can be used by all, and stays usable whatever comes."""

import gzip
import io
import json

import numpy as np
import playground_page
import pytest
from conftest import BROWSERS, HTML, browser_path, missing
from PIL import Image
from playground_page import FOLDER, NONSENSE, TOOLS, said_by, tool, values_of, visible_words

from benchmarks import playground as speed
from tools import playground, playground_assets

if browser_path() is None:
    missing(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")
address, open_page = playground_page.address, playground_page.open_page


def test_the_tools_open_from_disk_and_play(open_page):
    page = open_page()
    moons = tool(page, "train")
    moons.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "() => { const { runs, features } = document.querySelector('[data-tool=train]').playground;"
        " return features && runs[1].trainer.step > 20 && runs[1].seen; }"
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


OTHERS = """tool => Object.fromEntries(playground.tools[tool].settings.map(s => {
  const all = s.kind === 'flag' ? [!s.value] : s.kind === 'menu' ? Object.keys(s.options)
    : s.kind === 'choice' ? s.choices : [s.min, s.max];
  return [s.name, all.filter(v => v !== s.value).at(-1)];
}))"""


@pytest.mark.parametrize("name", TOOLS)
def test_a_share_link_restores_every_setting(open_page, name):
    page = open_page()
    wanted = page.evaluate(OTHERS, name)
    assert not wanted.items() & values_of(page, name).items()
    query = "&".join(f"{key}={int(v) if v in (True, False) else v}" for key, v in wanted.items())
    changed = open_page(f"?play={name}&{query}")
    assert values_of(changed, name) == wanted
    tool(changed, name).get_by_role("button", name="Copy link").click()
    link = tool(changed, name).get_by_label("Link to these settings").input_value()
    again = open_page("?" + link.split("?")[1])
    assert values_of(again, name) == wanted
    assert NONSENSE.findall(visible_words(again)) == []


def test_a_link_has_what_the_controls_were_set_to(open_page):
    page = open_page()
    moons = tool(page, "train")
    for label, key in (("gap Δ", "ArrowLeft"), ("hidden units", "ArrowLeft"), ("seed", "End")):
        moons.get_by_label(label).press(key)
    moons.get_by_label("loss", exact=True).select_option("squared")
    moons.get_by_label("plain network beside it").uncheck()
    wanted = values_of(page, "train")
    assert (wanted["delta"], wanted["width"], wanted["seed"]) == (0.05, 50, 49)
    moons.get_by_role("button", name="Copy link").click()
    link = moons.get_by_label("Link to these settings").input_value()
    again = open_page("?" + link.split("?")[1])
    assert values_of(again, "train") == wanted
    assert said_by(again, "train") == ""


@pytest.mark.parametrize(
    ("name", "query", "words"),
    [
        ("train", "delta=banana&lam=-1&seed=1e9&loss=%3Cb%3E&both=2&what=1",
         ["delta", "banana", "lam", "seed", "loss", "both", "what"]),
        ("plane", "s1=1e99&kind=&primal=yes&lam=0&a1=NaN", ["s1", "kind", "primal", "lam", "a1"]),
        ("map", "ratio=Infinity&measure=7&scale=x&delta=", ["ratio", "measure", "scale", "delta"]),
    ],
)  # fmt: skip
def test_nonsense_in_a_link_falls_back_and_says_so(open_page, name, query, words):
    page = open_page()
    defaults = values_of(page, name)
    page = open_page(f"?play={name}&{query}")
    assert values_of(page, name) == defaults
    said = said_by(page, name)
    assert [word for word in words if word not in said] == []
    assert [said_by(page, other) for other in TOOLS if other != name] == ["", ""]


def test_what_is_right_in_a_link_is_taken(open_page):
    page = open_page("?play=train&delta=banana&noise=0.2")
    assert values_of(page, "train")["noise"] == 0.2


EXTREMES = {
    "train": [
        "delta=-1&noise=0&lam=0", "delta=1&noise=0&lam=1&width=5", "lr=0.1&loss=squared",
        "delta=0&noise=0&decay=0.03&optimizer=adam&lr=0.1&pair=authors",
        "noise=0.5&gamma=-3&lam=1&momentum=0&late=100&both=0&pair=fastest",
    ],
    "plane": [
        "delta=1&lam=0.01&s1=8&s2=0.1&primal=1",
        "kind=taylor&delta=-1&lam=0.01&s1=0.1&s2=8",
        "kind=sd&delta=0&lam=10&primal=1&a1=0.999&a2=0.001",
        "kind=taylor&delta=0.9&lam=0.01&s1=8&s2=8&a1=0.999&a2=0.999",
    ],
    "map": [
        "delta=1&ratio=4&lam=0.001", "kind=lemma1&delta=-1&ratio=-2", "kind=sd&delta=0",
        "kind=taylor&delta=0.7&ratio=4&lam=0.001&scale=raw&measure=signed",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "query"), [(name, query) for name, queries in EXTREMES.items() for query in queries]
)
def test_extreme_settings_never_show_nan(open_page, name, query):
    page = open_page(f"?play={name}&{query}")
    assert tool(page, name).get_by_role("status").inner_text() == ""
    if name == "train":
        page.evaluate(
            "() => document.querySelector('.gs-play').playground.runs.filter(run => run.trainer)"
            ".forEach(run => { for (let i = 0; i < 100; i++) run.advance(); })"
        )
        tool(page, name).get_by_role("button", name="Step").click()
        page.wait_for_function("document.querySelector('.gs-play').playground.runs[1].seen")
    else:
        page.wait_for_function(
            "name => document.querySelector(`[data-tool=${name}]`).playground.seen", arg=name
        )
    page.wait_for_timeout(100)
    assert NONSENSE.findall(visible_words(page)) == []


def test_the_corners_of_the_phase_plane_are_finite(open_page):
    corners = """() => {
      const wrong = [], drain = job => { for (;;) { const r = job.next(); if (r.done) return r.value; } };
      for (const kind of Object.keys(playground.dual.KINDS))
        for (const delta of [-1, 0, 1]) for (const s1 of [0.1, 8]) for (const s2 of [0.1, 8])
          for (const lam of [0.01, 10]) {
            const problem = { kind, delta, s1, s2, lam };
            const seen = drain(playground.plane.sketch({ problem, start: [0.001, 0.999], primal: true }));
            const { alpha, z, starvation } = seen.end;
            const all = [seen.path, seen.z, seen.sweep, seen.descent ?? [], alpha, z, starvation].flat(3);
            if (!all.every(Number.isFinite)) wrong.push(JSON.stringify(problem));
          }
      return wrong;
    }"""  # noqa: E501
    assert open_page().evaluate(corners) == []


def test_a_training_that_diverges_stops_and_says_so(open_page):
    page = open_page("?play=train&lr=0.1&loss=squared&lam=1&momentum=0.95&width=500&speed=20")
    moons = tool(page, "train")
    moons.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "() => document.querySelector('.play-status').textContent.startsWith('Diverged')"
    )
    page.wait_for_timeout(300)
    assert moons.get_by_role("button", name="Play").is_visible()
    assert NONSENSE.findall(visible_words(page)) == []


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
    charts = 6
    assert charts < drawn <= charts * (2 * seconds + 2)  # at the start, at the click, in play


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
def test_a_training_step_takes_at_most_four_milliseconds(open_page, width):
    page = open_page(f"?play=train&width={width}")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    assert speed.step(page, session)[1] <= 4  # of the processor: a busy machine only waits


def test_no_frame_has_more_than_50_milliseconds_of_work(browser, open_page):
    page = open_page(viewport={"width": 1000, "height": 1700})
    tasks, frames = speed.play(browser, page, 3)
    processor = [cpu for _, cpu in tasks]
    assert frames > 10
    assert max(processor) <= 50
    assert sum(processor) / frames <= 1000 / 60  # what is left for 60 frames a second


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
    names += [f"{name}.css" for name in playground.STYLES]
    assert {path.name for path in FOLDER.iterdir() if path.suffix in (".js", ".css")} == set(names)
    assert sum(len(gzip.compress((FOLDER / name).read_bytes())) for name in names) <= 60_000
