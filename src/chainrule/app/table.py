"""A table is read from a text file: its names, its cells, and the line each row stands on."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chainrule.app.cells import quoted
from chainrule.graph.names import unknown_name
from chainrule.graph.words import counted

#: What may stand between two cells, and what it is called.
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
#: How much of a file is looked at to find its delimiter.
SNIFFED_LETTERS, SNIFFED_LINES = 100_000, 50


@dataclass(frozen=True)
class Table:
    """The cells of a table, as text without surrounding blanks.

    Attributes
    ----------
    path : str
        Where it was read from.
    delimiter : str
        What stands between its cells.
    names : tuple of str
        Its columns, from the header.
    rows : list of list of str
        One list of cells for each row, as long as `names`.
    lines : list of int
        The line of the file on which each row begins; the header is line 1.
    """

    path: str
    delimiter: str
    names: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """Return the cells of a column, from the first row to the last."""
        position = self.names.index(self.require(name))
        return [row[position] for row in self.rows]

    def require(self, name: str) -> str:
        """Return the name of a column, or raise a ValueError with the nearest names and the list."""
        if name in self.names:
            return name
        sentence = f"{self.path}: {unknown_name('column', name, self.names)}"
        if "; there are " not in sentence:
            sentence += f" The columns are {quoted(self.names, most=40)}"
        raise ValueError(sentence)

    def take(self, positions: Iterable[int]) -> Table:
        """Return the table of some rows, in the order given."""
        kept = [int(position) for position in positions]
        rows, lines = [self.rows[i] for i in kept], [self.lines[i] for i in kept]
        return Table(self.path, self.delimiter, self.names, rows, lines)


def read_table(path: str | Path, delimiter: str | None = None) -> Table:
    """Read a table with a header from a UTF-8 text file.

    Parameters
    ----------
    path : str or Path
        The file. Cells may be quoted, and may then hold the delimiter and line ends. Empty lines are skipped.
    delimiter : str, optional
        One character; by default the comma, semicolon, tab or bar that cuts the rows most evenly.

    Returns
    -------
    Table
        With at least one row.

    Raises
    ------
    ValueError
        Where the file is missing, empty, not text, or its rows are not all as long as its header.
    """
    text = _read_text(Path(path))
    delimiter = delimiter or sniff(text)
    records = _records(text, delimiter, str(path))
    line, header = next(records, (1, []))
    if not header:
        raise ValueError(f"{path} is empty; a table begins with a line of column names")
    _check_names(header, str(path))
    table = Table(str(path), delimiter, tuple(header), [], [])
    for line, row in records:
        if len(row) != len(header):
            between = DELIMITERS.get(delimiter, repr(delimiter))
            raise ValueError(
                f"{path}, line {line}: {counted(len(row), 'cell')} where the header has {len(header)}; "
                f"give every row {len(header)}, and quote a cell that contains a {between}"
            )
        table.rows.append(row)
        table.lines.append(line)
    if not table.rows:
        raise ValueError(f"{path} has a header and no rows; put one row on each line below the header")
    return table


def sniff(text: str) -> str:
    r"""Return the delimiter that cuts the first lines into the most even rows.

    Examples
    --------
    >>> sniff("a;b\n1,5;2,5\n")
    ';'
    """
    sample = "".join(text[:SNIFFED_LETTERS].splitlines(keepends=True)[:SNIFFED_LINES])

    def fitness(delimiter: str) -> tuple[float, int]:
        rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row]
        width = len(rows[0]) if rows else 1
        even = sum(len(row) == width for row in rows)
        return (even / len(rows) if width > 1 else 0.0, width)

    return max(DELIMITERS, key=fitness)


def _read_text(path: Path) -> str:
    """Return the text of a file, or say why it has none."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name the file with the table in it")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}; {_nearest_file(path)}") from None
    except OSError as problem:
        raise ValueError(f"{path} cannot be read: {problem.strerror}; check its permissions") from None
    if data.startswith(b"PK\x03\x04"):
        raise ValueError(f"{path} is a spreadsheet or archive, not text; save the table as CSV first")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        # The decoder counts from behind a byte order mark.
        start = problem.start + len(data) - len(problem.object)
        line = data.count(b"\n", 0, start) + 1
        raise ValueError(
            f"{path}, line {line}: byte {data[start]:#04x} at offset {start} is not UTF-8; "
            "save the table as UTF-8"
        ) from None
    if "\0" in text:
        raise ValueError(
            f"{path} is not text: it has a zero byte at offset {data.index(0)}; save the table as CSV"
        )
    return text


def _nearest_file(path: Path) -> str:
    """Return a hint at the files that stand where a missing file was looked for."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either"
    near = difflib.get_close_matches(path.name, [item.name for item in path.parent.iterdir()], n=3)
    return (
        f"did you mean {' or '.join(str(path.with_name(name)) for name in near)}?"
        if near
        else "check its path"
    )


def _records(text: str, delimiter: str, path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of every line that is not empty, with the line they begin on."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as problem:
            raise ValueError(f"{path}, line {line}: {_wrong_with_cells(problem)}") from None
        if cells is None:
            return
        if cells:
            yield line, [cell.strip() for cell in cells]


def _wrong_with_cells(problem: csv.Error) -> str:
    """Return what is wrong with the cells of a line that cannot be read, and what to do."""
    if "limit" in str(problem):
        return (
            f"a cell is longer than {csv.field_size_limit():,} characters; "
            "shorten it, or close the quotes before it"
        )
    return (
        f"the quotes do not match ({problem}); "
        'close every quoted cell with ", and write a quote inside it twice'
    )


def _check_names(names: Sequence[str], path: str) -> None:
    """Refuse a header in which two columns have the same name."""
    for position, name in enumerate(names):
        first = names.index(name)
        if first < position:
            raise ValueError(
                f"{path}: columns {first + 1} and {position + 1} are both called {name!r}; rename one of them"
            )
