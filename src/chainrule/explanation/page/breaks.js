// A formula in pieces, so that a wide one goes on in the next line: browsers break none by themselves.

const BETWEEN_TERMS = "+−=≈";
const BETWEEN_FACTORS = "·/";
const AFTER = ",";
const WIDE = 40; // letters; what is wider and in one piece is opened
const MATHML = "http://www.w3.org/1998/Math/MathML";

/** A formula that may be broken before each sign between terms and, where one is too wide, between factors; its first piece stays behind a sign before it. */
export function breakable(math, before = "") {
  const whole = document.createElement("span");
  for (const [at, term] of split(flat([...math.children]), BETWEEN_TERMS).entries()) {
    const factors = split(term, BETWEEN_FACTORS).map((parts) => made("math", ...parts));
    const pieces = at || !before ? factors : [before, ...factors];
    const box = pieces.length > 1 ? document.createElement("span") : whole;
    box.append(...pieces);
    if (box === whole) continue;
    box.className = "term";
    whole.append(box);
  }
  return whole;
}

/** What stands side by side, without the rows around it; a row that is a factor, or in parentheses, stays whole if it is not wide. */
function flat(parts) {
  return parts.flatMap((part) => {
    const kind = part.lastElementChild?.localName === "mtable" ? "mtable" : part.localName;
    if (OPENED[kind] && lettersOf(part) > WIDE) return flat(OPENED[kind](part));
    const inside = [...part.children];
    const signs = inside.filter((one, at) => at && one.matches("mo") && (BETWEEN_TERMS + BETWEEN_FACTORS + AFTER).includes(one.textContent));
    const isOpened = hasBrackets(part) && lettersOf(part) > WIDE;
    if (!part.matches("mrow:not([data-at], [data-all])") || !(signs.length || inside.length === 1 || isOpened)) return [part];
    for (const sign of signs) sign.setAttribute("form", "infix"); // with room on both sides, also where a piece begins with it
    return flat(inside);
  });
}

/** About how many letters wide it is: scripts are smaller. */
function lettersOf(part) {
  const widths = [...part.children].map(lettersOf);
  if (!widths.length) return part.textContent.length;
  if (part.matches("msub, msup, msubsup")) return widths[0] + 0.7 * Math.max(...widths.slice(1));
  return part.matches("mfrac, mtable") ? Math.max(...widths) : widths.reduce((sum, width) => sum + width, 0);
}

/** A wide fraction, a wide root and wide cases, written on one line. */
const OPENED = {
  mfrac: ({ children: [above, below] }) => [...inBrackets(above), sign("/", "infix"), ...inBrackets(below)],
  msqrt: ({ children }) => [sign("("), ...children, made("msup", sign(")"), made("mn", "1/2"))],
  mtable: ({ lastElementChild: { children: cases } }) => [sign("{"), ...[...cases].flatMap(({ children: [value, when] }, at) =>
    [...(at ? [sign(",", "infix")] : []), ...value.children, space(), ...when.children]), sign("}")],
};

function hasBrackets(part) {
  const [first, last] = [part.firstElementChild, part.lastElementChild].map((one) => (one?.localName === "mo" ? one.textContent : ""));
  return first === "(" && last === ")";
}

/** The same in parentheses, unless it is one letter or number, or has them. */
function inBrackets(part) {
  const isAlone = part.matches("mi, mn, [data-at], [data-all]") && !/^−|·/.test(part.textContent);
  return isAlone || hasBrackets(part) ? [part] : [sign("("), part, sign(")")];
}

function split(parts, signs) {
  const pieces = [[]];
  for (const part of parts) {
    if (part.matches("[form=infix]") && signs.includes(part.textContent)) pieces.push([]);
    pieces.at(-1).push(part);
    if (part.matches("[form=infix]") && signs === BETWEEN_TERMS && part.textContent === AFTER) pieces.push([]);
  }
  return pieces;
}

function sign(text, form = "") {
  const one = made("mo", text);
  if (form) one.setAttribute("form", form);
  return one;
}

/** A space at which a formula may be broken. */
function space() {
  const one = made("mspace");
  one.setAttribute("width", "0.8em");
  one.setAttribute("form", "infix"); // and its text, none, is among the signs of a break
  return one;
}

/** A new element of MathML. */
export function made(tag, ...parts) {
  const element = document.createElementNS(MATHML, tag);
  element.append(...parts);
  return element;
}
