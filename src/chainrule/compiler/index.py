"""Places in arrays as sums of loop counters: addresses and neighbours are known while code is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chainrule.compiler.builder import Builder, Element
from chainrule.compiler.code import LANES, Code
from chainrule.graph.types import Dim, Rows

#: The counter of a loop of one turn: it is 0, and its lanes stay below its extent.
ONLY = "0"


@dataclass(frozen=True)
class Affine:
    """A number ``constant + lanes · lane + Σ coefficient · counter``; `lane` counts the lanes of a vector."""

    terms: Mapping[str, int]
    constant: int = 0
    lanes: int = 0

    def __add__(self, other: Affine) -> Affine:
        terms = dict(self.terms)
        for name, coefficient in other.terms.items():
            terms[name] = terms.get(name, 0) + coefficient
        kept = {name: coefficient for name, coefficient in terms.items() if coefficient}
        return Affine(kept, self.constant + other.constant, self.lanes + other.lanes)

    def times(self, factor: int) -> Affine:
        """Return the product with a number."""
        if not factor:
            return Affine({})
        terms = {name: coefficient * factor for name, coefficient in self.terms.items()}
        return Affine(terms, self.constant * factor, self.lanes * factor)

    @property
    def is_constant(self) -> bool:
        """Whether it is one number."""
        return not self.terms and not self.lanes

    @property
    def begins_with_a_vector(self) -> bool:
        """Whether neighbours from it on are one of the vectors that a row is divided into.

        The counter that has lanes is a multiple of them; any other one is if its coefficient is.
        """
        others = [coefficient for coefficient in self.terms.values() if coefficient % LANES]
        return self.lanes == 1 and self.constant % LANES == 0 and others in ([], [1])

    def divided(self, by: int, extents: Mapping[str, int]) -> tuple[Affine, Affine] | None:
        """Return (quotient, remainder) where both are sums too; None where that cannot be seen.

        Parameters
        ----------
        by : int
            Above 0.
        extents : mapping of str to int
            What counters stay below; a counter with lanes stays below it with its lanes.
        """
        negative = self.constant < 0 or self.lanes < 0 or min(self.terms.values(), default=0) < 0
        if by <= 0 or (negative and by != 1):
            return None
        whole = {n: c for n, c in self.terms.items() if c % by == 0}
        rest = {n: c for n, c in self.terms.items() if c % by}
        lanes_whole = self.lanes if self.lanes % by == 0 else 0
        lanes_rest = self.lanes - lanes_whole
        quotient_constant, rest_constant = divmod(self.constant, by)
        largest = rest_constant
        for name, coefficient in rest.items():
            if name not in extents:
                return None
            largest += coefficient * (extents[name] - 1)
        covered = lanes_rest == 0 or lanes_rest in rest.values()  # the vector's counter covers its lanes
        if not covered:
            largest += lanes_rest * (LANES - 1)
        if largest >= by:
            return None
        quotient = Affine({n: c // by for n, c in whole.items()}, quotient_constant, lanes_whole // by)
        return quotient, Affine(rest, rest_constant, lanes_rest)

    def base(self, code: Code) -> str:
        """Write its value at lane 0; return an i64."""
        result = ""
        for name, coefficient in self.terms.items():
            if name == ONLY:
                continue
            term = name if coefficient == 1 else code.value(f"mul i64 {name}, {coefficient}")
            result = code.value(f"add i64 {result}, {term}") if result else term
        if not result:
            return str(self.constant)
        return code.value(f"add i64 {result}, {self.constant}") if self.constant else result


def axis_counters(ndim: int) -> list[Affine]:
    """Return a counter for the place along each axis: %0, %1, ..."""
    return [Affine({f"%{axis}": 1}) for axis in range(ndim)]


class Place(Element):
    """An index as an element: int32, written only where it is used as a number."""

    def __init__(self, code: Code, affine: Affine) -> None:
        super().__init__("", "int32", vector=affine.lanes != 0)
        self.affine = affine
        self._code = code

    @property
    def text(self) -> str:
        """Write the index as an i32, or a vector of them."""
        if self.affine.is_constant:
            return str(self.affine.constant)
        base = self.affine.base(self._code)
        scalar = self._code.value(f"trunc i64 {base} to i32") if base.startswith("%") else base
        if not self.vector:
            return scalar
        wide = Builder(self._code).spread(Element(scalar, "int32")).text
        steps = ", ".join(f"i32 {lane * self.affine.lanes}" for lane in range(LANES))
        return self._code.value(f"add <{LANES} x i32> {wide}, <{steps}>")


def affines(index: Iterable[Element]) -> list[Affine]:
    """Return where loops count out the places of an index."""
    return [place.affine for place in index if isinstance(place, Place)]


class IndexBuilder(Builder):
    """A builder that also knows where it is: sums of indices stay sums.

    Parameters
    ----------
    code : Code
        The function.

    Attributes
    ----------
    extents : dict of str to int
        What loop counters stay below, where that is known while code is written.
    position, shape : tuple
        The place of the output element along each axis, and the output's shape.
    """

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.extents: dict[str, int] = {}
        self.position: tuple[Element, ...] = ()
        self.shape: tuple[Dim, ...] = ()

    def at(self, affine: Affine) -> Place:
        """Return an index."""
        return Place(self.code, affine)

    def constant(self, number: float, dtype: str) -> Element:
        """Return a number; an int32 may take part in indices."""
        return self.at(Affine({}, int(number))) if dtype == "int32" else super().constant(number, dtype)

    def size(self, dim: Dim) -> Element:
        """Return a dimension."""
        return self.at(Affine({"%rows": 1}) if isinstance(dim, Rows) else Affine({}, int(dim)))

    def index(self, axis: int) -> Element:
        """Return the position of the output element along an axis."""
        return self.position[axis]

    def linear_index(self) -> Element:
        """Return the row-major position of the output element."""
        linear: Element = self.constant(0, "int32")
        for place, dim in zip(self.position, self.shape, strict=True):
            linear = self.add(self.multiply(linear, self.size(dim)), place)
        return self.cast(Element(linear.text, "int32", linear.vector), "uint32")

    def _arithmetic(self, operation: str, x: Element, y: Element) -> Element:
        if isinstance(x, Place) and isinstance(y, Place):
            folded = self._folded(operation, x.affine, y.affine)
            if folded is not None:
                return self.at(folded)
        return super()._arithmetic(operation, x, y)

    def _folded(self, operation: str, x: Affine, y: Affine) -> Affine | None:
        if operation == "add":
            return x + y
        if operation == "subtract":
            return x + y.times(-1)
        if operation == "multiply" and (x.is_constant or y.is_constant):
            return x.times(y.constant) if y.is_constant else y.times(x.constant)
        if operation in ("divide", "modulo") and y.is_constant:
            parts = x.divided(y.constant, self.extents)
            if parts is not None:
                return parts[operation == "modulo"]
        return None

    def _compare(self, operation: str, x: Element, y: Element) -> Element:
        if isinstance(x, Place) and isinstance(y, Place):
            difference = x.affine + y.affine.times(-1)
            if difference.is_constant:
                number = difference.constant
                holds = {"equal": number == 0, "less": number < 0, "less_equal": number <= 0}[operation]
                return Element("true" if holds else "false", "bool")
        return super()._compare(operation, x, y)
