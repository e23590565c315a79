// The decision boundary on a grid, and the points' distance to it: gsutils.evaluate's
// boundary_distance, on the same grid. A generator, as the grid is much work.
(function (gs) {
  "use strict";

  const RESOLUTION = 150, PAD = 1;

  function gridOf({ x1, x2 }) {
    const axis = (x) => {
      let low = Infinity, high = -Infinity;
      for (const value of x) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      return gs.moons.linspace(low - PAD, high + PAD, RESOLUTION);
    };
    return { axis1: axis(x1), axis2: axis(x2) };
  }

  /**
   * The network's logits on the grid, by rows of axis2. Along a row each unit is a ramp, zero on one
   * side of its kink: its slope and level are entered where it begins and ends, and summed up.
   */
  function* heights({ width, theta }, { axis1, axis2 }) {
    const k = axis1.length, height = new Float64Array(k * axis2.length);
    const low = axis1[0], space = (axis1[k - 1] - low) / (k - 1);
    const slopes = new Float64Array(k + 1), levels = new Float64Array(k + 1);
    for (let row = 0; row < axis2.length; row++) {
      slopes.fill(0);
      levels.fill(0);
      for (let j = 0; j < width; j++) {
        const a = theta[j], rest = theta[width + j] * axis2[row] + theta[2 * width + j];
        const out = theta[3 * width + j], kink = Math.ceil((-rest / a - low) / space);
        const at = a === 0 ? (rest > 0 ? 0 : k) : Math.min(k, Math.max(0, kink));
        const begin = a < 0 ? 0 : at, end = a < 0 ? at : k;
        slopes[begin] += out * a;
        levels[begin] += out * rest;
        slopes[end] -= out * a;
        levels[end] -= out * rest;
      }
      let slope = 0, level = theta[4 * width];
      for (let i = 0; i < k; i++) {
        slope += slopes[i];
        level += levels[i];
        height[row * k + i] = level + slope * axis1[i];
      }
      if (row % 16 === 0) yield;
    }
    return height;
  }

  /** Segments [a1, a2, b1, b2] where the height, on a grid by rows of axis2, is zero. */
  function contour(axis1, axis2, height) {
    const k = axis1.length, segments = [];
    const crossing = (i, j, i2, j2) => {
      const from = height[j * k + i], share = from / (from - height[j2 * k + i2]);
      return [
        axis1[i] + share * (axis1[i2] - axis1[i]),
        axis2[j] + share * (axis2[j2] - axis2[j]),
      ];
    };
    const above = new Uint8Array(height.length);
    for (let p = 0; p < height.length; p++) above[p] = height[p] > 0 ? 1 : 0;
    for (let j = 0; j < axis2.length - 1; j++) {
      for (let i = 0; i < k - 1; i++) {
        const p = j * k + i, count = above[p] + above[p + 1] + above[p + k] + above[p + k + 1];
        if (count === 0 || count === 4) continue;
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
        const side = corners.map(([a, b]) => above[b * k + a]);
        const cuts = [];
        for (let c = 0; c < 4; c++) {
          const next = (c + 1) % 4;
          if (side[c] !== side[next]) cuts.push(crossing(...corners[c], ...corners[next]));
        }
        if (cuts.length === 4) {
          // A saddle: the mean decides which two corners hang together.
          const mean = corners.reduce((sum, [a, b]) => sum + height[b * k + a], 0) / 4;
          if (mean > 0 !== (side[0] === 1)) cuts.push(cuts.shift());
        }
        for (let c = 0; c + 1 < cuts.length; c += 2) segments.push([...cuts[c], ...cuts[c + 1]]);
      }
    }
    return segments;
  }

  /** Join segments [a1, a2, b1, b2] that share an end to lines of points [[x, y], ...]. */
  function chains(segments) {
    const key = (x, y) => `${x.toPrecision(9)} ${y.toPrecision(9)}`;
    const ends = new Map(), used = new Set(), lines = [];
    segments.forEach(([a1, a2, b1, b2], i) => {
      for (const end of [key(a1, a2), key(b1, b2)]) ends.set(end, [...(ends.get(end) ?? []), i]);
    });
    const grow = (line) => {
      for (;;) {
        const last = key(...line[line.length - 1]);
        const next = ends.get(last).find((i) => !used.has(i));
        if (next === undefined) return line;
        used.add(next);
        const [a1, a2, b1, b2] = segments[next];
        line.push(key(a1, a2) === last ? [b1, b2] : [a1, a2]);
      }
    };
    segments.forEach(([a1, a2, b1, b2], i) => {
      if (used.has(i)) return;
      used.add(i);
      lines.push(grow(grow([[a1, a2], [b1, b2]]).reverse()));
    });
    return lines;
  }

  /** The distance from a point to the nearest of some segments, numbers in fours. */
  function nearest(x, y, flat) {
    let least = Infinity;
    for (let s = 0; s < flat.length; s += 4) {
      const a1 = flat[s], a2 = flat[s + 1], d1 = flat[s + 2] - a1, d2 = flat[s + 3] - a2;
      const share = ((x - a1) * d1 + (y - a2) * d2) / Math.max(d1 * d1 + d2 * d2, 1e-300);
      const along = Math.min(1, Math.max(0, share));
      const off1 = x - a1 - along * d1, off2 = y - a2 - along * d2;
      least = Math.min(least, off1 * off1 + off2 * off2);
    }
    return Math.sqrt(least);
  }

  /** Work out height, segments, and signed distances (n), negative where misclassified. */
  function* survey(network, data, grid) {
    const height = yield* heights(network, grid);
    const segments = contour(grid.axis1, grid.axis2, height);
    yield;
    const logits = network.logits(data.x1, data.x2, new Float64Array(data.n));
    const distances = new Float64Array(data.n), flat = Float64Array.from(segments.flat());
    for (let i = 0; i < data.n; i++) {
      const side = data.y[i] * logits[i] > 0 ? 1 : -1;
      distances[i] = side * nearest(data.x1[i], data.x2[i], flat);
      if (i % 64 === 0) yield;
    }
    return { height, segments, distances };
  }

  gs.boundary = { RESOLUTION, gridOf, contour, chains, survey };
})((globalThis.playground ??= {}));
