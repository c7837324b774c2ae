"""The commands: `chainrule train`, `predict`, `explain`, `check`, `report`."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from chainrule import __version__
from chainrule.app import learn, options, report
from chainrule.app.cells import printable, quoted
from chainrule.app.description import Description
from chainrule.app.explain import explain_row, form_of
from chainrule.app.history import drawn, history_lines, load_history
from chainrule.app.output import check_checkpoint, check_output, check_unnamed, failed_to_write
from chainrule.app.predict import load_trained, predict_table, to_csv
from chainrule.app.scores import guess, score
from chainrule.app.table import Table, read_table
from chainrule.app.target import ClassTarget, labelled
from chainrule.files import write_atomically
from chainrule.graph.words import counted
from chainrule.model import Model

#: Exit statuses: for a check that found something, for bad input, and for Ctrl-C as a shell reports it.
WRONG, BAD_INPUT, INTERRUPTED = 1, 2, 130

#: Everything that typer refuses: options and arguments.
UsageError: Any = typer.BadParameter.__mro__[1]


class Commands(TyperGroup):
    """The commands; what is wrong with their input is told in one line on stderr."""

    def main(self, *args: Any, **settings: Any) -> Any:
        """Run a command and exit with its status."""
        given = settings.get("args")
        settings["args"] = list(sys.argv[1:] if given is None else given) or ["--help"]
        settings["standalone_mode"] = False
        try:
            status = super().main(*args, **settings)
        except UsageError as problem:
            status = _refuse(_usage_sentence(problem))
        except (ValueError, OSError, ImportError) as problem:
            status = _refuse(_sentence(problem))
        except MemoryError as problem:
            status = _refuse(
                f"there is not enough memory ({problem or 'no more could be had'}); "
                "choose fewer or narrower hidden layers, a smaller batch, or a smaller table"
            )
        except (KeyboardInterrupt, typer.Abort):
            status = INTERRUPTED
        sys.exit(status)


app = typer.Typer(cls=Commands, pretty_exceptions_enable=False, add_completion=False)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a letter that the terminal lacks is no failure
    app()


def _refuse(sentence: str) -> int:
    """Print an error as one line and return the exit status."""
    print(f"error: {printable(sentence)}", file=sys.stderr)
    return BAD_INPUT


def _sentence(problem: Exception) -> str:
    """Return what an error says: of the system's own, the file and the reason, without their number."""
    if isinstance(problem, OSError) and problem.strerror:
        return ": ".join(str(part) for part in (problem.filename, problem.strerror) if part is not None)
    return str(problem)


def _usage_sentence(problem: Any) -> str:
    """Return what typer says about an option or argument, in the style of our own errors."""
    sentence = problem.format_message().rstrip(".")
    command = f" (see {problem.ctx.command_path} --help)" if problem.ctx else ""
    return f"{sentence[:1].lower()}{sentence[1:]}{command}"


