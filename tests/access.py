"""Checks of accessibility that several test files make: axe-core, the Tab key, clipped text."""

import functools

from axe_playwright_python.sync_playwright import Axe

# The rules of axe-core for WCAG 2.2 AA.
WCAG = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}

# Everything that a reader can unfold.
OPEN = """() => {
  for (const box of document.querySelectorAll("article .toggle-hidden .toggle-button"))
    if (box.closest(".toggle-hidden")) box.click();
  for (const box of document.querySelectorAll("article details")) box.open = true;
}"""
CLOSE = """() => {
  const open = "article .toggle:not(.toggle-hidden) .toggle-button";
  for (const button of document.querySelectorAll(open)) button.click();
  for (const box of document.querySelectorAll("article details")) box.open = false;
}"""

# For axe alone, since the page is of no other use after it: a formula is hundreds of elements, and
# one letter in its colour, as large, says the same; of the tokens in code, one of each colour does.
SIMPLIFY = """() => {
  for (const formula of document.querySelectorAll("mjx-container:has(mjx-math)")) {
    const { width, height } = formula.querySelector("mjx-math").getBoundingClientRect();
    const letter = document.createElement("span");
    letter.textContent = "x";
    letter.style.cssText = `display: inline-block; width: ${width}px; height: ${height}px`;
    formula.replaceChildren(letter);
  }
  const seen = new Set();
  for (const token of document.querySelectorAll("pre span[class]")) {
    const kind = [token.className, !!token.closest(".cell_output"), !!token.closest(".admonition")];
    if (seen.has(kind.join())) token.replaceWith(token.textContent);
    seen.add(kind.join());
  }
}"""


# One of all texts that look alike says whether they can be read, and comparing colours is nearly
# all of axe's work. Alike: the same elements, classes and colours all the way up, the same letters.
MARK = """() => {
  const looks = new Map(), names = new Map(), seen = new Set();
  const look = e => {
    if (!e) return -1;
    if (!looks.has(e)) {
      const s = getComputedStyle(e);
      const key = [look(e.parentElement), e.localName, e.getAttribute("class"), s.color,
        s.backgroundColor, s.backgroundImage, s.opacity, s.position, s.fontSize, s.fontWeight,
        s.textShadow, s.visibility, s.filter, s.zIndex].join();
      if (!names.has(key)) names.set(key, names.size);
      looks.set(e, names.get(key));
    }
    return looks.get(e);
  };
  const shown = e => e.checkVisibility({visibilityProperty: true});
  const text = e => e.matches("input, select, textarea")
    || [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  for (const e of document.querySelectorAll("body, body *")) {
    const first = text(e) && shown(e) && !seen.has(look(e));
    if (first) seen.add(look(e));
    e.toggleAttribute("data-look", first);
  }
}"""
CONTRAST = """axe.configure({rules: [{id: "color-contrast", selector: "[data-look]"}]})"""


@functools.cache
def axe():
    """axe-core, read once, which looks at the colours of marked texts only."""
    axe = Axe()
    axe.axe_script += f"\n;{CONTRAST};"
    return axe


def violations(page, rules=WCAG, within=None):
    """What axe-core finds against `rules`, each with what to do and up to five places.

    `within` is a selector of what to look at, everything where it is None.
    """
    page.evaluate(MARK)
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    found = axe().run(page, context=within, options=options).response["violations"]
    return [
        (rule["id"], rule["help"], [node["html"][:160] for node in rule["nodes"][:5]])
        for rule in found
    ]


def violations_in_all(page):
    """The violations of a page with all that a reader can unfold; it is of no use afterwards."""
    page.evaluate(OPEN)
    page.evaluate(SIMPLIFY)
    return violations(page)


def too_wide(page):
    """Elements that reach beyond the right edge, outside boxes that scroll or cut."""
    return page.evaluate(
        """() => {
          const clips = e => getComputedStyle(e).overflowX !== "visible";
          const inBox = e => e !== document.body && (clips(e) || inBox(e.parentElement));
          return [...document.querySelectorAll("body *:not(mjx-container *)")]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .filter(e => !inBox(e.parentElement))
            .map(e => e.outerHTML.slice(0, 120));
        }"""
    )


def clipped(page):
    """Texts of which a part is cut off by their box."""
    return page.evaluate(
        """() => [...document.querySelectorAll("body *:not(mjx-container *, pre *, svg *)")]
          .filter(e => e.clientWidth && !e.matches(".visually-hidden, .sr-only"))
          .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
          .filter(e => {
            const s = getComputedStyle(e);
            const cut = v => v === "hidden" || v === "clip";
            return (cut(s.overflowX) && e.scrollWidth > e.clientWidth + 1)
              || (cut(s.overflowY) && e.scrollHeight > e.clientHeight + 3);
          })
          .filter(e => e.checkVisibility({visibilityProperty: true, opacityProperty: true}))
          .map(e => e.outerHTML.slice(0, 120))"""
    )


_WATCH = """() => {
  const controls = "a[href], button, input:not([type=hidden]), select, textarea, summary, "
    + "[tabindex]:not([tabindex^='-'])";
  const usable = e => !e.disabled && e.tabIndex >= 0 && !e.closest("[inert]")
    && e.checkVisibility({visibilityProperty: true})
    && !(e.type === "radio" && !e.checked);
  const all = [...document.querySelectorAll(controls)].filter(usable);
  const log = window.tabs = {count: all.length, first: null, order: [], unseen: [], covered: []};
  const say = e => e.outerHTML.slice(0, 120);
  log.missed = () => all.filter((_, i) => !log.order.includes(i)).map(say);
  const ring = e => {
    const s = getComputedStyle(e);
    return (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2) || s.boxShadow !== "none";
  };
  log.see = event => {
    const e = event.target, place = all.indexOf(e);
    if (log.order.at(-1) === all.length - 1) return; // round again
    log.first ??= e.innerText.trim();
    if (place >= 0) log.order.push(place);
    if (!ring(e)) log.unseen.push(say(e));
    const r = e.getClientRects()[0];
    const shows = (x, y) => {
      const top = document.elementFromPoint(x, y);
      return top && (e.contains(top) || top.contains(e));
    };
    const xs = [r.left + 2, (r.left + r.right) / 2, r.right - 2];
    const ys = [r.top + 2, (r.top + r.bottom) / 2, r.bottom - 2];
    if (!xs.some(x => ys.some(y => shows(x, y)))) log.covered.push(say(e));
  };
  const start = document.createElement("button"); // the next Tab goes on from where it was
  document.body.prepend(start);
  start.focus();
  start.remove();
  addEventListener("focusin", log.see);
}"""


def tab_through(page):
    """Press Tab from the top of the page to its end, and tell what got the focus.

    The result holds the `first` text; `order`, the places of the controls in the document;
    `missed` controls; and those whose focus cannot be seen: `unseen`, without a ring, and
    `covered`, behind something else.
    """
    page.mouse.move(0, 0)  # what it points at shows more controls
    page.evaluate(_WATCH)
    for press in range(page.evaluate("tabs.count + 400")):
        page.keyboard.press("Tab")
        if press % 20 == 0 and page.evaluate("tabs.order.includes(tabs.count - 1)"):
            break
    page.evaluate("removeEventListener('focusin', tabs.see)")
    return page.evaluate(
        "() => ({first: tabs.first, order: tabs.order, unseen: tabs.unseen,"
        " covered: tabs.covered, missed: tabs.missed()})"
    )
