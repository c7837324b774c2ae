"""What was measured, as a table on the screen and as a page."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from rich.table import Table

from benchmarks import machine
from benchmarks.networks import Network
from benchmarks.peak import peak_flops
from benchmarks.peers import OURS, Peer, find
from benchmarks.rounds import Settings
from benchmarks.sections import Section
from benchmarks.summary import Times, Turns, digits, others, ratio, step

Results = Mapping[Network, Times]
"""Times by network."""


def shown(results: Results) -> list[Peer]:
    """Return the peers that were measured for some network, in the order of their turns."""
    names = dict.fromkeys(name for times in results.values() for name in times if name != OURS.name)
    return [find(name) for name in names]


def table(section: Section, results: Results) -> Table:
    """Return the ratios for the terminal."""
    heads, rows = _ratios(results, between="\n")
    drawn = Table(title=f"Time of {section.what}, theirs / ours: median (min–max) of rounds")
    for number, head in enumerate(heads):
        drawn.add_column(head, justify="right" if number else "left", no_wrap=number == 0)
    for row in rows:
        drawn.add_row(*row)
    return drawn


def page(section: Section, results: Results, settings: Settings, plot: str) -> str:
    """Return the page as Markdown; ``plot`` is the picture's file beside it."""
    parts = [
        f"# Time of {section.what}",
        f"{section.how}, {settings.dtype}. Written by `python -m benchmarks --section {section.name}` on "
        f"{machine.today()}.",
        f"![Their time divided by ours]({plot})",
        "## Their time divided by ours",
        f"Median (min–max) of {settings.rounds} rounds. In each round everyone takes a turn, in a process of "
        "their own, and a peer's time is divided by ours of the same round.",
        markdown(*_ratios(results)),
        "## Microseconds",
        "Median (best round). ¹ With one thread, which was faster for this peer than all.",
        markdown(*_steps(results, settings.threads)),
        *_rates(results, settings),
        *_floors(results, settings),
        "## How it was measured",
        _setting(results, settings),
        "Each in the form that was found to be its fastest:",
        _forms(results),
    ]
    return "\n\n".join(parts) + "\n"


def _rates(results: Results, settings: Settings) -> list[str]:
    """Return the products' operations a second, beside what the machine can do at most."""
    if any(network.kind != "product" for network in results):
        return []
    peak = peak_flops(settings.dtype, settings.threads)
    everyone = [OURS, *shown(results)]

    def cell(network: Network, turns: Turns | None) -> str:
        if turns is None:
            return "—"
        flops = network.work / statistics.median(turns.seconds)
        return f"{flops / 1e9:.0f} ({flops / peak:.0%})"

    rows = [
        [network.label, *(cell(network, times.get(peer.name)) for peer in everyone)]
        for network, times in results.items()
    ]
    return [
        "## GFLOP/s",
        f"In brackets the share of what the machine was seen to do with fused operations in "
        f"registers alone: {peak / 1e9:.0f} GFLOP/s.",
        markdown(["matrices", *(peer.title for peer in everyone)], rows),
    ]


def _floors(results: Results, settings: Settings) -> list[str]:
    """Return how long steps would take if all cores multiplied at their peak and nothing else took time."""
    if any(network.kind not in ("training", "single") for network in results):
        return []
    peak = peak_flops(settings.dtype, settings.threads)
    peers = shown(results)

    def row(network: Network, times: Times) -> list[str]:
        floor = network.work / peak
        share = floor / statistics.median(times[OURS.name].seconds)
        theirs = {name: digits(statistics.median(turns.seconds) / floor) for name, turns in times.items()}
        return [
            network.label,
            digits(floor * 1e6),
            f"{share:.0%}",
            *(theirs.get(peer.name, "—") for peer in peers),
        ]

    return [
        "## What the machine allows",
        "How long the products of a step would take at the machine's peak, "
        f"{peak / 1e9:.0f} GFLOP/s of fused operations\n"
        "in registers alone; chainrule's share of it; and each peer's time divided by it:\n"
        "a ratio above that is out of reach here.",
        markdown(
            ["network, rows", "at the peak, µs", "chainrule", *(peer.title for peer in peers)],
            [row(network, times) for network, times in results.items()],
        ),
    ]


def _ratios(results: Results, between: str = " ") -> tuple[list[str], list[list[str]]]:
    peers = shown(results)
    heads = ["network, rows", "chainrule, µs", *(peer.title for peer in peers)]
    rows = [
        [
            network.label,
            step(times[OURS.name], between),
            *(ratio(times, peer.name).text(between) if peer.name in times else "—" for peer in peers),
        ]
        for network, times in results.items()
    ]
    return heads, rows


def _steps(results: Results, threads: int) -> tuple[list[str], list[list[str]]]:
    everyone = [OURS, *shown(results)]
    heads = ["network, rows", *(peer.title for peer in everyone)]

    def cell(turns: Turns | None) -> str:
        if turns is None:
            return "—"
        return step(turns) + ("¹" if turns.threads < threads else "")

    rows = [
        [network.label, *(cell(times.get(peer.name)) for peer in everyone)]
        for network, times in results.items()
    ]
    return heads, rows


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _setting(results: Results, settings: Settings) -> str:
    packages = [OURS.package, "numpy", *(peer.package for peer in shown(results))]
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions(packages).items())
    blas = ", ".join(f"`{name}={value}`" for name, value in machine.openblas().items())
    lines = [
        f"Machine: {machine.cpu()} ({machine.vectors()}), of which everyone may "
        f"use {settings.threads} core{'s' if settings.threads > 1 else ''}",
        f"Versions: {versions}",
        f"Other processes used {others(results.values()):.0%} of the machine meanwhile",
        f"chainrule's executor: {settings.executor}",
        f"OpenBLAS, which scikit-learn and NumPy use: {blas or 'no variable is set'}",
    ]
    if not blas and machine.vectors() == "avx512f":
        lines.append(
            "OpenBLAS does not know every processor and may take AVX2 kernels on one with AVX-512; "
            "`OPENBLAS_CORETYPE=SkylakeX` then makes scikit-learn faster"
        )
    return "\n".join(f"- {line}" for line in lines)


def _forms(results: Results) -> str:
    kinds = list(dict.fromkeys(network.kind for network in results))
    return "\n".join(
        f"- {peer.title}: {peer.how[kind]}"
        for kind in kinds
        for peer in [OURS, *shown(results)]
        if kind in peer.how
    )
