"""L-BFGS by SciPy, on the compiled loss and gradient."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from chainrule.estimators.solver import has_schedule
from chainrule.estimators.threads import one_blas_thread
from chainrule.graph.loop import NotFiniteError, Prepare, Stage, check_finite, run_stage
from chainrule.graph.types import Array
from chainrule.training.failure import first_not_finite
from chainrule.training.trainer import Trainer


def minimize(
    trainer: Trainer,
    data: dict[str, Array],
    names: Sequence[str],
    prepare: Prepare,
    *,
    options: dict[str, Any],
    verbose: bool,
) -> tuple[Any, dict[str, Array], str | None]:
    """Return SciPy's result, the parameters by name that it found, and where numbers were first not finite.

    Parameters
    ----------
    trainer : Trainer
        Where it starts.
    data : dict of ndarray
        All rows: x, y, and perhaps their weights.
    names : sequence of str
        The parameters, in the order in which they make one vector.
    prepare : callable
        Makes a graph ready to run.
    options : dict
        SciPy's.
    verbose : bool
        Whether each iteration's loss is printed, as an epoch's is.
    """
    import scipy.optimize

    stage = trainer.stage("gradients", trainer.data_types(data))
    fixed = trainer.arrays(data)
    pack, unpack = _packing({name: fixed[name] for name in names})

    evaluation, iteration = itertools.count(1), itertools.count(1)
    failures: list[str] = []

    def loss_and_gradient(vector: Array) -> tuple[float, Array]:
        arrays = {**fixed, **unpack(vector)}
        results = run_stage(stage, arrays, prepare)
        number = next(evaluation)
        if not failures:
            failures.extend(_traced(stage, arrays, results, number))
        return float(results["batch_loss"]), pack(results)

    def tell(intermediate_result: Any) -> None:
        print(f"Iteration {next(iteration)}, loss = {intermediate_result.fun:.8f}")

    with one_blas_thread:
        result = scipy.optimize.minimize(
            loss_and_gradient,
            pack(fixed),
            method="L-BFGS-B",
            jac=True,
            options=options,
            callback=tell if verbose else None,
        )
    failure = failures[0] if failures else None
    if result.status != 0 or not np.isfinite(result.fun):
        warnings.warn(
            f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}): "
            f"{result.message}; increase max_iter or max_fun, or scale the data."
            + (f" In training {failure}." if failure else ""),
            ConvergenceWarning,
            stacklevel=5,
        )
    return result, {name: np.array(array) for name, array in unpack(result.x).items()}, failure


def _traced(
    stage: Stage, arrays: dict[str, Array], results: dict[str, Array], evaluation: int
) -> Iterator[str]:
    """Yield where the first number that is not finite was made, if there is one."""
    try:
        check_finite(results, arrays, np.arange(len(arrays["x"])))
    except NotFiniteError as failed:
        what = "the loss" if failed.name == "batch_loss" else f"the derivative by {failed.name}"
        found = first_not_finite(stage.graph, failed.arrays, failed.rows)
        yield f"{what} became {failed.number} in evaluation {evaluation} of the loss: {found}"


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


def refuse_options(estimator: Any) -> None:
    """Raise a ValueError for options that L-BFGS has no use for; scikit-learn's own it ignores, as there."""
    no_use = ["callbacks", "checkpoint", "average", "weight_decay"]
    no_use += ["clip_value", "clip_norm", "clip_global_norm", *(["learning_rate"] * has_schedule(estimator))]
    asked = [name for name in no_use if getattr(estimator, name)]
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
