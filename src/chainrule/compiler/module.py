"""A module of LLVM IR while it is written."""

from __future__ import annotations

from collections.abc import Iterable

from chainrule.compiler.code import Code
from chainrule.compiler.sharing import SHARING

_ATTRIBUTES = (
    'attributes #0 = { nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512" }\n!0 = !{}\n'
)


class Module:
    """Functions as LLVM IR, each of them after those that it calls.

    Attributes
    ----------
    text : str
        All of them.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._declared: set[str] = set()
        self._enter(_ATTRIBUTES + SHARING)

    @property
    def text(self) -> str:
        return "\n".join(self._parts)

    def add(self, text: str, declarations: Iterable[str] = ()) -> None:
        """Add a function, and before it what it needs that is not there yet."""
        new = sorted({*declarations} - self._declared)
        self._declared.update(new)
        self._enter("\n".join([*new, text]))

    def add_functions(self, codes: Iterable[Code], linkage: str = "internal") -> None:
        """Add functions, those that are called first."""
        for code in codes:
            self.add(code.text(linkage=linkage), code.declarations)

    def extend(self, module: Module) -> None:
        """Add what another module has; this one is empty."""
        for part in module._parts[1:]:
            self._enter(part)

    def _enter(self, part: str) -> None:
        self._parts.append(part)
