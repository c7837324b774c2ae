// A formula in pieces, so that a wide one goes on in the next line: browsers break none by themselves.

const BETWEEN_TERMS = "+−=≈";
const BETWEEN_FACTORS = "·";

/** A formula that may be broken before each sign between terms and, where one is too wide, between factors. */
export function breakable(math) {
  const whole = document.createElement("span");
  for (const term of split(flat([...math.children]), BETWEEN_TERMS)) {
    const factors = split(term, BETWEEN_FACTORS).map(mathOfParts);
    const box = factors.length > 1 ? document.createElement("span") : whole;
    box.append(...factors);
    if (box === whole) continue;
    box.className = "term";
    whole.append(box);
  }
  return whole;
}

/** What stands side by side, without the rows around it; a row that is a factor, or in parentheses, stays whole. */
function flat(parts) {
  return parts.flatMap((part) => {
    const inside = [...part.children];
    const signs = inside.filter((one, at) => at && one.matches("mo") && (BETWEEN_TERMS + BETWEEN_FACTORS).includes(one.textContent));
    if (!part.matches("mrow:not([data-at], [data-all])") || !(signs.length || inside.length === 1)) return [part];
    for (const sign of signs) sign.setAttribute("form", "infix"); // with room on both sides, also where a piece begins with it
    return flat(inside);
  });
}

function split(parts, signs) {
  const pieces = [[]];
  for (const part of parts) {
    if (part.matches("[form=infix]") && signs.includes(part.textContent)) pieces.push([]);
    pieces.at(-1).push(part);
  }
  return pieces;
}

function mathOfParts(parts) {
  const piece = document.createElementNS("http://www.w3.org/1998/Math/MathML", "math");
  piece.append(...parts);
  return piece;
}
