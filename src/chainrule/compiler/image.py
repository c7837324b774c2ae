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
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

#: Where images can be made and run: the layout of object code, and the few ways in which it refers to itself.
SUPPORTED: Final = sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32

_ELF: Final = b"\x7fELF\x02\x01\x01"  # 64 bits, the lowest byte first
_X86_64 = 62
_PROGRAM, _SYMBOLS, _RELOCATIONS, _WRITABLE, _LOADED = 1, 2, 4, 1, 2
_GLOBAL_FUNCTION, _HIDDEN = 0x12, 2
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


def link(*codes: bytes) -> Image:
    """Return object code, in one piece or several, as an image.

    Raises
    ------
    ValueError
        If it is not of the kind that `chainrule.compiler.llvm` has LLVM emit for images.
    """
    return _Linker([_Piece(code) for code in codes]).image()


class _Piece:
    """An object file: its sections and its symbols, and where in the image each section lies."""

    def __init__(self, code: bytes) -> None:
        if not code.startswith(_ELF) or struct.unpack_from("<H", code, 18) != (_X86_64,):
            raise ValueError("this is no object code for x86-64 as ELF has it")
        self._code = code
        (start,) = struct.unpack_from("<Q", code, 40)
        size, count = struct.unpack_from("<HH", code, 58)
        headers = code[start : start + size * count]
        self.sections = [Section(*each) for each in struct.iter_unpack("<IIQQQQIIQQ", headers)]
        (table,) = (section for section in self.sections if section.type == _SYMBOLS)
        self.symbols = [Symbol(*each) for each in struct.iter_unpack("<IBBHQQ", self.content(table))]
        self._names = self.content(self.sections[table.link])
        self.places: dict[int, int] = {}

    def content(self, section: Section) -> bytes:
        """Return the bytes of a section."""
        return self._code[section.offset : section.offset + section.size]

    def name(self, symbol: Symbol) -> str:
        """Return the name of a symbol."""
        return self._names[symbol.name : self._names.index(b"\0", symbol.name)].decode()

    def functions(self) -> Iterator[tuple[str, Symbol]]:
        """Yield the functions that other pieces, or users of the image, may call."""
        for symbol in self.symbols:
            if symbol.info == _GLOBAL_FUNCTION and symbol.section in self.places:
                yield self.name(symbol), symbol

    def address(self, symbol: Symbol) -> int:
        """Return where in the image a symbol of this piece lies."""
        return self.places[symbol.section] + symbol.value


@dataclass
class _Linker:
    """Puts what object files have to be loaded behind each other, and fills in the distances."""

    pieces: list[_Piece]
    linked: bytearray = field(default_factory=bytearray)
    imports: dict[str, int] = field(default_factory=dict)
    _functions: dict[str, int] = field(default_factory=dict)

    def image(self) -> Image:
        for piece in self.pieces:
            for number, section in enumerate(piece.sections):
                if section.flags & _LOADED and section.type == _PROGRAM:
                    piece.places[number] = self._placed(section, piece.content(section))
        found = [(piece, name, symbol) for piece in self.pieces for name, symbol in piece.functions()]
        self._functions = {name: piece.address(symbol) for piece, name, symbol in found}
        for piece in self.pieces:
            for section in piece.sections:
                if section.type == _RELOCATIONS and section.info in piece.places:
                    for entry in struct.iter_unpack("<QQq", piece.content(section)):
                        self._refer(piece, piece.places[section.info], *entry)
        shown = {name for _, name, symbol in found if symbol.other & 3 != _HIDDEN}
        functions = {name: place for name, place in self._functions.items() if name in shown}
        return Image(bytes(self.linked), functions, self.imports)

    def _placed(self, section: Section, content: bytes) -> int:
        if section.flags & _WRITABLE and section.size:
            raise ValueError("object code for an image has variables")
        self.linked += bytes(-len(self.linked) % max(section.alignment, 1))
        place = len(self.linked)
        self.linked += content
        return place

    def _refer(self, piece: _Piece, base: int, offset: int, what: int, addend: int) -> None:
        """Fill in a reference: the distance from where it stands to a symbol."""
        kind, symbol = what & 0xFFFFFFFF, piece.symbols[what >> 32]
        if kind not in _DISTANCES or (symbol.section and symbol.section not in piece.places):
            raise ValueError(f"object code for an image has a reference of kind {kind}")
        target = piece.address(symbol) if symbol.section else self._elsewhere(piece.name(symbol))
        size, place = _DISTANCES[kind], base + offset
        self.linked[place : place + size] = (target + addend - place).to_bytes(size, "little", signed=True)

    def _elsewhere(self, name: str) -> int:
        """Return where a function of another piece begins, or else what jumps to one outside.

        That has the address behind it: jmp [rip + 2].
        """
        if name in self._functions:
            return self._functions[name]
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
