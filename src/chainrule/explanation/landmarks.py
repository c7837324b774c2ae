"""The values that have a name in formulas: inputs, what each part of the network computes, the loss.

Nothing here knows a layer. A part's *output* a is what others use of it; its *inner* value z is where all of
its parameters have come together, so that everything after it is a function of z alone. A value that several
others of the same part are computed from gets a name as well, and so does a sum of formulas that many
elements are computed from.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chainrule.explanation.formula import Symbol
from chainrule.explanation.layout import letter
from chainrule.explanation.symbols import LOSS, Symbols
from chainrule.graph.graph import needed
from chainrule.graph.lowering import Contraction, Expression, Reduction
from chainrule.graph.origin import part_of
from chainrule.graph.primitive import lowering_of, primitive_name
from chainrule.graph.types import BOOL, ROWS, is_float
from chainrule.graph.value import PRIMITIVES, Value

_SHARED = "uvqhgcde"
#: What is made of data alone: in the loss, beside the target, and in the network, such as what is drawn.
_OF_LOSS, _DRAWN = "NMKQ", "rqh"
#: An activation of no more values than this, each counted wherever it stands, is written as one formula.
MOST_SIGNS = 64


@dataclass(frozen=True)
class Landmark:
    """A value with a name.

    Attributes
    ----------
    value : Value
        What is named.
    symbol : Symbol
        Its name in formulas.
    stage : str
        "input", "forward" or "loss": where it is computed.
    part : str
        The part of the network.
    role : str
        "x", "parameter", "data", "inner", "output", "shared" or "loss".
    """

    value: Value
    symbol: Symbol
    stage: str
    part: str
    role: str


@dataclass(frozen=True)
class Landmarks:
    """All named values on the way to the loss, in the order in which they are computed.

    Attributes
    ----------
    listed : tuple of Landmark
        The named values.
    sources : dict of Value to set of str
        What each value of the graph depends on: "x", "parameter", "data", "number".
    """

    listed: tuple[Landmark, ...]
    sources: Mapping[Value, frozenset[str]]

    def role(self, part: str, role: str) -> Landmark | None:
        """Return the first value of a part that plays this role."""
        return next((one for one in self.listed if one.part == part and one.role == role), None)

    @property
    def parts(self) -> list[str]:
        """The parts of the network in the order of the forward pass; what is drawn may be there before."""
        forward = [one for one in self.listed if one.stage == "forward"]
        ordered = sorted(forward, key=lambda one: one.role == "data")
        return list(dict.fromkeys(one.part for one in ordered))


def find_landmarks(
    x: Value,
    data: Mapping[str, Value],
    parameters: Mapping[str, Value],
    loss: Value,
    others: Sequence[Value] = (),
    *,
    symbols: Symbols | None = None,
) -> Landmarks:
    """Return the named values on the way from x and the parameters to the loss; `others` need sources too."""
    kinds = {x: "x"} | dict.fromkeys(parameters.values(), "parameter") | dict.fromkeys(data.values(), "data")
    sources = _sources([loss, *others], kinds)
    symbols = symbols or Symbols()
    finder = _Finder(loss, sources, set(parameters.values()), data.get("y"), symbols)
    names = {"x": x, **data}
    listed = [
        Landmark(value, symbols.of(name), "input", "", "x" if value is x else "data")
        for name, value in names.items()
    ]
    listed += [
        Landmark(value, symbols.of(name), "input", part_of(name), "parameter")
        for name, value in parameters.items()
    ]
    computed = [
        *finder.cuts(),
        *finder.computed(),
        Landmark(loss, Symbol(letter(LOSS), "loss"), "loss", "", "loss"),
    ]
    order = [*listed, *sorted(computed, key=lambda one: one.value.serial)]
    return Landmarks(tuple(order), sources)


def _numbered(letters: str) -> Iterator[str]:
    """Yield names: u, v, ..., and then u2, v2, ..."""
    yield from letters
    for count in itertools.count(2):
        yield from (f"{one}{count}" for one in letters)


def _sources(outputs: Sequence[Value], kinds: Mapping[Value, str]) -> dict[Value, frozenset[str]]:
    """Return what each value depends on; an input that is not among the kinds is a number."""
    found: dict[Value, frozenset[str]] = {}
    for value in needed(outputs):
        if value in kinds:
            found[value] = frozenset({kinds[value]})
        elif value.primitive is None and value.data is None:
            found[value] = frozenset({"data" if not value.weak else "number"})
        else:
            found[value] = frozenset().union(*(found[operand] for operand in value.operands))
    return found


def is_transparent(value: Value) -> bool:
    """Whether a formula shows the operand alone: a broadcast, a reshape."""
    return value.primitive is not None and value.primitive.notation.template == "<0>"


def looked_through(value: Value) -> Value:
    """Return what a formula shows in the place of a value."""
    while is_transparent(value):
        (value,) = value.operands
    return value


class _Finder:
    """Looks for values to name among those that the loss is computed from."""

    def __init__(
        self,
        loss: Value,
        sources: Mapping[Value, frozenset[str]],
        parameters: set[Value],
        target: Value | None,
        symbols: Symbols,
    ) -> None:
        self._loss = loss
        self._target = target
        self._symbols = symbols
        self._sources = sources
        self._parameters = parameters
        self._values = needed([loss])
        self._uses: dict[Value, list[Value]] = {value: [] for value in self._values}
        for value in self._values:
            for operand in value.operands:
                self._uses[operand].append(value)

    def _varies(self, value: Value) -> bool:
        return bool(self._sources[value] & {"x", "parameter"}) and is_float(value.dtype)

    def _group(self, value: Value) -> str | None:
        """Return the part of a forward value; None for what belongs to the loss."""
        return value.origin.part if value.origin.stage == "forward" else None

    def cuts(self) -> list[Landmark]:
        """Return what is computed from data alone and then meets the network: targets made ready, draws."""
        found = [
            value
            for value in self._values
            if value.primitive is not None
            and (is_float(value.dtype) or (value.dtype == BOOL and value.origin.stage == "forward"))
            and "data" in self._sources[value]
            and not self._sources[value] & {"x", "parameter"}
            and any(self._varies(user) for user in self._uses[value])
            and not is_transparent(value)
        ]
        named = {looked_through(value) for value in found}
        marks, counts = [], Counter[str]()
        for value in found:
            if self._is_written_out(value, named):
                continue
            part, is_of_loss = value.origin.part, value.origin.stage != "forward"
            is_target = is_of_loss and not counts["target"] and self._target in set(needed([value]))
            of_part = f"{part}.data" if part else "constant"
            key = "target" if is_target else of_part
            name = key + f"#{counts[key]}" * bool(counts[key])
            letters = _numbered(_OF_LOSS if is_of_loss else _DRAWN)
            symbol = (
                Symbol(letter("t"), name)  # of y there is then another
                if is_target
                else self._symbols.new(letters, part, key=name)
            )
            marks.append(Landmark(value, symbol, "loss" if is_of_loss else "forward", part, "data"))
            counts[key] += 1
        return marks

    def _is_written_out(self, value: Value, named: set[Value]) -> bool:
        """Whether it is 1 − t, or the like, of a target t that has a name: short enough for a formula."""
        if primitive_name(value) != "subtract" or not value.ndim:
            return False
        operands = [looked_through(operand) for operand in value.operands]
        arrays = [one for one in operands if self._sources[one]]
        is_named = [one.primitive is None or one in named for one in arrays]
        return len(operands) > len(arrays) and all(is_named)

    def computed(self) -> list[Landmark]:
        """Return what the parts of the network and the loss compute."""
        groups: dict[str | None, list[Value]] = {}
        for value in self._values:
            if value.primitive is not None and self._varies(value):
                groups.setdefault(self._group(value), []).append(value)
        return [mark for part, values in groups.items() for mark in self._of_group(part, values)]

    def _of_group(self, part: str | None, values: list[Value]) -> list[Landmark]:
        """Return the landmarks of a part, or of the loss: z, a = f(z), and what is used in several places."""
        roles, inner = self._roles(part, values)
        stage = "loss" if part is None else "forward"
        marks, outputs = [], 0
        for value, role in roles.items():
            outputs += role == "output"
            name = {"inner": "z", "output": "z" if inner is value else "a"}.get(role)
            letters = itertools.chain([name] if name else (), _numbered(_SHARED))
            is_further = role == "output" and outputs > 1
            key = f"{part}.{name}#{outputs}".removeprefix(".") if is_further else ""
            symbol = self._symbols.new(letters, part or "", "*" * (outputs - 1) if is_further else "", key)
            marks.append(Landmark(value, symbol, stage, part or "", role))
        return marks

    def _roles(self, part: str | None, values: list[Value]) -> tuple[dict[Value, str], Value | None]:
        """Return what each value of a part that gets a name is to it; and its z, where it has one output."""
        members = set(values)
        outputs = [] if part is None else [v for v in values if self._leaves(v, members)]
        outputs = [v for v in outputs if not self._is_way_in(v, members)]
        roles = dict.fromkeys(outputs, "output")
        inner = self._inner(values, outputs[0]) if len(outputs) == 1 else None
        if inner is not None and inner is not outputs[0]:
            roles[inner] = "inner"
        whole = inner is not None and elementwise_between(inner, outputs[0]) and is_short(inner, outputs[0])
        for value in values:
            if value in roles or value is self._loss:
                continue
            within = inner is not None and whole and value.serial > inner.serial
            named = part is not None and self._is_spread(value, members, set(roles))
            if named or self._is_shared(value, members, within):
                roles[value] = "shared"
        return roles, inner

    def _leaves(self, value: Value, members: set[Value]) -> bool:
        return (
            any(user not in members and self._varies(user) for user in self._uses[value])
            or not self._uses[value]
        )

    def _is_way_in(self, value: Value, members: set[Value]) -> bool:
        """Whether it is a part's input with other axes first, which the part goes on from, as others do."""
        moved = value.primitive is PRIMITIVES["permute_dims"] and value.operands[0] not in members
        return moved and any(user in members for user in self._uses[value])

    def _inner(self, values: list[Value], output: Value) -> Value | None:
        """Return the first value that holds all parameters, and through which alone the output sees data."""
        for value in values:
            if value.serial > output.serial or is_transparent(value):
                continue
            if self._sees_parameters(value) and self._only_through(output, value, set(values)):
                return value
        return None

    def _sees_parameters(self, value: Value) -> bool:
        below = needed([value])
        return any(v in self._parameters and _same_part(v, value) for v in below)

    def _only_through(self, output: Value, gate: Value, members: set[Value]) -> bool:
        waiting, seen = [output], set()
        while waiting:
            value = waiting.pop()
            if value is gate or value.serial in seen:
                continue
            seen.add(value.serial)
            decided = value.primitive is not None and self._group(value) == self._group(gate)  # a condition
            if value not in members and not decided and self._sources[value] - {"number"}:
                return False
            waiting.extend(value.operands)
        return True

    def _is_shared(self, value: Value, members: set[Value], within: bool) -> bool:
        """Return whether a value needs a name; `within` an activation that is written as a whole, few do."""
        if is_transparent(value) or not value.ndim:
            return False
        if value.primitive is not None and value.primitive.derivative is None:
            return True  # what is derived stops here
        return not within and (len(self._users(value, members)) > 1 or self._is_applied(value, members))

    def _is_applied(self, value: Value, members: set[Value]) -> bool:
        """Whether it is a matrix product to which more is done than to add something: a z of its own.

        In an objective that derives the network, where products follow products, so is what is added up.
        """
        is_of_loss = self._group(value) is None
        if not (self._holds_product(value) if is_of_loss else _is_product(value)):
            return False
        serials = self._users(value, members)
        users = [user for user in members if user.serial in serials]
        return any(primitive_name(user) not in ("add", "subtract") for user in users)

    def _holds_product(self, value: Value) -> bool:
        """Whether it is a matrix product, or a sum with one in it."""
        added = primitive_name(value) in ("add", "subtract") and self._group(value) is None
        below = map(looked_through, value.operands) if added else ()
        return _is_product(value) or any(map(self._holds_product, below))

    def _is_spread(self, value: Value, members: set[Value], named: set[Value]) -> bool:
        """Whether many elements are computed from it, and it from a sum of more than what has a name.

        Such is the standard deviation of a normalization, and the state of a recurrent layer: without a name,
        each sum would hold others.
        """
        if not value.ndim or is_transparent(value):
            return False
        summed = self._summed(value, members) if self._repeats(value, members) else ()
        return any(term in members and term not in named for term in summed)

    def _summed(self, value: Value, members: set[Value]) -> Iterator[Value]:
        """Yield what is summed up in a value, looking through what formulas do not show."""
        if isinstance(lowering_of(value), Reduction):
            yield looked_through(value.operands[0])
        elif _is_product(value):
            yield value  # a sum of products, even of what has names
        else:
            for operand in value.operands:
                if operand in members:
                    yield from self._summed(operand, members)

    def _repeats(self, value: Value, members: set[Value]) -> bool:
        """Whether each of its elements stands in several places: repeated, or in a matrix product."""
        return any(
            _size(user) > _size(value) or self._repeats(user, members)
            if is_transparent(user)
            else _is_product(user)
            for user in self._uses[value]
            if user in members
        )

    def _users(self, value: Value, members: set[Value]) -> set[int]:
        """Return who uses a value within the group, looking through what formulas do not show."""
        found: set[int] = set()
        for user in self._uses[value]:
            if user in members:
                found |= self._users(user, members) if is_transparent(user) else {user.serial}
        return found


