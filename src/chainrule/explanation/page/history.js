// Consecutive training steps: the loss as a curve, and the sizes by layer of the step that is chosen.
import { data, written } from "./arrays.js";

const [WIDTH, HEIGHT, EDGE] = [600, 190, 36];

/** Shows the recorded steps, if there are any. */
export function showHistory(box) {
  const steps = data.history;
  if (!steps.length) return;
  box.hidden = false;
  const losses = steps.map((step) => step.loss);
  const finite = losses.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const x = (i) => EDGE + (i / Math.max(losses.length - 1, 1)) * (WIDTH - 2 * EDGE);
  const y = (loss) => !Number.isFinite(loss) ? EDGE / 2 : HEIGHT - EDGE - ((loss - low) / (high - low || 1)) * (HEIGHT - 2 * EDGE);
  const path = losses.map((loss, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(loss).toFixed(1)}`).join("");
  const [top, bottom] = [EDGE, HEIGHT - EDGE];
  const axis = steps.length === 1 ? "the only step" : "training step";
  box.innerHTML = `<h2>${steps.length === 1 ? "One training step" : `${steps.length} consecutive training steps`}</h2>
    <div class="sides"><div class="course">
    <p><label for="recorded">Training step <output id="recorded-count"></output></label>: loss <output id="recorded-loss"></output></p>
    <svg class="curve" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"
      aria-label="The loss step by step, from ${written(losses[0])} to ${written(losses.at(-1))}">
      <path class="axis" d="M${EDGE} ${top}H${WIDTH - EDGE}M${EDGE} ${bottom}H${WIDTH - EDGE}"></path>
      <text x="${EDGE}" y="${top - 7}">${written(high)}</text><text x="${EDGE}" y="${bottom + 16}">${written(low)}</text>
      <text class="last" x="${WIDTH - EDGE}" y="${bottom + 16}">${axis}</text>
      <path d="${path}"></path><circle r="5"></circle></svg>
    <input type="range" id="recorded" min="1" max="${steps.length}" value="1"></div>
    <div class="sideways" role="region" tabindex="0" aria-label="Sizes by layer"><table><caption>Sizes (norms) by layer</caption>
    <thead><tr><th scope="col">layer</th><th scope="col">weights</th><th scope="col">gradient</th><th scope="col">update</th></tr></thead>
    <tbody></tbody></table></div></div>`;
  const slider = box.querySelector("#recorded");
  const show = () => {
    const at = Number(slider.value) - 1;
    const step = steps[at];
    box.querySelector("#recorded-count").textContent = `${at + 1} of ${steps.length}`;
    box.querySelector("#recorded-loss").textContent = written(step.loss);
    slider.setAttribute("aria-valuetext", `training step ${at + 1}, loss ${written(step.loss)}`);
    const dot = box.querySelector("circle");
    dot.setAttribute("cx", x(at));
    dot.setAttribute("cy", y(step.loss));
    box.querySelector("tbody").replaceChildren(...Object.entries(step.layers).map(([name, sizes]) => {
      const row = document.createElement("tr");
      row.innerHTML = `<th scope="row"></th>${["weight", "gradient", "update"].map((key) => `<td>${written(sizes[key])}</td>`).join("")}`;
      row.firstChild.textContent = name || "the network";
      return row;
    }));
  };
  const curve = box.querySelector("svg");
  const choose = ({ type, buttons, clientX }) => {
    if (type === "pointermove" && !buttons) return;
    const { left, width } = curve.getBoundingClientRect();
    const part = (((clientX - left) / width) * WIDTH - EDGE) / (WIDTH - 2 * EDGE);
    slider.value = 1 + Math.round(part * (steps.length - 1)); // it keeps to its ends
    show();
  };
  for (const event of ["pointerdown", "pointermove"]) curve.addEventListener(event, choose);
  slider.addEventListener("input", show);
  show();
}
