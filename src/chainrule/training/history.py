"""History: one number an epoch for the loss and everything else that was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from chainrule.graph.names import unknown_name
from chainrule.training.plots import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What a fit records by layer if it is asked to, and of the whole.
RECORDED = ("learning_rate", "gradient_norm", "update_ratio")


class DamagedHistoryError(ValueError):
    """Something that is no history was to be read as one."""

    def __init__(self) -> None:
        super().__init__("its history is damaged")


class History(dict[str, list[float]]):
    """What a fit measured: a dict from a name to a list with one number an epoch.

    ``history["loss"]`` is always there: the mean of the epoch's batch losses, each taken before its update,
    penalties included. With validation data there are ``history["validation_loss"]`` and the loss's metrics,
    such as ``history["validation_accuracy"]``, measured after the epoch.

    Attributes
    ----------
    recorded : dict of dict of list of float
        What a callback such as `Recorder` asked for, one number an epoch. By layer, and as means over the
        epoch's steps: ``recorded["gradient_norm"]["layers.0"]``, the Euclidean norm of the layer's gradient,
        and ``recorded["update_ratio"]["layers.0"]``, that of the change of its weights as a part of that of
        the weights. And ``recorded["learning_rate"][""]``, that of the epoch's last step.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
    >>> history = model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3)
    >>> len(history["loss"])
    3
    """

    def __init__(self, *results: Any, **more: Any) -> None:
        super().__init__(*results, **more)
        self.recorded: dict[str, dict[str, list[float]]] = {}

    def __missing__(self, name: object) -> NoReturn:
        raise KeyError(unknown_name("result", name, self))

    def append(self, results: Mapping[str, float]) -> None:
        """Add the results of one more epoch."""
        for name, number in results.items():
            self.setdefault(name, []).append(number)

    def followed_by(self, epochs: Iterable[Mapping[str, float]]) -> History:
        """Return a new History with the results of these epochs after those of this one."""
        whole = History({name: list(numbers) for name, numbers in self.items()})
        for kind, layers in self.recorded.items():
            whole.recorded[kind] = {layer: list(numbers) for layer, numbers in layers.items()}
        listed = list(epochs)
        for name in listed[0] if listed else ():  # all at once, since a short fit has hundreds of epochs
            whole.setdefault(name, []).extend([results[name] for results in listed])
        return whole

    def record(self, kind: str, layer: str, number: float) -> None:
        """Add one recorded number of one more epoch."""
        self.recorded.setdefault(kind, {}).setdefault(layer, []).append(number)

    def plot(self) -> Figure:
        """Return a figure of what was measured: losses, metrics, and what was recorded by layer.

        It needs matplotlib, the extra ``chainrule[plot]``.

        Raises
        ------
        ValueError
            If there is no epoch in it.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> import chainrule as cr
        >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
        >>> history = model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3, callbacks=[cr.Recorder()])
        >>> history.plot().savefig("fit.png")
        """
        return draw(self, self.recorded)

    @property
    def epochs(self) -> int:
        """The number of epochs."""
        return len(self.get("loss", ()))

    def to_json(self) -> dict[str, Any]:
        """Return the history as JSON."""
        return {"results": {name: list(numbers) for name, numbers in self.items()}, "recorded": self.recorded}

    @classmethod
    def from_json(cls, item: Any) -> History:
        """Return the history that was written as JSON; a ValueError says that it is none."""
        history = cls()
        try:
            for name, numbers in item["results"].items():
                history[str(name)] = [float(number) for number in numbers]
            for kind in RECORDED:
                for layer, numbers in item["recorded"].get(kind, {}).items():
                    for number in numbers:
                        history.record(kind, str(layer), float(number))
        except (KeyError, TypeError, AttributeError, ValueError):
            raise DamagedHistoryError from None
        return history
