"""One training step as one graph: forward, loss, backward, update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chainrule.functions import astype, row_count, where
from chainrule.gradient.backward import backward
from chainrule.graph.graph import Graph, needed
from chainrule.graph.loop import Stage
from chainrule.graph.origin import origin
from chainrule.graph.rewrite import merged
from chainrule.graph.types import FLOAT64, INT32, ROWS, UINT32, ArrayType, str_shape
from chainrule.graph.value import Value, as_value, cast_value, input_like
from chainrule.layers import Layer, Variables, apply
from chainrule.losses import Loss, as_row_losses, weighted_mean, without_absent
from chainrule.training.recording import added, initial_sums
from chainrule.training.task import CarriedTypes, DataTypes, Task


def training_step(task: Task, carried: CarriedTypes, data: DataTypes, recorded: bool = False) -> Stage:
    """Return the step that every batch of training repeats.

    Its outputs replace the parameters, the layers' state and the optimizer's state; its results are the loss
    before the update, and the sum of the sample weights. If it is recorded, it carries sums of gradient norms
    and update ratios as well.
    """
    t = Trace(task, carried, data, training=True)

    losses = t.row_losses()  # the forward pass, layer by layer, and how far each row is from its target
    loss, weight = t.mean_loss(losses)  # the loss: one number
    told = t.reported(loss)  # before the backward pass: where it is not finite, that began here
    gradients = t.gradients(loss)  # the backward pass: the chain rule, from the loss to every parameter
    parameters, optimizer_state = t.update(gradients)  # the weight update: against the gradient

    sums = t.recorded(gradients, parameters) if recorded else {}
    new = t.replaceable({**parameters, **t.variables.state, **optimizer_state, **sums}, weight)
    return t.stage({**new, "batch_loss": told, "batch_weight": t.share_of_epoch(weight)})


def gradient_stage(task: Task, carried: CarriedTypes, data: DataTypes, reported: bool = False) -> Stage:
    """Return the graph of a training step's loss, or of what is told of it, and of its derivatives."""
    t = Trace(task, carried, data, training=True)
    loss, _ = t.mean_loss(t.row_losses())
    return t.stage({"batch_loss": t.reported(loss) if reported else loss, **t.gradients(loss)})


def evaluation_stage(task: Task, carried: CarriedTypes, data: DataTypes) -> Stage:
    """Return the graph of the loss and the metrics, summed over rows, and of the sum of their weights."""
    t = Trace(task, carried, data, training=False)
    loss, weight = t.mean_loss(t.row_losses())
    results = {"loss": t.reported(loss)}
    if t.task.loss is not None:
        for name, values in t.task.loss.metrics(t.prediction, t.y).items():
            results[name], _ = weighted_mean(values, t.sample_weight)
    sums = {name: mean * weight for name, mean in results.items()}
    return t.stage({**sums, "weight": weight})


def prediction_stage(task: Task, carried: CarriedTypes, x: ArrayType, link: bool) -> Stage:
    """Return the graph of the network's output; with `link`, of what the loss makes of it (probabilities)."""
    t = Trace(task, carried, DataTypes(x, None, weighted=False), training=False)
    linked = t.task.loss.link(t.prediction) if link and t.task.loss else t.prediction
    return t.stage({"prediction": linked})


@dataclass(frozen=True)
class BoundNetwork:
    """A network with its variables in one pass: a function of x, which an objective may differentiate."""

    network: Layer
    variables: Variables

    def __call__(self, x: Any) -> Value:
        """Return the network's output for x: the forward pass."""
        return apply(self.network, cast_value(as_value(x), self.variables.dtype), self.variables)


def network_output(task: Task, parameters: Mapping[str, Any], state: Mapping[str, Any], x: Any) -> Value:
    """Return the network's output for x with these arrays or values, as a prediction computes it."""

    def bound(arrays: Mapping[str, Any]) -> dict[str, Value]:
        return {name: cast_value(as_value(array), task.dtype) for name, array in arrays.items()}

    return BoundNetwork(task.network, Variables(task.dtype, bound(parameters), bound(state)))(x)


