"""How a model was trained, as its file tells it: as lines of text, or drawn."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

from chainrule.gradient.report import aligned
from chainrule.loading import load
from chainrule.training.checkpoint import history_in
from chainrule.training.history import DamagedHistoryError, History

#: How many epochs are shown.
EPOCHS_SHOWN = 10
FORMATS = (".svg", ".png", ".pdf")


def load_history(path: Path) -> History:
    """Return the history that a file holds; a ValueError says that there is none.

    The file is a model's, the checkpoint of a run, also of one that goes on, or JSON.
    """
    try:
        history = _from_json(path) if path.suffix.lower() == ".json" else history_in(path)
        if history is None:
            history = _of_model(path)
    except DamagedHistoryError as problem:
        raise ValueError(f"{path} cannot be used: {problem}; train the model again") from None
    if not history.epochs:
        raise ValueError(f"{path} was trained for no epoch, so that there is nothing to tell")
    return history


def _from_json(path: Path) -> History:
    """Return what `History.to_json` gave, or a history that was written as the dict that it is."""
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise DamagedHistoryError from None
    is_plain = isinstance(item, dict) and "results" not in item
    return History.from_json({"results": item, "recorded": {}} if is_plain else item)


def _of_model(path: Path) -> History:
    kept = load(path).metadata
    if not isinstance(kept, dict) or "history" not in kept:
        raise ValueError(
            f"{path} holds no history of its training: chainrule train keeps one; from Python, set "
            'model.metadata["history"] = history.to_json() before model.save'
        )
    return History.from_json(kept["history"])


def history_lines(history: History) -> list[str]:
    """Return a history as text: results by epoch, and what was recorded by layer."""
    count = history.epochs
    shown = sorted({round(i * (count - 1) / (EPOCHS_SHOWN - 1)) for i in range(EPOCHS_SHOWN)})
    columns = dict(history)
    if "learning_rate" in history.recorded:
        columns["learning_rate"] = history.recorded["learning_rate"][""]
    columns = {name: numbers for name, numbers in columns.items() if len(numbers) == count}
    titles = ["epoch", *(name.replace("_", " ") for name in columns)]
    rows = [[str(i + 1), *(f"{numbers[i]:.4g}" for numbers in columns.values())] for i in shown]
    return [*_columns([titles, *rows]), *_by_layer(history)]


def _by_layer(history: History) -> Iterator[str]:
    """Yield the table of layers: what was recorded in the first, the middle and the last epoch."""
    for kind, title in (
        ("gradient_norm", "gradient norm"),
        ("update_ratio", "change of the weights in a step"),
    ):
        layers = history.recorded.get(kind, {})
        if layers:
            rows = [[title, "first epoch", "middle", "last"]]
            for layer, numbers in layers.items():
                chosen = (numbers[0], numbers[len(numbers) // 2], numbers[-1])
                rows.append([f"  {layer or 'the network'}", *(f"{number:.3g}" for number in chosen)])
            yield ""
            yield from _columns(rows)


def _columns(rows: list[list[str]]) -> list[str]:
    return aligned([(*row, "") for row in rows])


def drawn(history: History, path: Path) -> bytes:
    """Return the figure of a history as the bytes of a file of this name."""
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path} is no figure: end its name in {', '.join(FORMATS)}")
    file = io.BytesIO()
    history.plot().savefig(file, format=path.suffix[1:].lower(), dpi=150)
    return file.getvalue()
