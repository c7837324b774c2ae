"""Compiled training does what the evaluator's does, over all that training is made of."""

import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.function import Compiled

sys.path.extend(str(Path(__file__).parents[1] / name) for name in ("layers", "losses"))
import layer_cases
import loss_cases

ROUNDING = 1e-9
X = np.random.default_rng(5).normal(size=(23, 4))
Y = np.sin(X @ np.random.default_rng(6).normal(size=(4, 2)))
WEIGHT = np.random.default_rng(7).integers(0, 3, len(X)) / 2
XV, YV = X[:9] + 0.3, Y[:9]


def close(one, other):
    assert list(one) == list(other)
    for name, array in one.items():
        assert np.shape(array) == np.shape(other[name]), name
        assert np.asarray(array).dtype == np.asarray(other[name]).dtype, name
        np.testing.assert_allclose(array, other[name], rtol=ROUNDING, atol=ROUNDING, err_msg=name)


def network(*between, units=6, outputs=2):
    return cr.Sequential([cr.Dense(units, activation="tanh"), *between, cr.Dense(outputs)])


def check(net, x=X, y=Y, *, fit=(), loss="mean_squared_error", **options):
    """Train twice, with each executor; return the compiled model and its history."""
    if "objective" not in options:
        options["loss"] = loss
    results = []
    for executor in ("numpy", "compiled"):
        model = cr.Model(net, **{"dtype": "float64", "optimizer": cr.SGD(0.1), "seed": 4} | options)
        model.executor = executor
        history = model.fit(x, y, **{"epochs": 3, "batch_size": 5} | dict(fit))
        results.append((model, history))
    (evaluated, expected), (compiled, history) = results
    close(compiled.weights, evaluated.weights)
    close(compiled.state, evaluated.state)
    assert (compiled.epochs, compiled.steps) == (evaluated.epochs, evaluated.steps)
    close(dict(history), dict(expected))
    close({"prediction": compiled.predict(x)}, {"prediction": evaluated.predict(x)})
    return compiled, history


