"""The playground in a real browser: what each tool shows, and what a chapter shows of it."""

import base64
import io
import re

import numpy as np
import playground_page
import pytest
from conftest import ROOT
from PIL import Image
from playground_page import STATIC, TOOLS, opened, tool, values_of

from gsutils.page import plots
from tools import playground

address, open_page = playground_page.address, playground_page.open_page


EXAMPLES = """() => Object.entries(playground.examples).flatMap(([tool, list]) => list.map(one => {
  const { settings } = playground.tools[tool];
  const values = Object.fromEntries(settings.map(s => [s.name, s.value]));
  const all = Object.entries({ ...values, ...one.values });
  const query = new URLSearchParams([['play', tool], ...all.map(([k, v]) => [k, Number(v) === v
    || typeof v === 'string' ? v : Number(v)])]);
  return [tool, one.name, playground.share.read(settings, `${query}`, tool).complaints, one.watch];
}))"""


def test_every_example_has_allowed_settings_and_something_to_watch(open_page):
    examples = open_page().evaluate(EXAMPLES)
    assert {name for name, *_ in examples} == set(TOOLS)
    assert [(name, key) for name, key, wrong, watch in examples if wrong or len(watch) < 40] == []


def test_an_example_is_set_played_and_explained(open_page):
    page = open_page("?play=train&delta=0.5&both=0")
    moons = tool(page, "train")
    assert moons.locator(".play-watch").inner_text() == "Your own settings."
    moons.get_by_role("button", name="No gap").click()
    page.wait_for_function("document.querySelector('.gs-play').playground.runs[1].trainer.step > 3")
    values = values_of(page, "train")
    assert (values["delta"], values["lam"], values["both"]) == (-0.1, 0.006, False)
    assert "overlap" in moons.locator(".play-watch").inner_text()
    pressed = moons.locator(".play-examples [aria-pressed=true]")
    assert pressed.all_inner_texts() == ["No gap"]


TRAIN = """([name, steps]) => {
  const root = document.querySelector('[data-tool=train]'), { runs } = root.playground;
  const drain = job => { for (;;) { const r = job.next(); if (r.done) return r.value; } };
  const { title } = playground.examples.train.find(one => one.name === name);
  [...root.querySelectorAll('.play-examples button')].find(b => b.textContent === title).click();
  root.querySelector('.play-main').click();  // pause: the steps are done here
  const features = drain(playground.features.features(runs[0].trainer.network.copy(), runs[0].data));
  return runs.map(run => {
    while (run.trainer.step < steps) run.advance();
    const seen = drain(playground.boundary.survey(run.trainer.network, run.data, run.grid));
    const gained = run.trainer.logits.map((v, i) => v - run.initial[i]);
    const z = playground.features.responses('straight', features, run.data.y, gained);
    return { margin: Math.min(...seen.distances), curved: z[1] / z[0] };
  });
}"""  # noqa: E501


def test_the_training_examples_show_what_they_promise(open_page):
    page = open_page()
    tool(page, "train")
    names = page.evaluate("playground.examples.train.map(one => one.name)")
    seen = {name: page.evaluate(TRAIN, [name, 1500]) for name in names}
    plain, right = ({name: pair[k] for name, pair in seen.items()} for k in (0, 1))
    assert right["starved"]["margin"] > 2 * plain["starved"]["margin"]
    assert right["starved"]["curved"] > 4 * plain["starved"]["curved"]
    assert plain["overlap"]["curved"] > 2 * plain["starved"]["curved"]
    assert right["decay"]["margin"] < plain["decay"]["margin"]
    assert plain["squared"] == right["squared"]
    assert plain["squared"]["margin"] > 2 * plain["starved"]["margin"]
    assert plain["adam"]["margin"] > 1.5 * plain["starved"]["margin"]
    assert right["late"]["margin"] > 2 * plain["late"]["margin"]


