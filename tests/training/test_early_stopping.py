"""Early stopping: when it ends a fit, and which weights are left."""

import itertools

import numpy as np
import pytest
from training_cases import arrays_of, assert_differ, assert_same, classes, classification, network, table

import chainrule as cr


def overfitting(**options):
    """Return a model, and data on which its validation loss falls and then rises."""
    generator = np.random.default_rng(3)
    x, xv = generator.normal(size=(12, 4)), generator.normal(size=(200, 4))
    signal = np.array([1.0, 0, 0, 0])
    y, yv = x @ signal + generator.normal(size=12), xv @ signal + generator.normal(size=200)
    net = network(units=20)
    model = cr.Model(net, loss="mean_squared_error", optimizer=cr.Adam(0.01), dtype="float64", **options)
    return model, (x, y), (xv, yv)


def remembered(stopping, epochs=60, **options):
    """Fit, and return the model, its history and its weights after each epoch without early stopping."""
    model, train, validation = overfitting(**options)
    alone, path = overfitting(**options)[0], []
    losses = alone.fit(
        *train,
        epochs=epochs,
        batch_size=4,
        validation_data=validation,
        callbacks=[lambda p: path.append(arrays_of(p.model))],
    )
    history = model.fit(*train, epochs=epochs, batch_size=4, validation_data=validation, callbacks=[stopping])
    count = history.epochs
    assert history["validation_loss"] == losses["validation_loss"][:count]
    return model, history, path


@pytest.mark.parametrize("patience", [1, 3, 7])
def test_stops_after_patience_and_restores_the_best(patience):
    model, history, path = remembered(cr.EarlyStopping(patience=patience))
    losses = history["validation_loss"]
    best = int(np.argmin(losses))
    assert 0 < best < 50
    assert len(losses) == best + 1 + patience == model.epochs
    assert_same(arrays_of(model), path[best])


def test_without_restoring_the_last_weights_stay():
    model, history, path = remembered(cr.EarlyStopping(patience=3, restore_best=False))
    assert history.epochs < 60
    assert_same(arrays_of(model), path[history.epochs - 1])


def test_restores_also_where_it_did_not_stop():
    model, history, path = remembered(cr.EarlyStopping(patience=1000))
    assert history.epochs == 60
    best = int(np.argmin(history["validation_loss"]))
    assert best < 59
    assert_same(arrays_of(model), path[best])


def test_restores_also_where_a_callback_stopped():
    model, train, validation = overfitting()
    stop = lambda progress: progress.stop() if progress.epoch == 50 else None
    callbacks = [cr.EarlyStopping(patience=1000), stop]
    history = model.fit(*train, epochs=60, batch_size=4, validation_data=validation, callbacks=callbacks)
    assert history.epochs == 50
    best = min(history["validation_loss"])
    assert best < history["validation_loss"][-1]
    assert model.evaluate(*validation)["loss"] == pytest.approx(best, rel=1e-12)


def test_the_average_is_restored_with_the_weights():
    model, train, validation = overfitting()
    averaging = cr.Model(
        model.network,
        loss="mean_squared_error",
        optimizer=cr.Adam(0.01, average=0.5),
        dtype="float64",
    )
    history = averaging.fit(
        *train, epochs=60, batch_size=4, validation_data=validation, callbacks=[cr.EarlyStopping(patience=5)]
    )
    best = min(history["validation_loss"])
    assert averaging.evaluate(*validation)["loss"] == pytest.approx(best, rel=1e-12)


def test_running_statistics_are_restored_too():
    x, y = classes()
    net = network(cr.BatchNorm(), outputs=4)
    model = classification(net, optimizer=cr.Adam(0.1))
    validation = classes(50, seed=98)
    history = model.fit(
        x, y, epochs=40, batch_size=6, validation_data=validation, callbacks=[cr.EarlyStopping(patience=4)]
    )
    best = min(history["validation_loss"])
    assert best < history["validation_loss"][-1]
    assert model.evaluate(*validation)["loss"] == pytest.approx(best, rel=1e-12)


def test_min_delta_is_what_an_improvement_needs():
    _, history, path = remembered(cr.EarlyStopping(patience=1, min_delta=0.0))
    model, short, _ = remembered(cr.EarlyStopping(patience=1, min_delta=0.05))
    losses = history["validation_loss"]
    gains = [best - new for best, new in itertools.pairwise(losses)]
    first_small = next(i for i, gain in enumerate(gains) if gain <= 0.05)
    assert short.epochs == first_small + 2 < history.epochs
    assert_same(arrays_of(model), path[first_small])


