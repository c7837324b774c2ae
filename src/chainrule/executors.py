"""The executors: what can run a model's training loop and its single graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chainrule.compiler.epochs import CompiledRun
from chainrule.compiler.executable import executable_of
from chainrule.graph.evaluate import Evaluator
from chainrule.graph.loop import EvaluatedRun, Inputs, Loop, LoopState, Prepare, Run


class Executor(NamedTuple):
    """What runs a model: `run` its training loops, `prepare` single graphs."""

    run: Callable[[Loop, LoopState, Inputs], Run]
    prepare: Prepare


#: What can run a model, by name.
EXECUTORS = {
    "numpy": Executor(EvaluatedRun, Evaluator),
    "compiled": Executor(CompiledRun, executable_of),
}
