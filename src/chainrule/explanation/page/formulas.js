// The formula of one element, with names or with numbers, from the pattern that holds for the whole array.
import { data, DIGITS, numberAt, parsePlace, written, writtenAt } from "./arrays.js";
import { made } from "./breaks.js";
import { valueOf } from "./values.js";

const MOST_TERMS = 6;
/** Where numbers cancel out, so many digits are tried until the equation is true to this part of its result. */
const [MORE_DIGITS, TRUE] = [[9, 12, 15], 1e-5];
/** So many of more terms are shown at first. */
export const LARGEST = 4;

/** MathML text as an element. */
export function mathOf(inside) {
  const holder = document.createElement("template");
  holder.innerHTML = `<math>${inside}</math>`;
  return holder.content.firstElementChild;
}

function put(pattern, variable, place) {
  return pattern.replaceAll(`⟦${variable}⟧`, String(place));
}

const OPERATIONS = {
  add: (a, b) => a + b, subtract: (a, b) => a - b, multiply: (a, b) => a * b, divide: (a, b) => a / b,
  negative: (a) => -a, power: Math.pow, exp: Math.exp, log: Math.log, sqrt: Math.sqrt, tanh: Math.tanh, abs: Math.abs,
};

/** What a term comes to: a number, the element at a place, or an operation on such. */
function calculated(term) {
  if (typeof term === "number") return term;
  if (typeof term === "string") {
    const { key, index } = parsePlace(term);
    return numberAt(key, index);
  }
  return OPERATIONS[term[0]](...term.slice(1).map(calculated));
}

/** Writes sums out: all terms, or so many of the largest and the sum of the others; returns how many these are. */
function expandSums(math, asNumbers, most) {
  let hidden = 0;
  const chosen = (sizes) => {
    const places = sizes.map((_, place) => place);
    if (sizes.length <= Math.max(MOST_TERMS, most)) return places;
    hidden = Math.max(hidden, sizes.length - most);
    return places.sort((a, b) => Math.abs(sizes[b]) - Math.abs(sizes[a])).slice(0, most).sort((a, b) => a - b);
  };
  const restOf = (sizes, shown, unlisted = null) => {
    if (shown.length === sizes.length && unlisted === null) return "";
    const seen = new Set(shown);
    const others = sizes.reduce((total, value, place) => (seen.has(place) ? total : total + value), unlisted ?? 0);
    return `<mo>+</mo>${asNumbers ? `<mrow data-rest="${others}"></mrow>` : "<mo>⋯</mo>"}`;
  };
  for (const sum of [...math.querySelectorAll("[data-sum]")].reverse()) {
    const [, variable, size, term] = /^(\S+) (\S+) (.*)$/.exec(sum.dataset.sum);
    const terms = Array.from({ length: Number(size) }, (_, place) => put(sum.innerHTML, variable, place));
    const sizes = terms.map((one, place) => (terms.length > MOST_TERMS ? calculated(JSON.parse(put(term, variable, place))) : 0));
    const shown = chosen(sizes);
    sum.innerHTML = shown.map((place) => terms[place]).join("<mo>+</mo>") + restOf(sizes, shown);
  }
  for (const sum of [...math.querySelectorAll("[data-terms]")].reverse()) {
    const [sizes, unlisted] = JSON.parse(sum.dataset.terms);
    const shown = chosen(sizes);
    const rest = restOf(sizes, shown, unlisted);
    const terms = shown.map((place) => sum.firstElementChild.children[place]); // each a sign and what is added
    if (terms[0].firstElementChild.textContent === "+") terms[0].firstElementChild.remove();
    sum.replaceChildren(...terms.flatMap((term) => [...term.children]));
    sum.insertAdjacentHTML("beforeend", rest);
  }
  return hidden;
}

/** Whether a number needs no brackets where it stands: nothing before it, and no factor or power behind it. */
function standsFree(leaf) {
  const parent = leaf.parentElement;
  if (parent.matches("msup, msub, msubsup")) return leaf !== parent.firstElementChild;
  const [before, behind] = [leaf.previousElementSibling, leaf.nextElementSibling].map((one) => one?.textContent ?? "");
  if (parent.matches("mrow") && !before && !behind) return standsFree(parent);
  const isOpen = parent.matches("mfrac") || "(,|".includes(before);
  return isOpen && (parent.matches("mfrac, mtd") || "),|+−=<>≤≥".includes(behind));
}

function bracketed(number, digits) {
  return number < 0 ? `(${written(number, digits)})` : written(number, digits);
}

/** Takes what a page has no numbers of for no factor; its class tells that it is left out. */
export function markLeftOut(math) {
  for (const leaf of math.querySelectorAll("[data-at], [data-all]")) {
    if (data.arrays[leaf.dataset.all ?? parsePlace(leaf.dataset.at).key]) continue;
    leaf.removeAttribute("data-at");
    leaf.removeAttribute("data-all");
    leaf.classList.add("left-out");
  }
  return math;
}

/** A note for a box in which a factor is left out. */
export function tellLeftOut(box) {
  if (!box.querySelector(".left-out")) return;
  const note = document.createElement("p");
  note.textContent = "Where a name stands among the numbers, its array is left out, too large for a page; explanation.to_dict() has it.";
  box.append(note);
}

/** Puts the numbers, to so many digits, in the places of the names. */
function putNumbers(math, digits) {
  for (const leaf of math.querySelectorAll("[data-at]")) {
    const { key, index } = parsePlace(leaf.dataset.at);
    const text = writtenAt(key, index, digits);
    const free = standsFree(leaf) || !/^−|·/.test(text);
    leaf.replaceChildren(made(data.arrays[key].truth ? "mtext" : "mn", free ? text : `(${text})`));
  }
  for (const rest of math.querySelectorAll("[data-rest]")) {
    rest.replaceChildren(made("mn", bracketed(Number(rest.dataset.rest), digits)));
  }
}

/** With how many digits the numbers give the element: null where not even the most do, as only rounding is left. */
function digitsOf(math, number) {
  const gives = (digits) => Math.abs(valueOf(math, digits) - number) <= TRUE * Math.abs(number);
  const isKnown = Number.isFinite(number) && Number.isFinite(valueOf(math, DIGITS));
  const isNoChance = (digits) => gives(digits) && gives(digits + 1);
  return isKnown ? [DIGITS, ...MORE_DIGITS].find(isNoChance) ?? null : DIGITS;
}

/** The formula of an element: { names, numbers, hidden, sign }, or null where there is none; of long sums `most` terms are shown. */
export function formulaOf(key, index, most = LARGEST) {
  const pattern = data.patterns[key];
  const explicit = data.explicit[key]?.[index.join(",")];
  if (!pattern && !explicit) return null;
  const filled = explicit ?? index.reduce((text, place, axis) => put(text, axis, place), pattern);
  const [names, numbers] = [mathOf(filled), mathOf(filled)];
  expandSums(names, false, most);
  const hidden = expandSums(numbers, true, most);
  for (const math of [names, numbers]) markLeftOut(math);
  const digits = digitsOf(numbers, numberAt(key, index));
  putNumbers(numbers, digits ?? DIGITS);
  return { names, numbers, hidden, sign: digits === null ? "≈" : "=" };
}

/** The name of an element: ∂L/∂z₀. */
export function nameOf(key, index) {
  return mathOf(index.reduce((text, place, axis) => put(text, axis, place), data.arrays[key].name));
}
