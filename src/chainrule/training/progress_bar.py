"""A bar that moves with the epochs, in a terminal or in a notebook."""

from __future__ import annotations

import io
import time
from typing import Any

from chainrule.training.callbacks import Callback, Progress

#: Seconds between two pictures of the bar in a notebook, and how wide it is there.
_EVERY, _WIDTH = 0.1, 100
_HTML = '<pre style="white-space:pre;overflow-x:auto;line-height:normal">{code}</pre>'


class ProgressBar(Callback):
    """A bar with the epochs and the losses, in a terminal or a notebook: what ``fit(verbose=True)`` shows.

    Examples
    --------
    >>> import chainrule as cr
    >>> bar = cr.ProgressBar()
    """

    _running = ("_bar", "_task", "_output")

    def on_start(self, progress: Progress) -> None:
        """Show the bar."""
        from rich.console import Console  # rich is loaded for who wants a bar
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        notebook = Console().is_jupyter
        self._bar = RichProgress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            disable=notebook,  # there it would need ipywidgets, and without them show nothing
        )
        self._task = self._bar.add_task("", total=progress.epochs, completed=progress.epoch)
        self._bar.start()
        self._output = _NotebookOutput(self._bar) if notebook else None

    def on_epoch(self, progress: Progress) -> None:
        """Move the bar."""
        text = "  ".join(f"{name.replace('_', ' ')} {number:.4g}" for name, number in progress.logs.items())
        self._bar.update(self._task, completed=progress.epoch, description=text)
        if self._output is not None:
            self._output.show()

    def on_end(self, progress: Progress) -> None:
        """Leave the bar as it is."""
        self._bar.stop()
        if self._output is not None:
            self._output.show(last=True)


class _NotebookOutput:
    """The output of a notebook's cell that shows a bar of rich, and is replaced as that moves."""

    def __init__(self, bar: Any) -> None:
        from IPython.display import display

        self._bar = bar
        self._shown = time.monotonic()
        self._handle = display(self._picture(), raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def show(self, last: bool = False) -> None:
        """Show the bar as it is now, unless that was done a moment ago."""
        if last or time.monotonic() - self._shown >= _EVERY:
            self._handle.update(self._picture(), raw=True)
            self._shown = time.monotonic()

    def _picture(self) -> dict[str, str]:
        from rich.console import Console  # late, as above

        console = Console(
            record=True, file=io.StringIO(), width=_WIDTH, force_terminal=True, force_jupyter=False
        )
        console.print(self._bar.get_renderable())
        html = console.export_html(inline_styles=True, code_format=_HTML, clear=False)
        return {"text/html": html, "text/plain": console.export_text().rstrip()}
