"""A history drawn: losses, learning rate, gradient norms and update ratios by layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: A step usually changes weights by about this part of themselves.
USUAL_RATIO = 1e-3
#: Line styles take turns, so that lines differ without their colours too.
STYLES = ("-", "--", ":", "-.")
#: Colours of Okabe and Ito, which the colour-blind tell apart; layers go from dark to light as in viridis.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
LIGHTEST = 0.8
#: A scale is logarithmic where the largest number is so many times the least; where it is less than the
#: second, 2 and 5 have ticks, too.
TIMES, FEW_DECADES = 10.0, 300.0
#: How many lines a legend names; of more layers it names some from the first to the last.
NAMED = 10
USUAL, NOT_FINITE = "usual", "not finite"

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
        from matplotlib import style
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plotting needs matplotlib: pip install 'chainrule[plot]'") from None
    panels = _panels(results, recorded)
    columns, rows = min(len(panels), 2), -(-len(panels) // 2)
    with style.context("default"):
        figure = Figure(figsize=(5.4 * columns, 3.2 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
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
        panels.append(
            lambda axes: _layers(axes, "gradient norm by layer", "|gradient|", recorded["gradient_norm"])
        )
    if "update_ratio" in recorded:
        panels.append(lambda axes: _ratios(axes, recorded["update_ratio"]))
    return panels


def _ratios(axes: Any, ratios: Lines) -> None:
    axes.axhline(USUAL_RATIO, color="0.5", linewidth=0.8, label=f"_{USUAL}: {USUAL_RATIO:g}")
    _layers(axes, "change of the weights in a step, by layer", "|change| / |weights|", ratios, USUAL_RATIO)


def _layers(axes: Any, title: str, unit: str, lines: Lines, *also: float) -> None:
    """Draw a line for each layer, from dark to light."""
    from matplotlib import colormaps  # late, as in `draw`

    shown = {round(i * (len(lines) - 1) / (NAMED - 1)) for i in range(NAMED)}
    colours = [colormaps["viridis"](LIGHTEST * i / max(len(lines) - 1, 1)) for i in range(len(lines))]
    _lines(axes, title, lines, colours=colours, also=also)
    axes.set_ylabel(unit)
    drawn = [line for line in axes.lines if not line.get_label().startswith("_")]
    _legend(axes, [line for i, line in enumerate(drawn) if i in shown])


def _legend(axes: Any, named: Sequence[Any]) -> None:
    """Name lines beside the panel, and what else is drawn: what is usual, and what a cross is."""
    others = {line.get_label().removeprefix("_"): line for line in axes.lines if line not in named}
    others = {label: line for label, line in others.items() if label.startswith((USUAL, NOT_FINITE))}
    if len(named) + len(others) > 1:
        labels = [*(line.get_label() for line in named), *others]
        lines = [*named, *others.values()]
        axes.legend(lines, labels, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.02))


def _lines(
    axes: Any,
    title: str,
    lines: Lines,
    *,
    colours: Sequence[Any] = COLOURS,
    also: Sequence[float] = (),
    logarithmic: bool = True,
) -> None:
    """Draw lines over epochs 1, 2, ...; a cross at the upper edge is a number that is not finite."""
    for i, (name, numbers) in enumerate(lines.items()):
        epochs, colour = range(1, len(numbers) + 1), colours[i % len(colours)]
        axes.plot(
            epochs,
            [number if math.isfinite(number) else math.nan for number in numbers],
            STYLES[i % len(STYLES)],
            marker="." if len(numbers) < 20 else "",
            color=colour,
            label=name.replace("_", " ") or "the network",
        )
        lost = [epoch for epoch, number in zip(epochs, numbers, strict=True) if not math.isfinite(number)]
        if lost:
            edge = axes.get_xaxis_transform()
            axes.plot(lost, [0.98] * len(lost), "x", color=colour, transform=edge, label=f"_{NOT_FINITE}")
    _scale(axes, [number for numbers in lines.values() for number in numbers] + [*also], logarithmic)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if all(len(numbers) == 1 for numbers in lines.values()):
        axes.set_xlim(0.5, 1.5)
    axes.grid(color="0.93")
    axes.spines[["top", "right"]].set_visible(False)
    _legend(axes, [line for line in axes.lines if not line.get_label().startswith("_")])


def _scale(axes: Any, numbers: Sequence[float], logarithmic: bool) -> None:
    """Choose the scale of y, with plain numbers beside it: a logarithmic one where numbers differ much."""
    from matplotlib.ticker import LogLocator, NullFormatter  # late, as in `draw`

    finite = [number for number in numbers if math.isfinite(number)]
    least, most = min(finite, default=0.0), max(finite, default=0.0)
    if logarithmic and 0 < least * TIMES < most:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < FEW_DECADES * least else (1,)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif least == most:
        axes.set_ylim(min(0.0, 1.25 * least), max(0.0, 1.25 * most) or 1.0)
    axes.yaxis.set_major_formatter("{x:g}")