POINT = """([pull, y, n]) => {
  const run = new playground.Run('plain', () => {}), logit = Math.log(1 / pull - 1);
  const one = v => Float64Array.from({ length: n }, () => v);
  Object.assign(run, { pulling: true, settings: { loss: 'logistic' }, trainer: { logits: one(y * logit) },
    data: { x1: one(0.5), x2: one(0), y: one(y), n } });
  run.chart.size = [400, 400];
  run.draw();
  return run.chart.canvas.toDataURL();
}"""  # noqa: E501


def test_the_area_of_a_point_is_in_proportion_to_its_pull_in_both_classes(open_page):
    page = open_page(device_scale_factor=3)

    def ink(*options):
        data = base64.b64decode(page.evaluate(POINT, options).partition(",")[2])
        return (255.0 - np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[..., 1]).sum()

    colours = {-1: plots.NEGATIVE, 1: plots.POSITIVE}
    full = {y: 255 - int(colour[3:5], 16) for y, colour in colours.items()}
    areas = np.array(
        [[(ink(pull, y, 1) - ink(pull, y, 0)) / full[y] for y in full] for pull in (0.1, 0.4, 0.8)]
    )
    np.testing.assert_allclose(areas / areas[0, 0], np.outer([1, 4, 8], [1, 1]), rtol=0.05)


def test_points_drawn_by_their_pull_are_explained_and_have_a_number(open_page):
    page = open_page()
    moons = tool(page, "train")
    opened(page)
    assert moons.get_by_text("mean pull").first.is_hidden()
    moons.get_by_label("draw points by their pull").check()
    assert moons.get_by_text("σ(−yŷ)").is_visible()
    page.wait_for_function("document.querySelector('.play-run dd:last-child').textContent !== '–'")
    maps = page.evaluate(
        "document.querySelector('.gs-play').playground.runs.map(({ pulls, chart, numbers }) => ["
        "  ...[pulls.reduce((a, b) => a + b) / 300, Math.min(...pulls), Math.max(...pulls)].map("
        "    v => playground.canvas.text(v)),"
        "  numbers.element.lastChild.innerText.split(/\\s+/).pop(), chart.canvas.ariaLabel])"
    )
    for mean, least, most, number, label in maps:
        assert number == mean
        assert f"mean pull of the points {mean}, from {least} to {most}" in label
    assert page.evaluate(
        "(() => { const { runs } = document.querySelector('.gs-play').playground, { text } ="
        "   playground.canvas; return runs.map(run => run.extremes(run.history.at(-1)).map(v =>"
        "   text(v)).join(' and ')).every(words => [...document.querySelectorAll('canvas')].some("
        "     one => one.ariaLabel.startsWith('Largest') && one.ariaLabel.includes(words))); })()"
    )
    moons.get_by_label("loss", exact=True).select_option("squared")
    assert moons.get_by_text("|y − ŷ|").is_visible()


def test_the_phase_plane_examples_show_what_they_promise(open_page):
    found = open_page().evaluate(
        "() => Object.fromEntries(playground.examples.plane.map(one => {"
        "  const { settings } = playground.tools.plane, { dual } = playground;"
        "  const base = Object.fromEntries(settings.map(s => [s.name, s.value]));"
        "  const problem = { ...base, ...one.values };"
        "  const end = s1 => dual.fixedPoint({ ...problem, s1 });"
        "  const other = { ...problem, kind: 'exact' };"
        "  return [one.name, { z: [1, 3, 8].map(s1 => end(s1).z[1]), kind: problem.kind,"
        "    alpha: [1, 8].map(s1 => end(s1).alpha),"
        "    off: Math.hypot(...end(problem.s1).alpha.map((a, i) =>"
        "      a - dual.fixedPoint(other).alpha[i])) }]; }))"
    )
    slopes = {name: np.diff(one["z"]) for name, one in found.items()}
    assert np.all(slopes["starved"] < -0.05)
    assert np.all(slopes["fed"] > 0.005)
    np.testing.assert_allclose(slopes["uncoupled"], 0, atol=1e-9)
    np.testing.assert_allclose(*found["decoupled"]["alpha"], atol=1e-9)
    assert found["taylor"]["off"] > 0.05


