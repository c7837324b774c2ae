// Elements of a drawing.

const SVG = "http://www.w3.org/2000/svg";

/** A new element with attributes, at the end of another one. */
export function svg(tag, attributes, parent) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent?.append(element);
  return element;
}
