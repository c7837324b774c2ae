"""check_gradients: kinks, constants, scales, refusals, reports."""

import dataclasses

import numpy as np
import pytest

import chainrule as cr
from chainrule.gradient.check import check_graph
from chainrule.graph.graph import Graph
from chainrule.graph.origin import origin
from chainrule.graph.trace import trace
from chainrule.graph.types import ROWS
from chainrule.graph.value import PRIMITIVES, input_value

X = np.array([[1.0, 2.0], [3.0, 4.0]])


def verdicts(function, *arguments, **options):
    report = cr.check_gradients(function, *arguments, **options)
    assert report, report
    return [entry.verdict for entry in report.entries]


def scale_derivative(monkeypatch, name, factor):
    row = PRIMITIVES[name]
    scaled = lambda *given, **attributes: tuple(
        None if dx is None else dx * factor for dx in row.derivative(*given, **attributes)
    )
    monkeypatch.setitem(PRIMITIVES, name, dataclasses.replace(row, derivative=scaled))
    return PRIMITIVES[name]


# Kinks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (cr.relu, [0.0, 1.0, -1.0], ["kink", "right", "right"]),
        (cr.abs, [0.0, 2.0, -1e-7], ["kink", "right", "right"]),
        (lambda x: cr.where(x > 0, 2 * x, x), [0.0, 3.0], ["kink", "right"]),
        (lambda x: cr.where(x >= 1, x, 0), [1.0, 3.0], ["kink", "right"]),
        (cr.floor, [2.0, 2.5], ["kink", "right"]),
        (cr.sign, [0.0, 2.5], ["kink", "right"]),
        (lambda x: cr.astype(cr.astype(x, "int32"), "float64"), [2.0, 2.5], ["kink", "right"]),
        (lambda x: cr.maximum(x, x[::-1]), [1.0, 1.0], ["kink", "kink"]),
        (lambda x: cr.minimum(x, 1.0), [1.0, 2.0], ["kink", "right"]),
        (cr.max, [1.0, 1.0, 0.5], ["kink", "kink", "right"]),
        (cr.min, [1.0, 1.0, 1.5], ["kink", "kink", "right"]),
        (cr.sqrt, [0.0, 4.0], ["kink", "right"]),
        (lambda x: x[cr.argmax(x[:2], axis=0)], [1.0, 1.0], ["kink", "kink"]),
    ],
)
def test_kinks_are_reported_and_not_judged(function, x, expected):
    summed = lambda x: cr.sum(function(x))
    assert verdicts(summed, np.array(x)) == expected
    report = cr.check_gradients(summed, np.array(x))
    assert [entry.index[0] for entry in report.kinks] == [i for i, v in enumerate(expected) if v == "kink"]
    assert f"{expected.count('kink')} at a kink" in str(report)


def test_a_step_across_a_kink_is_made_smaller():
    """Only a kink at the very point excuses: beside one, the derivative is judged."""
    x = np.array([1e-3, -1e-6, 1e-9])
    assert verdicts(lambda x: cr.sum(cr.relu(x) * 3 + x), x) == ["right"] * 3


def test_a_wrong_derivative_beside_a_kink_is_found(monkeypatch):
    maximum = scale_derivative(monkeypatch, "maximum", 1.1)
    report = cr.check_gradients(lambda x: cr.sum(maximum(x, 0.0)), np.array([1e-6, -1.0, 0.0]))
    assert [entry.verdict for entry in report.entries] == ["wrong", "right", "kink"]


def test_a_smooth_point_on_the_edge_of_a_branch():
    """The square of relu has a derivative at 0. Where two kinks cancel, the conventions decide what it is."""
    assert verdicts(lambda x: cr.sum(cr.relu(x) ** 2), np.array([0.0, 1.0])) == ["right", "right"]
    one_sided = lambda x: cr.relu(x) - cr.relu(-x)  # x itself, and 0 at 0 by the convention
    assert verdicts(one_sided, 0.0) == ["kink"]