class Trace:
    """The values that a step starts from, and the sentences that it is written in.

    Parameters
    ----------
    task : Task
        What is trained; its hyperparameters become inputs.
    carried : CarriedTypes
        Parameters, layer state and optimizer state, by name.
    data : DataTypes
        What a batch holds.
    training : bool
        Whether the layers are in training; otherwise averaged weights are used where they are kept.
    """

    def __init__(self, task: Task, carried: CarriedTypes, data: DataTypes, training: bool) -> None:
        self._inputs: dict[str, Value] = {}
        self.x = self.input("x", data.x)
        self.y = None if data.y is None else self.input("y", data.y)
        weights = ArrayType((ROWS,), task.dtype)
        self.sample_weight = self.input("sample_weight", weights) if data.weighted else None
        self.parameters = self._enter(carried.parameters)
        self.state = self._enter(carried.state)
        self.optimizer_state = self._enter(carried.optimizer_state)
        self.key = self.input("key", ArrayType((2,), UINT32))
        self.step = self.input("step", ArrayType((), INT32))
        self.task = task.with_inputs(self._inputs)
        used = self.parameters
        if not training:
            used = self.task.optimizer.averaged(self.parameters, self.optimizer_state)
        self.variables = Variables(task.dtype, dict(used), dict(self.state), training, self.key, self.step)
        self.network = BoundNetwork(self.task.network, self.variables)

    def input(self, name: str, type_: ArrayType) -> Value:
        """Return a new input of the step."""
        if name in self._inputs:
            raise ValueError(f"the name {name!r} is used twice; a parameter or state needs another name")
        self._inputs[name] = input_like(name, type_)
        return self._inputs[name]

    def _enter(self, types: Mapping[str, ArrayType]) -> dict[str, Value]:
        return {name: self.input(name, type_) for name, type_ in types.items()}

    @cached_property
    def prediction(self) -> Value:
        """The network's output for the batch: the forward pass."""
        return self.network(self.x)

    def row_losses(self, reported: bool = False) -> Value:
        """Return how far each row's prediction is from its target; an objective may return one number.

        With `reported` it is what the loss reports, which need not be what is minimised.
        """
        with origin("loss"):
            if self.task.objective is not None:
                result = self.task.objective(self.network, self.x, self.y)
                losses = as_row_losses(result, "the objective", (ROWS,))
                return merged([losses])[0]  # a derivative that is taken twice is one
            assert self.task.loss is not None
            prediction = self.prediction
            if self.sample_weight is not None:
                prediction = without_absent(prediction, self.sample_weight)
            assert self.y is not None
            loss = self.task.loss
            return as_value((loss.reports if reported else loss)(prediction, self.y))

    def reported(self, loss: Value) -> Value:
        """Return what is told of a batch whose loss this is: that, unless the task's loss reports another."""
        own = self.task.loss
        if own is None or type(own).reported is Loss.reported:
            return loss
        return self.mean_loss(self.row_losses(reported=True))[0]

    def mean_loss(self, losses: Value) -> tuple[Value, Value]:
        """Return the weighted mean of the rows' losses plus the penalties, and the sum of the weights."""
        with origin("loss"):
            if losses.ndim == 0:
                mean, weight = self._whole_loss(losses)
            elif losses.shape == (ROWS,):
                mean, weight = weighted_mean(losses, self.sample_weight)
            else:
                raise ValueError(
                    f"the loss has the shape {str_shape(losses.shape)}, and one number a row is needed: "
                    "take the mean over the other axes, for example cr.mean(..., axis=-1)"
                )
            divisor = where(weight != 0, weight, 1) if self.task.shared_penalties else None
            for penalty in self.task.penalties:
                size = penalty(self.parameters)
                mean = mean + (size if divisor is None else size / divisor)
        return mean, weight

    def share_of_epoch(self, weight: Value) -> Value:
        """Return what the batch counts for in the epoch's loss."""
        return astype(row_count(self.x), weight.dtype) if self.task.epoch_by_rows else weight

    def _whole_loss(self, loss: Value) -> tuple[Value, Value]:
        if self.sample_weight is not None:
            raise ValueError(
                "the loss is one number for the whole batch, so sample weights cannot act on it; "
                "return one number a row"
            )
        return loss, astype(row_count(self.x), loss.dtype)

    def gradients(self, loss: Value) -> dict[str, Value]:
        """Return the derivative of the loss by each parameter: the backward pass."""
        if not self.parameters:
            raise ValueError("the network has no parameters to train; add a layer that has, such as Dense")
        with origin("backward"):
            return dict(zip(self.parameters, backward(loss, list(self.parameters.values())), strict=True))

    def update(self, gradients: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
        """Return the new parameters and the optimizer's new state: the weight update."""
        with origin("update"):
            return self.task.optimizer.update(self.parameters, gradients, self.optimizer_state, self.step)

    def recorded(self, gradients: Mapping[str, Value], parameters: Mapping[str, Value]) -> dict[str, Value]:
        """Return the sums of what is recorded, after this step."""
        scalar = ArrayType((), FLOAT64)
        sums = {name: self.input(name, scalar) for name in initial_sums(self.parameters)}
        rate, step = self.task.optimizer.learning_rate, astype(self.step, FLOAT64)
        with origin("update"):
            now = astype(as_value(rate(step) if callable(rate) else rate), FLOAT64)
            return added(sums, now, gradients, self.parameters, parameters)

    def replaceable(self, outputs: Mapping[str, Value], weight: Value) -> dict[str, Value]:
        """Return the outputs where the batch weighs something, otherwise what they would replace."""
        if self.sample_weight is None:
            return dict(outputs)
        with origin("update"):
            return {name: where(weight != 0, new, self._inputs[name]) for name, new in outputs.items()}

    def stage(self, outputs: Mapping[str, Value]) -> Stage:
        """Return the graph from the inputs that are needed to these outputs."""
        used = {value.serial for value in needed(outputs.values())}
        inputs = [value for value in self._inputs.values() if value.serial in used]
        if not any(ROWS in value.shape for value in inputs):
            inputs.insert(0, self.x)  # what has rows says how many there are
        return Stage(Graph(inputs, list(outputs.values())), tuple(outputs))
