"""A model's gradients are checked: right ones pass; wherever one is planted wrong, it is found and named."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

import chainrule as cr
from chainrule.diagnosis import gradients
from chainrule.graph.lowering import Expression
from chainrule.graph.value import PRIMITIVES

DERIVED = [name for name, row in PRIMITIVES.items() if row.derivative is not None]
X = np.random.default_rng(3).normal(size=(9, 4))
CLASSES = np.arange(9) % 3


def classifier(*between, dtype="float32", **options):
    net = cr.Sequential([cr.Dense(6, activation="tanh"), *between, cr.Dense(3)])
    return cr.Model(net, loss="cross_entropy", dtype=dtype, **options)


def differentiable_case(name):
    """The row's last sample of those with the most operands to differentiate by."""
    found = []
    for case in reversed(PRIMITIVES[name].samples(np.random.default_rng(7))):
        result = PRIMITIVES[name](*case.operands, **case.attributes)
        floats = [i for i, x in enumerate(case.operands) if x.dtype.kind == "f" and x.size]
        if floats and result.dtype.kind == "f" and result.size:
            found.append((case, floats))
    return max(found, key=lambda one: len(one[1]))


@dataclass(frozen=True)
class Applied(cr.Layer):
    """Adds to its input a random sum of a row's results, whose float operands are its parameters."""

    name: str

    def forward(self, x, context):
        case, floats = differentiable_case(self.name)
        operands = [
            context.parameter(f"operand{i}", operand.shape) if i in floats else operand
            for i, operand in enumerate(case.operands)
        ]
        y = PRIMITIVES[self.name](*operands, **case.attributes)
        weights = np.random.default_rng(8).uniform(0.5, 2, y.shape)
        return x + cr.sum(weights * y)


def model_with(name):
    """A model in which the row is used, at the numbers of its sample; and the operands it is derived by."""
    net = cr.Sequential([cr.Dense(2), Applied(name)])
    model = cr.Model(net, objective=lambda network, x, y: cr.sum(network(x), axis=-1), dtype="float64")
    model.build(features=X.shape[1])
    case, floats = differentiable_case(name)
    model.set_weights({f"layers.1.operand{i}": case.operands[i] for i in floats})
    return model, floats


def spoilt(derivative, operand):
    """The same derivative, wrong by one operand."""

    def wrong(*arguments, **attributes):
        dxs = list(derivative(*arguments, **attributes))
        dxs[operand] = dxs[operand] * 1.01 + 0.01
        return tuple(dxs)

    return wrong


@pytest.mark.parametrize("name", DERIVED)
def test_a_wrong_derivative_in_any_row_is_found_and_named(name, monkeypatch):
    row = PRIMITIVES[name]
    _, floats = differentiable_case(name)
    for operand in floats:
        with monkeypatch.context() as patch:
            wrong = dataclasses.replace(row, derivative=spoilt(row.derivative, operand))
            patch.setitem(PRIMITIVES, name, wrong)
            model, _ = model_with(name)
            report = model.check_gradients(X, samples=5)
        assert not report.passed
        assert {found.primitive for found in report.wrong_primitives} == {name}
        assert operand in {found.operand for found in report.wrong_primitives}
        assert f"layers.1.operand{operand}" in {entry.name for entry in report.wrong}
        assert not report.miscompiled
        assert f"the derivative of {name} (forward layers.1) by its operand {operand} is wrong" in str(report)
        with pytest.raises(ArithmeticError, match=rf"wrong; layers.*derivative of {name} "):
            report.raise_if_wrong()


@pytest.mark.parametrize("seed", range(3))
def test_sums_of_many_equal_rows_are_not_miscompiled(seed):
    """One after the other, such numbers are all rounded to the same side."""
    net = cr.Sequential([cr.Dense(2, activation="tanh"), cr.Dense(2)])
    model = cr.Model(net, loss="mean_squared_error", dtype="float64", seed=seed)
    model.build(features=3)
    assert model.check_gradients(np.ones((1000, 3)), np.ones((1000, 2))).passed


