"""A training step that somebody wrote, checked; the classic mistakes are called by their names."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from chainrule.diagnosis.cross_entropy import cross_entropy
from chainrule.diagnosis.cut_off import CLEAR, is_cut_off, note
from chainrule.diagnosis.examples import examples
from chainrule.diagnosis.factors import scaled
from chainrule.diagnosis.mistakes import ArrayFinding, Examiner, names_of
from chainrule.diagnosis.one_vector import in_parts, parts_of_vector, state_apart
from chainrule.diagnosis.own_step import NONE, NoResultError, OwnStep, Step, close, quiet
from chainrule.diagnosis.places import examined_where_it_tells
from chainrule.diagnosis.roles import is_bias
from chainrule.diagnosis.rules import State, at_usual_rate, decay, other_rule, sigmoid_slope, without_state
from chainrule.diagnosis.softmax import loss_has_two, update_has_two
from chainrule.diagnosis.stacks import unstacked
from chainrule.diagnosis.step_report import StepReport
from chainrule.diagnosis.verdict import Verdict
from chainrule.functions.random import as_seed
from chainrule.graph.names import checked_options


@checked_options
@quiet()
def check_step(
    step: Step,
    weights: Any = None,
    x: Any = None,
    y: Any = None,
    *,
    learning_rate: float = 0.1,
    samples: int = 12,
    tolerance: float = 1e-4,
    seed: int = 0,
) -> StepReport:
    r"""Check a training step that you wrote yourself, in plain NumPy for example.

    The step's own loss is differentiated numerically, and compared with what the step takes off the weights:

    .. math:: \frac{w - w_\mathrm{new}}{\eta} \quad \text{should be} \quad \frac{\partial L}{\partial w}

    Where they differ, the report names the mistake, if it is a classic one: weights updated before the deltas
    are taken; bias not trained; sum where mean was meant (or mean where sum was); softmax twice; transposed
    weight gradient; step uphill; learning rate not used, or used twice; loss taken after the update; penalty
    left out of the gradient; not plain gradient descent.

    Parameters
    ----------
    step : callable
        ``step(weights, x, y, learning_rate)`` returns ``(loss, new_weights)``: the loss before the update,
        and the weights after one step of plain gradient descent. It may change what it is given: it gets
        copies.
    weights : dict, list or tuple of array_like, optional
        As the step takes them. Unless given, it is tried with the arrays of a net with one hidden layer,
        4-4-4 or 4-4-1: a list ``[W1, b1, W2, b2]``, a dict of these names, ``[W1, W2, b1, b2]``, or without
        biases.
    x, y : array_like, optional
        A small batch: one row for each example, or one column. Unless given, 6 rows with 4 features, and
        their classes as rows of 0 and 1; or as columns, one output, or numbers, where only these run. What
        is wrong with 4 outputs is tried with one; if it is right there, it passes, and a note tells of it.
    learning_rate : float, default 0.1
        η: some usual value. The gradient is read off much smaller ones as well.
    samples : int, default 12
        How many weights of an array are checked.
    tolerance : float, default 1e-4
        The relative error up to which a gradient is right.
    seed : int, default 0
        Which weights are checked.

    Returns
    -------
    StepReport
        True if no mistake is seen. Printed, it is a table by array, with the mistakes below.

    Raises
    ------
    TypeError, ValueError
        If the step is no such function, returns something else, or something else at each call; or the loss
        is not finite.

    Notes
    -----
    A step should be plain gradient descent and the same at each call: leave dropout, Adam and the like out
    while it is checked. A state among the weights, such as the velocities of momentum, is set to 0, and not
    judged. Weight decay that the loss does not tell of is a note. Where the loss has a kink (relu at 0)
    nothing is judged; if that is all of an array, the weights are moved a little. Where gradients are too
    small to tell, fresh weights are drawn, and what cannot be judged there either is named. The step is also
    called on parts of the batch, and with other weights, rows and classes.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> def step(weights, x, y, learning_rate):
    ...     W1, b1, W2, b2 = weights
    ...     h = np.tanh(x @ W1 + b1)
    ...     z = h @ W2 + b2
    ...     p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    ...     loss = -np.mean(np.sum(y * np.log(p), axis=1))
    ...     d2 = (p - y)  # forgotten: / len(x)
    ...     d1 = (d2 @ W2.T) * (1 - h**2)
    ...     gradients = [x.T @ d1, d1.sum(axis=0), h.T @ d2, d2.sum(axis=0)]
    ...     return loss, [w - learning_rate * g for w, g in zip(weights, gradients)]
    >>> report = cr.check_step(step)
    >>> report.passed
    False
    >>> print(report.mistakes[0].name)
    sum where mean was meant
    """
    are_real = isinstance(learning_rate, Real) and isinstance(tolerance, Real)
    are_numbers = are_real and isinstance(samples, Integral)
    if not (are_numbers and 0 < learning_rate < np.inf and samples >= 1 and 0 < tolerance < 1):
        raise ValueError(
            "a step is checked with a learning rate above 0, at least 1 sample of an array, and a tolerance "
            f"between 0 and 1, not {learning_rate!r}, {samples!r} and {tolerance!r}"
        )
    check = functools.partial(
        _checked, learning_rate=learning_rate, samples=samples, tolerance=tolerance, seed=seed
    )
    given = [part is not None for part in (weights, x, y)]
    if any(given) and not all(given):
        raise ValueError("check_step takes weights, x and y, or none of them for an example of its own")
    return check(OwnStep(step, weights, x, y)) if all(given) else _on_examples(step, learning_rate, check)


def _checked(own: OwnStep, *, learning_rate: float, samples: int, tolerance: float, seed: int) -> StepReport:
    generator = np.random.default_rng(as_seed(seed))
    _require_repeatable(own, learning_rate)
    own = own.with_precision()
    without, state = without_state(state_apart(own, generator), learning_rate, generator)
    own = unstacked(without if state.names else own)
    examined = functools.partial(
        _examined, rate=learning_rate, samples=samples, tolerance=tolerance, generator=generator
    )
    examiner, findings, notes = examined_where_it_tells(own, examined, generator)
    part = state.first_part(findings, own.rows)
    if part != 1:
        own = at_usual_rate(own, part)
    parts = parts_of_vector(examiner, findings)
    if len(parts) > 1:
        own = in_parts(own, parts)
    if part != 1 or len(parts) > 1:
        examiner, findings, notes = examined_where_it_tells(own, examined, generator)
    notes += _notes(own, state, part, findings)
    twice = _softmax_twice(examiner, findings)
    if twice:
        findings = _without_factors(examiner, findings)
    elif any(found.kind == "wrong" for found in findings):
        smaller = examined(own.with_arrays([CLEAR * array for array in own.arrays]))
        if is_cut_off(examiner, findings, smaller[1]):
            notes.append(note(findings))
            examiner, findings = smaller
    left_out, decays = decay(findings)
    notes += decays
    mistakes = [
        *twice,
        *_order(examiner, findings),
        *_untrained(examiner, findings),
        *_transposed(findings),
        *scaled(examiner, findings),
        *left_out,
        *([] if twice else sigmoid_slope(findings) or other_rule(findings) or _unnamed(findings)),
        *_rate_and_loss(examiner, findings),
    ]
    return StepReport(tuple(mistakes), tuple(notes), tuple(findings))


# What it is called with ------------------------------------------------------------------------------


def _on_examples(step: Step, rate: float, check: Callable[[OwnStep], StepReport]) -> StepReport:
    """Check the step on an example of ours; with one output, too, if it is wrong with more."""
    running = _running(step, rate)
    first = next(running)
    report = check(first)
    if report or first.outputs == 1:
        return report
    single = next((own for own in running if own.outputs == 1 and own.y.ndim == 2), None)
    try:
        other = check(single) if single else None
    except ValueError:  # its loss may be infinite there
        other = None
    if other is None or not any(found.has_slope for found in other.arrays):
        return report
    with_one = {mistake.name for mistake in other.mistakes}
    more = [mistake.name for mistake in report.mistakes if mistake.name not in with_one]
    fewer = with_one and more and len(with_one) + len(more) == len(report.mistakes)
    if not (other or fewer):
        return report
    told = f"checked with one output; with {first.outputs} it would be wrong: {', '.join(more)}"
    return dataclasses.replace(other, notes=(*other.notes, told))


def _running(step: Step, rate: float) -> Iterator[OwnStep]:
    """Yield the step on those of our examples on which it runs; a ValueError says that there is none."""
    failed, runs = None, False
    for example in examples():
        own = OwnStep(step, *example)
        try:
            own(own.arrays, rate)
        except NoResultError:
            raise
        except Exception as failure:  # it is the user's code that fails
            failed = failed or failure
        else:
            runs = True
            yield own
    if not runs:
        raise ValueError(
            "the step fails on the example, weights [W1, b1, W2, b2] of a 4-4-4 net, x (6, 4), y (6, 4) of 0 "
            f"and 1, with {type(failed).__name__}: {failed}, and on others; call check_step(step, weights, "
            "x, y)"
        ) from failed


def _require_repeatable(own: OwnStep, rate: float) -> None:
    """Raise a ValueError if the loss or a weight is not finite, or two calls differ."""
    first, second = own(own.arrays, rate), own(own.arrays, rate)
    if not np.isfinite(first.loss):
        raise ValueError(f"the step's loss is {first.loss}; check it where the loss is finite")
    for name, one, other in zip(own.names, first.weights, second.weights, strict=True):
        if not np.isfinite(one).all():
            raise ValueError(f"the step makes {name} NaN or infinite; check it at smaller weights")
        if not np.array_equal(one, other) or first.loss != second.loss:
            raise ValueError(
                f"the step gave another {'loss' if first.loss != second.loss else name} when it was called "
                "again with the same arguments; leave out what is random or remembered while it is checked"
            )


def _examined(
    own: OwnStep, rate: float, samples: int, tolerance: float, generator: np.random.Generator
) -> tuple[Examiner, list[ArrayFinding]]:
    examiner = Examiner(own, rate, samples, tolerance, generator)
    return examiner, [examiner.examine(array) for array in range(len(own.arrays))]


# The mistakes ----------------------------------------------------------------------------------------


def _softmax_twice(examiner: Examiner, findings: Sequence[ArrayFinding]) -> list[Verdict]:
    generator = examiner.generator
    loss = cross_entropy(examiner.own, generator)
    if loss is None:
        return []
    evidence = loss_has_two(loss, generator) or update_has_two(loss, examiner.used_by, generator)
    remedy = "take softmax once: cross-entropy of logits has it inside, and its delta at the logits is p - t"
    if evidence and any(found.kind == "wrong" for found in findings):
        remedy += "; check again then, for until then the gradients cannot fit the loss"
    return [Verdict("softmax twice", "", evidence, remedy)] if evidence else []


def _without_factors(examiner: Examiner, findings: Sequence[ArrayFinding]) -> list[ArrayFinding]:
    """Return the findings without factors that come of a second softmax: all but the number of rows.

    With two classes, p - t of one softmax is near a multiple of that of two.
    """
    if all(found.kind != "wrong" for found in findings) and len({f.factor for f in findings}) == 1:
        return list(findings)
    powers = [
        examiner.growth(i) if found.kind == "wrong" else found.power for i, found in enumerate(findings)
    ]
    return [
        dataclasses.replace(found, factor=float(examiner.own.rows) ** power, power=power)
        for found, power in zip(findings, powers, strict=True)
    ]


def _order(examiner: Examiner, findings: Sequence[ArrayFinding]) -> list[Verdict]:
    """Name what makes a gradient depend on the learning rate: new weights are used in place of old ones."""
    dependent = [i for i in range(len(findings)) if np.any(examiner.depend_on_rate(i))]
    steady = [
        i
        for i, change in enumerate(examiner.change)
        if i not in dependent and np.any(change) and examiner.powers[i] == 1
    ]
    if not dependent:
        return []
    where = names_of(findings[i] for i in dependent)
    if not steady:
        return [
            Verdict(
                "not one gradient step",
                where,
                "what is taken off the weights is not the learning rate times something",
                "make one step in a call, of plain gradient descent: w - learning_rate * gradient",
            )
        ]
    worst = max(dependent, key=lambda i: float(np.max(np.abs(examiner.change[i]))))
    usual, small = examiner.change[worst] / examiner.rate, examiner.used[worst]
    apart = float(np.max(np.abs(usual - small)) / np.max(np.abs(usual)))
    return [
        Verdict(
            "weights updated before the deltas are taken",
            where,
            f"their gradient changes with the learning rate, by {100 * apart:.2g} % at "
            f"{examiner.rate:g}, and that of {names_of(findings[i] for i in steady)} does not",
            "compute all gradients with the old weights, and only then update any of them",
        )
    ]


def _untrained(examiner: Examiner, findings: Sequence[ArrayFinding]) -> list[Verdict]:
    own, generator, verdicts = examiner.own, examiner.generator, []
    untrained = [
        (found, is_bias(own, i, generator)) for i, found in enumerate(findings) if found.kind == "untrained"
    ]
    untrained += [(found, True) for found in findings if found.kind == "row untrained"]
    for name, of_bias in (("bias not trained", True), ("weight not trained", False)):
        chosen = [found for found, is_one in untrained if is_one == of_bias]
        if chosen:
            verdicts.append(
                Verdict(
                    name,
                    names_of(chosen),
                    f"the step leaves it as it is, though {chosen[0]}",
                    "update it too" + (": its gradient is the sum of the deltas over the rows" * of_bias),
                )
            )
    return verdicts


def _transposed(findings: Sequence[ArrayFinding]) -> list[Verdict]:
    chosen = [found for found in findings if found.mirror]
    remedy = "the gradient of W in x @ W is x.T @ delta, and in W @ x it is delta @ x.T"
    evidence = f"the update uses the transpose of the derivative: {chosen[0]}" if chosen else ""
    return [Verdict("transposed weight gradient", names_of(chosen), evidence, remedy)] if chosen else []


def _unnamed(findings: Sequence[ArrayFinding]) -> list[Verdict]:
    wrong = [found for found in findings if found.kind == "wrong"]
    right = [found for found in findings if found.kind == "right" and found.entries]
    remedy = "look at what the gradients of all arrays share, the delta of the output"
    if not any(found.has_slope for found in findings):
        remedy = "the loss changes with no weight: return what is minimized, no constant, no rate of errors"
    elif right:
        remedy = f"that of {names_of(right)} is right: look at what comes between"
    worst = max(wrong, key=lambda found: found.error, default=None)
    return [Verdict("wrong gradient", names_of(wrong), str(worst), remedy)] if worst else []


def _rate_and_loss(examiner: Examiner, findings: Sequence[ArrayFinding]) -> list[Verdict]:
    """Name a learning rate that does nothing or acts twice, and a loss that is not that before the update."""
    own, rate, verdicts = examiner.own, examiner.rate, []
    told = {
        0: (
            "learning rate not used",
            f"the weights change as much at {rate / 64:g} as at {rate:g}",
            "multiply the gradient by the learning rate that the step is given",
        ),
        2: (
            "learning rate used twice",
            f"the weights change by a sixteenth as much at {rate / 4:g} as at {rate:g}",
            "multiply the gradient by the learning rate once",
        ),
    }
    for power, (name, evidence, remedy) in told.items():
        mine = [found for found in findings if found.power_of_rate == power]
        if mine:
            verdicts.append(Verdict(name, names_of(mine), evidence, remedy))
    loss, after = (own(own.arrays, some).loss for some in (NONE, rate))
    if not close(after, loss, 1e-9, 1e-9):
        verdicts.append(
            Verdict(
                "loss taken after the update",
                "",
                f"it is {after:.6g} with the learning rate {rate:g}, and {loss:.6g} with 0",
                "compute the loss with the weights that came in",
            )
        )
    return verdicts


def _notes(own: OwnStep, state: State, part: float, findings: Sequence[ArrayFinding]) -> list[str]:
    """Return what is worth knowing: a state of the rule, and a loss that is a sum over the rows."""
    notes = [f"{', '.join(state.names)}: the state of the rule, at 0 for the check"] if state.names else []
    hidden = [found for found in findings if found.is_hidden and found.entries]
    if hidden:
        notes.append(
            f"the gradients of {names_of(hidden)} are too small for differences of the loss to tell"
            + ("; the step computes in float32: check it in float64" if own.single else "")
        )
    if part != 1:
        notes.append(
            f"the state keeps {state.kept:.4g} of itself, and from 0 a step uses {part:.4g} times the "
            "gradient: gradients were compared times this"
        )
    try:
        loss, twice, thrice = (own.on_rows([*range(own.rows)] * k).loss(own.arrays) for k in (1, 2, 3))
    except Exception:  # a step may be made for one number of rows
        return notes
    if close(twice, loss, 1e-6) or not close(thrice - twice, twice - loss, 1e-6):
        return notes
    return [
        *notes,
        "the loss is the sum over the rows, so steps grow with the batch; divide loss and gradient by the "
        "number of rows if a mean was meant",
    ]
