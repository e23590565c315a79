"""The playground in a real browser: its numbers are those of gsutils, its tools can be used."""

import gzip
import io
import json
import re

import numpy as np
import pytest
import torch
from conftest import BROWSERS, HTML, ROOT, browser_path, missing
from PIL import Image

from gsutils import datasets, dual, evaluate, losses, ntk, perturbation, train
from gsutils.experiments import responses
from gsutils.nets import MLP
from tools import playground, playground_assets

if browser_path() is None:
    missing(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")

FOLDER = playground.folder(ROOT)
STATIC = FOLDER.parent.as_uri() + "/"
KINDS = ("exact", "taylor", "sd")
NONSENSE = re.compile(r"\b(NaN|undefined|null|Infinity)\b")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Address of a page with the three tools, on disk: `file://`."""
    file = tmp_path_factory.mktemp("playground") / "page.html"
    places = [playground.html(tool, "", STATIC) for tool in playground.STILLS]
    file.write_text(playground.document(*places, static=STATIC), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def open_page(browser, address):
    """Function that opens the page, maybe with settings; what it complains of fails the test."""
    pages = []

    def open_page(query="", **context):
        page = browser.new_page(**{"viewport": {"width": 1000, "height": 800}, **context})
        page.complaints, page.asked = [], []
        page.on("request", lambda r: page.asked.append(r.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda m: page.complaints.append(m.text))
        pages.append(page)
        page.goto(address + query)
        return page

    yield open_page
    for page in pages:
        assert page.complaints == []
        assert [url for url in page.asked if not url.startswith("file:")] == []
        page.close()


@pytest.fixture(scope="module")
def compute(browser, address):
    """Function that evaluates JavaScript in the page, where `gs` is the playground's namespace."""
    page = browser.new_page()
    page.goto(address)

    def compute(body, argument=None):
        return page.evaluate(
            f"argument => {{ const gs = playground; const all = job => {{ for (;;) {{ const r ="
            f" job.next(); if (r.done) return r.value; }} }}; {body} }}",
            argument,
        )

    yield compute
    page.close()


def tool(page, name):
    """A tool, brought into view: off screen it rests."""
    found = page.locator(f'.gs-play[data-tool="{name}"]')
    found.scroll_into_view_if_needed()
    return found


def visible_words(page):
    """What a reader and a screen reader are told, in every tool."""
    return page.evaluate(
        "() => [...document.querySelectorAll('.gs-play')].map(e => e.innerText + ' ' + "
        "[...e.querySelectorAll('[aria-label]')].map(c => c.ariaLabel).join(' ')).join(' ')"
    )


def weights(model):
    """A network's parameters in the order of the page: x1, x2, biases, output weights and bias."""
    (w1, w2), (b1, b2) = model.weights, model.biases
    parts = (w1[0].T.flatten(), b1[0], w2[0].flatten(), b2[0])
    return torch.cat(parts).detach().double().numpy()


@pytest.mark.parametrize("seed", [0, 7, 12345])
def test_a_seed_gives_the_data_and_weights_of_gsutils(compute, seed):
    options = {"seed": seed, "delta": -0.3, "noise": 0.2, "rotation": 35}
    theirs = compute(
        "const data = gs.moons.twoMoons(argument);"
        "const theta = gs.network.Network.initial(50, argument.seed).theta;"
        "return [data.x1, data.x2, data.y, theta].map(a => [...a]);",
        options,
    )
    X, y = datasets.two_moons(**options)
    ours = (X[:, 0], X[:, 1], y, weights(MLP((2, 50, 1), [seed])))
    for mine, found in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, mine, rtol=0, atol=1e-12)


TRAININGS = {
    "plain": {},
    "decoupled": {"lam": 0.006, "gamma": 0.5, "decay": 0.01},
    "squared": {"loss": "squared", "lam": 0.02, "lr": 0.03},
    "adam": {"optimizer": "adam", "lr": 0.003, "lam": 0.05, "decay": 1e-3},
}


