"""The command: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.networks import NETWORKS
from benchmarks.peers import OURS, PEERS, Peer
from benchmarks.report import Results, page, table
from benchmarks.rounds import Settings, WorkerError, measure
from benchmarks.summary import others

QUIET = 0.05
"""Share of the machine that other processes may use."""


def main() -> None:
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 120, log_path=False, highlight=False)
    settings = Settings(options.rounds, options.threads, options.dtype, options.executor, options.seconds)
    peers = _installed([PEERS[name] for name in options.peers], console)
    results: Results = {}
    try:
        results = {name: measure(NETWORKS[name], peers, settings, console.log) for name in options.networks}
    except WorkerError as error:
        raise SystemExit(f"{OURS.title} could not be measured: {error}") from None
    console.print(table(results))
    if (share := others(results.values())) > QUIET:
        console.print(f"Other processes used {share:.0%} of the machine: measure again when it is quiet.")
    if options.output:
        _write(results, settings, options.output, console)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description="Times a training step of chainrule beside other libraries."
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="WIDTHS")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="cores that everyone may use")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--executor", choices=("numpy", "compiled"), default="compiled", help="chainrule's")
    parser.add_argument("--seconds", type=float, default=0.5, help="about how long a turn lasts")
    parser.add_argument("--output", type=Path, help="a folder for benchmarks.md and benchmarks.svg")
    parser.epilog = f"WIDTHS: {', '.join(NETWORKS)}. NAME: {', '.join(PEERS)}."
    options = parser.parse_args()
    if options.output and importlib.util.find_spec("matplotlib") is None:
        parser.error("--output draws with matplotlib, which the extra `bench` has")
    return options


def _installed(peers: list[Peer], console: Console) -> list[Peer]:
    """Return those that can be measured, and say which cannot."""
    for peer in peers:
        if not peer.installed:
            console.print(
                f"{peer.title} is left out: {peer.package} is not installed; the extra `bench` has it."
            )
    return [peer for peer in peers if peer.installed]


def _write(results: Results, settings: Settings, folder: Path, console: Console) -> None:
    from benchmarks.plot import draw

    folder.mkdir(parents=True, exist_ok=True)
    draw(results, folder / "benchmarks.svg")
    (folder / "benchmarks.md").write_text(page(results, settings, "benchmarks.svg"), encoding="utf-8")
    console.print(f"{folder / 'benchmarks.md'} and {folder / 'benchmarks.svg'} are written.")


if __name__ == "__main__":
    main()
