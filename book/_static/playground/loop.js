// When the page works: one animation loop a tool, which rests where it is off screen.
(function (gs) {
  "use strict";

  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  class Loop {
    /** `frame(now)` does a slice of the work and returns whether there is more. */
    constructor(element, frame) {
      this.frame = frame;
      this.visible = this.due = false;
      new IntersectionObserver((entries) => {
        this.visible = entries[entries.length - 1].isIntersecting;
        this.wake();
      }).observe(element);
    }

    wake() {
      if (this.due || !this.visible) return;
      this.due = true;
      requestAnimationFrame((now) => {
        this.due = false;
        if (this.visible && this.frame(now)) this.wake();
      });
    }
  }

  /** Go on with a generator until it ends or a time is reached; returns its result or undefined. */
  function spend(job, until) {
    do {
      const { done, value } = job.next();
      if (done) return value;
    } while (performance.now() < until);
    return undefined;
  }

  /**
   * A picture that follows a slider: `sketch(input)` is a generator of a first result, which no
   * newer input cuts short, `refine(input, first)` one of the final result.
   */
  class Stages {
    constructor(sketch, refine) {
      Object.assign(this, { sketch, refine, job: null, next: null, sketching: false });
    }

    get busy() {
      return this.job !== null;
    }

    ask(input) {
      this.next = input;
      if (!this.sketching) this.start();
    }

    start() {
      Object.assign(this, { input: this.next, next: null, sketching: true });
      this.job = this.sketch(this.input);
    }

    /** Go on until a time is reached; returns a result, the first or the final one, or undefined. */
    work(until) {
      const result = this.job && spend(this.job, until);
      if (!result) return undefined;
      if (this.next) this.start();
      else {
        this.job = this.sketching ? this.refine(this.input, result) : null;
        this.sketching = false;
      }
      return result;
    }
  }

  gs.loop = { Loop, Stages, spend, calm: () => calm.matches };
})((globalThis.playground ??= {}));
