"""Instructions as they are written: what a block has computed is not computed again."""

import pytest

from chainrule.compiler.code import Code


@pytest.mark.parametrize(
    "text", ["mul i64 %rows, 112", "fcmp olt double %x, %y", "getelementptr i8, ptr %p, i64 8"]
)
def test_a_block_computes_once(text):
    code = Code("f")
    first = code.value(text)
    assert code.value(text) == first
    code.place(code.label())
    assert code.value(text) != first  # the first one may never have run
    assert code.text().count(text) == 2


@pytest.mark.parametrize("text", ["load i64, ptr %p", "call i64 @share()", "phi i64 [ 0, %entry ]"])
def test_what_may_differ_is_done_again(text):
    code = Code("f")
    assert code.value(text) != code.value(text)


def test_an_intrinsic_is_declared_once_for_what_it_takes():
    code = Code("f")
    for _ in range(2):
        code.call("<4 x float>", "llvm.sqrt.v4f32", "<4 x float> %x")
    code.smaller("%a", "%b")
    assert code.declarations == {
        "declare <4 x float> @llvm.sqrt.v4f32(<4 x float>)",
        "declare i64 @llvm.smin.i64(i64, i64)",
    }
