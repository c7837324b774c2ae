// The page: the walk through the steps, the drawing, and what is pointed at.
import { countOf, data, parsePlace, placeOf, written } from "./arrays.js";
import { mathOf } from "./formulas.js";
import { drawNetwork, isSmall, rowOf } from "./drawing.js";
import { showHistory } from "./history.js";
import { inspect, itemOf, lineOf } from "./inspector.js";

const MOST_LINES = 6;
const MORE_LINES = 100; // at each press of the button
const MOST_BESIDE = 4; // columns of a network that has the formulas at its side
const find = (id) => document.getElementById(id);
const slider = find("step");
slider.max = data.steps.length;

document.querySelector("main").classList.toggle("long", !isSmall || data.columns.length > MOST_BESIDE);

const drawing = drawNetwork(find("drawing"), choose);
const actions = { point, choose };
let peeked = null; // the row of a number that a person points at, where it is another than the one chosen

// Lights where a number, or a whole array, came from; the drawing shows its row meanwhile. Nothing for null.
function point(text) {
  const place = text === null ? null : parsePlace(text);
  const row = place && rowOf(place);
  const other = row === null || row === rowShown() ? null : row;
  if (other !== peeked) {
    peeked = other;
    find("peek").textContent = peeked === null ? "" : `shown meanwhile: row ${peeked}, where this number stands`;
    drawing.show(data.steps[slider.value - 1], peeked ?? rowShown());
  }
  drawing.point(place);
}

function choose(item, index) {
  inspect(item, index, actions);
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
  equation.append(mathOf(step.equation));
  find("told").replaceChildren(title, stage, equation);
  if (data.arrays[step.key]) tellElements(step.key, 0, MOST_LINES);
  else find("told").append("These are too many for a page; explanation.to_dict() has them.");
  drawing.show(step, rowShown());
}

// Some elements of an array, and a button for more of them.
function tellElements(key, first, count) {
  const left = countOf(key) - first - count;
  const length = Math.min(count, countOf(key) - first);
  find("told").append(...Array.from({ length }, (_, n) => lineOf(key, placeOf(key, first + n))));
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
document.addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input")) return;
  event.preventDefault();
  move(by);
});

if (data.rows > 1) {
  find("rows").hidden = false;
  find("row").max = data.rows - 1;
  find("row").addEventListener("input", () => {
    drawing.show(data.steps[slider.value - 1], rowShown());
  });
  find("row").addEventListener("change", () => { find("row").value = rowShown(); });
}

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
document.addEventListener("click", ({ target }) => {
  const leaf = target.closest?.("mrow[data-at]");
  if (!leaf) return;
  const { key, index } = parsePlace(leaf.dataset.at);
  if (data.arrays[key]) choose(itemOf(key), index);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(Number(slider.value)));

for (const step of data.steps) {
  const entry = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = step.title;
  button.addEventListener("click", () => show(step.number));
  entry.append(button);
  find("all").append(entry);
}
find("verdict").replaceChildren(...[
  `The loss was ${written(data.loss)} before the step and is ${written(data.loss_after)} after it.`,
  ...data.verdict,
].map((sentence) => {
  const line = document.createElement("p");
  line.textContent = sentence;
  return line;
}));
find("verdict").classList.toggle("wrong", !data.right);
showHistory(find("history"));
show(1);