@pytest.mark.parametrize("name", DERIVED)
def test_the_right_rows_pass(name):
    model, _ = model_with(name)
    report = model.check_gradients(X, samples=5)
    assert report, report


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("between", "options"),
    [
        ([], {}),
        ([cr.BatchNorm(), cr.Activation("relu")], {"penalties": [cr.L2(0.01), cr.L1(0.01)]}),
        ([cr.Dropout(0.4), cr.Residual([cr.LayerNorm(), cr.Dense(6, activation="gelu")])], {}),
        ([cr.Concatenate([cr.Dense(2, activation="softplus"), cr.Activation("sigmoid")])], {"seed": 4}),
    ],
)
def test_sound_networks_pass(between, options, dtype):
    model = classifier(*between, dtype=dtype, **options)
    before = model.gradients(X, CLASSES)
    report = model.check_gradients(X, CLASSES, sample_weight=np.linspace(0, 1, 9))
    assert report, report
    assert report.sizes == {name: array.size for name, array in model.weights.items()}
    checked = {entry.name for entry in report.entries}
    assert checked == set(model.weights)  # every array, biases too
    assert all(
        difference < (1e-4 if dtype == "float32" else 1e-12) for difference in report.compiled.values()
    )
    report.raise_if_wrong()
    after = model.gradients(X, CLASSES)
    assert before[0] == after[0]  # nothing has changed


def test_the_table_has_a_heading_for_each_layer():
    lines = str(classifier(cr.Dropout(0.1)).check_gradients(X, CLASSES)).splitlines()
    assert lines[0] == "gradients right"
    assert [line.split()[0] for line in lines[1:]] == [
        *["layer", "layers.0", "weight", "bias", "layers.2", "weight", "bias"]
    ]
    assert lines[2] == "layers.0 (Dense)"
    assert lines[3].split()[1:3] == ["24", "20"]
    assert lines[4].split()[1:3] == ["6", "6"]


def test_kinks_are_recognised():
    """Zero weights put every relu at its kink."""
    net = cr.Sequential([cr.Dense(4, activation="relu", weight_initializer="zeros"), cr.Dense(1)])
    report = cr.Model(net, loss="mean_squared_error").check_gradients(X, X[:, 0])
    assert report
    assert report.kinks
    assert "at a kink" in str(report)


def test_a_wrong_derivative_in_an_ordinary_network(monkeypatch):
    row = PRIMITIVES["tanh"]
    wrong = dataclasses.replace(row, derivative=lambda dy, y, x: (dy * (1 - y),))
    monkeypatch.setitem(PRIMITIVES, "tanh", wrong)
    net = cr.Sequential([cr.Dense(5, activation=lambda z: PRIMITIVES["tanh"](z)), cr.Dense(3)])
    report = cr.Model(net, loss="cross_entropy").check_gradients(X, CLASSES)
    assert {entry.name for entry in report.wrong} == {"layers.0.weight", "layers.0.bias"}
    assert [(found.primitive, found.origin) for found in report.wrong_primitives] == [
        ("tanh", "forward layers.0")
    ]
    layer, weight, bias = str(report).splitlines()[2:5]
    assert "wrong" not in layer
    assert "wrong" in weight
    assert "wrong" in bias


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_code_that_computes_something_else_is_found(monkeypatch, dtype):
    """Stands for a fault of the compiler: one gradient comes out a thousandth too large."""

    def spoilt_executable(graph):
        run = gradients.Evaluator(graph)

        def call(*arrays):
            loss, first, *rest = run(*arrays)
            return [loss, first * np.asarray(1.001, first.dtype), *rest]

        return call

    monkeypatch.setattr(gradients, "executable_of", spoilt_executable)
    report = classifier(dtype=dtype).check_gradients(X, CLASSES)
    assert not report.wrong
    assert not report.passed
    assert report.miscompiled == ("layers.0.weight",)
    assert "compiled wrong" in str(report)
    with pytest.raises(ArithmeticError, match=r"^the compiled gradient of layers"):
        report.raise_if_wrong()


