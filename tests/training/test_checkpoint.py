"""A fit goes on from its checkpoint, bit for bit as if it had not been stopped."""

import inspect
import logging
from functools import partial

import numpy as np
import pytest
from resuming import (
    BATCH,
    EPOCHS,
    assert_ends_alike,
    end_of,
    rich_fit,
    rich_model,
)
from training_cases import assert_same, regression, table

import chainrule as cr
from at_once import at_once
from chainrule import optimizers
from chainrule.compiler.epochs import CompiledRun
from chainrule.files import read_arrays
from chainrule.graph.loop import EvaluatedRun
from chainrule.training.checkpoint import Checkpoint
from every_write import keep_every_write, write_at_every_step

pytestmark = pytest.mark.shares_code

OPTIMIZERS = {
    **{
        name: getattr(cr, name)()
        for name in optimizers.__all__
        if inspect.isclass(getattr(optimizers, name))
        and issubclass(getattr(optimizers, name), cr.Optimizer)
        and getattr(optimizers, name) is not cr.Optimizer
    },
    "momentum": cr.SGD(0.05, momentum=0.9, nesterov=True),
    "schedule": cr.SGD(cr.CosineDecay(0.1, steps=12)),
    "averaging": cr.Adam(0.01, average=0.9),
    "clipping": cr.Adam(0.01, clip_norm=0.1),
}


