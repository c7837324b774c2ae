"""A module in pieces, each made by a thread of its own, is the same code."""

import ctypes
import os
import signal

import pytest
from random_graphs import grown

from chainrule.compiler import emission, llvm
from chainrule.compiler.compiled_graph import CompiledGraph
from chainrule.compiler.emission import divided, emit_objects
from chainrule.compiler.executable import Executable
from chainrule.compiler.image import SUPPORTED, MappedImage, link
from chainrule.compiler.llvm import host, is_known

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="pieces are linked on 64-bit Linux on x86 only")

NUMBER = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
#: Functions that call each other, by name and by address, and a constant that two of them read.
MODULE = """
@table = private unnamed_addr constant [4 x i64] [i64 2, i64 3, i64 5, i64 7]
declare i64 @labs(i64)
define internal i64 @at(i64 %n) noinline {
  %place = getelementptr i64, ptr @table, i64 %n
  %found = load i64, ptr %place
  ret i64 %found
}
define internal i64 @negative(i64 %n) noinline {
  %place = getelementptr i64, ptr @table, i64 %n
  %first = load i64, ptr %place
  %second = call i64 @at(i64 %n)
  %sum = add i64 %first, %second
  %less = sub i64 0, %sum
  ret i64 %less
}
define internal i64 @applied(ptr %f, i64 %n) noinline {
  %x = call i64 %f(i64 %n)
  ret i64 %x
}
define dso_local i64 @positive(i64 %n) {
  %x = call i64 @applied(ptr @negative, i64 %n)
  %size = call i64 @labs(i64 %x)
  ret i64 %size
}
define dso_local i64 @twice(i64 %n) {
  %x = call i64 @positive(i64 %n)
  %y = add i64 %x, %x
  ret i64 %y
}
"""


@pytest.fixture
def in_small_pieces(monkeypatch):
    """Have even a few lines be worth a piece; return a function that makes and links them."""
    monkeypatch.setattr(emission, "WORTH_A_PIECE", 1)

    def made(text, threads):
        codes = emit_objects(text, *host(), threads)
        assert len(codes) == threads
        return link(*codes)

    return made


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_pieces_find_each_others_functions(in_small_pieces, threads):
    image = in_small_pieces(MODULE, threads)
    assert set(image.symbols) == {"positive", "twice"}  # and none that only other pieces call
    assert set(image.imports) == {"labs"}
    library = MappedImage(image)
    for name, times in (("positive", 2), ("twice", 4)):
        function = NUMBER(library.address(name))
        assert [function(n) for n in range(4)] == [2 * times, 3 * times, 5 * times, 7 * times]


def test_no_function_is_made_twice_and_none_is_lost():
    compiled = CompiledGraph(grown(3, 20, 9, "float32", derivatives=True).graph)
    pieces = divided(compiled.text, 3)
    functions = sorted(name for piece in pieces for name in defined(piece))
    assert functions == sorted(defined(compiled.text))
    assert max(map(len, pieces)) < len(compiled.text)


def defined(text):
    return [line.split("@")[1].split("(")[0] for line in text.splitlines() if line.startswith("define")]


def test_few_lines_are_made_by_one_thread():
    assert len(emit_objects(MODULE, *host(), 8)) == 1


def test_this_llvm_is_known():
    """Otherwise code is made by one thread, which nobody would notice."""
    assert is_known()


def test_an_unknown_llvm_makes_the_code_in_one_piece(monkeypatch):
    monkeypatch.setattr(emission, "WORTH_A_PIECE", 1)
    monkeypatch.setattr(llvm, "LAST_KNOWN", 0)
    (code,) = emit_objects(MODULE, *host(), 2)
    assert NUMBER(MappedImage(link(code)).address("twice"))(1) == 12


def test_what_one_thread_cannot_make_is_told(in_small_pieces):
    with pytest.raises(RuntimeError, match="undefined value '@nothing'"):
        in_small_pieces(MODULE.replace("@labs(i64 %x)", "@nothing(i64 %x)"), 2)


def test_threads_are_as_many_as_were_asked_for(monkeypatch):
    from chainrule.compiler import native

    asked = []
    monkeypatch.setattr(
        "chainrule.compiler.emission.emit_objects",
        lambda text, cpu, features, threads: asked.append(threads) or [b""],
    )
    monkeypatch.delenv("CHAINRULE_NUM_THREADS", raising=False)
    monkeypatch.setattr(native, "cores", lambda: 6)
    native._object_code(MODULE, None)
    native._object_code(MODULE, 1)
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "3")
    native._object_code(MODULE, None)
    assert asked == [6, 1, 3]


def test_ctrl_c_waits_until_llvm_is_through(monkeypatch):
    """Raised within llvmlite it might leave the lock taken that all of its calls wait for."""
    through = []

    def interrupted(*given):
        os.kill(os.getpid(), signal.SIGINT)
        codes = emit_objects(*given)
        through.append(len(codes))
        return codes

    monkeypatch.setattr(emission, "emit_objects", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            Executable(grown(3, 5, 2, "float32", False).graph)
    finally:
        signal.signal(signal.SIGINT, before)
    assert through
