// A box is scrolled, and nothing around it, so that some of its parts are in view.

const MARGIN = 24; // around what is scrolled to

/** Scrolls a box as little as needed to show elements; of more than fit, the first. */
export function bringIntoView(box, elements) {
  const places = elements.map(seenPart);
  if (!places.length) return;
  const frame = box.getBoundingClientRect();
  for (const [start, end, scroll] of [["top", "bottom", "scrollTop"], ["left", "right", "scrollLeft"]]) {
    const [first, last] = [Math.min(...places.map((one) => one[start])), Math.max(...places.map((one) => one[end]))];
    const after = Math.max(0, last + MARGIN - frame[end]);
    box[scroll] += first - MARGIN < frame[start] + after ? Math.min(first - MARGIN - frame[start], after) : after;
  }
}

/** Where an element is, or the cell of a heat map that has a ring. */
function seenPart(element) {
  const ring = element.matches("canvas.pointed") ? element.parentElement.querySelector(".ring:not([hidden])") : null;
  return (ring ?? element).getBoundingClientRect();
}
