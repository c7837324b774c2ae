"""What a model can be asked about itself: is its gradient right, is it sound, and what does a step do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.attributes import Attributes
from chainrule.graph.loop import Inputs, NotFiniteError
from chainrule.graph.names import checked_options
from chainrule.training.data import as_count
from chainrule.training.fit import not_finite
from chainrule.training.frames import column_names

if TYPE_CHECKING:  # what inspects is imported when it is asked for: training does without it
    from chainrule.diagnosis.diagnose import Diagnosis
    from chainrule.diagnosis.gradients import ModelGradientReport
    from chainrule.explanation.explanation import Explanation


class Inspection(Attributes):
    """The part of a `Model` that checks, diagnoses and explains; none of it changes the model."""

    __slots__ = ()

    @checked_options
    def check_gradients(
        self,
        x: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        tolerance: float = 1e-5,
        samples: int = 20,
        seed: int = 0,
    ) -> ModelGradientReport:
        """Compare the gradient of the loss on these rows with differences, and with the compiled gradient.

        Every parameter array is checked, biases too: in float64 against central differences of the loss, with
        a step that adapts to each entry; and in the model's own precision, compiled against evaluated. Where
        the derivative jumps (relu at 0) nothing is judged. Nothing is changed.

        Parameters
        ----------
        x, y, sample_weight
            As for `fit`; some tens of rows are enough.
        tolerance, samples, seed
            As for `check_gradients`.

        Returns
        -------
        ModelGradientReport
            True if nothing is wrong. Printed, it is a table by layer; below it stand the wrong entries and
            the primitives to blame.

        Examples
        --------
        >>> import chainrule as cr
        >>> model = cr.Model(cr.Dense(2, activation="tanh"), loss="mean_squared_error")
        >>> model.check_gradients([[0.0, 0.5, 1.0]], [[0.0, 1.0]]).passed
        True
        """
        from chainrule.diagnosis.gradients import check_model_gradients

        stage, arrays, _ = self._trainer.prepared("gradients", x, y, sample_weight)
        return check_model_gradients(
            self._trainer.task.network, stage, arrays, tolerance=tolerance, samples=samples, seed=seed
        )

    @checked_options
    def diagnose(
        self, x: Any, y: Any = None, *, sample_weight: Any = None, batch_size: int | None = 32
    ) -> Diagnosis:
        """Examine the network on its data before training; copies are trained, the model stays as it is.

        It looks at the scale of features and targets, duplicated and leaking columns, losses and gradients
        that are not finite, the loss at the start against that of a network that knows nothing, dead and
        saturated units, vanishing and exploding gradients, the learning rate, how far a step changes the
        weights, whether two rows can be learnt by heart, and whether the input helps at all.

        Parameters
        ----------
        x, y, sample_weight
            As for `fit`. Of many rows, some thousands are looked at.
        batch_size : int or None, default 32
            That of the fit to come: a learning rate may be too high for some sizes only. Copies are trained
            by batches of at most 256 rows.

        Returns
        -------
        Diagnosis
            True if nothing is wrong; otherwise few verdicts, each with its evidence and a remedy.

        Examples
        --------
        >>> import numpy as np
        >>> import chainrule as cr
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> net = cr.Sequential([cr.Dense(16, activation="tanh"), cr.Dense(1)])
        >>> model = cr.Model(net, loss="mean_squared_error", optimizer=cr.SGD(1e-6))
        >>> [verdict.name for verdict in model.diagnose(x, x[:, 0] * x[:, 1]).verdicts]
        ['learning rate too low']
        """
        from chainrule.diagnosis.diagnose import examine
        from chainrule.diagnosis.patient import Patient

        with self._trainer.unchanged_on_failure():
            data = self._trainer.batch(x, y, sample_weight)
            size = len(data["x"]) if batch_size is None else as_count(batch_size, "batch_size")
        names = column_names(x) or self._trainer.feature_names or ()
        patient = Patient(self._trainer, data, self.executor, self.n_threads, self.seed, size, names)
        return examine(patient.copy())

    @checked_options
    def explain(self, x: Any, y: Any = None, *, sample_weight: Any = None, steps: int = 1) -> Explanation:
        """Return the story of the next training step on these rows; a model that is built is not changed.

        Parameters
        ----------
        x, y, sample_weight
            As for `fit`: one row, or a few.
        steps : int, default 1
            How many consecutive training steps on these rows are recorded. The first is told in full, the
            others by their loss and by the sizes of weights, gradients and updates in each layer.

        Returns
        -------
        Explanation
            Printed, it is text; ``to_html(path)`` writes a page, ``why("layers.0.weight[1, 0]")`` takes one
            derivative apart.

        Raises
        ------
        ValueError
            If the data do not fit (saying where), or the loss is not finite.

        Examples
        --------
        >>> import chainrule as cr
        >>> net = cr.Sequential([cr.Dense(2, activation="sigmoid"), cr.Dense(1)])
        >>> model = cr.Model(net, loss="mean_squared_error", optimizer=cr.SGD(0.5))
        >>> explanation = model.explain([[0.05, 0.10]], [0.5])
        >>> explanation.loss_after < explanation.loss
        True
        """
        from chainrule.explaining import explain

        return explain(self._trainer, x, y, sample_weight, as_count(steps, "steps"))

    @checked_options
    def profile(
        self, x: Any, y: Any = None, *, sample_weight: Any = None, batch_size: int | None = 32
    ) -> str:
        """Return how long each part of a training step takes, as a table; nothing is changed.

        A line is a kernel, a loop nest of the step's native code: its time in microseconds (the median over
        some epochs), its share, for a matrix product the multiplications and additions a second, and the
        bytes a second of the arrays that it reads and writes. The clock is read in a build made for it.

        Parameters
        ----------
        x, y, sample_weight, batch_size
            As for `fit`. A few batches are enough.

        Raises
        ------
        ValueError
            As for `fit`.

        Examples
        --------
        >>> import numpy as np
        >>> import chainrule as cr
        >>> model = cr.Model(cr.Dense(10), loss="mean_squared_error", executor="compiled")
        >>> text = model.profile(np.ones((64, 20)), np.ones((64, 10)))
        >>> print(text.splitlines()[0].split("for ")[1])
        a training step on 32 rows with 1 thread, without the gathering of rows
        """
        trainer = self._trainer
        with trainer.unchanged_on_failure():
            data = trainer.batch(x, y, sample_weight)
            size = len(data["x"]) if batch_size is None else as_count(batch_size, "batch_size")
            inputs = Inputs(data, trainer.arguments(), trainer.key, size, 1, {}, self.n_threads)
            loop = trainer.loop(data, {}, shuffle=True)
        from chainrule.compiler.profile import profile_loop  # training does without it

        try:
            return profile_loop(loop, trainer.loop_state, inputs)
        except NotFiniteError as failure:
            raise ValueError(not_finite(failure, loop.step, trainer.loop_state)) from None
