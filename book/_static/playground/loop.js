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

  gs.loop = { Loop, spend, calm: () => calm.matches };
})((globalThis.playground ??= {}));
