// Two features over two examples, coupled as in Eq. 15: the dual's margins, fixed points, flows and
// the derivative of z2 by s1^2. The formulas of gsutils.dual and gsutils.perturbation, for n = 2.
// A problem is { delta, s1, s2, lam, kind }, strengths not squared; kind is a key of KINDS.
(function (gs) {
  "use strict";

  const KINDS = {
    exact: "exact (Eq. 9)",
    taylor: "Taylor (Eq. 10)",
    sd: "decoupled (Eq. 18)",
  };
  const { sigmoid, softplus } = gs.network;

  /** Wright's omega: the root w > 0 of w + log w = x. */
  function omega(x) {
    if (x < -700) return Math.exp(x);
    let w = x > 1 ? x - Math.log(x) : Math.exp(Math.min(x, 0)) * (x > -1 ? 0.6 : 1);
    for (let i = 0; i < 40; i++) {
      const step = (w * (1 + x - Math.log(w))) / (1 + w); // Newton, in a form that keeps w > 0
      if (Math.abs(step - w) <= 1e-16 * Math.abs(step)) return step;
      w = step;
    }
    return w;
  }

  const alphaOf = (u, kind) => (kind === "taylor" ? omega(-u) : sigmoid(-u));

  /** -d alpha / du at the margin u. */
  function curvature(u, kind) {
    if (kind !== "taylor") return sigmoid(u) * sigmoid(-u);
    const alpha = omega(-u);
    return alpha / (1 + alpha);
  }

  const cosine = (delta) => Math.sqrt((1 - delta) * (1 + delta));
  const rows = (delta) => [[cosine(delta), -delta], [delta, cosine(delta)]]; // of U
  const columns = (U, v) => [U[0][0] * v[0] + U[1][0] * v[1], U[0][1] * v[0] + U[1][1] * v[1]];
  const times = (A, v) => [A[0][0] * v[0] + A[0][1] * v[1], A[1][0] * v[0] + A[1][1] * v[1]];

  /** s^2 / lam, or 1 / lam each where spectral decoupling cancels the strengths. */
  const couplingStrengths = ({ s1, s2, lam, kind }) =>
    kind === "sd" ? [1 / lam, 1 / lam] : [s1 ** 2 / lam, s2 ** 2 / lam];

  /** K = U S^2 U^T / lam; without the terms that cancel where it is diagonal. */
  function kernel(problem) {
    const [k1, k2] = couplingStrengths(problem), d = problem.delta, c = cosine(d);
    const off = c * d * (k1 - k2);
    return [[c * c * k1 + d * d * k2, off], [off, d * d * k1 + c * c * k2]];
  }

  function solve2(A, b) {
    const determinant = A[0][0] * A[1][1] - A[0][1] * A[1][0];
    return [
      (b[0] * A[1][1] - b[1] * A[0][1]) / determinant,
      (A[0][0] * b[1] - A[1][0] * b[0]) / determinant,
    ];
  }

  /**
   * Margins u = K alpha(u) at the fixed point: with u = B w, B = U sqrt(k), the stationary point of
   * P(w) = sum phi(u_i) + |w|^2 / 2, phi' = -alpha, by Newton's method with a line search.
   */
  function margins(problem) {
    const { kind } = problem, U = rows(problem.delta);
    const root = couplingStrengths(problem).map(Math.sqrt);
    const B = U.map((row) => [row[0] * root[0], row[1] * root[1]]);
    const phi = (u) => {
      if (kind !== "taylor") return softplus(-u);
      const alpha = omega(-u);
      return alpha + (alpha * alpha) / 2;
    };
    const value = (w) => {
      const u = times(B, w);
      return phi(u[0]) + phi(u[1]) + (w[0] * w[0] + w[1] * w[1]) / 2;
    };
    const pulled = columns(B, [alphaOf(0, kind), alphaOf(0, kind)]);
    let w = [0, 0], least = value(w);
    for (let exponent = -12; exponent <= 0; exponent += 0.5) {
      const trial = pulled.map((v) => v * 10 ** exponent), found = value(trial);
      if (found < least) [w, least] = [trial, found];
    }
    let best = w, error = Infinity, worse = 0;
    for (let step = 0; step < 200 && worse < 3; step++) {
      const u = times(B, w), alpha = u.map((v) => alphaOf(v, kind));
      const back = columns(B, alpha), gradient = [w[0] - back[0], w[1] - back[1]];
      const now = Math.hypot(...gradient) / Math.max(Math.hypot(...back), 1e-300);
      worse = now < error ? 0 : worse + (error < 1e-10 ? 1 : 0);
      if (now < error) [best, error] = [w, now];
      if (now === 0) break;
      const v = u.map((one) => curvature(one, kind));
      const h = (a, b) => v[0] * B[0][a] * B[0][b] + v[1] * B[1][a] * B[1][b];
      const down = solve2([[1 + h(0, 0), h(0, 1)], [h(0, 1), 1 + h(1, 1)]], gradient);
      const slope = -(down[0] * gradient[0] + down[1] * gradient[1]), start = value(w);
      let length = 1;
      if (-slope > 1e-9 * (1 + Math.abs(start))) {
        const at = (size) => value([w[0] - size * down[0], w[1] - size * down[1]]);
        while (length > 1e-15 && !(at(length) <= start + 1e-4 * length * slope)) length /= 2;
      }
      w = [w[0] - length * down[0], w[1] - length * down[1]];
    }
    return times(B, best);
  }

  /** The dual variable, responses z (Eq. 11) and dz2/d(s1^2), at the optimum. */
  function fixedPoint(problem) {
    const { kind, delta, lam } = problem, U = rows(delta), u = margins(problem);
    const alpha = u.map((one) => alphaOf(one, kind));
    const k = couplingStrengths(problem);
    const along = overlaps(U, k, u, alpha), z = [k[0] * along[0], k[1] * along[1]];
    if (kind === "sd") return { alpha, z, starvation: 0 };
    const v = u.map((one) => curvature(one, kind));
    let gap = v[0] - v[1];
    if (kind === "exact" && Math.abs(u[0]) < 1 && Math.abs(u[1]) < 1) {
      const t = u.map((one) => Math.tanh(one / 2)); // v = (1 - t^2) / 4 does not cancel
      gap = ((t[1] - t[0]) * (t[1] + t[0])) / 4;
    }
    const total = determinant(delta, k, v);
    const starvation = (k[1] * along[0] * delta * cosine(delta) * gap) / total / lam;
    return { alpha, z, starvation };
  }

  /** U^T alpha, which is U^T u / k as well: of the two the one with the smaller rounding error. */
  function overlaps(U, k, u, alpha) {
    const size = U.map((row) => row.map(Math.abs));
    const errors = [alpha, u].map((v) => columns(size, v.map(Math.abs)));
    const direct = columns(U, alpha), divided = columns(U, u);
    return [0, 1].map((j) => (errors[0][j] * k[j] > errors[1][j] ? divided[j] / k[j] : direct[j]));
  }

  /** det(I + K diag(v)) as a sum of positive terms. */
  function determinant(delta, [k1, k2], [v1, v2]) {
    const tail = delta ** 2;
    const first = (1 - tail) * k1 + tail * k2, second = tail * k1 + (1 - tail) * k2;
    return 1 + first * v1 + second * v2 + k1 * k2 * v1 * v2;
  }

  /** Lemma 1 (Eq. 14): z and dz2/d(s1^2) after one Newton step from the uncoupled point. */
  function lemma1({ delta, s1, s2, lam }) {
    const k = [s1 ** 2 / lam, s2 ** 2 / lam], c = cosine(delta);
    const start = k.map((one) => omega(Math.log1p(one)) / (one + 1)); // W(k + 1) / (k + 1)
    const v = start.map((a) => a / (1 + a)), b = start.map((a, i) => v[i] * (1 - Math.log(a)));
    const total = determinant(delta, k, v);
    const along = [
      (c * (1 + k[1] * v[1]) * b[0] + delta * (1 + k[1] * v[0]) * b[1]) / total,
      (c * (1 + k[0] * v[0]) * b[1] - delta * (1 + k[0] * v[1]) * b[0]) / total,
    ];
    const moved = start[0] - (c * along[0] - delta * along[1]);
    const follows = (v[0] * (1 + k[0] * v[1]) * moved) / (1 + (k[0] + 1) * start[0]);
    const slope = (k[1] * delta * (c * (v[0] - v[1]) * along[0] - follows)) / total;
    return { z: [k[0] * along[0], k[1] * along[1]], starvation: slope / lam };
  }

  /** alpha' of Eq. 9, 10 or 18 with eta = 1. */
  function velocity(alpha, problem) {
    const pull = times(kernel(problem), alpha);
    return alpha.map((a, i) =>
      problem.kind === "taylor" ? -Math.log(a) - a - pull[i] : Math.log((1 - a) / a) - pull[i],
    );
  }

  /** z of a dual variable: Eq. 11, or U^T alpha / lam for spectral decoupling. */
  function responses(alpha, problem) {
    const k = couplingStrengths(problem), along = columns(rows(problem.delta), alpha);
    return [k[0] * along[0], k[1] * along[1]];
  }

  /**
   * Gradient descent on the linear model's loss (Eq. 5 or 17, a sum) from theta = 0, as responses.
   * With theta = V a the response is z_j = s_j a_j.
   */
  function descent(problem, lr, steps) {
    const { s1, s2, lam, kind } = problem, U = rows(problem.delta), s = [s1, s2];
    let a = [0, 0];
    const path = [[0, 0]];
    for (let step = 0; step < steps; step++) {
      const z = [s[0] * a[0], s[1] * a[1]], u = times(U, z);
      const pull = columns(U, u.map((one) => sigmoid(-one)));
      a = a.map((one, j) => one - lr * ((kind === "sd" ? lam * z[j] * s[j] : lam * one) - pull[j] * s[j]));
      path.push([s[0] * a[0], s[1] * a[1]]);
    }
    return path;
  }

  gs.dual = { KINDS, curvature, kernel, margins, fixedPoint, lemma1, velocity, responses, descent };
})((globalThis.playground ??= {}));
