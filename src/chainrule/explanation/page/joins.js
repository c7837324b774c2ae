// Lines between the heat maps of a large network, beneath them: what is computed from what.

import { svg } from "./svg.js";

/** Joins the middles of pairs of maps with lines that follow when the page is laid out anew. */
export function joinMaps(strip, pairs) {
  const picture = svg("svg", { class: "joins", "aria-hidden": "true" });
  strip.prepend(picture);
  const joins = pairs.map(([from, to]) => {
    const line = svg("line", { "data-join": `${from.item.label} ${to.item.label}` }, picture);
    return { from: from.canvas, to: to.canvas, line };
  });
  const layOut = () => {
    const origin = strip.getBoundingClientRect();
    picture.setAttribute("width", origin.width);
    picture.setAttribute("height", origin.height);
    for (const { from, to, line } of joins) {
      const [[x1, y1], [x2, y2]] = [middle(from, origin), middle(to, origin)];
      for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) line.setAttribute(name, value);
    }
  };
  new ResizeObserver(layOut).observe(strip);
  layOut();
  return () => joins.forEach(({ from, to, line }) => line.classList.toggle("lit", [from, to].every(isShown)));
}

function middle(canvas, origin) {
  const box = canvas.getBoundingClientRect();
  return [box.left - origin.left + box.width / 2, box.top - origin.top + box.height / 2];
}

function isShown(canvas) {
  return canvas.classList.contains("lit") || canvas.classList.contains("source");
}
