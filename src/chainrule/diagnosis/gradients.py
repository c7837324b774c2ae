"""A model's gradients verified: against differences, and as its compiled code computes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from chainrule.compiler.executable import executable_of
from chainrule.diagnosis.finite import failure_of
from chainrule.diagnosis.parts import title
from chainrule.gradient.check import check_graph
from chainrule.gradient.report import GradientReport, aligned
from chainrule.graph.evaluate import Evaluator
from chainrule.graph.graph import Graph
from chainrule.graph.loop import Stage, bind, run_stage
from chainrule.graph.origin import part_of
from chainrule.graph.rewrite import in_float64
from chainrule.graph.types import Array, is_float
from chainrule.graph.value import Value
from chainrule.graph.words import subscript
from chainrule.layers import Layer

#: Compiled and evaluated code round differently. The difference may be this many times what rounding does to
#: the evaluator's own gradient, and this many units in the last place of the layer's largest derivative, or
#: half a unit for each row: by so much a sum of equal numbers, one after the other, may be off.
ROUNDINGS = 16
#: How often they are compared: a comparison that rounding decides is another at weights a little away.
PLACES = 3
NUDGE = 1e-2


@dataclass(frozen=True)
class ModelGradientReport(GradientReport):
    """The result of `Model.check_gradients`; it counts as true if nothing is wrong.

    Attributes
    ----------
    entries, sizes, wrong_primitives, tolerance
        As in the report of `check_gradients`: analytic against numeric derivatives, in float64.
    compiled : dict of str to float
        For each parameter, by how much the compiled gradient differs from the evaluated one, as a part of the
        layer's largest derivative.
    miscompiled : tuple of str
        The parameters for which that is more than rounding explains.
    worst_miscompiled : dict of str to str
        For each of these, where most: the entry, and both numbers, in words.
    first_miscompiled : str
        If there are such: the first value of the graph that is compiled wrong when all are asked for.
    layers : dict of str to str
        The layer of each parameter, with its kind.
    not_finite : str
        Where the first number that is NaN or infinite was made, if the step computes one; empty otherwise.
    """

    compiled: dict[str, float]
    miscompiled: tuple[str, ...]
    layers: dict[str, str]
    worst_miscompiled: dict[str, str] = field(default_factory=dict, kw_only=True)
    first_miscompiled: str = field(default="", kw_only=True)

    @property
    def passed(self) -> bool:
        """Whether no derivative is wrong, and compiled code computes the same, finite numbers."""
        return not (self.wrong or self.miscompiled or self.not_finite)

    def _table(self) -> list[str]:
        """Return the table as lines: under each layer, one for each of its arrays."""
        rows: list[tuple[str, ...]] = [("layer", "entries", "checked", "worst error", "compiled", "verdict")]
        for name in self.sizes:
            if self.layers[name] not in [row[0] for row in rows]:
                rows.append((self.layers[name], *[""] * 5))
            array, *numbers, verdict = self._row(name)
            if name in self.miscompiled:
                verdict += ", compiled wrong"
            indented = f"  {array.rpartition('.')[2]}"
            rows.append((indented, *numbers, f"{self.compiled[name]:.1e}", verdict))
        return aligned(rows)

    def _blame(self) -> list[str]:
        lines = super()._blame()
        for name in self.miscompiled:
            lines.append(
                f"the compiled gradient of {name} differs from the evaluated one by "
                f"{self.compiled[name]:.1e} of the layer's largest derivative, more than rounding explains"
                f"{self.worst_miscompiled.get(name, '')}; "
                'train with executor="numpy" until that is mended'
            )
        if self.first_miscompiled:
            lines.append(self.first_miscompiled)
        return lines


def check_model_gradients(
    network: Layer,
    stage: Stage,
    arrays: Mapping[str, Array],
    *,
    tolerance: float = 1e-5,
    samples: int = 20,
    seed: int = 0,
) -> ModelGradientReport:
    """Check the gradient graph of a training step.

    Parameters
    ----------
    network : Layer
        Whose parameters they are.
    stage : Stage
        Its first output is the loss; the others are its derivatives, named as the parameters are.
    arrays : mapping of arrays
        All that the stage may need.
    tolerance, samples, seed
        As for `check_gradients`.

    Raises
    ------
    ValueError
        If the loss, or a parameter, is not finite.
    """
    failure = failure_of(stage, arrays, np.arange(len(arrays["x"])))
    if failure is not None and failure.of_loss:
        raise ValueError(
            f"the loss of these rows is {failure.number}, which has no gradient to check; "
            f"{failure.beginning.found}"
        )
    names = [name for name in stage.outputs if name != "batch_loss"]
    asked = {value.name for value in stage.graph.inputs}
    used = [name for name in names if name in asked]  # the others have a derivative of 0 by construction
    outputs = dict(zip(stage.outputs, stage.graph.outputs, strict=True))
    graph = Graph(stage.graph.inputs, [outputs["batch_loss"], *(outputs[name] for name in used)])
    report = check_graph(graph, arrays, inputs=used, tolerance=tolerance, samples=samples, seed=seed)
    compiled, miscompiled = _compare(stage, arrays, names, np.random.default_rng(seed))
    worst = _worst_entries(stage, arrays, miscompiled) if miscompiled else {}
    not_finite = f"the gradient of {failure.name} is not finite: {failure.beginning.found}" if failure else ""
    return ModelGradientReport(
        report.entries,
        {name: arrays[name].size for name in names},
        report.wrong_primitives,
        report.tolerance,
        compiled,
        miscompiled,
        {name: title(network, part_of(name)) or "the network" for name in names},
        not_finite=not_finite,
        worst_miscompiled=worst,
        first_miscompiled=_first_miscompiled(stage.graph, arrays) if miscompiled else "",
    )


def _compare(
    stage: Stage, arrays: Mapping[str, Array], names: Sequence[str], generator: np.random.Generator
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return how compiled gradients differ from evaluated ones, and for which names that is an error."""
    wide = Stage(in_float64(stage.graph), stage.outputs)
    first: dict[str, float] = {}
    suspects = list(names)
    for place in _places(arrays, names, generator):
        exact = _wide_results(wide, place)
        compiled = run_stage(stage, place, executable_of)
        largest = _largest_of_layers(exact, names)
        differences = {name: _distance(compiled[name], exact[name]) for name in names}
        if not first:
            first = {name: differences[name] / (largest[name] or 1.0) for name in names}
        rounding = _rounding(stage, place, exact, names, generator)
        unit = max(ROUNDINGS, len(place["x"]) / 2) * np.finfo(compiled["batch_loss"].dtype).eps
        suspects = [
            name
            for name in suspects
            if not differences[name] <= ROUNDINGS * rounding[name] + unit * largest[name]
        ]
        if not suspects:
            break
    return first, tuple(suspects)