def test_a_late_penalty_changes_nothing_before(open_page):
    page = open_page("?play=train&late=100&open=0")
    equal = page.evaluate(
        "() => { const { runs } = document.querySelector('.gs-play').playground;"
        " const [one, two] = runs.map(run => run.trainer.network.theta);"
        " const equal = () => one.every((v, i) => v === two[i]);"
        " const go = n => { for (let i = 0; i < n; i++) runs.forEach(run => run.advance()) };"
        " go(100); const before = equal(); go(2); return [before, equal()]; }"
    )
    assert equal == [True, False]


def test_the_same_seed_starts_both_networks_alike(open_page):
    page = open_page("?play=train&lam=0.05&open=0")
    same = page.evaluate(
        "() => { const { runs } = document.querySelector('.gs-play').playground;"
        " const [one, two] = runs.map(run => run.trainer.network.theta);"
        " const equal = () => one.every((v, i) => v === two[i]), before = equal();"
        " runs.forEach(run => run.advance()); return [before, equal()]; }"
    )
    assert same == [True, False]


def test_a_click_and_a_key_choose_the_start(open_page):
    page = open_page(viewport={"width": 1000, "height": 2600})
    plane = tool(page, "plane")
    page.wait_for_function("document.querySelector('[data-tool=plane]').playground.seen")
    box = plane.locator("canvas").first.bounding_box()
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 0.3 * box["height"])
    values = page.evaluate("document.querySelector('[data-tool=plane]').playground.values")
    assert 0.5 < values["a1"] < 0.65
    assert 0.6 < values["a2"] < 0.8
    plane.get_by_label("start α₁").press("ArrowRight")
    after = page.evaluate("document.querySelector('[data-tool=plane]').playground.values.a1")
    assert after == pytest.approx(values["a1"] + 0.001)


def test_the_strength_can_be_dragged(open_page):
    page = open_page(viewport={"width": 1000, "height": 2600})
    sweep = tool(page, "plane").locator("canvas").nth(2)
    page.wait_for_function("document.querySelector('[data-tool=plane]').playground.seen")
    box = sweep.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 0.5 * box["height"])
    page.mouse.up()
    assert values_of(page, "plane")["s1"] == 8
    assert tool(page, "plane").get_by_label("strength s₁").input_value() == "8"


def test_the_map_answers_a_pointer_and_keeps_what_is_clicked(open_page):
    page = open_page(viewport={"width": 1000, "height": 2600})
    starved = tool(page, "map")
    box = starved.locator("canvas").bounding_box()
    place = starved.locator("dd").first
    before, values = place.inner_text(), values_of(page, "map")
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    starved.get_by_text("feeds feature 2").wait_for()
    assert place.inner_text() != before
    page.mouse.move(box["x"] + 10, box["y"] - 40)
    starved.get_by_text("starves feature 2").wait_for()
    assert place.inner_text() == before
    assert values_of(page, "map") == values
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.move(box["x"] + 10, box["y"] - 40)
    starved.get_by_text("feeds feature 2").wait_for()
    assert values_of(page, "map")["delta"] < 0


def test_a_touch_and_a_key_ask_the_map(open_page):
    page = open_page(has_touch=True, viewport={"width": 1000, "height": 2600})
    starved = tool(page, "map")
    box = starved.locator("canvas").bounding_box()
    page.touchscreen.tap(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    starved.get_by_text("feeds feature 2").wait_for()
    starved.get_by_label("coupling δ").press("End")
    starved.get_by_text("Uncoupled: neither").wait_for()


@pytest.mark.parametrize(("name", "chart"), [("plane", 0), ("plane", 2), ("map", 0)])
def test_a_finger_that_scrolls_over_a_chart_changes_nothing(open_page, name, chart):
    page = open_page(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844})
    canvas = tool(page, name).locator("canvas").nth(chart)
    page.wait_for_function(f"document.querySelector('[data-tool={name}]').playground.seen")
    canvas.scroll_into_view_if_needed()
    box, before, top = canvas.bounding_box(), values_of(page, name), page.evaluate("scrollY")
    session = page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [{"x": x, "y": y} for x, y in places]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch("touchStart", (x, y))
    assert values_of(page, name) != before
    for i in range(1, 9):
        touch("touchMove", (x, y - 20 * i))
    touch("touchEnd")
    page.wait_for_function(f"scrollY > {top} + 40")
    assert values_of(page, name) == before


