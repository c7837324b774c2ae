"""Matrices in panels: which ones lie so, and that nothing else than their place is different."""

import emulation
import numpy as np
import pytest
from recorded import recorded, trained
from scipy import sparse
from test_compiled_training import check, close
from test_hostile import CPUS, TILES_FOR, on_x86, runs

import chainrule as cr
from chainrule.compiler import matmul, native
from chainrule.compiler.code import LANES
from chainrule.compiler.compiled_loop import CompiledLoop
from chainrule.compiler.epochs import CompiledRun
from chainrule.compiler.llvm import emit_object
from chainrule.compiler.native_loop import NativeLoop
from chainrule.compiler.panels import panels
from chainrule.compiler.pipeline import run_passes
from chainrule.compiler.schedule import scheduled
from chainrule.graph.loop import EvaluatedRun
from chainrule.graph.trace import trace
from chainrule.graph.types import ArrayType

# Which matrices -----------------------------------------------------------------------------------


def panelled(function, *shapes):
    types = [ArrayType(shape, np.dtype("float32")) for shape in shapes]
    found = panels(scheduled(run_passes(trace(function, *types))))
    return {type_.shape: width for type_, width in found.items()}


LARGE = (300, 256)


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        (lambda x, w: x @ w, [(cr.ROWS, 300), LARGE], [LARGE]),
        (lambda x, w: x @ w @ cr.permute_dims(w, (1, 0)), [(cr.ROWS, 300), LARGE], [LARGE]),
        (lambda x, w: x @ w, [(cr.ROWS, 30), (30, 256)], []),
        (lambda x, w: x @ w, [(cr.ROWS, 40000), (40000, 8)], []),
        (lambda x, w: x @ cr.permute_dims(w, (1, 0)), [(cr.ROWS, 256), LARGE], []),
        (lambda x, w: (x @ w, w @ cr.permute_dims(x, (1, 0))), [(cr.ROWS, 300), (300, 300)], []),
        (lambda x, w: cr.reshape(x, (x.shape[0], 1, 300)) @ w, [(cr.ROWS, 300), LARGE], []),
        (lambda x, w: x @ w[1:], [(cr.ROWS, 299), LARGE], [LARGE]),
        (lambda x, w: x @ w[:, 1:], [(cr.ROWS, 300), LARGE], [(300, 255)]),
        (lambda x, w: (x @ w[:, :208], x @ w), [(cr.ROWS, 300), LARGE], []),
    ],
    ids=[
        *["product", "both_ways", "small", "few_columns", "turned_only", "left_too", "in_batches"],
        *["some_rows", "copy_of_some_columns", "first_columns"],
    ],
)
def test_which_matrices_lie_in_panels(function, shapes, expected):
    found = panelled(function, *shapes)
    assert list(found) == expected
    assert all(width % LANES == 0 and width < shape[1] for shape, width in found.items())


# Training ------------------------------------------------------------------------------------------

X = np.random.default_rng(2).normal(size=(45, 150))
Y = np.sin(X[:, :2] * 2)
#: Hidden layers whose weights have whole panels, and a narrower one at the end.
WIDTHS = [(256, 192), (300, 210)]


class Tied(cr.Layer):
    """There and back by the same matrix; `left` reads it as a left operand."""

    def __init__(self, units, left=False):
        self.units, self.left = units, left

    def forward(self, x, context):
        w = context.parameter("weight", (x.shape[1], self.units), "glorot_uniform")
        h = cr.tanh(x @ w)
        turned = cr.permute_dims(w, (1, 0))
        back = h @ turned
        return cr.permute_dims(w @ cr.permute_dims(h, (1, 0)), (1, 0)) if self.left else back


class Looked(cr.Layer):
    """Multiplies by a matrix, and looks up some of its rows as an embedding does."""

    def forward(self, x, context):
        w = context.parameter("weight", (x.shape[1], 250), "glorot_uniform")
        which = cr.astype(cr.abs(x[:, 0]) * 60, "int32")
        return cr.concat([cr.tanh(x @ w), cr.take(w, which, axis=0)], axis=1)


class Some(cr.Layer):
    """Some neighbouring columns."""

    def __init__(self, *bounds):
        self.which = slice(*bounds)

    def forward(self, x, context):
        return x[:, self.which]


class Beside(cr.Layer):
    """Reads its input by itself, and not only in products."""

    def forward(self, x, context):
        return cr.concat([x * 2.0, cr.sum(x, axis=1, keepdims=True)], axis=1)


