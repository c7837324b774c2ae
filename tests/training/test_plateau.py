"""The learning rate on a plateau: what it becomes, and that it is what training uses."""

import numpy as np
import pytest
from test_early_stopping import overfitting
from training_cases import assert_same, regression, table

import chainrule as cr
from every_write import keep_every_write

X, Y = table()


@pytest.fixture(params=["compiled", "numpy"])
def executor(request):
    return request.param


def expected_rates(losses, start, factor, patience, min_delta=0.0, least=0.0):
    """Return the rate of each epoch, by a loop that is written down for itself."""
    rates, rate, best, waited = [], start, np.inf, 0
    for loss in losses:
        rates.append(rate)
        if loss < best - min_delta:
            best, waited = loss, 0
        else:
            waited += 1
        if waited >= patience:
            rate, waited = max(rate * factor, min(rate, least)), 0
    return rates


def fitted(plateau, executor, **options):
    model, train, validation = overfitting(executor=executor)
    options = {"epochs": 40, "batch_size": 4, "validation_data": validation, **options}
    return model, model.fit(*train, callbacks=[plateau, *options.pop("more", [])], **options)


@pytest.mark.parametrize(
    "options",
    [
        {"factor": 0.5, "patience": 1},
        {"factor": 0.1, "patience": 3},
        {"factor": 0.5, "patience": 2, "min_delta": 0.05},
        {"factor": 0.5, "patience": 1, "least": 0.003},
        {"factor": 0.5, "patience": 1, "least": 1.0},
    ],
)
def test_the_rate_falls_where_the_loss_does_not(options, executor):
    _, history = fitted(cr.ReduceOnPlateau(**options), executor)
    expected = expected_rates(history["validation_loss"], 0.01, **options)
    assert history["learning_rate"] == expected
    assert len(set(expected)) > 1 or options.get("least") == 1.0


def test_training_uses_the_rate(executor):
    """Each epoch by hand, with a model of its rate that takes over weights and the optimizer's state."""
    rates = [0.1, 0.05, 0.025]
    plateau = cr.ReduceOnPlateau(factor=0.5, patience=1, min_delta=1e9, monitor="loss")
    model = regression(optimizer=cr.SGD(0.1), executor=executor)
    history = model.fit(X, Y, epochs=4, batch_size=6, callbacks=[plateau])
    assert history["learning_rate"] == [0.1, *rates]  # the first epoch is better than none
    weights, losses = None, []
    for epoch, rate in enumerate([0.1, *rates]):
        by_hand = regression(optimizer=cr.SGD(rate), executor=executor)
        by_hand.build(features=3)
        by_hand.set_weights(weights or {})
        by_hand._trainer.loop_state = type(by_hand._trainer.loop_state)(
            by_hand._trainer.loop_state.carried, epoch * 4, epoch
        )
        losses += by_hand.fit(X, Y, batch_size=6)["loss"]
        weights = by_hand.weights
    assert_same(model.weights, weights)
    assert history["loss"] == losses


def test_a_larger_number_is_better_in_mode_max(executor):
    _, down = fitted(cr.ReduceOnPlateau(patience=2, mode="max"), executor)
    losses = [-loss for loss in down["validation_loss"]]
    assert down["learning_rate"] == expected_rates(losses, 0.01, 0.1, 2)


def test_with_early_stopping(executor):
    stopping = cr.EarlyStopping(patience=6)
    plateau = cr.ReduceOnPlateau(factor=0.5, patience=2)
    model, history = fitted(plateau, executor, more=[stopping], epochs=200)
    losses = history["validation_loss"]
    assert len(losses) == int(np.argmin(losses)) + 1 + 6 < 200
    assert history["learning_rate"] == expected_rates(losses, 0.01, 0.5, 2)
    _, _, validation = overfitting()
    assert model.evaluate(*validation)["loss"] == pytest.approx(min(losses), rel=1e-12)


def test_the_next_fit_begins_with_the_optimizers_rate(executor):
    plateau = cr.ReduceOnPlateau(patience=1, min_delta=1e9, monitor="loss")
    model = regression(executor=executor)
    for _ in range(2):
        assert model.fit(X, Y, epochs=3, callbacks=[plateau])["learning_rate"][:2] == [0.1, 0.1]
    assert "learning_rate" not in model.fit(X, Y)


def test_it_goes_on_from_a_checkpoint(executor, tmp_path, monkeypatch):
    plateau = cr.ReduceOnPlateau(factor=0.5, patience=1, min_delta=0.1, monitor="loss")

    def fit(path=None):
        model = regression(executor=executor)
        history = model.fit(X, Y, epochs=5, batch_size=6, callbacks=[plateau], checkpoint=path)
        return model, history

    alone, expected = fit()
    assert len(set(expected["learning_rate"])) > 2
    with monkeypatch.context() as patch:
        copies = keep_every_write(patch, tmp_path)
        fit(tmp_path / "run.ckpt")
    for copy in copies[::4]:
        model, history = fit(copy)
        assert history == expected
        assert_same(model.weights, alone.weights)


@pytest.mark.parametrize("rate", [cr.CosineDecay(0.1, steps=10), 0.0])
def test_a_schedule_is_not_lowered(rate):
    model = regression(optimizer=cr.SGD(rate))
    with pytest.raises(ValueError, match=r"^ReduceOnPlateau lowers a learning rate that is a number above 0"):
        model.fit(X, Y, callbacks=[cr.ReduceOnPlateau(monitor="loss")])
    assert model.epochs == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"factor": 0.0}, "factor is a number above 0 and below 1"),
        ({"factor": 1.0}, "factor is a number above 0 and below 1"),
        ({"factor": float("nan")}, "factor is a number above 0 and below 1"),
        ({"least": -1.0}, "least is a finite number of at least 0"),
        ({"patience": 0}, "patience is a whole number of at least 1"),
        ({"min_delta": -0.1}, "min_delta is a finite number of at least 0"),
        ({"mode": "low"}, "mode is 'min' or 'max'"),
        ({"patient": 3}, "there is no option 'patient'; did you mean 'patience'"),
    ],
)
def test_options_out_of_range(options, sentence):
    with pytest.raises(ValueError, match=f"^ReduceOnPlateau: .*{sentence}"):
        cr.ReduceOnPlateau(**options)


def test_other_numbers_need_no_other_graph():
    def formula(**numbers):
        return str(cr.ReduceOnPlateau(**numbers).stage().graph)

    assert formula() == formula(factor=0.5, patience=2, min_delta=0.1, least=0.01) != formula(mode="max")


def test_what_is_not_measured():
    with pytest.raises(ValueError, match=r"^ReduceOnPlateau: there is no result 'validation_loss'"):
        regression().fit(X, Y, callbacks=[cr.ReduceOnPlateau()])
    with pytest.raises(ValueError, match=r"^a fit takes one ReduceOnPlateau$"):
        regression().fit(X, Y, callbacks=[cr.ReduceOnPlateau(monitor="loss")] * 2)