# What is held constant ---------------------------------------------------------------------------------


def test_stop_gradient_is_held_constant():
    x = np.array([1.0, 2.0])
    report = cr.check_gradients(lambda x: cr.sum(cr.stop_gradient(cr.exp(x)) * x), x)
    assert report
    assert np.allclose([entry.numeric for entry in report.entries], np.exp(x), rtol=1e-9)


def test_stop_gradient_along_rows_is_held_constant():
    x, w = input_value("x", (ROWS, 2), "float32"), input_value("w", (2,), "float32")
    y = x @ w
    graph = Graph([x, w], [cr.mean(cr.stop_gradient(y) * y)])
    assert check_graph(graph, {"x": [[1.0, 2.0], [3.0, 4.0], [0.5, 0.1]], "w": [0.2, 0.3]})


def test_random_numbers_are_fixed():
    key, x = cr.random_key(3), np.linspace(0.5, 2, 15)
    mask = cr.bernoulli(key, 0.5, (15,))
    dropped = lambda x, key: cr.sum(cr.where(cr.bernoulli(key, 0.5, (15,)), x**2, 0.0))
    report = cr.check_gradients(dropped, x, key)
    assert report
    assert np.allclose([entry.numeric for entry in report.entries], np.where(mask, 2 * x, 0))
    assert cr.check_gradients(lambda x: cr.sum(x * cr.normal(key, (15,))), x.astype(np.float32))


def test_integer_arguments_are_held_fixed():
    labels = np.array([2, 0])
    loss = lambda z, labels: -cr.sum(cr.log_softmax(z) * cr.one_hot(labels, 3))
    report = cr.check_gradients(loss, np.arange(6.0).reshape(2, 3), labels)
    assert report
    assert report.sizes == {"z": 6}


# Scales --------------------------------------------------------------------------------------------------


scaled_functions = pytest.mark.parametrize(
    "function",
    [
        lambda w: cr.sum(cr.tanh(w)),
        lambda w: cr.sum(w**2),
        lambda w: cr.sum((w - 1) ** 2),
        lambda w: cr.sum(cr.sin(w) * cr.cos(w)),
        lambda w: cr.sum(cr.sigmoid(w) * w),
        lambda w: 1e-8 * cr.sum(cr.exp(-(w**2))),
        lambda w: 1e8 * cr.sum(cr.sqrt(1 + w * w)),
    ],
)


@scaled_functions
@pytest.mark.parametrize("w", [[1e-8, -3e-8], [1e8, 3e7], [0.0, 0.0], [1.0]])
def test_tiny_and_huge_arguments(function, w):
    assert set(verdicts(function, np.array(w))) == {"right"}


@scaled_functions
def test_tiny_and_huge_arguments_together(function):
    """Only what rounding hides behind the derivatives by the others may be too rough to tell."""
    report = cr.check_gradients(function, np.array([1e8, 1e-8, 1.0]))
    steepest = max(abs(entry.analytic) for entry in report.entries)
    for entry in report.entries:
        hidden = abs(entry.analytic) < 1e-6 * steepest
        assert entry.verdict == "right" or (hidden and entry.verdict == "rough"), entry


def test_functions_that_change_over_tiny_and_huge_distances():
    assert verdicts(lambda w: cr.sum(cr.tanh(1e8 * w)), np.array([1e-8, 0.0])) == ["right"] * 2
    assert verdicts(lambda w: cr.sum(cr.sin(1e4 * w)), np.array([0.3, 2.0])) == ["right"] * 2
    assert verdicts(lambda w: cr.sum(cr.exp(-((1e4 * w - 1) ** 2))), np.zeros(2)) == ["right"] * 2
    assert verdicts(lambda w: cr.sum(cr.log(w)), np.array([1e-8, 1e8])) == ["right"] * 2


