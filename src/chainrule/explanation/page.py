"""The page: one HTML file that works offline, put together from the parts in the folder `page`."""

from __future__ import annotations

import html
import json
import math
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from chainrule.explanation.page_data import page_data

if TYPE_CHECKING:
    from chainrule.explanation.explanation import Explanation

#: The modules of the page, each after those that it imports.
_NAMES = (
    "arrays colours svg breaks values formulas factors grids heatmap joins lights nearest roving "
    "units maps drawing inspector history scrolling main"
)
MODULES = tuple(_NAMES.split())


def as_html(explanation: Explanation) -> str:
    """Return the whole page."""
    folder = files("chainrule.explanation") / "page"
    parts = {
        "__TITLE__": html.escape(explanation.title),
        "__STYLE__": (folder / "style.css").read_text("utf-8"),
        "__DATA__": _embedded(page_data(explanation)),
        "__SCRIPT__": "\n".join(_plain((folder / f"{name}.js").read_text("utf-8")) for name in MODULES),
    }
    page = (folder / "page.html").read_text("utf-8")
    return re.sub("__(TITLE|STYLE|DATA|SCRIPT)__", lambda found: parts[found[0]], page)


def _embedded(data: dict[str, Any]) -> str:
    """Return data as JSON that HTML cannot take for markup: inside a script, a comment may begin, too."""
    return json.dumps(_written(data), ensure_ascii=False).replace("<", r"\u003c")


def _written(item: Any) -> Any:
    """Return data with {"number": name} in place of each number that JSON cannot write."""
    if isinstance(item, dict):
        return {key: _written(value) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return [_written(value) for value in item]
    if not isinstance(item, float) or math.isfinite(item):
        return item
    return {"number": "NaN" if math.isnan(item) else "Infinity" if item > 0 else "-Infinity"}


def _plain(module: str) -> str:
    """Return a module as part of a longer one: without its imports and exports."""
    return re.sub(
        r"^export ", "", re.sub(r"^import .*;\n", "", module, flags=re.MULTILINE), flags=re.MULTILINE
    )