@pytest.mark.parametrize("measure", ["size", "signed"])
@pytest.mark.parametrize("scale", ["relative", "raw"])
def test_the_map_is_pink_where_the_derivative_is_negative(open_page, measure, scale):
    page = open_page(
        f"?play=map&measure={measure}&scale={scale}", viewport={"width": 1000, "height": 2600}
    )
    starved = tool(page, "map")
    page.wait_for_function("document.querySelector('[data-tool=map]').playground.seen")
    page.wait_for_timeout(200)
    image = np.asarray(
        Image.open(io.BytesIO(starved.locator("canvas").screenshot())).convert("RGB")
    )
    height, width, _ = image.shape
    seen = [image[int(0.55 * height), int(x * width)].astype(int) for x in (0.4, 0.7, 0.9)]
    pink = [bool(r > g + 5) for r, g, _ in seen]
    assert pink == [False, True, measure == "size"]


@pytest.fixture
def embedded(tmp_path):
    """Address of a page with a tool as a chapter has it."""
    file = tmp_path / "page.html"
    place = playground.html(
        "plane", STATIC, settings="kind=sd&delta=0.5", show="kind:exact,sd s1",
        examples="decoupled", home="playground.html",
    )  # fmt: skip
    file.write_text(playground.document(place, static=STATIC), encoding="utf-8")
    return file.as_uri()


def test_a_chapter_shows_only_what_it_calls_for(open_page, embedded):
    page = open_page(address=embedded)
    plane = tool(page, "plane")
    assert plane.locator(".play-control label").all_inner_texts() == ["flow", "strength s₁"]
    assert plane.locator("option").count() == 2
    assert plane.locator(".play-examples button").all_inner_texts() == ["Decoupled"]
    plane.get_by_label("strength s₁").press("ArrowRight")
    link = plane.get_by_role("link", name="All settings")
    link.hover()
    target = link.get_attribute("href")
    assert target.startswith("playground.html?play=plane&kind=sd&s1=3.1&")
    assert "delta=0.5" in target
    assert target.endswith("#playground-plane")


def test_what_a_link_changes_in_a_chapter_is_shown(open_page, embedded):
    page = open_page("?play=plane&lam=5", address=embedded)
    labels = tool(page, "plane").locator(".play-control label").all_inner_texts()
    assert labels == ["flow", "strength s₁", "λ"]


READ = "([name, query]) => playground.share.read(playground.tools[name].settings, query, name)"


def test_the_chapters_name_settings_and_examples_that_exist(open_page):
    page = open_page()
    known = page.evaluate(
        "() => Object.fromEntries(Object.keys(playground.tools).map(name => [name, {"
        "  show: ['responses', 'alpha', ...playground.tools[name].settings.map(s => s.name)],"
        "  examples: ['none', ...playground.examples[name].map(one => one.name)] }]))"
    )
    found = 0
    for path in sorted((ROOT / "book").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        for name, options in re.findall(r":::\{playground\} (\w+)\n((?::\w+:.*\n)*):::", text):
            found += 1
            for option, value in re.findall(r":(\w+): (.*)", options):
                if option == "settings":
                    query = "&".join([f"play={name}", *value.split()])
                    assert page.evaluate(READ, [name, query])["complaints"] == [], path.name
                    continue
                words = [word.split(":")[0] for word in value.split()]
                assert [word for word in words if word not in known[name][option]] == [], path.name
    assert found == 8