def _worst_entries(stage: Stage, arrays: Mapping[str, Array], names: Sequence[str]) -> dict[str, str]:
    """Return for each of these gradients where compiled and evaluated differ most, and both numbers."""
    compiled, evaluated = run_stage(stage, arrays, executable_of), run_stage(stage, arrays)
    return {name: f":{_where_most_apart(compiled[name], evaluated[name])}" for name in names}


def _where_most_apart(compiled: Array, evaluated: Array) -> str:
    """Return the place at which two arrays differ most, and what they hold there, as a part of a sentence."""
    compared, apart = either_finite(compiled, evaluated), np.zeros(np.shape(compiled))
    apart[compared] = np.nan_to_num(np.abs(compiled[compared] - evaluated[compared]), nan=np.inf)
    index = np.unravel_index(int(np.argmax(apart)), apart.shape)
    place = f" at {subscript(index)}" if index else ""
    return f"{place} it is {compiled[index]:.7g}, and evaluated {evaluated[index]:.7g}"


def _first_miscompiled(graph: Graph, arrays: Mapping[str, Array]) -> str:
    """Return which value of the graph is compiled wrong, and where most, if all of them are asked for."""
    values = [value for value in graph.equations if is_float(value.dtype)]
    every = Graph(graph.inputs, values)
    given = bind(every.inputs, arrays)
    wide = [
        np.asarray(array, value.dtype) for value, array in zip(in_float64(every).inputs, given, strict=True)
    ]
    exact, evaluated = Evaluator(in_float64(every))(*wide), Evaluator(every)(*given)
    compiled = executable_of(every)(*given)
    for value, true, plain, one in zip(values, exact, evaluated, compiled, strict=True):
        least = _distance(plain, true) + np.finfo(one.dtype).eps * largest_finite(true)
        if _distance(one, plain) > ROUNDINGS * least:
            assert value.primitive is not None
            return (
                f"the first value that is compiled wrong is made by {value.primitive.name} ({value.origin}):"
                f"{_where_most_apart(one, plain)}"
            )
    return (
        "each value is compiled right when all of them are asked for, so the error is in how they are joined"
    )


