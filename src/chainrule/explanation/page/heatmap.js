// A large array as a picture: one cell for each element, which pointer and arrow keys can visit.
import { numberAt, spoken, writePlace, written } from "./arrays.js";
import { painter } from "./colours.js";

const WIDEST = 640; // on the screen

/** A heat map of an item; `placeOf` tells which element a cell shows, or null for none. */
export function heatMap(box, item, [rows, columns], placeOf, choose) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const canvas = document.createElement("canvas");
  [canvas.height, canvas.width] = [rows, columns];
  const cell = Math.max(1, Math.min(18, Math.floor(WIDEST / Math.max(rows, columns))));
  canvas.style.width = `${columns * cell}px`;
  canvas.style.height = `${rows * cell}px`;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "heat map");
  figure.append(canvas, caption);
  box.append(figure);
  const name = [item.label, item.kind].filter(Boolean).join(" ");
  const map = { item, canvas, key: null, at: [0, 0] };

  function visit(at) {
    const place = placeOf(at);
    if (!place) return;
    map.at = at;
    label(place);
    choose(item, place);
  }

  function label(place) {
    const text = `${spoken(map.key, place)} is ${written(numberAt(map.key, place))}`;
    canvas.dataset.shows = writePlace(map.key, place);
    canvas.setAttribute("aria-label", `${name}: ${rows} by ${columns} cells; the arrow keys visit them. ${text}`);
    caption.textContent = `${name}: ${text}`;
  }

  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const at = [((event.clientY - box.top) / box.height) * rows, ((event.clientX - box.left) / box.width) * columns];
    visit([Math.min(rows - 1, Math.max(0, Math.floor(at[0]))), Math.min(columns - 1, Math.max(0, Math.floor(at[1])))]);
  });
  canvas.addEventListener("focus", () => visit(map.at));
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    const at = [map.at[0] + move[0], map.at[1] + move[1]];
    if (at[0] >= 0 && at[0] < rows && at[1] >= 0 && at[1] < columns) visit(at);
  });

  map.paint = (key, numbersOf, largestOf) => {
    map.key = key;
    const colour = painter(largestOf(key));
    const context = canvas.getContext("2d");
    const picture = context.createImageData(columns, rows);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const place = placeOf([i, j]);
        picture.data.set(place ? [...colour(numberAt(key, place)), 255] : [0, 0, 0, 0], 4 * (i * columns + j));
      }
    }
    context.putImageData(picture, 0, 0);
    label(placeOf(map.at));
  };
  map.point = (place) => {
    const mine = place !== null && item.keys.some((one) => place === one.key || place.startsWith(`${one.key}[`));
    canvas.classList.toggle("pointed", mine);
  };
  return map;
}
