"""Optimizer: what every weight update shares; a rule is what one of them adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

import numpy as np

from chainrule.graph.hyperparameters import is_zero
from chainrule.graph.names import unknown_name
from chainrule.graph.options import ABOVE_ZERO, AT_LEAST_ZERO, FRACTION, CheckedOptions, Range
from chainrule.graph.origin import origin, part_of
from chainrule.graph.types import Array, is_float
from chainrule.graph.value import Operand, Value, as_value
from chainrule.optimizers.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from chainrule.optimizers.schedules import Schedule
from chainrule.primitives.elementwise import cast

_AVERAGE = "average"


@dataclass(frozen=True)
class Optimizer(CheckedOptions, ABC):
    r"""How gradients change parameters: the base of every optimizer, and the options that they share.

    One update goes through these stages, each of them absent unless asked for:

    1. The gradients are clipped: by value, then by norm, then by global norm.
    2. Weight decay λ: :math:`g \leftarrow g + \lambda w`. `AdamW` and `Lion` decouple it from the gradient:
       :math:`w \leftarrow w - \eta \lambda w`. Every parameter decays, biases too.
    3. The learning rate η is the schedule's at this step, times the parameter's factor.
    4. The rule: what the optimizer is named for.
    5. The average of the weights over the steps: :math:`a_t = \sum_i d^{t - i} w_i / \sum_i d^{t - i}`
       over the updates i = 1 ... t. It starts with the weights after the first update: initial weights have
       no part in it.

    Parameters
    ----------
    learning_rate : float or callable
        η: a number of at least 0, or a schedule, which returns it for a step (see
        `chainrule.optimizers.schedules`).
    weight_decay : float, default 0.0
        λ, at least 0.
    clip_value : float, optional
        The largest absolute value of any element of a gradient.
    clip_norm : float, optional
        The largest Euclidean norm of any gradient.
    clip_global_norm : float, optional
        The largest Euclidean norm of all gradients together.
    average : float, default 0.0
        d, the decay of the average of the weights, at least 0 and below 1; 0 is off.
    learning_rate_factors : mapping of str to float, default {}
        What the learning rate is multiplied by for a parameter (``"layers.0.weight"``) or all those of a part
        of the network (``"layers.0"``); the longest name that fits counts. 0 keeps a part as it is.

    Raises
    ------
    TypeError, ValueError
        If an option is not a number, or is outside its range.

    Notes
    -----
    One's own optimizer is a frozen dataclass of its numbers, with a `rule` and the `slots` that it needs.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> import chainrule as cr
    >>> @dataclass(frozen=True)
    ... class SignDescent(cr.Optimizer):
    ...     def rule(self, parameter, gradient, slots, t, learning_rate):
    ...         return parameter - learning_rate * cr.sign(gradient), slots
    >>> SignDescent(0.1, weight_decay=0.01).initial_state({"weight": np.ones((2, 3))})
    {}
    """

    #: Whether weight decay acts on the parameter itself instead of on the gradient.
    decoupled_weight_decay: ClassVar[bool] = False
    _another: ClassVar[str] = (
        "set another optimizer, as in model.optimizer = dataclasses.replace(model.optimizer, {name}=...)"
    )

    learning_rate: float | Schedule
    _: KW_ONLY
    weight_decay: float = field(default=0.0, metadata=AT_LEAST_ZERO)
    clip_value: float | None = field(default=None, metadata=ABOVE_ZERO)
    clip_norm: float | None = field(default=None, metadata=ABOVE_ZERO)
    clip_global_norm: float | None = field(default=None, metadata=ABOVE_ZERO)
    average: float = field(default=0.0, metadata=FRACTION)
    learning_rate_factors: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        rate: Range = AT_LEAST_ZERO["range"]
        what = f"{type(self).__name__}: learning_rate"
        if not callable(self.learning_rate):
            object.__setattr__(self, "learning_rate", rate.number(self.learning_rate, what))
        if not isinstance(self.learning_rate_factors, Mapping):
            given = self.learning_rate_factors
            raise TypeError(f"{what}_factors is a dict of numbers by name, not {given!r}")
        factors = {
            name: rate.number(factor, f"{what}_factors[{name!r}]")
            for name, factor in self.learning_rate_factors.items()
        }
        object.__setattr__(self, "learning_rate_factors", factors)

    # What an optimizer says -----------------------------------------------------------------------

    @abstractmethod
    def rule(
        self,
        parameter: Value,
        gradient: Value,
        slots: dict[str, Value],
        t: Value,
        learning_rate: Value,
    ) -> tuple[Value, dict[str, Value]]:
        """Return the new parameter and the new slots.

        Parameters
        ----------
        parameter, gradient : Value
            w and g, of one shape and dtype.
        slots : dict of Value
            What the rule keeps of this parameter, by the names of `slots`.
        t : Value
            The number of this update, a scalar: 1 at the first, as papers count. Like the hyperparameters it
            is a float64 that takes on the dtype of the arrays it meets.
        learning_rate : Value
            η for this parameter at this step, a scalar like t.
        """

    def slots(self, parameter: Array) -> dict[str, Array]:
        """Return what the rule keeps of one parameter, before the first update; nothing unless overridden.

        Parameters
        ----------
        parameter : ndarray
            The initial weights.

        Returns
        -------
        dict of ndarray
            By name; each of the shape and dtype of the parameter, or a scalar of its dtype.
        """
        return {}

    # What a training step calls -------------------------------------------------------------------

    def initial_state(self, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """Return the state before the first update.

        Parameters
        ----------
        parameters : mapping of str to ndarray
            The initial weights by name.

        Returns
        -------
        dict of ndarray
            ``"layers.0.weight/velocity"``: for each parameter its slots and, where it is on, its average.

        Raises
        ------
        ValueError
            If a name in `learning_rate_factors` fits no parameter, or a slot has a name that cannot be one.

        Examples
        --------
        >>> import numpy as np
        >>> import chainrule as cr
        >>> cr.SGD(0.1, momentum=0.9).initial_state({"weight": np.ones(2)})
        {'weight/velocity': array([0., 0.])}
        """
        parts = {part for name in parameters for part in _parts(name)}
        for name in self.learning_rate_factors:
            if name not in parts:
                raise ValueError(f"learning_rate_factors: {unknown_name('parameter', name, parts)}")
        state: dict[str, Array] = {}
        owner = type(self).__name__
        for name, parameter in parameters.items():
            kept = self.slots(parameter)
            for slot, array in kept.items():
                if slot == _AVERAGE or "/" in slot:
                    raise ValueError(
                        f"{owner}.slots: a slot cannot be called {slot!r}; choose a name without / and "
                        f"other than {_AVERAGE!r}, which that of the weights has"
                    )
                if not isinstance(array, np.ndarray | np.generic):
                    raise TypeError(f"{owner}.slots should return arrays by name, and {slot} is {array!r}")
            if not is_zero(self.average):
                kept = {**kept, _AVERAGE: np.array(parameter)}
            state |= {f"{name}/{slot}": array for slot, array in kept.items()}
        return state

    def update(
        self,
        parameters: Mapping[str, Value],
        gradients: Mapping[str, Value],
        state: Mapping[str, Value],
        step: Operand,
    ) -> tuple[dict[str, Value], dict[str, Value]]:
        """Return the parameters and the state after one update, as values of the graph.

        Parameters
        ----------
        parameters, gradients : mapping of str to Value
            By the same names, of the same shapes and dtypes.
        state : mapping of str to Value
            Of the names and types that `initial_state` gives.
        step : Value
            The number of updates already done, an int32 scalar: 0 at the first.

        Returns
        -------
        dict of Value, dict of Value
            By the same names, and of the same types.

        Raises
        ------
        ValueError
            If the schedule returns more than one number, or the rule something of another type.
        """
        with origin("update"):
            t = _number(step, "the step")
            rate = _number(self._rate(t), "the learning rate")
            gradients = self._clipped(gradients)
        slots_of: dict[str, dict[str, Value]] = {}
        for key, value in state.items():
            name, _, slot = key.rpartition("/")
            slots_of.setdefault(name, {})[slot] = value
        new_parameters: dict[str, Value] = {}
        new_state: dict[str, Value] = {}
        for name, parameter in parameters.items():
            slots = slots_of.get(name, {})
            with origin("update", part_of(name)):
                new, slots = self._updated(parameter, gradients[name], slots, t + 1, self._scaled(rate, name))
            new_parameters[name] = new
            new_state |= {f"{name}/{slot}": value for slot, value in slots.items()}
        self._check_types({**parameters, **state}, {**new_parameters, **new_state})
        return new_parameters, {key: new_state[key] for key in state}

    def averaged(self, parameters: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the averaged weights by name, or the parameters themselves where averaging is off.

        Parameters
        ----------
        parameters, state : mapping
            After an update, or before the first (where the average is the initial weights); arrays or Values.
        """
        if is_zero(self.average):
            return dict(parameters)
        return {name: state[f"{name}/{_AVERAGE}"] for name in parameters}

    # The stages of an update ----------------------------------------------------------------------

    def _clipped(self, gradients: Mapping[str, Value]) -> dict[str, Value]:
        clipped = dict(gradients)
        if self.clip_value is not None:
            clipped = clip_by_value(clipped, self.clip_value)
        if self.clip_norm is not None:
            clipped = clip_by_norm(clipped, self.clip_norm)
        if self.clip_global_norm is not None:
            clipped = clip_by_global_norm(clipped, self.clip_global_norm)
        return clipped

    def _rate(self, step: Value) -> Operand:
        return self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate

    def _scaled(self, rate: Value, name: str) -> Value:
        """Return the rate times the factor of the longest name that fits the parameter."""
        for part in reversed(_parts(name)):
            if part in self.learning_rate_factors:
                return rate * self.learning_rate_factors[part]
        return rate

    def _updated(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Return one parameter and its slots after weight decay, the rule, and averaging."""
        average = slots.pop(_AVERAGE, None)
        if not is_zero(self.weight_decay):
            if self.decoupled_weight_decay:
                parameter = parameter - rate * self.weight_decay * parameter
            else:
                gradient = gradient + self.weight_decay * parameter
        result = self.rule(parameter, gradient, slots, t, rate)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)):
            name = type(self).__name__
            raise TypeError(
                f"{name}.rule should return (new parameter, slots by name), and returned {result!r}"
            )
        new, slots = result[0], dict(result[1])
        if average is not None:
            # The share of the newest weights among all so far: 1 at the first update, 1 - d in the long run.
            share = (1 - self.average) / (1 - self.average**t)
            slots = {**slots, _AVERAGE: average + share * (new - average)}
        return new, slots

    def _check_types(self, before: Mapping[str, Value], after: Mapping[str, Value]) -> None:
        name = type(self).__name__
        for key in (*before, *after):
            if key not in before or key not in after:
                raise ValueError(
                    f"{name}: its slots and what its rule returns should agree, and {key} does not"
                )
            if before[key].type != after[key].type:
                raise ValueError(f"{name}: {key} is {before[key].type}, and its update {after[key].type}")


def _parts(name: str) -> list[str]:
    """Return the names of what a parameter belongs to, itself last: layers, layers.0, layers.0.weight."""
    words = name.split(".")
    return [".".join(words[:count]) for count in range(1, len(words) + 1)]


def _number(operand: Operand, what: str) -> Value:
    """Return a scalar as a float64 that takes on the dtype of the arrays it meets, as hyperparameters do."""
    value = as_value(operand)
    if value.shape:
        raise ValueError(f"{what} should be one number, not {value.type}")
    if value.weak and is_float(value.dtype):
        return value
    number = cast(value, dtype="float64")
    number.weak = True
    return number