def _rounding(
    stage: Stage,
    arrays: Mapping[str, Array],
    exact: Mapping[str, Array],
    names: Sequence[str],
    generator: np.random.Generator,
) -> dict[str, float]:
    """Return what rounding does to evaluated gradients: as they are, and with all rounded otherwise."""
    as_it_is = run_stage(stage, arrays)
    rounded = [*names, *(["x"] if is_float(arrays["x"].dtype) else [])]
    other = {name: _rounded_otherwise(arrays[name], generator) for name in rounded}
    otherwise = _evaluated_otherwise(stage, {**arrays, **other}, generator)
    return {name: max(_distance(one[name], exact[name]) for one in (as_it_is, otherwise)) for name in names}


def _evaluated_otherwise(
    stage: Stage, arrays: Mapping[str, Array], generator: np.random.Generator
) -> dict[str, Array]:
    """Return what a stage gives if every number on the way is rounded to another one beside it."""

    def nudge(value: Value, array: Array) -> None:
        if is_float(value.dtype) and array.flags.owndata:  # a view is of one that has been rounded already
            array[...] = _rounded_otherwise(array, generator)

    given = [np.array(array) for array in bind(stage.graph.inputs, arrays)]
    return dict(zip(stage.outputs, Evaluator(stage.graph)(*given, observe=nudge), strict=True))


def _rounded_otherwise(array: Array, generator: np.random.Generator) -> Array:
    """Return numbers beside these, on either side; a zero is exact."""
    ends = np.where(generator.random(array.shape) < 0.5, -np.inf, np.inf).astype(array.dtype)
    return np.where(array == 0, array, np.nextafter(array, ends))


def _places(
    arrays: Mapping[str, Array], names: Sequence[str], generator: np.random.Generator
) -> Iterator[dict[str, Array]]:
    """Yield the arrays as they are, and then with weights that are a little different."""
    yield dict(arrays)
    for _ in range(PLACES - 1):
        nudged = {
            name: (arrays[name] * (1 + NUDGE * generator.normal(size=arrays[name].shape))).astype(
                arrays[name].dtype
            )
            for name in names
        }
        yield {**arrays, **nudged}


def _wide_results(stage: Stage, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return what a float64 stage gives for arrays of any precision."""
    given = [
        np.asarray(array, value.dtype)
        for value, array in zip(stage.graph.inputs, bind(stage.graph.inputs, arrays), strict=True)
    ]
    return dict(zip(stage.outputs, Evaluator(stage.graph)(*given), strict=True))


def _largest_of_layers(gradients: Mapping[str, Array], names: Sequence[str]) -> dict[str, float]:
    """Return for each name the largest derivative by any parameter of its layer."""
    largest: dict[str, float] = {}
    for name in names:
        part = part_of(name)
        largest[part] = max(largest.get(part, 0.0), largest_finite(gradients[name]))
    return {name: largest[part_of(name)] for name in names}


def largest_finite(array: Array) -> float:
    """Return the largest size of a finite number in an array; 0 where there is none."""
    return float(np.max(np.abs(array[np.isfinite(array)]), initial=0.0))


def either_finite(first: Array, second: Array) -> Array:
    """Return where at least one of two arrays is finite: NaN beside NaN is no difference."""
    return np.isfinite(first) | np.isfinite(second)


def _distance(first: Array, second: Array) -> float:
    """Return the largest difference; infinity where only one of them is a finite number."""
    compared = either_finite(first, second)
    differences = np.abs(first[compared] - second[compared])
    return float(np.max(np.nan_to_num(differences, nan=np.inf, posinf=np.inf), initial=0.0))
