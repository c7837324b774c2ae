"""A lower learning rate where a loss has stopped falling: decided at the end of an epoch, inside the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from chainrule.functions import maximum, minimum, where
from chainrule.graph.graph import Graph
from chainrule.graph.hyperparameters import EVEN_ZERO, hyperparameters, with_inputs
from chainrule.graph.loop import Inputs, Loop, LoopState, Stage
from chainrule.graph.options import AT_LEAST_ZERO, LENGTH, PROPER_FRACTION, CheckedOptions
from chainrule.graph.rewrite import inline
from chainrule.graph.types import FLOAT64, Array
from chainrule.graph.value import Value, input_value
from chainrule.training.stopping import check_mode, check_monitor, waiting

_BEST, _WAITED = "plateau/best", "plateau/waited"
_NUMBERS = "plateau"
_RATE = "task.optimizer.learning_rate"
#: What a loop carries for it.
CARRIED = (_BEST, _WAITED, _RATE)


@dataclass(frozen=True)
class ReduceOnPlateau(CheckedOptions):
    r"""Lower the learning rate each time that a loss has not become better for some epochs.

    .. math:: \eta \leftarrow \max(\eta \cdot \mathrm{factor}, \mathrm{least})

    Given to ``fit(callbacks=[...])``, for an optimizer whose learning rate is a number. The rate of each
    epoch is in ``history["learning_rate"]``. Each fit begins with the optimizer's own rate, and counts anew.

    Parameters
    ----------
    factor : float, default 0.1
        What the rate is multiplied by, above 0 and below 1.
    patience : int, default 10
        How many epochs in a row without an improvement lower it; they are then counted anew.
    min_delta : float, default 0.0
        By how much the loss must fall below the best so far to count as an improvement.
    monitor : str, default "validation_loss"
        What is watched: ``"validation_loss"``, ``"loss"``, or a metric such as ``"validation_accuracy"``.
    mode : {"min", "max"}, default "min"
        Whether smaller or larger is better.
    least : float, default 0.0
        The rate is not lowered below this.

    Raises
    ------
    TypeError, ValueError
        If an option is not a number, or is outside its range.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
    >>> plateau = cr.ReduceOnPlateau(factor=0.5, patience=1, min_delta=1e9, monitor="loss")
    >>> model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=4, callbacks=[plateau])["learning_rate"]
    [0.1, 0.1, 0.05, 0.025]
    """

    factor: float = field(default=0.1, metadata=PROPER_FRACTION)
    patience: int = field(default=10, metadata=LENGTH)
    min_delta: float = field(default=0.0, metadata={**AT_LEAST_ZERO, **EVEN_ZERO})
    monitor: str = "validation_loss"
    mode: str = "min"
    least: float = field(default=0.0, metadata={**AT_LEAST_ZERO, **EVEN_ZERO})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_mode(self)

    def arguments(self) -> dict[str, Array]:
        """Return its numbers, which the decision is given, by name."""
        return hyperparameters(self, _NUMBERS)

    def stage(self) -> Stage:
        """Return the graph of the decision."""
        names = (_BEST, _WAITED, _RATE, self.monitor)
        inputs = {name: input_value(name, (), FLOAT64) for name in names}
        one = with_inputs(self, _NUMBERS, inputs)
        best, _, waited = waiting(inputs[self.monitor], inputs[_BEST], inputs[_WAITED], one)
        rate, plateau = inputs[_RATE], waited >= one.patience
        lower = maximum(rate * one.factor, minimum(rate, one.least))
        outputs = {
            _BEST: best,
            _WAITED: where(plateau, 0.0, waited),
            _RATE: where(plateau, lower, rate),
            "learning_rate": rate,
        }
        return Stage(Graph(list(inputs.values()), list(outputs.values())), tuple(outputs))


def with_plateau(
    loop: Loop,
    state: LoopState,
    inputs: Inputs,
    plateau: ReduceOnPlateau | None,
    left: Mapping[str, Array] | None = None,
) -> tuple[Loop, LoopState, Inputs]:
    """Return a run's parts with the learning rate carried from epoch to epoch, and lowered on a plateau.

    Parameters
    ----------
    loop, state, inputs : Loop, LoopState, Inputs
        Without it; early stopping may be there already.
    plateau : ReduceOnPlateau or None
        What decides; None changes nothing.
    left : mapping of arrays, optional
        What an earlier run has carried, if this one counts on.
    """
    if plateau is None:
        return loop, state, inputs
    check_monitor(plateau, loop)
    arguments = {**inputs.arguments, **plateau.arguments()}
    if _RATE not in arguments:
        raise ValueError(
            "ReduceOnPlateau lowers a learning rate that is a number above 0, and the optimizer has none; "
            "give it a number in place of a schedule or 0"
        )
    own = dict(zip(CARRIED, (np.asarray(np.inf), np.asarray(0.0), arguments.pop(_RATE)), strict=True))
    own |= {name: left[name] for name in CARRIED if left and name in left}
    stages = [plateau.stage()] if loop.epoch_end is None else [loop.epoch_end, plateau.stage()]
    return (
        replace(loop, epoch_end=_together(stages)),
        replace(state, carried={**state.carried, **own}),
        replace(inputs, arguments=arguments),
    )


def _together(stages: list[Stage]) -> Stage:
    """Return one stage that does what all of them do; inputs of one name are one input."""
    inputs = {value.name: value for stage in reversed(stages) for value in stage.graph.inputs}
    outputs: dict[str, Value] = {}
    for stage in stages:
        values = inline(stage.graph, [inputs[value.name] for value in stage.graph.inputs])
        outputs.update(zip(stage.outputs, values, strict=True))
    return Stage(Graph(list(inputs.values()), list(outputs.values())), tuple(outputs))
