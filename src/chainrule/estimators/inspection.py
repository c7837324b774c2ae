"""What an estimator can be asked about itself, as a `Model` can: to check, to diagnose, to explain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import clone
from sklearn.utils import check_random_state

from chainrule.estimators.beginning import draw_weights
from chainrule.estimators.network import as_sizes
from chainrule.estimators.randomness import drawn_key
from chainrule.estimators.reading import known_rows, rows_to_fit
from chainrule.estimators.rows import as_dense
from chainrule.estimators.solver import batch_size_of, is_lbfgs, steps_of_fit
from chainrule.estimators.weights import follow_weights
from chainrule.graph.names import checked_options
from chainrule.graph.types import Array
from chainrule.graph.words import counted
from chainrule.training.data import as_count
from chainrule.training.task import DataTypes
from chainrule.training.trainer import Trainer

if TYPE_CHECKING:  # what inspects is imported when it is asked for: training does without it
    from chainrule.diagnosis.diagnose import Diagnosis
    from chainrule.diagnosis.gradients import ModelGradientReport
    from chainrule.estimators.base import BaseMLP
    from chainrule.explanation.explanation import Explanation


class Inspected:
    """The part of an estimator that checks, diagnoses and explains; none of it changes the estimator."""

    n_threads: int | None

    @checked_options
    def check_gradients(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        tolerance: float = 1e-5,
        samples: int = 20,
        seed: int = 0,
    ) -> ModelGradientReport:
        """Compare the gradient of the loss on these rows with differences, and with the compiled gradient.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`; some tens of rows are enough.
        tolerance, samples, seed
            As for `chainrule.check_gradients`.

        Returns
        -------
        ModelGradientReport
            True if nothing is wrong; printed, a table by layer.
        """
        from chainrule.diagnosis.gradients import check_model_gradients

        _, trainer, data = _prepared(self, X, y, sample_weight)
        stage = trainer.stage("gradients", DataTypes.of(data))
        return check_model_gradients(
            trainer.task.network,
            stage,
            trainer.arrays(data),
            tolerance=tolerance,
            samples=samples,
            seed=seed,
        )

    @checked_options
    def diagnose(self, X: Any, y: Any, *, sample_weight: Any = None) -> Diagnosis:
        """Examine the network on its data; before a fit, that which a fit would begin with.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`. Of many rows, some thousands are looked at.

        Returns
        -------
        Diagnosis
            True if nothing is wrong; otherwise few verdicts, each with its evidence and a remedy.
        """
        from chainrule.diagnosis.diagnose import examine
        from chainrule.diagnosis.patient import Patient

        copy, trainer, data = _prepared(self, X, y, sample_weight)
        size, names = batch_size_of(self, len(data["x"])), list(getattr(copy, "feature_names_in_", ()))
        return examine(Patient(trainer, data, n_threads=self.n_threads, batch_size=size, names=names))

    @checked_options
    def explain(self, X: Any, y: Any, *, sample_weight: Any = None, steps: int = 1) -> Explanation:
        """Return the story of the next training step on these rows.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`: one row, or a few.
        steps : int, default 1
            How many consecutive training steps are recorded, as for `Model.explain`.

        Returns
        -------
        Explanation
            Printed, it is text; ``to_html(path)`` writes a page.

        Raises
        ------
        ValueError
            If the data do not fit, or the solver is "lbfgs", whose steps are SciPy's and no formula of ours.
        """
        from chainrule.explaining import explain

        if is_lbfgs(self):
            raise ValueError(
                'explain tells the step of a solver by its formula, and "lbfgs" is SciPy\'s; '
                'set another solver, such as set_params(solver="sgd")'
            )
        copy, trainer, data = _prepared(self, X, y, sample_weight)
        weight = data.get("sample_weight")
        explanation = explain(trainer, data["x"], data["y"], weight, as_count(steps, "steps"))
        explanation.call(getattr(copy, "feature_names_in_", ()), _names_of_outputs(copy))
        return explanation


def _names_of_outputs(estimator: BaseMLP) -> Sequence[str]:
    """Return the names of the classes; where one output tells two apart, that for which it is above 0."""
    classes = [str(one) for one in getattr(estimator, "classes_", ())]
    if len(classes) == 2 and estimator.n_outputs_ == 1:
        return (f"{classes[1]}, not {classes[0]}",)
    return classes


def _prepared(
    estimator: Any, X: Any, y: Any, sample_weight: Any
) -> tuple[BaseMLP, Trainer, dict[str, Array]]:
    """Return a copy whose trainer stands where the next step begins, that trainer, and the rows for it."""
    copy: BaseMLP = clone(estimator)
    if hasattr(estimator, "coefs_"):
        copy.__dict__.update(estimator.__dict__)
        follow_weights(copy)
        rows = known_rows(copy, X, y, sample_weight)
        if rows.target.outputs != copy.n_outputs_:
            raise ValueError(
                f"y has {counted(rows.target.outputs, 'output')}, and the fit had {copy.n_outputs_}"
            )
        key = copy._trainer.key
    else:
        rows = rows_to_fit(copy, X, y, sample_weight, first=True)
        steps = steps_of_fit(copy, rows.data["x"].shape[0], False)
        random_state = check_random_state(copy.random_state)
        draw_weights(copy, rows.data["x"], as_sizes(copy.hidden_layer_sizes), steps, random_state)
        key = drawn_key(random_state)
    data = {**rows.data, "x": as_dense(rows.data["x"])}
    copy._renew()
    if copy._kept.left is not None:  # partial_fit goes on with its optimizer's state
        copy._take_rate(copy._kept.left)
        copy._go_on(copy._kept.left)
    trainer = copy._trainer
    trainer.key = key
    return copy, trainer, data
