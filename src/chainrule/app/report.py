"""What `chainrule train` prints, on a terminal and in a file alike."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid
from rich.text import Text

from chainrule.app.cells import is_missing, printable
from chainrule.app.columns import CategoryColumn, Column, NumberColumn, kind
from chainrule.app.learn import Lesson, Settings
from chainrule.app.scores import Score
from chainrule.app.table import DELIMITERS, Table
from chainrule.app.target import ClassTarget, Target
from chainrule.graph.words import counted
from chainrule.model import Model
from chainrule.training.callbacks import Progress as EpochProgress

#: How many lines show the loss falling.
LOSS_LINES = 6
#: How many values of a category, or classes, are shown.
MOST_SHOWN = 8
#: How many columns are shown.
MOST_COLUMNS = 40


def open_console(stderr: bool = False) -> Console:
    """Return a console that prints the text of tables as it is: no markup, no highlighting, no emoji."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def print_table(console: Console, table: Table, lesson: Lesson) -> None:
    """Print what was inferred about a table: its rows, each column, and the task."""
    delimiter = DELIMITERS.get(table.delimiter, repr(table.delimiter))
    size = f"{counted(len(table.rows), 'row', ',')}, {counted(len(table.names), 'column')}"
    _line(console, f"{table.path}: {size}, delimiter {delimiter}")
    if lesson.unlabelled:
        _line(
            console,
            f"left out: {counted(lesson.unlabelled, 'row', ',')} without a value of "
            f"{lesson.description.target.name}",
        )
    console.print()
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column()
    target = lesson.description.target
    columns = lesson.description.columns
    rows = [(column.name, kind(column), _describe_column(column, table)) for column in columns[:MOST_COLUMNS]]
    for name, what, says in (*rows, (target.name, "target", _describe_target(target, lesson))):
        grid.add_row(Text(f"  {printable(name)}"), what, Text(printable(says)))
    console.print(grid)
    if len(columns) > MOST_COLUMNS:
        kinds = Counter(map(kind, columns[MOST_COLUMNS:]))
        more = ", ".join(f"{count:,} {what}" for what, count in kinds.items())
        _line(console, f"  and {counted(len(columns) - MOST_COLUMNS, 'more column', ',')}: {more}")
    console.print()
    _line(console, f"task: {target.task}, predict {target.name}")
    _line(console, f"rows: {len(lesson.training.rows):,} to train on, {len(lesson.held_out.rows):,} held out")


def print_score(
    console: Console, rows: int, score: Score, guess: tuple[str, Score], chose_epoch: bool
) -> None:
    """Print how good the predictions for the rows held out are, beside those of a guess."""
    console.print()
    also = ", which chose the epoch, too" * chose_epoch
    _line(console, f"on the {counted(rows, 'row', ',')} held out{also}", style="bold")
    words, guessed = guess
    width = max(len("this network"), len(words))
    _line(console, f"  {'this network':{width}}  {score}", style="bold green")
    _line(console, f"  {words:{width}}  {guessed}")


def print_plan(console: Console, model: Model, lesson: Lesson, settings: Settings) -> None:
    """Print the network, and how it is trained."""
    rows = len(lesson.training.rows)
    layers = [f"Dense({width}, relu)" for width in settings.hidden]
    layers.append(f"Dense({lesson.description.target.outputs})")
    weights = sum(array.size for array in model.weights.values())
    _line(
        console,
        f"network: {counted(lesson.description.features, 'feature')} > {' > '.join(layers)}, "
        f"{counted(weights, 'weight', ',')}",
    )
    _line(
        console,
        f"training: {counted(settings.epochs_for(rows), 'epoch')} in batches of "
        f"{min(settings.batch_size, rows)}, AdamW({settings.learning_rate:g}), seed {settings.seed}",
    )


