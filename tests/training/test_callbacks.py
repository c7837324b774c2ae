"""Callbacks: when they are called, what they see, and what happens when one of them fails."""

import copy

import numpy as np
import pytest
from training_cases import assert_same, classes, classification, regression, table

import chainrule as cr


class Diary(cr.Callback):
    """Writes down what is called."""

    def __init__(self, name="", diary=None, fail=None):
        self.name = name
        self.entries = [] if diary is None else diary
        self.fail = fail

    def write(self, what, progress):
        self.entries.append(f"{self.name}{what} {progress.epoch}/{progress.epochs}")
        if what == self.fail:
            raise RuntimeError(f"the callback failed at {what}")

    def on_start(self, progress):
        self.write("start", progress)

    def on_epoch(self, progress):
        self.write("epoch", progress)

    def on_end(self, progress):
        self.write("end", progress)


def test_order_of_the_calls():
    diary = []
    regression().fit(*table(), epochs=2, callbacks=[Diary("a ", diary), Diary("b ", diary)])
    assert diary == [
        *["a start 0/2", "b start 0/2"],
        *["a epoch 1/2", "b epoch 1/2", "a epoch 2/2", "b epoch 2/2"],
        *["a end 2/2", "b end 2/2"],
    ]


def test_function_sees_the_results_and_the_weights_of_the_moment():
    x, y = classes()
    seen = []

    def look(progress):
        seen.append(
            (progress.epoch, dict(progress.logs), progress.model.evaluate(x, y), progress.model.epochs)
        )

    model = classification()
    model.fit(x, y)
    history = model.fit(x, y, epochs=3, batch_size=5, validation_data=(x, y), callbacks=[look])
    assert [entry[0] for entry in seen] == [1, 2, 3]
    assert [entry[3] for entry in seen] == [2, 3, 4]
    for i, (_, logs, measured, _) in enumerate(seen):
        assert logs == {name: numbers[i] for name, numbers in history.items()}
        assert logs["validation_loss"] == pytest.approx(measured["loss"])


def test_looking_changes_nothing():
    x, y = classes()
    alone, watched = classification(), classification()
    alone.fit(x, y, epochs=3)
    watched.fit(x, y, epochs=3, callbacks=[Diary(), lambda p: p.model.predict(x)])
    assert_same(alone.weights, watched.weights)


def test_a_callback_that_overrides_nothing():
    assert regression().fit(*table(), epochs=2, callbacks=[cr.Callback()]).epochs == 2


def test_stop_ends_after_the_epoch():
    x, y = table()
    model, short, diary = regression(), regression(), Diary()
    stop_at_2 = lambda progress: progress.stop() if progress.epoch == 2 else None
    history = model.fit(x, y, epochs=9, callbacks=[stop_at_2, diary])
    assert history.epochs == model.epochs == 2
    assert diary.entries == ["start 0/9", "epoch 1/9", "epoch 2/9", "end 2/9"]
    short.fit(x, y, epochs=2)
    assert_same(model.weights, short.weights)


def test_the_next_fit_is_not_stopped():
    x, y = table()
    model = regression()
    model.fit(x, y, epochs=9, callbacks=[lambda progress: progress.stop()])
    assert model.fit(x, y, epochs=2).epochs == 2


@pytest.mark.parametrize(("fail", "epochs_kept"), [("start", 0), ("epoch", 1), ("end", 3)])
def test_exceptions_propagate_and_the_end_is_still_called(fail, epochs_kept):
    x, y = table()
    diary = []
    model, short = regression(), regression()
    model.build(features=x.shape[1])
    with pytest.raises(RuntimeError, match=f"the callback failed at {fail}"):
        model.fit(x, y, epochs=3, callbacks=[Diary("a ", diary), Diary("b ", diary, fail)])
    ended = [entry[:5] for entry in diary if " end " in entry]
    assert ended == ["a end", "b end"]
    assert model.epochs == epochs_kept
    short.build(features=x.shape[1])
    if epochs_kept:
        short.fit(x, y, epochs=epochs_kept)
    assert_same(model.weights, short.weights)


def test_a_failing_start_ends_only_what_was_started():
    diary = []
    with pytest.raises(RuntimeError):
        regression().fit(*table(), callbacks=[Diary("a ", diary, "start"), Diary("b ", diary)])
    assert diary == ["a start 0/1", "a end 0/1"]


def test_the_end_is_called_when_the_loss_is_not_finite():
    x, y = table()
    diary = Diary()
    model = regression(optimizer=cr.SGD(1e150))
    with pytest.raises(ValueError, match="the loss became"):
        model.fit(x, y, epochs=9, callbacks=[diary])
    assert diary.entries[0].startswith("start")
    assert diary.entries[-1].startswith("end")


@pytest.mark.parametrize("bad", [3, "stop", None])
def test_what_is_no_callback(bad):
    with pytest.raises(TypeError, match="a callback is a function of the progress"):
        regression().fit(*table(), callbacks=[bad])


@pytest.mark.parametrize("kind", [cr.Doctor, cr.EarlyStopping, cr.ReduceOnPlateau])
def test_a_class_is_no_callback_yet(kind):
    name = kind.__name__
    with pytest.raises(TypeError, match=rf"holds the class {name}; give one .* as {name}\(\) makes"):
        regression().fit(*table(), callbacks=[kind])


# Output ------------------------------------------------------------------------------------------


def test_fit_is_silent(capfd):
    regression().fit(*table(), epochs=3, validation_data=table())
    assert capfd.readouterr() == ("", "")


def test_verbose_shows_the_epochs_and_losses(capfd):
    history = regression().fit(*table(), epochs=3, validation_data=table(), verbose=True)
    shown = "".join(capfd.readouterr())
    assert "3/3" in shown
    assert "loss " + f"{history['loss'][-1]:.4g}" in shown
    assert "validation loss " + f"{history['validation_loss'][-1]:.4g}" in shown


def test_verbose_changes_no_number(capfd):
    silent, loud = regression(), regression()
    assert silent.fit(*table(), epochs=3) == loud.fit(*table(), epochs=3, verbose=True)
    assert_same(silent.weights, loud.weights)


def test_the_bar_ends_when_the_fit_fails(capfd):
    with pytest.raises(ValueError, match="the loss became"):
        regression(optimizer=cr.SGD(1e150)).fit(*table(), epochs=9, verbose=True)
    np.testing.assert_equal(regression().fit(*table(), verbose=True).epochs, 1)  # a second bar may start


# What would be lost ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("fit", lambda model, x, y: model.fit(x, y)),
        ("step", lambda model, x, y: model.step(x, y)),
        ("set_weights", lambda model, x, y: model.set_weights(model.weights)),
    ],
)
def test_a_callback_cannot_change_the_model_as_the_fit_would_overwrite_it(name, change):
    x, y = table()
    model = regression()
    with pytest.raises(
        RuntimeError, match=f"what {name} does would be lost, since a fit of this model goes on"
    ):
        model.fit(x, y, epochs=3, callbacks=[lambda progress: change(progress.model, x, y)])
    assert model.epochs == 1
    change(model, x, y)  # now that it has ended


def test_a_copy_of_a_model_that_is_fitted_is_free():
    x, y = table()
    copies = []
    regression().fit(x, y, epochs=2, callbacks=[lambda p: copies.append(copy.deepcopy(p.model))])
    copies[0].fit(x, y)
    assert copies[0].epochs == 2