def _version(asked: bool) -> None:
    if asked:
        print(f"chainrule {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Train a neural network on a table by backpropagation, and predict with it."""


@app.command()
def train(
    table: options.TableArgument,
    *,
    target: options.Target,
    output: options.ModelOutput = None,
    epochs: options.Epochs = None,
    hidden: options.Hidden = "64,64",
    learning_rate: options.LearningRate = 0.001,
    batch_size: options.BatchSize = 32,
    patience: options.Patience = None,
    held_out: options.HeldOut = 0.2,
    seed: options.Seed = 0,
    checkpoint: options.Checkpoint = None,
    delimiter: options.Delimiter = None,
    ignore: options.Ignore = None,
) -> None:
    """Train a network that predicts one column of a table from the others, and save it."""
    settings = learn.Settings(
        epochs, options.widths(hidden), learning_rate, batch_size, held_out, seed, patience
    )
    data = read_table(table, delimiter)
    unnamed = output is None
    output = output or Path(f"{table.stem}.safetensors")
    check_output(output, table)
    if checkpoint is not None:
        check_checkpoint(checkpoint, output, table)
    lesson = learn.prepare(data, target, ignore or [], settings)
    if unnamed:  # once it is known that the table has such a column
        check_unnamed(output, target)
    if not _train(data, lesson, settings, output, checkpoint):
        raise typer.Exit(INTERRUPTED)


def _train(
    data: Table, lesson: learn.Lesson, settings: learn.Settings, output: Path, checkpoint: Path | None
) -> bool:
    """Train and save, and print how it goes; return whether training went to its end."""
    description = lesson.description
    model = learn.build(description, settings)
    console = report.open_console()
    report.print_table(console, data, lesson)
    report.print_plan(console, model, lesson, settings)
    with report.LossPrinter(console, settings.epochs_for(len(lesson.training.rows))) as losses:
        finished = learn.fit(model, lesson, settings, losses.watch, checkpoint)
    if not finished:
        report.print_interrupted(console, model.epochs, losses.epochs, checkpoint)
    elif settings.patience is not None:
        report.print_best(console, model.metadata["history"]["results"]["validation_loss"], losses.epochs)

    reached = score(predict_table(model, description, lesson.held_out), description.target, lesson.held_out)
    guessed = guess(description.target, lesson.training, lesson.held_out)
    report.print_score(console, len(lesson.held_out.rows), reached, guessed, settings.patience is not None)
    is_new = not output.exists()
    with failed_to_write(output):
        model.save(output)
    report.print_saved(console, output, is_new)
    return finished


@app.command()
def predict(
    model: options.ModelArgument,
    table: options.TableArgument,
    output: options.PredictionsOutput = None,
    delimiter: options.Delimiter = None,
) -> None:
    """Predict the target of each row of a table, as CSV."""
    trained, description = load_trained(model)
    data = read_table(table, delimiter)
    if output is not None:
        check_output(output, model, table)
    description.require_columns(data)
    predictions = predict_table(trained, description, data)
    notes = [*description.remarks(data), *_truth(trained, description, data)]
    text = to_csv(predictions, description)
    if output is None:
        sys.stdout.write(text)
    else:
        with failed_to_write(output):
            write_atomically(output, text.encode())
        notes.append(f"wrote {counted(len(data.rows), 'prediction', ',')} to {output}")
    report.print_notes(notes)


@app.command()
def check(
    model: options.ModelArgument,
    table: options.TableArgument,
    *,
    rows: options.CheckedRows = 64,
    samples: options.Samples = 20,
    delimiter: options.Delimiter = None,
) -> None:
    """Check the gradients of a model on a table: against differences, and compiled against evaluated.

    The exit status is 1 if one of them is wrong.
    """
    trained, description = load_trained(model)
    data = read_table(table, delimiter)
    known = _known(description, data)
    count = min(rows, len(known.rows))
    chosen = known.take([len(known.rows) * i // count for i in range(count)])
    found = trained.check_gradients(
        description.encode(chosen), learn.learnable(description, chosen), samples=samples
    )
    report.print_lines(str(found).splitlines())
    notes, left = description.remarks(data), len(data.rows) - len(known.rows)
    if left:
        notes.append(
            f"left out {left:,} of {counted(len(data.rows), 'row', ',')}: the model does not know their "
            f"{description.target.name!r}"
        )
    report.print_notes(notes)
    if not found:
        raise typer.Exit(WRONG)


@app.command("report")
def report_command(model: options.HistoryArgument, output: options.FigureOutput = None) -> None:
    """Tell how a model was trained: losses, learning rate, gradient norms and update ratios by layer."""
    history = load_history(model)
    if output is None:
        report.print_lines(history_lines(history))
        return
    check_output(output, model)
    with failed_to_write(output):
        write_atomically(output, drawn(history, output))
    report.print_notes([f"wrote {output}"])


def _known(description: Description, table: Table) -> Table:
    """Return the rows of a table whose target is known; a ValueError says that there are none."""
    description.require_columns(table)
    target = description.target
    known = labelled(table.require(target.name), table)
    places = [
        i for i, number in enumerate(target.encode(known)) if number >= 0 or target.task != "classification"
    ]
    if not places:
        raise ValueError(f"{table.path} has no row with a {target.name!r} that the model knows; give it some")
    return known.take(places)


@app.command()
def explain(
    model: options.ModelArgument,
    table: options.TableArgument,
    *,
    row: options.Row = 1,
    output: options.StoryOutput = None,
    why: options.Why = None,
    steps: options.Steps = 1,
    delimiter: options.Delimiter = None,
) -> None:
    """Tell the story of one training step on a row of a table, with formulas and numbers."""
    trained, description = load_trained(model)
    data = read_table(table, delimiter)
    if output is not None:
        form = form_of(output)
        check_output(output, model, table)
    description.require_columns(data)
    explanation = explain_row(trained, description, data, row, steps)
    if why is not None:
        print(explanation.why(why))
    elif output is None:
        report.open_console().print(explanation, soft_wrap=True)
    notes = description.remarks(data.take([row - 1]))
    if output is not None:
        with failed_to_write(output):
            write_atomically(output, form(explanation).encode())
        notes += [*explanation.verdict.sentences(), f"wrote the story to {output}"]
    report.print_notes(notes)


def _truth(model: Model, description: Description, table: Table) -> list[str]:
    """Return how good the predictions are, where the table has the target."""
    target = description.target
    known = labelled(target.name, table) if target.name in table.names else None
    if not known or not known.rows:
        return []
    reached = score(predict_table(model, description, known), target, known)
    notes = [f"{target.name} is known in {counted(len(known.rows), 'row', ',')}: {reached}"]
    if isinstance(target, ClassTarget) and (unseen := target.unseen(known)):
        notes.append(f"{target.name}: training never saw the classes {quoted(unseen)}")
    return notes