@pytest.mark.parametrize("rows", [1, 2, 3, 256, 257, 513, 700])
def test_every_number_of_rows_is_shuffled_alike(rows):
    """Rows are found in blocks of 256, and mixed again where they are none."""
    x = np.random.default_rng(8).normal(size=(rows, 4))
    check(network(), x, x[:, :2], fit={"batch_size": max(rows // 2 - 1, 1), "epochs": 2})


# Layers and losses -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", layer_cases.CASES, ids=str)
def test_every_layer(case):
    generator = np.random.default_rng(3)
    x = generator.normal(size=(17, *case.features))
    if case.categories:
        x = generator.integers(0, case.categories, x.shape).astype(float)
    y = generator.normal(size=(17, 2))
    check(cr.Sequential([case.layer, cr.Flatten(), cr.Dense(2)]), x, y)


@pytest.mark.parametrize("case", loss_cases.CASES, ids=loss_cases.case_id)
def test_every_loss(case):
    _, target = case.draw()
    x = np.random.default_rng(8).normal(size=(len(target), 4))
    check(network(outputs=3), x, target, loss=case.loss, fit={"batch_size": 3})


# Optimizers --------------------------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": cr.SGD(0.1),
    "momentum": cr.SGD(0.1, momentum=0.9),
    "nesterov": cr.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": cr.RMSprop(0.01),
    "rmsprop_centered": cr.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": cr.Adagrad(0.1),
    "adadelta": cr.Adadelta(0.5),
    "adam": cr.Adam(0.01),
    "amsgrad": cr.AMSGrad(0.01),
    "adamw": cr.AdamW(0.01, weight_decay=0.1),
    "nadam": cr.Nadam(0.01),
    "radam": cr.RAdam(0.01),
    "lion": cr.Lion(0.01, weight_decay=0.1),
    "weight_decay": cr.Adam(0.01, weight_decay=0.1),
    "clip_value": cr.SGD(0.1, clip_value=0.01),
    "clip_norm": cr.SGD(0.1, clip_norm=0.05),
    "clip_global_norm": cr.Adam(0.01, clip_global_norm=0.1),
    "average": cr.SGD(0.1, average=0.9),
    "factors": cr.SGD(0.1, learning_rate_factors={"layers.0": 0.1, "layers.1.bias": 0.0}),
}
SCHEDULES = {
    "constant": cr.ConstantRate(0.1),
    "step": cr.StepDecay(0.1, every=4, factor=0.5),
    "exponential": cr.ExponentialDecay(0.1, every=3, factor=0.7),
    "polynomial": cr.PolynomialDecay(0.1, steps=12, power=2.0),
    "cosine": cr.CosineDecay(0.1, steps=12, warmup_steps=3),
    "restarts": cr.CosineDecay(0.1, steps=4, restarts=True, period_multiplier=2),
    "one_cycle": cr.OneCycle(0.1, steps=15),
    "own": lambda step: 0.1 / (1.0 + step),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name):
    check(network(), optimizer=OPTIMIZERS[name])


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule(name):
    check(network(), optimizer=cr.SGD(SCHEDULES[name], momentum=0.5))


def test_the_tables_above_know_every_optimizer():
    assert {type(optimizer) for optimizer in OPTIMIZERS.values()} == set(cr.optimizers.OPTIMIZERS.values())


# Options of training -----------------------------------------------------------------------------

OPTIONS = {
    "penalties": {"penalties": [cr.L1(0.01), cr.L2(0.02)]},
    "sample_weight": {"fit": {"sample_weight": WEIGHT}},
    "a batch without weight": {"fit": {"sample_weight": np.arange(23) >= 10, "shuffle": False}},
    "not shuffled": {"fit": {"shuffle": False}},
    "validation": {"fit": {"validation_data": (XV, YV)}},
    "weighted validation": {"fit": {"validation_data": (XV, YV, np.arange(9.0))}},
    "all rows at once": {"fit": {"batch_size": None}},
    "one row at a time": {"fit": {"batch_size": 1}},
    "larger than the table": {"fit": {"batch_size": 100}},
    "seed": {"seed": 2**40 + 1},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option(name):
    options = dict(OPTIONS[name])
    check(network(cr.Dropout(0.3)), **options)
    check(network(cr.BatchNorm(), cr.Dropout(0.2)), optimizer=cr.Adam(0.01), **options)


@pytest.mark.parametrize("restore_best", [True, False])
@pytest.mark.parametrize("monitor", ["loss", "validation_loss"])
def test_early_stopping(monitor, restore_best):
    stopping = cr.EarlyStopping(patience=2, min_delta=1e-2, monitor=monitor, restore_best=restore_best)
    fit = {"epochs": 60, "validation_data": (XV, YV), "callbacks": [stopping]}
    _, history = check(network(), fit=fit, optimizer=cr.SGD(0.2, average=0.5))
    assert 2 < len(history["loss"]) < 60


def fall(net, x, y):
    """u' = -u with u(0) = 1."""
    slope = cr.grad(lambda at: cr.sum(net(at)))
    return cr.sum((slope(x) + net(x)) ** 2 + (net(x * 0) - 1) ** 2, axis=-1)


def oscillation(net, x, y):
    """u'' = -u with u(0) = 0 and u'(0) = 1."""
    slope = cr.grad(lambda at: cr.sum(net(at)))
    curvature = cr.grad(lambda at: cr.sum(slope(at)))
    start = net(x * 0) ** 2 + (slope(x * 0) - 1) ** 2
    return cr.sum((curvature(x) + net(x)) ** 2 + start, axis=-1)


@pytest.mark.parametrize("objective", [fall, oscillation])
def test_objectives_with_derivatives_inside(objective):
    x = np.linspace(0, 2, 37)[:, None]
    net = cr.Sequential([cr.Dense(15, activation="tanh"), cr.Dense(7, activation="sigmoid"), cr.Dense(1)])
    check(net, x, None, objective=objective, optimizer=cr.Adam(0.01), fit={"batch_size": 16})


def test_half_a_run_and_the_rest():
    """From where the model is: weights, state of the optimizer, order of the rows, draws."""
    whole, _ = check(network(cr.Dropout(0.3)), optimizer=cr.Adam(0.01), fit={"epochs": 4})
    halves = cr.Model(
        network(cr.Dropout(0.3)), loss="mean_squared_error", optimizer=cr.Adam(0.01), dtype="float64", seed=4
    )
    for executor in ("compiled", "numpy", "compiled"):
        halves.executor = executor
        halves.fit(X, Y, epochs=1 if executor == "numpy" else 2 - (halves.epochs > 0), batch_size=5)
    close(halves.weights, whole.weights)


def named(result):
    """Return what one of these calls gave as arrays by name."""
    if isinstance(result, tuple):
        return {"loss": result[0], **result[1]}
    return result if isinstance(result, dict) else {"loss": result}


@pytest.mark.parametrize("call", ["evaluate", "gradients", "step"])
def test_the_other_calls(call):
    results = []
    for executor in ("numpy", "compiled"):
        model = cr.Model(
            network(cr.BatchNorm()), loss="mean_squared_error", dtype="float64", executor=executor
        )
        model.fit(X, Y)
        found = [getattr(model, call)(X[:rows], Y[:rows], sample_weight=WEIGHT[:rows]) for rows in (23, 7, 1)]
        results.append((found, {**model.weights, **model.state}))
    for pair in zip(results[0][0], results[1][0], strict=True):
        close(*map(named, pair))
    close(results[0][1], results[1][1])


# cr.compile --------------------------------------------------------------------------------------


def energy(w):
    return cr.sum(cr.tanh(X @ w) ** 2) + cr.sum(cr.exp(-w * w))


W = np.random.default_rng(9).normal(size=(4, 3))
TREE = {"w": W, "scale": (2.0, np.float64(0.5)), "more": [W[0], 3]}


def of_tree(tree):
    a, b = tree["scale"]
    vector, number = tree["more"]
    return {"sum": cr.sum(tree["w"] * a) * b, "pair": (vector * number, vector + a), "same": tree["w"]}


FUNCTIONS = {
    "value": (energy, (W,)),
    "grad": (cr.grad(energy), (W,)),
    "value_and_grad": (cr.value_and_grad(energy), (W,)),
    "hessian": (cr.hessian(lambda v: cr.sum(cr.sin(v) * v**3) + v[0] * v[1] * v[2]), (W[0],)),
    "jacobian": (cr.jacobian(lambda v: cr.softmax(v * v)), (W[1],)),
    "third": (cr.grad(lambda v: cr.sum(cr.grad(lambda u: cr.sum(cr.grad(energy)(u)))(v))), (W,)),
    "tree": (of_tree, (TREE,)),
    "numbers": (lambda x, n: (x * n, x + cr.sin(n)), (W, 2)),
    "list": (lambda items: [cr.matmul(items[0], items[1].T), items[2]], ([W, W + 1, 2.5],)),
}


def leaves_of(item):
    if isinstance(item, dict):
        item = list(item.values())
    return [leaf for each in item for leaf in leaves_of(each)] if isinstance(item, list | tuple) else [item]


def structure_of(item):
    if isinstance(item, dict):
        return {key: structure_of(each) for key, each in item.items()}
    return type(item)(map(structure_of, item)) if isinstance(item, list | tuple) else None


def same_result(result, expected):
    assert structure_of(result) == structure_of(expected)
    pairs = list(zip(leaves_of(result), leaves_of(expected), strict=True))
    close(*({f"leaf {i}": np.asarray(pair[side]) for i, pair in enumerate(pairs)} for side in (0, 1)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_functions(name):
    function, arguments = FUNCTIONS[name]
    compiled = cr.compile(function)
    for _ in range(2):
        same_result(compiled(*arguments), function(*arguments))


def test_other_shapes_dtypes_and_numbers():
    function = lambda x, n: (cr.softmax(x * n, axis=0), cr.sum(x) - n)
    compiled = cr.compile(function)
    assert isinstance(compiled, Compiled)
    for rows, number in ((1, 2), (3, 0.5), (17, -1), (3, 4.5)):
        for dtype in ("float64", "float32"):
            x = np.arange(rows * 2.0).reshape(rows, 2).astype(dtype)
            results, expected = compiled(x, number), function(x, number)
            for one, other in zip(results, expected, strict=True):
                assert one.dtype == np.asarray(other).dtype
                np.testing.assert_allclose(one, other, rtol=1e-5)


def test_nothing_returned_shares_memory():
    compiled = cr.compile(lambda x, y: (x, x + 0.0, y, x))
    x, y = np.ones(3), np.zeros(2)
    results = compiled(x, y)
    again = compiled(x, y)
    arrays = [x, y, *results, *again]
    for i, one in enumerate(arrays):
        assert not any(np.shares_memory(one, other) for other in arrays[i + 1 :])
