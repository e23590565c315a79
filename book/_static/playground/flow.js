// The dual flow over time, alpha' = -x - K alpha with alpha = sigmoid(x), or e^x for Taylor's:
// gsutils.dual.flow for two examples. It is stiff, so each step is implicit (Hairer and Wanner,
// Solving Ordinary Differential Equations II, section IV.6: order 4, L-stable).
(function (gs) {
  "use strict";

  const GAMMA = 0.25;
  const STAGES = [
    [],
    [1 / 2],
    [17 / 50, -1 / 25],
    [371 / 1360, -137 / 2720, 15 / 544],
    [25 / 24, -49 / 48, 125 / 16, -85 / 12],
  ];
  const ERROR = [-3 / 16, -27 / 32, 25 / 32, 0, 1 / 4];
  const MAX_STEPS = 4000;

  function* follow(x, K, ends, taylor) {
    const { sigmoid } = gs.network;
    const link = (x) => (taylor ? Math.exp(x) : sigmoid(x));
    const slope = (x) => (taylor ? Math.exp(x) : sigmoid(x) * sigmoid(-x));
    const rate = (x) => {
      const a0 = link(x[0]), a1 = link(x[1]);
      return [-x[0] - K[0][0] * a0 - K[0][1] * a1, -x[1] - K[1][0] * a0 - K[1][1] * a1];
    };
    const within = (x) => 1e-8 + 1e-6 * Math.abs(x) + 1e-13 * (taylor ? 1 : 1 + Math.exp(x));
    const inverse = (M, b) => {
      const determinant = M[0] * M[3] - M[1] * M[2];
      return [(b[0] * M[3] - b[1] * M[1]) / determinant, (M[0] * b[1] - M[2] * b[0]) / determinant];
    };

    /** Solve alpha(x) + h (x + K alpha(x)) = target by Newton's method, from x. */
    function stage(x, target, h) {
      for (let i = 0; i < 25; i++) {
        const v = x.map(slope), f = rate(x);
        const M = [
          h * K[0][0] * v[0] + v[0] + h, h * K[0][1] * v[1],
          h * K[1][0] * v[0], h * K[1][1] * v[1] + v[1] + h,
        ];
        const change = inverse(M, target.map((t, i) => t - link(x[i]) + h * f[i]));
        if (!change.every(Number.isFinite)) return null;
        const done = change.every((c, i) => Math.abs(c) <= 1e-2 * within(x[i]));
        x = x.map((one, i) => {
          const c = change[i], size = Math.abs(c);
          if (done || !(taylor ? c > 0 : c * one < 0)) return one + c;
          // Where v grows along the step, the tangent in x overshoots: go by the logarithm.
          const safe = Math.max(Math.log1p(size), Math.min(size, Math.log(h / v[i])));
          return one + Math.sign(c) * safe;
        });
        if (done) return { x, M };
      }
      return null;
    }

    function step(x, h) {
      const start = x.map(link), rates = [];
      let solved = { x };
      for (const weights of STAGES) {
        const target = start.map((a, i) => a + h * weights.reduce((sum, w, s) => sum + w * rates[s][i], 0));
        solved = stage(solved.x, target, h * GAMMA);
        if (!solved) return { error: Infinity };
        rates.push(rate(solved.x));
      }
      const off = [0, 1].map((i) => h * ERROR.reduce((sum, w, s) => sum + w * rates[s][i], 0));
      const error = inverse(solved.M, off).map((e, i) => {
        const passed = 1e-8 / (1 + Math.max(K[0][0], K[1][1])) / slope(solved.x[i]);
        return Math.abs(e) / (within(solved.x[i]) + passed);
      });
      return { x: solved.x, error: Math.max(...error) };
    }

    const first = rate(x);
    let now = 0, count = 0, h = 1e-3 / (1 + Math.max(Math.abs(first[0]), Math.abs(first[1])));
    const found = [];
    for (const end of ends) {
      while (now < end && count++ < MAX_STEPS) {
        const last = now + h >= end, length = last ? end - now : h;
        const tried = step(x, length), error = Math.max(tried.error, 1e-10);
        const adapted = length * Math.min(5, Math.max(0.2, 0.9 * error ** -0.25));
        if (error <= 1) {
          x = tried.x;
          now = last ? end : now + length;
        }
        h = last && error <= 1 ? Math.max(h, adapted) : adapted;
      }
      found.push(x.map(link));
      yield;
    }
    return found;
  }

  /** A generator of alpha at the ascending times `ends`, an array of pairs, from alpha0. */
  function flow(alpha0, problem, ends) {
    const taylor = problem.kind === "taylor", K = gs.dual.kernel(problem);
    if (taylor) [0, 1].forEach((i) => (K[i][i] += 1));
    const x = alpha0.map((a) => (taylor ? Math.log(a) : Math.log(a / (1 - a))));
    return follow(x, K, ends, taylor);
  }

  /** 0 and some times up to twelve times the slowest one at the fixed point. */
  function usefulTimes(problem, count = 120) {
    const { kind, lam } = problem, K = gs.dual.kernel(problem);
    const v = gs.dual.margins(problem).map((u) => gs.dual.curvature(u, kind));
    const a = 1 / v[0] + K[0][0], b = 1 / v[1] + K[1][1];
    const slowest = (a * b - K[0][1] ** 2) / ((a + b) / 2 + Math.hypot((a - b) / 2, K[0][1]));
    const end = 12 / Math.max(slowest, 1e-12 / lam);
    return [0, ...Array.from({ length: count }, (_, i) => end * 10 ** (-5 * (1 - i / (count - 1))))];
  }

  gs.flow = { flow, usefulTimes };
})((globalThis.playground ??= {}));
