// Tool 2: the phase plane of two examples and two features, in alpha and in responses.
(function (gs) {
  "use strict";

  const { text, colour } = gs.canvas;
  const share = (value) => text(value, 2);
  const SETTINGS = [
    { name: "kind", label: "flow", kind: "menu", options: gs.dual.KINDS, value: "exact" },
    { name: "s1", label: "strength s₁", kind: "range", min: 0.1, max: 8, step: 0.1, value: 3 },
    { name: "s2", label: "strength s₂", kind: "range", min: 0.1, max: 8, step: 0.1, value: 1 },
    { name: "delta", label: "coupling δ", kind: "range", min: -1, max: 1, step: 0.01, value: 0.3 },
    { name: "lam", label: "λ", kind: "choice", choices: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10], value: 1 },
    { name: "a1", label: "start, α₁ / side", kind: "range", min: 0.001, max: 0.999, step: 0.001, value: 0.02, show: share },
    { name: "a2", label: "start, α₂ / side", kind: "range", min: 0.001, max: 0.999, step: 0.001, value: 0.02, show: share },
    { name: "primal", label: "primal path: gradient descent on θ from 0", kind: "flag", value: false },
  ];
  const STARTS = [[0.03, 0.03], [0.97, 0.97], [0.03, 0.97], [0.97, 0.03], [0.5, 0.97], [0.97, 0.5], [0.5, 0.03], [0.03, 0.5]];

  /** The side of the square that is drawn: closer where the fixed point is close to zero. */
  function sideOf({ alpha }) {
    const most = Math.max(...alpha);
    return most > 1 ? 1.2 * most : most > 0.1 ? 1 : 3 * most;
  }

  /** Nullclines of the two examples as segments, on a grid that is dense at both ends. */
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

  /** Everything that the pictures show of a problem; a generator. */
  function* study(problem, start, primal) {
    const end = gs.dual.fixedPoint(problem), side = sideOf(end);
    const times = gs.flow.usefulTimes(problem);
    const path = gs.flow.flow(start.map((one) => one * side), problem, times);
    yield;
    const lines = yield* nullclines(problem, side);
    const others = [];
    for (const one of STARTS) {
      others.push(gs.flow.flow(one.map((a) => a * side), problem, times));
      yield;
    }
    let descent = null;
    if (primal && problem.kind !== "taylor") {
      const stiff = Math.max(problem.s1, problem.s2) ** 2;
      const lr = 0.5 / (stiff / 4 + problem.lam * (problem.kind === "sd" ? stiff : 1));
      descent = gs.dual.descent(problem, lr, 5000).filter((_, i) => i < 200 || i % 25 === 0);
    }
    return { problem, end, side, times, path, z: path.map((a) => gs.dual.responses(a, problem)), lines, others, descent };
  }

  function mount(root, { values, complaints, anchor }) {
    const { make, controls } = gs.controls;
    let job = null, seen = null, dirty = false;
    const loop = new gs.loop.Loop(root, frame);
    const changed = () => {
      dirty = true;
      loop.wake();
    };
    const chart = (title, shape) => new gs.canvas.Chart({ title, shape, redraw: changed });
    const plane = chart("dual variables: click to start", "square");
    const space = chart("responses along the path", "square");
    const time = chart("responses over time", "wide");
    const numbers = gs.controls.numbers({
      alpha: "fixed point α*", z: "responses z*", slope: "dz₂*/d(s₁²)", size: "d|z₂*|/d(s₁²)", verdict: "in words",
    });
    const status = make("p", { className: "play-status" });
    status.setAttribute("role", "status");
    const tell = (words) => (status.textContent = words);

    function renew() {
      const { kind, s1, s2, delta, lam } = values;
      job = study({ kind, s1, s2, delta, lam }, [values.a1, values.a2], values.primal);
      const idle = values.primal && kind === "taylor";
      tell(idle ? "Eq. 10 approximates the dual and has no primal: no such path is drawn." : "");
      loop.wake();
    }

    function frame() {
      if (job) {
        const done = gs.loop.spend(job, performance.now() + 8);
        if (done) [seen, job, dirty] = [done, null, true];
      }
      if (seen && dirty) {
        dirty = false;
        draw();
      }
      return job !== null;
    }

    function draw() {
      drawPlane();
      drawResponses();
      drawTime();
      const { end, problem } = seen, { alpha, z, starvation } = end;
      const size = Math.sign(z[1]) * starvation;
      numbers.fill({
        alpha: `(${alpha.map((v) => text(v)).join(", ")})`, z: `(${z.map((v) => text(v)).join(", ")})`,
        slope: text(starvation), size: text(size), verdict: gs.map.verdict(size, problem),
      });
      const words = `fixed point α = (${alpha.map((v) => text(v)).join(", ")})`;
      plane.describe(`Phase plane of α₁ and α₂ with nullclines and paths; ${words}.`);
      space.describe(`Path of the responses, ending at z = (${z.map((v) => text(v)).join(", ")}).`);
      time.describe("The sizes of both responses over time, on a logarithmic axis.");
    }

    function drawPlane() {
      const { side, problem, lines, others, path, end } = seen;
      plane.begin({ x: [0, side], y: [0, side], xlabel: "α₁ (example 1)", ylabel: "α₂ (example 2)" });
      plane.inside((context) => {
        arrows(context, side, problem);
        if (side > 1) plane.line([[1, 0], [1, 1], [0, 1]], { stroke: colour("frame"), width: 1, dash: [3, 3] });
        for (const one of others) plane.line(one, { stroke: colour("faint"), width: 1.2 });
        plane.lines(lines[0], { stroke: colour("negative"), width: 1.8, dash: [7, 4] });
        plane.lines(lines[1], { stroke: colour("positive"), width: 1.8, dash: [8, 3, 2, 3] });
        plane.line(path, { stroke: colour("decoupled"), width: 2.6 });
        plane.dot(...path[0], { fill: colour("decoupled"), radius: 6 });
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
        space.line(z, { stroke: colour("decoupled"), width: 2.6 });
        if (descent) space.line(descent, { stroke: colour("plain"), width: 2.2, dash: [6, 4] });
        space.dot(...z[0], { fill: colour("decoupled"), radius: 6 });
        space.dot(...end.z, { fill: colour("ink"), radius: 5.5 });
      });
      space.end();
    }

    function drawTime() {
      const { times, z, end } = seen, sizes = z.map((pair) => pair.map(Math.abs));
      const most = 1.1 * Math.max(1e-9, ...sizes.flat(), ...end.z.map(Math.abs));
      time.begin({ x: [times[1], times[times.length - 1]], y: [0, most], xlog: true, xlabel: "time t (η = 1)" });
      time.inside(() => {
        [["ink", []], ["decoupled", [6, 4]]].forEach(([name, dash], j) => {
          time.line(sizes.slice(1).map((pair, i) => [times[i + 1], pair[j]]), { stroke: colour(name), dash, width: 2.2 });
          const rest = Math.abs(end.z[j]);
          time.line([[time.x[0], rest], [time.x[1], rest]], { stroke: colour(name), width: 1, dash: [1, 3] });
        });
      });
      time.end();
    }

    const form = controls(SETTINGS, values, renew);
    const choose = (event) => {
      const [x, y] = plane.at(event), within = (v) => Math.min(0.999, Math.max(0.001, v / seen.side));
      form.set("a1", Number(within(x).toFixed(3)));
      form.set("a2", Number(within(y).toFixed(3)));
      renew();
    };
    plane.canvas.classList.add("play-touch");
    plane.canvas.addEventListener("pointerdown", (event) => {
      if (!seen) return;
      plane.canvas.setPointerCapture(event.pointerId);
      choose(event);
    });
    plane.canvas.addEventListener("pointermove", (event) => event.buttons && seen && choose(event));
    const legend = gs.controls.legend([
      ["null1", "α₁ at rest"], ["null2", "α₂ at rest"],
      ["decoupled", "path from your start"], ["plain", "primal path"],
    ]);
    const keys = gs.controls.legend([["ink", "|z₁|"], ["starved", "|z₂|"], ["dots", "at the fixed point"]]);
    root.append(
      make("div", { className: "play-bar" }, ...gs.share.share(SETTINGS, values, "plane", anchor, tell), status),
      make("div", { className: "play-panels" }, plane.element, space.element),
      legend, numbers.element, form.element,
      make("div", { className: "play-charts play-single" }, time.element), keys,
    );
    renew();
    if (complaints.length) tell(complaints.join(" "));
    root.playground = { values, get seen() { return job ? null : seen; } };
  }

  gs.plane = { study };
  (gs.tools ??= {}).plane = { settings: SETTINGS, mount, label: "Phase plane" };
})((globalThis.playground ??= {}));
