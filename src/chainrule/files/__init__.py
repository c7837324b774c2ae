"""Bytes ↔ named arrays and JSON. Nothing here knows a layer."""

from chainrule.files.arrays import read_arrays, write_arrays
from chainrule.files.atomic import check_place, remove_leftovers, write_atomically
from chainrule.files.lock import locked

__all__ = ["check_place", "locked", "read_arrays", "remove_leftovers", "write_arrays", "write_atomically"]
