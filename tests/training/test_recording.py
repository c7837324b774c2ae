"""What is recorded of a fit: the numbers, and that nothing else changes."""

import numpy as np
import pytest
from training_cases import assert_same, classes, classification, network, regression, table

import chainrule as cr
from chainrule.compiler import epochs
from chainrule.files import read_arrays
from every_write import keep_every_write


@pytest.mark.parametrize("executor", ["numpy", "compiled"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_numbers_are_those_of_the_steps(executor, dtype):
    x, y = table()
    optimizer = cr.SGD(lambda t: 0.1 * 0.9**t, momentum=0.9)
    model, by_hand = (regression(optimizer=optimizer, executor=executor, dtype=dtype) for _ in range(2))
    history = model.fit(x, y, epochs=3, batch_size=8, shuffle=False, callbacks=[cr.Recorder()])
    layers = ["layers.0", "layers.1"]
    assert list(history.recorded) == ["learning_rate", "gradient_norm", "update_ratio"]
    rates, step = history.recorded["learning_rate"][""], 0
    for epoch in range(3):
        norms, ratios, steps = {layer: [] for layer in layers}, {layer: [] for layer in layers}, []
        for start in range(0, len(x), 8):
            batch = x[start : start + 8], y[start : start + 8]
            by_hand.build(features=x.shape[1])
            _, gradients = by_hand.gradients(*batch)
            old = by_hand.weights
            by_hand.step(*batch)
            steps.append(0.1 * 0.9**step)
            step += 1
            for layer in layers:
                both = [f"{layer}.weight", f"{layer}.bias"]
                norm = lambda arrays: np.sqrt(sum(np.sum(np.square(a, dtype=float)) for a in arrays))
                norms[layer].append(norm([gradients[name] for name in both]))
                change = norm([by_hand.weights[name] - old[name] for name in both])
                ratios[layer].append(change / norm([old[name] for name in both]))
        close = lambda number: pytest.approx(np.mean(number), rel=1e-9 if dtype == "float64" else 1e-4)
        assert rates[epoch] == pytest.approx(steps[-1], rel=1e-9)
        for layer in layers:
            assert history.recorded["gradient_norm"][layer][epoch] == close(norms[layer])
            assert history.recorded["update_ratio"][layer][epoch] == close(ratios[layer])


@pytest.mark.parametrize("executor", ["numpy", "compiled"])
def test_recording_changes_nothing_else(executor):
    x, y = classes()
    stopping = cr.EarlyStopping(patience=2, monitor="validation_loss")
    options = {
        "epochs": 6,
        "batch_size": 8,
        "validation_data": (x, y),
        "sample_weight": np.arange(len(x)) % 3,
    }
    net = network(cr.BatchNorm(), cr.Dropout(0.2), outputs=4)
    plain, recorded = (classification(net, executor=executor, optimizer="adam") for _ in range(2))
    first = plain.fit(x, y, callbacks=[stopping], **options)
    second = recorded.fit(x, y, callbacks=[stopping, cr.Recorder()], **options)
    assert first == second
    assert not first.recorded
    assert_same(plain.weights, recorded.weights)
    assert set(second.recorded["gradient_norm"]) == {"layers.0", "layers.1", "layers.3"}
    assert all(len(numbers) == first.epochs for numbers in second.recorded["update_ratio"].values())
    assert (
        plain._trainer.loop_state.carried.keys() == recorded._trainer.loop_state.carried.keys()
    )  # nothing is left over
    assert not recorded.fit(x, y).recorded


def test_a_fit_that_is_not_asked_has_nothing_of_it_in_its_graph():
    x, y = table()
    model = regression()
    data = model._trainer.batch(x, y, None)
    plain, recorded = (model._trainer.loop(data, {}, True, asked).step for asked in (False, True))
    assert "recorded" not in str(plain.graph)
    assert len(plain.graph.equations) < len(recorded.graph.equations)
    assert set(plain.outputs) < set(recorded.outputs)


def test_layers_without_size_and_batches_without_weight():
    """Weights of zero have no ratio, and a batch of weight zero is no step."""
    net = network(units=3)
    zeros = cr.Sequential([cr.Dense(3, weight_initializer="zeros", use_bias=False), *net.layers[1:]])
    x, y = table(4)
    history = regression(zeros).fit(x, y, callbacks=[cr.Recorder()])
    assert history.recorded["update_ratio"]["layers.0"] == [0.0]
    weights = np.array([1, 1, 0, 0])
    one, two = regression(), regression()
    half = one.fit(x, y, batch_size=2, shuffle=False, sample_weight=weights, callbacks=[cr.Recorder()])
    alone = two.fit(x[:2], y[:2], callbacks=[cr.Recorder()])
    assert half.recorded == alone.recorded
    none = one.fit(x, y, sample_weight=np.zeros(4), callbacks=[cr.Recorder()])
    assert none.recorded["gradient_norm"]["layers.0"] == [0.0]


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["each step", "each epoch"])
def test_a_fit_that_goes_on_has_recorded_each_epoch(seconds, tmp_path, monkeypatch):
    """Wherever it was killed; where that was between two epochs, the numbers are those of a whole fit."""
    x, y = table()

    def recorded(path=None):
        options = {"epochs": 3, "batch_size": 8, "checkpoint": path, "callbacks": [cr.Recorder()]}
        return regression().fit(x, y, **options).recorded

    whole = recorded()
    with monkeypatch.context() as patch:
        copies = keep_every_write(patch, tmp_path)
        patch.setattr(epochs, "LOOK_EVERY", seconds)
        assert recorded(tmp_path / "run.ckpt") == whole
    assert len(copies) > 3
    for copy in copies:
        in_an_epoch = read_arrays(copy)[1]["state"]["position"] > 0
        again = recorded(copy)
        assert {len(numbers) for kind in again.values() for numbers in kind.values()} == {3}
        assert in_an_epoch or again == whole


def test_huge_gradients_are_recorded_and_do_not_end_the_fit():
    x, y = table()
    model = regression(
        dtype="float32", optimizer=cr.SGD(1e-30), loss=lambda p, t: 1e25 * cr.sum(p - t, axis=1)
    )
    history = model.fit(x, y, callbacks=[cr.Recorder()])
    assert 1e24 < history.recorded["gradient_norm"]["layers.1"][0] < 1e27


def test_any_callback_may_ask():
    class Curious(cr.Callback):
        records = True

        def on_epoch(self, progress):
            seen.append((progress.history.recorded["update_ratio"]["layers.0"][-1], progress.data["x"].shape))

    seen, (x, y) = [], table()
    regression().fit(x, y, epochs=2, callbacks=[Curious()])
    assert len(seen) == 2
    assert all(ratio > 0 and shape == x.shape for ratio, shape in seen)


def test_history_as_json():
    x, y = table()
    history = regression().fit(x, y, epochs=2, callbacks=[cr.Recorder()])
    again = cr.History.from_json(history.to_json())
    assert again == history
    assert again.recorded == history.recorded
    for damaged in (None, {}, {"results": {"loss": ["a"]}, "recorded": {}}, {"results": [], "recorded": {}}):
        with pytest.raises(ValueError, match="its history is damaged"):
            cr.History.from_json(damaged)
