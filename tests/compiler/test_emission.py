"""A module whose pieces are made while it is written is the same code."""

import ctypes
import gc
import itertools
import os
import signal
import threading
import weakref
from types import SimpleNamespace

import pytest
from random_graphs import grown

from chainrule.compiler import emission, llvm, native
from chainrule.compiler.compiled_graph import CompiledGraph
from chainrule.compiler.image import SUPPORTED, MappedImage, link
from chainrule.compiler.llvm import is_known
from chainrule.compiler.module import Module
from chainrule.compiler.pool import signals_held_back

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="pieces are linked on 64-bit Linux on x86 only")

NUMBER = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
#: Functions that call each other, by name and by address, and a constant that two of them read.
_TEXT = """
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
FUNCTIONS = _TEXT.split("\n\n")


def written(module, functions=FUNCTIONS):
    for function in functions:
        module.add(f"{function}\n")
    return SimpleNamespace(module=module)


def made(threads, functions=FUNCTIONS):
    """Return the object code of these functions."""
    return native._made(lambda module: written(module, functions), threads)[1]


@pytest.fixture
def in_small_pieces(monkeypatch):
    """Have even a few lines be worth a piece."""
    monkeypatch.setattr(emission, "WORTH_A_PIECE", 1)


@pytest.fixture
def ctrl_c():
    """Have SIGINT raise KeyboardInterrupt, whoever runs the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_pieces_find_each_others_functions(in_small_pieces, threads):
    codes = made(threads)
    assert len(codes) == 1 + len(FUNCTIONS)  # one of what every module begins with
    image = link(*codes)
    assert set(image.symbols) == {"positive", "twice"}  # and none that only other pieces call
    assert set(image.imports) == {"labs", "sched_yield"}
    library = MappedImage(image)
    for name, times in (("positive", 2), ("twice", 4)):
        function = NUMBER(library.address(name))
        assert [function(n) for n in range(4)] == [2 * times, 3 * times, 5 * times, 7 * times]


@pytest.mark.parametrize("lines", [1, 50, 200])
def test_no_function_is_made_twice_and_none_is_lost(lines, monkeypatch):
    monkeypatch.setattr(emission, "WORTH_A_PIECE", lines)
    graph, texts = grown(3, 20, 9, "float32", derivatives=True).graph, []
    monkeypatch.setattr(emission.Emission, "_emitted", lambda self, text: texts.append(text) or b"")
    compiled, _ = native._made(lambda module: CompiledGraph(graph, module=module), 1)
    functions = sorted(name for text in texts for name in defined(text))
    assert functions == sorted(defined(compiled.module.text))
    assert len(texts) > 1
    assert max(map(len, texts)) < len(compiled.module.text)


def test_what_is_written_already_is_made_as_well(in_small_pieces):
    before = written(Module())
    _, codes = native._made(lambda module: before, 2)
    assert codes == made(2)


def defined(text):
    return [line.split("@")[1].split("(")[0] for line in text.splitlines() if line.startswith("define")]


def test_few_lines_are_one_piece_beside_what_every_module_begins_with():
    assert len(made(1)) == 1
    assert len(made(8)) == 2  # another thread makes the beginning meanwhile


def test_the_first_pieces_are_made_while_the_last_are_written(in_small_pieces, monkeypatch):
    begun, emit = threading.Semaphore(0), emission.Emission._emitted
    monkeypatch.setattr(
        emission.Emission, "_emitted", lambda self, text: (begun.release(), emit(self, text))[1]
    )

    def write(module):
        assert begun.acquire(timeout=10)  # what every module begins with
        written(module)
        assert begun.acquire(timeout=10)
        return written(module, [FUNCTIONS[-1].replace("@twice", "@thrice")])

    _, codes = native._made(write, 2)
    assert set(link(*codes).symbols) == {"positive", "twice", "thrice"}


@pytest.mark.parametrize("begun", [0, 1])
def test_where_no_thread_can_be_begun_fewer_make_the_same_code(begun, in_small_pieces, monkeypatch):
    expected, start, left = made(1), threading.Thread.start, [True] * begun

    def start_some(thread):
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    assert made(3) == expected


def test_code_that_is_made_in_between_waits_for_no_other_thread():
    """The handler of a signal may need some while this thread holds the lock of llvmlite."""
    from llvmlite.binding import ffi

    expected, codes = made(1), []

    def write(module):
        with ffi.lib._lock:
            codes.extend(made(2))
        return written(module)

    native._made(write, 2)
    assert codes == expected


