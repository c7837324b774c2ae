"""How arrays and numbers are written in formulas: each by a symbol of its own."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from chainrule.explanation.formula import Symbol
from chainrule.explanation.layout import Layout, Script, Sign, letter, number, with_scripts, word
from chainrule.explanation.plain import to_text
from chainrule.graph.origin import part_of

#: How the names of arrays and numbers are written in formulas; any other is written as the word that it is.
LETTERS: Mapping[str, Layout] = {
    "weight": letter("W"), "bias": letter("b"), "x": letter("x"), "y": letter("t"),
    "rho": letter("ρ"),
    "step": letter("τ"),  # the k of other books is a place here
    "learning_rate": letter("η"), "learning_rate_factors": letter("φ"),
    "momentum": letter("μ"), "epsilon": letter("ε"),
    "weight_decay": letter("λ"), "velocity": letter("v"), "mean": letter("m"),
    "mean_square": letter("s"), "scale": letter("γ"), "shift": letter("β"),
    "beta_1": Script(letter("β"), number("1")), "beta_2": Script(letter("β"), number("2")),
    "sample_weight": letter("ω"),
    "square": letter("s"), "gamma": letter("γ"), "label_smoothing": letter("ε"),
    "quantiles": letter("q"),
}  # fmt: skip
#: The loss has its letter, whatever else there is.
LOSS = "L"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉"


class Symbols:
    """The symbols of a step: where the usual ones of several things are the same, they are told apart.

    Parameters
    ----------
    names : iterable of str
        Of all that the step is given: ``layers.0.weight``, ``layers.0.weight/velocity``, ``task.loss.delta``.
    parts : iterable of str
        The parts of the network that compute something.
    """

    def __init__(self, names: Iterable[str] = (), parts: Iterable[str] = ()) -> None:
        names = tuple(names)
        layers = {*parts, *(_owner(name) for name in names if not _is_of_task(name))}
        same = Counter(map(_digits, layers))
        self._raised = {part: _digits(part) if same[_digits(part)] == 1 else _path(part) for part in layers}
        self._taken = {LOSS}  # by text
        self._layouts: dict[str, Layout] = {}
        waiting = {name: self._ways(name) for name in names}
        while waiting:
            groups: dict[str, dict[str, Layout]] = defaultdict(dict)
            for name, ways in waiting.items():
                layout = next(ways)
                groups[to_text(layout)][name] = layout
            for text, group in groups.items():
                first = _first(group)
                if first is not None and not self._is_taken(text):
                    self._layouts[first] = group[first]
                    self._taken.add(text)
                    del waiting[first]

    def of(self, name: str, mark: str = "") -> Symbol:
        """Return the symbol of what is given, or with a prime of what it becomes."""
        layout = self._layouts.get(name) or next(self._ways(name))
        return Symbol(_with_mark(layout, mark), name + mark)

    def new(self, names: Iterable[str], part: str, mark: str = "", key: str = "") -> Symbol:
        """Return the symbol of what a part of the network computes, by the first of the names that is free.

        Its key is `key`, or that name in its part.
        """
        for name in names:
            layout = _with_mark(_letter(name), _in_brackets(self._raised.get(part, _digits(part))) + mark)
            if not self._is_taken(to_text(layout)):
                self._taken.add(to_text(layout))
                return Symbol(layout, key or (f"{part}.{name}" if part else name) + mark)
        raise AssertionError("there is always another name")

    def _is_taken(self, text: str) -> bool:
        """Whether it is the symbol of something, or would look like an element: β₁, where an array is β."""
        array = text.rstrip(_LOWERED)
        elements = (one for one in self._taken if one != array and one.rstrip(_LOWERED) == text)
        return text in self._taken or array in self._taken or any(elements)

    def _ways(self, name: str) -> Iterator[Layout]:
        """Yield ways to write a name, the usual first: ``layers.0.weight`` is W with (0) raised."""
        whole, _, key = name.removesuffix("]").partition("[")  # a number in a mapping has a key
        owner, last = _owner(name), whole.replace("/", ".").rpartition(".")[2]
        if _is_of_task(name):
            digits = "" if key else _digits(owner)
            told = number(digits) if digits else word(key or owner.rpartition(".")[2])
            yield _letter(last)
            yield Script(_letter(last), told, None)
        above = "" if _is_of_task(name) else _in_brackets(self._raised.get(owner, _digits(owner)))
        parameter = name.partition("/")[0].rpartition(".")[2] if "/" in name else ""  # v with W below
        bases = itertools.chain([_letter(last), word(last)], (word(f"{last}{i}") for i in itertools.count(2)))
        for base in bases:
            for below in (_letter(parameter), word(parameter)) if parameter else (None,):
                yield _with_mark(base if below is None else Script(base, below, None), above)


def _first(group: Mapping[str, Layout]) -> str | None:
    """Return which of several names has the letter that is usual for all: of one owner's, the shortest.

    Where each has another owner, none has: they are told apart by their owners.
    """
    owners = {_owner(name) for name in group}
    return None if len(group) == len(owners) > 1 else min(group, key=len)


def _owner(name: str) -> str:
    """Return the part of the network that a name is of, or what of the task: ``task.loss``."""
    owner = part_of(name.partition("[")[0])
    return owner.removeprefix("task.network").removeprefix(".")


def _is_of_task(name: str) -> bool:
    return _owner(name).partition(".")[0] == "task"


def _path(part: str) -> str:
    return ".".join(one for one in part.split(".") if one != "layers")


def _with_mark(layout: Layout, mark: str) -> Layout:
    """Return a symbol with a mark behind what is raised already."""
    if not mark:
        return layout
    old = with_scripts(layout)
    text = (to_text(old.above) if old.above else "") + mark
    return Script(old.base, old.below, Sign(text, _raised(text), "number"))


def _raised(text: str) -> str:
    """Return what is raised as LaTeX: numbers with dots between, words, primes."""
    words = re.sub(r"[^\W\d]\w*", lambda found: word(found[0]).latex, text)
    return words.replace("·", r"\cdot ").replace("′", r"\prime ")


def _letter(name: str) -> Layout:
    return LETTERS.get(name) or (letter(name) if len(name) == 1 else word(name))


def _digits(part: str) -> str:
    return ".".join(re.findall(r"\d+", part))


def _in_brackets(text: str) -> str:
    return f"({text})".replace(".", "·") if text else ""
