// The network: units and weights where they fit, heat maps where they do not.
import { data, largestOf, numberAt, numbersOf, spoken, writePlace, written } from "./arrays.js";
import { colourOf } from "./colours.js";
import { heatMap } from "./heatmap.js";
import { joinMaps } from "./joins.js";
import { svg } from "./svg.js";

const MOST_UNITS = 16;
const MOST_EDGES = 160;
const GAP = 190;
const PITCH = 58;

/** The name of the array that an item shows at a step: the last one computed by then. */
export function shownKey(item, step) {
  let key = item.keys[0].key;
  for (const one of item.keys) if (one.step <= step) key = one.key;
  return key;
}

/** Draws the network into a box; `choose(item, index)` is called when a person points at something. */
export function drawNetwork(box, choose, row) {
  box.replaceChildren();
  const small = data.columns.every((column) => column.size <= MOST_UNITS)
    && data.edges.every((edge) => edge.shape[0] * edge.shape[1] <= MOST_EDGES);
  return small ? drawUnits(box, choose, row) : drawMaps(box, choose, row);
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

function listen(element, item, index, choose) {
  const act = () => choose(item, index);
  element.addEventListener("pointerenter", act);
  element.addEventListener("focus", act);
  element.addEventListener("click", act);
}

function drawUnits(box, choose, row) {
  const tallest = Math.max(...data.columns.map((column) => column.size));
  const [width, height] = [GAP * data.columns.length, PITCH * tallest + 50];
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group",
    "aria-label": "The network, from its input at the left to its output at the right" }, box);
  const at = (column, unit) => [GAP * (column + 0.5), 40 + PITCH * (unit + 0.5 + (tallest - data.columns[column].size) / 2)];
  const drawn = [];
  for (const link of data.links) drawLink(picture, link, at);
  for (const edge of data.edges) {
    for (let i = 0; i < edge.shape[0]; i++) {
      for (let j = 0; j < edge.shape[1]; j++) {
        const [[x1, y1], [x2, y2]] = [at(edge.from, i), at(edge.to, j)];
        const line = { x1: x1 + 22, y1, x2: x2 - 22, y2 };
        const group = svg("g", { class: "edge", tabindex: 0, role: "button" }, picture);
        svg("line", { ...line, class: "hit" }, group);
        const seen = svg("line", { ...line, class: "seen" }, group);
        listen(group, edge, [i, j], choose);
        drawn.push({ item: edge, index: [i, j], element: group, paint: (key, index) => paintEdge(group, seen, key, index) });
      }
    }
  }
  data.columns.forEach((column, c) => {
    const [x] = at(c, 0);
    svg("text", { x, y: 16, class: "columns" }, picture).textContent = column.kind || column.label;
    svg("text", { x, y: 30, class: "columns part" }, picture).textContent = column.kind ? column.label : "";
    for (let unit = 0; unit < column.size; unit++) {
      const [, y] = at(c, unit);
      const group = svg("g", { class: "unit", tabindex: 0, role: "button" }, picture);
      const circle = svg("circle", { cx: x, cy: y, r: 20 }, group);
      const text = svg("text", { x, y: y + 34 }, group);
      const index = indexOf(column, row, unit);
      listen(group, column, index, choose);
      drawn.push({ item: column, index, element: group, paint: (key, place) => paintUnit(group, circle, text, key, place) });
    }
  });
  return { show: (step) => showDrawn(drawn, step), point: (place) => pointDrawn(drawn, place) };
}

/** What joins two columns without weights: a line from unit to unit, or a band; around what stands between them. */
function drawLink(picture, { from, to, plain }, at) {
  const [sizes, skips] = [[from, to].map((column) => data.columns[column].size), to - from > 1];
  const group = svg("g", { class: "link", "aria-hidden": "true", "data-link": `${from} ${to}` }, picture);
  if (plain && sizes[0] === sizes[1]) {
    for (let unit = 0; unit < sizes[0]; unit++) {
      const [[x1, y1], [x2, y2]] = [at(from, unit), at(to, unit)];
      const bend = skips ? `C ${x1 + GAP / 2} ${y1 - PITCH / 2} ${x2 - GAP / 2} ${y2 - PITCH / 2}` : "L";
      svg("path", { d: `M ${x1 + 22} ${y1} ${bend} ${x2 - 22} ${y2}` }, group);
    }
    return;
  }
  const corners = [[from, 0, 22], [to, 0, -22], [to, sizes[1] - 1, -22], [from, sizes[0] - 1, 22]];
  svg("polygon", { points: corners.map(([column, unit, aside]) => {
    const [x, y] = at(column, unit);
    return `${x + aside},${y}`;
  }).join(" ") }, group);
}

function paintUnit(group, circle, text, key, index) {
  const number = numberAt(key, index);
  circle.style.fill = colourOf(number, largestOf(key));
  text.textContent = written(number);
  group.dataset.shows = writePlace(key, index);
  group.setAttribute("aria-label", `${spoken(key, index)} is ${written(number)}`);
}

function paintEdge(group, line, key, index) {
  const number = numberAt(key, index);
  const part = Math.abs(number) / largestOf(key);
  line.style.stroke = `var(--${number < 0 ? "low" : "high"})`;
  line.style.strokeWidth = 1 + 5 * part;
  line.style.strokeDasharray = number < 0 ? "6 4" : "";
  group.dataset.shows = writePlace(key, index);
  group.setAttribute("aria-label", `${spoken(key, index)} is ${written(number)}`);
}

function showDrawn(drawn, step) {
  for (const { item, index, element, paint } of drawn) {
    paint(shownKey(item, step.number), index);
    light(element, item, step);
  }
}

function light(element, item, step) {
  const keys = item.lights;
  element.classList.toggle("lit", keys.includes(step.key));
  element.classList.toggle("source", !keys.includes(step.key) && step.sources.some((key) => keys.includes(key)));
}

function pointDrawn(drawn, place) {
  for (const { item, index, element } of drawn) {
    const names = item.keys.map((one) => writePlace(one.key, index));
    element.classList.toggle("pointed", place !== null && names.includes(place));
  }
}

function drawMaps(box, choose, row) {
  const strip = document.createElement("div");
  strip.className = "strip";
  box.append(strip);
  const [maps, ofColumns, pairs] = [[], [], []];
  data.columns.forEach((column, c) => {
    const weights = data.edges.filter((one) => one.to === c);
    const ofWeights = weights.map((edge) => heatMap(strip, edge, edge.shape, (place) => place, choose));
    const columns = Math.ceil(Math.sqrt(column.size));
    const shape = [Math.ceil(column.size / columns), columns];
    const unit = ([i, j]) => (i * columns + j < column.size ? indexOf(column, row, i * columns + j) : null);
    ofColumns[c] = heatMap(strip, column, shape, unit, choose);
    weights.forEach((edge, i) => pairs.push([ofColumns[edge.from], ofWeights[i]], [ofWeights[i], ofColumns[c]]));
    maps.push(...ofWeights, ofColumns[c]);
  });
  pairs.push(...data.links.map(({ from, to }) => [ofColumns[from], ofColumns[to]]));
  const lightJoins = joinMaps(strip, pairs);
  return {
    show: (step) => {
      for (const map of maps) {
        map.paint(shownKey(map.item, step.number), numbersOf, largestOf);
        light(map.canvas, map.item, step);
      }
      lightJoins();
    },
    point: (place) => maps.forEach((map) => map.point(place)),
  };
}
