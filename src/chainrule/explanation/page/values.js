// What a formula of numbers comes to, as a person would work it out; NaN where it holds what is not known here.
import { data, numberAt, parsePlace } from "./arrays.js";

const CONSTANTS = { e: Math.E, π: Math.PI, true: 1, false: 0 };
const FUNCTIONS = {
  sin: Math.sin, cos: Math.cos, tan: Math.tan, sinh: Math.sinh, cosh: Math.cosh, tanh: Math.tanh,
  ln: Math.log, log2: Math.log2, log10: Math.log10, max: Math.max, min: Math.min, sign: Math.sign,
  σ: (x) => 1 / (1 + Math.exp(-x)), stop: (x) => x, erf, mod: (x, y) => x - y * Math.floor(x / y),
};
/** Operators, the loosest first; each groups to the left. */
const OPERATORS = [
  { "∧": (a, b) => a && b, "∨": (a, b) => a || b },
  {
    "=": (a, b) => a === b, "≠": (a, b) => a !== b,
    "<": (a, b) => a < b, ">": (a, b) => a > b, "≤": (a, b) => a <= b, "≥": (a, b) => a >= b,
  },
  { "+": (a, b) => a + b, "−": (a, b) => a - b },
  { "·": (a, b) => a * b },
];
const BRACKETS = { "(": (x) => x, "|": Math.abs, "⌊": Math.floor };

/** The error function: its power series times e^(−x²), all terms of which are positive; it is 1 for large x. */
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > Math.abs(sum) * Number.EPSILON; n++) {
    term *= 2 * x * x / (2 * n + 1);
    sum += term;
  }
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}

/** What the formula comes to with the numbers of its names rounded to so many digits. */
export function valueOf(math, digits) {
  const rounded = (number) => (Number.isFinite(number) ? Number(number.toPrecision(digits)) : number);

  function value(part) {
    if (part.dataset.rest) return rounded(Number(part.dataset.rest));
    if (part.dataset.at) {
      const { key, index } = parsePlace(part.dataset.at);
      return data.arrays[key] ? rounded(numberAt(key, index)) : NaN;
    }
    const inside = [...part.children];
    switch (part.localName) {
      case "mfrac": return value(inside[0]) / value(inside[1]);
      case "msup": return value(inside[0]) ** value(inside[1]);
      case "msqrt": return Math.sqrt(row(inside));
      case "mn": return Number(part.textContent.replace("−", "-"));
      case "mi": case "mtext": return CONSTANTS[part.textContent] ?? NaN;
      case "mrow": case "math": case "mtd": return fenced(inside);
    }
    return NaN;
  }

  function fenced(parts) {
    const [first, last] = [parts[0], parts.at(-1)];
    if (last?.localName === "mtable") return cases([...last.children]);
    const bracket = first?.localName === "mo" && last?.localName === "mo" && BRACKETS[first.textContent];
    return bracket ? bracket(row(parts.slice(1, -1))) : row(parts);
  }

  function cases([branch, ...others]) {
    if (!branch) return NaN;
    const [told, when] = branch.children;
    const holds = when.textContent === "otherwise" || value(when.firstElementChild.lastElementChild);
    if (Number.isNaN(holds)) return NaN;
    return holds ? value(told) : cases(others);
  }

  function row(parts, level = 0) {
    if (parts.length === 1 && isRow(parts[0])) return fenced([...parts[0].children]);
    if (level === OPERATORS.length) return applied(parts);
    const isBetween = (one, place) => place && one.localName === "mo" && parts[place - 1].localName !== "mo";
    const at = parts.findLastIndex((one, place) => isBetween(one, place) && OPERATORS[level][one.textContent]);
    if (at < 0) return row(parts, level + 1);
    return OPERATORS[level][parts[at].textContent](row(parts.slice(0, at), level), row(parts.slice(at + 1), level + 1));
  }

  function applied(parts) {
    const [first, ...rest] = parts;
    if (!rest.length) return value(first);
    if (first.textContent === "−") return -applied(rest);
    if (first.textContent === "¬") return !applied(rest);
    const { children } = rest[0]; // a function, and its operands in brackets
    if (rest.length > 1 || children.length !== 3 || !FUNCTIONS[first.textContent]) return NaN;
    return FUNCTIONS[first.textContent](...operands([...children].slice(1, -1)).map((one) => row(one)));
  }

  return Number(value(math));
}

/** Whether it only holds what stands side by side, and is no number of its own. */
function isRow(part) {
  return part.localName === "mrow" && !part.dataset.at && !part.dataset.rest;
}

/** What stands between the commas. */
function operands(parts) {
  if (parts.length === 1 && isRow(parts[0])) return operands([...parts[0].children]);
  const found = [[]];
  for (const part of parts) {
    if (part.localName === "mo" && part.textContent === ",") found.push([]);
    else found.at(-1).push(part);
  }
  return found;
}
