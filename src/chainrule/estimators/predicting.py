"""Predictions, some rows at a time; sparse rows of few numbers are multiplied by these alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import issparse

from chainrule.compiler.threads import thread_count
from chainrule.estimators.network import layers_of
from chainrule.estimators.rows import as_dense
from chainrule.estimators.sparse import Multiplied, with_first
from chainrule.executors import EXECUTORS
from chainrule.graph.loop import run_stage
from chainrule.graph.types import ROWS, Array, ArrayType
from chainrule.layers import Dense
from chainrule.training.trainer import StageKind, Trainer

#: The most numbers of rows that are predicted at a time.
_TOGETHER = 1 << 23
#: SciPy's product takes so many times as long, per number of a row that it multiplies, as a dense one.
_SLOWER = 4
#: Narrower rows are cheap enough as dense ones.
_NARROW = 256
#: So many multiplications of a sparse product take long beside what it costs to share them.
_WORTH_A_THREAD = 1 << 26


class Predictor:
    """The outputs of a trainer's network.

    Parameters
    ----------
    trainer : Trainer
        Of a network that takes dense rows.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._first = layers_of(trainer.task.network)[0]

    def __call__(
        self,
        x: Any,
        parameters: Mapping[str, Array],
        state: Mapping[str, Array],
        *,
        link: bool,
        n_threads: int | None,
        check: Callable[[Array, int], object],
    ) -> Array:
        """Return the output for each row; a row's own numbers decide how it is multiplied.

        Parameters
        ----------
        x : ndarray or sparse matrix
            Rows.
        parameters, state : mapping of arrays
            In place of the trainer's.
        link : bool
            Whether it is what the loss makes of the output.
        n_threads : int or None
            How many share the work; None leaves it to the work.
        check : callable
            Is told some dense rows, and the number of the first.
        """
        trainer = self._trainer
        names = trainer.predicting_names()
        arrays = {**trainer.loop_state.carried, **self._arguments, **state, **parameters}
        arrays |= {names[name]: array for name, array in parameters.items()}
        arrays |= {"key": trainer.key, "step": np.asarray(0, np.int32)}
        dense = _Outputs(trainer, arrays, "link" if link else "prediction", n_threads)
        if not issparse(x) or x.shape[1] < _NARROW or not isinstance(self._first, Dense):
            return dense.of(x, check)
        after = replace(dense, trainer=self._after)
        few = _SLOWER * np.diff(x.indptr) <= x.shape[1]
        if few.all() or not few.any():
            return after.of_products(x) if few.all() else dense.of(x, check)
        y = np.empty((x.shape[0], *trainer.output.shape[1:]), trainer.task.dtype)
        y[few], y[~few] = after.of_products(x[few]), dense.of(x[~few], check)
        return y

    @cached_property
    def _arguments(self) -> dict[str, Array]:
        return self._trainer.arguments()

    @cached_property
    def _after(self) -> Trainer:
        """What is left of the network after the product of its first layer."""
        assert isinstance(self._first, Dense)
        kind = ArrayType((ROWS, self._first.units), self._trainer.task.dtype)
        return with_first(self._trainer, Multiplied(self._first), kind)


@dataclass(frozen=True)
class _Outputs:
    """What a trainer's network gives for rows: its arrays, the kind of output, and who shares the work."""

    trainer: Trainer
    arrays: Mapping[str, Array]
    kind: StageKind
    n_threads: int | None

    def of(self, x: Any, check: Callable[[Array, int], object] | None = None) -> Array:
        """Return the outputs of rows that are made dense."""
        stage = self.trainer.stage(self.kind)
        prepare = EXECUTORS["compiled"].preparing(self.n_threads)
        outputs = []
        for part, start in _parts(x, self.trainer.rows_together(stage)):
            rows = np.ascontiguousarray(as_dense(part), self.trainer.task.dtype)
            if check is not None:
                check(rows, start)
            outputs.append(run_stage(stage, {**self.arrays, "x": rows}, prepare)["prediction"])
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def of_products(self, x: Any) -> Array:
        """Return the outputs of sparse rows, by a network that is given their first products."""
        weight, x = self.arrays["layers.0.weight"], x.astype(self.trainer.task.dtype, copy=False)
        work = x.nnz * weight.shape[1]
        shared = min(thread_count(work, self.n_threads), 1 + work // _WORTH_A_THREAD)
        most = min(-(-x.shape[0] // shared), _TOGETHER // weight.shape[1])
        parts = (part for part, _ in _parts(x, max(most, 1)))
        if shared == 1:
            return np.concatenate([self.of(part @ weight) for part in parts])
        with ThreadPoolExecutor(shared) as pool:  # SciPy's product lets other threads run
            return np.concatenate([*pool.map(lambda part: self.of(part @ weight), parts)])


def _parts(rows: Any, most: int) -> Iterator[tuple[Any, int]]:
    """Iterate over parts of at most so many rows, each with the number of its first."""
    count, width = rows.shape
    size = max(1, min(most, _TOGETHER // width))
    if size >= count:  # a part of a sparse matrix is a copy
        yield rows, 0
    else:
        yield from ((rows[start : start + size], start) for start in range(0, count, size))
