"""A table of rows most of whose numbers are zeros: only the rows of a batch are ever dense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.graph.types import Array, DType


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows of numbers as a loop takes them, with the zeros left out (CSR). Some of them are a dense array.

    Attributes
    ----------
    values : ndarray
        The numbers that are kept, row after row.
    columns : ndarray of int32
        Where in its row each of them stands; none twice.
    starts : ndarray of int64
        Where in `values` each row begins, and, in the end, where the last one ends.
    width : int
        Numbers in a row.
    """

    values: Array
    columns: Array
    starts: Array
    width: int

    @classmethod
    def of(cls, matrix: Any) -> SparseRows:
        """Return the rows of one of SciPy's sparse matrices or arrays."""
        csr = matrix.tocsr()
        if not csr.has_canonical_format:
            csr = csr.copy()
            csr.sum_duplicates()
        values = csr.data + csr.dtype.type(0)  # a kept -0.0 would not be the 0.0 of the dense row
        return cls(values, csr.indices.astype(np.int32), csr.indptr.astype(np.int64), csr.shape[1])

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self), self.width

    @property
    def dtype(self) -> DType:
        """That of the numbers."""
        return self.values.dtype

    @property
    def longest(self) -> int:
        """The most numbers that are kept of a row."""
        return int(np.diff(self.starts).max(initial=0))

    def columns_and_values(self) -> Array:
        """Return for each row the columns of its numbers, and then the numbers, filled up with zeros."""
        longest, counts = self.longest, np.diff(self.starts)
        row = np.repeat(np.arange(len(self)), counts)
        place = np.arange(len(self.values)) - np.repeat(self.starts[:-1], counts)
        listed = np.zeros((len(self), 2 * longest), self.dtype)
        listed[row, place] = self.columns
        listed[row, longest + place] = self.values
        return listed

    def __getitem__(self, rows: Array | slice) -> Array:
        """Return some rows as a dense array."""
        chosen = np.arange(len(self))[rows]
        first, counts = self.starts[chosen], np.diff(self.starts)[chosen]
        row = np.repeat(np.arange(len(chosen)), counts)
        place = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        dense = np.zeros((len(chosen), self.width), self.dtype)
        dense[row, self.columns[place]] = self.values[place]
        return dense


#: A table of rows, of which a loop takes a batch at a time.
Table = Array | SparseRows
