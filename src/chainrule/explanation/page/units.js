// A small network: its units as circles, its weights as lines.
import { data, labelOf, largestOf, numberAt, toldAs, writePlace, writtenAt } from "./arrays.js";
import { colourOf, endOf, partOf } from "./colours.js";
import { mathOf } from "./formulas.js";
import { isLater, light, makeChoosable, shownBy } from "./lights.js";
import { chooseNearest } from "./nearest.js";
import { rove } from "./roving.js";
import { svg } from "./svg.js";

const [NARROWEST, WIDEST] = [128, 190]; // from column to column
const isNamed = (column) => column.keys.some((one) => data.labels[one.key]);
const PAGE = 600; // of paper
const PITCH = data.columns.some(isNamed) ? 78 : 64; // names stand below the numbers
const MOST_LETTERS = 18; // letters of a name
const RADIUS = 20;

/** Draws columns of units; `shelf(parent, column)` is called for what stands below each. */
export function drawUnits(box, actions, shelf) {
  const gap = Math.min(WIDEST, Math.max(NARROWEST, Math.floor(box.clientWidth / data.columns.length)));
  const tallest = Math.max(...data.columns.map((column) => column.size));
  const [width, height] = [gap * data.columns.length, PITCH * tallest + 4];
  const drawn = [];
  const whole = document.createElement("div");
  whole.className = "units";
  whole.style.setProperty("--columns", data.columns.length);
  whole.style.setProperty("--gap", `${gap}px`);
  whole.style.setProperty("--shrink", Math.min(1, PAGE / width));
  box.append(whole);
  const heads = drawHeads(whole);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group",
    "aria-label": "The network, from its input at the left to its loss at the right" }, whole);
  const at = (column, unit) => [gap * (column + 0.5), PITCH * (unit + 0.45 + (tallest - data.columns[column].size) / 2)];
  let row = 0;
  const join = (item, indexIn, element, paint) => {
    makeChoosable(element, item, () => indexIn(row), actions);
    drawn.push({ item, indexIn, element, paint });
  };
  for (const link of data.links) drawLink(picture, link, at, gap);
  chooseNearest(picture, data.edges.flatMap((edge) => drawEdge(picture, edge, at, join)));
  data.columns.forEach((column, c) => {
    for (let unit = 0; unit < column.size; unit++) drawUnit(picture, column, unit, at(c, unit), join);
  });
  for (const item of [...data.edges, ...data.columns]) rove(drawn.filter((one) => one.item === item).map((one) => one.element));
  const below = document.createElement("div");
  below.className = "below";
  whole.append(below);
  data.columns.forEach((_, c) => shelf(below, c));
  const isAt = ({ item, indexIn }, { key, index }) =>
    item.keys.some((one) => one.key === key) && (!index.length || `${index}` === `${indexIn(row)}`);
  return {
    show(step, shown) {
      row = shown;
      for (const { item, indexIn, element, paint } of drawn) {
        const shownNow = shownBy(item, step);
        const [key, index] = [shownNow.key, indexIn(row)];
        const number = numberAt(key, index);
        const later = isLater(shownNow, step);
        paint({ number, largest: largestOf(key), text: later ? "" : writtenAt(key, index), later });
        element.dataset.shows = writePlace(key, index);
        element.setAttribute("aria-label", toldAs(key, index, later));
        light(element, item, step);
      }
      for (const { item, element } of heads) element.replaceChildren(mathOf(shownBy(item, step).symbol));
    },
    point(place) {
      for (const one of drawn) one.element.classList.toggle("pointed", place !== null && isAt(one, place));
    },
    pin(place) {
      for (const one of drawn) one.element.setAttribute("aria-pressed", String(place !== null && isAt(one, place)));
    },
  };
}

