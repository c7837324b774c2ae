"""L-BFGS by SciPy, on the compiled loss and gradient."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from chainrule.estimators.randomness import drawn_key
from chainrule.estimators.rows import as_rows
from chainrule.estimators.solver import has_schedule
from chainrule.estimators.sparse import fed
from chainrule.estimators.threads import one_blas_thread, thread_limit
from chainrule.estimators.warned import warn
from chainrule.executors import EXECUTORS
from chainrule.graph.loop import NotFiniteError, Stage, check_finite, run_stage
from chainrule.graph.sparse import SparseRows, Table
from chainrule.graph.types import Array
from chainrule.training.failure import first_not_finite
from chainrule.training.task import DataTypes
from chainrule.training.trainer import Trainer

if TYPE_CHECKING:
    from chainrule.estimators.base import BaseMLP

#: The most numbers of sparse rows that are dense at a time.
_NUMBERS = 1 << 24


def fit_lbfgs(estimator: BaseMLP, data: dict[str, Array], random_state: np.random.RandomState) -> str | None:
    """Fit an estimator by SciPy; return where numbers were first not finite, if there were such.

    After Ctrl-C, of which a warning tells, the weights are those of the last iteration that was finished.
    """
    estimator._renew()
    trainer, kept = estimator._trainer, estimator._kept
    trainer.key = drawn_key(random_state)
    fixed = trainer.arrays({})
    names = [f"{path}.{kind}" for kind in ("weight", "bias") for path in kept.network.dense]
    pack, unpack = _packing({name: fixed[name] for name in [*names, *kept.others]})
    # With batch normalization, or where places in a batch choose what is dropped, rows hang together.
    apart = not kept.state and not np.any(estimator.dropout)
    gradient_of = _gradient_of(trainer, as_rows(data), apart, thread_limit(estimator))
    evaluation = itertools.count(1)
    failures: list[str] = []

    def loss_and_gradient(vector: Array) -> tuple[float, Array]:
        loss, gradient, number = 0.0, np.zeros(len(vector)), next(evaluation)
        for part in gradient_of({**fixed, **unpack(vector)}):
            loss += part.share * float(part.results["batch_loss"])
            gradient += part.share * pack(part.results)
            if not failures:
                failures.extend(_traced(part, number))
        return loss, gradient

    result = _minimized(loss_and_gradient, pack(fixed), estimator, failures)
    estimator.n_iter_ = result.nit
    estimator.loss_ = np.float64(result.fun)
    estimator._take({**trainer.loop_state.carried, **unpack(result.x)})
    return failures[0] if failures else None


def _minimized(
    loss_and_gradient: Callable[[Array], tuple[float, Array]],
    start: Array,
    estimator: BaseMLP,
    failures: Sequence[str],
) -> Any:
    """Return SciPy's result, or what it has found until Ctrl-C; warn if that is not the minimum."""
    import scipy.optimize

    finished = scipy.optimize.OptimizeResult(x=start, fun=np.nan, nit=0)

    def follow(intermediate_result: Any) -> None:
        x, loss = np.array(intermediate_result.x), intermediate_result.fun
        finished.update(x=x, fun=loss, nit=finished.nit + 1)
        if estimator.verbose:
            print(f"Iteration {finished.nit}, loss = {loss:.8f}")

    options = {"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol}
    how = {"method": "L-BFGS-B", "jac": True, "options": options, "callback": follow}
    try:
        with one_blas_thread:
            result = scipy.optimize.minimize(loss_and_gradient, start, **how)
    except KeyboardInterrupt:
        warn("Training interrupted by user.")
        return finished
    _warn_unless_converged(result, failures)
    return result


def _warn_unless_converged(result: Any, failures: Sequence[str]) -> None:
    if result.status != 0 or not np.isfinite(result.fun):
        warn(
            f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}): "
            f"{result.message}; increase max_iter or max_fun, or scale the data."
            + "".join(f" In training {failure}." for failure in failures),
            ConvergenceWarning,
        )


class _Part(NamedTuple):
    """What some rows have given: their share of all weight, and results, with what these were made of."""

    share: float
    results: dict[str, Array]
    stage: Stage
    arrays: dict[str, Array]
    rows: Array


