"""Every function of `vectormath`, compiled by itself, against NumPy in a wider float."""

import ctypes
import functools

import llvmlite.binding as llvm
import numpy as np
import pytest
from scipy import special

from chainrule.compiler.builder import Builder, Element
from chainrule.compiler.code import BYTES, LANES, SCALARS, Code, llvm_type
from chainrule.compiler.vectormath import FUNCTIONS
from chainrule.graph import lowering

DTYPES = ("float32", "float64")
LIMITS = dict.fromkeys(FUNCTIONS, 2.0) | {"power": 4.0}
ATTRIBUTES = 'attributes #0 = { nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512" }'
HOST = None
AVX2 = ("haswell", "")
OLDER = (AVX2, ("x86-64", ""))  # the latter has no fused products

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

needs_long_double = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="float64 is checked against a long double of 64 bits"
)
needs_x86 = pytest.mark.skipif(
    not llvm.get_default_triple().startswith("x86_64"), reason="it asks for an x86-64 by name"
)
by_function = pytest.mark.parametrize("name", FUNCTIONS)
by_dtype = pytest.mark.parametrize("dtype", DTYPES)


# Compiling ---------------------------------------------------------------------------------------


def written(name, dtype, vector):
    """A function that applies another to each element, or vector, of arrays."""
    code = Code("run", "i64 %n, ptr %x, ptr %y, ptr %out")
    builder = Builder(code)
    kind = llvm_type(dtype, vector)

    def body(i, _):
        def place(array):
            return code.value(f"getelementptr {SCALARS[dtype]}, ptr {array}, i64 {i}")

        def element(array):
            return Element(
                code.value(f"load {kind}, ptr {place(array)}, align {BYTES[dtype]}"), dtype, vector
            )

        result = FUNCTIONS[name](builder, *map(element, ["%x", "%y"][: 1 + (name == "power")]))
        assert (result.dtype, result.vector) == (dtype, vector)
        code.do(f"store {result.typed}, ptr {place('%out')}, align {BYTES[dtype]}")
        return []

    code.loop("0", "%n", LANES if vector else 1, body)
    return "\n".join([*sorted(code.declarations), code.text(), ATTRIBUTES])


