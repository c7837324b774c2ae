// The page: the walk through the steps, the drawing, and what is pointed at.
import { countOf, data, inFull, parsePlace, placeOf, rankOf, spoken } from "./arrays.js";
import { breakable } from "./breaks.js";
import { factorOf, visitable } from "./factors.js";
import { markLeftOut, mathOf, tellLeftOut } from "./formulas.js";
import { drawNetwork, rowOf } from "./drawing.js";
import { showHistory } from "./history.js";
import { inspect, itemOf, lineOf } from "./inspector.js";
import { isLater, shownBy } from "./lights.js";
import { bringIntoView } from "./scrolling.js";

const MOST_LINES = 6;
const MORE_LINES = 100; // at each press of the button
const find = (id) => document.getElementById(id);
const slider = find("step");
slider.max = data.steps.length;

const actions = { point, preview, pin };
const pane = find("drawing");
const drawing = drawNetwork(pane, actions);
let pinned = null; // its place, and the element where it was pinned
let stayed = null; // how far the drawing was scrolled before a factor moved it
let peeked = null; // the row of a number that a person points at, where it is another than the one chosen

// Lights where a number, or a whole array, came from; the drawing shows it, and its row, meanwhile. For null, what is pinned.
function point(text) {
  const place = text === null ? null : parsePlace(text);
  const row = place && rowOf(place);
  const other = row === null || row === rowShown() ? null : row;
  if (other !== peeked) {
    peeked = other;
    drawing.show(data.steps[slider.value - 1], peeked ?? rowShown());
  }
  drawing.point(place ?? pinned?.place ?? null);
  tellInFull(place);
  if (place) {
    stayed ??= [pane.scrollLeft, pane.scrollTop];
    bringIntoView(pane, [...pane.querySelectorAll(".pointed")]);
  } else if (stayed) {
    [pane.scrollLeft, pane.scrollTop] = stayed;
    stayed = null;
  }
}

// Writes all digits of the number that is pointed at, and whether its row is shown in the place of another.
function tellInFull(place) {
  const number = place && data.arrays[place.key] && place.index.length === rankOf(place.key) ? inFull(place.key, place.index) : null;
  const row = peeked === null ? "" : `; row ${peeked} is shown meanwhile`;
  find("peek").textContent = number === null ? "" : `${number} = ${spoken(place.key, place.index)}${row}`;
}

// Shows an element while pointer or focus is at it, unless another is pinned.
function preview(item, index) {
  const shown = shownBy(item, data.steps[slider.value - 1]);
  tellInFull(isLater(shown, data.steps[slider.value - 1]) ? null : { key: shown.key, index });
  if (!pinned) inspect(item, index, actions);
}

// Keeps an element in the inspector, so that a person can go to its factors; a key takes the focus there.
function pin(item, index, { detail, currentTarget }) {
  const inside = find("inspector").contains(document.activeElement);
  const origin = inside && pinned ? pinned.origin : currentTarget;
  pinned = { place: { key: item.keys[0].key, index }, origin };
  find("unpin").hidden = false;
  drawing.pin(pinned.place);
  inspect(item, index, actions);
  stayed = null; // the drawing stays where it shows what is pinned
  point(null);
  if (inside || !detail) find("chosen").focus();
}

// Lets go of what is pinned, and gives the focus back.
function unpin() {
  if (!pinned) return;
  const { origin } = pinned;
  pinned = null;
  find("unpin").hidden = true;
  drawing.pin(null);
  point(null);
  (origin.isConnected ? origin : find("told")).focus();
}

// Whether a box that has the focus can still be scrolled that way.
function canScroll(box, by) {
  if (!box.matches("[role=region]")) return false;
  return by < 0 ? box.scrollLeft > 1 : box.scrollLeft < box.scrollWidth - box.clientWidth - 1;
}

function show(number) {
  const step = data.steps[number - 1];
  slider.value = number;
  find("count").textContent = `${number} of ${data.steps.length}`;
  slider.setAttribute("aria-valuetext", `${number}: ${step.title}`);
  const title = document.createElement("h2");
  title.textContent = `${step.number}. ${step.title}`;
  const stage = document.createElement("p");
  stage.className = "stage";
  stage.textContent = [data.stages[step.stage], step.rule].filter(Boolean).join(" · ");
  const equation = document.createElement("div");
  equation.className = "formula whole";
  equation.append(visitable(breakable(markLeftOut(mathOf(step.equation))), actions));
  find("told").replaceChildren(title, stage, equation);
  if (data.arrays[step.key]) {
    tellLeftOut(find("told"));
    tellElements(step.key, 0, MOST_LINES);
  } else find("told").append("These are too many for a page; explanation.to_dict() has them.");
  find("told").scrollLeft = 0;
  showDrawing();
  stayed = null;
  bringIntoView(pane, [...pane.querySelectorAll(":is(g, canvas, button).lit")]);
}