/** Above each column what it is, and what its units and the weights before it show at the moment. */
function drawHeads(whole) {
  const line = document.createElement("div");
  line.className = "heads";
  whole.append(line);
  const heads = data.columns.map((column) => {
    const head = document.createElement("div");
    const [kind, part, symbol] = ["columns", "part", "shown"].map((name) => {
      const element = document.createElement("span");
      element.className = name;
      head.append(element);
      return element;
    });
    kind.textContent = column.kind || column.label;
    part.append(...(column.kind ? column.label : "").split(/(?<=\.)/).flatMap((word) => [word, document.createElement("wbr")]));
    line.append(head);
    return { item: column, element: symbol };
  });
  return [...heads, ...data.edges.map((edge) => {
    const element = document.createElement("span");
    element.className = "between";
    element.style.left = `${(100 * ((edge.from + edge.to) / 2 + 0.5)) / data.columns.length}%`;
    line.append(element);
    return { item: edge, element };
  })];
}

/** The place of a unit in the arrays of its column, in one row of the batch. */
function indexOf(column, row, unit) {
  const place = [];
  for (const size of [...column.units].reverse()) {
    place.unshift(unit % size);
    unit = Math.floor(unit / size);
  }
  return column.rows ? [row, ...place] : place;
}

function drawUnit(picture, column, unit, [x, y], join) {
  const group = svg("g", { class: "unit", role: "button" }, picture);
  const circle = svg("circle", { cx: x, cy: y, r: RADIUS }, group);
  const text = svg("text", { x, y: y + RADIUS + 14 }, group);
  const label = labelOf(column.keys[0].key, indexOf(column, 0, unit));
  const short = label.length > MOST_LETTERS ? `${label.slice(0, MOST_LETTERS - 1)}…` : label;
  if (label) svg("text", { x, y: y + RADIUS + 27, class: "label" }, group).textContent = short;
  join(column, (row) => indexOf(column, row, unit), group, ({ number, largest, text: shown, later }) => {
    circle.style.fill = later ? "" : colourOf(number, largest);
    text.textContent = shown;
  });
}

function drawEdge(picture, edge, at, join) {
  const lines = [];
  for (let i = 0; i < edge.shape[0]; i++) {
    for (let j = 0; j < edge.shape[1]; j++) {
      const [[x1, y1], [x2, y2]] = [at(edge.from, i), at(edge.to, j)];
      const ends = { x1: x1 + RADIUS + 2, y1, x2: x2 - RADIUS - 2, y2 };
      const group = svg("g", { class: "edge", role: "button" }, picture);
      lines.push({ ends, element: group });
      const seen = svg("line", { ...ends, class: "seen" }, group);
      join(edge, () => [i, j], group, ({ number, largest }) => {
        seen.style.stroke = `var(${endOf(number)})`;
        seen.style.strokeWidth = 1 + 5 * (partOf(number, largest) || 0); // NaN has no size
        seen.style.strokeDasharray = number < 0 ? "6 4" : "";
      });
    }
  }
  return lines;
}

/** What joins two columns without weights: a line from unit to unit, or a band; around what stands between them. */
function drawLink(picture, { from, to, plain }, at, gap) {
  const [sizes, skips] = [[from, to].map((column) => data.columns[column].size), to - from > 1];
  const group = svg("g", { class: "link", "aria-hidden": "true", "data-link": `${from} ${to}` }, picture);
  const aside = RADIUS + 2;
  if (plain && sizes[0] === sizes[1]) {
    for (let unit = 0; unit < sizes[0]; unit++) {
      const [[x1, y1], [x2, y2]] = [at(from, unit), at(to, unit)];
      const bend = skips ? `C ${x1 + gap / 2} ${y1 - PITCH / 2} ${x2 - gap / 2} ${y2 - PITCH / 2}` : "L";
      svg("path", { d: `M ${x1 + aside} ${y1} ${bend} ${x2 - aside} ${y2}` }, group);
    }
    return;
  }
  const [above, below] = [-RADIUS / 2, RADIUS / 2]; // one unit has a band, too
  const corners = [
    [from, 0, aside, above], [to, 0, -aside, above], [to, sizes[1] - 1, -aside, below], [from, sizes[0] - 1, aside, below],
  ];
  svg("polygon", { points: corners.map(([column, unit, beside, beyond]) => {
    const [x, y] = at(column, unit);
    return `${x + beside},${y + beyond}`;
  }).join(" ") }, group);
}
