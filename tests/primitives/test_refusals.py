"""What does not fit gets a sentence that starts with the primitive's name; what does, NumPy takes too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from row_cases import ROWS_OF_TABLE, inputs_of, samples, types_of

import chainrule.functions  # noqa: F401  (binds the operators)
from chainrule.graph.types import DTYPES, ROWS, ArrayType
from chainrule.graph.value import PRIMITIVES

changes = st.sampled_from(["dtype", "dim", "drop", "add", "rows"])


@st.composite
def misfits(draw):
    """A row's sample with some operands' types and some numbers of its attributes changed."""
    row = draw(st.sampled_from(list(PRIMITIVES.values())))
    case = draw(st.sampled_from(samples(row)))
    types = [_changed(draw, type_) if draw(st.booleans()) else type_ for type_ in types_of(case.operands)]
    attributes = {
        name: draw(st.integers(-3, 6))
        if type(item) is int and draw(st.booleans())
        else tuple(draw(st.integers(-2, 4)) for _ in item)
        if isinstance(item, tuple) and draw(st.booleans())
        else item
        for name, item in case.attributes.items()
    }
    return row, types, attributes


def _changed(draw, type_):
    shape, axis = list(type_.shape), draw(st.integers(0, max(len(type_.shape) - 1, 0)))
    match draw(changes):
        case "dtype":
            return ArrayType(type_.shape, draw(st.sampled_from(list(DTYPES.values()))))
        case "add":
            shape.insert(axis, draw(st.integers(0, 3)))
        case "drop" if shape:
            del shape[axis]
        case "dim" if shape:
            shape[axis] = draw(st.integers(0, 6))
        case "rows" if shape:
            shape[axis] = ROWS
    return ArrayType(tuple(shape), type_.dtype)


def _bound(item, rows):
    return (
        tuple(_bound(each, rows) for each in item)
        if isinstance(item, tuple)
        else (rows if item is ROWS else item)
    )


@settings(max_examples=600, deadline=None)
@given(misfits())
def test_a_row_refuses_or_computes_what_it_says(misfit):
    """The type rule is sound: NumPy computes whatever it lets pass, and the result has the type it says."""
    row, types, attributes = misfit
    try:
        y = row(*inputs_of(types), **attributes)
    except ValueError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert_computes_its_type(y)
    assert not sentence or (sentence.startswith(f"{row.name}: ") and "\n" not in sentence)


def assert_computes_its_type(y, rows=4):
    """NumPy computes the equation y, with ones for its operands, and the result has the type of y."""
    with np.errstate(all="ignore"):
        result = np.asarray(
            y.primitive.value(
                *(np.ones(_bound(x.shape, rows), x.dtype) for x in y.operands),
                **{name: _bound(item, rows) for name, item in y.attributes.items()},
            )
        )
    assert result.dtype == y.dtype
    assert result.shape == _bound(y.shape, rows)


@pytest.mark.parametrize("row", ROWS_OF_TABLE)
def test_one_operand_too_many_or_too_few(row):
    """But for `concat`, which joins any number."""
    types = types_of(samples(row)[0].operands)
    extra = types[0] if types else ArrayType((), np.dtype("float64"))
    if row.name == "concat":
        return
    with pytest.raises(TypeError, match=f"^{row.name}: "):
        row(*inputs_of([*types, extra]), **samples(row)[0].attributes)
    if types:
        with pytest.raises(TypeError, match=f"^{row.name}: "):
            row(*inputs_of(types[:-1]), **samples(row)[0].attributes)


@pytest.mark.parametrize(
    ("name", "types", "attributes", "sentence"),
    [
        ("add", ["float32[3]", "float32[4]"], {}, r"add: shapes \(3,\) and \(4,\) do not fit together"),
        ("add", ["bool[3]", "bool[3]"], {}, "add: it takes numbers, not bool; cast first"),
        ("tanh", ["int32[3]"], {}, "tanh: it takes float32 or float64, not int32; cast first"),
        ("logical_not", ["float32[3]"], {}, "logical_not: it takes bools, not float32; compare first"),
        ("where", ["float32[3]"] * 3, {}, "where: the condition should be bool, not float32; compare first"),
        ("where", ["bool[2]", "int32[3]", "int32[3]"], {}, r"where: shapes .* do not fit together"),
        ("matmul", ["float32[3, 4]", "float32[3, 4]"], {}, "matmul: .* do not fit: the last axis"),
        ("matmul", ["float32[3, 4]", "float64[4, 3]"], {}, "matmul: it takes two float arrays of one dtype"),
        (
            "sum",
            ["float32[3]"],
            {"axes": (1,)},
            r"sum: the axes \(1,\) are not different axes of float32\[3\]",
        ),
        ("max", ["float32[3, 0]"], {"axes": (1,)}, "max: there is no largest or smallest element along"),
        ("argmax", ["float32[rows]"], {"axes": (0,)}, "argmax: it cannot look along the rows"),
        ("reshape", ["float32[rows, 3]"], {"shape": (ROWS, 2)}, "reshape: .* does not have as many elements"),
        ("reshape", ["float32[6]"], {"shape": (-2, -3)}, "reshape: a dimension is a number from 0 on"),
        ("concat", [], {"axis": 0}, "concat: it needs at least one array"),
        ("concat", ["float32[rows]"] * 2, {"axis": 0}, "concat: arrays cannot be joined along the rows"),
        ("cast", ["float32[3]"], {"dtype": "float16"}, "cast: dtype 'float16' is not one of"),
        ("take", ["float32[3]", "float32[3]"], {}, "take: it takes an array .* and int32 indices"),
    ],
)
def test_sentence(name, types, attributes, sentence):
    def parse(text):
        dtype, dims = text.rstrip("]").split("[")
        return ArrayType(tuple(ROWS if dim == "rows" else int(dim) for dim in dims.split(",")), DTYPES[dtype])

    with pytest.raises(ValueError, match=f"^{sentence}"):
        PRIMITIVES[name](*inputs_of(map(parse, types)), **attributes)
