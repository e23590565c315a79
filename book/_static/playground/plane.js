// Tool 2: the phase plane of two examples and two features, in alpha and in responses.
(function (gs) {
  "use strict";

  const { text, colour } = gs.canvas;
  const percent = (value) => `${text(100 * value)} %`;
  const SETTINGS = [
    { name: "kind", label: "flow", kind: "menu", options: gs.dual.KINDS, value: "exact" },
    { name: "s1", label: "strength s₁", kind: "range", min: 0.1, max: 8, step: 0.1, value: 3 },
    { name: "s2", label: "strength s₂", kind: "range", min: 0.1, max: 8, step: 0.1, value: 1 },
    { name: "delta", label: "coupling δ", kind: "range", min: -1, max: 1, step: 0.01, value: 0.3 },
    { name: "lam", label: "λ", kind: "choice", choices: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10], value: 0.2 },
    // Of the axis, which is shorter than one where the fixed point is close to zero.
    { name: "a1", label: "start α₁, share of axis", kind: "range", min: 0.001, max: 0.999, step: 0.001, value: 0.02, show: percent },
    { name: "a2", label: "start α₂, share of axis", kind: "range", min: 0.001, max: 0.999, step: 0.001, value: 0.02, show: percent },
    { name: "primal", label: "primal path: gradient descent on θ from 0", kind: "flag", value: false },
  ];
  const DEFAULTS = Object.fromEntries(SETTINGS.map(({ name, value }) => [name, value]));
  const SIZES = [["feature-1", []], ["feature-2", [6, 4]]]; // looks of |z1| and |z2|
  const STARTS = [[0.03, 0.03], [0.97, 0.97], [0.03, 0.97], [0.97, 0.03], [0.5, 0.97], [0.97, 0.5], [0.5, 0.03], [0.03, 0.5]];

  /** The side of the square that is drawn: closer where the fixed point is close to zero. */
  function sideOf({ alpha }) {
    const most = Math.max(...alpha);
    return most > 1 ? 1.2 * most : most > 0.1 ? 1 : 3 * most;
  }

  /** Nullclines of the two examples as lines, on a grid that is dense at both ends. */
  function* nullclines(problem, side) {
    const k = 91, ends = 9;
    const axis = Float64Array.from({ length: k }, (_, i) => side * gs.network.sigmoid(-ends + (2 * ends * i) / (k - 1)));
    const height = [new Float64Array(k * k), new Float64Array(k * k)];
    for (let p = 0; p < k * k; p++) {
      const rate = gs.dual.velocity([axis[p % k], axis[Math.floor(p / k)]], problem);
      height.forEach((one, i) => (one[p] = rate[i]));
      if (p % 600 === 0) yield;
    }
    return height.map((one) => gs.boundary.chains(gs.boundary.contour(axis, axis, one)));
  }

  /** Responses at the fixed point for strengths s1 over the slider's range. */
  function* strengths(problem) {
    const found = [];
    for (let i = 0; i <= 40; i++) {
      const s1 = 0.1 + (7.9 * i) / 40;
      found.push([s1, ...gs.dual.fixedPoint({ ...problem, s1 }).z]);
      yield;
    }
    return found;
  }

  /** What follows a slider: everything but the paths from other starts. */
  function* sketch({ problem, start, primal }) {
    const end = gs.dual.fixedPoint(problem), side = sideOf(end);
    const times = gs.flow.usefulTimes(problem);
    const path = yield* gs.flow.flow(start.map((one) => one * side), problem, times);
    const lines = yield* nullclines(problem, side), sweep = yield* strengths(problem);
    let descent = null;
    if (primal && problem.kind !== "taylor") {
      const stiff = Math.max(problem.s1, problem.s2) ** 2;
      const lr = 0.5 / (stiff / 4 + problem.lam * (problem.kind === "sd" ? stiff : 1));
      descent = gs.dual.descent(problem, lr, 5000).filter((_, i) => i < 200 || i % 25 === 0);
    }
    const z = path.map((alpha) => gs.dual.responses(alpha, problem));
    return { problem, end, side, times, path, z, lines, sweep, descent, others: [] };
  }

  function* refine({ problem }, { side, times, ...rest }) {
    const others = [];
    for (const one of STARTS) {
      others.push(yield* gs.flow.flow(one.map((share) => share * side), problem, times));
    }
    return { ...rest, side, times, others };
  }

  function mount(root, { settings, values, complaints, anchor, home, shows, examples }) {
    const { make, controls } = gs.controls;
    const stages = new gs.loop.Stages(sketch, refine);
    let seen = null, dirty = false;
    const loop = new gs.loop.Loop(root, frame);
    const changed = () => {
      dirty = true;
      loop.wake();
    };
    const chart = (title, shape) => new gs.canvas.Chart({ title, shape, redraw: changed });
    const plane = chart("dual variables: click to start there", "square");
    const space = chart("responses along the path", "square");
    const time = chart("responses over time", "wide"), sweep = chart("z₂* by strength s₁: drag to change it", "wide");
    const numbers = gs.controls.numbers({
      alpha: "fixed point α*", z: "responses z*", slope: "dz₂*/d(s₁²)", size: "d|z₂*|/d(s₁²)",
    });
    const reading = make("p", { className: "play-reading" });
    const status = gs.controls.status(), { tell } = status;

    function renew() {
      const { kind, s1, s2, delta, lam, a1, a2, primal } = values;
      stages.ask({ problem: { kind, s1, s2, delta, lam }, start: [a1, a2], primal });
      tell(primal && kind === "taylor" ? "The Taylor flow has no primal problem: no primal path." : "");
      root.dataset.kind = kind;
      ready.mark();
      loop.wake();
    }

    function frame() {
      const found = stages.work(performance.now() + 8);
      if (found) [seen, dirty] = [found, true];
      if (seen && dirty) {
        dirty = false;
        draw();
      }
      return stages.busy;
    }

    function draw() {
      drawPlane();
      drawResponses();
      drawTime();
      drawSweep();
      const { end, problem } = seen, { alpha, z, starvation } = end;
      const size = Math.sign(z[1]) * starvation, pair = (list) => `(${list.map((v) => text(v)).join(", ")})`;
      numbers.fill({ alpha: pair(alpha), z: pair(z), slope: text(starvation), size: text(size) });
      reading.textContent = gs.map.sentence({ size, relative: (problem.s1 ** 2 / Math.abs(z[1])) * size }, problem);
      plane.describe(`Phase plane of α₁ and α₂ with nullclines and paths; fixed point α = ${pair(alpha)}.`);
      space.describe(`Path of the responses, ending at z = ${pair(z)}.`);
      time.describe("The sizes of both responses over time, on a logarithmic axis.");
      sweep.describe(`The size of z₂ at the fixed point, for strengths s₁ up to 8. ${reading.textContent}`);
    }

    function drawPlane() {
      const { side, problem, lines, others, path, end } = seen;
      plane.begin({ x: [0, side], y: [0, side], xlabel: "α₁ (example 1)", ylabel: "α₂ (example 2)" });
      plane.inside((context) => {
        arrows(context, side, problem);
        if (side > 1) plane.line([[1, 0], [1, 1], [0, 1]], { stroke: colour("frame"), width: 1, dash: [3, 3] });
        for (const one of others) plane.line(one, { stroke: colour("faint"), width: 1.2 });
        plane.lines(lines[0], { stroke: colour("null1"), width: 1.8, dash: [7, 4] });
        plane.lines(lines[1], { stroke: colour("null2"), width: 1.8, dash: [8, 3, 2, 3] });
        plane.line(path, { stroke: ours(), width: 2.6 });
        plane.dot(...path[0], { fill: ours(), radius: 6 });
      });
      plane.end();
      plane.dot(...end.alpha, { fill: colour("ink"), radius: 5.5 });
    }

    function arrows(context, side, problem) {
      const k = 13, length = plane.box.width / k / 2.6;
      context.beginPath();
      for (let p = 0; p < k * k; p++) {
        const alpha = [(p % k) + 0.5, Math.floor(p / k) + 0.5].map((v) => (v / k) * side);
        if (problem.kind !== "taylor" && Math.max(...alpha) >= 1) continue;
        const rate = gs.dual.velocity(alpha, problem), size = Math.hypot(...rate) || 1;
        const [dx, dy] = [(rate[0] / size) * length, (-rate[1] / size) * length];
        const x = plane.px(alpha[0]) + dx / 2, y = plane.py(alpha[1]) + dy / 2;
        context.moveTo(x - dx, y - dy);
        context.lineTo(x, y);
        context.moveTo(x - 0.35 * dx + 0.25 * dy, y - 0.35 * dy - 0.25 * dx);
        context.lineTo(x, y);
        context.lineTo(x - 0.35 * dx - 0.25 * dy, y - 0.35 * dy + 0.25 * dx);
      }
      plane.stroke(colour("arrow"), 1, []);
    }

    function drawResponses() {
      const { z, end, descent } = seen, all = [[0, 0], end.z, ...z, ...(descent ?? [])];
      const range = (j) => {
        const list = all.map((v) => v[j]).filter(Number.isFinite);
        const low = Math.min(...list), high = Math.max(...list), pad = 0.08 * (high - low || 1);
        return [low - pad, high + pad];
      };
      space.begin({ x: range(0), y: range(1), xlabel: "response z₁", ylabel: "response z₂" });
      space.inside(() => {
        const grid = { stroke: colour("frame"), width: 1, dash: [3, 3] };
        space.lines([[[space.x[0], 0], [space.x[1], 0]], [[0, space.y[0]], [0, space.y[1]]]], grid);
        space.line(z, { stroke: ours(), width: 2.6 });
        if (descent) space.line(descent, { stroke: colour("ink"), width: 2.2, dash: [6, 4] });
        space.dot(...z[0], { fill: ours(), radius: 6 });
        space.dot(...end.z, { fill: colour("ink"), radius: 5.5 });
      });
      space.end();
    }

    /** The path's colour is that of the training which it belongs to. */
    function ours() {
      return colour(seen.problem.kind === "sd" ? "decoupled" : "plain");
    }

    function drawTime() {
      const { times, z, end } = seen;
      const most = 1.1 * Math.max(1e-9, ...z.flat().map(Math.abs), ...end.z.map(Math.abs));
      time.begin({ x: [times[1], times[times.length - 1]], y: [0, most], xlog: true, xlabel: "time t (η = 1)" });
      time.inside(() => {
        SIZES.forEach(([name, dash], j) => {
          const path = times.map((t, i) => [t, Math.abs(z[i][j])]).slice(1);
          time.line(path, { stroke: colour(name), dash, width: 2.2 });
          const rest = Math.abs(end.z[j]);
          time.line([[time.x[0], rest], [time.x[1], rest]], { stroke: colour(name), width: 1, dash: [1, 3] });
        });
      });
      time.end();
    }

    function drawSweep() {
      const { s1 } = seen.problem, [name, dash] = SIZES[1];
      const rows = seen.sweep.map((row) => [row[0], Math.abs(row[2])]), z2 = Math.abs(seen.end.z[1]);
      const most = 1.1 * Math.max(1e-9, ...rows.map((row) => row[1]));
      sweep.begin({ x: [0, 8], y: [0, most], xlabel: "strength s₁" });
      sweep.inside(() => {
        sweep.line([[s1, 0], [s1, most]], { stroke: colour("muted"), width: 1, dash: [2, 3] });
        sweep.line(rows, { stroke: colour(name), dash, width: 2.2 });
      });
      sweep.end();
      sweep.dot(s1, z2, { fill: colour(name), radius: 4.5 });
    }

    const form = controls(settings.filter(({ name }) => shows(name)), values, renew);
    const apply = (changes) => {
      form.set(changes);
      renew();
    };
    const ready = gs.controls.examples(examples, DEFAULTS, values, apply);
    const within = (v) => Number(Math.min(0.999, Math.max(0.001, v / seen.side)).toFixed(3));
    gs.controls.pick(plane, values, (alpha) => ({ a1: within(alpha[0]), a2: within(alpha[1]) }), apply);
    gs.controls.pick(sweep, values, ([s1]) => ({ s1: Math.max(1, Math.round(10 * s1)) / 10 }), apply);
    const legend = gs.controls.legend([
      ["null1", "α₁ at rest"], ["null2", "α₂ at rest"], ["start", "start"], ["path", "path from there"],
      ...(shows("primal") ? [["dashed", "primal path"]] : []), ["end", "fixed point"],
    ]);
    const keys = gs.controls.legend([["feature-1", "|z₁|"], ["feature-2", "|z₂|"], ["dots", "at the fixed point"]]);
    root.append(
      ...ready.parts, status.element, form.element,
      make("div", { className: "play-panels" }, plane.element, space.element),
      legend, reading, numbers.element,
      make("div", { className: "play-charts" }, sweep.element, time.element), keys,
      make("div", { className: "play-bar" }, ...gs.share.share(settings, values, { tool: "plane", anchor, home, tell })),
    );
    renew();
    if (complaints.length) tell(complaints.join(" "));
    root.playground = { values, get seen() { return stages.busy ? null : seen; } };
  }

  gs.plane = { sketch };
  (gs.tools ??= {}).plane = { settings: SETTINGS, mount, label: "Phase plane" };
})((globalThis.playground ??= {}));
