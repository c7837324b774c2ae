// What a part of the drawing shows at a step, whether the step computes it, and how a person chooses it.
import { data } from "./arrays.js";

/** What an item shows at a step: the last array of it that is computed by then. */
export function shownBy(item, step) {
  return item.keys.findLast((one) => one.step <= step.number) ?? item.keys[0];
}

/** Whether that is still to be computed: neither given nor told by then. */
export function isLater(shown, step) {
  return shown.step > step.number && data.steps[shown.step - 1].stage !== "given";
}

/** Marks an element as what a step computes, or as what it is computed from. */
export function light(element, item, step) {
  const lit = item.lights.includes(step.key);
  element.classList.toggle("lit", lit);
  element.classList.toggle("source", !lit && step.sources.some((key) => item.lights.includes(key)));
}

/** Makes an element show its item when it is pointed at, and pin it when it is clicked. */
export function makeChoosable(element, item, indexNow, { preview, pin }) {
  for (const event of ["pointerenter", "focus"]) element.addEventListener(event, () => preview(item, indexNow()));
  element.addEventListener("click", (event) => pin(item, indexNow(), event));
}
