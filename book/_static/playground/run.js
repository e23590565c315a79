// One network in training: its history, its decision map, and the panel that shows them.
(function (gs) {
  "use strict";

  const { Trainer } = gs.network;
  const { text } = gs.canvas;
  const RECORDS = 400; // thinned beyond
  const TRIANGLE = Math.sqrt(Math.PI / (1.2 * 2.15)); // makes a triangle as large as the circle

  class Run {
    /** `changed` is called when the panel is to be drawn again. */
    constructor(name, changed) {
      this.name = name;
      const redraw = () => {
        this.stale = true;
        changed();
      };
      this.chart = new gs.canvas.Chart({ title: "", shape: "square", redraw });
      this.numbers = gs.controls.numbers({ margin: "input margin", wrong: "misclassified", mean: "mean distance", loss: "loss", pull: "mean pull" });
      this.element = gs.controls.make("div", { className: `play-run play-${name}` }, this.chart.element, this.numbers.element);
    }

    /** Begin anew; the penalties of the settings come into force at the step `late`. */
    start(network, data, settings, grid) {
      Object.assign(this, { data, grid, settings, seen: null, surveyed: -1, stale: true });
      const first = settings.late ? { ...settings, lam: 0, decay: 0 } : settings;
      this.trainer = new Trainer(network, data, first);
      this.initial = Float64Array.from(this.trainer.logits);
      this.history = [];
      this.margins = [];
      this.every = 1;
      this.record();
      this.survey();
    }

    survey() {
      this.surveying = this.trainer.step;
      this.job = gs.boundary.survey(this.trainer.network.copy(), this.data, this.grid);
    }

    advance() {
      const { late } = this.settings;
      if (late && this.trainer.step === late) this.trainer.change(this.settings);
      this.trainer.advance();
      if (this.trainer.step % this.every === 0) this.record();
    }

    record() {
      const { step, loss, logits } = this.trainer;
      this.history.push({ step, loss, gained: Float32Array.from(logits, (v, i) => v - this.initial[i]) });
      if (this.history.length <= RECORDS) return;
      this.every *= 2;
      this.history = this.history.filter((record) => record.step % this.every === 0);
    }

    /** Whether the map is older than the network. */
    get behind() {
      return this.job !== null || (this.surveyed !== this.trainer.step && this.trainer.finite);
    }

    /** Go on with the map; true when there is a new one. */
    work(until) {
      if (!this.behind) return false;
      if (!this.job) this.survey();
      const seen = gs.loop.spend(this.job, until);
      if (!seen) return false;
      Object.assign(this, { seen, stale: true, surveyed: this.surveying, job: null });
      this.margins.push([this.surveyed, this.values.margin]);
      if (this.margins.length > RECORDS) this.margins = this.margins.filter((_, i) => i % 2 === 0);
      return true;
    }

    /** The pull of each example on the network, (n). */
    get pulls() {
      return this.trainer.logits.map((logit, i) => gs.network.pull(this.settings.loss, this.data.y[i], logit));
    }

    /** The largest and the smallest pull at a record, worked out once. */
    extremes(record) {
      if (record.pulls) return record.pulls;
      let most = 0, least = Infinity;
      record.gained.forEach((gained, i) => {
        const pull = gs.network.pull(this.settings.loss, this.data.y[i], this.initial[i] + gained);
        most = Math.max(most, pull);
        least = Math.min(least, pull);
      });
      return (record.pulls = [most, least]);
    }

    /** Whether the points' area shows their pull. */
    showPull(on) {
      this.pulling = on;
      this.numbers.element.lastChild.hidden = !on;
      this.stale = true;
    }

    get values() {
      const { loss, logits } = this.trainer, { y, n } = this.data;
      let wrong = 0, sum = 0, least = Infinity;
      for (let i = 0; i < n; i++) if (!(y[i] * logits[i] > 0)) wrong += 1;
      for (const d of this.seen?.distances ?? []) {
        least = Math.min(least, d);
        sum += d;
      }
      const near = this.seen && this.seen.segments.length > 0;
      const pull = this.pulls.reduce((sum, one) => sum + one, 0) / n;
      return { loss, wrong, pull, margin: near ? least : NaN, mean: near ? sum / n : NaN };
    }

    draw() {
      const { chart, data, seen, values } = this, half = reach(data);
      this.stale = false;
      chart.begin({ x: [-half, half], y: [-half, half], bare: true });
      chart.inside((context) => {
        if (seen) {
          const [a, b] = [this.grid.axis1, this.grid.axis2], last = a.length - 1;
          const x = chart.px(a[0]), y = chart.py(b[last]);
          context.drawImage(picture(seen), x, y, chart.px(a[last]) - x, chart.py(b[0]) - y);
          boundary(chart, seen.segments);
        }
        if (this.pulling) points(chart, data, context, this.pulls);
        else context.drawImage(this.points(), 0, 0, chart.canvas.width / chart.ratio, chart.canvas.height / chart.ratio);
        if (seen && values.margin > 0 && Number.isFinite(values.margin)) nearest(chart, data, seen.distances);
      });
      chart.end();
    }

    /** The points on a canvas of their own: in training only what is below and above them changes. */
    points() {
      const { chart, data } = this, { width, height } = chart.canvas;
      const key = [width, height, ...["negative", "positive", "ground"].map(gs.canvas.colour)].join();
      if (this.pinned?.key === key && this.pinned.data === data) return this.pinned.image;
      const image = gs.controls.make("canvas", { width, height });
      this.pinned = { key, data, image };
      const context = image.getContext("2d");
      context.scale(chart.ratio, chart.ratio);
      points(chart, data, context);
      return image;
    }

    /** Fill in the numbers. */
    report() {
      const { data, seen, values } = this;
      this.numbers.fill({
        margin: seen && !seen.segments.length ? "no boundary" : text(values.margin),
        wrong: `${values.wrong} of ${data.n}`, mean: text(values.mean), loss: text(values.loss),
        pull: text(values.pull),
      });
    }
  }

  /** Half the side of the square that is drawn. */
  function reach({ x1, x2 }) {
    let most = 0;
    for (const x of [x1, x2]) for (const value of x) most = Math.max(most, Math.abs(value));
    return most + 0.4;
  }

  /** The probability of class +1 in the colours of the theme, painted once for a map and theme. */
  function picture(seen) {
    const colours = ["map-negative", "map-middle", "map-positive"].map(gs.canvas.colour);
    if (seen.painted === colours.join()) return seen.image;
    const { RESOLUTION } = gs.boundary, { sigmoid } = gs.network;
    seen.painted = colours.join();
    seen.image = gs.canvas.raster(RESOLUTION, RESOLUTION, (p) => 2 * sigmoid(seen.height[p]) - 1, colours);
    return seen.image;
  }

  function boundary(chart, segments) {
    const { context } = chart;
    context.beginPath();
    context.lineCap = "round";
    for (const [a1, a2, b1, b2] of segments) {
      context.moveTo(chart.px(a1), chart.py(a2));
      context.lineTo(chart.px(b1), chart.py(b2));
    }
    chart.stroke(gs.canvas.colour("ink"), 2, []);
  }

  /** Circles for class -1, triangles for +1; with pulls, in areas in proportion to them, around dots. */
  function points(chart, { x1, x2, y, n }, context, pulls) {
    const size = Math.max(Math.min(1.6, chart.box.width / 80), chart.box.width / 130);
    for (const label of [-1, 1]) {
      const place = new Path2D(), shape = new Path2D();
      for (let i = 0; i < n; i++) {
        if (y[i] !== label) continue;
        const x = chart.px(x1[i]), up = chart.py(x2[i]), s = pulls ? 3 * size * Math.sqrt(pulls[i]) : size;
        place.rect(x - 0.7, up - 0.7, 1.4, 1.4);
        if (label < 0) {
          shape.moveTo(x + s, up);
          shape.arc(x, up, s, 0, 2 * Math.PI);
        } else {
          const t = pulls ? TRIANGLE * s : s;
          shape.moveTo(x, up - 1.35 * t);
          shape.lineTo(x + 1.2 * t, up + 0.8 * t);
          shape.lineTo(x - 1.2 * t, up + 0.8 * t);
          shape.closePath();
        }
      }
      context.fillStyle = gs.canvas.colour(label < 0 ? "negative" : "positive");
      context.fill(shape);
      if (pulls) context.fill(place);
      else if (size > 2.2) {
        Object.assign(context, { strokeStyle: gs.canvas.colour("ground"), lineWidth: 0.6 });
        context.stroke(shape);
      }
    }
  }

  /** The point nearest to the boundary, in a circle whose radius is the input margin. */
  function nearest(chart, { x1, x2 }, distances) {
    const i = distances.indexOf(Math.min(...distances)), { context } = chart;
    const radius = (distances[i] * chart.box.width) / (chart.x[1] - chart.x[0]);
    context.beginPath();
    context.arc(chart.px(x1[i]), chart.py(x2[i]), radius, 0, 2 * Math.PI);
    chart.stroke(gs.canvas.colour("ink"), 1.5, []);
  }

  gs.Run = Run;
})((globalThis.playground ??= {}));
