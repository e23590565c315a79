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
      for (let j = 0; j < width; j++) {
        const a = theta[j], b = theta[width + j], c = theta[2 * width + j];
        const half = theta[3 * width + j] / 2;
        for (let i = 0; i < n; i++) {
          const f = a * x1[i] + b * x2[i] + c;
          logits[i] += half * (f + Math.abs(f));
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
      for (let j = 0; j < width; j++) {
        const a = theta[j], b = theta[width + j], c = theta[2 * width + j];
        let one = 0, along1 = 0, along2 = 0;
        for (let i = 0; i < n; i++) {
          const slope = Number(a * x1[i] + b * x2[i] + c > 0) * slopes[i];
          one += slope;
          along1 += slope * x1[i];
          along2 += slope * x2[i];
        }
        const out = theta[3 * width + j];
        gradient[j] = out * along1;
        gradient[width + j] = out * along2;
        gradient[2 * width + j] = out * one;
        gradient[3 * width + j] = a * along1 + b * along2 + c * one;
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

  gs.network = { Network, Trainer, sigmoid, softplus };
})((globalThis.playground ??= {}));
