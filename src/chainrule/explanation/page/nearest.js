// Lines of a drawing, of which the nearest one is pointed at: where many cross, the one on top need not be it.

const REACH = 5; // how far from a line a person may point, in units of the drawing

/** Makes a picture choose the nearest of its lines; each has its ends and the element that is then chosen. */
export function chooseNearest(picture, lines) {
  let near = null;

  const mark = (next) => {
    if (next === near) return;
    near?.element.classList.remove("near");
    near = next;
    picture.classList.toggle("chooses", near !== null);
    near?.element.classList.add("near");
    near?.element.dispatchEvent(new PointerEvent("pointerenter"));
  };

  const under = ({ clientX, clientY, target }) => {
    if (target.closest("[role=button]")) return null; // a unit
    const at = new DOMPoint(clientX, clientY).matrixTransform(picture.getScreenCTM().inverse());
    const far = lines.map(({ ends }) => distance(at, ends));
    const least = Math.min(...far);
    return least <= REACH ? lines[far.indexOf(least)] : null;
  };

  picture.addEventListener("pointermove", (event) => mark(under(event)));
  picture.addEventListener("pointerleave", () => mark(null));
  picture.addEventListener("click", (event) => {
    const { detail } = event;
    under(event)?.element.dispatchEvent(new MouseEvent("click", { detail }));
  });
}

/** How far a point is from a line between two ends. */
function distance({ x, y }, { x1, y1, x2, y2 }) {
  const [wide, high] = [x2 - x1, y2 - y1];
  const along = Math.min(1, Math.max(0, ((x - x1) * wide + (y - y1) * high) / (wide ** 2 + high ** 2)));
  return Math.hypot(x - x1 - along * wide, y - y1 - along * high);
}
