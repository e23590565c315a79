/* A reference shows what it leads to, when the pointer or the focus rests on it (tools/previews.py). */

(() => {
  const AFTER = 250; // milliseconds that the pointer rests
  const GAP = 8; // pixels
  const texts = new Map();
  let box, link, timer;

  const make = () => {
    box = document.createElement("div");
    box.id = "gs-preview";
    box.setAttribute("role", "tooltip");
    box.popover = "manual";
    box.addEventListener("pointerenter", () => clearTimeout(timer)); // to read on, or to scroll
    box.addEventListener("pointerleave", later(hide));
    document.body.append(box);
  };

  const later = (act) => (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(event), AFTER);
  };

  const hide = () => {
    clearTimeout(timer);
    link?.removeAttribute("aria-describedby");
    link = undefined;
    if (box?.matches(":popover-open")) {
      box.hidePopover();
    }
  };

  // Below the link, or above it where more room is, and always within the window.
  const place = () => {
    const at = link.getClientRects()[0];
    const below = innerHeight - at.bottom - 2 * GAP;
    const under = below >= box.offsetHeight || below >= at.top;
    box.style.maxHeight = `${Math.max(under ? below : at.top - 2 * GAP, 80)}px`;
    const left = Math.min(at.left, document.documentElement.clientWidth - box.offsetWidth - GAP);
    box.style.left = `${Math.max(left, GAP)}px`;
    box.style.top = `${under ? at.bottom + GAP : at.top - GAP - box.offsetHeight}px`;
  };

  const show = async (wanted) => {
    if (wanted === link) {
      return;
    }
    hide();
    if (!box) {
      make();
    }
    link = wanted;
    box.replaceChildren(texts.get(link.getAttribute("href")).cloneNode(true));
    box.style.visibility = "hidden"; // until its formulas are set, which needs its width
    box.showPopover();
    if (box.querySelector(".math")) {
      await window.MathJax?.startup?.promise;
      await window.MathJax?.typesetPromise?.([box]);
    }
    await Promise.all([...box.querySelectorAll("img")].map((image) => image.decode().catch(() => {})));
    if (wanted === link) {
      place();
      box.style.visibility = "";
      link.setAttribute("aria-describedby", box.id);
    }
  };

  addEventListener("DOMContentLoaded", () => {
    const template = document.getElementById("gs-previews");
    for (const text of template?.content.children ?? []) {
      texts.set(text.dataset.for, text.firstElementChild);
    }
    for (const reference of document.querySelectorAll("article a.internal[href*='#']")) {
      if (!texts.has(reference.getAttribute("href"))) {
        continue;
      }
      reference.addEventListener("pointerenter", (event) => {
        if (event.pointerType === "mouse") { // a finger follows the link
          later(() => show(reference))();
        }
      });
      reference.addEventListener("pointerleave", later(hide));
      reference.addEventListener("focus", () => reference.matches(":focus-visible") && show(reference));
      reference.addEventListener("blur", hide);
      reference.addEventListener("click", hide);
    }
    addEventListener("keydown", ({ key }) => key === "Escape" && hide());
    const scrolled = ({ target }) => {
      if (link && link === document.activeElement) {
        place(); // the Tab key brought it into view
      } else if (target !== box) {
        hide();
      }
    };
    addEventListener("scroll", scrolled, { capture: true, passive: true });
  });
})();
