"""Code that was linked once runs in any process, at any address, without LLVM."""

import ctypes
import subprocess
import sys

import numpy as np
import pytest
from random_graphs import grown

from chainrule.compiler import native as module
from chainrule.compiler.compiled_graph import CompiledGraph
from chainrule.compiler.executable import Executable
from chainrule.compiler.image import SUPPORTED, Image, MappedImage, link
from chainrule.compiler.llvm import LoadedObject, emit_object, host
from chainrule.compiler.native import NATIVE

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="images are made on 64-bit Linux on x86 only")

PLAIN = "define i64 @twice(i64 %x) { %y = add i64 %x, %x\n ret i64 %y }\n"
BY_ADDRESS = "@x = private constant i64 1\ndefine i64 @f() { %y = load volatile i64, ptr @x\n ret i64 %y }"
FOREIGN_VARIABLE = BY_ADDRESS.replace("private constant i64 1", "external global i64")
NUMBER = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


def object_code(text):
    return emit_object(text, *host())


def called(text, name, *arguments):
    library = MappedImage(link(object_code(text)))
    return NUMBER(library.address(name))(*arguments)


def test_functions_find_each_other_and_their_constants():
    text = """
    @table = private unnamed_addr constant [4 x i64] [i64 2, i64 3, i64 5, i64 7]
    define internal i64 @at(i64 %n) noinline {
      %place = getelementptr i64, ptr @table, i64 %n
      %found = load i64, ptr %place
      ret i64 %found
    }
    define i64 @found(i64 %n) { %x = call i64 @at(i64 %n)
      ret i64 %x }
    """
    assert [called(text + PLAIN, "found", n) for n in range(4)] == [2, 3, 5, 7]
    assert called(text + PLAIN, "twice", 21) == 42


def test_functions_of_the_c_library_are_found_where_it_lies():
    text = """
    declare i64 @labs(i64)
    declare i32 @toupper(i32)
    define i64 @both(i64 %x) {
      %letter = trunc i64 %x to i32
      %large = call i32 @toupper(i32 %letter)
      %wide = sext i32 %large to i64
      %less = sub i64 0, %wide
      %result = tail call i64 @labs(i64 %less)
      ret i64 %result
    }
    """
    assert called(text, "both", ord("q")) == ord("Q")
    assert set(link(object_code(text)).imports) == {"labs", "toupper"}


def test_a_function_that_no_library_has():
    image = link(
        object_code("declare void @of_nobody()\ndefine void @f() { call void @of_nobody()\n ret void }")
    )
    with pytest.raises(AttributeError, match="of_nobody"):
        MappedImage(image)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_bits_as_linked_by_llvm(seed):
    case = grown(seed, 20, 9, "float32", derivatives=seed % 2 == 1)
    compiled = CompiledGraph(case.graph)
    ours, theirs = Executable(case.graph, compiled), Executable(case.graph, compiled)
    theirs._library = LoadedObject(object_code(compiled.module.text))
    theirs._run = NATIVE(theirs._library.address("graph"))
    assert isinstance(ours._library, MappedImage)
    for rows in case.rows:
        arguments = case.arguments(rows)
        for one, other in zip(ours(*arguments), theirs(*arguments), strict=True):
            np.testing.assert_array_equal(one, other)


def test_memory_that_runs_is_never_written_and_goes_when_nobody_has_it():
    image = link(object_code(PLAIN))
    library = MappedImage(image)
    line = mapping_of(library.address("twice"))
    assert line.split()[1] == "r-xp"
    address = library.address("twice")
    del library
    assert mapping_of(address) != line


def mapping_of(address):
    with open("/proc/self/maps") as file:
        for line in file:
            begin, end = (int(text, 16) for text in line.split()[0].split("-"))
            if begin <= address < end:
                return line
    return ""


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (b"", "no object code"),
        (b"\x7fELF\x02\x01\x01" + bytes(57), "no object code"),
        (lambda: emit_object(PLAIN, "generic", "", "aarch64-linux-gnu"), "no object code"),
        (lambda: object_code("@x = global i64 1\n" + PLAIN), "variables"),
        (lambda: emit_object(BY_ADDRESS, *host(), "x86_64-linux-gnu"), "kind 1"),
        (lambda: object_code(FOREIGN_VARIABLE), "kind"),
    ],
    ids=["nothing", "a header", "of another CPU", "a variable", "by address", "a library's variable"],
)  # fmt: skip
def test_what_no_image_can_be_made_of(code, sentence):
    with pytest.raises(ValueError, match=sentence):
        link(code() if callable(code) else code)


# Kept beside its plan ----------------------------------------------------------------------------

