// The features of a network before training (Definition 1) and its responses to them (Eq. 4):
// gsutils.ntk and gsutils.experiments.responses. The features are eigenvectors of the Gram matrix
// of Y Phi; the weakest of them drown in rounding there, which no response on the page shows.
(function (gs) {
  "use strict";

  const PAIRS = {
    straight: "straight | curved",
    fastest: "the two fastest",
    authors: "the authors’: 2 | 7",
  };

  function* gram(network, { x1, x2, y, n }) {
    const { width, theta } = network, A = new Float64Array(n * n);
    const active = new Float64Array(n * width), slope = new Float64Array(n * width);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < width; j++) {
        const f = theta[j] * x1[i] + theta[width + j] * x2[i] + theta[2 * width + j];
        if (f > 0) {
          active[i * width + j] = f;
          slope[i * width + j] = theta[3 * width + j];
        }
      }
    }
    yield;
    for (let i = 0; i < n; i++) {
      for (let k = 0; k <= i; k++) {
        let above = 0, below = 0;
        for (let j = 0, p = i * width, q = k * width; j < width; j++, p++, q++) {
          above += active[p] * active[q];
          below += slope[p] * slope[q];
        }
        const inputs = x1[i] * x1[k] + x2[i] * x2[k] + 1;
        A[i * n + k] = A[k * n + i] = y[i] * y[k] * (above + 1 + below * inputs);
      }
      if (width * i > 20000 || i % 8 === 0) yield;
    }
    return A;
  }

  /**
   * A generator that returns { U: columns by falling strength, each (n), strengths, straight and
   * fastest: numbers of features, beyond: what completes U where parameters are fewer than n }.
   */
  function* features(network, data) {
    const { n } = data, A = yield* gram(network, data);
    const values = yield* gs.eigen(A, n);
    const order = Array.from(values.keys()).sort((i, j) => values[j] - values[i]);
    const basis = order.map((j) => A.subarray(j * n, (j + 1) * n));
    for (const column of basis) {
      let largest = 0;
      for (const value of column) if (Math.abs(value) > Math.abs(largest)) largest = value;
      if (largest < 0) for (let i = 0; i < n; i++) column[i] = -column[i];
    }
    yield;
    const strengths = Float64Array.from(order, (j) => Math.sqrt(Math.max(values[j], 0)));
    const rank = Math.min(n, network.theta.length), U = basis.slice(0, rank);
    return {
      U, strengths, beyond: basis.slice(rank),
      straight: yield* straight(U, data), fastest: fastest(U, strengths),
    };
  }

  const dot = (a, b) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  };

  /** Numbers of the features of which an affine function explains more than half. */
  function* straight(U, { x1, x2, y, n }) {
    const basis = [];
    for (const column of [new Float64Array(n).fill(1), x1, x2]) {
      const rest = Float64Array.from(column);
      for (let pass = 0; pass < 2; pass++) {
        for (const one of basis) {
          const along = dot(one, rest);
          for (let i = 0; i < n; i++) rest[i] -= along * one[i];
        }
      }
      const length = Math.sqrt(dot(rest, rest));
      if (length > 1e-9) basis.push(rest.map((value) => value / length));
    }
    const signed = basis.map((one) => one.map((value, i) => value * y[i])), found = [];
    for (let j = 0; j < U.length; j++) {
      if (signed.reduce((sum, one) => sum + dot(one, U[j]) ** 2, 0) > 0.5) found.push(j);
      if (j % 32 === 0) yield;
    }
    return found;
  }

  /** Numbers of the two features whose responses grow fastest at the start. */
  function fastest(U, strengths) {
    const growth = U.map((u, j) => strengths[j] ** 2 * Math.abs(u.reduce((sum, v) => sum + v, 0)));
    return [...U.keys()].sort((i, j) => growth[j] - growth[i]).slice(0, 2);
  }

  /** The pair (|z1|, |z2|) that a choice of PAIRS names, of logits less their initial values. */
  function responses(choice, { U, beyond, straight, fastest }, y, gained) {
    const signed = gained.map((value, i) => value * y[i]);
    if (choice !== "straight") {
      return (choice === "fastest" ? fastest : [1, 6]).map((j) => Math.abs(dot(U[j], signed)));
    }
    const along = (columns) => columns.reduce((sum, u) => sum + dot(u, signed) ** 2, 0);
    const first = along(straight.map((j) => U[j]));
    const all = U.length < beyond.length ? along(U) : dot(signed, signed) - along(beyond);
    return [Math.sqrt(first), Math.sqrt(Math.max(0, all - first))];
  }

  gs.features = { PAIRS, features, responses };
})((globalThis.playground ??= {}));