@functools.cache
def compiled(name, dtype, vector=True, cpu=HOST):
    module = llvm.parse_assembly(written(name, dtype, vector))
    module.verify()
    model, features = cpu or (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    target = llvm.Target.from_default_triple()
    engine = llvm.create_mcjit_compiler(
        module, target.create_target_machine(cpu=model, features=features, opt=2)
    )
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 3)(
        engine.get_function_address("run")
    )

    def run(*operands):
        assert engine  # is kept as long as its code
        size = -(-operands[0].size // LANES) * LANES
        arrays = [np.ones(size, dtype) for _ in range(3)]
        for array, operand in zip(arrays, operands, strict=False):
            array[: operand.size] = operand
        function(size, *(array.ctypes.data for array in arrays))
        return arrays[2][: operands[0].size]

    return run


# What is true ------------------------------------------------------------------------------------


def logistic(x):
    u = np.exp(-np.abs(x))
    return np.where(x < 0, u, 1) / (1 + u)


def erf(x):
    """2/√π e^(-x²) Σ 2^n x^(2n+1) / (1 · 3 · ... · (2n+1)): all terms have one sign."""
    if x.dtype == np.float64:
        return special.erf(x)
    near = np.where(np.abs(x) < 7, x, 0)
    total = term = near
    for n in range(1, 250):
        term = term * (2 * near * near) / (2 * n + 1)
        total = total + term
    series = 2 / np.sqrt(4 * np.arctan(x.dtype.type(1))) * np.exp(-near * near) * total
    return np.where(np.abs(x) < 7, series, np.sign(x))


TRUE = {name: getattr(np, name, None) for name in FUNCTIONS} | {"erf": erf, "logistic": logistic}


def true(name, *operands):
    wider = np.float64 if operands[0].dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        return TRUE[name](*(operand.astype(wider) for operand in operands))


def ulps(result, exact):
    """The distance in units in the last place; infinite unless both are finite or the same."""
    dtype = result.dtype
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        _, exponent = np.frexp(np.abs(exact))  # in [2^(e-1), 2^e)
        lowest = info.minexp - info.nmant
        unit = np.ldexp(exact.dtype.type(1), np.maximum(exponent - 1 - info.nmant, lowest))
        distance = np.abs(result.astype(exact.dtype) - exact) / unit
        rounded = exact.astype(dtype)
        same = (result == rounded) | (np.isnan(result) & np.isnan(rounded))
    return np.where(np.isfinite(result) & np.isfinite(rounded), distance, np.where(same, 0, np.inf))


def error_at_worst(name, dtype, operands, cpu=HOST):
    distances = ulps(compiled(name, dtype, cpu=cpu)(*operands), true(name, *operands))
    worst = np.argmax(distances)
    return distances[worst], [operand[worst] for operand in operands]


# Where it is tried -------------------------------------------------------------------------------


def all_exponents(dtype, rng):
    """Floats of any bits: both signs, denormals, infinities and NaNs too."""
    if dtype == "float32":
        return np.arange(0, 2**32, 9_973, dtype=np.uint32).view(dtype)
    return rng.integers(0, 2**64, 20_000, dtype=np.uint64).view(dtype)


def near_multiples(dtype):
    """The floats next to multiples of π/4, where sine, cosine or a reduction is at its worst."""
    n = np.arange(1, 100_000 if dtype == "float32" else 5_000, dtype=np.longdouble)
    multiples = (n * np.arctan(np.longdouble(1))).astype(dtype)
    return np.concatenate([multiples, np.nextafter(multiples, 0), np.nextafter(multiples, np.inf)])


def arguments(name, dtype):
    rng = np.random.default_rng(0)
    size = 60_000 if dtype == "float32" else 5_000
    widths = (2.0**-20, 0.4, 1, 3, 10, 25, 90, 750, 1e5, 1e8)
    ranges = np.concatenate([rng.uniform(-width, width, size) for width in widths])
    x = np.concatenate([all_exponents(dtype, rng), ranges.astype(dtype)])
    if name in ("sin", "cos", "tan"):
        return (np.concatenate([x, near_multiples(dtype)]),)
    if name in ("log", "log2", "log10"):
        return (np.concatenate([x, np.abs(x), (1 + ranges / 1e8).astype(dtype)]),)
    if name == "power":
        positive, near_one = np.exp(rng.uniform(-6, 6, x.size)), rng.uniform(0.7, 1.4, x.size)
        xs = [x, positive, near_one, -positive]
        whole = rng.integers(-40, 40, x.size)
        ys = [rng.permutation(x), rng.uniform(-120, 120, x.size), rng.uniform(-2500, 2500, x.size), whole]
        return tuple(np.concatenate([each.astype(dtype) for each in parts]) for parts in (xs, ys))
    return (x,)


@needs_long_double
@by_dtype
@by_function
def test_a_result_is_near_the_exact_one(name, dtype):
    distance, where = error_at_worst(name, dtype, arguments(name, dtype))
    assert distance <= LIMITS[name], where


@needs_x86
@needs_long_double
@pytest.mark.parametrize("cpu", OLDER, ids=[name for name, _ in OLDER])
@by_dtype
@by_function
def test_older_cpus_are_as_exact(name, dtype, cpu):
    if cpu == AVX2 and not llvm.get_host_cpu_features().get("avx2"):
        pytest.skip("this CPU has no AVX2")
    thinned = [operand[::3] for operand in arguments(name, dtype)]
    distance, where = error_at_worst(name, dtype, thinned, cpu)
    assert distance <= LIMITS[name], where


@by_dtype
@by_function
def test_a_scalar_gives_the_bits_of_a_vector(name, dtype):
    operands = [operand[::5] for operand in arguments(name, dtype)]
    assert np.array_equal(
        compiled(name, dtype)(*operands), compiled(name, dtype, vector=False)(*operands), equal_nan=True
    )


@by_dtype
@by_function
def test_a_lane_does_not_depend_on_its_neighbours(name, dtype):
    operands = [operand[::50] for operand in arguments(name, dtype)]
    order = np.random.default_rng(1).permutation(operands[0].size)
    apply = compiled(name, dtype)
    shuffled = apply(*(operand[order] for operand in operands))
    assert np.array_equal(apply(*operands)[order], shuffled, equal_nan=True)


# Special values ----------------------------------------------------------------------------------

INF, NAN = np.inf, np.nan
ODD_ONES = [-0.0, 0.0, INF, -INF, NAN]
AT_ODD_ONES = {
    "exp": [1, 1, INF, 0, NAN],
    "expm1": [-0.0, 0.0, INF, -1, NAN],
    "log": [-INF, -INF, INF, NAN, NAN],
    "log2": [-INF, -INF, INF, NAN, NAN],
    "log10": [-INF, -INF, INF, NAN, NAN],
    "log1p": [-0.0, 0.0, INF, NAN, NAN],
    "erf": [-0.0, 0.0, 1, -1, NAN],
    "logistic": [0.5, 0.5, 1, 0, NAN],
    "sin": [-0.0, 0.0, NAN, NAN, NAN],
    "cos": [1, 1, NAN, NAN, NAN],
    "tan": [-0.0, 0.0, NAN, NAN, NAN],
    "sinh": [-0.0, 0.0, INF, -INF, NAN],
    "cosh": [1, 1, INF, INF, NAN],
    "tanh": [-0.0, 0.0, 1, -1, NAN],
}


def assert_same(result, expected):
    """The same numbers, the sign of zero included."""
    assert np.array_equal(result, expected, equal_nan=True), (result, expected)
    assert np.array_equal(np.copysign(1, result)[result == 0], np.copysign(1, expected)[result == 0])


@by_dtype
@pytest.mark.parametrize("name", AT_ODD_ONES)
def test_zeros_infinities_and_nan(name, dtype):
    assert_same(compiled(name, dtype)(np.array(ODD_ONES, dtype)), np.array(AT_ODD_ONES[name], dtype))


@by_dtype
@pytest.mark.parametrize("name", ["expm1", "log1p", "sin", "tan", "sinh", "tanh"])
def test_the_smallest_numbers_are_their_own_result(name, dtype):
    smallest = np.finfo(dtype).smallest_subnormal
    x = np.array([smallest, -smallest, 3 * smallest, -np.finfo(dtype).tiny, np.finfo(dtype).tiny], dtype)
    assert_same(compiled(name, dtype)(x), x)


@by_dtype
def test_a_logarithm_has_no_value_below_its_domain(dtype):
    below = np.array([-np.finfo(dtype).smallest_subnormal, -1, np.finfo(dtype).min], dtype)
    assert np.isnan(compiled("log", dtype)(below)).all()
    assert_same(
        compiled("log1p", dtype)(np.array([-1, -1.5, -3e38], dtype)), np.array([-INF, NAN, NAN], dtype)
    )


@by_dtype
def test_overflow_and_underflow_of_exponentials(dtype):
    most, least = np.log(np.finfo(dtype).max), np.log(np.finfo(dtype).smallest_subnormal)
    x = np.array([most + 0.01, 1e30, least - 1, -1e30, least + 0.4], dtype)
    smallest = np.finfo(dtype).smallest_subnormal
    assert_same(compiled("exp", dtype)(x), np.array([INF, INF, 0, 0, smallest], dtype))
    assert_same(compiled("expm1", dtype)(x), np.array([INF, INF, -1, -1, -1], dtype))
    assert_same(compiled("logistic", dtype)(x), np.array([1, 1, 0, 0, smallest], dtype))


@by_dtype
@pytest.mark.parametrize("name", ["sinh", "cosh"])
def test_hyperbolic_functions_are_finite_as_long_as_they_can_be(name, dtype):
    end = np.arccosh(np.finfo(dtype).max.astype(np.longdouble)).astype(dtype)
    x = end + np.arange(-3, 4) * np.spacing(end)
    x = np.concatenate([x, -x, [np.finfo(dtype).max]]).astype(dtype)
    distances = ulps(compiled(name, dtype)(x), true(name, x))
    assert distances.max() <= LIMITS[name], x[np.argmax(distances)]


@by_dtype
def test_powers_of_special_values(dtype):
    numbers = [*ODD_ONES, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 2.5, 1e30, -1e30, 2.0**24 - 1, 2.0**24 + 2]
    tiny = np.finfo(dtype).smallest_subnormal
    numbers = np.array([*numbers, tiny, -tiny, np.finfo(dtype).max, np.finfo(dtype).min], dtype)
    x, y = (grid.ravel() for grid in np.meshgrid(numbers, numbers))
    result, exact = compiled("power", dtype)(x, y), true("power", x, y)
    wrong = (ulps(result, exact) > 1) | ((np.signbit(result) != np.signbit(exact)) & ~np.isnan(result))
    assert not wrong.any(), (x[wrong], y[wrong], result[wrong])


def test_there_is_a_function_for_every_name_that_rows_may_ask_for():
    assert set(FUNCTIONS) == set(lowering.FUNCTIONS)
