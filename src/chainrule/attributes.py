"""What a model is made of: looked at, and set where that can be."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from chainrule.executors import EXECUTORS
from chainrule.graph.names import unknown_name
from chainrule.graph.types import Array, DType
from chainrule.layers import Layer
from chainrule.losses import Loss
from chainrule.optimizers import Optimizer, as_optimizer
from chainrule.training.alone import refuse_while_fitted
from chainrule.training.data import as_count
from chainrule.training.summary import summary
from chainrule.training.trainer import Trainer

#: What cannot be set, but replaced otherwise.
_INSTEAD: Final = dict.fromkeys(("weights", "state"), "model.set_weights({...}) replaces arrays by name")
_ANOTHER = "make another model, and hand over the weights if need be: other.set_weights(model.weights)"


class Attributes:
    """The part of a `Model` that is looked at and set; it has no other attributes, but a subclass may."""

    __slots__ = {
        "metadata": "Anything that JSON can hold; it is saved and loaded with the model.",
        **dict.fromkeys(("_trainer", "_executor", "_n_threads", "__weakref__")),
    }

    _trainer: Trainer
    metadata: dict[str, Any]

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute that there is; of another, or one that cannot be set, say what to do instead."""
        try:
            super().__setattr__(name, value)
        except AttributeError:
            raise AttributeError(self._refusal(name), name=name, obj=self) from None

    def _refusal(self, name: str) -> str:
        """Return why an attribute is not set, and what to do."""
        if hasattr(type(self), name):
            return f"a model's {name} cannot be set; {_INSTEAD.get(name, _ANOTHER)}"
        if name in (field.name for field in fields(self.optimizer)):
            return (
                f"{name} is a number of the optimizer; set another optimizer, as in "
                f"model.optimizer = dataclasses.replace(model.optimizer, {name}=...)"
            )
        public = [known for known in dir(type(self)) if not known.startswith("_")]
        return unknown_name("attribute of a model", name, public)

    @property
    def network(self) -> Layer:
        """The network."""
        return self._trainer.task.network

    @property
    def loss(self) -> Loss | None:
        """The loss; None if the model has an objective."""
        return self._trainer.task.loss

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer; another of its kind may be set: ``model.optimizer = cr.Adam(1e-4)``."""
        return self._trainer.task.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: str | Optimizer) -> None:
        refuse_while_fitted(self, "setting the optimizer")
        self._trainer.change_optimizer(as_optimizer(optimizer))

    @property
    def dtype(self) -> DType:
        """The dtype of weights and computation."""
        return self._trainer.task.dtype

    @property
    def seed(self) -> int:
        """The seed that it was made with."""
        return self._trainer.seed

    @property
    def executor(self) -> str:
        """What runs training and prediction, ``"compiled"`` or ``"numpy"``; the other may be set."""
        return self._executor

    @executor.setter
    def executor(self, executor: str) -> None:
        if executor not in EXECUTORS:
            raise ValueError(unknown_name("executor", executor, EXECUTORS))
        self._executor = executor

    @property
    def n_threads(self) -> int | None:
        """How many threads share a step, or None; another number may be set."""
        return self._n_threads

    @n_threads.setter
    def n_threads(self, n_threads: int | None) -> None:
        self._n_threads = None if n_threads is None else as_count(n_threads, "n_threads")

    @property
    def weights(self) -> dict[str, Array]:
        """The parameters by name, as copies: ``{"layers.0.weight": array (in, out), ...}``."""
        return self._trainer.copies(self._trainer.carried.parameters)

    @property
    def state(self) -> dict[str, Array]:
        """What layers keep besides parameters, by name, as copies: running means and variances."""
        return self._trainer.copies(self._trainer.carried.state)

    @property
    def feature_names(self) -> list[str] | None:
        """The names of the columns that it has learnt from; None if they came without names."""
        names = self._trainer.feature_names
        return None if names is None else list(names)

    @property
    def epochs(self) -> int:
        """Epochs that it has been trained for."""
        return self._trainer.loop_state.epoch if self._trainer.x else 0

    @property
    def steps(self) -> int:
        """Weight updates that it has had."""
        return self._trainer.loop_state.step if self._trainer.x else 0

    def summary(self) -> str:
        """Return the layers as a table: what each returns for a row, and how many parameters it has.

        Raises
        ------
        ValueError
            If the model has no weights yet, whose shapes the input decides.

        Examples
        --------
        >>> import chainrule as cr
        >>> net = cr.Sequential([cr.Dense(16), cr.Dropout(0.1), cr.Dense(3)])
        >>> model = cr.Model(net, loss="cross_entropy")
        >>> model.build(features=4)
        >>> print(model.summary())
        layer                   output  parameters
        x                    (rows, 4)
        layers.0 (Dense)    (rows, 16)          80
        layers.1 (Dropout)  (rows, 16)
        layers.2 (Dense)     (rows, 3)          51
        all                  (rows, 3)         131
        """
        return summary(self._trainer)

    def __repr__(self) -> str:
        aim = f"objective={self._trainer.task.objective!r}" if self.loss is None else f"loss={self.loss!r}"
        return f"Model({self.network!r}, {aim}, optimizer={self.optimizer!r}, dtype={self.dtype.name!r})"