@pytest.mark.parametrize("wrong", [1.5, np.nan])
def test_the_entry_that_is_compiled_wrong_is_named(monkeypatch, wrong):
    def spoilt_executable(graph):
        run = gradients.Evaluator(graph)

        def call(*arrays):
            loss, first, *rest = run(*arrays)
            if first.ndim > 1:
                first = np.array(first)
                first[1, 2] = wrong
            return [loss, first, *rest]

        return call

    monkeypatch.setattr(gradients, "executable_of", spoilt_executable)
    report = classifier().check_gradients(X, CLASSES)
    assert f"more than rounding explains: at [1, 2] it is {wrong:.7g}, and evaluated " in str(report)
    assert list(report.worst_miscompiled) == ["layers.0.weight"]


def test_the_first_value_that_is_compiled_wrong_is_named(monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", "off")
    right = PRIMITIVES["tanh"].lower
    wrong = Expression(lambda b, *e, **a: b.multiply(right.emit(b, *e, **a), b.constant(1.01, "float32")))
    object.__setattr__(PRIMITIVES["tanh"], "lower", wrong)
    try:
        report = classifier(seed=77).check_gradients(X[:7], CLASSES[:7])
    finally:
        object.__setattr__(PRIMITIVES["tanh"], "lower", right)
    assert report.miscompiled
    assert "compiled wrong is made by tanh (forward layers.0): at [" in report.faults[-1]


def test_a_derivative_that_is_zero_by_structure():
    """A bias before BatchNorm changes nothing: its gradient is rounding, in compiled code as elsewhere."""
    net = cr.Sequential([cr.Dense(3), cr.BatchNorm(), cr.Dense(1)])
    for seed in range(5):
        model = cr.Model(net, loss="mean_squared_error", seed=seed)
        report = model.check_gradients(X * 100, X[:, 0])
        assert report, report


def test_options_that_cannot_be():
    model = classifier()
    with pytest.raises(ValueError, match="tolerance between 0 and 1 and at least 1 sample"):
        model.check_gradients(X, CLASSES, samples=0)
    with pytest.raises(ValueError, match="did you mean 'samples'"):
        model.check_gradients(X, CLASSES, sample=3)
    with pytest.raises(ValueError, match="y is missing"):
        model.check_gradients(X)


@pytest.mark.parametrize("seed", [6, 11, 31])
def test_what_is_left_of_terms_that_cancel_is_0(seed):
    """A network that sees nothing but zeros: batch normalization takes away what its first layer does."""
    parts = [
        cr.Dense(10, activation="mish"),
        cr.LayerNorm(),
        cr.BatchNorm(),
        cr.Activation("gelu"),
        cr.Dense(1),
    ]
    model = cr.Model(cr.Sequential(parts), loss="hinge", seed=seed)
    y = np.random.default_rng(seed).integers(2, size=23) * 2.0 - 1
    report = model.check_gradients(np.zeros((23, 4)), y, samples=6)
    assert report.passed, report


def test_sums_over_large_inputs_that_cancel_are_compiled_right():
    """Units are saturated, so that weights that are rounded otherwise change nothing."""
    generator = np.random.default_rng(3)
    x, y = 300 * generator.normal(size=(40, 6)), generator.normal(size=(40, 2))
    hidden = [cr.Dense(6, activation="sigmoid"), cr.Dropout(0.3), cr.Dense(5, activation="sigmoid")]
    for seed in range(4):
        model = cr.Model(
            cr.Sequential([*hidden, cr.Dense(2)]), loss="mean_squared_error", dtype="float64", seed=seed
        )
        report = model.check_gradients(x, y)
        assert report.passed, report
