"""A training step in which the values that a story is told of can be found again."""

from __future__ import annotations

from chainrule.explanation.landmarks import elementwise_between, find_landmarks
from chainrule.explanation.step_graph import StepGraph
from chainrule.gradient.backward import derivatives_between, filled_like
from chainrule.graph.origin import origin
from chainrule.graph.value import Value
from chainrule.training.step import Trace
from chainrule.training.task import CarriedTypes, DataTypes, Task


def explained_step(task: Task, carried: CarriedTypes, data: DataTypes) -> StepGraph:
    """Return `training_step` with the derivative of the loss by every value on the way, and each slope f′."""
    t = Trace(task, carried, data, training=True)
    loss, weight = t.mean_loss(t.row_losses())
    with origin("backward"):
        d = derivatives_between(loss, [t.x, *t.parameters.values()])
        gradients = {name: d[w] if w in d else filled_like(w, 0) for name, w in t.parameters.items()}
    parameters, optimizer_state = t.update(gradients)
    new = t.replaceable({**parameters, **optimizer_state}, weight)

    given = {"y": t.y, "sample_weight": t.sample_weight}
    known = {name: value for name, value in given.items() if value is not None}
    slopes = _slopes(t.x, known, t.parameters, loss)
    outputs = {"loss": loss} | {f"d {i}": value for i, value in enumerate(d.values())}
    outputs |= {f"slope {i}": value for i, value in enumerate(slopes.values())} | new
    state = {**t.state, **t.optimizer_state}
    return StepGraph(t.stage(outputs), t.x, known, t.parameters, state, loss, d, slopes, gradients, new)


def _slopes(
    x: Value, data: dict[str, Value], parameters: dict[str, Value], loss: Value
) -> dict[Value, Value]:
    """Return f′(z) for each activation a = f(z) that acts on every element by itself."""
    marks = find_landmarks(x, data, parameters, loss)
    slopes = {}
    for part in marks.parts:
        z, a = marks.role(part, "inner"), marks.role(part, "output")
        if z and a and elementwise_between(z.value, a.value):
            with origin("backward", part):
                slopes[a.value] = derivatives_between(a.value, [z.value])[z.value]
    return slopes