beside_poles = pytest.mark.parametrize(
    ("pole", "w"),
    [
        (0.0, [1e-6, 1e6]),
        (0.0, [-1e-6, 1e6]),
        (0.0, [1e-6, 1e3]),
        (0.0, [1e-5, 1e4]),
        (0.0, [1e-4, 1e5]),
        (0.0, [1e-3, 1e6]),
        (0.0, [1e-10, 1.0, 1e6]),
        (-1e-6, [0.0, 1e6]),
        (-1e-6, [0.0, 1e3]),
        (-1e-6, [0.0, 0.0]),
        (-1e-8, [0.0, 1e-6, 1e6]),
        (-1e-8, [0.0, 1.0]),
        (1 - 1e-8, [1.0, 1e6]),
    ],
)


@beside_poles
def test_steps_do_not_pass_over_a_pole(pole, w):
    report = cr.check_gradients(lambda w: cr.sum(1 / (w - pole)), np.array(w))
    assert report, report
    assert "wrong" not in {entry.verdict for entry in report.entries}
    assert report.entries[0].verdict == "right"
    assert np.isclose(report.entries[0].numeric, -1 / (w[0] - pole) ** 2, rtol=1e-6)


@beside_poles
@pytest.mark.parametrize("factor", [0.0, -1.0, 1.001])
def test_a_wrong_derivative_beside_a_pole_is_found_and_named(pole, w, factor, monkeypatch):
    wrong = lambda dy, y, a, b: (dy / b, -dy * y / b * factor)
    monkeypatch.setitem(PRIMITIVES, "divide", dataclasses.replace(PRIMITIVES["divide"], derivative=wrong))
    divide = PRIMITIVES["divide"]
    report = cr.check_gradients(lambda w: cr.sum(divide(1.0, w - pole)), np.array(w))
    assert report.entries[0].verdict == "wrong"
    assert np.isclose(report.entries[0].numeric, -1 / (w[0] - pole) ** 2, rtol=1e-6)
    assert {(found.primitive, found.operand) for found in report.wrong_primitives} == {("divide", 1)}


@pytest.mark.parametrize("w", [[1e-7, 1.0], [-1e-7, 0.1], [0.0, 1e3], [2e-6, 0.0, 1.0]])
def test_steps_do_not_pass_over_a_bend(w, monkeypatch):
    """What looks like a kink from afar is round at the point, and its derivative is judged."""
    bent = lambda sqrt: lambda w: cr.sum(sqrt(w * w + 1e-12) + w)
    assert set(verdicts(bent(cr.sqrt), np.array(w))) == {"right"}
    report = cr.check_gradients(bent(scale_derivative(monkeypatch, "sqrt", -1.0)), np.array(w))
    assert [entry.verdict for entry in report.entries] == ["wrong" if x else "right" for x in w]
    assert {found.primitive for found in report.wrong_primitives} == {"sqrt"}


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_a_wrong_derivative_is_found_at_every_scale(scale, monkeypatch):
    sin = scale_derivative(monkeypatch, "sin", 1.001)
    report = cr.check_gradients(lambda w: cr.sum(sin(w / scale)) * scale, scale * np.array([0.3, 1.0]))
    assert [entry.verdict for entry in report.entries] == ["wrong", "wrong"]
    assert np.allclose([entry.relative_error for entry in report.entries], 0.001, rtol=0.01)


def test_rounding_that_hides_the_derivative_is_said_to():
    hidden = lambda w: cr.sum((w * 1e-12 + 1e8) - 1e8)
    assert verdicts(hidden, np.array([1.0])) == ["rough"]
    assert "1 too rough to tell" in str(cr.check_gradients(hidden, np.array([1.0])))


def test_float32_arguments_are_checked_in_float64():
    w, x = np.ones((3, 2), np.float32), np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
    report = cr.check_gradients(lambda w, x: cr.mean(cr.tanh(x @ w) ** 2), w, x)
    assert report
    assert report.worst_relative_error < 1e-7


