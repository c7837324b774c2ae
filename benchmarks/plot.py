"""The ratios as a picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.report import Results, shown
from benchmarks.summary import ratio

COLOURS = ("#4477aa", "#66ccee", "#ee6677", "#aa3377", "#ccbb44", "#228833")
MARKERS = "osD^vP"


def draw(results: Results, what: str, path: Path) -> None:
    """Write a dot for each network and peer: their time divided by ours, with a line from min to max."""
    mpl.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none"})
    networks, peers = list(results), shown(results)
    figure = Figure(figsize=(8, 0.8 + 0.75 * len(networks)), layout="constrained")
    axes = figure.subplots()
    for number, peer in enumerate(peers):
        shift = 0.6 * ((number + 0.5) / len(peers) - 0.5)
        rows = [place for place, network in enumerate(networks) if peer.name in results[network]]
        ratios = [ratio(results[networks[place]], peer.name) for place in rows]
        axes.errorbar(
            [one.median for one in ratios],
            [place + shift for place in rows],
            xerr=[[one.median - one.low for one in ratios], [one.high - one.median for one in ratios]],
            fmt=MARKERS[number % len(MARKERS)],
            color=COLOURS[number % len(COLOURS)],
            markersize=5,
            label=peer.title,
        )
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(f"time of {what}, theirs / ours (right of 1, chainrule is faster)")
    axes.set_yticks(range(len(networks)), [network.label for network in networks])
    axes.set_ylim(len(networks) - 0.5, -0.5)
    axes.grid(axis="x", which="both", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(peers) or 1, frameon=False, fontsize="small")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
