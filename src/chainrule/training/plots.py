"""A history drawn: losses, learning rate, gradient norms and update ratios by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: A step usually changes weights by about this part of themselves.
USUAL_RATIO = 1e-3
#: Line styles take turns, so that lines differ without their colours too.
STYLES = ("-", "--", ":", "-.")

Lines = Mapping[str, Sequence[float]]


def draw(results: Lines, recorded: Mapping[str, Lines]) -> Figure:
    """Return a figure with a panel for each kind of number that there is.

    Parameters
    ----------
    results : mapping of str to sequence of float
        Losses and metrics, one number an epoch.
    recorded : mapping of mappings
        ``learning_rate``, ``gradient_norm`` and ``update_ratio``, by layer.

    Raises
    ------
    ValueError
        If there is no epoch.
    ImportError
        If matplotlib is not installed.
    """
    if not results.get("loss"):
        raise ValueError("there is nothing to plot: the history has no epochs; fit the model first")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plotting needs matplotlib: pip install 'chainrule[plot]'") from None
    panels = _panels(results, recorded)
    figure = Figure(figsize=(4.5 * min(len(panels), 2), 3.2 * -(-len(panels) // 2)), layout="constrained")
    grid = figure.subplots(-(-len(panels) // 2), min(len(panels), 2), squeeze=False).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        panel(axes)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    return figure


def _panels(results: Lines, recorded: Mapping[str, Lines]) -> list[Callable[[Any], None]]:
    losses = {name: numbers for name, numbers in results.items() if name.endswith("loss")}
    others = {name: numbers for name, numbers in results.items() if name not in losses}
    panels: list[Callable[[Any], None]] = [lambda axes: _lines(axes, "loss", losses)]
    if others:
        title = "metrics" if len(others) > 1 else next(iter(others)).replace("_", " ")
        panels.append(lambda axes: _lines(axes, title, others, logarithmic=False))
    if "learning_rate" in recorded:
        rates = {"learning rate": recorded["learning_rate"][""]}
        panels.append(lambda axes: _lines(axes, "learning rate", rates))
    if "gradient_norm" in recorded:
        panels.append(lambda axes: _lines(axes, "gradient norm by layer", recorded["gradient_norm"]))
    if "update_ratio" in recorded:
        panels.append(lambda axes: _ratios(axes, recorded["update_ratio"]))
    return panels


def _ratios(axes: Any, ratios: Lines) -> None:
    _lines(axes, "change of the weights in a step, by layer", ratios)
    axes.axhline(USUAL_RATIO, color="0.5", linewidth=0.8)
    axes.annotate(" usual", (1.0, USUAL_RATIO), xycoords=("axes fraction", "data"), color="0.4", va="center")


def _lines(axes: Any, title: str, lines: Lines, logarithmic: bool = True) -> None:
    """Draw lines over epochs 1, 2, ...; the scale is logarithmic where all numbers are above 0."""
    from matplotlib import colormaps

    colours = colormaps["viridis"]
    for i, (name, numbers) in enumerate(lines.items()):
        axes.plot(
            range(1, len(numbers) + 1),
            numbers,
            STYLES[i % len(STYLES)],
            marker="." if len(numbers) < 20 else "",
            color=colours(0.85 * i / max(len(lines) - 1, 1)),
            label=name.replace("_", " ") or "the network",
        )
    if logarithmic and all(number > 0 for numbers in lines.values() for number in numbers):
        axes.set_yscale("log")
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(lines) > 1:
        axes.legend(fontsize=8)
