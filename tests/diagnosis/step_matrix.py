"""Training steps in all the ways in which people write them, right ones and with one mistake."""

from dataclasses import dataclass

import numpy as np
from homework import SOFTMAX, homework, problem

NAMES = {  # a mistake as it is planted, and as it is called
    "order": "weights updated before the deltas are taken",
    "bias": "bias not trained",
    "sum": "sum where mean was meant",
    "transposed": "transposed weight gradient",
    "softmax twice": "softmax twice",
    "softmax twice in the loss": "softmax twice",
    "softmax twice in the gradient": "softmax twice",
    "last bias": "bias not trained",
    "uphill": "step uphill",
    "factor": "gradient scaled",
    "no rate": "learning rate not used",
    "late loss": "loss taken after the update",
    "mean of a sum": "mean where sum was meant",
    "no slope": "wrong gradient",
}
LAYOUTS = ("rows", "columns", "W.T", "bias rows", "weights first", "one vector")


@dataclass(frozen=True)
class Way:
    """One way to write a step: what it computes, and in which form it takes its arrays."""

    mistake: str | None
    loss: str = "cross_entropy"
    unit: float = 1.0
    all_a_sum: bool = False
    activation: str = "tanh"
    widths: tuple[int, ...] = (4, 5, 3)
    rows: int = 6
    decay: float = 0.0
    layout: str = "rows"
    one_hot: bool = False
    named: bool = False
    delta: str = "p - t"
    size: float = 1.0
    smoothing: float = 0.0
    weighted: bool = False
    seed: int = 0

    def case(self):
        """Return the step and what it is given."""
        planted = [self.mistake] if self.mistake else []
        if self.all_a_sum:
            planted.append("all a sum")
        step = homework(
            *planted,
            activation=self.activation,
            loss=self.loss,
            unit=self.unit,
            decay=self.decay,
            delta=self.delta,
            smoothing=self.smoothing,
            class_weights=np.random.default_rng(self.seed).uniform(0.3, 3, 20) if self.weighted else None,
        )
        weights, x, y = problem(
            self.widths, rows=self.rows, seed=self.seed, classes=self.loss != "squares", named=self.named
        )
        for place in weights if self.named else range(len(weights)):
            weights[place] = self.size * weights[place]
        if self.activation == "relu":  # so that none is dead, and hides a mistake
            for place in list(weights)[1:-1:2] if self.named else range(1, len(weights) - 1, 2):
                weights[place] = weights[place] + 1.0
        if self.one_hot or self.loss == "brier":
            y = np.eye(self.widths[-1])[y]
        return laid_out(step, self.layout, weights, x, y)


def laid_out(step, layout, weights, x, y):
    """Return the same step for arrays in another form, and these."""
    if layout == "rows":
        return step, weights, x, y
    if layout == "one vector":
        return in_one_vector(step, weights, x, y)
    turned = layout in ("columns", "W.T")
    names = list(weights) if isinstance(weights, dict) else range(len(weights))
    order = [*names[::2], *names[1::2]] if layout == "weights first" else list(names)

    def outside(array):
        if array.ndim == 2:
            return array.T if turned else array
        return array[:, None] if layout == "columns" else array[None, :] if layout == "bias rows" else array

    def inside(array, bias):
        if bias:
            return array.reshape(-1)
        return array.T if turned else array

    def data(array):
        return array.T if layout == "columns" else array

    def other(given, x, y, learning_rate):
        of_name = {
            name: inside(given[name if isinstance(given, dict) else place], names.index(name) % 2)
            for place, name in enumerate(order)
        }
        ordered = [of_name[name] for name in names]
        loss, new = step(ordered, data(x), data(y), learning_rate)
        by_name = dict(zip(names, map(outside, new), strict=True))
        arrays = {name: by_name[name] for name in order}
        return loss, arrays if isinstance(given, dict) else list(arrays.values())

    given = {name: outside(weights[name]) for name in order}
    return other, given if isinstance(weights, dict) else list(given.values()), data(x), data(y)


def in_one_vector(step, weights, x, y):
    """Return the same step for one vector of all weights, and this: biases by layers, or all behind."""
    names = list(weights) if isinstance(weights, dict) else range(len(weights))
    order = [list(names), [*names[::2], *names[1::2]]][x.size % 2]
    ends = np.cumsum([weights[name].size for name in order])

    def other(vector, x, y, learning_rate):
        pieces = dict(zip(order, np.split(vector, ends[:-1]), strict=True))
        arrays = {name: pieces[name].reshape(weights[name].shape) for name in names}
        loss, new = step(arrays if isinstance(weights, dict) else list(arrays.values()), x, y, learning_rate)
        return loss, np.concatenate([np.ravel(new[name]) for name in order])

    return other, np.concatenate([weights[name].ravel() for name in order]), x, y


def any_way(number):
    """Return the way of this number: any combination that makes sense."""
    draw = np.random.default_rng(number)

    def one_of(*choices):
        return choices[draw.integers(len(choices))]

    mistake = one_of(None, *NAMES)
    loss = one_of("cross_entropy", "cross_entropy", "squares", "brier")
    if mistake in (*SOFTMAX, "late loss"):
        loss = "cross_entropy"
    outputs = int(draw.integers(2, 11))
    hidden = [int(draw.integers(2, 9)) for _ in range(draw.integers(0 if mistake is None else 1, 4))]
    features = int(draw.integers(2, 7))
    if mistake == "transposed":
        hidden, features = [outputs] * len(hidden), outputs
    return Way(
        mistake,
        loss,
        unit=one_of(1.0, 1.0, 0.5, 1 / outputs) if mistake not in (*SOFTMAX, "late loss") else 1.0,
        all_a_sum=mistake not in ("sum", "mean of a sum", "late loss") and one_of(False, False, True),
        activation=one_of("tanh", "sigmoid", "tanh" if mistake == "no slope" else "relu"),
        widths=(features, *hidden, outputs),
        rows=int(draw.integers(4, 12)),
        decay=one_of(0.0, 0.0, 0.01, 0.1) if mistake != "late loss" else 0.0,
        layout=one_of(*LAYOUTS),
        one_hot=loss == "cross_entropy" and one_of(False, True),
        named=one_of(False, True),
        delta=one_of("p - t", "jacobian", "by rows") if mistake not in SOFTMAX else "p - t",
        size=one_of(1.0, 0.3, 2.0),
        smoothing=one_of(0.0, 0.0, 0.1) if loss == "cross_entropy" and mistake != "late loss" else 0.0,
        weighted=loss == "cross_entropy" and mistake != "late loss" and one_of(False, False, True),
        seed=number,
    )


def expected(way):
    """Return the names that the report should have."""
    return {NAMES[way.mistake]} if way.mistake else set()
