// Put a tool into every <div class="gs-play" data-tool="train | plane | map">, with the settings of
// its data-settings, overruled by those of the page's address.
(function (gs) {
  "use strict";

  function start(root) {
    const name = root.dataset.tool, tool = gs.tools[name];
    const own = gs.share.read(tool.settings, `play=${name}&${root.dataset.settings ?? ""}`, name);
    const preset = tool.settings.map((setting) => ({ ...setting, value: own.values[setting.name] }));
    const found = gs.share.read(preset, location.search, name);
    const anchor = root.closest("section[id]")?.id ?? "";
    root.textContent = "";
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", tool.label);
    tool.mount(root, { ...found, anchor });
    root.dataset.ready = "";
  }

  document.querySelectorAll(".gs-play[data-tool]").forEach(start);
})((globalThis.playground ??= {}));
