"""Values: operators, dtypes of results, broadcasting, and what a symbolic array refuses."""

import operator

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.trace import trace
from chainrule.graph.types import BOOL, DTYPES, FLOAT32, FLOAT64, INT32, ROWS, UINT32, ArrayType, as_dtype
from chainrule.graph.value import as_array, as_value, input_value


def value(dtype="float32", shape=(2, 3), weak=False):
    return input_value("x", shape, dtype, weak=weak)


def names(graph):
    """The primitives of a graph, in order."""
    return [equation.primitive.name for equation in graph.equations]


# Operators -----------------------------------------------------------------------------------------

NUMBERS = [np.array([[-1.5, 0.5, 2.0]]), np.array([[3.0], [0.5], [2.0]])]
BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "lt", "le", "gt", "ge", "eq", "ne"]


@pytest.mark.parametrize("name", BINARY)
def test_binary_operators(name):
    """`x + y` is NumPy's, whichever of the two is symbolic; an array on the left does not take over."""
    apply = getattr(operator, name)
    for a, b in (NUMBERS, (NUMBERS[0], 2.0), (2.0, NUMBERS[1])):
        for function, arguments in (
            (apply, (np.asarray(a), np.asarray(b))),
            (lambda x, b=b: apply(x, b), (np.asarray(a),)),
            (lambda y, a=a: apply(a, y), (np.asarray(b),)),
        ):
            (result,) = evaluate(trace(function, *arguments), *arguments)
            np.testing.assert_allclose(result, apply(a, b), rtol=1e-15)


def test_matrix_products():
    a, b = NUMBERS
    for graph, arguments in (
        (trace(operator.matmul, a, b), (a, b)),
        (trace(lambda x: x @ b, a), (a,)),
        (trace(lambda y: a @ y, b), (b,)),
    ):
        np.testing.assert_allclose(evaluate(graph, *arguments)[0], a @ b)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 2 - x,
        lambda x: 2 / x,
        lambda x: 2 + x,
        lambda x: 3 * x,
        lambda x: 2.0**x,
        lambda x: x**2,
        lambda x: x**3,
        lambda x: x**0.5,
        lambda x: -x,
        lambda x: +x,
        abs,
        lambda x: x[1:],
        lambda x: x[0],
        lambda x: sum(x),
    ],
)
def test_operators_with_numbers(function):
    x = np.array([0.5, 1.0, 2.0])
    (result,) = evaluate(trace(function, x), x)
    np.testing.assert_allclose(result, function(x), rtol=1e-15)


@pytest.mark.parametrize(
    "function",
    [lambda x, y: x & y, lambda x, y: x | y, lambda x, y: ~x, lambda x, y: True & y, lambda x, y: False | y],
)
def test_logical_operators(function):
    x, y = np.array([True, True, False, False]), np.array([True, False, True, False])
    (result,) = evaluate(trace(function, x, y), x, y)
    np.testing.assert_array_equal(result, function(x, y))


def test_transpose():
    assert value(shape=(2, 3)).T.shape == (3, 2)
    with pytest.raises(ValueError, match=r"\.T takes a matrix, not an array of 3 dimensions"):
        _ = value(shape=(2, 3, 4)).T


def test_an_operator_that_a_user_may_expect_of_equality():
    """`==` is symbolic; values are kept apart in dicts and sets by identity."""
    x, y = value(), value()
    assert (x == y).dtype == BOOL
    assert len({x, y}) == 2


# Dtypes --------------------------------------------------------------------------------------------

ORDER = [BOOL, INT32, FLOAT32, FLOAT64]


@pytest.mark.parametrize("first", ORDER)
@pytest.mark.parametrize("second", ORDER)
def test_arrays_promote_to_the_larger_dtype(first, second):
    y = cr.where(value("bool"), value(first), value(second))
    assert y.dtype == ORDER[max(ORDER.index(first), ORDER.index(second))]
    assert not y.weak


