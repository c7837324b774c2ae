"""Products of sizes at which operands are packed, against NumPy; on any threads with the same bits."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler import executable, matmul
from chainrule.compiler.code import BYTES, LANES
from chainrule.compiler.executable import Executable
from chainrule.compiler.few_columns import FEW_COLUMNS
from chainrule.compiler.fuse import kernels_of
from chainrule.compiler.llvm import Registers
from chainrule.compiler.matmul import panels_of
from chainrule.compiler.operand import FAR_BYTES
from chainrule.compiler.pipeline import run_passes
from chainrule.compiler.schedule import MOST_MATRICES
from chainrule.compiler.tile import MANY_VECTORS, tile_for
from chainrule.graph.trace import trace

#: Rows, inner size and columns: around tiles, blocks and panels, with what is packed and what isn't.
SIZES = [
    (128, 1040, 32),  # a left operand that lies transposed is packed from here on
    (127, 1040, 32),
    (130, 70, 33),
    (200, 129, 64),
    (131, 1300, 100),
    (150, 1000, 47),  # several blocks
    (129, 9000, 35),  # a block has no room for a vector of rows
    (300, 65, 256),  # wide tiles
    (261, 33, 307),
    (16, 7, 700),
    (20, 9, 112),  # panels of two and of three vectors
    (21, 9, 128),
    (22, 9, 120),  # what is left is as wide as a panel, or less
    (23, 9, 150),
    (24, 9, 72),
    (1, 1, 1),  # few columns: less than a vector of rows or terms, a whole one, some left over
    (5, 16, 2),
    (16, 3, 3),
    (37, 33, FEW_COLUMNS),
    (100, 70, 1),
    (40, 7, FEW_COLUMNS + 1),
]


def _operand(shape, dtype, seed):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


FORMS = {
    "nn": (lambda a, b: a @ b, lambda m, k, n: ((m, k), (k, n))),
    "tn": (lambda a, b: a.T @ b, lambda m, k, n: ((k, m), (k, n))),
    "nt": (lambda a, b: a @ b.T, lambda m, k, n: ((m, k), (n, k))),
    "tt": (lambda a, b: a.T @ b.T, lambda m, k, n: ((k, m), (n, k))),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_form(form, size, dtype):
    product, shapes = FORMS[form]
    a, b = (_operand(shape, dtype, seed) for seed, shape in enumerate(shapes(*size)))
    exact = product(a.astype(np.float64), b.astype(np.float64))
    bound = product(np.abs(a).astype(np.float64), np.abs(b).astype(np.float64)) * size[1]
    error = np.abs(cr.compile(product)(a, b) - exact)
    assert np.all(error <= bound * np.finfo(dtype).eps)


@pytest.mark.parametrize("size", [(131, 300, 100), (150, 1000, 47), (300, 65, 256)], ids=str)
def test_what_is_made_of_a_product_sees_each_of_its_elements_once(size):
    """Much is made of it: the rows of a tile are finished in a loop, or beside the sums of the next tile."""
    m, k, n = size
    x, w, v = (_operand(shape, "float64", seed) for seed, shape in enumerate([(k, m), (k, n), (m, n)]))

    def step(x, w, v):
        z = x.T @ w
        return cr.tanh(z) * v + z * z - v / (1.0 + z * z), cr.where(z > 0, z, v)

    for found, expected in zip(cr.compile(step)(x, w, v), step(x, w, v), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rows", [1, 100, 129, 700])
@pytest.mark.parametrize("widths", [(150, 100), (200, 257), (784, 130)], ids=str)
def test_weight_gradients_that_are_updated(rows, widths):
    """The gradient of a weight sums over rows: how many there are is known at run time alone."""
    first, second = widths
    x, y = _operand((rows, first), "float64", 0), _operand((rows, second), "float64", 1)
    models = []
    for executor in ("compiled", "numpy"):
        model = cr.Model(
            cr.Dense(second), loss="mean_squared_error", dtype="float64", executor=executor, seed=0
        )
        model.fit(x, y, epochs=3, batch_size=rows)
        models.append(dict(model.weights))
    for name, found in models[0].items():
        np.testing.assert_allclose(found, models[1][name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("repeated", ["left 0", "left 1", "right 0", "right 1"])
@pytest.mark.parametrize("size", [(130, 70, 33), (300, 65, 256), (129, 9, 32), (37, 33, 40)], ids=str)
def test_an_operand_of_which_one_row_or_column_is_repeated(size, repeated):
    m, k, n = size
    side, axis = repeated.split()
    shapes = {"left": (m, k), "right": (k, n)}
    a, b = (_operand(shape, "float64", seed) for seed, shape in enumerate(shapes.values()))
    one = (a if side == "left" else b).take([0], axis=int(axis))

    def product(one, a, b):
        many = cr.broadcast_to(one, shapes[side])
        return many @ b if side == "left" else a @ many

    exact = product(one, a, b)
    error = 4 * np.finfo(float).eps * (abs(a) + abs(one).max()) @ (abs(b) + abs(one).max())
    assert np.all(abs(cr.compile(product)(one, a, b) - exact) <= error)


def test_the_gradient_of_a_sum_of_a_product():
    """Its left operand is a column that is repeated along the terms of the sum."""
    shapes = (200,), (200, 64), (64, 3)
    v, x, w = (_operand(shape, "float64", seed) for seed, shape in enumerate(shapes))
    gradient = cr.compile(cr.grad(lambda x: cr.sum(v * cr.sum(x @ w, axis=1))))(x)
    np.testing.assert_allclose(gradient, v[:, None] * w.sum(axis=1), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("columns", range(1, FEW_COLUMNS + 1))
@pytest.mark.parametrize("batch", [(3,), (18,), (2, 17)], ids=str)
def test_few_columns_in_batches(batch, columns):
    """With one row in each, a vector runs over the matrices."""
    for rows in (1, 20):
        a = _operand((*batch, rows, 9), "float64", 0)
        b = _operand((*batch, 9, columns), "float64", 1)
        np.testing.assert_allclose(cr.compile(lambda a, b: a @ b)(a, b), a @ b, rtol=1e-9, atol=1e-12)


def test_special_numbers_stay_in_their_rows():
    x, w = _operand((20, 19), "float32", 0), _operand((19, 2), "float32", 1)
    x[3], x[19, 18] = np.nan, np.inf
    found = cr.compile(lambda x, w: x @ w)(x, w)
    assert np.isnan(found[3]).all()
    assert np.isinf(found[19]).all()
    assert np.isfinite(np.delete(found, [3, 19], axis=0)).all()


@pytest.mark.parametrize("columns", range(1, FEW_COLUMNS + 1))
@pytest.mark.parametrize("widths", [(40,), ()], ids=str)
def test_a_row_has_the_same_bits_alone(widths, columns):
    x = _operand((35, 21), "float32", 0)
    layers = [*(cr.Dense(width, activation="tanh") for width in widths), cr.Dense(columns)]
    model = cr.Model(cr.Sequential(layers), loss="mean_squared_error", seed=0)
    together = model.predict(x)
    for start, stop in ((0, 1), (3, 20), (34, 35)):
        np.testing.assert_array_equal(model.predict(x[start:stop]), together[start:stop])


@pytest.mark.parametrize("number", ["2", "3", "20"])
@pytest.mark.parametrize("form", FORMS)
def test_same_bits_on_any_number_of_threads(form, number, monkeypatch):
    monkeypatch.setattr(executable, "WORTH_WAKING", 1)
    product, shapes = FORMS[form]
    for size in ((150, 1000, 300), (5, 700, 200), (261, 33, 307), (230, 33, 3)):
        a, b = (_operand(shape, "float32", seed) for seed, shape in enumerate(shapes(*size)))
        compiled = cr.compile(product)
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", "1")
        alone = compiled(a, b)
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", number)
        np.testing.assert_array_equal(compiled(a, b), alone)


def test_a_network_whose_weights_no_cache_holds(monkeypatch):
    x, y = _operand((70, 600), "float32", 0), _operand((70, 3), "float32", 1)
    found = []
    for number in ("1", "2", "5"):
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", number)
        layers = [cr.Dense(250, activation="tanh"), cr.Dense(700, activation="tanh"), cr.Dense(3)]
        model = cr.Model(cr.Sequential(layers), loss="mean_squared_error", seed=0)
        model.fit(x, y, batch_size=32, epochs=2)
        found.append(model.weights)
    for name, array in found[0].items():
        np.testing.assert_array_equal(found[1][name], array)
        np.testing.assert_array_equal(found[2][name], array)
    check = model.check_gradients(x[:5], y[:5])
    assert check.passed, check


def test_the_sizes_are_on_both_sides_of_each_limit():
    """Whoever moves a limit moves the sizes of these tests, too."""
    rows = {size[0] for size in SIZES}
    assert {matmul.FAR_ROWS, matmul.FAR_ROWS - 1} <= rows
    vectors = {size[2] / LANES for size in SIZES}
    assert {MANY_VECTORS, MANY_VECTORS - 1} <= vectors
    right = {inner * columns * 4 for _, inner, columns in SIZES}
    assert min(right) <= FAR_BYTES < max(right)  # threads share the columns of the larger ones
    assert MOST_MATRICES <= FAR_BYTES  # rows that go through a chain are shared, not columns
    room = {matmul.BLOCK_BYTES // (4 * inner) // 16 * 16 for _, inner, _ in SIZES}
    assert min(room) < 16 < max(room)


@pytest.mark.parametrize("most", range(1, 5))
def test_panels_cover_all_columns(most):
    for columns in range(1, 600):
        panels = panels_of(columns, most)
        place = 0
        for each in panels:
            assert int(each.begin) == place < int(each.end)
            assert 1 <= each.vectors <= most
            place = place + each.left if each.left else int(each.end)
            assert each.left or (place - int(each.begin)) % each.width == 0
        assert place == columns
        assert not any(each.left for each in panels[:-1])


@pytest.mark.parametrize("columns", [1, 10, 16, 17, 33, 64, 100, 112, 128, 256, 300, 1024])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("registers", [(32, 64), (32, 16), (16, 32), (16, 16)], ids=str)
def test_a_tile_stays_in_registers(registers, dtype, columns):
    number, width = registers
    tile = tile_for(dtype, Registers(number, width), columns)
    across = tile.vectors * LANES * BYTES[dtype] // width
    assert tile.rows == tile.vectors == 1 or tile.rows * across + across < number


@pytest.mark.parametrize(("width", "uses", "kernels"), [(20, 1, 1), (20, 2, 3), (512, 2, 2)])
def test_a_small_matrix_that_several_products_turn_is_turned_once(width, uses, kernels):
    def function(x, w):
        return tuple((x + number) @ w.T for number in range(uses))

    x, w = (np.arange(rows * width, dtype=np.float32).reshape(rows, width) % 7 for rows in (3, width))
    graph = run_passes(trace(function, x, w))
    products = [kernel for kernel in kernels_of(graph) if kernel.root is not None]
    assert len(products) == uses
    turned = [kernel for kernel in kernels_of(graph) if kernel.shape == w.shape]
    assert len(products) + len(turned) == kernels
    for result, expected in zip(Executable(graph)(x, w), function(x, w), strict=True):
        np.testing.assert_array_equal(result, expected)