function showDrawing() {
  drawing.show(data.steps[slider.value - 1], rowShown());
  drawing.point(pinned?.place ?? null);
  drawing.pin(pinned?.place ?? null);
  tellInFull(null);
}

// Some elements of an array, and a button for more of them.
function tellElements(key, first, count) {
  const left = countOf(key) - first - count;
  const length = Math.min(count, countOf(key) - first);
  find("told").append(...Array.from({ length }, (_, n) => lineOf(key, placeOf(key, first + n), actions)));
  if (left <= 0) return;
  const more = document.createElement("button");
  more.type = "button";
  more.className = "more";
  more.textContent = `${left} more`;
  more.addEventListener("click", () => {
    more.remove();
    tellElements(key, first + count, MORE_LINES);
    find("told").querySelector("button.more")?.focus();
  });
  find("told").append(more);
}

// The row that is drawn: what is typed may be none.
function rowShown() {
  const row = Math.trunc(Number(find("row").value)) || 0;
  return Math.min(Math.max(row, 0), data.rows - 1);
}

function move(by) {
  show(Math.min(Math.max(Number(slider.value) + by, 1), data.steps.length));
}

slider.addEventListener("input", () => show(Number(slider.value)));
find("previous").addEventListener("click", () => move(-1));
find("next").addEventListener("click", () => move(1));
find("unpin").addEventListener("click", unpin);
find("skip").addEventListener("click", () => slider.focus());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") unpin();
  const isDrawn = event.target.matches("[data-shows]:not(button)"); // a browser does not press it by itself
  if (isDrawn && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    event.target.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  }
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input") || canScroll(event.target, by)) return;
  event.preventDefault();
  move(by);
});

if (data.rows > 1) {
  find("rows").hidden = false;
  find("row").max = data.rows - 1;
  find("row").addEventListener("input", showDrawing);
  find("row").addEventListener("change", () => { find("row").value = rowShown(); });
}

const sticky = document.querySelector(".network"); // where it stays at the top, what has the focus is below it
new ResizeObserver(() => document.documentElement.style.setProperty("--drawn", `${sticky.offsetHeight}px`)).observe(sticky);

let timer = null;
find("play").addEventListener("click", () => {
  const playing = timer === null;
  find("play").setAttribute("aria-pressed", String(playing));
  find("play").textContent = playing ? "Pause" : "Play";
  if (!playing) {
    clearInterval(timer);
    timer = null;
    return;
  }
  timer = setInterval(() => {
    if (Number(slider.value) === data.steps.length) find("play").click();
    else move(1);
  }, 1500);
});

for (const event of ["pointerover", "pointerout"]) {
  document.addEventListener(event, ({ type, target }) => {
    const leaf = target.closest?.("[data-at], [data-all]");
    if (leaf) point(type === "pointerover" ? leaf.dataset.at ?? leaf.dataset.all : null);
  });
}
document.addEventListener("click", ({ target, detail }) => {
  const leaf = target.closest?.("mrow[data-at], mrow[data-all]");
  if (!leaf || leaf.closest("button")) return;
  const { key, index } = factorOf(leaf);
  const origin = leaf.closest(".visitable, [role=region]");
  if (data.arrays[key]) pin(itemOf(key), index, { detail, currentTarget: origin });
});
for (const query of ["(prefers-color-scheme: dark)", "print"]) { // heat maps are painted for the colours of the page
  matchMedia(query).addEventListener("change", () => show(Number(slider.value)));
}

for (const step of data.steps) {
  const entry = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = step.title;
  button.addEventListener("click", () => show(step.number));
  entry.append(button);
  find("all").append(entry);
}
find("verdict").replaceChildren(...data.ending.map((sentence) => {
  const line = document.createElement("p");
  line.textContent = sentence;
  return line;
}));
find("verdict").classList.toggle("wrong", !data.right);
showHistory(find("history"));
show(1);