@pytest.mark.parametrize(
    ("dtype", "number", "expected"),
    [
        ("float32", 2, "float32"),
        ("float32", 0.5, "float32"),
        ("float64", 0.5, "float64"),
        ("int32", 2, "int32"),
        ("int32", 0.5, "float64"),
        ("float32", np.float64(0.5), "float32"),
        ("float32", np.int64(2), "float32"),
        ("float32", True, "float32"),
    ],
)
def test_numbers_take_on_the_dtype_of_the_array(dtype, number, expected):
    y = value(dtype) * number
    assert y.dtype == DTYPES[expected]
    assert y.weak == (expected != dtype)


def test_an_int_array_times_a_number_yields_to_floats():
    y = (value("int32") * 0.5) * value("float32")
    assert (y.dtype, y.weak) == (FLOAT32, False)


def test_hyperparameters_are_weak():
    rate = value("float64", (), weak=True)
    scaled = (1 - rate) * 2
    assert (scaled.dtype, scaled.weak) == (FLOAT64, True)
    assert (scaled * value("float32")).dtype == FLOAT32
    assert (value("float64", ()) * value("float32")).dtype == FLOAT64
    assert not (rate < 1).weak


def test_a_number_is_written_in_the_dtype_that_it_meets():
    """0.1 in float32 is a constant of the graph, not a conversion."""
    graph = trace(lambda x: x * 0.1, ArrayType((3,), FLOAT32))
    assert names(graph) == ["constant", "broadcast", "multiply"]
    assert graph.equations[0].type == ArrayType((), FLOAT32)


@pytest.mark.parametrize("other", [2, 0.5, np.ones(3, np.float32), True])
def test_random_words_mix_with_nothing(other):
    with pytest.raises(ValueError, match=r"less: uint32 holds random bits .* cast it first"):
        _ = value("uint32", (3,)) < other


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.arange(3, dtype=np.int64), INT32),
        (np.arange(3, dtype=np.uint8), INT32),
        (np.ones(3, np.float16), FLOAT32),
        (np.ones(3, ">f4"), FLOAT32),
        (np.ones(3, ">i4"), INT32),
        (np.ones(3, np.uint32), UINT32),
        ([1.0, 2.0], FLOAT64),
        ([True], BOOL),
    ],
)
def test_arrays_of_other_dtypes(array, dtype):
    converted = as_array(array)
    assert converted.dtype == dtype
    assert converted.dtype.isnative
    np.testing.assert_array_equal(converted, array)


@pytest.mark.parametrize(
    ("operand", "error", "sentence"),
    [
        (
            np.array([2**31]),
            ValueError,
            "int64 holds integers that do not fit int32; cast it to float64 first",
        ),
        (2**31, ValueError, "the integer 2147483648 does not fit int32; write it as a float"),
        ("text", TypeError, "an array of numbers is needed, not str of dtype <U4: 'text'"),
        (None, TypeError, "an array of numbers is needed, not NoneType of dtype object: None"),
        (1j, TypeError, "an array of numbers is needed, not complex"),
    ],
)
def test_what_is_no_array(operand, error, sentence):
    with pytest.raises(error, match=sentence):
        as_value(operand)


@pytest.mark.parametrize("name", ["float16", "int64", "flaot32", None, object])
def test_unknown_dtypes(name):
    with pytest.raises(
        ValueError, match=f"dtype '{getattr(name, '__name__', name)}' is not one of float32, float64"
    ):
        as_dtype(name)


# Shapes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((2, 3), (3,), (2, 3)),
        ((2, 1), (1, 3), (2, 3)),
        ((), (4,), (4,)),
        ((ROWS, 3), (3,), (ROWS, 3)),
        ((ROWS, 1), (1, 3), (ROWS, 3)),
        ((ROWS,), (), (ROWS,)),
        ((0, 3), (1, 3), (0, 3)),
    ],
)
def test_broadcasting_is_written_down(first, second, expected):
    """Rows see equal shapes: what is stretched is stretched by a `broadcast` of its own."""
    inputs = [input_value("a", first, "float32"), input_value("b", second, "float32")]
    y = inputs[0] + inputs[1]
    assert y.shape == expected
    assert [operand.shape for operand in y.operands] == [expected, expected]
    written = names(Graph(inputs, [y]))
    assert written.count("broadcast") == sum(shape != expected for shape in (first, second))
    assert set(written) <= {"broadcast", "reshape", "add"}


