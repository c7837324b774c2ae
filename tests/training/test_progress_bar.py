"""The bar is seen in a terminal and in a notebook, whose kernel is a real one."""

from __future__ import annotations

import re
import sys
import types

import nbclient
import nbformat
import numpy as np
import pytest

import chainrule as cr

X = np.random.default_rng(0).normal(size=(20, 3))


def fit(epochs=7, **options):
    return cr.Model(cr.Dense(1), loss="mean_squared_error").fit(X, X[:, 0], epochs=epochs, **options)


def test_in_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # which rich takes for a terminal
    fit(verbose=True)
    shown = capsys.readouterr().out
    assert "7/7" in shown
    assert re.search(r"loss \d", shown)


def test_in_a_notebook_pictures_are_replaced(monkeypatch):
    pictures = []

    def display(picture, raw, display_id):
        pictures.append(picture)
        return types.SimpleNamespace(update=lambda new, raw: pictures.append(new))

    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("chainrule.training.progress_bar._EVERY", 0.0)
    fit(callbacks=[cr.ProgressBar()])
    assert len(pictures) == 1 + 7 + 1
    texts = [picture["text/plain"] for picture in pictures]
    assert [re.search(r"(\d)/7", text)[1] for text in texts] == [*"01234567", "7"]
    assert all("7</span>" in picture["text/html"] or "/7" in picture["text/html"] for picture in pictures)
    assert all("\n" not in text for text in texts)
    pictures.clear()
    monkeypatch.setattr("chainrule.training.progress_bar._EVERY", 60.0)
    fit(epochs=500, callbacks=[cr.ProgressBar()])
    assert ["/500" in picture["text/plain"] for picture in pictures] == [True, True]


@pytest.mark.filterwarnings("ignore")  # those of the notebook's own machinery
def test_in_a_real_notebook():
    code = """
import numpy as np
import chainrule as cr
x = np.ones((9, 2))
model = cr.Model(cr.Dense(1), loss="mean_squared_error", executor="numpy")
history = model.fit(x, x[:, 0], epochs=5, verbose=True)
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    assert re.search(r"epoch 5/5 .* loss \d", output.data["text/plain"])
    assert "5/5" in re.sub("<.*?>", "", output.data["text/html"])
