"""How the time of ours grows: with rows, batch times weights, and depth; and the compile time with depth."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.networks import Network, Task
from benchmarks.report import markdown
from benchmarks.rounds import Say, Settings

DEPTHS = (2, 4, 8, 16, 32, 64)
ROWS = (1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16)
BATCHES_AND_WIDTHS = (
    (32, 64),
    (64, 64),
    (64, 128),
    (128, 128),
    (256, 128),
    (256, 256),
    (512, 256),
    (512, 512),
)


@dataclass(frozen=True)
class Curve:
    """Seconds at several sizes."""

    title: str
    size: str
    points: list[tuple[int, float]]

    def exponent(self) -> float:
        """The slope of log(time) over log(size), over the larger half, where fixed costs are small."""
        half = self.points[len(self.points) // 2 - 1 :]
        sizes, times = np.log([[size, seconds] for size, seconds in half]).T
        return float(np.polyfit(sizes, times, 1)[0])

    def rows(self) -> list[list[str]]:
        return [
            [str(size), f"{seconds * 1e3:.3f}", f"{seconds / size * 1e9:.3g}"]
            for size, seconds in self.points
        ]


def measure(settings: Settings, say: Say, folder: Path | None) -> str:
    """Return the page, and draw its picture into the folder if there is one."""
    machine.stay_on_cores(settings.threads)
    curves = []
    for curve in (_by_rows, _by_work, _by_depth, _compile_by_depth):
        curves.append(curve(settings))
        say(f"{curves[-1].title} is measured")
    if folder is not None:
        _draw(curves, folder / "benchmarks-growth.svg")
    parts = [
        "# Growth",
        f"Written by `python -m benchmarks --section growth` on {machine.today()}. "
        f"Median of {settings.rounds}. "
        "The exponent is the slope in the larger half of a double logarithmic plot: 1 is linear, 0 constant.",
        *(["![Times over sizes](benchmarks-growth.svg)"] if folder is not None else []),
    ]
    for curve in curves:
        parts += [f"## {curve.title}: exponent {curve.exponent():.2f}"]
        parts += [markdown([curve.size, "ms", f"ns for each of {curve.size}"], curve.rows())]
    parts.append(f"Machine: {machine.cpu()} ({machine.vectors()}), {settings.threads} cores.")
    return "\n\n".join(parts) + "\n"


def _by_rows(settings: Settings) -> Curve:
    network = Network((20, 64, 64, 10), 32)
    fit = _fitting(network, max(ROWS), settings)
    return Curve(
        "An epoch", "rows", [(rows, _median(lambda rows=rows: fit(rows), settings)) for rows in ROWS]
    )


def _by_work(settings: Settings) -> Curve:
    points = []
    for batch, width in BATCHES_AND_WIDTHS:
        network = Network((width, width, width, 10), batch)
        fit = _fitting(network, 16 * batch, settings)
        weights = sum(inputs * outputs for inputs, outputs in network.layers())
        points.append((batch * weights, _median(lambda f=fit, b=batch: f(16 * b), settings) / 16))
    return Curve("A step", "batch × weights", points)


def _by_depth(settings: Settings) -> Curve:
    points = []
    for depth in DEPTHS:
        fit = _fitting(_deep(depth), 4096, settings)
        points.append((depth, _median(lambda fit=fit: fit(4096), settings) / 64))
    return Curve("A step of equal layers", "layers", points)


def _compile_by_depth(settings: Settings) -> Curve:
    """Take the time of the first fit; another network's has loaded LLVM, and nothing is cached."""
    points = []
    for depth in DEPTHS:
        times = []
        for number in range(settings.rounds):
            fit = _fitting(_deep(depth, 48 + number), 64, settings, warm=False)  # new widths: new code
            started = time.perf_counter()
            fit(64)
            times.append(time.perf_counter() - started)
        points.append((depth, statistics.median(times)))
    return Curve("Tracing and compiling equal layers", "layers", points)


def _deep(depth: int, width: int = 32) -> Network:
    return Network((16, *[width] * depth, 4), 64)


def _fitting(network: Network, rows: int, settings: Settings, warm: bool = True) -> Callable[[int], None]:
    """Return a function that trains for an epoch on so many rows."""
    from benchmarks.peers.chainrule_fit import new_model

    task = Task(network, settings.dtype, settings.threads, settings.executor)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, network.widths[0])).astype(settings.dtype)
    y = rng.integers(0, network.widths[-1], rows)
    model = new_model(task, loss="cross_entropy")

    def fit(count: int) -> None:
        model.fit(x[:count], y[:count], batch_size=network.batch)

    if warm:
        fit(rows)
    return fit


def _median(work: Callable[[], None], settings: Settings) -> float:
    times = []
    for _ in range(settings.rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _draw(curves: Sequence[Curve], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none"})
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    for axes, curve in zip(figure.subplots(2, 2).flat, curves, strict=True):
        sizes, seconds = np.array(curve.points).T
        axes.loglog(sizes, seconds * 1e3, "o-", color="#4477aa", markersize=4)
        axes.loglog(
            sizes, seconds[-1] * 1e3 * sizes / sizes[-1], "--", color="grey", linewidth=1, label="linear"
        )
        axes.set(title=curve.title, xlabel=curve.size, ylabel="ms")
        axes.grid(which="both", alpha=0.3)
        axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