def test_small_gains_add_up():
    """The best so far stays the measure, so slow progress is progress."""
    model, history, _ = remembered(cr.EarlyStopping(patience=6, min_delta=0.05))
    losses, best, waited = history["validation_loss"], np.inf, 0
    for epoch, loss in enumerate(losses):
        best, waited = (loss, 0) if loss < best - 0.05 else (best, waited + 1)
        assert (waited == 6) == (epoch == len(losses) - 1)
    assert model.epochs == len(losses)


def test_max_mode_watches_a_score():
    x, y = classes()
    validation = classes(50, seed=98)
    model = classification(optimizer=cr.Adam(0.05))
    stopping = cr.EarlyStopping(patience=5, monitor="validation_accuracy", mode="max")
    history = model.fit(x, y, epochs=60, validation_data=validation, callbacks=[stopping])
    scores = history["validation_accuracy"]
    assert scores[0] < max(scores)
    assert len(scores) == int(np.argmax(scores)) + 1 + 5
    assert model.evaluate(*validation)["accuracy"] == pytest.approx(max(scores))


def test_the_training_loss_can_be_watched():
    x, y = table()
    model = cr.Model(
        network(), loss="mean_squared_error", optimizer=cr.SGD(0.9, momentum=0.9), dtype="float64"
    )
    history = model.fit(x, y, epochs=80, callbacks=[cr.EarlyStopping(patience=4, monitor="loss")])
    assert history.epochs == int(np.argmin(history["loss"])) + 5 < 80


def test_counts_anew_in_each_fit():
    model, train, validation = overfitting()
    for _ in range(2):
        options = {"validation_data": validation, "callbacks": [cr.EarlyStopping(patience=4)]}
        history = model.fit(*train, epochs=60, batch_size=4, **options)
        assert history.epochs == int(np.argmin(history["validation_loss"])) + 5


def test_training_goes_on_after_it():
    model, _, path = remembered(cr.EarlyStopping(patience=2))
    _, train, _ = overfitting()
    stopped = arrays_of(model)
    model.fit(*train, epochs=1)
    assert_differ(arrays_of(model), stopped)
    assert list(arrays_of(model)) == list(path[0])


# What it refuses ---------------------------------------------------------------------------------


def test_other_numbers_need_no_other_graph():
    def formula(**numbers):
        return str(cr.EarlyStopping(**numbers, restore_best=False).stage({}).graph)

    assert formula(patience=3) == formula(patience=5, min_delta=0.1) != formula(mode="max")


def test_unknown_result_gets_the_nearest():
    model, train, validation = overfitting()
    with pytest.raises(ValueError, match="no result 'validation_los'; did you mean 'validation_loss'"):
        model.fit(*train, validation_data=validation, callbacks=[cr.EarlyStopping(monitor="validation_los")])
    with pytest.raises(ValueError, match=r"no result 'validation_loss'.*validation_data= gives more"):
        model.fit(*train, callbacks=[cr.EarlyStopping()])


def test_one_is_enough():
    model, train, validation = overfitting()
    with pytest.raises(ValueError, match="takes one EarlyStopping"):
        model.fit(*train, validation_data=validation, callbacks=[cr.EarlyStopping(), cr.EarlyStopping()])


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"patience": 0}, ValueError, "patience is a whole number of at least 1, not 0"),
        ({"patience": 1.5}, TypeError, "patience is a whole number of at least 1, not 1.5"),
        ({"patience": "3"}, TypeError, "patience is a whole number of at least 1, not '3'"),
        ({"min_delta": -1}, ValueError, "min_delta is a finite number of at least 0, not -1"),
        ({"min_delta": np.nan}, ValueError, "min_delta is a finite number of at least 0, not nan"),
        ({"mode": "best"}, ValueError, "mode is 'min' or 'max', not 'best'"),
    ],
    ids=str,
)
def test_options_out_of_range(options, error, sentence):
    with pytest.raises(error, match=f"^EarlyStopping: {sentence}$"):
        cr.EarlyStopping(**options)


def test_unknown_option():
    with pytest.raises(
        ValueError, match="EarlyStopping: there is no option 'patients'; did you mean 'patience'"
    ):
        cr.EarlyStopping(patients=3)
