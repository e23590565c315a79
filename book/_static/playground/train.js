// Tool 1: train a network on two moons, plain and with a penalty side by side.
(function (gs) {
  "use strict";

  const { Network } = gs.network;
  const { text } = gs.canvas;
  const SETTINGS = [
    { name: "delta", label: "gap Δ", kind: "range", min: -1, max: 1, step: 0.05, value: 0.1 },
    { name: "noise", label: "noise", kind: "range", min: 0, max: 0.5, step: 0.01, value: 0.1 },
    { name: "rotation", label: "rotation", kind: "range", min: -90, max: 90, step: 5, value: 0,
      show: (value) => `${text(value)}°` },
    { name: "lam", label: "SD, the paper’s λ", kind: "choice", value: 0.006,
      choices: [0, 0.001, 0.002, 0.003, 0.006, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1] },
    { name: "gamma", label: "SD, target γ of the logits", kind: "range", min: -3, max: 3, step: 0.25, value: 0 },
    { name: "decay", label: "weight decay (λ/n of Eq. 5)", kind: "choice", value: 0,
      choices: [0, 1e-4, 2e-4, 1e-3, 3e-3, 1e-2, 3e-2] },
    { name: "late", label: "penalty from step", kind: "choice", choices: [0, 100, 300, 1000, 3000], value: 0 },
    { name: "loss", label: "loss", kind: "menu", value: "logistic",
      options: { logistic: "cross-entropy", squared: "squared" } },
    { name: "optimizer", label: "optimiser", kind: "menu", value: "sgd",
      options: { sgd: "SGD with momentum", adam: "Adam" } },
    { name: "lr", label: "learning rate", kind: "choice", value: 3e-2, show: String,
      choices: [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1] },
    { name: "momentum", label: "momentum (SGD)", kind: "choice", choices: [0, 0.5, 0.9, 0.95], value: 0.9 },
    { name: "width", label: "hidden units", kind: "choice", choices: [5, 10, 20, 50, 100, 200, 500], value: 100 },
    { name: "seed", label: "seed", kind: "range", min: 0, max: 49, step: 1, value: 0 },
  ];
  const DISPLAY = [
    { name: "speed", label: "speed, steps a frame", kind: "choice", choices: [1, 2, 5, 10, 20], value: 5 },
    { name: "both", label: "plain network beside it", kind: "flag", value: true },
    { name: "open", label: "steps done when it opens", kind: "choice", choices: [0, 100, 300, 1000, 3000], value: 1000 },
    { name: "pair", label: "responses z₁ | z₂", kind: "menu", options: gs.features.PAIRS, value: "straight" },
  ];
  const PULL = { name: "pull", label: "draw points by their pull", kind: "flag", value: false };
  const DEFAULTS = Object.fromEntries(SETTINGS.map(({ name, value }) => [name, value]));
  const WORK = 7; // milliseconds of a frame for training, and half as many again for maps
  const BURST = 12; // milliseconds of a frame for the steps before it opens, drawing not counted
  const PAUSE = 20, CALM = 500; // milliseconds until the next curve, and until the next of all

  /** What the network with a penalty is called. */
  function titleOf({ lam, decay, late }) {
    const parts = [lam > 0 && `decoupled, λ = ${text(lam)}`, decay > 0 && `weight decay ${text(decay)}`].filter(Boolean);
    if (!parts.length) return "no penalty either";
    return parts.join(", ") + (late ? ` from ${late}` : "");
  }

  const areas = (loss) =>
    `Area: the pull of a point on the network, ${loss === "squared" ? "|y − ŷ|" : "σ(−yŷ)"}, which is large where its label is not yet learned. ` +
    "A point that is a mere dot teaches nothing more.";

  function mount(root, { settings, values, complaints, anchor, home, shows, examples }) {
    const { make, controls, button } = gs.controls;
    let playing = false, opening = false, dirty = true, drawn = 0, turn = 0, part = 0, features = null, featuring = null;
    const runs = ["plain", "decoupled"].map((name) => new gs.Run(name, () => loop.wake()));
    const curves = gs.curves.curves({ values, shows, redraw: () => changed() });
    const status = gs.controls.status(), { tell } = status;
    const reading = make("p", { className: "play-reading" });
    const steps = make("span", { className: "play-steps" });
    const area = make("p", { className: "play-legend" });
    const play = button("Play", () => toggle(!playing));
    play.className = "play-main";
    const loop = new gs.loop.Loop(root, frame);
    const active = () => (values.both ? runs : runs.slice(1));

    function toggle(on) {
      playing = on;
      opening = false;
      play.textContent = on ? "Pause" : "Play";
      tell(on ? "Training." : `Paused at step ${runs[1].trainer.step}.`);
      reading.setAttribute("aria-live", on ? "off" : "polite"); // or a screen reader never rests
      changed();
    }

    function changed() {
      dirty = true;
      loop.wake();
    }

    function reset() {
      const data = gs.moons.twoMoons(values), grid = gs.boundary.gridOf(data);
      const network = Network.initial(values.width, values.seed);
      features = null;
      opening = false;
      featuring = gs.features.features(network.copy(), data);
      for (const run of active()) {
        const plain = run.name === "plain";
        run.start(network.copy(), data, plain ? { ...values, lam: 0, decay: 0, late: 0 } : { ...values }, grid);
        run.chart.caption.textContent = plain ? "plain, no penalty" : titleOf(values);
      }
      runs[0].element.hidden = !values.both;
      ready.mark();
      showPull();
    }

    function showPull() {
      for (const run of runs) run.showPull(values.pull);
      area.hidden = !values.pull;
      area.textContent = areas(values.loss);
      changed();
    }

    /** On to the step that the tool opens at, with maps on the way for the curve of margins; true when there. */
    function hurry(until) {
      while (performance.now() < until) {
        const now = runs[1].trainer.step, mapped = now % (now < 100 ? 20 : 100) === 0;
        const behind = mapped && active().find((run) => run.behind);
        if (behind) behind.work(until);
        else if (now >= values.open || !step()) return true;
      }
      return false;
    }

    /** One step of each network; false where one has diverged. */
    function step() {
      for (const run of active()) run.advance();
      if (active().every((run) => run.trainer.finite)) return true;
      toggle(false);
      tell(`Diverged at step ${runs[1].trainer.step}: the loss is no longer finite. Lower the learning rate, or reset.`);
      return false;
    }

    function frame(now) {
      const start = performance.now(), seldom = gs.loop.calm();
      if (opening) {
        for (const run of active()) if (!run.chart.box) run.draw(); // the points, before there is a map
        opening = !hurry(start + BURST);
        steps.textContent = `step ${runs[1].trainer.step}`;
        return true;
      }
      if (playing) {
        for (let i = 0; i < values.speed && performance.now() < start + WORK; i++) if (!step()) break;
        dirty = true;
      }
      const until = Math.max(performance.now(), start + WORK / 2) + WORK / 2;
      const busy = featuring !== null;
      if (busy) {
        features = gs.loop.spend(featuring, until) ?? null;
        if (features) featuring = null;
        dirty ||= features !== null;
      }
      // The two maps take turns: one a frame.
      const shown = active(), run = shown[++turn % shown.length];
      if (run.work(until)) dirty = true;
      // With reduced motion the page shows two pictures a second, lest they move.
      const due = !playing || now - drawn > (seldom ? CALM : PAUSE);
      for (const one of due ? shown : seldom ? [] : [run]) if (one.stale) one.draw();
      if (due && dirty) {
        drawn = now;
        dirty = false;
        if (playing && !seldom) reportPart();
        else report();
      }
      return playing || busy || dirty || shown.some((one) => one.behind || one.stale);
    }

    function report() {
      if (!curves.draw(active(), features)) dirty = true;
      reportNumbers();
      if (!playing) describe();
    }

    /** In play one curve at a time, then the numbers: a frame has little time. */
    function reportPart() {
      part = (part + 1) % (curves.count + 1);
      if (part < curves.count) curves.draw(active(), features, part);
      else reportNumbers();
    }

    function reportNumbers() {
      for (const run of active()) run.report();
      steps.textContent = `step ${runs[1].trainer.step}`;
      reading.textContent = curves.reading(active(), features);
    }

    /** Put the pictures into words. */
    function describe() {
      for (const run of active()) {
        const { margin, wrong, loss, pull } = run.values, pulls = run.pulls;
        run.chart.describe(
          `Two moons and the decision map of the network, ${run.chart.caption.textContent}, at step ` +
          `${run.trainer.step}: input margin ${text(margin)}, ${wrong} points misclassified, loss ${text(loss)}, ` +
          `mean pull of the points ${text(pull)}, from ${text(Math.min(...pulls))} to ${text(Math.max(...pulls))}.`,
        );
      }
      curves.describe(runs[1].trainer.step);
    }

    const visible = (list) => settings.filter((one) => shows(one.name) && list.some(({ name }) => name === one.name));
    const form = controls(visible(SETTINGS), values, reset);
    const display = controls(visible(DISPLAY), values, (name) => (name === "both" ? reset() : changed()));
    const pull = controls(visible([PULL]), values, showPull);
    const ready = gs.controls.examples(examples, DEFAULTS, values, (example) => {
      form.set(example);
      reset();
      toggle(true);
    });
    const bar = make("div", { className: "play-bar" },
      play,
      button("Step", () => {
        if (playing || opening) toggle(false);
        if (step()) tell(`Step ${runs[1].trainer.step}.`);
        changed();
      }),
      button("Reset", () => {
        if (playing) toggle(false);
        reset();
        tell("Back at step 0.");
      }),
      steps,
      ...gs.share.share(settings, values, { tool: "train", anchor, home, tell }), status.element);
    const few = visible(SETTINGS).length <= 6;
    root.append(
      ...ready.parts, bar,
      make("div", { className: "play-panels" }, ...runs.map((run) => run.element)),
      pull.element, area, reading, curves.element,
      make("details", { className: "play-settings", open: few || innerWidth > 600 },
        make("summary", { textContent: "Settings: a change starts anew" }), form.element),
      display.element,
    );
    tell(complaints.join(" "));
    reset();
    describe();
    opening = values.open > 0;
    root.playground = { values, runs, get features() { return features; }, get playing() { return playing; }, get opening() { return opening; } };
  }

  (gs.tools ??= {}).train = { settings: [...SETTINGS, ...DISPLAY, PULL], mount, label: "Train a network" };
})((globalThis.playground ??= {}));
