// Charts on a canvas: sharp on any screen, in the colours of the theme, with axes and ticks.
(function (gs) {
  "use strict";

  const colours = new Map(), redraws = new Set();

  /** A colour of colours.css in the present theme. */
  function colour(name) {
    if (!colours.has(name)) {
      const style = getComputedStyle(document.documentElement);
      colours.set(name, style.getPropertyValue(`--play-${name}`).trim() || "#808080");
    }
    return colours.get(name);
  }

  new MutationObserver(() => {
    colours.clear();
    redraws.forEach((redraw) => redraw());
  }).observe(document.documentElement, { attributeFilter: ["data-theme"] });

  /** [red, green, blue] of "#rrggbb". */
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

  /**
   * A canvas with a pixel for each place of a grid, row by row from below: `lean(p)` from -1 to 1
   * mixes the three colours.
   */
  function raster(columns, rows, lean, colours) {
    const canvas = gs.controls.make("canvas", { width: columns, height: rows });
    const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
    const [low, middle, high] = colours.map(rgb);
    for (let p = 0; p < columns * rows; p++) {
      const value = lean(p), share = Math.abs(value), end = value < 0 ? low : high;
      const at = 4 * ((rows - 1 - Math.floor(p / columns)) * columns + (p % columns));
      for (let c = 0; c < 3; c++) image.data[at + c] = middle[c] + share * (end[c] - middle[c]);
      image.data[at + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  /** A number for a reader: three figures, a true minus sign, a dash where there is none. */
  function text(value, figures = 3) {
    if (value === Infinity) return "∞";
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
      const [digits, power] = value.toExponential(figures - 1).split("e");
      const raised = [...String(Number(power))].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("");
      const factor = Number(digits) === 1 ? "" : `${Number(digits)}·`;
      return `${factor}10${raised}`.replace("-", "−");
    }
    const rounded = Number(value.toPrecision(figures));
    return String(rounded).replace("-", "−");
  }

  function ticks(low, high, count) {
    const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const found = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9 * step; v += step) {
      found.push(Math.abs(v) < 1e-9 * step ? 0 : v);
    }
    return found;
  }

  function logTicks(low, high) {
    const from = Math.ceil(Math.log10(low) - 1e-9), to = Math.floor(Math.log10(high) + 1e-9);
    const every = Math.max(1, Math.ceil((to - from) / 4)), found = [];
    for (let power = from; power <= to; power += every) found.push(10 ** power);
    return found.length > 1 ? found : [low, high];
  }

  class Chart {
    /** options: title, shape ("square" | "wide"), redraw: called when size or theme changes. */
    constructor({ title, shape, redraw }) {
      this.element = document.createElement("figure");
      this.element.className = `play-chart play-${shape}`;
      this.caption = document.createElement("figcaption");
      this.caption.textContent = title;
      this.canvas = document.createElement("canvas");
      this.canvas.setAttribute("role", "img");
      this.describe(title);
      this.element.append(this.caption, this.canvas);
      this.context = this.canvas.getContext("2d");
      redraws.add(redraw);
      // Asking the page for a size while it changes makes it lay itself out again: be told.
      new ResizeObserver((entries) => {
        const { width, height } = entries[entries.length - 1].contentRect;
        this.size = [width, height];
        redraw();
      }).observe(this.canvas);
    }

    describe(words) {
      this.canvas.setAttribute("aria-label", words);
    }

    /** Clear, and draw axes: x and y are [low, high]; xlog, ylog, xlabel, ylabel, equal, bare. */
    begin(axes) {
      const { canvas, context } = this, ratio = (this.ratio = Math.min(devicePixelRatio || 1, 3));
      // A chart without a place has no size; it draws all the same, and again when it has one.
      const size = this.size ?? [canvas.clientWidth, canvas.clientHeight];
      const [width, height] = size.map((length) => Math.max(length, 80));
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      context.font = this.font ??= `12px ${getComputedStyle(canvas).fontFamily}`;
      const left = axes.bare ? 1 : axes.ylabel ? 54 : 46, bottom = axes.bare ? 1 : 34, top = axes.bare ? 1 : 8;
      this.box = { left, top, width: width - left - (axes.bare ? 1 : 16), height: height - top - bottom };
      Object.assign(this, { axes, x: axes.x.slice(), y: axes.y.slice() });
      context.fillStyle = colour("ground");
      context.fillRect(left, top, this.box.width, this.box.height);
    }

    px(value) {
      const [low, high] = this.x, { left, width } = this.box;
      const share = this.axes.xlog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
      return left + share * width;
    }

    py(value) {
      const [low, high] = this.y, { top, height } = this.box;
      const share = this.axes.ylog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
      return top + (1 - share) * height;
    }

    /** Data coordinates of a pointer event. */
    at(event) {
      const bounds = this.canvas.getBoundingClientRect(), { left, top, width, height } = this.box;
      const share = (value) => Math.min(1, Math.max(0, value));
      const across = share((event.clientX - bounds.left - left) / width);
      const up = share(1 - (event.clientY - bounds.top - top) / height);
      return [
        this.axes.xlog ? this.x[0] * (this.x[1] / this.x[0]) ** across : this.x[0] + across * (this.x[1] - this.x[0]),
        this.axes.ylog ? this.y[0] * (this.y[1] / this.y[0]) ** up : this.y[0] + up * (this.y[1] - this.y[0]),
      ];
    }

    /** Draw what belongs inside the axes, cut at their edges. */
    inside(draw) {
      const { context, box } = this;
      context.save();
      context.beginPath();
      context.rect(box.left, box.top, box.width, box.height);
      context.clip();
      draw(context);
      context.restore();
    }

    line(points, { stroke, width = 2, dash = [] }) {
      const { context } = this;
      context.beginPath();
      points.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](this.px(x), this.py(y)));
      this.stroke(stroke, width, dash);
    }

    lines(list, look) {
      for (const points of list) this.line(points, look);
    }

    stroke(style, width, dash) {
      Object.assign(this.context, { strokeStyle: style, lineWidth: width, lineJoin: "round" });
      this.context.setLineDash(dash);
      this.context.stroke();
      this.context.setLineDash([]);
    }

    dot(x, y, { fill, radius = 5, ring = colour("ground") }) {
      const { context } = this;
      context.beginPath();
      context.arc(this.px(x), this.py(y), radius, 0, 2 * Math.PI);
      Object.assign(context, { fillStyle: fill, strokeStyle: ring, lineWidth: 1.5 });
      context.fill();
      context.stroke();
    }

    /** The frame, ticks and labels, drawn last. */
    end() {
      const { context, box, axes } = this;
      context.strokeStyle = colour("frame");
      context.lineWidth = 1;
      context.strokeRect(box.left - 0.5, box.top - 0.5, box.width + 1, box.height + 1);
      if (axes.bare) return;
      Object.assign(context, { fillStyle: colour("muted"), textAlign: "center", textBaseline: "top" });
      const few = box.width < 200 ? 3 : 5;
      const across = axes.xticks ?? (axes.xlog ? logTicks(...this.x) : ticks(...this.x, few));
      for (const v of across) context.fillText(axes.xnames?.(v) ?? text(v), this.px(v), box.top + box.height + 5);
      context.fillStyle = colour("ink");
      context.fillText(axes.xlabel, box.left + box.width / 2, box.top + box.height + 20);
      Object.assign(context, { fillStyle: colour("muted"), textAlign: "right", textBaseline: "middle" });
      const up = axes.yticks ?? (axes.ylog ? logTicks(...this.y) : ticks(...this.y, box.height < 150 ? 3 : 5));
      for (const v of up) context.fillText(axes.ynames?.(v) ?? text(v), box.left - 5, this.py(v));
      if (!axes.ylabel) return;
      context.save();
      context.translate(9, box.top + box.height / 2);
      context.rotate(-Math.PI / 2);
      Object.assign(context, { fillStyle: colour("ink"), textAlign: "center" });
      context.fillText(axes.ylabel, 0, 0);
      context.restore();
    }
  }

  gs.canvas = { Chart, colour, raster, text };
})((globalThis.playground ??= {}));
