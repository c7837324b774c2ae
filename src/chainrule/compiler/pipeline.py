"""The passes over a graph, in order, through one funnel that can look at the graph after each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chainrule.compiler.simplify import simplify
from chainrule.graph.graph import Graph

Pass = Callable[[Graph], Graph]
Recorder = Callable[[str, Graph], None]

PASSES: Final[tuple[Pass, ...]] = (simplify,)


def run_passes(graph: Graph, record: Recorder | None = None) -> Graph:
    """Return the graph after all passes; `record` is shown each pass's name and what it made."""
    for each in PASSES:
        graph = each(graph)
        if record is not None:
            record(each.__name__, graph)
    return graph
