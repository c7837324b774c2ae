"""A training step in which the values that a story is told of can be found again."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import numpy as np

from chainrule.explanation.landmarks import (
    Landmarks,
    elementwise_between,
    find_landmarks,
    powers_in_logarithms,
)
from chainrule.explanation.step_graph import Slope, Softmax, StepGraph
from chainrule.functions import broadcast_to, stack
from chainrule.gradient.backward import derivatives_between, filled_like
from chainrule.graph.origin import origin
from chainrule.graph.rewrite import merged
from chainrule.graph.value import Value, as_value, call
from chainrule.training.step import Trace
from chainrule.training.task import CarriedTypes, DataTypes, Task

#: An activation of all units together, such as softmax, has a derivative for each pair of units. They are
#: told of for at most so many units.
MOST_TOGETHER = 8


def explained_step(task: Task, carried: CarriedTypes, data: DataTypes) -> StepGraph:
    """Return `training_step` with the derivative of the loss by every value on the way, and each slope f′."""
    t = Trace(task, carried, data, training=True)
    loss, weight, layer_state, activations = _written_once(t)
    given = {"y": t.y, "sample_weight": t.sample_weight}
    known = {name: value for name, value in given.items() if value is not None}
    marks = find_landmarks(t.x, known, t.parameters, loss)
    named = {mark.value for mark in marks.listed if mark.value is not loss}
    with origin("backward"):
        d = derivatives_between(loss, [t.x, *t.parameters.values()], apart=named)
        unused = [w for w in t.parameters.values() if w not in d]
        d |= {w: filled_like(w, 0) for w in unused}
        gradients = {name: d[w] for name, w in t.parameters.items()}
    rates = _hear_rate(t)
    parameters, optimizer_state = t.update(gradients)
    new = t.replaceable({**parameters, **layer_state, **optimizer_state}, weight)

    slopes = {a: Slope(z, _slope(z, a)) for z, a in _activations(marks, activations)}
    softmaxes = tuple(map(_softmax, powers_in_logarithms(loss)))
    stage = t.stage(
        {
            "loss": loss,
            **{f"d {i}": value for i, value in enumerate(d.values())},
            **{f"slope {i}": slope.value for i, slope in enumerate(slopes.values())},
            **new,
            **{f"softmax {i}": softmax.value for i, softmax in enumerate(softmaxes)},
        }
    )
    state = {**t.state, **t.optimizer_state}
    inputs = set(stage.graph.inputs)  # an objective need not use its targets
    used = {name: value for name, value in known.items() if value in inputs}
    return StepGraph(
        stage=stage,
        x=t.x,
        data=used,
        parameters=t.parameters,
        state=state,
        loss=loss,
        derivatives=d,
        slopes=slopes,
        softmaxes=softmaxes,
        gradients=gradients,
        rates=rates,
        new=new,
    )


def _written_once(t: Trace) -> tuple[Value, Value, dict[str, Value], list[Value]]:
    """Return the loss, the sum of the weights, the layers' new state, and z and a of each activation in turn.

    In all of them an equation is written once, so that one quantity has one name.
    """
    loss, weight = t.mean_loss(t.row_losses())
    updated = {name: value for name, value in t.variables.state.items() if value is not t.state[name]}
    activations = [value for _, z, a in t.variables.activations for value in (z, a)]
    loss, weight, *others = merged([loss, weight, *updated.values(), *activations])
    return loss, weight, dict(zip(updated, others, strict=False)), others[len(updated) :]


def _hear_rate(t: Trace) -> list[Value]:
    """Return a list to which the optimizer's schedule, if it has one, will add the learning rate.

    The rate is an identity of its own: a schedule may return the step, or a number, which others use as well.
    """
    heard: list[Value] = []
    schedule = t.task.optimizer.learning_rate
    if callable(schedule):

        def rate(step: Value) -> Value:
            heard.append(call("identity", as_value(schedule(step))))
            return heard[-1]

        optimizer = copy.copy(t.task.optimizer)
        object.__setattr__(optimizer, "learning_rate", rate)
        t.task = dataclasses.replace(t.task, optimizer=optimizer)
    return heard


def _activations(marks: Landmarks, applied: Sequence[Value]) -> list[tuple[Value, Value]]:
    """Return z and a of each activation a = f(z) with names for both; `applied` holds them in turn."""
    named = {mark.value for mark in marks.listed}
    both = zip(applied[::2], applied[1::2], strict=True)
    pairs = {a: z for z, a in both if a is not z and {a, z} <= named}
    for part in marks.parts:
        z, a = marks.role(part, "inner"), marks.role(part, "output")
        if z and a and elementwise_between(z.value, a.value):
            pairs.setdefault(a.value, z.value)
    return [(z, a) for a, z in pairs.items() if elementwise_between(z, a) or _is_narrow(z)]


def _softmax(found: tuple[Value, Value, Value]) -> Softmax:
    logarithm, total, power = found
    with origin("backward", power.origin.part):
        (v,) = power.operands
        return Softmax(power, total, derivatives_between(logarithm, [v])[v])


def _is_narrow(z: Value) -> bool:
    return z.ndim == 2 and int(z.shape[1]) <= MOST_TOGETHER


def _slope(z: Value, a: Value) -> Value:
    """Return f′(z), the derivative of a = f(z)."""
    with origin("backward", a.origin.part):
        if elementwise_between(z, a):
            return derivatives_between(a, [z])[z]
        ones = np.eye(int(a.shape[1]), dtype=a.dtype)
        rows = [derivatives_between(a, [z], broadcast_to(as_value(one), a.shape))[z] for one in ones]
        return stack(rows, axis=1)
