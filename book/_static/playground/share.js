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
        return { 0: false, 1: true }[text];
      case "choice":
        return setting.choices.includes(number) ? number : undefined;
      default:
        return number >= setting.min && number <= setting.max ? number : undefined;
    }
  }

  function allowed(setting) {
    const list = (values) => values.join(", ");
    switch (setting.kind) {
      case "menu":
        return `one of ${list(Object.keys(setting.options))}`;
      case "flag":
        return "0 or 1";
      case "choice":
        return `one of ${list(setting.choices)}`;
      default:
        return `a number from ${gs.canvas.text(setting.min)} to ${gs.canvas.text(setting.max)}`;
    }
  }

  /** Values for all settings from a query string, and sentences about what was wrong with it. */
  function read(settings, query, tool) {
    const values = Object.fromEntries(settings.map((s) => [s.name, s.value])), complaints = [];
    const parameters = new URLSearchParams(query);
    if (parameters.get("play") !== tool) return { values, complaints };
    for (const [name, text] of parameters) {
      if (name === "play" || name === "highlight") continue;
      const setting = settings.find((s) => s.name === name);
      const said = text.length > 20 ? `${text.slice(0, 20)}…` : text;
      if (!setting) {
        complaints.push(`The link sets “${name.slice(0, 20)}”, which does not exist here.`);
        continue;
      }
      const value = meant(setting, text);
      if (value !== undefined) values[name] = value;
      else {
        const kept = gs.controls.show(setting, setting.value);
        complaints.push(`The link sets ${name} to “${said}”; it must be ${allowed(setting)}. Kept: ${kept}.`);
      }
    }
    return { values, complaints };
  }

  function query(settings, values, tool) {
    const parameters = new URLSearchParams({ play: tool });
    for (const { name, kind } of settings) {
      parameters.set(name, kind === "flag" ? Number(values[name]) : values[name]);
    }
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
