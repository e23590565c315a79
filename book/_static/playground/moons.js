// The two-moons data of Figure 1: gsutils.data.moons.two_moons, number for number.
(function (gs) {
  "use strict";

  const linspace = (low, high, n) =>
    Float64Array.from({ length: n }, (_, i) => (i === n - 1 ? high : low + (i * (high - low)) / (n - 1)));

  /** Points x1, x2 and labels y, each Float64Array(n); delta is the gap, rotation in degrees. */
  function twoMoons({ seed = 0, delta = 0.1, n = 300, noise = 0.1, rotation = 0 } = {}) {
    const rng = new gs.random.Legacy(seed);
    const outer = Math.floor(n / 2);
    const order = rng.permutation(n);
    const angles = [linspace(0, Math.PI, outer), linspace(0, Math.PI, n - outer)];
    const a = new Float64Array(n), b = new Float64Array(n), y = new Float64Array(n);
    order.forEach((from, i) => {
      const inner = from >= outer;
      const angle = inner ? angles[1][from - outer] : angles[0][from];
      a[i] = (inner ? 1 - Math.cos(angle) : Math.cos(angle)) + noise * rng.normal() - 0.5;
      b[i] = (inner ? 1 - Math.sin(angle) - 0.5 : Math.sin(angle)) + noise * rng.normal();
      y[i] = inner ? 1 : -1;
      b[i] -= 0.3 * y[i];
    });
    const centre = b.reduce((sum, value) => sum + value, 0) / n;
    const cos = Math.cos((rotation * Math.PI) / 180), sin = Math.sin((rotation * Math.PI) / 180);
    const x1 = new Float64Array(n), x2 = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const across = -y[i] * (Math.abs(b[i] - centre) + delta);
      x1[i] = across * cos - a[i] * sin;
      x2[i] = across * sin + a[i] * cos;
    }
    return { x1, x2, y, n };
  }

  gs.moons = { twoMoons, linspace };
})((globalThis.playground ??= {}));