# Which entries --------------------------------------------------------------------------------------------


def test_large_arrays_are_sampled_and_small_ones_are_checked_whole():
    parameters = {"weight": np.random.default_rng(0).normal(size=(50, 40)), "bias": np.zeros(5)}
    x = np.random.default_rng(1).normal(size=50)
    loss = lambda p: cr.sum((x @ p["weight"]) ** 2) + cr.sum(p["bias"] * 2)
    report = cr.check_gradients(loss, parameters, samples=7)
    places = [entry.place for entry in report.entries]
    assert len(places) == len(set(places)) == 12
    assert report.sizes == {"weight": 2000, "bias": 5}
    steepest = np.unravel_index(np.argmax(np.abs(cr.grad(loss)(parameters)["weight"])), (50, 40))
    assert f"weight[{steepest[0]}, {steepest[1]}]" in places
    again = cr.check_gradients(loss, parameters, samples=7)
    other = cr.check_gradients(loss, parameters, samples=7, seed=1)
    assert places == [entry.place for entry in again.entries]
    assert places != [entry.place for entry in other.entries]


def test_names_of_entries():
    places = lambda *given: [entry.place for entry in cr.check_gradients(*given).entries]
    assert places(lambda w: w * w, 2.0) == ["w"]
    assert places(lambda w, c: cr.sum(w) * c, np.ones((1, 2)), 3.0) == ["w[0, 0]", "w[0, 1]", "c"]
    assert places(lambda p: p["a"] * p["b"]["c"][0], {"a": 1.0, "b": {"c": [np.ones(1)[0]]}}) == [
        "a",
        "b.c.0",
    ]
    assert places(lambda p, x: p["a"] * x, {"a": 1.0}, 2.0) == ["p.a", "x"]
    assert places(lambda *xs: xs[0] * xs[1], 1.0, 2.0) == ["x0", "x1"]


def test_tolerance_decides(monkeypatch):
    exp = scale_derivative(monkeypatch, "exp", 1 + 1e-4)
    function = lambda w: cr.sum(exp(w))
    assert cr.check_gradients(function, np.ones(2), tolerance=1e-3)
    assert not cr.check_gradients(function, np.ones(2))


# Graphs, as a model has them --------------------------------------------------------------------------------


def loss_graph(tanh=cr.tanh):
    x, weight = input_value("x", (ROWS, 3), "float32"), input_value("layers.0.weight", (3, 2), "float32")
    bias, rate = input_value("layers.0.bias", (2,), "float32"), input_value("rate", (), "float64", weak=True)
    with origin("forward", "layers.0"):
        y = tanh(x @ weight + bias)
    with origin("loss"):
        loss = cr.mean(y**2) + rate * cr.sum(weight**2)
    generator = np.random.default_rng(5)
    arrays = {
        "x": generator.normal(size=(4, 3)),
        "layers.0.weight": generator.normal(size=(3, 2)),
        "layers.0.bias": np.zeros(2),
        "rate": 0.1,
    }
    return Graph([x, weight, bias, rate], [loss]), arrays


def test_a_graph_with_named_inputs():
    graph, arrays = loss_graph()
    report = check_graph(graph, arrays, inputs=["layers.0.weight", "layers.0.bias"])
    assert report
    assert report.sizes == {"layers.0.weight": 6, "layers.0.bias": 2}
    assert set(check_graph(graph, arrays).sizes) == set(arrays)


def test_the_part_of_the_network_is_named(monkeypatch):
    graph, arrays = loss_graph(scale_derivative(monkeypatch, "tanh", 1.1))
    report = check_graph(graph, arrays, inputs=["layers.0.weight", "layers.0.bias"])
    assert [(w.primitive, w.origin, w.operand) for w in report.wrong_primitives] == [
        ("tanh", "forward layers.0", 0)
    ]
    assert "the derivative of tanh (forward layers.0) by its operand 0 is wrong" in str(report)
    assert any(entry.name == "layers.0.bias" for entry in report.wrong)


