// NumPy's random numbers, bit for bit, so that a seed means the same here as in gsutils.
// - `Legacy`: numpy.random.RandomState (Mersenne Twister), which scikit-learn's make_moons uses;
// - `stream(seed, name)`: gsutils.seeding.stream, a PCG64 seeded by a SeedSequence.
(function (gs) {
  "use strict";

  class Legacy {
    constructor(seed) {
      this.key = new Uint32Array(624);
      this.key[0] = seed;
      for (let i = 1; i < 624; i++) {
        const last = this.key[i - 1] ^ (this.key[i - 1] >>> 30);
        this.key[i] = Math.imul(1812433253, last) + i;
      }
      this.place = 624;
      this.spare = null; // normal numbers come in pairs
    }

    bits() {
      const key = this.key;
      if (this.place === 624) {
        for (let i = 0; i < 624; i++) {
          const y = (key[i] & 0x80000000) | (key[(i + 1) % 624] & 0x7fffffff);
          key[i] = key[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
        }
        this.place = 0;
      }
      let y = key[this.place++];
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      return (y ^ (y >>> 18)) >>> 0;
    }

    double() {
      const high = this.bits() >>> 5;
      return (high * 67108864 + (this.bits() >>> 6)) / 9007199254740992;
    }

    normal() {
      if (this.spare !== null) {
        const spare = this.spare;
        this.spare = null;
        return spare;
      }
      let a, b, r;
      do {
        a = 2 * this.double() - 1;
        b = 2 * this.double() - 1;
        r = a * a + b * b;
      } while (r >= 1 || r === 0);
      const scale = Math.sqrt((-2 * Math.log(r)) / r);
      this.spare = scale * a;
      return scale * b;
    }

    permutation(n) {
      const order = Array.from({ length: n }, (_, i) => i);
      for (let i = n - 1; i > 0; i--) {
        const mask = 2 ** (32 - Math.clz32(i)) - 1;
        let j;
        do j = this.bits() & mask;
        while (j > i);
        [order[i], order[j]] = [order[j], order[i]];
      }
      return order;
    }
  }

  function crc32(text) {
    let crc = -1;
    for (const byte of new TextEncoder().encode(text)) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc >>> 0;
  }

  /** The eight words that SeedSequence(seed, spawn_key=(key,)).generate_state gives PCG64. */
  function seedWords(seed, key) {
    let factor = 0x43b0d7e5;
    const hash = (value) => {
      value ^= factor;
      factor = Math.imul(factor, 0x931e8875);
      value = Math.imul(value, factor);
      return value ^ (value >>> 16);
    };
    const mix = (x, y) => {
      const mixed = Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y);
      return mixed ^ (mixed >>> 16);
    };
    const pool = [seed, 0, 0, 0].map(hash);
    for (let from = 0; from < 4; from++) {
      for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
    }
    for (let to = 0; to < 4; to++) pool[to] = mix(pool[to], hash(key));
    let output = 0x8b51f9dd;
    return Array.from({ length: 8 }, (_, i) => {
      let value = pool[i % 4] ^ output;
      output = Math.imul(output, 0x58f38ded);
      value = Math.imul(value, output);
      return (value ^ (value >>> 16)) >>> 0;
    });
  }

  /** A function that draws from the uniform distribution on [0, 1). */
  function stream(seed, name) {
    const words = seedWords(seed, crc32(name)).map(BigInt);
    const word128 = (i) =>
      (words[i + 1] << 96n) | (words[i] << 64n) | (words[i + 3] << 32n) | words[i + 2];
    const whole = (value) => BigInt.asUintN(128, value);
    const step = whole((word128(4) << 1n) | 1n);
    const advance = (state) => whole(state * 0x2360ed051fc65da44385df649fccf645n + step);
    let state = advance(whole(step + word128(0)));
    return () => {
      state = advance(state);
      const folded = BigInt.asUintN(64, (state >> 64n) ^ state);
      const turn = state >> 122n;
      const turned = BigInt.asUintN(64, (folded >> turn) | (folded << ((64n - turn) & 63n)));
      return Number(turned >> 11n) / 9007199254740992;
    };
  }

  gs.random = { Legacy, stream };
})((globalThis.playground ??= {}));