@pytest.fixture(params=["compiled", "numpy"])
def executor(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_goes_on_from_any_step_with_any_optimizer(name, executor, path, monkeypatch):
    make = partial(rich_model, optimizer=OPTIMIZERS[name], executor=executor)
    alone = make()
    expected = end_of(alone, rich_fit(alone))
    with monkeypatch.context() as patch:
        copies = keep_every_write(patch, path.parent)
        model = make()
        assert_ends_alike(model, rich_fit(model, checkpoint=path), expected)
    steps = model.steps
    assert len(copies) >= steps + 2  # at the start, after each step, at the end
    for i in {1, *np.random.default_rng(len(name)).integers(2, steps, size=2)}:
        model = make()
        assert_ends_alike(model, rich_fit(model, checkpoint=copies[i]), expected)


def test_goes_on_from_every_write(executor, path, monkeypatch):
    alone = rich_model(executor=executor)
    expected = end_of(alone, rich_fit(alone))
    with monkeypatch.context() as patch:
        copies = keep_every_write(patch, path.parent)
        rich_fit(rich_model(executor=executor), checkpoint=path)
    positions = set()
    for copy in copies:
        positions.add(read_arrays(copy)[1]["state"]["position"])
        model = rich_model(executor=executor)
        assert_ends_alike(model, rich_fit(model, checkpoint=copy), expected)
    assert positions == {0, 6, 12, 18, 22}


def test_goes_on_again_and_again(executor, path, monkeypatch):
    """Each fit dies two steps after the last, until one comes to the end."""
    alone = rich_model(executor=executor)
    expected = end_of(alone, rich_fit(alone))
    write_at_every_step(monkeypatch)
    for fits in range(1, 2 * alone.steps):
        stop = _stop_after(looks=2)
        model = rich_model(executor=executor)
        try:
            history = rich_fit(model, checkpoint=path)
        except _Stop:
            continue
        finally:
            stop.undo()
        assert_ends_alike(model, history, expected)
        assert fits > model.steps // 2
        return
    pytest.fail("it never comes to the end")


class _Stop(BaseException):
    pass


def _stop_after(looks):
    """Make the checkpoint raise after so many looks of a fit."""
    patch, write, count = pytest.MonkeyPatch(), Checkpoint.write, [0]

    def counted(self, state, history):
        write(self, state, history)
        count[0] += 1
        if count[0] == looks + 1:
            raise _Stop

    patch.setattr(Checkpoint, "write", counted)
    return patch


def test_a_checkpoint_changes_nothing(executor, path):
    with_, without = rich_model(executor=executor), rich_model(executor=executor)
    expected = end_of(without, rich_fit(without))
    assert_ends_alike(with_, rich_fit(with_, checkpoint=path), expected)
    assert [item.name for item in path.parent.iterdir()] == ["run.ckpt"]


def test_it_is_written_at_the_start_and_the_end_and_else_only_when_due(path, monkeypatch):
    writes, write = [], Checkpoint.write
    monkeypatch.setattr(Checkpoint, "write", lambda self, *a: (writes.append(a[0].step), write(self, *a)))
    model = rich_model()
    rich_fit(model, checkpoint=path)
    assert writes == [0, model.steps]


# A fit that had finished -------------------------------------------------------------------------


def test_a_finished_fit_is_restored_without_training(executor, path, monkeypatch, caplog):
    first = rich_model(executor=executor)
    expected = end_of(first, rich_fit(first, checkpoint=path))
    content = path.read_bytes()
    for run in (EvaluatedRun, CompiledRun):
        monkeypatch.setattr(run, "__init__", None)  # nothing is run
    second = rich_model(executor=executor)
    with caplog.at_level(logging.INFO, "chainrule"):
        history = rich_fit(second, checkpoint=path, callbacks=[cr.EarlyStopping(patience=2), _unexpected])
    monkeypatch.undo()
    assert_ends_alike(second, history, expected)
    assert path.read_bytes() == content
    said = f"{path}: the fit was finished after {history.epochs} epochs; it is restored, not trained"
    assert [(entry.levelname, entry.getMessage()) for entry in caplog.records] == [("WARNING", said)]


def _unexpected(progress):
    raise AssertionError("no epoch should be trained")


def test_the_same_model_fitted_again_is_restored(executor, path):
    model = rich_model(executor=executor)
    expected = end_of(model, rich_fit(model, checkpoint=path))
    assert_ends_alike(model, rich_fit(model, checkpoint=path), expected)


@pytest.mark.parametrize("callbacks", [[], [cr.EarlyStopping(patience=100)]])
def test_more_epochs_go_on_as_if_asked_for_at_first(callbacks, executor, path):
    alone = rich_model(executor=executor)
    expected = end_of(alone, rich_fit(alone, epochs=9, callbacks=callbacks))
    for epochs in (2, 5, 9):
        model = rich_model(executor=executor)
        history = rich_fit(model, epochs=epochs, callbacks=callbacks, checkpoint=path)
        assert history.epochs == epochs
    assert_ends_alike(model, history, expected)
    same = rich_model(executor=executor)  # one model, fitted again and again
    for epochs in (2, 5, 9):
        again = path.with_name("again.ckpt")
        history = rich_fit(same, epochs=epochs, callbacks=callbacks, checkpoint=again)
    assert_ends_alike(same, history, expected)


def test_a_fit_that_was_stopped_early_is_finished_for_any_epochs(executor, path):
    stopping = [cr.EarlyStopping(patience=1, min_delta=0.5)]
    first, second = (rich_model(executor=executor) for _ in range(2))
    history = rich_fit(first, epochs=20, callbacks=stopping, checkpoint=path)
    assert history.epochs < 20
    expected = end_of(first, history)
    assert_ends_alike(second, rich_fit(second, epochs=90, callbacks=stopping, checkpoint=path), expected)


def test_a_fit_that_a_callback_stopped_is_finished(path):
    stop = lambda progress: progress.epoch == 2 and progress.stop()
    first, second = rich_model(), rich_model()
    callbacks = [cr.EarlyStopping(patience=9), stop]
    expected = end_of(first, rich_fit(first, callbacks=callbacks, checkpoint=path))
    assert_ends_alike(second, rich_fit(second, callbacks=callbacks[:1], checkpoint=path), expected)


# Interruption and failure ------------------------------------------------------------------------


@pytest.mark.parametrize("fresh", [True, False])
def test_after_ctrl_c_the_checkpoint_has_the_last_whole_step(fresh, executor, path):
    alone = rich_model(executor=executor)
    expected = end_of(alone, rich_fit(alone))

    def interrupt(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    model = rich_model(executor=executor)
    stopping = cr.EarlyStopping(patience=2)
    with pytest.raises(KeyboardInterrupt):
        rich_fit(model, checkpoint=path, callbacks=[stopping, interrupt])
    arrays, header = read_arrays(path)
    assert (header["state"]["step"], header["state"]["epoch"]) == (model.steps, model.epochs) == (8, 2)
    assert_same(model.weights, {name: arrays[name] for name in model.weights})
    model = rich_model(executor=executor) if fresh else model  # in a new process, or where it was interrupted
    assert_ends_alike(model, rich_fit(model, checkpoint=path), expected)


@pytest.mark.parametrize("fresh", [True, False])
def test_ctrl_c_in_mid_epoch(fresh, executor, path, monkeypatch):
    alone = rich_model(executor=executor)
    expected = end_of(alone, rich_fit(alone))
    model = rich_model(executor=executor)
    write_at_every_step(monkeypatch)
    stop = _stop_after(looks=6)
    with pytest.raises(_Stop):
        rich_fit(model, checkpoint=path)
    stop.undo()
    assert read_arrays(path)[1]["state"]["position"] == 2 * BATCH
    assert (model.steps, model.epochs) == (6, 1)
    model = rich_model(executor=executor) if fresh else model
    assert_ends_alike(model, rich_fit(model, checkpoint=path), expected)


def test_callbacks_see_the_epochs_from_where_it_goes_on(path, monkeypatch):
    copies = keep_every_write(monkeypatch, path.parent)
    rich_fit(rich_model(), checkpoint=path, callbacks=[])
    seen = []

    class Look(cr.Callback):
        def on_start(self, progress):
            seen.append(("start", progress.epoch, progress.epochs))

        def on_epoch(self, progress):
            seen.append((progress.epoch, progress.model.steps, sorted(progress.logs)))

    history = rich_fit(rich_model(), checkpoint=copies[10], callbacks=[Look()])
    assert seen[0] == ("start", 2, EPOCHS)
    assert [entry[:2] for entry in seen[1:]] == [(3, 12), (4, 16)]
    assert history.epochs == EPOCHS


def test_the_bar_goes_on_too(path, monkeypatch, capfd):
    copies = keep_every_write(monkeypatch, path.parent)
    rich_fit(rich_model(), checkpoint=path)
    history = rich_fit(rich_model(), checkpoint=copies[10], verbose=True)
    assert f"{history.epochs}/{EPOCHS}" in "".join(capfd.readouterr())


def test_a_fit_after_another_fit(executor, path, monkeypatch):
    """The checkpoint is of the second fit; started again, the program repeats the first."""

    def train(**options):
        model = rich_model(executor=executor)
        rich_fit(model, epochs=2, callbacks=[])
        return model, rich_fit(model, **options)

    expected = end_of(*train())
    with monkeypatch.context() as patch:
        copies = keep_every_write(patch, path.parent)
        assert_ends_alike(*train(checkpoint=path), expected)
    for copy in copies[::4]:
        model, history = train(checkpoint=copy)
        assert history.epochs == EPOCHS
        assert_ends_alike(model, history, expected)


def test_a_loss_that_is_not_finite(executor, path):
    """It fails again, at the same step, from the state before it."""
    x, y = table()
    y[17] = 1e200
    sentences = []
    for _ in range(2):
        model = regression(executor=executor)
        with pytest.raises(ValueError, match=r"the loss became inf in step 4 \(epoch 1\)") as caught:
            model.fit(x, y, batch_size=5, shuffle=False, checkpoint=path)
        sentences.append(str(caught.value))
        assert read_arrays(path)[1]["state"]["step"] == model.steps == 3
    assert sentences[0] == sentences[1]


def test_an_objective_and_parts_of_ones_own(path, monkeypatch):
    double = lambda z: z * cr.sigmoid(2 * z)
    aim = lambda network, x, y: cr.mean((network(x) - y) ** 2, axis=-1)

    def make():
        net = cr.Sequential([cr.Dense(5, activation=double), cr.Dense(1)])
        return cr.Model(net, objective=aim, penalties=[cr.L2(0.1)], dtype="float32")

    alone = make()
    expected = end_of(alone, rich_fit(alone, sample_weight=None))
    with monkeypatch.context() as patch:
        copies = keep_every_write(patch, path.parent)
        rich_fit(make(), checkpoint=path, sample_weight=None)
    for copy in copies[::5]:
        model = make()
        assert_ends_alike(model, rich_fit(model, checkpoint=copy, sample_weight=None), expected)


def test_a_loaded_model(path, monkeypatch):
    """What was a function is a graph in a loaded model; two loaded ones are the same."""
    first = regression(cr.Sequential([cr.Dense(4, activation=lambda z: cr.tanh(z) * z), cr.Dense(1)]))
    x, y = table()
    first.fit(x, y)
    first.save(path.with_name("model"))
    histories = [cr.load(path.with_name("model")).fit(x, y, epochs=3, checkpoint=path) for _ in range(2)]
    assert histories[0] == histories[1]


def test_any_number_of_threads(path, monkeypatch):
    one = rich_model(n_threads=1)
    expected = end_of(one, rich_fit(one))
    copies = keep_every_write(monkeypatch, path.parent)
    rich_fit(rich_model(n_threads=1), checkpoint=path)
    two = rich_model(n_threads=2)
    assert_ends_alike(two, rich_fit(two, checkpoint=copies[7]), expected)


def test_two_fits_in_two_threads_on_two_paths(path):
    """The lock is the path's alone."""

    def train(name):
        model = rich_model(executor="numpy")
        return end_of(model, rich_fit(model, checkpoint=path.with_name(name)))

    assert_same(*at_once(partial(train, "a"), partial(train, "b")))
