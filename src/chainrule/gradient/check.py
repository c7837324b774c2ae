"""Gradients verified numerically: which entry is wrong, and which primitive's derivative is to blame."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from chainrule.functions import sum as sum_of
from chainrule.functions.random import as_seed
from chainrule.gradient.backward import derivatives_between, values_between
from chainrule.gradient.claim import Claim, Plan
from chainrule.gradient.finite import all_finite, beginning_of_not_finite, require_finite
from chainrule.gradient.report import CheckedEntry, GradientReport, WrongPrimitive
from chainrule.gradient.transforms import one_number
from chainrule.graph.evaluate import Evaluator, evaluate, numbers_of
from chainrule.graph.graph import Graph
from chainrule.graph.names import unknown_name
from chainrule.graph.rewrite import in_float64, map_equations
from chainrule.graph.structure import flatten, unflatten
from chainrule.graph.trace import refuse_what_is_no_function
from chainrule.graph.types import Array, is_float
from chainrule.graph.value import Value, as_array, equation, input_like
from chainrule.primitives.elementwise import stop_gradient


def check_gradients(
    function: Callable[..., Any],
    *arguments: Any,
    tolerance: float = 1e-5,
    samples: int = 20,
    seed: int = 0,
) -> GradientReport:
    """Compare the gradient of a function with differences of its values.

    The function's graph is checked in float64, whatever the dtype of the arguments. Random keys are fixed,
    and what `stop_gradient` blocks is held constant. Where the derivative jumps (relu at 0, ties of max)
    nothing is judged; the report counts these entries.

    Parameters
    ----------
    function : callable
        Returns one float.
    *arguments : array_like
        Where to check: arrays, Python numbers, or dicts, lists and tuples of them. Every float array is
        checked; integers, bools and random keys are held fixed.
    tolerance : float, default 1e-5
        The relative error up to which an entry is right, unless the differences themselves are less certain.
    samples : int, default 20
        How many entries of an array are checked, drawn at random from a larger one; the entry with the
        largest gradient is always among them.
    seed : int, default 0
        Which entries are drawn.

    Returns
    -------
    GradientReport
        True if every derivative is right. Printed, it is a table with a line for each array; below it stand
        the wrong entries, and the primitives whose derivatives are wrong.

    Raises
    ------
    TypeError
        If it is not a function, does not return one float, or has no argument of floats.
    ValueError
        If an argument or the result is not finite, or the result differs between two calls.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> report = cr.check_gradients(lambda w: cr.sum(cr.tanh(x @ w) ** 2), np.array([0.1, -0.2]))
    >>> report.passed
    True
    >>> print(cr.check_gradients(lambda p: p["w"] * cr.relu(p["b"]), {"w": 2.0, "b": 0.0}))
    gradients right
    array  entries  checked  worst error  verdict
    w            1        1      0.0e+00  right
    b            1        1      0.0e+00  not judged, 1 at a kink
    """
    refuse_what_is_no_function("check_gradients", function)
    names = _leaf_names(function, arguments)
    arrays = [as_array(leaf) for leaf in flatten(list(arguments))]
    graphs = [_traced(function, arguments, names, arrays) for _ in range(2)]
    first, second = (evaluate(graph, *arrays)[0] for graph in graphs)
    if not np.array_equal(first, second, equal_nan=True):
        raise ValueError(
            f"the function returned {first} and then {second} for the same arguments; let its random numbers "
            "come from a fixed cr.random_key, not from np.random"
        )
    return check_graph(
        graphs[0], dict(zip(names, arrays, strict=True)), tolerance=tolerance, samples=samples, seed=seed
    )


def check_graph(
    graph: Graph,
    arguments: Mapping[str, Any],
    *,
    inputs: Sequence[str] | None = None,
    tolerance: float = 1e-5,
    samples: int = 20,
    seed: int = 0,
) -> GradientReport:
    """Compare the gradient of a graph's first output with differences of its values.

    Parameters
    ----------
    graph : Graph
        Its first output is one float, such as a loss. If more follow, they are taken for its derivatives by
        `inputs`, in their order; otherwise these are made anew.
    arguments : dict of str to array_like
        An array for each input of the graph, by its name.
    inputs : sequence of str, optional
        The inputs to check by, such as the parameters; every float input unless given.
    tolerance, samples, seed
        As for `check_gradients`.

    Returns
    -------
    GradientReport
        As from `check_gradients`.

    Raises
    ------
    TypeError
        If the first output or one of `inputs` is not of floats.
    ValueError
        If an input has no array, `inputs` names none of them, or a number is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.graph.trace import trace
    >>> graph = trace(lambda x: x * x, np.float64(3.0))
    >>> check_graph(graph, {"x0": 3.0}).passed
    True
    """
    are_numbers = isinstance(tolerance, Real) and isinstance(samples, Integral)
    if not (are_numbers and 0 < tolerance < 1 and samples >= 1):
        raise ValueError(
            "a gradient check needs a tolerance between 0 and 1 and at least 1 sample of an array, "
            f"not tolerance={tolerance!r} and samples={samples!r}"
        )
    generator = np.random.default_rng(as_seed(seed))
    one_number(graph.outputs[0])
    wide, arrays = _held(in_float64(graph), arguments)
    chosen = _positions(graph, inputs)
    require_finite(wide, arrays, chosen)
    loss, variables = wide.outputs[0], [wide.inputs[position] for position in chosen]
    derived = derivatives_between(loss, variables)
    if len(wide.outputs) > 1:
        derived |= dict(zip(variables, wide.outputs[1:], strict=True))
    claim = Claim(wide.inputs, loss, chosen, derived, arrays)
    plan = Plan(tolerance, samples, generator)
    entries = [entry for position in chosen for entry in plan.entries(claim, position)]
    wrong = [entry.analytic for entry in entries if entry.verdict == "wrong"]
    # An infinite derivative may be right: that of √x at 0 is.
    any_nan = any(np.isnan(gradient).any() for gradient in claim.gradients.values())
    is_lost = any_nan or not np.isfinite(wrong).all()
    begins = beginning_of_not_finite(wide, arrays, variables) if is_lost else ""
    blamed = _wrong_primitives(wide, arrays, variables, plan) if wrong and not begins else ()
    sizes = {wide.inputs[position].name: arrays[position].size for position in chosen}
    return GradientReport(tuple(entries), sizes, tuple(blamed), tolerance, not_finite=begins)


def _wrong_primitives(
    graph: Graph, arrays: Sequence[Array], variables: Sequence[Value], plan: Plan
) -> list[WrongPrimitive]:
    """Check every equation on the way by itself, at the numbers that it had and a random dy."""
    known = numbers_of(graph, arrays)
    path = values_between(variables, graph.outputs[0])
    varying = {value.serial for value in (*variables, *path)}
    worst: dict[tuple[str, str, int], CheckedEntry] = {}
    for y in path:
        assert y.primitive is not None
        operands = [i for i, x in enumerate(y.operands) if x.serial in varying and is_float(x.dtype)]
        judged = [y, *(y.operands[i] for i in operands)]  # a constant may be a NaN that is never chosen
        if y.primitive.derivative is None or not all(all_finite(value, known) for value in judged):
            continue
        dy = plan.generator.normal(size=known[y].shape)
        claim = _equation_claim(y, operands, [*(known[x] for x in y.operands), dy])
        for operand in operands:
            key = (y.primitive.name, str(y.origin), operand)
            for entry in plan.entries(claim, operand):
                if entry.verdict == "wrong" and (
                    key not in worst or entry.relative_error > worst[key].relative_error
                ):
                    worst[key] = entry
    return [WrongPrimitive(*key, entry) for key, entry in worst.items()]


def _equation_claim(y: Value, operands: Sequence[int], arrays: Sequence[Array]) -> Claim:
    """Return what one equation claims: the derivative of Σ dy · y by its operands."""
    row = y.primitive
    assert row is not None
    assert row.derivative is not None
    xs = [input_like(f"operand {i}", x) for i, x in enumerate(y.operands)]
    dy = input_like("dy", y)
    own = equation(row, tuple(xs), y.attributes)
    dxs = zip(xs, row.derivative(dy, own, *xs, **y.attributes), strict=True)
    claimed = {own: dy} | {x: dx for x, dx in dxs if dx is not None}
    return Claim([*xs, dy], sum_of(dy * own), operands, claimed, arrays)


def _held(graph: Graph, arguments: Mapping[str, Any]) -> tuple[Graph, list[Array]]:
    """Return the graph with what `stop_gradient` blocks as inputs of their own, and all inputs' arrays."""
    missing = [value.name for value in graph.inputs if value.name not in arguments]
    if missing:
        raise ValueError(f"the graph's input {missing[0]} was given no array")
    arrays = [np.asarray(arguments[value.name], value.dtype) for value in graph.inputs]
    blocked: dict[Value, Array] = {}

    def keep(value: Value, array: Array) -> None:
        if value.primitive is stop_gradient:
            blocked[value] = np.array(array)

    Evaluator(graph)(*arrays, observe=keep)
    held = {value: input_like(f"held {i}", value) for i, value in enumerate(blocked)}
    outputs = map_equations(graph.outputs, held)
    return Graph([*graph.inputs, *held.values()], outputs), [*arrays, *blocked.values()]


