// A button that loads what trains the first page's figure, once a reader wants it.
(function () {
  "use strict";

  const root = document.querySelector(".gs-hero");
  const button = Object.assign(document.createElement("button"), {
    type: "button", className: "gs-call", textContent: "Train it here",
  });

  const load = (address) => new Promise((loaded, failed) => {
    const element = address.includes(".css")
      ? Object.assign(document.createElement("link"), { rel: "stylesheet", href: address })
      : Object.assign(document.createElement("script"), { src: address, async: false });
    element.addEventListener("load", loaded);
    element.addEventListener("error", failed);
    document.head.append(element);
  });

  button.addEventListener("click", () => {
    button.setAttribute("aria-busy", "true");
    Promise.all(root.dataset.files.split(" ").map(load)).then(
      () => globalThis.playground.hero.mount(root, button),
      () => button.replaceWith("This cannot be loaded now. Is there a connection?"),
    ).finally(() => button.removeAttribute("aria-busy"));
  }, { once: true });
  root.prepend(button);
})();
