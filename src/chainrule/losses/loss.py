"""Loss: what every loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from chainrule.functions import astype, mean
from chainrule.graph.options import CheckedOptions
from chainrule.graph.trace import array_function
from chainrule.graph.types import FLOAT64, Array, ArrayType, Shape, is_float, str_shape
from chainrule.graph.value import Operand, Value, as_value
from chainrule.losses.targets import as_floats, as_numbers, fitted, shapes_do_not_fit


class Loss(CheckedOptions, ABC):
    """How far a prediction is from its target: a frozen dataclass, and a formula that gives one number a row.

    A loss of one's own needs a dataclass and `formula`; the other methods have defaults. Fields annotated
    ``float`` are hyperparameters that can change without a new graph: in `formula` they may be symbolic, so
    compute with them, and don't branch on them. A plain function of (prediction, target) is a loss too.

    Examples
    --------
    >>> import chainrule as cr
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Quartic(cr.Loss):
    ...     strength: float = 1.0
    ...     def formula(self, prediction, target):
    ...         return self.strength * (target - prediction) ** 4
    >>> Quartic(0.5)([[1.0, 3.0]], [[1.0, 1.0]])
    array([4.])
    """

    @array_function
    def __call__(self, prediction: Operand, target: Operand) -> Any:
        """Return the loss of each row, shape (rows,): the mean of the formula over all further axes.

        Parameters
        ----------
        prediction : array_like or Value
            The network's output, shape (rows, ...).
        target : array_like or Value
            An array is first checked and converted by `as_target`; a Value has to fit as it is.
        """
        return _mean_over_outputs(self.formula(*self._operands(prediction, target)))

    @array_function
    def reports(self, prediction: Operand, target: Operand) -> Any:
        """Return what is told of each row as its loss: the mean of `reported` over all further axes."""
        return _mean_over_outputs(self.reported(*self._operands(prediction, target)))

    @array_function
    def metrics(self, prediction: Operand, target: Operand) -> dict[str, Any]:
        """Return what is reported besides the loss, by name: numbers of shape (rows,), to be averaged."""
        prediction, target = self._operands(prediction, target)
        return {
            name: _mean_over_outputs(astype(score, prediction.dtype))
            for name, score in self.scores(prediction, target).items()
        }

    def as_target(self, y: object, prediction: ArrayType) -> Array:
        """Return the user's y as the array that the formula takes.

        Parameters
        ----------
        y : array_like
            Targets, one a row. Where the network has one output, shape (rows,) does for (rows, 1).
        prediction : ArrayType
            The type of the network's output.

        Returns
        -------
        ndarray
            Of the output's dtype, or int32 for class numbers.

        Raises
        ------
        ValueError
            If y holds text, NaN, infinity, or what the loss has no use for, with the row; or if its shape
            does not fit the network's output, with both shapes.
        """
        array = fitted(as_numbers(y), self.target_shapes(prediction.shape), prediction.shape, self._name)
        return self.convert(array, prediction)

    @abstractmethod
    def formula(self, prediction: Value, target: Value) -> Value:
        """Return the loss of each output, shape (rows, ...)."""

    def reported(self, prediction: Value, target: Value) -> Value:
        """Return what is told of each output as its loss, where that is not the formula that is minimised."""
        return self.formula(prediction, target)

    def link(self, prediction: Operand) -> Any:
        """Return what the prediction says in the target's own terms, such as probabilities for logits."""
        return prediction

    def scores(self, prediction: Value, target: Value) -> dict[str, Value]:
        """Return the metrics of each output by name, shape (rows, ...); true counts as 1."""
        return {}

    def target_shapes(self, prediction: Shape) -> tuple[Shape, ...]:
        """Return the shapes that a target may have for this shape of a prediction; none of them is any."""
        return (prediction,)

    def convert(self, y: Array, prediction: ArrayType) -> Array:
        """Return y, whose shape fits, in the dtype that the formula takes, or say which row does not fit."""
        return as_floats(y, prediction.dtype)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _operands(self, prediction: Operand, target: Operand) -> tuple[Value, Value]:
        """Return both as values that fit each other."""
        prediction = as_value(prediction)
        if not is_float(prediction.dtype):
            prediction = as_value(astype(prediction, FLOAT64))
        if not prediction.ndim:
            raise ValueError(f"{self._name} needs a prediction of shape (rows, ...), not a single number")
        if not isinstance(target, Value):
            target = as_value(self.as_target(target, prediction.type))
        shapes = self.target_shapes(prediction.shape)
        if shapes and target.shape not in shapes:
            raise ValueError(
                shapes_do_not_fit("the target", str_shape(target.shape), shapes, prediction.shape, self._name)
            )
        return prediction, target


def _mean_over_outputs(losses: Value) -> Value:
    """Return the mean over all axes but the first."""
    if losses.ndim < 2:
        return losses
    return mean(losses, axis=tuple(range(1, losses.ndim)))
