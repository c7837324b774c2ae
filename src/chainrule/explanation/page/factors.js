// The factors of a formula, visited by keys: the formula is one stop of the Tab key, the arrow keys go on from there.
import { parsePlace, placeOf, spoken, writtenAt } from "./arrays.js";

/** The array and the element that a factor stands for; of a whole array its first element. */
export function factorOf(leaf) {
  if (leaf.dataset.at) return parsePlace(leaf.dataset.at);
  return { key: leaf.dataset.all, index: placeOf(leaf.dataset.all, 0) };
}

/** A formula whose factors can be visited; `point` lights where the one that is visited came from. */
export function visitable(math, { point }) {
  const leaves = [...math.querySelectorAll("[data-at], [data-all]")];
  if (!leaves.length) return math;
  const box = document.createElement("span");
  let at = 0;
  box.className = "visitable";
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.setAttribute("aria-roledescription", "formula");
  box.append(math);

  function visit(next) {
    leaves[at].classList.remove("visited");
    at = next;
    const { key, index } = factorOf(leaves[at]);
    const told = leaves[at].dataset.at ? `${spoken(key, index)} is ${writtenAt(key, index)}` : spoken(key, []);
    box.setAttribute("aria-label", `factor ${at + 1} of ${leaves.length}; the arrow keys visit them, Enter pins one. ${told}`);
  }

  function light() {
    leaves[at].classList.add("visited");
    leaves[at].scrollIntoView({ block: "nearest", inline: "nearest" });
    point(leaves[at].dataset.at ?? leaves[at].dataset.all);
  }

  box.addEventListener("focus", light);
  box.addEventListener("blur", () => {
    leaves[at].classList.remove("visited");
    point(null);
  });
  box.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") leaves[at].dispatchEvent(new MouseEvent("click", { bubbles: true }));
    else if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    if (!leaves[at + by]) return;
    visit(at + by);
    light();
  });
  visit(0);
  return box;
}
