"""What compiling takes grows with depth in proportion, counted in lines of Python that run."""

import sys

import pytest
from equal_layers import built, compiled


def lines_run(function):
    """Return how many lines run in a call; one that a comprehension repeats counts each time."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(outer)
    return count


def lines_of_compiling(depth, width):
    """Return what it takes to write the code of a training step of so many equal layers."""
    trainer, data = built(depth, width)
    return lines_run(lambda: compiled(trainer, data))


@pytest.mark.parametrize("width", [4, 80], ids=["in one chain", "in many"])
def test_compiling_grows_with_depth_in_proportion(width):
    # The first finds out what is found out once.
    _, shallow, middle, deep = (lines_of_compiling(depth, width) for depth in (2, 20, 40, 80))
    assert deep - middle < 2 * 1.05 * (middle - shallow)
