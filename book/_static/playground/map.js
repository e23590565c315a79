// Tool 3: the starvation map, coupling against the ratio of squared strengths (s2 = 1).
(function (gs) {
  "use strict";

  const { text, colour } = gs.canvas;
  const ratioText = (value) => (value < 0 ? `1 : ${text(10 ** -value)}` : `${text(10 ** value)} : 1`);
  const SETTINGS = [
    { name: "kind", label: "fixed point of", kind: "menu", value: "exact",
      options: { ...gs.dual.KINDS, lemma1: "Lemma 1 (Eq. 14)" } },
    { name: "measure", label: "colour by", kind: "menu", value: "size",
      options: { size: "size, d|z₂*|/d(s₁²)", signed: "as printed, dz₂*/d(s₁²)" } },
    { name: "scale", label: "scale", kind: "menu", value: "relative",
      options: { relative: "% of z₂*, per % of s₁²", raw: "the derivative itself" } },
    { name: "lam", label: "λ", kind: "choice", value: 0.1,
      choices: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10] },
    { name: "delta", label: "look at coupling δ", kind: "range", min: -1, max: 1, step: 0.01, value: 0.3 },
    { name: "ratio", label: "look at s₁² : s₂²", kind: "range", min: -2, max: 4, step: 0.05, value: 2, show: ratioText },
  ];
  const DEFAULTS = Object.fromEntries(SETTINGS.map(({ name, value }) => [name, value]));
  // Where the derivative of Eq. 9 and 10 is zero, by the theorem on its sign in chapter 4.
  const BORDERS = [[[0, -2], [0, 4]], [[-1, 0], [1, 0]]];
  const COARSE = [31, 25], FINE = [121, 91]; // columns and rows
  // Linear up to there, then logarithmic up to one; and the places that have a number.
  const SCALES = {
    relative: { linear: 2e-3, marks: [-1, -0.1, -0.01, 0, 0.01, 0.1, 1] },
    raw: { linear: 1e-6, marks: [-1, -1e-2, -1e-4, 0, 1e-4, 1e-2, 1] },
  };
  const LAYERS = ["signedRelative", "sizeRelative", "starvation", "size"];
  const layerOf = ({ measure, scale }) => (scale === "relative" ? `${measure}Relative` : measure === "size" ? "size" : "starvation");

  /** Responses and derivatives at one place; `ratio` is the decimal logarithm of s1^2 / s2^2. */
  function probe(kind, delta, ratio, lam) {
    const problem = { kind, delta, s1: 10 ** (ratio / 2), s2: 1, lam };
    const { z, starvation } = kind === "lemma1" ? gs.dual.lemma1(problem) : gs.dual.fixedPoint(problem);
    const size = Math.sign(z[1]) * starvation, relative = 10 ** ratio / Math.abs(z[1]);
    return { z, starvation, size, signedRelative: relative * starvation, sizeRelative: relative * size };
  }

  /** What a derivative of |z2| by s1^2 means, in words. */
  function verdict(size, { kind, delta }) {
    if (kind === "sd") return "the strengths cancel: no starvation";
    if (delta === 0 || Math.abs(delta) === 1) return "uncoupled: neither";
    if (Math.abs(size) < 1e-12) return "neither, to twelve digits";
    return size < 0 ? "feature 1 starves feature 2" : "feature 1 feeds feature 2";
  }

  /** The same with the number. */
  function sentence({ size, relative }, problem) {
    const words = verdict(size, problem), percent = text(Math.abs(relative), 2);
    const start = `${words[0].toUpperCase()}${words.slice(1)}`;
    if (!words.includes("feature 1 ")) return `${start}.`;
    return `${start}: one per cent more s₁² makes |z₂*| ${percent} % ${size < 0 ? "smaller" : "larger"}.`;
  }

  /** From -1 to 1: symmetric logarithm of a value, cut at one. */
  function scaled(value, threshold = SCALES.relative.linear) {
    const size = Math.min(Math.abs(value), 1), share = 1 / (1 + Math.log10(1 / threshold));
    return Math.sign(value) * share * (size <= threshold ? size / threshold : 1 + Math.log10(size / threshold));
  }

  /** The layers of the map, rows of ratio, on a grid. */
  function* study({ kind, lam }, [columns, rows]) {
    const deltas = gs.moons.linspace(-1, 1, columns), ratios = gs.moons.linspace(-2, 4, rows);
    const size = columns * rows, layers = Object.fromEntries(LAYERS.map((name) => [name, new Float64Array(size)]));
    const z2 = new Float64Array(size);
    for (let p = 0; p < size; p++) {
      const found = probe(kind, deltas[p % columns], ratios[Math.floor(p / columns)], lam);
      for (const name of LAYERS) layers[name][p] = found[name];
      z2[p] = found.z[1];
      if (p % 16 === 0) yield;
    }
    const zeros = (layer) => gs.boundary.chains(gs.boundary.contour(deltas, ratios, layer));
    const zero = { sd: () => [], lemma1: () => zeros(layers.starvation) }[kind]?.() ?? BORDERS;
    yield;
    return { columns, rows, layers, zero, silent: zeros(z2) };
  }

  /** A canvas with a layer in the colours of the theme, painted once. */
  function picture(seen, values) {
    const colours = ["starves", "neither", "feeds"].map(colour), name = layerOf(values);
    const key = [name, ...colours].join();
    if (seen.painted === key) return seen.image;
    const layer = seen.layers[name], { linear } = SCALES[values.scale];
    const lean = (p) => (Number.isFinite(layer[p]) ? scaled(layer[p], linear) : 0); // no share of z2 = 0
    seen.painted = key;
    seen.image = gs.canvas.raster(seen.columns, seen.rows, lean, colours);
    return seen.image;
  }

  function mount(root, { settings, values, complaints, anchor, home, shows, examples }) {
    const { make, controls } = gs.controls;
    const stages = new gs.loop.Stages((input) => study(input, COARSE), (input) => study(input, FINE));
    let seen = null, dirty = false, hovered = null, asked = null;
    const loop = new gs.loop.Loop(root, frame);
    const changed = () => {
      dirty = true;
      loop.wake();
    };
    const chart = new gs.canvas.Chart({ title: "point at the map for numbers, click to keep the place", shape: "map", redraw: changed });
    const numbers = gs.controls.numbers({
      place: "at", z: "responses z*", slope: "dz₂*/d(s₁²)", size: "d|z₂*|/d(s₁²)", relative: "% of z₂*, per % of s₁²",
    });
    const reading = make("p", { className: "play-reading" });
    const status = gs.controls.status(), { tell } = status;
    const scale = make("div", { className: "play-scale", ariaHidden: "true" });
    const [less, more] = [make("span"), make("span")];
    const ends = make("p", { className: "play-ends" }, less, more);

    function renew() {
      const { kind, lam } = values;
      if (asked?.kind !== kind || asked.lam !== lam) stages.ask((asked = { kind, lam }));
      hovered = null;
      ready.mark();
      changed();
    }

    function frame() {
      const found = stages.work(performance.now() + 8);
      if (found) [seen, dirty] = [found, true];
      if (dirty) {
        dirty = false;
        draw();
      }
      return stages.busy;
    }

    function draw() {
      const { kind, lam, measure } = values, place = hovered ?? values;
      const found = probe(kind, place.delta, place.ratio, lam), problem = { kind, delta: place.delta };
      const relative = measure === "size" ? found.sizeRelative : found.signedRelative;
      numbers.fill({
        place: `δ = ${text(place.delta)}, ${ratioText(place.ratio)}`, z: `(${found.z.map((v) => text(v)).join(", ")})`,
        slope: text(found.starvation), size: text(found.size), relative: text(relative),
      });
      reading.textContent = sentence({ size: found.size, relative: found.sizeRelative }, problem);
      drawMap(place);
      drawScale();
      chart.describe(
        `Map over coupling and ratio of squared strengths for λ = ${text(lam)}. At δ = ${text(place.delta)} and ` +
        `${ratioText(place.ratio)}: ${verdict(found.size, problem)}.`,
      );
    }

    function drawMap(place) {
      const names = (v) => (v === 0 ? "1" : v < 0 ? `1/${10 ** -v}` : String(10 ** v));
      chart.begin({ x: [-1, 1], y: [-2, 4], xlabel: "coupling δ", ylabel: "s₁² / s₂²", yticks: [-2, -1, 0, 1, 2, 3, 4], ynames: names });
      chart.inside((context) => {
        if (seen) {
          const { box } = chart;
          context.drawImage(picture(seen, values), box.left, box.top, box.width, box.height);
          chart.lines(seen.zero, { stroke: colour("ink"), width: 1.5 });
          chart.lines(seen.silent, { stroke: colour("ground"), width: 4 });
          chart.lines(seen.silent, { stroke: colour("ink"), width: 2, dash: [6, 4] });
        }
        const { delta, ratio } = place;
        chart.lines([[[-1, ratio], [1, ratio]], [[delta, -2], [delta, 4]]], { stroke: colour("muted"), width: 1, dash: [2, 3] });
      });
      chart.end();
      chart.dot(values.delta, values.ratio, { fill: colour("ink"), radius: 6 });
    }

    function drawScale() {
      const { measure } = values, { marks, linear } = SCALES[values.scale];
      if (scale.dataset.of === `${measure} ${values.scale}`) return;
      scale.dataset.of = `${measure} ${values.scale}`;
      scale.replaceChildren(...marks.map((mark) => {
        const span = make("span", { textContent: text(mark) });
        span.style.left = `${50 * (1 + scaled(mark, linear))}%`;
        return span;
      }));
      const what = measure === "size" ? "|z₂*|" : "z₂*";
      less.textContent = `← ${what} falls as s₁ grows`;
      more.textContent = `${what} grows with s₁ →`;
    }

    const form = controls(settings.filter(({ name }) => shows(name)), values, renew);
    const apply = (changes) => {
      form.set(changes);
      renew();
    };
    const ready = gs.controls.examples(examples, DEFAULTS, values, apply);
    const place = ([delta, ratio]) => ({ delta: Math.round(100 * delta) / 100, ratio: Math.round(20 * ratio) / 20 });
    const hover = (found) => {
      hovered = found;
      changed();
    };
    gs.controls.pick(chart, values, place, apply);
    chart.canvas.addEventListener("pointermove", (event) => {
      if (chart.box && !event.buttons) hover(place(chart.at(event)));
    });
    chart.canvas.addEventListener("pointerleave", () => hover(null));
    root.append(
      ...ready.parts, status.element, form.element, chart.element, scale, ends,
      gs.controls.legend([["ink", "the derivative is zero"], ["dashed", "z₂* = 0"]]), reading, numbers.element,
      make("div", { className: "play-bar" }, ...gs.share.share(settings, values, { tool: "map", anchor, home, tell })),
    );
    tell(complaints.join(" "));
    renew();
    root.playground = { values, get seen() { return stages.busy ? null : seen; } };
  }

  gs.map = { sentence };
  (gs.tools ??= {}).map = { settings: SETTINGS, mount, label: "Starvation map" };
})((globalThis.playground ??= {}));
