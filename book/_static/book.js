/* What the pages do besides what their theme does. */

// A page on disk may not read the others, so results of its search come without an excerpt.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// Paper is white, whatever the screen is.
(() => {
  const root = document.documentElement;
  let theme;
  matchMedia("print").addEventListener("change", ({ matches }) => {
    if (matches) {
      theme = root.dataset.theme;
      root.dataset.theme = "light";
    } else if (theme) {
      root.dataset.theme = theme;
    }
  });
})();

// A formula that is wider than its column scrolls, and then the keyboard has to reach it.
addEventListener("DOMContentLoaded", async () => {
  await window.MathJax?.startup?.promise;
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) {
        target.tabIndex = 0;
      } else {
        target.removeAttribute("tabindex");
      }
    }
  });
  for (const formula of document.querySelectorAll("mjx-container[display]")) {
    watch.observe(formula);
  }
});

// The first answer that a reader opens in a bet is the bet, and opens the right one, too.
addEventListener("click", ({ target }) => {
  const choice = target.closest(".gs-bet summary");
  const bet = choice?.closest(".gs-bet:not([data-placed])");
  if (!bet) {
    return;
  }
  bet.dataset.placed = "";
  const letter = (answer) => answer.querySelector(".gs-letter").textContent;
  const chosen = choice.parentElement;
  const right = bet.querySelector("[data-right]");
  bet.querySelector(".gs-bet-said").textContent =
    chosen === right
      ? `You bet on ${letter(chosen)}, and the figure bears it out.`
      : `You bet on ${letter(chosen)}; the figure bears out ${letter(right)}.`;
  if (chosen !== right) {
    right.open = true; // the click itself opens the chosen one
  }
});