def _size(value: Value) -> int:
    """Return how many elements two rows of it have."""
    return math.prod(2 if dim is ROWS else int(dim) for dim in value.shape)


def _is_product(value: Value) -> bool:
    return isinstance(lowering_of(value), Contraction)


def _same_part(parameter: Value, value: Value) -> bool:
    return part_of(parameter.name) == value.origin.part


def powers_in_logarithms(loss: Value) -> Iterator[tuple[Value, Value, Value]]:
    """Yield each ln Σ e^v on the way to the loss, with the sum and the powers in it."""
    for value in needed([loss]):
        if primitive_name(value) == "log":
            total = looked_through(value.operands[0])
            if primitive_name(total) == "sum":
                power = looked_through(total.operands[0])
                if primitive_name(power) == "exp":
                    yield value, total, power


def elementwise_between(inner: Value, output: Value) -> bool:
    """Whether each element of the output depends on the same element of the inner value alone."""
    reached = {inner.serial}
    for value in needed([output]):
        if any(operand.serial in reached for operand in value.operands):
            if not isinstance(lowering_of(value), Expression):
                return False
            reached.add(value.serial)
    return output.serial in reached


def is_short(inner: Value, output: Value) -> bool:
    """Whether the output is a short formula of the inner value."""
    sizes: dict[Value, int] = {}
    for value in needed([output]):
        sizes[value] = 1 if value.serial <= inner.serial else 1 + sum(sizes[x] for x in value.operands)
    return sizes[output] <= MOST_SIGNS
