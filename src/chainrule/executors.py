"""The executors: what can run a model's training loop and its single graphs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

from chainrule.graph.evaluate import Evaluator
from chainrule.graph.graph import Graph
from chainrule.graph.loop import EvaluatedRun, GraphFunction, Inputs, Loop, LoopState, Prepare, StepwiseRun


class Executor(NamedTuple):
    """What runs a model: `run` its training loops, `preparing(n_threads)` gives what runs single graphs."""

    run: Callable[[Loop, LoopState, Inputs], StepwiseRun]
    preparing: Callable[[int | None], Prepare]


def _compiled_run(loop: Loop, state: LoopState, inputs: Inputs) -> StepwiseRun:
    from chainrule.compiler.epochs import CompiledRun  # the compiler is loaded when something is compiled

    return CompiledRun(loop, state, inputs)


@cache
def _compiling(n_threads: int | None) -> Prepare:
    from chainrule.compiler.executable import executable_of  # late, as above

    def prepare(graph: Graph) -> GraphFunction:
        return partial(executable_of(graph), n_threads=n_threads)

    return prepare


#: What can run a model, by name.
EXECUTORS = {
    "numpy": Executor(EvaluatedRun, lambda n_threads: Evaluator),
    "compiled": Executor(_compiled_run, _compiling),
}