def print_interrupted(console: Console, completed: int, epochs: int, checkpoint: Path | None) -> None:
    """Print that training was ended by Ctrl-C."""
    _line(
        console, f"stopped by Ctrl-C after {completed} of {counted(epochs, 'epoch')}; what was learnt is kept"
    )
    if checkpoint is not None:
        _line(console, f"the same command goes on from {checkpoint}")


def print_best(console: Console, held_out_losses: Sequence[float], epochs: int) -> None:
    """Print after which epoch patience ended training, and whose weights are kept."""
    done = len(held_out_losses)
    best = held_out_losses.index(min(held_out_losses)) + 1
    _line(
        console,
        f"ended after {done} of {counted(epochs, 'epoch')}; kept are the weights of epoch {best}, "
        "with the smallest held-out loss",
    )


def print_saved(console: Console, path: Path, is_new: bool) -> None:
    """Print where the model is, and what to do with it."""
    console.print()
    replaced = "" if is_new else ", in the place of what was there"
    _line(console, f"saved {path}{replaced}; to predict with it:")
    _line(console, f"  chainrule predict {shlex.quote(str(path))} TABLE", style="bold")


def print_lines(lines: Sequence[str]) -> None:
    """Print lines as they are on stdout."""
    console = open_console()
    for line in lines:
        _line(console, line)


def print_notes(notes: Sequence[str]) -> None:
    """Print remarks on stderr, away from the predictions."""
    console = open_console(stderr=True)
    for note in notes:
        _line(console, note)


class LossPrinter:
    """Prints the loss falling, in a handful of lines, above a bar that shows how far training is.

    The bar is shown on terminals only. It is a context manager; its `watch` is a callback of `Model.fit`.

    Parameters
    ----------
    console : Console
        Where to.
    epochs : int
        How many there will be.
    """

    def __init__(self, console: Console, epochs: int) -> None:
        self.console = console
        self.epochs = epochs
        self._first = True
        self._shown = {1, *(round(epochs * i / (LOSS_LINES - 1)) for i in range(1, LOSS_LINES))}
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=epochs)

    def __enter__(self) -> LossPrinter:
        self.console.print()
        _line(self.console, f"{'epoch':>7}  {'loss':>9}  {'held-out loss':>13}", style="bold")
        self._bar.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._bar.stop()

    def watch(self, progress: EpochProgress) -> None:
        """Show an epoch that has ended."""
        if self._first and progress.epoch > 1:
            _line(self.console, f"training goes on from the checkpoint, after epoch {progress.epoch - 1}")
        self._first = False
        self._bar.update(self._task, completed=progress.epoch)
        if progress.epoch in self._shown:
            losses = progress.logs
            _line(
                self.console,
                f"{progress.epoch:>7}  {losses['loss']:>9.4f}  {losses['validation_loss']:>13.4f}",
            )


def _line(console: Console, text: str, style: str = "") -> None:
    """Print a line that a terminal may wrap, and a file keeps whole."""
    console.print(Text(printable(text), style=style), soft_wrap=not console.is_terminal)


def _describe_column(column: Column, table: Table) -> str:
    """Return what a column holds and what became of its missing cells."""
    if isinstance(column, NumberColumn):
        filled = "the mean, and a feature that marks them"
        says = f"{column.low:g} to {column.high:g}"
    elif isinstance(column, CategoryColumn):
        filled = "the share of each value, and a feature that marks them"
        says = _some(column.values)
    else:
        return column.reason
    absent = sum(map(is_missing, table.column(column.name)))
    if not absent:
        return says
    return f"{says}; {absent:,} missing, replaced by {filled if column.missing else filled.split(',')[0]}"


def _describe_target(target: Target, lesson: Lesson) -> str:
    if not isinstance(target, ClassTarget):
        return f"{target.low:g} to {target.high:g}, mean {target.mean:.4g}"
    places = Counter([*target.encode(lesson.training), *target.encode(lesson.held_out)])
    counts = [f"{name} ({places[place]:,})" for place, name in enumerate(target.classes)]
    return f"{len(counts)} classes: {_some(counts)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more