def _positions(graph: Graph, names: Sequence[str] | None) -> list[int]:
    """Return the positions of the inputs to check by: these, or every float."""
    known = {value.name: position for position, value in enumerate(graph.inputs)}
    if names is None:
        names = [value.name for value in graph.inputs if is_float(value.dtype)]
    for name in names:
        if name not in known:
            raise ValueError(unknown_name("input", name, known))
        if not is_float(graph.inputs[known[name]].dtype):
            raise TypeError(f"only floats have derivatives, and {name} is {graph.inputs[known[name]].type}")
    if not names:
        raise TypeError("only floats have derivatives, and no argument is of floats; write 2.0 for 2")
    return [known[name] for name in names]


def _traced(
    function: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str], arrays: Sequence[Array]
) -> Graph:
    """Return the function's graph, its inputs named as the entries of the report will be."""
    inputs = [input_like(name, array) for name, array in zip(names, arrays, strict=True)]
    return Graph(inputs, [one_number(function(*unflatten(list(arguments), inputs)))])


def _leaf_names(function: Callable[..., Any], arguments: Sequence[Any]) -> list[str]:
    """Return a name for every array: its argument's and its keys; the keys of a lone dict stand alone."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a callable that does not tell
        parameters = []
    known = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(arguments) == 1 and isinstance(arguments[0], dict):
        return list(_paths(arguments[0], ""))
    names = [known[i] if i < len(known) else f"x{i}" for i in range(len(arguments))]
    return [path for name, argument in zip(names, arguments, strict=True) for path in _paths(argument, name)]


def _paths(structure: Any, prefix: str) -> Iterator[str]:
    if isinstance(structure, dict | list | tuple):
        items = structure.items() if isinstance(structure, dict) else enumerate(structure)
        for key, item in items:
            yield from _paths(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix
