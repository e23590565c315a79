// Sliders, menus and check boxes from a list of settings. A setting is one of
//   { name, label, kind: "range", min, max, step, value, show? }   a slider over an interval
//   { name, label, kind: "choice", choices, value, show? }         a slider over given values
//   { name, label, kind: "menu", options: { key: title }, value }
//   { name, label, kind: "flag", value }
(function (gs) {
  "use strict";

  let count = 0;

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  const button = (title, pressed) => {
    const element = make("button", { type: "button", textContent: title });
    element.addEventListener("click", pressed);
    return element;
  };

  function slider(setting, changed) {
    const ranged = setting.kind === "range", { show = gs.canvas.text } = setting;
    const output = make("span", { className: "play-value" });
    const input = make("input", { type: "range" });
    input.min = ranged ? setting.min : 0;
    input.max = ranged ? setting.max : setting.choices.length - 1;
    input.step = ranged ? setting.step : 1;
    const read = () => (ranged ? Number(input.value) : setting.choices[Number(input.value)]);
    const tell = () => {
      output.textContent = show(read());
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", () => {
      tell();
      changed(read());
    });
    const set = (value) => {
      input.value = ranged ? value : setting.choices.indexOf(value);
      tell();
    };
    return { input, output, set };
  }

  function menu(setting, changed) {
    const input = make("select");
    for (const [value, title] of Object.entries(setting.options)) {
      input.append(make("option", { value, textContent: title }));
    }
    input.addEventListener("change", () => changed(input.value));
    return { input, set: (value) => (input.value = value) };
  }

  function flag(setting, changed) {
    const input = make("input", { type: "checkbox" });
    input.addEventListener("change", () => changed(input.checked));
    return { input, set: (value) => (input.checked = value) };
  }

  /** Rows of controls; `changed(name)` is called after `values` has been updated. */
  function controls(settings, values, changed) {
    const setters = {};
    const element = make("div", { className: "play-controls" });
    for (const setting of settings) {
      const update = (value) => {
        values[setting.name] = value;
        changed(setting.name);
      };
      const kinds = { menu, flag, range: slider, choice: slider };
      const { input, output, set } = kinds[setting.kind](setting, update);
      input.id = `play-${setting.name}-${++count}`;
      input.name = setting.name;
      const label = make("label", { htmlFor: input.id, textContent: setting.label });
      const parts = setting.kind === "flag" ? [input, label] : [label, ...(output ? [output] : []), input];
      element.append(make("div", { className: `play-control play-${setting.kind}` }, ...parts));
      setters[setting.name] = set;
      set(values[setting.name]);
    }
    /** Put some values in, shown or not. */
    const set = (some) => {
      Object.assign(values, some);
      for (const [name, value] of Object.entries(some)) setters[name]?.(value);
    };
    return { element, set };
  }

  /**
   * Buttons for examples.js, and a sentence on what to watch in the one that is set. `apply` gets
   * all its values; `mark` is to be called after a change of `values`.
   */
  function examples(list, defaults, values, apply) {
    const watch = make("p", { className: "play-watch" });
    const wanted = (one) => ({ ...defaults, ...one.values });
    const buttons = list.map((one) => button(one.title, () => apply(wanted(one))));
    const mark = () => {
      const set = list.find((one) => Object.entries(wanted(one)).every(([name, value]) => values[name] === value));
      list.forEach((one, i) => buttons[i].setAttribute("aria-pressed", one === set));
      watch.textContent = set?.watch ?? "Your own settings.";
    };
    const row = make("div", { className: "play-examples" }, make("span", { textContent: "Examples to try" }), ...buttons);
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "Examples");
    return { parts: list.length ? [row, watch] : [], mark };
  }

  /**
   * Let a pointer that presses or drags on a chart choose settings: `choose` says which for a place,
   * `apply` gets them. Where a finger scrolls the page instead, what they were is put back.
   */
  function pick(chart, values, choose, apply) {
    const { canvas } = chart;
    let before = null;
    const go = (event) => apply(choose(chart.at(event)));
    canvas.classList.add("play-touch");
    canvas.addEventListener("pointerdown", (event) => {
      if (!chart.box || event.button !== 0) return; // not drawn yet, or for the menu of the browser
      before = { ...values };
      canvas.setPointerCapture(event.pointerId);
      go(event);
    });
    canvas.addEventListener("pointermove", (event) => before && go(event));
    canvas.addEventListener("pointercancel", () => before && apply(before));
    canvas.addEventListener("lostpointercapture", () => (before = null));
  }

  /** A line that a screen reader reads out when it changes, and the function that changes it. */
  function status() {
    const element = make("p", { className: "play-status" });
    element.setAttribute("role", "status");
    return { element, tell: (words) => (element.textContent = words) };
  }

  /** A list of named numbers, and a function that fills it: { name: text }. */
  function numbers(names) {
    const cells = {}, element = make("dl", { className: "play-numbers" });
    for (const [name, title] of Object.entries(names)) {
      cells[name] = make("dd", { textContent: "–" });
      element.append(make("div", {}, make("dt", { textContent: title }), cells[name]));
    }
    const fill = (values) => {
      for (const [name, value] of Object.entries(values)) {
        if (cells[name].textContent !== value) cells[name].textContent = value;
      }
    };
    return { element, fill };
  }

  /** What lines mean: pairs of a look (play-key-...) and its words. */
  function legend(pairs) {
    const keys = pairs.flatMap(([look, words]) => [make("span", { className: `play-key play-key-${look}` }), words]);
    return make("p", { className: "play-legend" }, ...keys);
  }

  gs.controls = { make, controls, examples, pick, status, button, numbers, legend };
})((globalThis.playground ??= {}));
