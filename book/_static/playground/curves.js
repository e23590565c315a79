// The curves of a training below its maps, loss, margin and responses by step, and what they say.
(function (gs) {
  "use strict";

  const { text, colour } = gs.canvas;
  const LOOKS = { plain: { stroke: "plain", dash: [6, 4] }, decoupled: { stroke: "decoupled", dash: [] } };
  const NAMES = {
    straight: ["straight features, |z₁|", "curved features, |z₂|"],
    fastest: ["fastest feature, |z₁|", "second fastest, |z₂|"],
    authors: ["feature 2, |z₁|", "feature 7, |z₂|"],
  };
  const ALPHA = "α is the pull of a point, its dual variable in chapter 3. Upper lines: the brightest point of each step; " +
    "lower lines: its dimmest.";
  const BUDGET = 5; // milliseconds for responses in one drawing

  /** Charts in an element; `values.pair` names the responses. */
  function curves({ values, shows, redraw }) {
    const { make, legend } = gs.controls;
    const chart = (title) => new gs.canvas.Chart({ title, shape: "wide", redraw });
    const loss = chart("loss"), margin = chart("input margin");
    const alpha = shows("alpha") && chart("α of the brightest and the dimmest point");
    const sizes = shows("responses") ? [chart(""), chart("")] : [];
    const all = [loss, margin, ...(alpha ? [alpha] : []), ...sizes];
    if (alpha) alpha.element.classList.add("play-row");
    const element = make("div", {},
      make("div", { className: "play-charts" }, ...all.map((one) => one.element)),
      legend([["plain", "plain"], ["decoupled", "with the penalty"]]),
      ...(alpha ? [make("p", { className: "play-legend", textContent: ALPHA })] : []));

    let told = "";

    /** Responses at a record, worked out once; undefined where there is no time left. */
    function response(run, record, features, until = Infinity) {
      const known = (record.z ??= {});
      if (!known[values.pair] && performance.now() > until) return undefined;
      return (known[values.pair] ??= gs.features.responses(values.pair, features, run.data.y, record.gained));
    }

    function panel(chart, runs, axes, linesOf) {
      const end = Math.max(10, runs[runs.length - 1].trainer.step);
      chart.begin({ x: [0, end], xlabel: "step", ...axes });
      chart.inside(() => {
        for (const run of runs) {
          const { stroke, dash } = LOOKS[run.name];
          for (const line of linesOf(run)) chart.line(line.filter(([, y]) => Number.isFinite(y)), { stroke: colour(stroke), dash });
        }
      });
      chart.end();
    }

    function range(lists) {
      let low = Infinity, high = -Infinity;
      for (const list of lists) {
        for (const [, value] of list) {
          if (!Number.isFinite(value)) continue;
          low = Math.min(low, value);
          high = Math.max(high, value);
        }
      }
      return low <= high ? [low, high] : [0, 0];
    }

    function drawLoss(runs) {
      const line = (run) => run.history.map((record) => [record.step, record.loss > 0 ? record.loss : NaN]);
      const [low, high] = range(runs.map(line));
      panel(loss, runs, { y: [(low || 1) / 1.3, (high || 1) * 1.3], ylog: true }, (run) => [line(run)]);
      return true;
    }

    function drawAlpha(runs) {
      const lines = (run) => [0, 1].map((i) => run.history.map((record) => [record.step, run.extremes(record)[i] || NaN]));
      const [low, high] = range(runs.flatMap(lines));
      panel(alpha, runs, { y: [(low || 0.5) / 1.5, (high || 0.5) * 1.5], ylog: true }, lines);
      const now = runs.map((run) => run.extremes(run.history[run.history.length - 1]));
      told = runs.map((run, i) => `${run.name === "plain" ? "plain" : "with the penalty"} ${text(now[i][0])} and ${text(now[i][1])}`).join(", ");
      return true;
    }

    function drawMargin(runs) {
      const [least, most] = range(runs.map((run) => run.margins)), top = most > 0 ? 1.08 * most : 1e-3;
      const bottom = most > 0 ? Math.max(least, -top / 3) : least; // the first steps are far below zero
      panel(margin, runs, { y: [Math.min(0, bottom), top] }, (run) => [run.margins]);
      return true;
    }

    const drawSize = (j) => (runs, features) => {
      const until = performance.now() + BUDGET;
      let whole = true;
      const line = (run) => run.history.map((record) => {
        const z = features && response(run, record, features, until);
        if (features && !z) whole = false;
        return [record.step, z ? z[j] : NaN];
      });
      const lines = new Map(runs.map((run) => [run, line(run)]));
      sizes[j].caption.textContent = NAMES[values.pair][j];
      panel(sizes[j], runs, { y: [0, Math.max(1e-3, 1.08 * range([...lines.values()])[1])] }, (run) => [lines.get(run)]);
      return whole;
    };
    const parts = [drawLoss, drawMargin, ...(alpha ? [drawAlpha] : []), ...sizes.map((_, j) => drawSize(j))];

    /** Draw all for some runs, or one of them by its number; false where responses are missing. */
    function draw(runs, features, number) {
      const chosen = number === undefined ? parts : [parts[number]];
      return chosen.map((part) => part(runs, features)).every(Boolean);
    }

    /** What there is to be seen, in sentences. */
    function reading(runs, features) {
      const { step } = runs[0].trainer;
      if (step === 0) return "Nothing is learned yet.";
      const { lam, decay } = runs[runs.length - 1].settings;
      const names = ["plain", lam > 0 && decay === 0 ? "decoupled" : "right"];
      const states = runs.map((run) => run.values), said = [];
      const each = (list) => list.map((words, i) => (runs.length > 1 ? `${words} in the ${names[i]} network` : words)).join(", ");
      if (states.every(({ wrong }) => wrong === 0)) said.push("Every point is on its side of the boundary.");
      else said.push(`On the wrong side: ${each(states.map(({ wrong }) => String(wrong)))}.`);
      const margins = states.map((state) => state.margin), wide = margins[1] > margins[0] ? 1 : 0;
      if (runs.length > 1 && margins.every((one) => one > 0)) {
        const ratio = text(margins[wide] / margins[1 - wide], 2);
        said.push(ratio === "1" ? "Both margins are about as wide." :
          `The margin of the ${names[wide]} network is ${ratio} times that of the other.`);
      }
      if (features && shows("responses")) {
        const shares = runs.map((run) => {
          const z = response(run, run.history[run.history.length - 1], features);
          return `${text((100 * z[1]) / z[0], 2)} % of |z₁|`;
        });
        said.push(`|z₂| is ${each(shares)}.`);
      }
      return said.join(" ");
    }

    function describe(step) {
      loss.describe(`Loss by step, to step ${step}.`);
      margin.describe(`Input margin by step, to step ${step}.`);
      if (alpha) alpha.describe(`Largest and smallest α by step, at step ${step}: ${told}.`);
      for (const one of sizes) one.describe(`Size of the response by step: ${one.caption.textContent}.`);
    }

    return { element, count: parts.length, draw, reading, describe };
  }

  gs.curves = { curves };
})((globalThis.playground ??= {}));