def _traced(part: _Part, evaluation: int) -> Iterator[str]:
    """Yield where the first number that is not finite was made, if there is one."""
    try:
        check_finite(part.results, part.arrays, part.rows)
    except NotFiniteError as failed:
        what = "the loss" if failed.name == "batch_loss" else f"the derivative by {failed.name}"
        found = first_not_finite(part.stage.graph, failed.arrays, failed.rows)
        yield f"{what} became {failed.number} in evaluation {evaluation} of the loss: {found}"


def _rows_together(data: dict[str, Table], apart: bool) -> int:
    """Return how many rows the gradient is computed of at a time: all, unless they are sparse and many."""
    x, weight = data["x"], data.get("sample_weight")
    if not apart or not isinstance(x, SparseRows) or (weight is not None and (weight[:] < 0).any()):
        return len(x)
    return max(1, min(len(x), _NUMBERS // x.width))


def _gradient_of(
    trainer: Trainer, data: dict[str, Table], apart: bool, n_threads: int | None
) -> Callable[[dict[str, Array]], Iterator[_Part]]:
    """Return a function of all arrays that yields loss and gradients of some rows after the other."""
    size, prepare = _rows_together(data, apart), EXECUTORS["compiled"].preparing(n_threads)
    trainer, handed = fed(trainer, data, size)
    stage = trainer.stage("reported gradients", DataTypes.of(handed))
    numbers = trainer.arguments()
    without_penalties = {path: 0 * numbers[path] for path in numbers if path.startswith("task.penalties")}

    def gradient_of(arrays: dict[str, Array]) -> Iterator[_Part]:
        arrays = {**arrays, **numbers}
        for rows, share in _parts(handed, size):
            given = {**arrays, **{name: table[rows] for name, table in handed.items()}}
            results = run_stage(stage, given, prepare)
            yield _Part(share, results, stage, given, np.arange(rows.start, rows.stop))
            arrays |= without_penalties  # they are of all rows, and counted with the first of them

    return gradient_of


def _parts(data: dict[str, Table], size: int) -> Iterator[tuple[slice, float]]:
    """Yield so many rows at a time, and their share of the weight of all."""
    rows, weight = len(data["x"]), data.get("sample_weight")
    if size >= rows:
        yield slice(0, rows), 1.0
        return
    weights = np.ones(rows) if weight is None else weight[:].astype(np.float64)
    for start in range(0, rows, size):
        chosen = slice(start, min(start + size, rows))
        share = weights[chosen].sum() / weights.sum()
        if share:
            yield chosen, float(share)


def _packing(
    arrays: dict[str, Array],
) -> tuple[Callable[[dict[str, Array]], Array], Callable[[Array], dict[str, Array]]]:
    """Return what makes one float64 vector of arrays like these, and what takes it apart."""
    ends = np.cumsum([array.size for array in arrays.values()])[:-1]

    def pack(given: dict[str, Array]) -> Array:
        return np.concatenate([given[name].ravel() for name in arrays]).astype(np.float64)

    def unpack(vector: Array) -> dict[str, Array]:
        parts = np.split(vector, ends)
        with np.errstate(over="ignore"):  # what is infinite is traced
            return {
                name: part.reshape(array.shape).astype(array.dtype)
                for (name, array), part in zip(arrays.items(), parts, strict=True)
            }

    return pack, unpack


def refuse_options(estimator: Any, validated: bool) -> None:
    """Raise a ValueError for options that L-BFGS has no use for; scikit-learn's own it ignores, as there.

    `validated` says if there is validation_data, by which a classifier may be calibrated.
    """
    no_use = ["callbacks", "checkpoint", "average", "weight_decay", "scoring"]
    no_use += ["clip_value", "clip_norm", "clip_global_norm", *(["learning_rate"] * has_schedule(estimator))]
    asked = [name for name in no_use if getattr(estimator, name)]
    if validated and not getattr(estimator, "calibrate", False):
        asked.append("validation_data")
    if asked:
        raise ValueError(
            f"lbfgs has no use for {', '.join(asked)}: it has no epochs and no steps of ours; leave "
            f"{'them' if len(asked) > 1 else 'it'} out, or use another solver"
        )


def has_epochs(estimator: Any) -> bool:
    """Whether the estimator is trained by epochs, which `partial_fit` needs; otherwise say so."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is only available for stochastic optimizers; lbfgs is none.")
    return True
