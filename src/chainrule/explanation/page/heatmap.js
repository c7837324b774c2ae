// An array as a picture: one cell for each element, which pointer and arrow keys can visit.
import { data, largestOf, numbersOf, placeOf, toldAs, writePlace } from "./arrays.js";
import { painter } from "./colours.js";
import { mathOf } from "./formulas.js";

const LEAST_RING = 9; // on the screen: the ring around a cell

/** A heat map of an item in a box; of an array with rows that are shown one by one, `size` is that of a row. */
export function heatMap(box, item, grid, { actions, widest, cell, size = 0 }) {
  const { rows, columns } = grid;
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const frame = document.createElement("div");
  const canvas = document.createElement("canvas");
  const ring = document.createElement("span");
  const side = Math.max(1, Math.min(cell, Math.floor(widest / Math.max(rows, columns))));
  const scale = Math.min(1, widest / (Math.max(rows, columns) * side)) * side;
  [canvas.height, canvas.width] = [rows, columns];
  canvas.style.width = `${columns * scale}px`;
  canvas.style.height = `${rows * scale}px`;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "heat map");
  [frame.className, ring.className, ring.hidden] = ["frame", "ring", true];
  frame.append(canvas, ring);
  figure.append(caption, frame);
  box.append(figure);
  const name = [item.label, item.kind].filter(Boolean).join(" ");
  const map = { item, canvas, at: [0, 0] };
  let [key, row, scheme, isEmpty] = [null, 0, null, false];

  const element = (at) => placeOf(key, row * size + grid.at(at));

  function visit(at) {
    if (grid.at(at) < 0) return;
    map.at = at;
    label();
    surround(at);
    actions.preview(item, element(at));
  }

  function label() {
    const place = element(map.at);
    const text = toldAs(key, place, isEmpty);
    canvas.dataset.shows = writePlace(key, place);
    canvas.setAttribute("aria-label", `${name}: ${rows} by ${columns} cells; the arrow keys visit them, Enter pins one. ${text}`);
  }

  function surround(at) {
    ring.hidden = at === null;
    if (!at) return;
    ring.dataset.around = element(at).join(", ");
    const wide = Math.max(scale, LEAST_RING);
    const aside = (wide - scale) / 2;
    Object.assign(ring.style, { top: `${at[0] * scale - aside}px`, left: `${at[1] * scale - aside}px`, width: `${wide}px`, height: `${wide}px` });
  }

  function cellUnder({ clientX, clientY }) {
    const edge = canvas.getBoundingClientRect();
    const part = [(clientY - edge.top) / edge.height, (clientX - edge.left) / edge.width];
    return [part[0] * rows, part[1] * columns].map((place, axis) => Math.min([rows, columns][axis] - 1, Math.max(0, Math.floor(place))));
  }

  canvas.addEventListener("pointermove", (event) => {
    const at = cellUnder(event);
    if (at[0] !== map.at[0] || at[1] !== map.at[1] || ring.hidden) visit(at);
  });
  canvas.addEventListener("click", (event) => {
    if (event.detail) visit(cellUnder(event)); // else it is a key, for the cell that is visited
    actions.pin(item, element(map.at), event);
  });
  canvas.addEventListener("pointerleave", () => surround(null));
  canvas.addEventListener("blur", () => surround(null));
  canvas.addEventListener("focus", () => visit(map.at));
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    const at = [map.at[0] + move[0], map.at[1] + move[1]];
    if (at[0] >= 0 && at[0] < rows && at[1] >= 0 && at[1] < columns) visit(at);
  });

  /** Shows an array of the item, in one row of the batch. */
  map.paint = ({ key: next, symbol }, shownRow, later) => {
    const now = getComputedStyle(document.documentElement).getPropertyValue("--ground");
    frame.classList.toggle("later", later);
    if (next === key && scheme === now && later === isEmpty && (row === shownRow || !size)) return;
    if (next !== key) caption.replaceChildren(mathOf(symbol));
    [key, row, scheme, isEmpty] = [next, shownRow, now, later];
    const [colour, numbers] = [painter(largestOf(key)), numbersOf(key)];
    const context = canvas.getContext("2d");
    const picture = context.createImageData(columns, rows);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const n = grid.at([i, j]);
        if (n < 0) continue;
        picture.data.set(colour(numbers[row * size + n]), 4 * (i * columns + j));
      }
    }
    context.putImageData(picture, 0, 0);
    label();
  };

  /** Lights one element of the item's arrays, or all of them; nothing for null. */
  map.point = (place) => {
    const mine = place !== null && item.keys.some((one) => one.key === place.key);
    canvas.classList.toggle("pointed", mine);
    if (!mine) return surround(null);
    const flat = place.index.reduce((at, one, axis) => at * data.arrays[place.key].shape[axis] + one, 0);
    const isShownRow = !size || Math.floor(flat / size) === row;
    surround(place.index.length && isShownRow ? grid.cell(flat - row * size) : null);
  };
  return map;
}
