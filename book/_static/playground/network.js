// A network 2-width-1 with ReLU, trained on the full batch: gsutils.nets.MLP and gsutils.train.
(function (gs) {
  "use strict";

  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

  // An example's loss and its derivative, of the label y and the logit l.
  const LOSSES = {
    logistic: [(y, l) => softplus(-y * l), (y, l) => -y * sigmoid(-y * l)],
    squared: [(y, l) => (l - y) ** 2 / 2, (y, l) => l - y],
  };

  /** The pull of an example, the dual variable alpha: sigmoid(-y l) for cross-entropy, |y - l| for squared. */
  const pull = (loss, y, l) => Math.abs(LOSSES[loss][1](y, l));

  /** Mean loss with the penalty of spectral decoupling; fills `slopes` with its gradient. */
  function objective(settings, y, logits, slopes) {
    const { loss, lam, gamma } = settings, n = y.length;
    const [value, slope] = LOSSES[loss];
    let total = 0;
    for (let i = 0; i < n; i++) {
      const off = logits[i] - gamma;
      total += value(y[i], logits[i]) + (lam / 2) * off * off;
      slopes[i] = (slope(y[i], logits[i]) + lam * off) / n;
    }
    return total / n;
  }

  class Network {
    /**
     * Parameters theta, Float64Array(4 width + 1): the inputs' weights (x1 and x2), the biases, the
     * output weights, each (width), and the output bias.
     */
    constructor(width, theta) {
      this.width = width;
      this.theta = Float64Array.from(theta);
    }

    /** PyTorch's initialisation from the stream "weights" of the seed, rounded to float32. */
    static initial(width, seed) {
      const draw = gs.random.stream(seed, "weights");
      const theta = new Float64Array(4 * width + 1);
      const uniform = (fanIn) => Math.fround(-(fanIn ** -0.5) + 2 * fanIn ** -0.5 * draw());
      for (let j = 0; j < width; j++) {
        theta[j] = uniform(2);
        theta[width + j] = uniform(2);
      }
      for (let j = 0; j < width; j++) theta[2 * width + j] = uniform(2);
      for (let j = 0; j < width; j++) theta[3 * width + j] = uniform(width);
      theta[4 * width] = uniform(width);
      return new Network(width, theta);
    }

    copy() {
      return new Network(this.width, this.theta);
    }

    /** Logits of points x1, x2 into `logits`. Without branches, which a processor guesses wrong. */
    logits(x1, x2, logits) {
      const { width, theta } = this, n = x1.length;
      logits.fill(theta[4 * width]);
      for (let j = 0; j < width; j += 2) {
        const k = Math.min(j + 1, width - 1); // two units at a time; the last of an odd number alone
        const a = theta[j], b = theta[width + j], c = theta[2 * width + j], half = theta[3 * width + j] / 2;
        const d = theta[k], e = theta[width + k], g = theta[2 * width + k];
        const other = k > j ? theta[3 * width + k] / 2 : 0;
        for (let i = 0; i < n; i++) {
          const one = a * x1[i] + b * x2[i] + c, two = d * x1[i] + e * x2[i] + g;
          logits[i] += half * (one + Math.abs(one)) + other * (two + Math.abs(two));
        }
      }
      return logits;
    }

    /** Gradient of sum_i slopes_i logit_i by the parameters, into `gradient`. */
    gradient(x1, x2, slopes, gradient) {
      const { width, theta } = this, n = x1.length;
      let all = 0;
      for (let i = 0; i < n; i++) all += slopes[i];
      gradient[4 * width] = all;
      const enter = (j, one, along1, along2) => {
        const out = theta[3 * width + j];
        gradient[j] = out * along1;
        gradient[width + j] = out * along2;
        gradient[2 * width + j] = out * one;
        gradient[3 * width + j] = theta[j] * along1 + theta[width + j] * along2 + theta[2 * width + j] * one;
      };
      for (let j = 0; j < width; j += 2) {
        const k = Math.min(j + 1, width - 1);
        const a = theta[j], b = theta[width + j], c = theta[2 * width + j];
        const d = theta[k], e = theta[width + k], g = theta[2 * width + k];
        let one = 0, one1 = 0, one2 = 0, two = 0, two1 = 0, two2 = 0;
        for (let i = 0; i < n; i++) {
          const x = x1[i], y = x2[i], slope = slopes[i];
          const first = Number(a * x + b * y + c > 0) * slope, second = Number(d * x + e * y + g > 0) * slope;
          one += first;
          one1 += first * x;
          one2 += first * y;
          two += second;
          two1 += second * x;
          two2 += second * y;
        }
        enter(j, one, one1, one2);
        enter(k, two, two1, two2);
      }
    }
  }

  class Trainer {
    /** settings: loss, lam, gamma, optimizer ("sgd" | "adam"), lr, momentum, decay. */
    constructor(network, data, settings) {
      Object.assign(this, { network, data, settings, step: 0 });
      const size = network.theta.length;
      this.logits = new Float64Array(data.n);
      this.slopes = new Float64Array(data.n);
      this.gradient = new Float64Array(size);
      this.first = new Float64Array(size); // velocity, or Adam's first moment
      this.second = new Float64Array(size);
      this.refresh();
    }

    /** Recompute logits and loss at the present parameters. */
    refresh() {
      const { x1, x2, y } = this.data;
      this.network.logits(x1, x2, this.logits);
      this.loss = objective(this.settings, y, this.logits, this.slopes);
    }

    /** Change the settings from here on; the optimizer keeps its memory. */
    change(settings) {
      this.settings = settings;
      this.refresh();
    }

    get finite() {
      return Number.isFinite(this.loss);
    }

    advance() {
      const { network, data, gradient, settings } = this;
      network.gradient(data.x1, data.x2, this.slopes, gradient);
      this.step += 1;
      if (settings.decay) {
        for (let p = 0; p < gradient.length; p++) gradient[p] += settings.decay * network.theta[p];
      }
      (settings.optimizer === "adam" ? adam : sgd)(this);
      this.refresh();
    }
  }

  function sgd({ network: { theta }, gradient, first, settings: { lr, momentum } }) {
    for (let p = 0; p < theta.length; p++) {
      first[p] = momentum * first[p] + gradient[p];
      theta[p] -= lr * first[p];
    }
  }

  function adam({ network: { theta }, gradient, first, second, settings: { lr }, step }) {
    const [beta1, beta2, eps] = [0.9, 0.999, 1e-8];
    const correction1 = 1 - beta1 ** step, correction2 = 1 - beta2 ** step; // of the moments' bias
    for (let p = 0; p < theta.length; p++) {
      first[p] += (1 - beta1) * (gradient[p] - first[p]);
      second[p] = beta2 * second[p] + (1 - beta2) * gradient[p] * gradient[p];
      theta[p] -= ((lr / correction1) * first[p]) / (Math.sqrt(second[p] / correction2) + eps);
    }
  }

  gs.network = { Network, Trainer, pull, sigmoid, softplus };
})((globalThis.playground ??= {}));
