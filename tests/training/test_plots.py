"""A history drawn: every number that was measured is in the figure."""

import builtins
import io

import numpy as np
import pytest
from training_cases import classes, classification, regression, table

import chainrule as cr


def lines_of(axes):
    return {line.get_label(): line.get_ydata() for line in axes.lines if not line.get_label().startswith("_")}


def test_every_number_is_drawn():
    x, y = classes()
    history = classification().fit(x, y, epochs=5, validation_data=(x, y), callbacks=[cr.Recorder()])
    figure = history.plot()
    panels = {axes.get_title(): lines_of(axes) for axes in figure.axes if axes.get_visible()}
    assert list(panels) == [
        *["loss", "validation accuracy", "learning rate", "gradient norm by layer"],
        "change of the weights in a step, by layer",
    ]
    assert list(panels["loss"]) == ["loss", "validation loss"]
    np.testing.assert_array_equal(panels["loss"]["validation loss"], history["validation_loss"])
    np.testing.assert_array_equal(
        panels["validation accuracy"]["validation accuracy"], history["validation_accuracy"]
    )
    np.testing.assert_array_equal(
        panels["learning rate"]["learning rate"], history.recorded["learning_rate"][""]
    )
    for title, kind in (("gradient norm by layer", "gradient_norm"), (list(panels)[-1], "update_ratio")):
        assert list(panels[title]) == ["layers.0", "layers.1"]
        for layer, numbers in history.recorded[kind].items():
            np.testing.assert_array_equal(panels[title][layer], numbers)
    for axes in figure.axes[:5]:
        assert axes.get_xlabel() == "epoch"
    assert figure.axes[0].get_yscale() == "log"


@pytest.mark.parametrize("format", ["png", "svg", "pdf"])
def test_it_is_written_without_a_display(format):
    history = regression().fit(*table(), epochs=1, callbacks=[cr.Recorder()])
    file = io.BytesIO()
    history.plot().savefig(file, format=format)
    assert len(file.getvalue()) > 1000


def test_what_was_not_recorded_is_not_drawn():
    figure = regression().fit(*table(), epochs=30).plot()
    assert [axes.get_title() for axes in figure.axes] == ["loss"]


def test_one_layer_and_a_loss_below_zero():
    model = cr.Model(cr.Dense(1), loss=lambda p, t: -cr.exp(-((p[:, 0] - t[:, 0]) ** 2)))
    history = model.fit(*table(), epochs=2, callbacks=[cr.Recorder()])
    figure = history.plot()
    assert figure.axes[0].get_yscale() == "linear"
    assert list(lines_of(figure.axes[2])) == ["the network"]


def test_nothing_to_plot():
    with pytest.raises(ValueError, match="nothing to plot: the history has no epochs; fit the model first"):
        cr.History().plot()


def test_without_matplotlib(monkeypatch):
    original = builtins.__import__

    def refuse(name, *rest, **more):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *rest, **more)

    history = regression().fit(*table())
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"plotting needs matplotlib: pip install 'chainrule\[plot\]'"):
        history.plot()