class Own(cr.Layer):
    """A function of the input and of matrices, whose shapes are given."""

    def __init__(self, function, *shapes):
        self.function, self.shapes = function, shapes

    def forward(self, x, context):
        weights = [context.parameter(f"w{i}", shape, "glorot_uniform") for i, shape in enumerate(self.shapes)]
        return self.function(x, *weights)


def turned(x):
    return cr.permute_dims(x, (1, 0))


def first_columns(x, w):
    return cr.concat([x @ w[:, :208], cr.tanh(x @ w)], axis=1)


def turned_in_memory(x, there, back, more):
    """One matrix, turned in memory, has the type of another: it is a left operand as well."""
    h, again = cr.tanh(x @ there), turned(there)
    return cr.concat([h @ again, cr.tanh(h) @ again, cr.tanh(h) @ back, h @ (again @ more)], axis=1)


def turned_in_a_chain(x, there, back):
    """As above, where the matrix is small but has longer rows when it is turned."""
    return cr.tanh(x @ there + cr.tanh(x) @ turned(back) + cr.tanh(x * 2.0) @ turned(back)) @ back


def one_column_for_all(x, w):
    return cr.broadcast_to(x[:, :1], (x.shape[0], w.shape[0])) @ w


def one_column_repeated(x, w):
    """A large operand that is read from a small one: its product is part of a chain."""
    return cr.tanh(cr.tanh(x) @ cr.broadcast_to(w, (w.shape[0], 256)))


def network(widths, *between):
    hidden = [layer for units in widths for layer in (cr.Dense(units, activation="tanh"), *between)]
    return cr.Sequential([*hidden, cr.Dense(2)])


def run_of(net, x=X, y=Y, *, batch_size=17, model=None, **fit):
    options = {"loss": "mean_squared_error", "optimizer": cr.Adam(0.01), "dtype": "float64", "seed": 4}
    made = cr.Model(net, **options | (model or {}))
    return recorded(made, x, y, epochs=2, batch_size=batch_size, **fit)


def lies_in_panels(run):
    return {name: bool(buffer.panel) for name, (_, buffer) in run._native.plan.home.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_weights_and_their_moments_lie_in_panels(widths, dtype):
    lies = lies_in_panels(CompiledRun(*run_of(network(widths), model={"dtype": dtype})))
    assert lies["layers.0.weight"]
    assert lies["layers.1.weight"]
    assert not lies["layers.2.weight"]
    assert sum(lies.values()) == 6  # two weights with two moments each


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": cr.Adam(0.01, clip_global_norm=0.1)},
        {"optimizer": cr.SGD(1e-3, momentum=0.9, nesterov=True, weight_decay=0.01)},
        {"penalties": [cr.L2(1e-3), cr.L1(1e-4)]},
        {"optimizer": cr.Adam(0.01, average=0.9)},
        {"fit": {"validation_data": (X[:20] + 1.0, Y[:20]), "epochs": 6, "callbacks": [cr.EarlyStopping(2)]}},
    ],
    ids=["adam", "clipped", "decayed", "penalties", "averaged", "validated"],
)
def test_training(options, widths):
    check(network(widths), X, Y, **{"optimizer": cr.Adam(0.01)} | options)


@pytest.mark.parametrize(
    ("net", "lies_so"),
    [
        (cr.Sequential([Tied(256), cr.Dense(2)]), True),
        (cr.Sequential([Tied(256, left=True), cr.Dense(2)]), False),
        (cr.Sequential([Looked(), cr.Dense(2)]), True),
        (network((256, 256), cr.Dropout(0.3), cr.LayerNorm()), True),
        (cr.Sequential([Beside(), cr.Dense(256, activation="relu"), cr.Dense(2)]), True),
        (cr.Sequential([cr.Dense(300, activation="tanh"), cr.Residual(cr.Dense(300)), cr.Dense(2)]), True),
    ],
    ids=["tied", "tied_left", "looked_up", "normed", "noisy", "residual"],
)
def test_other_ways_to_read_weights(net, lies_so):
    assert any(lies_in_panels(CompiledRun(*run_of(net))).values()) == lies_so
    check(net, X, Y, optimizer=cr.SGD(1e-3))


@pytest.mark.parametrize(
    "layer",
    [
        Own(first_columns, (128, 256)),
        Own(turned_in_memory, (128, 256), (256, 128), (128, 40)),
        Own(one_column_for_all, (300, 256)),
    ],
    ids=lambda layer: layer.function.__name__,
)
def test_views_of_what_is_multiplied(layer):
    check(cr.Sequential([layer, cr.Dense(2)]), X[:, :128], Y, optimizer=cr.SGD(1e-3))


