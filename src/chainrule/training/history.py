"""History: one number an epoch for the loss and everything else that was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class History(dict[str, list[float]]):
    """What a fit measured: a dict from a name to a list with one number an epoch.

    ``history["loss"]`` is always there: the mean of the epoch's batch losses, each taken before its update,
    penalties included. With validation data there are ``history["validation_loss"]`` and the loss's metrics,
    such as ``history["validation_accuracy"]``, measured after the epoch.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
    >>> history = model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3)
    >>> len(history["loss"])
    3
    """

    def append(self, results: Mapping[str, float]) -> None:
        """Add the results of one more epoch."""
        for name, number in results.items():
            self.setdefault(name, []).append(number)

    def followed_by(self, epochs: Iterable[Mapping[str, float]]) -> History:
        """Return a new History with the results of these epochs after those of this one."""
        whole = History({name: list(numbers) for name, numbers in self.items()})
        for results in epochs:
            whole.append(results)
        return whole

    @property
    def epochs(self) -> int:
        """The number of epochs."""
        return len(self.get("loss", ()))
