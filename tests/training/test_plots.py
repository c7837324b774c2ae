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
    assert figure.axes[0].get_yscale() == "linear"


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


def drawn(loss, **recorded):
    history = cr.History({"loss": loss})
    history.recorded = recorded
    return history.plot()


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_a_scale_is_logarithmic_where_numbers_differ_much():
    for loss, scale in (([1.0, 0.5], "linear"), ([1.0, 0.01], "log"), ([1.0, -0.01], "linear")):
        assert drawn(loss).axes[0].get_yscale() == scale
    ticks = {label.get_text() for label in drawn([2.0, 0.1]).axes[0].get_yticklabels()}
    assert {"0.2", "0.5", "1"} <= ticks
    constant = drawn([1.0, 0.5], learning_rate={"": [1e-3, 1e-3]}).axes[1]
    assert constant.get_ylim() == (0, 1.25e-3)


def test_numbers_that_are_not_finite_are_crosses():
    figure = drawn([1.0, np.inf, 0.5, np.nan])
    line, crosses = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), [1.0, np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(crosses.get_xdata(), [2, 4])
    assert texts(figure.axes[0].get_legend()) == ["loss", "not finite"]
    drawn([np.nan]).savefig(io.BytesIO(), format="svg")


def test_many_layers_have_a_legend_beside_them_that_names_some():
    layers = {f"layers.{i}": [1.0, 0.5 + i] for i in range(40)}
    axes = drawn([1.0, 0.5], update_ratio=layers).axes[1]
    assert len(lines_of(axes)) == 40
    named = texts(axes.get_legend())
    assert (named[0], named[-2:], len(named)) == ("layers.0", ["layers.39", "usual: 0.001"], 11)
    axes.figure.canvas.draw()
    assert axes.get_legend().get_window_extent().x0 > axes.get_window_extent().x1
    colours = [line.get_color() for line in axes.lines[1:]]
    assert len(set(colours)) == 40


def test_what_a_user_has_set_for_other_figures_is_left_alone():
    import matplotlib as mpl

    with mpl.rc_context({"axes.facecolor": "black", "text.color": "white"}):
        axes = drawn([1.0, 0.5]).axes[0]
        assert mpl.rcParams["axes.facecolor"] == "black"
    assert axes.get_facecolor() == (1, 1, 1, 1)
    assert axes.title.get_color() == "black"


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
