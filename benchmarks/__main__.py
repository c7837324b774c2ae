"""The command: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks import estimators, finite, growth, start
from benchmarks.networks import Network
from benchmarks.peers import OURS, PEERS, Peer
from benchmarks.report import Results, page, table
from benchmarks.rounds import Settings, WorkerError, differing, measure
from benchmarks.sections import SECTIONS, Section
from benchmarks.summary import others

QUIET = 0.05
"""Share of the machine that other processes may use."""
ALONE = {
    "start": start.measure,
    "growth": growth.measure,
    "estimators": estimators.measure,
    "finite": finite.measure,
}
"""Sections that are no times of networks beside peers: functions of (settings, say) that return a page."""


def main() -> None:
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 120, log_path=False, highlight=False)
    for name in options.section:
        if name in ALONE:
            text = ALONE[name](_settings(options), console.log, options.output)
            console.print(text, markup=False)
            if options.output:
                _write(options.output / f"benchmarks-{name}.md", text, console)
        else:
            _compare(SECTIONS[name], options, console)


def _compare(section: Section, options: argparse.Namespace, console: Console) -> None:
    """Time the networks of a section beside peers, or only check that everyone computes the same."""
    settings = _settings(options, section)
    peers = _installed([PEERS[name] for name in options.peers if name in section.peers], console)
    networks = [each for each in section.networks if not options.networks or each.name in options.networks]
    try:
        if options.check:
            _check(networks, peers, settings, console)
            return
        results = {network: measure(network, peers, settings, console.log) for network in networks}
    except WorkerError as error:
        raise SystemExit(f"{OURS.title} could not be measured: {error}") from None
    console.print(table(section, results))
    if (share := others(results.values())) > QUIET:
        console.print(f"Other processes used {share:.0%} of the machine: measure again when it is quiet.")
    if options.output:
        _draw_and_write(section, results, settings, options.output, console)


def _check(networks: Sequence[Network], peers: list[Peer], settings: Settings, console: Console) -> None:
    different = [
        f"{peer.title} on {network.label}"
        for network in networks
        for peer in differing(network, peers, settings, console.log)
    ]
    if different:
        raise SystemExit(f"another result than ours: {', '.join(different)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description="Times chainrule beside other libraries."
    )
    sections = [*SECTIONS, *ALONE]
    parser.add_argument("--section", nargs="+", choices=sections, default=["steps"], metavar="SECTION")
    parser.add_argument("--networks", nargs="+", metavar="WIDTHS", help="only these of the section")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), metavar="NAME")
    parser.add_argument("--check", action="store_true", help="only see that all come to the same results")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="cores that everyone may use")
    parser.add_argument("--dtype", choices=("float32", "float64"), help="another than the section's")
    parser.add_argument("--executor", choices=("numpy", "compiled"), default="compiled", help="chainrule's")
    parser.add_argument("--seconds", type=float, default=0.5, help="about how long a turn lasts")
    parser.add_argument("--output", type=Path, help="a folder for the pages and their pictures")
    parser.epilog = f"SECTION: {', '.join(sections)}. NAME: {', '.join(PEERS)}."
    options = parser.parse_args()
    if options.output and importlib.util.find_spec("matplotlib") is None:
        parser.error("--output draws with matplotlib, which the extra `bench` has")
    compared = [SECTIONS[name] for name in options.section if name in SECTIONS]
    known = [each.name for section in compared for each in section.networks]
    for name in options.networks or ():
        if name not in known:
            parser.error(
                f"--networks: no network {name!r} in {', '.join(options.section)}; there are: {known}"
            )
    return options


def _settings(options: argparse.Namespace, section: Section | None = None) -> Settings:
    settings = Settings(
        options.rounds, options.threads, options.dtype or "float32", options.executor, options.seconds
    )
    if section is None:
        return settings
    return replace(settings, dtype=options.dtype or section.dtype, threads=section.threads or options.threads)


def _installed(peers: list[Peer], console: Console) -> list[Peer]:
    """Return those that can be measured, and say which cannot."""
    for peer in peers:
        if not peer.installed:
            console.print(
                f"{peer.title} is left out: {peer.package} is not installed; the extra `bench` has it."
            )
    return [peer for peer in peers if peer.installed]


def _draw_and_write(
    section: Section, results: Results, settings: Settings, folder: Path, console: Console
) -> None:
    from benchmarks.plot import draw

    stem = "benchmarks" if section.name == "steps" else f"benchmarks-{section.name}"
    folder.mkdir(parents=True, exist_ok=True)
    draw(results, section.what, folder / f"{stem}.svg")
    _write(folder / f"{stem}.md", page(section, results, settings, f"{stem}.svg"), console)


def _write(path: Path, text: str, console: Console) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    console.print(f"{path} is written.")


if __name__ == "__main__":
    main()
