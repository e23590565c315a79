// One network in training: its history, its decision map, and the panel that shows them.
(function (gs) {
  "use strict";

  const { Trainer } = gs.network;
  const { text } = gs.canvas;
  const RECORDS = 400; // thinned beyond

  class Run {
    constructor(name, redraw) {
      this.name = name;
      this.chart = new gs.canvas.Chart({ title: "", shape: "square", redraw });
      this.numbers = gs.controls.numbers({ margin: "input margin", wrong: "misclassified", mean: "mean distance", loss: "loss" });
      this.element = gs.controls.make("div", { className: `play-run play-${name}` }, this.chart.element, this.numbers.element);
    }

    start(network, data, settings, grid) {
      Object.assign(this, { data, grid, seen: null, surveyed: -1 });
      this.trainer = new Trainer(network, data, settings);
      this.initial = Float64Array.from(this.trainer.logits);
      this.history = [];
      this.every = 1;
      this.record();
      this.survey();
    }

    survey() {
      this.surveying = this.trainer.step;
      this.job = gs.boundary.survey(this.trainer.network.copy(), this.data, this.grid);
    }

    advance() {
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

    /** Go on with the map; true while it is behind the network. */
    work(until) {
      if (!this.job) {
        if (this.surveyed === this.trainer.step || !this.trainer.finite) return false;
        this.survey();
      }
      const seen = gs.loop.spend(this.job, until);
      if (seen) {
        this.seen = { ...seen, lines: gs.boundary.chains(seen.segments) };
        this.image = picture(seen.height);
        this.surveyed = this.surveying;
        this.job = null;
      }
      return true;
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
      return { loss, wrong, margin: near ? least : NaN, mean: near ? sum / n : NaN };
    }

    draw() {
      const { chart, data, seen, values } = this, half = reach(data);
      chart.begin({ x: [-half, half], y: [-half, half], bare: true });
      chart.inside((context) => {
        if (seen) {
          const [a, b] = [this.grid.axis1, this.grid.axis2], last = a.length - 1;
          const x = chart.px(a[0]), y = chart.py(b[last]);
          context.drawImage(this.image(), x, y, chart.px(a[last]) - x, chart.py(b[0]) - y);
          chart.lines(seen.lines, { stroke: gs.canvas.colour("ink"), width: 2 });
        }
        points(chart, data);
        if (seen && values.margin > 0 && Number.isFinite(values.margin)) nearest(chart, data, seen.distances);
      });
      chart.end();
      this.numbers.fill({
        margin: seen && !seen.segments.length ? "no boundary" : text(values.margin),
        wrong: `${values.wrong} of ${data.n}`, mean: text(values.mean), loss: text(values.loss),
      });
    }
  }

  /** Half the side of the square that is drawn. */
  function reach({ x1, x2 }) {
    let most = 0;
    for (const x of [x1, x2]) for (const value of x) most = Math.max(most, Math.abs(value));
    return most + 0.4;
  }

  /** A function that paints the probability of class +1 in the colours of the theme. */
  function picture(height) {
    const k = gs.boundary.RESOLUTION, canvas = gs.controls.make("canvas", { width: k, height: k });
    let painted = "";
    return () => {
      const names = ["map-negative", "map-middle", "map-positive"].map(gs.canvas.colour);
      if (painted === names.join()) return canvas;
      painted = names.join();
      const [low, middle, high] = names.map(gs.canvas.rgb);
      const context = canvas.getContext("2d"), image = context.createImageData(k, k);
      for (let p = 0; p < k * k; p++) {
        const lean = 2 * gs.network.sigmoid(height[p]) - 1, end = lean < 0 ? low : high;
        const at = 4 * ((k - 1 - Math.floor(p / k)) * k + (p % k)), share = Math.abs(lean);
        for (let c = 0; c < 3; c++) image.data[at + c] = middle[c] + share * (end[c] - middle[c]);
        image.data[at + 3] = 255;
      }
      context.putImageData(image, 0, 0);
      return canvas;
    };
  }

  /** Circles for class -1, triangles for +1. */
  function points(chart, { x1, x2, y, n }) {
    const { context } = chart, size = Math.max(1.6, chart.box.width / 130);
    for (const label of [-1, 1]) {
      context.beginPath();
      for (let i = 0; i < n; i++) {
        if (y[i] !== label) continue;
        const x = chart.px(x1[i]), up = chart.py(x2[i]);
        if (label < 0) {
          context.moveTo(x + size, up);
          context.arc(x, up, size, 0, 2 * Math.PI);
        } else {
          context.moveTo(x, up - 1.35 * size);
          context.lineTo(x + 1.2 * size, up + 0.8 * size);
          context.lineTo(x - 1.2 * size, up + 0.8 * size);
          context.closePath();
        }
      }
      context.fillStyle = gs.canvas.colour(label < 0 ? "negative" : "positive");
      context.strokeStyle = gs.canvas.colour("ground");
      context.lineWidth = 0.6;
      context.fill();
      if (size > 2.2) context.stroke();
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
