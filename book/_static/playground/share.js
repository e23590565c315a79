// Links that restore every setting of a tool: "?play=train&delta=0.1&...".
(function (gs) {
  "use strict";

  /** The value that `text` means for a setting, or undefined where it means none. */
  function meant(setting, text) {
    const number = text.trim() === "" ? NaN : Number(text);
    switch (setting.kind) {
      case "menu":
        return Object.hasOwn(setting.options, text) ? text : undefined;
      case "flag":
        return ["0", "1"].includes(text) ? text === "1" : undefined;
      case "choice":
        return setting.choices.includes(number) ? number : undefined;
      default: {
        const { min, max, step } = setting, steps = (number - min) / step;
        const shown = Math.abs(steps - Math.round(steps)) < 1e-6; // or the slider would show another
        return number >= min && number <= max && shown ? number : undefined;
      }
    }
  }

  /** A value as a link has it. */
  const written = ({ kind }, value) => (kind === "flag" ? Number(value) : value);

  function allowed(setting) {
    const { text } = gs.canvas, list = (values) => values.join(", ");
    switch (setting.kind) {
      case "menu":
        return `one of ${list(Object.keys(setting.options))}`;
      case "flag":
        return "0 or 1";
      case "choice":
        return `one of ${list(setting.choices)}`;
      default:
        return `a number from ${text(setting.min)} to ${text(setting.max)} in steps of ${text(setting.step)}`;
    }
  }

  const quote = (text) => (text.length > 20 ? `“${text.slice(0, 20)}…”` : `“${text}”`);

  /** Values for all settings from a query string, and sentences about what was wrong with it. */
  function read(settings, query, tool) {
    const values = Object.fromEntries(settings.map((s) => [s.name, s.value])), complaints = [];
    const parameters = new Map(new URLSearchParams(query)); // of two of a name, the last
    if (parameters.get("play") !== tool) return { values, complaints };
    parameters.delete("play");
    parameters.delete("highlight"); // the book's search adds it
    for (const setting of settings) {
      const { name } = setting, text = parameters.get(name);
      if (!parameters.delete(name)) continue;
      const value = meant(setting, text);
      if (value !== undefined) values[name] = value;
      else {
        const kept = written(setting, setting.value);
        complaints.push(`The link sets ${name} to ${quote(text)}; it must be ${allowed(setting)}. Kept: ${kept}.`);
      }
    }
    const unknown = [...parameters.keys()], more = unknown.length - 3;
    if (unknown.length) {
      const names = unknown.slice(0, 3).map(quote).join(", ") + (more > 0 ? ` and ${more} more` : "");
      complaints.push(`The link sets what does not exist here: ${names}.`);
    }
    return { values, complaints };
  }

  function query(settings, values, tool) {
    const parameters = new URLSearchParams({ play: tool });
    for (const setting of settings) parameters.set(setting.name, written(setting, values[setting.name]));
    return `?${parameters}`;
  }

  /** A button that copies the link, a field that shows it, and a way to the tool with all settings. */
  function share(settings, values, { tool, anchor, home, tell }) {
    const { make, button } = gs.controls;
    const field = make("input", { type: "text", readOnly: true, className: "play-link", hidden: true });
    field.setAttribute("aria-label", "Link to these settings");
    const copy = button("Copy link", () => {
      const base = location.href.replace(/[?#].*$/, "");
      field.value = base + query(settings, values, tool) + (anchor ? `#${anchor}` : "");
      field.hidden = false;
      const shown = () => {
        field.select();
        tell("This link restores every setting.");
      };
      if (!navigator.clipboard) return shown();
      navigator.clipboard.writeText(field.value).then(() => tell("Copied: a link that restores every setting."), shown);
    });
    if (!home) return [copy, field];
    const all = make("a", { className: "play-all", textContent: "All settings" });
    const point = () => (all.href = `${home}${query(settings, values, tool)}#playground-${tool}`);
    for (const event of ["focus", "pointerenter", "pointerdown"]) all.addEventListener(event, point);
    point();
    return [all, copy, field];
  }

  gs.share = { read, query, share };
})((globalThis.playground ??= {}));
