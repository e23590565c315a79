/* Fit the document to its column: size the figures, narrow what is too wide.
 *
 * `fit()` runs once, after the mathematics is typeset; `overfull()` measures what came of it.
 */
"use strict";

const DISPLAY = "div.math mjx-container";
const BLOCKS = `p, li, dt, dd, td, th, pre, h1, h2, h3, h4, h5, ${DISPLAY}`;
const NARROWEST = 0.85; // below this share of its size, a formula or a table is hard to read
const FIGURE_SCALE = 0.77; // of the size on the page, where the letters are larger, too
const LONG_TABLE = 16; // rows; a longer one may go over a page break
const LONG_CODE = 24; // lines

const excerpt = (element) => {
  const text = element.innerText.replace(/\s+/g, " ").trim().slice(0, 80);
  const place = element.closest("article, section, nav")?.id ?? "";
  return `${place}: ${element.tagName.toLowerCase()} ${text}`;
};

/* Figures keep their size relative to the text where there is room; wide ones hang into both margins alike. */
function sizeFigures() {
  const wide = document.body.clientWidth;
  for (const picture of document.querySelectorAll("article img")) {
    const drawn = Number(picture.getAttribute("width")) || picture.naturalWidth;
    const width = Math.min(drawn * FIGURE_SCALE, wide);
    picture.style.width = `${width}px`;
    const around = (picture.closest("picture") ?? picture).parentElement; // <picture> has no width
    const over = width - around.clientWidth;
    if (over > 0) {
      picture.style.marginLeft = picture.style.marginRight = `${-over / 2}px`;
      picture.style.maxWidth = "none";
    }
  }
}

/* Make `element` smaller by its font size, so that `needed` becomes `room`; false if that is too small. */
function shrink(element, needed, room) {
  const scale = room / needed;
  if (scale < 1) {
    const size = parseFloat(getComputedStyle(element).fontSize);
    element.style.fontSize = `${size * Math.max(scale, NARROWEST) * 0.995}px`;
  }
  return scale >= NARROWEST;
}

function fitMathematics() {
  for (const box of document.querySelectorAll(DISPLAY)) {
    shrink(box, box.querySelector("mjx-math").getBoundingClientRect().width, box.clientWidth);
  }
}

function fitTables() {
  for (const table of document.querySelectorAll("article table")) {
    table.classList.toggle("long", table.rows.length > LONG_TABLE);
    shrink(table, table.getBoundingClientRect().width, table.parentElement.clientWidth);
  }
}

/* Code that would become too small is wrapped instead. */
function fitCode() {
  for (const code of document.querySelectorAll("article pre")) {
    code.parentElement.classList.toggle("long", code.textContent.split("\n").length > LONG_CODE);
    if (!shrink(code, code.scrollWidth, code.clientWidth)) {
      code.style.fontSize = "";
      code.classList.add("wrapped");
    }
  }
}

/* A formula is a picture to those who see, its TeX to those who listen. The browser tags a picture only
 * if it holds text, and the letters of a formula are none to it: a space that takes no room is.
 */
function describeMathematics() {
  for (const { math, typesetRoot } of MathJax.startup.document.math) {
    typesetRoot.querySelector("mjx-assistive-mml")?.remove();
    typesetRoot.querySelector("mjx-math").removeAttribute("aria-hidden");
    typesetRoot.setAttribute("role", "img");
    typesetRoot.setAttribute("aria-label", math.trim());
    const space = document.createElement("span");
    space.className = "space";
    space.textContent = "\u00a0";
    typesetRoot.append(space);
  }
}

/* A paragraph that announces what follows stays with it. */
function keepTogether() {
  for (const paragraph of document.querySelectorAll("article p")) {
    if (paragraph.textContent.trimEnd().endsWith(":")) paragraph.style.breakAfter = "avoid";
  }
}

function fit() {
  describeMathematics();
  sizeFigures();
  fitCode();
  fitMathematics();
  fitTables();
  keepTogether();
}

/* What is wider than the place it stands in; figures may take the whole printed area. */
function overfull() {
  const page = document.body.getBoundingClientRect();
  const { paddingLeft, paddingRight } = getComputedStyle(document.body);
  const column = {
    left: page.left + parseFloat(paddingLeft),
    right: page.right - parseFloat(paddingRight),
  };
  const outside = (element) => {
    const place = element.matches("img") ? page : column;
    const box = element.getBoundingClientRect();
    return box.width > 0 && (box.left < place.left - 1 || box.right > place.right + 1);
  };
  const spills = (element) =>
    element.matches(BLOCKS) && element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1;
  return [...document.querySelectorAll("body *")]
    .filter((element) => outside(element) || spills(element))
    .map(excerpt);
}
