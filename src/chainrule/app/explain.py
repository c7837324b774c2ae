"""One row of a table becomes the story of a training step on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chainrule.app.description import Description
from chainrule.app.learn import learnable
from chainrule.app.table import Table
from chainrule.app.target import labelled
from chainrule.explanation.explanation import Explanation
from chainrule.graph.words import counted
from chainrule.model import Model

#: How a story is written, by the ending of the file's name.
FORMS: dict[str, Callable[[Explanation], str]] = {
    ".html": Explanation.to_html,
    ".md": Explanation.to_markdown,
    ".tex": Explanation.to_latex,
}


def form_of(path: Path) -> Callable[[Explanation], str]:
    """Return what writes a story in the form that a file's name asks for.

    Raises
    ------
    ValueError
        Where the name has another ending.
    """
    if path.suffix.lower() not in FORMS:
        raise ValueError(f"{path} has no ending that tells its form: end its name in {', '.join(FORMS)}")
    return FORMS[path.suffix.lower()]


def explain_row(model: Model, description: Description, table: Table, row: int, steps: int) -> Explanation:
    """Return the story of a training step on one row.

    Parameters
    ----------
    row : int
        Which row of the table, from 1.

    Raises
    ------
    ValueError
        Where there is no such row, or its target is missing or a class that training did not see.
    """
    if not 1 <= row <= len(table.rows):
        raise ValueError(
            f"{table.path} has {counted(len(table.rows), 'row', ',')}, and no row {row}; count them from 1"
        )
    target = description.target
    table.require(target.name)
    chosen = table.take([row - 1])
    if not labelled(target.name, chosen).rows:
        raise ValueError(
            f"{table.path}: row {row} has no {target.name!r}, and without it no loss; choose another"
        )
    y = learnable(description, chosen)
    if y.dtype.kind == "i" and y[0] < 0:
        (cell,) = chosen.column(target.name)
        raise ValueError(
            f"{table.path}: training never saw the class {cell!r} of row {row}; choose another row"
        )
    explanation = model.explain(description.encode(chosen), y, steps=steps)
    explanation.title = f"One training step on row {row} of {Path(table.path).name}"
    features = [label for column in description.used for label in column.labels]
    explanation.call(features, target.labels)
    return explanation
