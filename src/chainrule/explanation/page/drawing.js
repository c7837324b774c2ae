// The network: units and weights where they fit, heat maps where they do not; beside each layer all its other arrays.
import { data, spoken, writePlace, writtenAt } from "./arrays.js";
import { mathOf } from "./formulas.js";
import { gridOfArray } from "./grids.js";
import { heatMap } from "./heatmap.js";
import { isLater, light, makeChoosable, shownBy } from "./lights.js";
import { drawMaps } from "./maps.js";
import { drawUnits } from "./units.js";

const MOST_UNITS = 16;
const MOST_EDGES = 160; // between two columns
const MOST_DRAWN = 320; // in all
const TILE = { widest: 104, cell: 14 };

const edgeCounts = data.edges.map((edge) => edge.shape[0] * edge.shape[1]);
const linkCounts = data.links.map((link) => data.columns[link.to].size);
const lineCount = [...edgeCounts, ...linkCounts].reduce((total, count) => total + count, 0);

/** Whether every unit and every weight has a place of its own. */
const isSmall = data.columns.every((column) => column.size <= MOST_UNITS)
  && edgeCounts.every((count) => count <= MOST_EDGES) && lineCount <= MOST_DRAWN;

/** Draws the network into a box; `preview` and `pin` of the actions are called with what a person points at. */
export function drawNetwork(box, actions) {
  const tiles = [];
  const shelf = (parent, column) => tiles.push(...drawShelf(parent, column, actions));
  const network = isSmall ? drawUnits(box, actions, shelf) : drawMaps(box, actions, shelf);
  const numbers = drawNumbers(box, actions);
  return {
    show(step, row) {
      network.show(step, row);
      for (const tile of tiles) {
        const shown = shownBy(tile.item, step);
        tile.paint(shown, 0, isLater(shown, step));
        light(tile.canvas, tile.item, step);
      }
      for (const { item, element } of numbers) light(element, item, step);
    },
    point(place) {
      network.point(place);
      tiles.forEach((tile) => tile.point(place));
      numbers.forEach(({ item, element }) => element.classList.toggle("pointed", item.keys[0].key === place?.key));
    },
    pin(place) {
      network.pin?.(place);
      for (const { item, element } of numbers) element.setAttribute("aria-pressed", String(item.keys[0].key === place?.key));
    },
  };
}

/** The row that has to be shown for a place to be seen: units and their like are drawn for one row. */
export function rowOf({ key, index }) {
  const column = data.columns.find((one) => one.rows && one.keys.some((own) => own.key === key));
  return column && index.length ? index[0] : null;
}

/** The arrays beside a layer: its vectors and tables, and what an optimizer keeps. */
function drawShelf(parent, column, actions) {
  const mine = data.tiles.filter((tile) => tile.column === column);
  const box = document.createElement("div");
  box.className = "shelf";
  parent.append(box);
  return [false, true].flatMap((kept) => {
    const some = mine.filter((tile) => tile.kept === kept);
    if (!some.length) return [];
    const group = document.createElement("div");
    group.className = "tiles";
    if (kept) group.append(Object.assign(document.createElement("p"), { textContent: "kept by the optimizer" }));
    box.append(group);
    return some.map((tile) => heatMap(group, tile, gridOfArray(tile.keys[0].key), { actions, ...TILE }));
  });
}

/** The numbers that belong to no layer: the learning rate and its like. */
function drawNumbers(box, actions) {
  const line = document.createElement("div");
  line.className = "numbers";
  box.append(line);
  return data.tiles.filter((tile) => tile.column === null).map((item) => {
    const { key, symbol } = item.keys[0];
    const element = document.createElement("button");
    element.type = "button";
    element.dataset.shows = writePlace(key, []);
    element.setAttribute("aria-label", `${spoken(key, [])} is ${writtenAt(key, [])}`);
    element.append(mathOf(symbol), ` = ${writtenAt(key, [])}`);
    makeChoosable(element, item, () => [], actions);
    line.append(element);
    return { item, element };
  });
}
