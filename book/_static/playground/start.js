// Put a tool into every <div class="gs-play" data-tool="train | plane | map">, with the settings of
// its data-settings, overruled by those of the page's address. data-show names the settings and
// parts that it shows (a menu may be cut to some options, "kind:exact,sd"), data-examples the
// examples; without them it shows all. data-home is the page that has the whole tool.
(function (gs) {
  "use strict";

  const words = (text) => text?.split(" ").filter(Boolean);

  function start(root) {
    const { tool: name, settings = "", show, examples, home } = root.dataset, tool = gs.tools[name];
    const cuts = new Map(words(show)?.map((word) => word.split(":")));
    const own = gs.share.read(tool.settings, `play=${name}&${settings}`, name);
    const cut = tool.settings.map((setting) => {
      const keys = cuts.get(setting.name)?.split(","), options = { ...setting.options };
      if (keys) for (const key of Object.keys(options)) if (!keys.includes(key)) delete options[key];
      return { ...setting, ...(keys && { options }), value: own.values[setting.name] };
    });
    const { values, complaints } = gs.share.read(cut, location.search, name);
    // What a link changes is shown, too: nothing acts unseen.
    const shows = (part) => !show || cuts.has(part) || (part in values && values[part] !== own.values[part]);
    const chosen = gs.examples[name].filter((one) => !examples || words(examples).includes(one.name));
    const anchor = root.closest("section[id]")?.id ?? "";
    root.textContent = "";
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", tool.label);
    tool.mount(root, { settings: cut, values, complaints, anchor, home, shows, examples: chosen });
    root.dataset.ready = "";
  }

  /** Where a link leads on to: the plane and the map once stood on the page of the training. */
  function moved({ search, hash }) {
    const homes = new URLSearchParams(document.querySelector("[data-homes]")?.dataset.homes);
    const name = new URLSearchParams(search).get("play") ?? /^#playground-(\w+)$/.exec(hash)?.[1];
    return homes.has(name) && homes.get(name) + search + (hash || `#playground-${name}`);
  }

  const there = moved(location);
  if (there) location.replace(there);
  else document.querySelectorAll(".gs-play[data-tool]").forEach(start);
})((globalThis.playground ??= {}));
