// Ready settings for the three tools, each with what to watch in it. What is not named has the
// tool's own value.
(function (gs) {
  "use strict";

  gs.examples = {
    train: [
      { name: "starved", title: "Starved or decoupled", values: {},
        watch: "Both networks soon sort every point. Watch the circles, whose radius is the margin: the plain network finds a straight " +
          "cut and hardly moves on, the decoupled one keeps bending away from the points. Reset and Play show it from the start." },
      { name: "overlap", title: "No gap", values: { delta: -0.1 },
        watch: "The classes overlap, so the straight cut leaves a few points wrong. Watch the plain network: now it learns the curve, " +
          "because it has to." },
      { name: "decay", title: "Weight decay instead", values: { lam: 0, decay: 0.01 },
        watch: "The usual remedy. Watch the right boundary: small weights make the network less certain, but not more curved. Is its margin wider?" },
      { name: "squared", title: "Squared loss", values: { loss: "squared", lam: 0 },
        watch: "Two networks without a penalty, and the loss pulls each logit to −1 or +1 instead of outwards for ever. Watch the boundary bend without decoupling." },
      { name: "adam", title: "Adam", values: { optimizer: "adam", lr: 0.003 },
        watch: "The same two losses with another optimiser. Watch the plain network: it starves less. Chapter 1 has the numbers." },
      { name: "late", title: "Head start", values: { late: 300 },
        watch: "Both train plainly for 300 steps; then the right one gets its penalty. Watch the kinks in its curves: can it still learn " +
          "what it had given up?" },
    ],
    plane: [
      { name: "starved", title: "Starved", values: {},
        watch: "Feature 1 is three times as strong as feature 2. Move s₁ and watch z₂* in the green curve: it shrinks, although nothing about feature 2 has changed." },
      { name: "fed", title: "Fed", values: { delta: -0.3 },
        watch: "The same strengths with the coupling turned round. Move s₁ to the right: now the strong feature helps the weak one." },
      { name: "uncoupled", title: "Uncoupled", values: { delta: 0 },
        watch: "Each example has a feature of its own, and the nullclines are parallel to the axes. Move s₁: z₂* stays where it is." },
      { name: "decoupled", title: "Decoupled", values: { kind: "sd" },
        watch: "Spectral decoupling takes the strengths out of the dual. Move s₁ or s₂: the fixed point does not move. Then move δ and λ." },
      { name: "start", title: "Head start", values: { a1: 0.9, a2: 0.1 },
        watch: "Click anywhere in the left picture to start there. The paths differ, the end does not: there is one fixed point, and it attracts from everywhere." },
      { name: "primal", title: "Primal path", values: { lam: 0.05, primal: true },
        watch: "Dashed: gradient descent on the weights, from zero. It gets to the same responses on its own way. Which response does it learn first?" },
      { name: "taylor", title: "Taylor", values: { kind: "taylor", s1: 1, s2: 0.5, delta: 0.6, lam: 2 },
        watch: "The approximation of Eq. 10 is meant for small α. Here α is not small: switch the flow to exact and watch the fixed point jump." },
    ],
    map: [
      { name: "size", title: "Who starves whom", values: {},
        watch: "Pink: a stronger feature 1 makes the response to feature 2 smaller. Look for the four quarters, and for the place with the deepest colour." },
      { name: "printed", title: "As printed", values: { measure: "signed" },
        watch: "The derivative of z₂* itself, as in Theorem 2. At the dashed line the colour jumps, because z₂* changes its sign there; its size does not jump." },
      { name: "lemma1", title: "Lemma 1", values: { kind: "lemma1" },
        watch: "The approximation that the paper’s proof of Theorem 2 uses. Compare its solid lines with those of “Who starves whom”: where has it the wrong sign?" },
      { name: "strong", title: "Strong penalty", values: { lam: 10 },
        watch: "With a large λ both responses stay small, and hardly meet. Watch the map turn pale from below: features that learn little starve little." },
      { name: "raw", title: "Without scaling", values: { scale: "raw" },
        watch: "The derivative as it is, not in per cent of both sides. It fades upwards, where one more unit of s₁² is a small change of a large number." },
      { name: "decoupled", title: "Decoupled", values: { kind: "sd" },
        watch: "The map is empty. The strengths cancel in Eq. 18, so no feature can starve another by growing strong." },
    ],
  };
})((globalThis.playground ??= {}));