@pytest.mark.parametrize("change", TRAININGS.values(), ids=TRAININGS)
def test_200_steps_of_training_agree_with_gsutils(compute, change):
    settings = {"loss": "logistic", "lam": 0.0, "gamma": 0.0, "decay": 0.0, "optimizer": "sgd"}
    settings |= {"lr": 0.01, "momentum": 0.9} | change
    X, y = datasets.two_moons(seed=3)
    model = MLP((2, 60, 1), [3]).double()
    start = ntk.features(ntk.ntrf(model, X), y)
    found = compute(
        "const { settings, theta, x1, x2, y } = argument;"
        "const data = { x1: Float64Array.from(x1), x2: Float64Array.from(x2),"
        "  y: Float64Array.from(y), n: y.length };"
        "const network = new gs.network.Network(60, theta);"
        "const features = all(gs.features.features(network.copy(), data));"
        "const run = new gs.network.Trainer(network, data, settings);"
        "const first = Float64Array.from(run.logits);"
        "for (let i = 0; i < 200; i++) run.advance();"
        "const grid = gs.boundary.gridOf(data);"
        "const seen = all(gs.boundary.survey(network, data, grid));"
        "const gained = run.logits.map((v, i) => v - first[i]);"
        "const z = Object.keys(gs.features.PAIRS).map(p =>"
        "  [p, gs.features.responses(p, features, data.y, gained)]);"
        "return { loss: run.loss, logits: [...run.logits], margin: Math.min(...seen.distances),"
        "  z: Object.fromEntries(z) };",
        {"settings": settings, "theta": weights(model).tolist(), "x1": X[:, 0].tolist(),
         "x2": X[:, 1].tolist(), "y": y.tolist()},
    )  # fmt: skip

    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)

    def loss(logits, step):
        penalty = losses.spectral_decoupling(logits, labels, settings["lam"], settings["gamma"])
        if settings["loss"] == "squared":
            return ((logits - labels) ** 2).mean(-1) / 2 + penalty
        return losses.logistic(logits, labels) + penalty

    before = model(inputs).detach().numpy()[0]
    rates = {"lr": settings["lr"], "weight_decay": settings["decay"]}
    adam = settings["optimizer"] == "adam"
    optimizer = train.Adam(**rates) if adam else train.SGD(momentum=0.9, **rates)
    history = train.fit(model, loss, inputs, steps=200, optimizer=optimizer)
    logits = model(inputs).detach().numpy()[0]
    np.testing.assert_allclose(found["loss"], history["loss"][-1, 0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["logits"], logits, rtol=0, atol=1e-4)

    distances = evaluate.boundary_distance(lambda p: evaluate.predict(model, p)[0], X, y)
    assert found["margin"] == pytest.approx(distances.min(), abs=1e-6)
    z = ntk.response(start.U, y, logits - before)
    straight = responses.affine_share(start.U, X, y) > 0.5
    fastest = np.argsort(-responses.growth(start.U, start.s))[:2]
    expected = {
        "straight": [np.linalg.norm(z[straight]), np.linalg.norm(z[~straight])],
        "fastest": np.abs(z[fastest]),
        "authors": np.abs(z[list(responses.AUTHORS)]),
    }
    for name, pair in expected.items():
        np.testing.assert_allclose(found["z"][name], pair, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [*KINDS, "lemma1"])
def test_fixed_points_and_starvation_agree_with_gsutils(compute, kind):
    root = 0.5**0.5
    grid = np.meshgrid(
        [-1, -0.9, -root, -0.3, -0.01, 0, 0.1, 0.5, root, 0.8, 0.99, 1], [0.1, 1, 3, 8, 100],
        [0.3, 2], [0.001, 0.01, 1, 10],
    )  # fmt: skip
    delta, s1, s2, lam = (axis.ravel() for axis in grid)
    found = compute(
        "return argument.places.map(([delta, s1, s2, lam]) => {"
        "  const problem = { delta, s1, s2, lam, kind: argument.kind };"
        "  const end = argument.kind === 'lemma1' ? gs.dual.lemma1(problem)"
        "    : gs.dual.fixedPoint(problem);"
        "  return [...end.z, end.starvation, ...(end.alpha ?? [])]; });",
        {"kind": kind, "places": np.stack([delta, s1, s2, lam], 1).tolist()},
    )
    found = np.array(found).T
    z = perturbation.coupled_response(delta, (s1**2, s2**2), lam, kind)
    slope = perturbation.starvation(delta, (s1**2, s2**2), lam, kind)
    np.testing.assert_allclose(found[:2], z, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[2], slope, rtol=0, atol=1e-6)
    if kind != "lemma1":
        U, k = perturbation.coupling(delta), np.stack([s1, s2], -1) ** 2
        alpha = dual.multiplier(dual.margins(U, k, lam, kind), kind)
        np.testing.assert_allclose(found[3:].T, alpha, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_flow_and_primal_path_agree_with_gsutils(compute, kind):
    problem = {"delta": 0.5, "s1": 5, "s2": 2, "lam": 0.05, "kind": kind}
    found = compute(
        "const ends = gs.flow.usefulTimes(argument, 20);"
        "return { ends, path: gs.flow.flow([0.001, 0.7], argument, ends),"
        "  velocity: gs.dual.velocity([0.2, 0.6], argument),"
        "  descent: gs.dual.descent(argument, 0.02, 300) };",
        problem,
    )
    U, s = perturbation.coupling(0.5), np.array([5.0, 2.0])
    path = dual.flow([0.001, 0.7], U, s**2, 0.05, found["ends"], kind)
    np.testing.assert_allclose(found["path"], path, rtol=0, atol=1e-6)
    speed = dual.velocity(np.array([0.2, 0.6]), U, s**2, 0.05, kind)
    np.testing.assert_allclose(found["velocity"], speed, rtol=1e-9)
    if kind != "taylor":
        thetas = dual.descent(U * s, np.ones(2), 0.05, 0.02, 300, kind)
        np.testing.assert_allclose(found["descent"], thetas * s, rtol=0, atol=1e-9)


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


def test_the_same_seed_starts_both_networks_alike(open_page):
    page = open_page("?play=train&lam=0.05")
    same = page.evaluate(
        "() => { const { runs } = document.querySelector('.gs-play').playground;"
        " const [one, two] = runs.map(run => run.trainer.network.theta);"
        " const equal = () => one.every((v, i) => v === two[i]), before = equal();"
        " runs.forEach(run => run.advance()); return [before, equal()]; }"
    )
    assert same == [True, False]


def test_a_share_link_restores_every_setting(open_page):
    page = open_page()
    moons = tool(page, "train")
    for label, key in (("gap Δ", "ArrowLeft"), ("hidden units", "ArrowLeft"), ("seed", "End")):
        moons.get_by_label(label).press(key)
    moons.get_by_label("loss", exact=True).select_option("squared")
    moons.get_by_label("plain beside it").uncheck()
    wanted = page.evaluate("document.querySelector('.gs-play').playground.values")
    assert (wanted["delta"], wanted["width"], wanted["seed"]) == (0.05, 50, 49)
    moons.get_by_role("button", name="Copy link").click()
    link = moons.get_by_label("Link to these settings").input_value()
    again = open_page("?" + link.split("?")[1])
    assert again.evaluate("document.querySelector('.gs-play').playground.values") == wanted
    assert tool(again, "train").get_by_role("status").inner_text() == ""


def test_nonsense_in_a_link_falls_back_and_says_so(open_page):
    page = open_page(
        "?play=train&delta=banana&lam=-1&seed=1e9&loss=%3Cb%3E&both=2&what=1&noise=0.2"
    )
    values = page.evaluate("document.querySelector('.gs-play').playground.values")
    defaults = {"delta": 0.1, "lam": 0.006, "seed": 0, "loss": "logistic", "both": True}
    assert {name: values[name] for name in defaults} == defaults
    assert values["noise"] == 0.2
    said = tool(page, "train").get_by_role("status").inner_text()
    for word in ("delta", "banana", "lam", "seed", "loss", "both", "what"):
        assert word in said
    assert tool(page, "map").get_by_role("status").inner_text() == ""


EXTREMES = {
    "train": ["delta=-1&noise=0&lam=0", "delta=1&noise=0&lam=1&width=5", "lr=0.1&loss=squared"],
    "plane": [
        "delta=1&lam=0.01&s1=8&s2=0.1&primal=1",
        "kind=taylor&delta=-1&lam=0.01&s1=0.1&s2=8",
        "kind=sd&delta=0&lam=10&primal=1&a1=0.999&a2=0.001",
        "kind=taylor&delta=0.9&lam=0.01&s1=8&s2=8&a1=0.999&a2=0.999",
    ],
    "map": ["delta=1&ratio=4&lam=0.001", "kind=lemma1&delta=-1&ratio=-2", "kind=sd&delta=0"],
}


@pytest.mark.parametrize(
    ("name", "query"), [(name, query) for name, queries in EXTREMES.items() for query in queries]
)
def test_extreme_settings_never_show_nan(open_page, name, query):
    page = open_page(f"?play={name}&{query}")
    assert tool(page, name).get_by_role("status").inner_text() == ""
    if name == "train":
        page.evaluate(
            "() => document.querySelector('.gs-play').playground.runs.forEach(run => {"
            " for (let i = 0; i < 100; i++) run.advance(); })"
        )
        tool(page, name).get_by_role("button", name="Step").click()
        page.wait_for_function("document.querySelector('.gs-play').playground.runs[1].seen")
    else:
        page.wait_for_function(
            "name => document.querySelector(`[data-tool=${name}]`).playground.seen", arg=name
        )
    page.wait_for_timeout(100)
    assert NONSENSE.findall(visible_words(page)) == []


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
        " gs.canvas.Chart.prototype.end = function () { window.drawn += 1; draw.call(this); }; }"
    )
    page.evaluate(count)
    tool(page, "train").get_by_role("button", name="Play").click()
    page.wait_for_timeout(1500)
    charts = 5
    assert page.evaluate("window.drawn") <= 5 * charts


def test_a_click_and_a_key_choose_the_start(open_page):
    page = open_page(viewport={"width": 1000, "height": 2600})
    plane = tool(page, "plane")
    page.wait_for_function("document.querySelector('[data-tool=plane]').playground.seen")
    box = plane.locator("canvas").first.bounding_box()
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 0.3 * box["height"])
    values = page.evaluate("document.querySelector('[data-tool=plane]').playground.values")
    assert 0.5 < values["a1"] < 0.65
    assert 0.6 < values["a2"] < 0.8
    plane.get_by_label("start, α₁").press("ArrowRight")
    after = page.evaluate("document.querySelector('[data-tool=plane]').playground.values.a1")
    assert after == pytest.approx(values["a1"] + 0.001)


def test_a_touch_asks_the_map(open_page):
    page = open_page(has_touch=True, viewport={"width": 1000, "height": 2600})
    starved = tool(page, "map")
    box = starved.locator("canvas").bounding_box()
    page.touchscreen.tap(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    page.wait_for_function(
        "() => document.querySelector('[data-tool=map]').innerText.includes('feeds feature 2')"
    )


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