def test_an_error_of_the_writer_ends_the_other_threads(in_small_pieces):
    def write(module):
        written(module)
        raise ValueError("cannot be written")

    threads = threading.active_count()
    with pytest.raises(ValueError, match="cannot be written"):
        native._made(write, 3)
    assert threading.active_count() == threads


def test_ctrl_c_comes_between_two_pieces(in_small_pieces, ctrl_c, monkeypatch):
    """Raised within llvmlite it might leave the lock taken that all of its calls wait for."""
    emit, through = emission.Emission._emitted, []

    def interrupted(self, text):
        os.kill(os.getpid(), signal.SIGINT)
        code = emit(self, text)
        through.append(code)
        return code

    monkeypatch.setattr(emission.Emission, "_emitted", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made(1)
    assert len(through) == 1


def test_no_module_of_llvm_outlives_its_context(in_small_pieces, monkeypatch):
    """Python may drop them in any order: after Ctrl-C, for one, they go with the frames that knew them."""
    modules, emit = [], emission._Unlocked.emit
    monkeypatch.setattr(
        emission._Unlocked, "emit", lambda *given: (modules.append(given[-1]), emit(*given))[1]
    )
    made(2)
    assert len(modules) == 1 + len(FUNCTIONS)
    assert all(module.closed and module._context.closed for module in modules)


def test_what_ctrl_c_has_interrupted_goes_at_once(ctrl_c):
    """It would wait for the garbage collector, if the exception knew itself by its own frames."""

    class Held:
        """As an array that the interrupted code has."""

    def work():
        held = Held()
        known.append(weakref.ref(held))
        os.kill(os.getpid(), signal.SIGINT)

    known = []
    gc.disable()
    try:
        with pytest.raises(KeyboardInterrupt) as raised, signals_held_back():
            work()
        del raised
        assert known[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("number", range(2 * len(llvm._LEFT_OUT)))
def test_options_of_llvm_are_taken_back_after_ctrl_c(number, ctrl_c, monkeypatch):
    options, numbers, set_option = {}, itertools.count(), llvm.binding().set_option

    def interrupted(name, option):
        set_option(name, option)
        options.update([option.split("=")])
        if next(numbers) == number:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(llvm.binding(), "set_option", interrupted)
    with pytest.raises(KeyboardInterrupt), llvm.in_a_hurry():
        pass
    assert options == {option: str(not value).lower() for option, value in llvm._LEFT_OUT.items()}


def test_ctrl_c_comes_when_a_thread_of_the_pool_has_begun(in_small_pieces, ctrl_c, monkeypatch):
    """Raised before the pool knows of the thread, nobody would wait for its end."""
    start, begun = threading.Thread.start, []

    def interrupted(self):
        begun.append(self)
        os.kill(os.getpid(), signal.SIGINT)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made(2)
    assert [thread.ident is not None and not thread.is_alive() for thread in begun] == [True]


def test_this_llvm_is_known():
    """Otherwise code is made by one thread, which nobody would notice."""
    assert is_known()


def test_an_unknown_llvm_makes_the_code_in_one_piece(in_small_pieces, monkeypatch):
    monkeypatch.setattr(llvm, "LAST_KNOWN", 0)
    (code,) = made(2)
    assert NUMBER(MappedImage(link(code)).address("twice"))(1) == 12


def test_what_one_thread_cannot_make_is_told(in_small_pieces):
    broken = [function.replace("@labs(i64 %x)", "@nothing(i64 %x)") for function in FUNCTIONS]
    with pytest.raises(RuntimeError, match="undefined value '@nothing'"):
        made(2, broken)


def test_threads_are_as_many_as_were_asked_for(monkeypatch):
    asked = []

    class Pool(emission.ThreadPoolExecutor):
        def __init__(self, most):
            asked.append(most)
            super().__init__(most)

    monkeypatch.setattr(emission, "ThreadPoolExecutor", Pool)
    monkeypatch.delenv("CHAINRULE_NUM_THREADS", raising=False)
    monkeypatch.setattr(native, "cores", lambda: 6)
    made(None)
    made(1)  # no other one
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "3")
    made(None)
    assert asked == [5, 2]
