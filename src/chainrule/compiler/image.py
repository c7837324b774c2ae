"""Object code as an image: linked when it is made, and from then on run by any process without LLVM.

An image holds its functions and their constants, which find each other by their distance, so that it runs at
any page's address. What it calls of the C library stands by name: a process writes the addresses into it.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
from dataclasses import dataclass, field
from typing import Final, NamedTuple

#: Where images can be made and run: the layout of object code, and the few ways in which it refers to itself.
SUPPORTED: Final = sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32

_ELF: Final = b"\x7fELF\x02\x01\x01"  # 64 bits, the lowest byte first
_X86_64 = 62
_PROGRAM, _RELOCATIONS, _WRITABLE, _LOADED = 1, 4, 1, 2
#: References by distance, and the bytes of each: to data, to functions, and in 64 bits.
_DISTANCES: Final = {2: 4, 4: 4, 24: 8}
_SLOT = 16


class Section(NamedTuple):
    """A section header of an object file."""

    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int


class Symbol(NamedTuple):
    """A symbol of an object file."""

    name: int
    info: int
    other: int
    section: int
    value: int
    size: int


@dataclass(frozen=True)
class Image:
    """Code that runs at any page's address.

    Attributes
    ----------
    code : bytes
        Functions and constants.
    symbols : dict of str to int
        Where each function begins.
    imports : dict of str to int
        Where the address of each function of the C library belongs.
    """

    code: bytes
    symbols: dict[str, int]
    imports: dict[str, int]


def link(code: bytes) -> Image:
    """Return object code as an image.

    Raises
    ------
    ValueError
        If it is not of the kind that `chainrule.compiler.llvm` has LLVM emit for images.
    """
    return _Linker(code).image()


@dataclass
class _Linker:
    """Puts what an object file has to be loaded behind each other, and fills in the distances."""

    code: bytes
    linked: bytearray = field(default_factory=bytearray)
    places: dict[int, int] = field(default_factory=dict)
    imports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.code.startswith(_ELF) or struct.unpack_from("<H", self.code, 18) != (_X86_64,):
            raise ValueError("this is no object code for x86-64 as ELF has it")
        (start,) = struct.unpack_from("<Q", self.code, 40)
        size, count = struct.unpack_from("<HH", self.code, 58)
        headers = self.code[start : start + size * count]
        self.sections = [Section(*each) for each in struct.iter_unpack("<IIQQQQIIQQ", headers)]
        self.symbols: list[Symbol] = []

    def image(self) -> Image:
        for number, section in enumerate(self.sections):
            if section.flags & _LOADED and section.type == _PROGRAM:
                self._place(number, section)
        (table,) = (section for section in self.sections if section.type == 2)
        self.symbols = [Symbol(*each) for each in struct.iter_unpack("<IBBHQQ", self._content(table))]
        self._names = self._content(self.sections[table.link])
        for section in self.sections:
            if section.type == _RELOCATIONS and section.info in self.places:
                for entry in struct.iter_unpack("<QQq", self._content(section)):
                    self._refer(self.places[section.info], *entry)
        functions = {
            self._name(symbol): self._address(symbol)
            for symbol in self.symbols
            if symbol.info == 0x12 and symbol.section in self.places  # global, a function
        }
        return Image(bytes(self.linked), functions, self.imports)

    def _place(self, number: int, section: Section) -> None:
        if section.flags & _WRITABLE and section.size:
            raise ValueError("object code for an image has variables")
        self.linked += bytes(-len(self.linked) % max(section.alignment, 1))
        self.places[number] = len(self.linked)
        self.linked += self._content(section)

    def _content(self, section: Section) -> bytes:
        return self.code[section.offset : section.offset + section.size]

    def _name(self, symbol: Symbol) -> str:
        return self._names[symbol.name : self._names.index(b"\0", symbol.name)].decode()

    def _address(self, symbol: Symbol) -> int:
        return self.places[symbol.section] + symbol.value

    def _refer(self, base: int, offset: int, what: int, addend: int) -> None:
        """Fill in a reference: the distance from where it stands to a symbol."""
        kind, symbol = what & 0xFFFFFFFF, self.symbols[what >> 32]
        if kind not in _DISTANCES or (symbol.section and symbol.section not in self.places):
            raise ValueError(f"object code for an image has a reference of kind {kind}")
        target = self._address(symbol) if symbol.section else self._imported(self._name(symbol))
        size, place = _DISTANCES[kind], base + offset
        self.linked[place : place + size] = (target + addend - place).to_bytes(size, "little", signed=True)

    def _imported(self, name: str) -> int:
        """Return where a jump to a function outside stands, with its address behind it: jmp [rip + 2]."""
        if name not in self.imports:
            self.linked += bytes(-len(self.linked) % _SLOT)
            self.linked += b"\xff\x25\x02\0\0\0" + bytes(10)
            self.imports[name] = len(self.linked) - 8
        return self.imports[name] - 8


class MappedImage:
    """An image in memory, ready to be called.

    Parameters
    ----------
    image : Image
        What `link` returned.

    Raises
    ------
    OSError
        If this process may not run what it has written.
    AttributeError
        If the C library has not one of the functions.
    """

    def __init__(self, image: Image) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._memory = mmap.mmap(-1, max(len(image.code), 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._memory.write(image.code)
        for name, place in image.imports.items():
            address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
            struct.pack_into("<Q", self._memory, place, address)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._symbols = image.symbols
        size = ctypes.c_size_t(len(image.code))
        if library.mprotect(ctypes.c_void_p(self._base), size, mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "the system runs no code that a process has written")

    def address(self, name: str) -> int:
        """Return the address of a function."""
        return self._base + self._symbols[name]
