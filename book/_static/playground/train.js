// Tool 1: train a network on two moons, plain and with spectral decoupling side by side.
(function (gs) {
  "use strict";

  const { Network } = gs.network;
  const { text } = gs.canvas;
  const degrees = (value) => `${value}°`;
  const SETTINGS = [
    { name: "delta", label: "gap Δ", kind: "range", min: -1, max: 1, step: 0.05, value: 0.1 },
    { name: "noise", label: "noise", kind: "range", min: 0, max: 0.5, step: 0.01, value: 0.1 },
    { name: "rotation", label: "rotation", kind: "range", min: 0, max: 90, step: 5, value: 0, show: degrees },
    { name: "seed", label: "seed", kind: "range", min: 0, max: 49, step: 1, value: 0 },
    { name: "lam", label: "SD, the paper’s λ", kind: "choice", value: 0.006,
      choices: [0, 0.001, 0.002, 0.003, 0.006, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1] },
    { name: "gamma", label: "target γ of the logits", kind: "range", min: -3, max: 3, step: 0.25, value: 0 },
    { name: "decay", label: "weight decay (λ/n of Eq. 5)", kind: "choice", value: 0,
      choices: [0, 1e-4, 2e-4, 1e-3, 3e-3, 1e-2, 3e-2] },
    { name: "width", label: "hidden units", kind: "choice", choices: [5, 10, 20, 50, 100, 200, 500], value: 100 },
    { name: "loss", label: "loss", kind: "menu", value: "logistic",
      options: { logistic: "cross-entropy", squared: "squared" } },
    { name: "optimizer", label: "optimiser", kind: "menu", value: "sgd",
      options: { sgd: "SGD with momentum", adam: "Adam" } },
    { name: "lr", label: "learning rate", kind: "choice", value: 3e-2, show: String,
      choices: [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1] },
    { name: "momentum", label: "momentum (SGD)", kind: "choice", choices: [0, 0.5, 0.9, 0.95], value: 0.9 },
  ];
  const DISPLAY = [
    { name: "speed", label: "steps per frame", kind: "choice", choices: [1, 2, 5, 10, 20], value: 5 },
    { name: "both", label: "plain beside it", kind: "flag", value: true },
    { name: "pair", label: "responses z₁ | z₂", kind: "menu", options: gs.features.PAIRS, value: "straight" },
  ];
  const WORK = 7; // milliseconds of a frame for training, and half as many again for maps

  function mount(root, { values, complaints, anchor }) {
    const { make, controls, button } = gs.controls;
    let playing = false, dirty = true, drawn = 0, features = null, featuring = null;
    const runs = ["plain", "decoupled"].map((name) => new gs.Run(name, () => changed()));
    const curves = {
      loss: chart("loss"), first: chart("response |z₁|"), second: chart("response |z₂|"),
    };
    function chart(title) {
      return new gs.canvas.Chart({ title, shape: "wide", redraw: () => changed() });
    }
    const status = make("p", { className: "play-status" });
    status.setAttribute("role", "status");
    const tell = (words) => (status.textContent = words);
    const steps = make("span", { className: "play-steps" });
    const play = button("Play", () => toggle(!playing));
    play.className = "play-main";
    const loop = new gs.loop.Loop(root, frame);
    const active = () => (values.both ? runs : runs.slice(1));

    function toggle(on) {
      playing = on;
      play.textContent = on ? "Pause" : "Play";
      tell(on ? "Training." : `Paused at step ${runs[1].trainer.step}.`);
      if (!on) describe();
      loop.wake();
    }

    function changed() {
      dirty = true;
      loop.wake();
    }

    function reset() {
      const data = gs.moons.twoMoons(values), grid = gs.boundary.gridOf(data);
      const network = Network.initial(values.width, values.seed);
      features = null;
      featuring = gs.features.features(network.copy(), data);
      for (const run of active()) {
        const lam = run.name === "plain" ? 0 : values.lam;
        run.start(network.copy(), data, { ...values, lam }, grid);
        run.chart.caption.textContent = run.name === "plain" ? "plain, λ = 0" : `decoupled, λ = ${text(lam)}`;
      }
      runs[0].element.hidden = !values.both;
      changed();
    }

    function step() {
      for (const run of active()) run.advance();
      if (active().every((run) => run.trainer.finite)) return true;
      toggle(false);
      tell(`Diverged at step ${runs[1].trainer.step}: the loss is no longer finite. Lower the learning rate, or reset.`);
      return false;
    }

    function frame(now) {
      const start = performance.now();
      if (playing) {
        for (let i = 0; i < values.speed && performance.now() < start + WORK; i++) if (!step()) break;
        dirty = true;
      }
      let more = playing;
      const until = Math.max(performance.now(), start + WORK / 2) + WORK / 2;
      if (featuring) {
        features = gs.loop.spend(featuring, until) ?? null;
        if (features) {
          featuring = null;
          dirty = true;
        }
        more = true;
      }
      for (const run of active()) {
        const before = run.seen;
        if (run.work(until)) more = true;
        if (run.seen !== before) dirty = true;
      }
      // With reduced motion the page shows two pictures a second, lest they move.
      if (dirty && (!gs.loop.calm() || !playing || now - drawn > 500)) {
        drawn = now;
        dirty = false;
        draw();
      }
      return more || dirty;
    }

    function draw() {
      for (const run of active()) run.draw();
      const { step } = runs[1].trainer;
      steps.textContent = `step ${step}`;
      const end = Math.max(10, step), looks = [
        { run: runs[0], stroke: gs.canvas.colour("plain"), dash: [6, 4] },
        { run: runs[1], stroke: gs.canvas.colour("decoupled"), dash: [] },
      ].slice(values.both ? 0 : 1);
      const losses = looks.flatMap(({ run }) => run.history.map((r) => r.loss)).filter((v) => v > 0 && v < Infinity);
      const low = Math.min(...losses, 1) / 1.3, high = Math.max(...losses, low * 2) * 1.3;
      panel(curves.loss, { y: [low, high], ylog: true }, (record) => record.loss);
      const trained = features ? looks.map(({ run }) => run.history.map((record) => response(run, record))) : [];
      ["first", "second"].forEach((name, j) => {
        const most = Math.max(1e-3, ...trained.flat().map((z) => z[j]).filter(Number.isFinite));
        panel(curves[name], { y: [0, 1.08 * most] }, (record, run) => (features ? response(run, record)[j] : NaN));
      });

      function panel(chart, axes, value) {
        chart.begin({ x: [0, end], xlabel: "step", ...axes });
        chart.inside(() => {
          for (const { run, stroke, dash } of looks) {
            const line = run.history.map((record) => [record.step, value(record, run)]);
            chart.line(line.filter(([, y]) => Number.isFinite(y)), { stroke, dash });
          }
        });
        chart.end();
      }
    }

    function response(run, record) {
      const known = (record.z ??= {});
      return (known[values.pair] ??= gs.features.responses(values.pair, features, run.data.y, record.gained));
    }

    /** Put the pictures into words; done at rest, lest a screen reader never rests. */
    function describe() {
      for (const run of active()) {
        const { margin, wrong, loss } = run.values;
        run.chart.describe(
          `Two moons and the decision map of the network, ${run.chart.caption.textContent}, at step ` +
          `${run.trainer.step}: input margin ${text(margin)}, ${wrong} points misclassified, loss ${text(loss)}.`,
        );
        run.chart.canvas.dataset.step = run.trainer.step;
      }
      curves.loss.describe(`Loss by step, to step ${runs[1].trainer.step}.`);
      curves.first.describe("Size of the response to the first feature or group of features, by step.");
      curves.second.describe("Size of the response to the second feature or group of features, by step.");
    }

    const all = [...SETTINGS, ...DISPLAY];
    const settings = controls(SETTINGS, values, reset);
    const display = controls(DISPLAY, values, (name) => (name === "both" ? reset() : changed()));
    root.append(
      make("div", { className: "play-bar" },
        play,
        button("Step", () => { if (playing) toggle(false); if (step()) tell(`Step ${runs[1].trainer.step}.`); describe(); changed(); }),
        button("Reset", () => { if (playing) toggle(false); reset(); tell("Back at step 0."); describe(); }),
        steps,
        ...gs.share.share(all, values, "train", anchor, tell), status),
      make("div", { className: "play-panels" }, ...runs.map((run) => run.element)),
      make("details", { className: "play-settings", open: innerWidth > 600 }, make("summary", { textContent: "Settings: a change starts anew" }), settings.element),
      make("div", { className: "play-display" }, display.element,
        gs.controls.legend([["plain", "plain"], ["decoupled", "decoupled"]])),
      make("div", { className: "play-charts" }, ...Object.values(curves).map((one) => one.element)),
    );
    tell(complaints.join(" "));
    reset();
    describe();
    root.playground = { values, runs, get features() { return features; }, get playing() { return playing; } };
  }

  (gs.tools ??= {}).train = { settings: [...SETTINGS, ...DISPLAY], mount, label: "Train a network" };
})((globalThis.playground ??= {}));