def test_graphs_that_cannot_be_checked():
    graph, arrays = loss_graph()
    with pytest.raises(ValueError, match=r"no input 'layers.0.wieght'; did you mean 'layers.0.weight'"):
        check_graph(graph, arrays, inputs=["layers.0.wieght"])
    with pytest.raises(ValueError, match=r"input layers.0.bias was given no array"):
        check_graph(graph, {name: arrays[name] for name in arrays if name != "layers.0.bias"})
    with pytest.raises(TypeError, match=r"x0 is int32\[2\]"):
        check_graph(trace(lambda n: cr.sum(n * 1.0), np.arange(2)), {"x0": np.arange(2)}, inputs=["x0"])
    with pytest.raises(TypeError, match=r"one float, and it returned float64\[2\]"):
        check_graph(trace(lambda x: x * x, np.ones(2)), {"x0": np.ones(2)})


# Refusals and reports --------------------------------------------------------------------------------------


def test_results_that_are_not_finite():
    with (
        origin("forward", "layers.3"),
        pytest.raises(ValueError, match=r"returns nan.* first nan comes from log"),
    ):
        cr.check_gradients(lambda w: cr.sum(cr.log(w) * 2), np.array([-1.0, 1.0]))
    with pytest.raises(ValueError, match=r"returns inf.* first inf comes from exp"):
        cr.check_gradients(lambda w: cr.sum(cr.exp(w)), np.array([1000.0]))
    with pytest.raises(ValueError, match=r"w\[0, 1\] is nan; gradients are checked at finite numbers"):
        cr.check_gradients(lambda w: cr.sum(w), np.array([[1.0, np.nan]]))


def test_a_gradient_that_is_nan_is_wrong():
    unsafe = lambda w: cr.where(w > 1, cr.sqrt(w - 1), 0.0)  # 0 · ∞ in the branch that is not taken
    report = cr.check_gradients(unsafe, 0.5)
    assert not report
    assert np.isnan(report.wrong[0].analytic)
    assert report.wrong[0].numeric == 0
    assert "\nsqrt makes nan of -0.5" in str(report)
    assert not report.wrong_primitives


@pytest.mark.parametrize(
    ("function", "at", "sentence"),
    [
        (lambda w: cr.sum(cr.tanh(cr.log((X @ w) ** 2))), [-2.0, 1.0], "log makes -inf of 0 at [0]"),
        (lambda w: cr.sum(cr.where(w > 0, cr.log(w), 0.0)), [1.0, 0.0], "log makes -inf of 0 at [1]"),
        (
            lambda w: cr.sum(w**3 + cr.sqrt((X @ w) ** 2)),
            [4.0, -3.0],
            "the derivative of sqrt by its operand[1] is inf where that is 0",
        ),
        (
            lambda w: cr.sqrt(cr.sum(w * w)),
            [0.0, 0.0],
            "the derivative of sqrt by its operand is inf where that is 0",
        ),
        (
            lambda w: cr.sum(w * 1.5e308 + w * 1.5e308 - w * 1.5e308 - w * 1.5e308),
            [1e-300],
            "a sum of derivatives on the way",
        ),
    ],
    ids=["log before a product", "log that is not taken", "slope of a root", "slope of a norm", "overflow"],
)
def test_what_is_not_finite_on_the_way_is_named_with_its_entry(function, at, sentence):
    report = cr.check_gradients(function, np.array(at))
    assert not report
    assert sentence in report.not_finite
    assert str(report).startswith("gradients not finite\n")
    assert str(report).splitlines()[-1] == report.not_finite


def test_what_is_not_finite_and_does_not_reach_the_gradient_is_no_fault():
    report = cr.check_gradients(lambda w: cr.sum(cr.tanh(cr.log(cr.relu(X @ w)))), np.array([-0.1, -0.2]))
    assert report
    assert not report.not_finite


