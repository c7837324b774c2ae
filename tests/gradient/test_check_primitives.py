"""The check finds a wrong derivative of every primitive, and names it; the right ones pass."""

import dataclasses

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.value import PRIMITIVES

DERIVED = [name for name, row in PRIMITIVES.items() if row.derivative is not None]


def cases(name):
    """The row's samples that have something to differentiate, and the places of the operands it goes to."""
    found = []
    for case in PRIMITIVES[name].samples(np.random.default_rng(7)):
        floats = [i for i, x in enumerate(case.operands) if x.dtype.kind == "f"]
        result = PRIMITIVES[name](*case.operands, **case.attributes)
        if floats and result.dtype.kind == "f" and result.size and all(case.operands[i].size for i in floats):
            found.append((case, floats))
    return found


def applied(name, case, floats):
    """A sum of the row's results with random weights, as a function of its float operands."""
    row = PRIMITIVES[name]
    result = row(*case.operands, **case.attributes)
    weights = np.random.default_rng(8).uniform(0.5, 2, result.shape)

    def function(*given):
        operands = list(case.operands)
        for i, x in zip(floats, given, strict=True):
            operands[i] = x
        return cr.sum(weights * row(*operands, **case.attributes))

    return function, [case.operands[i] for i in floats]


def spoil(derivative, operand):
    """The same derivative, wrong by one operand."""

    def wrong(*arguments, **attributes):
        dxs = list(derivative(*arguments, **attributes))
        dxs[operand] = dxs[operand] * 1.01 + 0.01
        return tuple(dxs)

    return wrong


def test_there_are_primitives_and_cases():
    assert {"tanh", "matmul", "maximum", "take", "concat"} <= set(DERIVED)
    assert all(cases(name) for name in DERIVED)


@pytest.mark.parametrize("name", DERIVED)
def test_right_derivatives_pass(name):
    for case, floats in cases(name):
        function, arguments = applied(name, case, floats)
        report = cr.check_gradients(function, *arguments)
        assert report, report
        assert {entry.verdict for entry in report.entries} == {"right"}
        assert report.worst_relative_error < 1e-7
        report.raise_if_wrong()


@pytest.mark.parametrize("name", DERIVED)
def test_right_second_derivatives_pass(name):
    for case, floats in cases(name)[:3]:
        function, arguments = applied(name, case, floats)
        squares = lambda *given, f=function: sum(
            cr.sum(g * g) for g in cr.grad(f, argnums=tuple(range(len(given))))(*given)
        )
        report = cr.check_gradients(squares, *arguments, samples=5)
        assert report, report


@pytest.mark.parametrize("name", DERIVED)
def test_a_wrong_derivative_is_found_and_named(name, monkeypatch):
    row = PRIMITIVES[name]
    for case, floats in cases(name)[-2:]:
        for operand in floats:
            wrong = dataclasses.replace(row, derivative=spoil(row.derivative, operand))
            with monkeypatch.context() as patch:
                patch.setitem(PRIMITIVES, name, wrong)
                function, arguments = applied(name, case, floats)
                report = cr.check_gradients(function, *arguments)
            assert not report
            assert {found.primitive for found in report.wrong_primitives} == {name}
            assert operand in {found.operand for found in report.wrong_primitives}
            assert f"the derivative of {name} by its operand {operand} is wrong" in str(report)
            with pytest.raises(ArithmeticError, match=f"derivative of {name} by its operand"):
                report.raise_if_wrong()


@pytest.mark.parametrize("name", ["multiply", "tanh", "sum"])
def test_a_forgotten_derivative_is_found(name, monkeypatch):
    row = PRIMITIVES[name]
    forgetful = dataclasses.replace(row, derivative=lambda dy, y, *xs, **attributes: (None,) * len(xs))
    monkeypatch.setitem(PRIMITIVES, name, forgetful)
    function, arguments = applied(name, *cases(name)[-1])
    report = cr.check_gradients(function, *arguments)
    assert {found.primitive for found in report.wrong_primitives} == {name}


def test_only_the_wrong_entry_is_blamed(monkeypatch):
    """The derivative is wrong where x > 1 only."""
    row = PRIMITIVES["tanh"]
    wrong = lambda dy, y, x: (dy * (1 - y * y) * cr.where(x > 1, 1.001, 1.0),)
    monkeypatch.setitem(PRIMITIVES, "tanh", dataclasses.replace(row, derivative=wrong))
    tanh = PRIMITIVES["tanh"]
    report = cr.check_gradients(
        lambda p: cr.sum(tanh(p["w"]) ** 2), {"w": np.array([[0.5, 0.7], [1.3, -2.0]])}
    )
    assert [entry.place for entry in report.wrong] == ["w[1, 0]"]
    assert np.isclose(report.wrong[0].relative_error, 1e-3, rtol=1e-2)
    assert np.isclose(report.wrong[0].numeric, 2 * np.tanh(1.3) * (1 - np.tanh(1.3) ** 2), rtol=1e-8)
    assert "w[1, 0]: analytic" in str(report)
    assert [found.entry.index for found in report.wrong_primitives] == [(1, 0)]


#: What is wrong with a derivative dx by x; the last is right where x is above the middle of its numbers.
SUBTLE = {
    "its sign": lambda dx, x, middle: -dx,
    "a part of it": lambda dx, x, middle: dx * cr.where(x < middle, 1.01, 1.0),
}


@pytest.mark.parametrize("name", DERIVED)
def test_a_derivative_that_is_nearly_right_is_found_and_named(name, monkeypatch):
    row = PRIMITIVES[name]
    case, floats = next(found for found in cases(name) if _has_slopes(name, *found))
    for change in SUBTLE.values():
        for operand in floats:
            x = case.operands[operand]
            wrong = dataclasses.replace(row, derivative=_changed(row.derivative, operand, change, _middle(x)))
            with monkeypatch.context() as patch:
                patch.setitem(PRIMITIVES, name, wrong)
                function, arguments = applied(name, case, floats)
                report = cr.check_gradients(function, *arguments)
            blamed = {(found.primitive, found.operand) for found in report.wrong_primitives}
            assert blamed == {(name, operand)}
            assert report.wrong
            places = {entry.place for entry in report.wrong if entry.name == f"x{floats.index(operand)}"}
            if change is SUBTLE["a part of it"] and name != "multiply":  # the weights of the sum are, too
                small = np.argwhere(x < _middle(x))
                assert places <= {f"x{floats.index(operand)}[{', '.join(map(str, at))}]" for at in small}
                assert places


def _middle(x):
    """Halfway between the least and the largest and a little more: in most samples, about 0."""
    return (np.min(x) + np.max(x)) / 2 + 0.01


def _changed(derivative, operand, change, middle):
    def wrong(dy, y, *xs, **attributes):
        dxs = list(derivative(dy, y, *xs, **attributes))
        dxs[operand] = change(dxs[operand], xs[operand], middle)
        return tuple(dxs)

    return wrong


def _has_slopes(name, case, floats):
    """Whether there is something to get wrong by each operand, below its middle too; in float64."""
    if case.attributes.get("dtype", "float64") != "float64" or any(case.operands[i].size < 2 for i in floats):
        return False
    function, arguments = applied(name, case, floats)
    gradients = cr.grad(function, argnums=tuple(range(len(floats))))(*arguments)
    some = [np.any(np.asarray(dx)[x < _middle(x)]) for x, dx in zip(arguments, gradients, strict=True)]
    return all(some)