@pytest.mark.parametrize(("first", "second"), [((2,), (3,)), ((ROWS,), (3,)), ((ROWS, 2), (2, 2))])
def test_shapes_that_do_not_fit(first, second):
    with pytest.raises(ValueError, match=r"^add: shapes \(.*\) and \(.*\) do not fit together$"):
        _ = value(shape=first) + value(shape=second)


def test_the_number_of_rows_is_no_number():
    for compute in (
        lambda: ROWS + 1,
        lambda: 2 * ROWS,
        lambda: ROWS < 3,
        lambda: range(ROWS),
        lambda: float(ROWS),
    ):
        with pytest.raises(TypeError, match="the number of rows is not known until the graph runs"):
            compute()
    with pytest.raises(TypeError, match=r"the size of \(rows, 3\) is not known"):
        _ = value(shape=(ROWS, 3)).size
    assert value(shape=(2, 3)).size == 6


@pytest.mark.parametrize("dim", [-1, 2.0, None, "rows"])
def test_what_is_no_dimension(dim):
    with pytest.raises(ValueError, match="a dimension is a number from 0 on, or rows, not"):
        ArrayType((3, dim), FLOAT32)


# What a symbolic array has not -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "what"),
    [
        (bool, "a Python condition"),
        (float, "float()"),
        (int, "int()"),
        (lambda x: [1, 2][x], "an index"),
        (np.asarray, "a NumPy function"),
        (lambda x: 1 if x > 0 else 2, "a Python condition"),
        (lambda x: 0 < x < 1, "a Python condition"),
    ],
)
def test_a_symbolic_array_is_no_number(use, what):
    with pytest.raises(TypeError) as caught:
        use(value(shape=()))
    assert str(caught.value).startswith(what)
    assert "use cr.where to choose between values" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["tanh", "absolute", "maximum", "matmul", "less", "logical_and", "bitwise_or"]
)
def test_functions_of_numpy_by_element(name):
    """They are the primitives of their names, whichever of the two is symbolic."""
    function = getattr(np, name)
    arrays = (np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[0.5, 2.0], [-4.0, 3.0]]))[: function.nin]
    if name.startswith(("logical", "bitwise")):
        arrays = tuple(array > 0 for array in arrays)
    x, *others = arrays
    for traced, given in ((function, arrays), (lambda x: function(x, *others), (x,))):
        (result,) = evaluate(trace(traced, *given), *given)
        np.testing.assert_allclose(result, function(*arrays), rtol=1e-15)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda x: np.add(x, x, dtype="float64"), "np.add needs a number"),
        (np.add.reduce, "np.add needs a number"),
        (np.deg2rad, "np.deg2rad needs a number"),
        (np.sum, "np.sum needs a number"),
        (lambda x: np.where(x > 0, x, 0), "np.where needs a number"),
    ],
)
def test_other_functions_of_numpy_refuse_values(use, message):
    with pytest.raises(TypeError, match=f"{message}.* use chainrule's functions, as cr.sum and cr.where"):
        use(value())


@pytest.mark.parametrize("name", ["sum", "reshape", "mean"])
def test_arrays_have_few_methods(name):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; use chainrule's functions"):
        getattr(value(), name)
    assert not hasattr(value(), "__array_interface__")


def test_len_and_iteration():
    assert len(value(shape=(2, 3))) == 2
    assert [row.shape for row in value(shape=(2, 3))] == [(3,), (3,)]
    with pytest.raises(TypeError, match=r"a scalar has no len\(\)"):
        len(value(shape=()))
    with pytest.raises(TypeError, match="not known until the graph runs"):
        list(value(shape=(ROWS, 3)))


def test_a_value_prints_how_it_is_made_and_what_it_is():
    x = value()
    assert repr(x) == "<Value x: float32[2, 3]>"
    assert repr(x + x) == "<Value add: float32[2, 3]>"
    assert repr(as_value(np.ones(2))) == "<Value captured: float64[2]>"
