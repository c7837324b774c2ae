"""Bytes ↔ named arrays and JSON. Nothing here knows a layer."""

from chainrule.files.arrays import read_arrays, write_arrays
from chainrule.files.atomic import write_atomically

__all__ = ["read_arrays", "write_arrays", "write_atomically"]