TRAINS = """
import sys
import numpy as np
import chainrule as cr

x = np.random.default_rng(0).normal(size=(70, 5))
y = x.sum(axis=1) > 0
net = cr.Sequential([cr.Dense(300, activation="gelu"), cr.Dense(2)])
model = cr.Model(net, loss="cross_entropy")
history = model.fit(x, y, epochs=3, validation_data=(x, y))
scale = np.arange(3.0)
print(history["loss"], model.predict(x).sum(), cr.compile(lambda v: (cr.sin(v) * scale, v))(np.ones(3)))
print("llvmlite" in sys.modules, "chainrule.compiler.program" in sys.modules)
with open("/proc/self/status") as file:
    print(next(line.split()[1] for line in file if line.startswith("VmHWM")))
"""


def trained(folder):
    """Return a process's numbers, whether it has loaded LLVM and the compiler, and its peak in KiB."""
    own = {"CHAINRULE_CACHE_DIR": str(folder), "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", TRAINS], env=own, capture_output=True, text=True, check=True)
    numbers, loaded, peak = ran.stdout.splitlines()
    return numbers, loaded, int(peak)


def test_another_process_needs_neither_llvm_nor_the_compiler(tmp_path):
    numbers, loaded, _ = trained(tmp_path)
    assert loaded == "True True"
    again, loaded, peak = trained(tmp_path)
    assert (again, loaded) == (numbers, "False False")
    assert peak < 85 << 10


FOREIGN = {
    "nothing": b"",
    "no text": bytes(range(256)),
    "no plan": b'{"image": null}\n',
    "another's plan": b'{"image": {"symbols": {}, "imports": {}}, "plan": {"results": []}}\n',
    "no function": b'{"image": {"symbols": {}, "imports": {}}, "plan": {}}\ncode',
    "no library has it": b'{"image": {"symbols": {"graph": 0}, "imports": {"of_nobody": 8}}, "plan": {}}\n'
    + bytes(64),
    "an address outside": b'{"image": {"symbols": {"graph": 0}, "imports": {"labs": 99}}, "plan": {}}\n'
    + bytes(64),
    "a list": b"[]\n",
    "another's function": b'{"image": {"symbols": {"fit": 0}, "imports": {}}, "plan": {"results": [], '
    b'"outputs": [], "captured": [], "sizes": [], "scratch": {}}}\n' + bytes(64),
    "object code": b'{"image": null, "plan": {}}\n' + b"\x7fELF no object code",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_what_another_program_has_kept_under_our_key_is_made_anew(content, tmp_path, monkeypatch):
    cache = module.ObjectCache(tmp_path)
    monkeypatch.setattr(module, "_cache", lambda: cache)
    case = grown(3, 10, 9, "float32", derivatives=False)
    arguments = case.arguments(case.rows[0])
    expected = Executable(case.graph)(*arguments)
    (path,) = tmp_path.iterdir()
    cache.put(path.stem, content)
    for one, other in zip(Executable(case.graph)(*arguments), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert cache.get(path.stem) not in (None, content)


def test_the_key_changes_with_all_that_code_depends_on(tmp_path, monkeypatch):
    """The CPU's instructions, LLVM, the compiler's own text, and what is computed."""
    cache = module.ObjectCache(tmp_path)
    monkeypatch.setattr(module, "_cache", lambda: cache)
    case = grown(3, 10, 9, "float32", derivatives=False)
    seen = []

    def made():
        module._surroundings.cache_clear()
        Executable(case.graph)
        seen.append(len(list(tmp_path.iterdir())))

    made()
    made()
    monkeypatch.setattr(module, "_cpu", lambda: ("a CPU without them",))
    made()
    monkeypatch.setattr(module, "_version_of_llvmlite", lambda: "another")
    made()
    read = module.Path.read_bytes
    monkeypatch.setattr(
        module.Path, "read_bytes", lambda path: read(path) + b"#" * (path.name == "matmul.py")
    )
    made()
    case = grown(4, 10, 9, "float32", derivatives=False)
    made()
    assert seen == [1, 1, 2, 3, 4, 5]
    monkeypatch.undo()
    module._surroundings.cache_clear()


def test_the_cpu_is_told_by_what_it_can_do():
    cpu = " ".join(module._cpu())
    _, features = host()
    for ours, theirs in [("avx2", "+avx2"), ("avx512f", "+avx512f"), ("fma", "+fma")]:
        assert (ours in cpu.split()) == (theirs in features.split(","))


def test_an_image_is_its_bytes():
    image = link(object_code(PLAIN))
    assert Image(image.code, image.symbols, image.imports) == image
