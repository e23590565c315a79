// Figure 1 (a-c), trained on the first page: its three networks of one seed, and how much of the slope
// of each lies along the vertical coordinate.
(function (gs) {
  "use strict";

  const CASES = [
    ["classes overlap", { delta: -0.1, lam: 0 }],
    ["a small gap", { delta: 0.1, lam: 0 }],
    ["a small gap, SD", { delta: 0.1, lam: 0.006 }],
  ];
  const COMMON = { loss: "logistic", gamma: 0, decay: 0, late: 0, optimizer: "sgd", lr: 0.01, momentum: 0.9 };
  const WIDTH = 500, SEED = 0, STEPS = 1000;
  const PACE = 10, WORK = 5; // steps of a frame, and its milliseconds for them, and for a map

  /** The share of the slope along x2, of the mean absolute slopes along both at the points. */
  function share(network, { x1, x2, n }, step = 1e-3) {
    const slope = (u, v) => {
      const at = (sign) => network.logits(
        x1.map((x) => x + sign * u), x2.map((x) => x + sign * v), new Float64Array(n));
      const behind = at(-1);
      return at(1).reduce((sum, value, i) => sum + Math.abs(value - behind[i]), 0);
    };
    const up = slope(0, step);
    return up / (slope(step, 0) + up);
  }

  const percent = (part) => `${Math.round(100 * part)} %`;

  function mount(root, button) {
    const { make } = gs.controls;
    let playing = false, told = true, turn = 0, waiting = [...CASES.keys()];
    const runs = CASES.map(() => new gs.Run("plain", () => loop.wake()));
    const parts = CASES.map(() => NaN), shares = CASES.map(() => make("b"));
    const steps = make("span", { className: "play-steps" });
    const status = gs.controls.status();
    const loop = new gs.loop.Loop(root, frame);

    const step = () => runs[0].trainer?.step ?? 0;

    function begin(i) {
      const [title, own] = CASES[i], data = gs.moons.twoMoons({ seed: SEED, delta: own.delta });
      runs[i].chart.caption.textContent = title;
      runs[i].start(gs.network.Network.initial(WIDTH, SEED), data, { ...COMMON, ...own }, gs.boundary.gridOf(data));
    }

    function toggle(on) {
      if (on && step() === STEPS) waiting = [...CASES.keys()];
      playing = on;
      button.textContent = on ? "Pause" : step() < STEPS ? "Go on" : "Train again";
      told = on;
      if (on) status.tell("Training.");
      loop.wake();
    }

    function frame() {
      if (waiting.length) {
        begin(waiting.shift());
        return true;
      }
      const until = performance.now() + WORK;
      for (let i = 0; playing && i < PACE && performance.now() < until; i++) {
        for (const run of runs) run.advance();
        if (step() === STEPS) toggle(false);
      }
      // Where motion is unwelcome only the end is shown.
      if (!playing || !gs.loop.calm()) {
        const run = runs[++turn % runs.length];
        if (run.stale) draw(run, runs.indexOf(run));
        else run.work(performance.now() + WORK);
      }
      steps.textContent = `step ${step()}`;
      const more = playing || runs.some((run) => run.behind || run.stale);
      if (!more && !told) {
        told = true;
        status.tell(summary());
      }
      return more;
    }

    function draw(run, i) {
      run.draw();
      parts[i] = share(run.trainer.network, run.data);
      shares[i].textContent = percent(parts[i]);
      const { margin, wrong } = run.values;
      run.chart.describe(
        `Two moons and the decision map, ${CASES[i][0]}, at step ${run.surveyed}: ${wrong} points misclassified, ` +
        `input margin ${gs.canvas.text(margin)}.`,
      );
    }

    function summary() {
      const [overlap, gap, sd] = parts.map(percent);
      return `Step ${step()}. The vertical coordinate has ${overlap} of the slope where the classes overlap, ` +
        `${gap} with a small gap, and ${sd} with spectral decoupling (SD).`;
    }

    root.dataset.ready = "";
    root.classList.add("gs-play");
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Figure 1, trained here");
    const panels = runs.map((run, i) => make("div", {}, run.chart.element, make("p", {}, "vertical: ", shares[i])));
    root.append(steps, make("div", { className: "play-panels" }, ...panels), status.element);
    button.addEventListener("click", () => toggle(!playing));
    toggle(true);
    root.scrollIntoView({ block: "nearest", behavior: gs.loop.calm() ? "auto" : "smooth" });
    root.playground = { runs, get playing() { return playing; } };
  }

  gs.hero = { mount, share };
})((globalThis.playground ??= {}));
