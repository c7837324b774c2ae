// Lines between the heat maps of a large network, beneath them: what is computed from what.

import { svg } from "./svg.js";

/** Joins pairs of maps with lines that follow when the page is laid out anew. */
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
      const [one, other] = [from, to].map((canvas) => canvas.getBoundingClientRect());
      const below = other.top > one.bottom;
      const [[x1, y1], [x2, y2]] = [end(one, origin, below, 1), end(other, origin, below, 0)];
      for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) line.setAttribute(name, value);
    }
  };
  new ResizeObserver(layOut).observe(strip);
  layOut();
  return () => joins.forEach(({ from, to, line }) => line.classList.toggle("lit", [from, to].every(isShown)));
}

/** Where a line leaves a map (1) or comes to one (0): from above to below, or from side to side. */
function end(box, origin, below, leaves) {
  const [along, down] = below ? [0.5, leaves] : [leaves, 0.5];
  return [box.left - origin.left + along * box.width, box.top - origin.top + down * box.height];
}

function isShown(canvas) {
  return canvas.classList.contains("lit") || canvas.classList.contains("source");
}
