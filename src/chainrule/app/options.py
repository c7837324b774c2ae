"""The arguments and options of the commands, and what they refuse."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

#: A wider hidden layer is a slip of the pen.
WIDEST = 1_000_000


def widths(text: str) -> tuple[int, ...]:
    """Return the widths in `64,64`; `none` is no hidden layer."""
    if text.strip().casefold() == "none":
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 0 < int(part) <= WIDEST for part in parts):
        raise typer.BadParameter(
            f"{text!r} is not the widths of hidden layers, such as 64,64 or 128, or none; "
            f"a width is at most {WIDEST:,}"
        )
    return tuple(map(int, parts))


def _checked_widths(text: str) -> str:
    widths(text)
    return text


def _positive(number: float) -> float:
    """Refuse 0, and NaN and infinity, which no range excludes."""
    if not (math.isfinite(number) and number > 0):
        raise typer.BadParameter(f"{number} is not a positive number")
    return number


def _character(text: str | None) -> str | None:
    """Return one character; `tab` is the word for one that is hard to type."""
    character = "\t" if text in ("tab", "\\t") else text
    if character is not None and (len(character) != 1 or character in '"\r\n '):
        raise typer.BadParameter(f"{text!r} is not one character, such as , or ; or tab")
    return character


TableArgument = Annotated[
    Path, typer.Argument(metavar="TABLE", help="A text file: a line of column names, then one row a line.")
]
ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A file that chainrule train has written.")
]
HistoryArgument = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", help="A model file, the checkpoint of a run, or a history as JSON (.json)."
    ),
]
Target = Annotated[str, typer.Option(metavar="COLUMN", help="The column to predict.")]
ModelOutput = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="MODEL", show_default="the table's name", help="The model file to write."
    ),
]
PredictionsOutput = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="OUT", show_default="stdout", help="The CSV file to write."),
]
FigureOutput = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="OUT", help="Draw it into a .svg, .png or .pdf file instead."),
]
Row = Annotated[int, typer.Option(min=1, help="Which row of the table, counted from 1 after the header.")]
StoryOutput = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        show_default="text on stdout",
        help="The HTML page, Markdown or LaTeX to write: .html, .md or .tex.",
    ),
]
Why = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Print this derivative taken apart, not the story: layers.0.weight[1,0]."
    ),
]
Steps = Annotated[int, typer.Option(min=1, help="Consecutive training steps to record, for the page.")]
Epochs = Annotated[
    int | None,
    typer.Option(min=1, show_default="10 to 100, more for few rows", help="Passes over the training rows."),
]
Hidden = Annotated[
    str,
    typer.Option(metavar="WIDTHS", callback=_checked_widths, help="Widths of the hidden layers, or none."),
]
LearningRate = Annotated[float, typer.Option(callback=_positive, help="How far a weight update goes.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Rows in each weight update.")]
Patience = Annotated[
    int | None,
    typer.Option(
        min=1,
        show_default="none: all epochs",
        help="Stop after so many epochs in which the held-out loss found no new low; keep the best weights.",
    ),
]
HeldOut = Annotated[
    float,
    typer.Option(min=0.01, max=0.9, callback=_positive, help="Part of the rows that training does not see."),
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="Of everything random: the same seed, the same model.")
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        show_default="none",
        help="A file to which training is written every few seconds; the same command goes on from there.",
    ),
]
CheckedRows = Annotated[
    int, typer.Option(min=1, help="How many of the table's rows, evenly spread, the loss is taken of.")
]
Samples = Annotated[int, typer.Option(min=1, help="How many derivatives are checked in each array.")]
Delimiter = Annotated[
    str | None,
    typer.Option(
        callback=_character, show_default="found out", help="One character, or tab, between the cells."
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="A column to leave out; may be given several times."),
]
