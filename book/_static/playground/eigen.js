// Eigenvalues and eigenvectors of a symmetric matrix: Householder's reduction to tridiagonal form,
// then implicit QL (EISPACK's tred2 and tql2). A generator: it yields often, so that a page can go
// on between two parts of the work.
(function (gs) {
  "use strict";

  /**
   * @param A Float64Array(n * n), symmetric; overwritten by the eigenvectors, number j at
   *   A[j * n .. (j + 1) * n].
   * @returns the eigenvalues, in no order.
   */
  function* eigen(A, n) {
    const d = new Float64Array(n), e = new Float64Array(n);
    for (let j = 0; j < n; j++) d[j] = A[j * n + n - 1];
    for (let i = n - 1; i > 0; i--) {
      reflect(A, n, d, e, i);
      yield;
    }
    for (let i = 0; i < n - 1; i++) {
      accumulate(A, n, d, i);
      if (i % 4 === 0) yield;
    }
    for (let j = 0; j < n; j++) {
      d[j] = A[j * n + n - 1];
      A[j * n + n - 1] = 0;
    }
    A[n * n - 1] = 1;
    e.copyWithin(0, 1);
    e[n - 1] = 0;
    let shift = 0, largest = 0;
    for (let l = 0; l < n; l++) {
      largest = Math.max(largest, Math.abs(d[l]) + Math.abs(e[l]));
      let m = l;
      while (m < n - 1 && Math.abs(e[m]) > Number.EPSILON * largest) m++;
      while (m > l) {
        shift += implicitQL(A, n, d, e, l, m);
        yield;
        if (Math.abs(e[l]) <= Number.EPSILON * largest) break;
      }
      d[l] += shift;
      e[l] = 0;
    }
    return d;
  }

  function reflect(A, n, d, e, i) {
    let scale = 0, h = 0;
    for (let k = 0; k < i; k++) scale += Math.abs(d[k]);
    if (scale === 0) {
      e[i] = d[i - 1];
      for (let j = 0; j < i; j++) {
        d[j] = A[j * n + i - 1];
        A[j * n + i] = A[i * n + j] = 0;
      }
      d[i] = 0;
      return;
    }
    for (let k = 0; k < i; k++) {
      d[k] /= scale;
      h += d[k] * d[k];
    }
    const f = d[i - 1], g = f > 0 ? -Math.sqrt(h) : Math.sqrt(h);
    e[i] = scale * g;
    h -= f * g;
    d[i - 1] = f - g;
    e.fill(0, 0, i);
    for (let j = 0; j < i; j++) {
      const row = j * n, dj = d[j];
      A[i * n + j] = dj;
      let sum = e[j] + A[row + j] * dj;
      for (let k = j + 1; k < i; k++) {
        sum += A[row + k] * d[k];
        e[k] += A[row + k] * dj;
      }
      e[j] = sum;
    }
    let along = 0;
    for (let j = 0; j < i; j++) {
      e[j] /= h;
      along += e[j] * d[j];
    }
    const half = along / (2 * h);
    for (let j = 0; j < i; j++) e[j] -= half * d[j];
    for (let j = 0; j < i; j++) {
      const row = j * n, dj = d[j], ej = e[j];
      for (let k = j; k < i; k++) A[row + k] -= dj * e[k] + ej * d[k];
      d[j] = A[row + i - 1];
      A[row + i] = 0;
    }
    d[i] = h;
  }

  function accumulate(A, n, d, i) {
    A[i * n + n - 1] = A[i * n + i];
    A[i * n + i] = 1;
    const h = d[i + 1], last = (i + 1) * n;
    if (h !== 0) {
      for (let k = 0; k <= i; k++) d[k] = A[last + k] / h;
      for (let j = 0; j <= i; j++) {
        const row = j * n;
        let sum = 0;
        for (let k = 0; k <= i; k++) sum += A[last + k] * A[row + k];
        for (let k = 0; k <= i; k++) A[row + k] -= sum * d[k];
      }
    }
    A.fill(0, last, last + i + 1);
  }

  /** One sweep over l..m; returns by how much the eigenvalues were shifted. */
  function implicitQL(A, n, d, e, l, m) {
    let g = d[l], p = (d[l + 1] - g) / (2 * e[l]);
    let r = Math.hypot(p, 1) * (p < 0 ? -1 : 1);
    d[l] = e[l] / (p + r);
    d[l + 1] = e[l] * (p + r);
    const dl1 = d[l + 1], h = g - d[l], el1 = e[l + 1];
    for (let i = l + 2; i < n; i++) d[i] -= h;
    p = d[m];
    let c = 1, c2 = 1, c3 = 1, s = 0, s2 = 0;
    for (let i = m - 1; i >= l; i--) {
      c3 = c2;
      c2 = c;
      s2 = s;
      g = c * e[i];
      const hh = c * p;
      r = Math.hypot(p, e[i]);
      e[i + 1] = s * r;
      s = e[i] / r;
      c = p / r;
      p = c * d[i] - s * g;
      d[i + 1] = hh + s * (c * g + s * d[i]);
      const low = i * n, high = low + n;
      for (let k = 0; k < n; k++) {
        const x = A[high + k], y = A[low + k];
        A[high + k] = s * y + c * x;
        A[low + k] = c * y - s * x;
      }
    }
    p = (-s * s2 * c3 * el1 * e[l]) / dl1;
    e[l] = s * p;
    d[l] = c * p;
    return h;
  }

  gs.eigen = eigen;
})((globalThis.playground ??= {}));
