// A large network: each layer's weights and units as heat maps.
import { data } from "./arrays.js";
import { gridOfArray, square } from "./grids.js";
import { heatMap } from "./heatmap.js";
import { joinMaps } from "./joins.js";
import { isLater, light, shownBy } from "./lights.js";

const WEIGHTS = { widest: 480, cell: 16 };
const UNITS = { widest: 180, cell: 16 };

/** Draws a layer below the other; `shelf(parent, column)` is called for what stands beside each. */
export function drawMaps(box, actions, shelf) {
  const strip = document.createElement("div");
  strip.className = "strip";
  box.append(strip);
  const [maps, ofColumns, pairs] = [[], [], []];
  data.columns.forEach((column, c) => {
    const layer = document.createElement("div");
    layer.className = "layer";
    const head = document.createElement("p");
    head.className = "columns";
    head.textContent = [column.kind, column.label].filter(Boolean).join(" ");
    const line = document.createElement("div");
    line.className = "maps";
    layer.append(head, line);
    strip.append(layer);
    const weights = data.edges.filter((one) => one.to === c);
    const ofWeights = weights.map((edge) => heatMap(line, edge, gridOfArray(edge.keys[0].key), { actions, ...WEIGHTS }));
    ofColumns[c] = heatMap(line, column, square(column.size), { actions, ...UNITS, size: column.rows ? column.size : 0 });
    weights.forEach((edge, i) => pairs.push([ofColumns[edge.from], ofWeights[i]], [ofWeights[i], ofColumns[c]]));
    maps.push(...ofWeights, ofColumns[c]);
    shelf(line, c);
  });
  pairs.push(...data.links.map(({ from, to }) => [ofColumns[from], ofColumns[to]]));
  const lightJoins = joinMaps(strip, pairs);
  return {
    show(step, row) {
      for (const map of maps) {
        const shown = shownBy(map.item, step);
        map.paint(shown, row, isLater(shown, step));
        light(map.canvas, map.item, step);
      }
      lightJoins();
    },
    point: (place) => maps.forEach((map) => map.point(place)),
  };
}
