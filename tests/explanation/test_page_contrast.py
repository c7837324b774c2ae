"""Every text of the page stands out from what is behind it: 4.5 to 1, as WCAG 2.2 asks for (1.4.3).

axe-core leaves single letters, signs such as ∂, and text in drawings undecided; here all are computed.
"""

from __future__ import annotations

import pytest

#: Each text that is seen, with its contrast: to whatever its middle is drawn over, down to what is opaque.
CONTRASTS = r"""() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const read = (colour) => {  // [red, green, blue, alpha]; also of color-mix(...)
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [...all] = canvas.getImageData(0, 0, 1, 1).data;
    return [...all.slice(0, 3), all[3] / 255];
  };
  const painted = (one) => {
    const style = getComputedStyle(one);
    if (!one.matches("circle, rect, polygon, path, line")) return read(style.backgroundColor);
    if (style.fill === "none" || one.matches("line")) return null;
    const [r, g, b, alpha] = read(style.fill);
    return [r, g, b, alpha * Number(style.fillOpacity) * Number(style.opacity)];
  };
  const over = ([r, g, b, alpha], below) => [r, g, b].map((one, i) => alpha * one + (1 - alpha) * below[i]);
  const light = (colour) => colour
    .map((one) => one / 255)
    .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, i) => sum + [0.2126, 0.7152, 0.0722][i] * one, 0);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const owner = node.parentElement;
    if (!node.textContent.trim() || owner.closest("script, style") || !owner.checkVisibility()) continue;
    owner.scrollIntoView({ block: "center", inline: "center" });
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = [...range.getClientRects()].find((one) => one.width);
    if (!box) continue;
    const stack = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    const layers = stack.map(painted).filter((one) => one && one[3] > 0);
    const opaque = layers.findIndex((one) => one[3] === 1);
    const behind = layers.slice(0, opaque).reduceRight((below, one) => over(one, below), layers[opaque]);
    const style = getComputedStyle(owner);
    const ink = over(read(owner.matches("svg *") ? style.fill : style.color), behind);
    const [less, more] = [light(ink), light(behind.slice(0, 3))].sort((a, b) => a - b);
    found.push([node.textContent.trim(), (more + 0.05) / (less + 0.05), stack.length]);
  }
  return found;
}"""
LEAST = 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["small", "large"])
def test_all_text_stands_out(which, scheme, opened, request):
    """At the start, in the backward pass with an element pinned and a factor visited, and at the end."""
    explanation = request.getfixturevalue(which)[1]
    page = opened(explanation, color_scheme=scheme)
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    middle = next(step.number for step in explanation.steps if step.stage == "backward") + 1
    for step in (1, middle, len(explanation.steps)):
        page.locator("#step").fill(str(step))
        if step == middle:
            page.locator(".unit, canvas").nth(3).focus()
            page.keyboard.press("Enter")
            page.locator("#told .visitable").first.focus()
        told = page.evaluate(CONTRASTS)
        assert {"∂", "L"} <= {text for text, *_ in told} or step == 1
        assert len(told) > 100
        assert [one for one in told if one[1] < LEAST] == []