def test_a_wrong_primitive_is_named_beside_numbers_that_are_not_finite(monkeypatch):
    sin = scale_derivative(monkeypatch, "sin", 1.5)
    far = lambda w: cr.sum(cr.tanh(cr.log(cr.relu(X @ w))))
    report = cr.check_gradients(lambda w: far(w) + cr.sum(sin(w)), np.array([-0.1, -0.2]))
    assert [wrong.primitive for wrong in report.wrong_primitives] == ["sin"]


def test_a_wrong_derivative_is_named_beside_a_nan_that_is_never_chosen(monkeypatch):
    """A loss is NaN where a target is no class; all of it goes through that choice."""
    where = scale_derivative(monkeypatch, "where", 1.01)
    unknown = np.full(2, np.nan)
    report = cr.check_gradients(lambda w: cr.sum(where(w < 9, w * w, unknown)), np.array([1.0, 2.0]))
    assert {(wrong.primitive, wrong.operand) for wrong in report.wrong_primitives} == {("where", 1)}


def test_functions_that_differ_from_call_to_call():
    generator = np.random.default_rng(0)
    with pytest.raises(
        ValueError, match=r"the same arguments; let its random numbers come from a fixed cr.random_key"
    ):
        cr.check_gradients(lambda w: cr.sum(w * generator.normal(size=3)), np.ones(3))


def test_arguments_that_have_no_gradient():
    with pytest.raises(TypeError, match=r"no argument is of floats; write 2.0 for 2"):
        cr.check_gradients(lambda n: cr.sum(n * 1.5), np.arange(3))
    with pytest.raises(TypeError, match="returns one float"):
        cr.check_gradients(lambda w: w, np.ones(3))
    with pytest.raises(TypeError, match=r"check_gradients takes a function, such as .*, and was given 3$"):
        cr.check_gradients(3, np.ones(3))
    with pytest.raises(TypeError, match=r"a seed is an integer, not 'a'$"):
        cr.check_gradients(cr.sum, np.ones(3), seed="a")
    for options in ({"tolerance": 0.0}, {"samples": 0}, {"tolerance": "small"}, {"samples": "all"}):
        with pytest.raises(ValueError, match="needs a tolerance between 0 and 1 and at least 1 sample"):
            cr.check_gradients(lambda w: w, 1.0, **options)


def test_the_report_is_a_table(monkeypatch):
    tanh = scale_derivative(monkeypatch, "tanh", 1.1)
    parameters = {"wrong": np.linspace(0.1, 1, 8), "kinked": np.zeros(2), "right": 3.0}
    report = cr.check_gradients(
        lambda p: cr.sum(tanh(p["wrong"])) * p["right"] + cr.sum(cr.abs(p["kinked"])), parameters
    )
    lines = str(report).splitlines()
    assert lines[0] == "gradients wrong"
    assert lines[1].split() == ["array", "entries", "checked", "worst", "error", "verdict"]
    assert lines[2].startswith("wrong ")
    assert lines[2].endswith("9.1e-02  8 wrong")
    assert lines[3].endswith("not judged, 2 at a kink")
    assert lines[4].endswith("  right")
    assert len([line for line in lines if line.startswith("wrong[")]) == 5
    assert lines[10] == "... and 3 more"
    assert "the derivative of tanh by its operand 0" in lines[11]
    assert len(report.wrong) == 8
    assert len(report.kinks) == 2
    assert not report.passed
    assert np.isclose(report.worst_relative_error, 0.1 / 1.1)
    with pytest.raises(ArithmeticError, match=r"8 derivatives are wrong; wrong\[\d\]: analytic .*tanh"):
        report.raise_if_wrong()


def test_numbers_whose_sum_is_infinite_are_checked():
    assert verdicts(lambda x: cr.sum(x * 1e-300), np.array([1e308, 1e308])) == ["right"] * 2