def test_a_small_matrix_repeated_in_a_chain():
    x = np.random.default_rng(3).normal(size=(145, 1024))
    net = cr.Sequential([Own(one_column_repeated, (1024, 1)), cr.Dense(2)])
    check(net, x, x[:, :2], optimizer=cr.SGD(1e-3), fit={"batch_size": 100, "epochs": 2})


@pytest.mark.parametrize(
    ("net", "x", "dtype"),
    [
        (network(WIDTHS[0]), X, "float64"),
        (network(WIDTHS[1]), X, "float64"),
        (
            cr.Sequential([Own(turned_in_a_chain, (128, 256), (256, 128)), cr.Dense(2)]),
            X[:, :128],
            "float32",
        ),
    ],
    ids=["wide", "narrower", "turned_in_a_chain"],
)
def test_the_same_bits_with_any_number_of_threads(net, x, dtype):
    results = [
        trained(CompiledRun(*run_of(net, x, model={"n_threads": threads, "dtype": dtype})))
        for threads in (1, 2, 3, 5)
    ]
    for result in results[1:]:
        for name, array in results[0].items():
            np.testing.assert_array_equal(result[name], array, err_msg=name)


@on_x86
@pytest.mark.parametrize("cpu", CPUS)
def test_code_for_every_cpu(cpu, monkeypatch):
    monkeypatch.setattr(matmul, "vector_registers", lambda: TILES_FOR[cpu])
    for widths in WIDTHS:
        loop, state, inputs = run_of(network(widths))
        compiled = CompiledLoop(loop, sorted(state.carried))
        assert any(buffer.panel for _, buffer in compiled.plan.home.values())
        code = emit_object(compiled.module.text, cpu, "")
        if not runs(cpu):
            continue
        with monkeypatch.context() as patch:
            patch.setattr(native, "_made", lambda make, _, made=(compiled, [code]): made)
            made = NativeLoop(loop, sorted(state.carried), compiled)
        close(trained(CompiledRun(loop, state, inputs, made)), trained(EvaluatedRun(loop, state, inputs)))


@pytest.mark.skipif(bool(emulation.missing()), reason=emulation.missing() or "all is there")
def test_code_for_aarch64(tmp_path):
    options = run_of(network(WIDTHS[1]), batch_size=30)
    close(
        trained(emulation.emulate_run(CompiledRun(*options), tmp_path)),
        trained(EvaluatedRun(*options)),
    )


# Tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "x", "copied"),
    [
        (network((256,)), X, False),
        (network((256,)), np.repeat(X, 2, axis=1)[:, ::2], False),
        (network((256,)), np.asfortranarray(X), False),
        (cr.Sequential([Some(12, None, 1), *network((256,)).layers]), X, False),
        (cr.Sequential([Some(140, 5, -1), *network((256,)).layers]), X, True),
        (network((40,)), X, True),
        (cr.Sequential([Beside(), *network((256,)).layers]), X, True),
    ],
    ids=[
        "read_where_they_lie",
        "strided",
        "by_columns",
        "some_columns",
        "backwards",
        "no_panels",
        "read_elsewhere",
    ],
)
def test_rows_of_a_table(net, x, copied):
    """Rows that only products by panels read are not copied: code finds them where the table has them."""
    loop, state, inputs = run_of(net, x, validation_data=(X + 1.0, Y))
    compiled = CompiledLoop(loop, sorted(state.carried))
    (table, *_) = compiled.layout.data
    (held, *_) = compiled.layout.validation_data
    assert [table.batch.scattered, held.batch.scattered] == [not copied, not copied]
    close(trained(CompiledRun(loop, state, inputs)), trained(EvaluatedRun(loop, state, inputs)))


def test_steps_on_rows_of_their_own():
    models = [
        cr.Model(network((256,)), loss="mean_squared_error", dtype="float64", executor=executor)
        for executor in ("compiled", "numpy")
    ]
    for rows in (9, 17, 4):
        compiled, evaluated = (model.step(X[:rows] + rows, Y[:rows]) for model in models)
        assert compiled == pytest.approx(evaluated, rel=1e-9)
    close(*(model.weights for model in models))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_rows_of_a_sparse_table():
    x = X * (np.abs(X) > 1)
    dense, given = (
        cr.MLPRegressor(hidden_layer_sizes=(256,), max_iter=3, batch_size=20, random_state=0).fit(table, Y)
        for table in (x, sparse.csr_array(x))
    )
    close(dict(enumerate(dense.coefs_)), dict(enumerate(given.coefs_)))
