"""Where an element was before an array got another shape: as numbers, and as formulas."""

import numpy as np
import pytest

from chainrule.explanation.formula import Apply, Looked, Number, Place, Variable, numeric
from chainrule.explanation.places import before_reshape, variables

SHAPES = [
    ((6,), (3, 2)),
    ((3, 2), (6,)),
    ((2, 6, 5), (2, 3, 2, 5)),
    ((4, 6), (2, 2, 3, 2)),
    ((4, 6), (8, 3)),
    ((2, 1, 3, 4), (2, 12, 1)),
    ((2, 3, 2, 2), (6, 4)),
    ((1, 1), (1,)),
]


def with_numbers(formula, at):
    """The formula with numbers for its variables."""
    match formula:
        case Place(variable):
            return Number(at[variable])
        case Apply(primitive, operands, attributes):
            return Apply(primitive, tuple(with_numbers(operand, at) for operand in operands), attributes)
    return formula


def found(place, at):
    if isinstance(place, Looked):
        return int(numeric(with_numbers(place.formula, at)))
    return at[place] if isinstance(place, Variable) else place


@pytest.mark.parametrize(("before", "shape"), SHAPES)
def test_numbers_and_formulas_tell_the_same_place(before, shape):
    numbers = np.arange(np.prod(before)).reshape(before)
    open_index = tuple(
        0 if size == 1 else Variable(letter) for letter, size in zip("nkjil", shape, strict=False)
    )
    told = before_reshape(open_index, shape, before)
    assert set(variables(told)) == set(variables(open_index))
    for index in np.ndindex(shape):
        assert numbers[before_reshape(index, shape, before)] == numbers.reshape(shape)[index]
        at = dict(zip(open_index, index, strict=True))
        assert numbers[tuple(found(place, at) for place in told)] == numbers.reshape(shape)[index]


def test_what_is_split_and_joined_again_has_its_place():
    (place,) = before_reshape(before_reshape((Variable("k"),), (6,), (3, 2)), (3, 2), (6,))
    assert place == Variable("k")
