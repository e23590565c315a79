// Tool 3: the starvation map, coupling against the ratio of squared strengths (s2 = 1).
(function (gs) {
  "use strict";

  const { text, colour } = gs.canvas;
  const ratioText = (value) => (value < 0 ? `1 : ${text(10 ** -value)}` : `${text(10 ** value)} : 1`);
  const SETTINGS = [
    { name: "kind", label: "fixed point of", kind: "menu", value: "exact",
      options: { ...gs.dual.KINDS, lemma1: "Lemma 1 (Eq. 14)" } },
    { name: "measure", label: "colour", kind: "menu", value: "size",
      options: { size: "size: d|z₂*|/d(s₁²)", signed: "as printed: dz₂*/d(s₁²)" } },
    { name: "lam", label: "λ", kind: "choice", value: 0.1,
      choices: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10] },
    { name: "delta", label: "look at coupling δ", kind: "range", min: -1, max: 1, step: 0.01, value: 0.3 },
    { name: "ratio", label: "look at s₁² : s₂²", kind: "range", min: -2, max: 4, step: 0.05, value: 2, show: ratioText },
  ];
  const COLUMNS = 121, ROWS = 91, LINEAR = 2e-3; // the scale is linear up to there, then logarithmic

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

  /** From -1 to 1: symmetric logarithm of a relative change, cut at one. */
  function scaled(value) {
    const size = Math.min(Math.abs(value), 1), decades = Math.log10(1 / LINEAR), linear = 1 / (1 + decades);
    const share = size <= LINEAR ? (size / LINEAR) * linear : linear * (1 + Math.log10(size / LINEAR));
    return Math.sign(value) * share;
  }

  function* study(kind, lam) {
    const deltas = gs.moons.linspace(-1, 1, COLUMNS), ratios = gs.moons.linspace(-2, 4, ROWS);
    const layers = Object.fromEntries(["signedRelative", "sizeRelative", "starvation", "z2"].map((n) => [n, new Float64Array(COLUMNS * ROWS)]));
    for (let p = 0; p < COLUMNS * ROWS; p++) {
      const found = probe(kind, deltas[p % COLUMNS], ratios[Math.floor(p / COLUMNS)], lam);
      for (const name of Object.keys(layers)) layers[name][p] = name === "z2" ? found.z[1] : found[name];
      if (p % 40 === 0) yield;
    }
    return { deltas, ratios, ...layers };
  }

  function picture(layer) {
    const canvas = gs.controls.make("canvas", { width: COLUMNS, height: ROWS });
    const context = canvas.getContext("2d"), image = context.createImageData(COLUMNS, ROWS);
    const [low, middle, high] = ["starves", "neither", "feeds"].map((name) => gs.canvas.rgb(colour(name)));
    for (let p = 0; p < layer.length; p++) {
      const lean = Number.isFinite(layer[p]) ? scaled(layer[p]) : 0, end = lean < 0 ? low : high;
      const at = 4 * ((ROWS - 1 - Math.floor(p / COLUMNS)) * COLUMNS + (p % COLUMNS));
      for (let c = 0; c < 3; c++) image.data[at + c] = middle[c] + Math.abs(lean) * (end[c] - middle[c]);
      image.data[at + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  /** Where a layer (rows of ratio) changes sign: lines; `contour` wants a square, so by hand. */
  function zeros(layer, deltas, ratios) {
    const found = [];
    for (let r = 0; r < ROWS - 1; r++) {
      for (let c = 0; c < COLUMNS - 1; c++) {
        const p = r * COLUMNS + c, sides = [[p, p + 1], [p + 1, p + COLUMNS + 1], [p + COLUMNS + 1, p + COLUMNS], [p + COLUMNS, p]];
        const cuts = [];
        for (const [a, b] of sides) {
          if (layer[a] > 0 === layer[b] > 0 || !Number.isFinite(layer[a] + layer[b])) continue;
          const share = layer[a] / (layer[a] - layer[b]);
          const mix = (axis, i, j) => axis[i] + share * (axis[j] - axis[i]);
          cuts.push(mix(deltas, a % COLUMNS, b % COLUMNS), mix(ratios, Math.floor(a / COLUMNS), Math.floor(b / COLUMNS)));
        }
        for (let i = 0; i + 3 < cuts.length; i += 4) found.push(cuts.slice(i, i + 4));
      }
    }
    return gs.boundary.chains(found);
  }

  function mount(root, { values, complaints, anchor }) {
    const { make, controls } = gs.controls;
    let job = null, seen = null, dirty = false;
    const loop = new gs.loop.Loop(root, frame);
    const changed = () => {
      dirty = true;
      loop.wake();
    };
    const chart = new gs.canvas.Chart({ title: "point at the map, or use the sliders", shape: "map", redraw: changed });
    const numbers = gs.controls.numbers({
      place: "at", z: "responses z*", slope: "dz₂*/d(s₁²)", size: "d|z₂*|/d(s₁²)", relative: "% per % of s₁²", verdict: "in words",
    });
    const status = make("p", { className: "play-status" });
    status.setAttribute("role", "status");
    const tell = (words) => (status.textContent = words);

    function renew(name) {
      if (name !== "delta" && name !== "ratio" && name !== "measure") job = study(values.kind, values.lam);
      changed();
    }

    function frame() {
      if (job) {
        const done = gs.loop.spend(job, performance.now() + 8);
        if (done) [seen, job, dirty] = [done, null, true];
      }
      if (dirty) {
        dirty = false;
        draw();
      }
      return job !== null;
    }

    function draw() {
      const { kind, delta, ratio, lam, measure } = values;
      const found = probe(kind, delta, ratio, lam);
      numbers.fill({
        place: `δ = ${text(delta)}, ${ratioText(ratio)}`, z: `(${found.z.map((v) => text(v)).join(", ")})`,
        slope: text(found.starvation), size: text(found.size),
        relative: text(measure === "size" ? found.sizeRelative : found.signedRelative), verdict: verdict(found.size, values),
      });
      const names = (v) => (v === 0 ? "1" : v < 0 ? `1/${10 ** -v}` : String(10 ** v));
      chart.begin({ x: [-1, 1], y: [-2, 4], xlabel: "coupling δ", ylabel: "s₁² / s₂²", yticks: [-2, -1, 0, 1, 2, 3, 4], ynames: names });
      chart.inside((context) => {
        if (seen) {
          const { box } = chart, { deltas, ratios } = seen;
          context.drawImage(picture(seen[`${measure}Relative`]), box.left, box.top, box.width, box.height);
          if (kind !== "sd") chart.lines(zeros(seen.starvation, deltas, ratios), { stroke: colour("ink"), width: 1.5 });
          const silent = zeros(seen.z2, deltas, ratios);
          chart.lines(silent, { stroke: colour("ground"), width: 4 });
          chart.lines(silent, { stroke: colour("third"), width: 2, dash: [6, 4] });
        }
        chart.lines([[[-1, ratio], [1, ratio]], [[delta, -2], [delta, 4]]], { stroke: colour("muted"), width: 1, dash: [2, 3] });
      });
      chart.end();
      chart.dot(delta, ratio, { fill: colour("ink"), radius: 6 });
      chart.describe(
        `Map over coupling and ratio of squared strengths for λ = ${text(lam)}. At δ = ${text(delta)} and ` +
        `${ratioText(ratio)}: ${verdict(found.size, values)}.`,
      );
    }

    const form = controls(SETTINGS, values, renew);
    const choose = (event) => {
      const [delta, ratio] = chart.at(event);
      form.set("delta", Math.round(100 * delta) / 100);
      form.set("ratio", Math.round(20 * ratio) / 20);
      changed();
    };
    chart.canvas.classList.add("play-touch");
    chart.canvas.addEventListener("pointerdown", choose);
    chart.canvas.addEventListener("pointermove", choose);
    const scale = make("div", { className: "play-scale", ariaHidden: "true" });
    for (const value of ["−1", "−0.1", "−0.01", "0", "0.01", "0.1", "1"]) scale.append(make("span", { textContent: value }));
    const legend = gs.controls.legend([["ink", "derivative zero"], ["third", "z₂* = 0"]], "change of z₂* in %, per % of s₁²");
    root.append(
      make("div", { className: "play-bar" }, ...gs.share.share(SETTINGS, values, "map", anchor, tell), status),
      chart.element, scale, legend, numbers.element, form.element,
    );
    tell(complaints.join(" "));
    renew();
    root.playground = { values, get seen() { return job ? null : seen; } };
  }

  gs.map = { probe, study, scaled, verdict };
  (gs.tools ??= {}).map = { settings: SETTINGS, mount, label: "Starvation map" };
})((globalThis.playground ??= {}));
