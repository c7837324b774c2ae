"""Functions of a mathematics library as vector code: polynomials on a reduced range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {}
