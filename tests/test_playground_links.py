"""The playground's share links, and what comes of nonsense and of extreme settings."""

import playground_page
import pytest
from playground_page import NONSENSE, STATIC, TOOLS, said_by, tool, values_of, visible_words

from tools import playground

address, open_page = playground_page.address, playground_page.open_page


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
    ("link", "delta"),
    [("?play=plane&delta=0.7#playground-plane", 0.7), ("?play=map&delta=-0.5", -0.5),
     ("#playground-plane", 0.3), ("?play=train&delta=0.2#playground-train", None)],
)  # fmt: skip
def test_an_old_link_to_the_plane_or_map_leads_to_their_page_with_its_settings(
    open_page, tmp_path, link, delta
):
    for name, tools, homes in (
        ("playground", ["train"], "plane=phase-plane.html&map=phase-plane.html"),
        ("phase-plane", ["plane", "map"], "train=playground.html"),
    ):
        places = [playground.html(one, STATIC, homes=homes) for one in tools]
        (tmp_path / f"{name}.html").write_text(playground.document(*places, static=STATIC))
    page = open_page(link, address=(tmp_path / "playground.html").as_uri())
    if delta is None:
        assert page.url.endswith("playground.html" + link)
        assert values_of(page, "train")["delta"] == 0.2
        return
    page.wait_for_url("**/phase-plane.html*")
    moved = page.url.rpartition("phase-plane.html")[2]
    name = "map" if "map" in link else "plane"
    assert moved == (link if "#" in link else f"{link}#playground-{name}")
    assert values_of(page, name)["delta"] == delta


@pytest.mark.parametrize(
    ("name", "query", "words"),
    [
        ("train", "delta=banana&lam=-1&seed=1e9&loss=%3Cb%3E&both=2&what=1",
         ["delta", "banana", "lam", "seed", "loss", "both", "what"]),
        ("train", "both=constructor&seed=1.5&rotation=37&gamma=1e400&delta=0.2&delta=x",
         ["both", "seed", "rotation", "gamma", "delta"]),
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


def test_a_link_full_of_nonsense_is_answered_in_a_few_words(open_page):
    page = open_page("?play=map&" + "&".join(f"nonsense{i}=1" for i in range(300)))
    said = said_by(page, "map")
    assert "nonsense0" in said
    assert "297 more" in said
    assert len(said) < 150


@pytest.mark.parametrize("name", TOOLS)
def test_a_link_may_have_every_place_of_a_slider(open_page, name):
    refused = open_page().evaluate(
        "name => { const { settings } = playground.tools[name];"
        " return settings.filter(one => one.kind === 'range').flatMap(({ name: key }) => {"
        "   const input = document.querySelector(`[data-tool=${name}] [name=${key}]`), all = [];"
        "   for (input.value = input.min; all.at(-1) !== input.value; input.stepUp())"
        "     all.push(input.value);"
        "   return all.flatMap(value => playground.share.read("
        "     settings, `play=${name}&${key}=${value}`, name).complaints); }); }",
        name,
    )
    assert refused == []


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
