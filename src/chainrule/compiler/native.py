"""Native code and the plan by which it is called: from the cache, or made. What is cached needs no LLVM."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.util
import itertools
import json
import platform
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from chainrule.compiler.cache import ObjectCache, cache_key
from chainrule.compiler.image import SUPPORTED, Image, MappedImage, link
from chainrule.compiler.plan import GraphPlan, LoopPlan, as_json
from chainrule.compiler.pool import signals_held_back
from chainrule.compiler.threads import cores, threads_asked_for

#: A function that takes the table of pointers, the sizes and the number of the turn.
NATIVE: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int64] * 5)
#: What is raised where something else than a plan and its code was kept.
_UNUSABLE: Final = (
    *(ValueError, TypeError, LookupError, AttributeError, OSError, RuntimeError),
    struct.error,
)
P = TypeVar("P", GraphPlan, LoopPlan)
#: What says in /proc/cpuinfo which instructions a CPU has.
_CPU_LINES: Final = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")


class Library(Protocol):
    """Native code in memory; it goes when this is no longer used."""

    def address(self, name: str) -> int:
        """Return the address of a function."""


class Compiled(Protocol):
    """What the compiler makes: a module's text, and the plan by which its code is called."""

    @property
    def text(self) -> str:
        """LLVM IR."""

    @property
    def plan(self) -> GraphPlan | LoopPlan:
        """How it is called."""


class Native(NamedTuple, Generic[P]):
    """A function of native code, the plan by which it is called, and what holds the code."""

    plan: P
    function: Callable[..., None]
    library: Library


def native(
    name: str,
    plan: type[P],
    parts: Sequence[str] | None,
    make: Callable[[], Compiled],
    n_threads: int | None = None,
) -> Native[P]:
    """Return a function of native code.

    Parameters
    ----------
    name : str
        Its name.
    plan : type
        Of the plan by which it is called.
    parts : sequence of str or None
        What is computed, in words that nothing else has; None if it is for once and not to be kept.
    make : callable
        Makes it; it is called only if there is nothing in the cache.
    n_threads : int, optional
        How many threads may compile; by default as many as CHAINRULE_NUM_THREADS says, or all cores.
    """
    cache = _cache()
    key = (
        cache_key(*_surroundings(), name, *parts) if parts is not None and cache.folder is not None else None
    )
    kept = None if key is None else cache.get(key)
    if kept is not None:
        try:
            return _unpacked(kept, name, plan)
        except _UNUSABLE:
            pass  # it was put there by another program
    made = make()
    packed = _packed(as_json(made.plan), _object_code(made.text, n_threads))
    if key is not None:
        cache.put(key, packed)
    return _unpacked(packed, name, plan)


def loaded(code: bytes) -> Library:
    """Return object code, of a CPU that can run here, as a library."""
    return _loaded(*_linked([code]))


def _packed(plan: str, codes: Sequence[bytes]) -> bytes:
    """Return a line of JSON, and behind it an image or, where there are none, object code."""
    image, content = _linked(codes)
    return f'{{"image": {json.dumps(image)}, "plan": {plan}}}\n'.encode() + content


def _unpacked(packed: bytes, name: str, plan: type[P]) -> Native[P]:
    head, _, content = packed.partition(b"\n")
    read = json.loads(head)
    if (read["image"] is None) == SUPPORTED:
        raise ValueError("this was made for another system")
    found, library = plan.from_json(read["plan"]), _loaded(read["image"], content)
    return Native(found, NATIVE(library.address(name)), library)


def _linked(codes: Sequence[bytes]) -> tuple[dict[str, dict[str, int]] | None, bytes]:
    """Return what has to be known of an image, and its bytes; or None, and the object code as it is."""
    if not SUPPORTED:
        (code,) = codes
        return None, code
    image = link(*codes)
    return {"symbols": image.symbols, "imports": image.imports}, image.code


def _loaded(image: dict[str, dict[str, int]] | None, content: bytes) -> Library:
    if image is not None:
        return MappedImage(Image(content, **image))
    from chainrule.compiler.llvm import LoadedObject  # LLVM is loaded where it is needed only

    return LoadedObject(content)


def _object_code(text: str, n_threads: int | None) -> list[bytes]:
    """Return object code; in pieces, where they can be linked.

    What was raised inside of llvmlite might leave its lock taken, and all threads waiting for it.
    """
    from chainrule.compiler.emission import emit_objects  # code that lies in the cache needs no LLVM
    from chainrule.compiler.llvm import host

    threads = threads_asked_for(n_threads) or cores()
    with signals_held_back():
        return emit_objects(text, *host(), threads if SUPPORTED else 1)


@functools.cache
def _cache() -> ObjectCache:
    return ObjectCache()


@functools.cache
def _surroundings() -> tuple[str, ...]:
    """Return what code depends on besides what it computes: the compiler's own text, LLVM, the CPU."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for folder in (here, here.with_name("graph"), here.with_name("primitives")):
        for path in sorted(folder.glob("*.py")):
            content = path.read_bytes()
            digest.update(b"%s %d:" % (path.name.encode(), len(content)) + content)
    return digest.hexdigest(), _version_of_llvmlite(), *_cpu()


def _version_of_llvmlite() -> str:
    """Return what the package says of itself; it, or `importlib.metadata`, would be long to import."""
    spec = importlib.util.find_spec("llvmlite")
    if spec is None or spec.origin is None:
        return ""
    return Path(spec.origin).with_name("_version.py").read_text()


def _cpu() -> tuple[str, ...]:
    """Return what tells this CPU from one that lacks an instruction: in Linux's words, or else in LLVM's."""
    try:
        with open("/proc/cpuinfo") as file:
            first = itertools.takewhile(str.strip, file)  # an empty line ends what is said of a core
            lines = [line.partition(":") for line in first]
    except OSError:
        lines = []
    found = {name.strip(): text.strip() for name, _, text in lines}
    if "flags" in found:
        return platform.machine(), *(found.get(name, "") for name in _CPU_LINES)
    from chainrule.compiler.llvm import host  # loaded where the system does not tell

    return host()
