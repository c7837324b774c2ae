// What a person has pointed at: its formulas with numbers, and where each number came from.
import { data, inFull, labelOf, parsePlace, rankOf, spoken, writePlace, writtenAt } from "./arrays.js";
import { breakable } from "./breaks.js";
import { visitable } from "./factors.js";
import { formulaOf, LARGEST, nameOf, tellLeftOut } from "./formulas.js";

const MORE = 4; // times as many terms at each press of the button

/** A line: name = formula = formula with numbers = number; with `pin`, the name is a button that pins it, and the factors are reached by keys. Of long sums `most` terms are shown; `open` is called to show more. */
export function lineOf(key, index, { point, pin, most = LARGEST, open = openLine }) {
  const line = document.createElement("div");
  line.className = "formula";
  line.dataset.line = writePlace(key, index);
  const number = writtenAt(key, index);
  const { formulas, hidden, sign } = toldOf(key, index, most);
  const reached = formulas.map((math, i) => (pin && !i ? visitable(math, { point }) : math));
  const parts = [pin ? nameButton(key, index, pin) : nameOf(key, index), ...reached];
  parts.forEach((part) => line.append(part, " "));
  const value = document.createElement("output");
  value.dataset.value = writePlace(key, index);
  value.textContent = number;
  value.title = inFull(key, index);
  line.append(`${sign}\u00a0`, value);
  const label = labelOf(key, index);
  if (label) line.append(Object.assign(document.createElement("span"), { className: "label", textContent: label }));
  if (!hidden) return line;
  const more = document.createElement("button");
  more.type = "button";
  more.className = "terms";
  more.textContent = `${Math.min(hidden, (MORE - 1) * most)} more terms`;
  more.setAttribute("aria-label", `${more.textContent} of ${spoken(key, index)}`);
  more.addEventListener("click", () => open(line, { key, index, point, pin, most: MORE * most }));
  line.append(" ", more);
  return line;
}

function openLine(line, { key, index, ...options }) {
  const next = lineOf(key, index, options);
  line.replaceWith(next);
  (next.querySelector(".terms") ?? next.querySelector(".name")).focus();
}

// An element's formula, and the same with numbers; what is there already is not written twice. And how many terms are not shown, and = or ≈.
function toldOf(key, index, most) {
  const formula = formulaOf(key, index, most);
  const already = new Set([writtenAt(key, index)]);
  const formulas = (formula ? [formula.names, formula.numbers] : [])
    .filter(({ textContent: text }) => !already.has(text) && already.add(text))
    .map((math) => breakable(math, "=\u00a0"));
  return { formulas, hidden: formula?.hidden ?? 0, sign: formula?.sign ?? "=" };
}

function nameButton(key, index, pin) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "name";
  button.setAttribute("aria-label", `Pin ${spoken(key, index)}`);
  button.append(nameOf(key, index));
  button.addEventListener("click", (event) => pin(itemOf(key), index, event));
  return button;
}

/** Fills the panel with all that is known of one element of an item; of long sums so many terms are shown, by array. */
export function inspect(item, index, { point, pin }, terms = {}) {
  const title = document.getElementById("chosen-name");
  const panel = document.getElementById("chosen");
  title.textContent = spoken(item.keys[0].key, index);
  panel.replaceChildren();
  const leaves = new Set();
  for (const key of [...item.keys.map((one) => one.key), ...(item.more ?? [])].filter((one) => data.arrays[one])) {
    const place = index.slice(index.length - rankOf(key)); // an optimizer may keep one number for all
    const open = (_, { most }) => {
      inspect(item, index, { point, pin }, { ...terms, [key]: most });
      (panel.querySelector(`[data-line="${CSS.escape(writePlace(key, place))}"] .terms`) ?? panel).focus();
    };
    const line = lineOf(key, place, { most: terms[key], open });
    line.querySelectorAll("[data-at]").forEach((leaf) => leaves.add(leaf.dataset.at));
    panel.append(line);
  }
  tellLeftOut(panel);
  if (leaves.size) {
    const heading = document.createElement("p");
    heading.textContent = "Its factors; choose one to see where it comes from:";
    panel.append(heading, leavesList([...leaves], { point, pin }));
  }
}

function leavesList(places, { point, pin }) {
  const list = document.createElement("div");
  list.className = "leaves";
  for (const place of places) {
    const { key, index } = parsePlace(place);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "leaf";
    button.dataset.at = place;
    button.setAttribute("aria-label", `${spoken(key, index)} is ${writtenAt(key, index)}`);
    button.append(nameOf(key, index), ` = ${writtenAt(key, index)}`);
    const factor = document.createElement("div");
    factor.className = "formula";
    factor.append(button, ...toldOf(key, index).formulas.flatMap((math) => [" ", math]));
    button.addEventListener("click", (event) => pin(itemOf(key), index, event));
    button.addEventListener("focus", () => point(place));
    button.addEventListener("blur", () => point(null));
    list.append(factor);
  }
  return list;
}

/** The unit or weight that an array belongs to; an array that is not drawn stands for itself. */
export function itemOf(key) {
  const found = [...data.columns, ...data.edges, ...data.tiles].find((item) => item.keys.some((one) => one.key === key));
  return found ?? { label: key, keys: [{ key, step: 0 }] };
}
