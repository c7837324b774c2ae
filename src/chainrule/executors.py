"""The executors: what can run a model's training loop and its single graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chainrule.graph.evaluate import Evaluator
from chainrule.graph.graph import Graph
from chainrule.graph.loop import EvaluatedRun, GraphFunction, Inputs, Loop, LoopState, Prepare, Run


class Executor(NamedTuple):
    """What runs a model: `run` its training loops, `prepare` single graphs."""

    run: Callable[[Loop, LoopState, Inputs], Run]
    prepare: Prepare


def _compiled_run(loop: Loop, state: LoopState, inputs: Inputs) -> Run:
    from chainrule.compiler.epochs import CompiledRun  # the compiler is loaded when something is compiled

    return CompiledRun(loop, state, inputs)


def _compiled(graph: Graph) -> GraphFunction:
    from chainrule.compiler.executable import executable_of

    return executable_of(graph)


#: What can run a model, by name.
EXECUTORS = {
    "numpy": Executor(EvaluatedRun, Evaluator),
    "compiled": Executor(_compiled_run, _compiled),
}
