// Many elements as one stop of the Tab key.

/** Makes the first of some elements a stop of the Tab key; from there ↑ and ↓ go from one to the next. */
export function rove(elements) {
  elements.forEach((element, at) => {
    element.setAttribute("tabindex", at ? -1 : 0);
    element.addEventListener("focus", () => {
      for (const other of elements) other.setAttribute("tabindex", other === element ? 0 : -1);
    });
    element.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      elements[at + by]?.focus();
    });
  });
}
