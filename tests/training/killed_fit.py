"""A program whose processes the tests kill: each fits a model or an estimator with a checkpoint.

It has imported everything before it is asked. Then it has a process for each line that it reads, and tells
how that ended. The line is JSON: `path` of the checkpoint, `end` for what the fit leaves, `problems` for what
it prints as errors, `fit` for the arguments of `fitted`, `seconds` from one write to the next, and optionally
`cut`: in the write of this number it kills itself, when so many bytes have come through, or "before" or
"after" the old file is replaced.
"""

import json
import os
import signal
import sys
import warnings

import numpy as np

import chainrule as cr
from chainrule.compiler import epochs as compiled_epochs
from chainrule.compiler import native_loop  # noqa: F401  a fit needs it
from chainrule.files import atomic
from chainrule.training import checkpoint

FEATURES = 8


def made(executor):
    """Return a model with layer state, random draws, optimizer state and a schedule."""
    net = cr.Sequential([cr.Dense(32, activation="relu"), cr.BatchNorm(), cr.Dropout(0.2), cr.Dense(1)])
    schedule = cr.ExponentialDecay(1e-2, every=1000)
    return cr.Model(net, loss="mean_squared_error", optimizer=cr.Adam(schedule), executor=executor, seed=3)


def fitted(executor, rows, epochs, path=None):
    """Return a model, its history and its predictions, fitted with all that a fit decides by itself."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, FEATURES))
    y = np.sin(x[:, :1]) + 0.1 * generator.normal(size=(rows, 1))
    model = made(executor)
    history = model.fit(
        x,
        y,
        epochs=epochs,
        batch_size=7,
        validation_data=(x[:200], y[:200]),
        callbacks=[cr.EarlyStopping(patience=epochs // 2)],
        checkpoint=path,
    )
    return model, history, model.predict(x[:100])


def fitted_estimator(rows, epochs, path=None):
    """Return a classifier of text and numbers that does at once what estimators can, and is calibrated."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, FEATURES)).astype(object)
    x[:, -1] = np.array(["a", "b", None], object)[generator.integers(0, 3, rows)]
    y = np.sin(x[:, 0].astype(float)) + 0.5 * generator.normal(size=rows) > (x[:, -1] == "a")
    model = cr.MLPClassifier(
        (32,), solver="sgd", learning_rate="adaptive", batch_size=7, dropout=0.2, normalization="batch",
        early_stopping=True, n_iter_no_change=epochs // 4, tol=0.01, max_iter=epochs,
        random_state=np.random.RandomState(3), checkpoint=path, embeddings={FEATURES - 1: 2}, calibrate=True,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some have not converged
        return model.fit(x, y), x


def look_often(seconds):
    """Let a checkpoint be due after this time, and a run look more often than that."""
    checkpoint.SECONDS, checkpoint.SHARE = seconds, 0.0
    compiled_epochs.LOOK_EVERY = seconds / 4


def kill_in_write(number, cut):
    """Kill this process in the write of this number: after so many bytes, before or after the replacing."""
    real_open, replace, count = open, os.replace, [0]

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def counted_open(*arguments):
        count[0] += 1
        file = real_open(*arguments)
        return Cut(file) if count[0] == number and isinstance(cut, int) else file

    def counted_replace(*paths):
        if count[0] == number and cut == "before":
            die()
        replace(*paths)
        if count[0] == number:
            die()

    class Cut:
        def __init__(self, file):
            self._file = file

        def __enter__(self):
            return self

        def __exit__(self, *problem):
            self._file.close()

        def write(self, content):
            self._file.write(content[:cut])
            self._file.flush()
            die()

    atomic.open, os.replace = counted_open, counted_replace


def tell_each_write():
    """Print a line before each write of the checkpoint; the first comes when the fit is prepared."""
    write = checkpoint.Checkpoint.write

    def told(self, state, history):
        print("writes\n", end="", flush=True)  # in one piece, or with -u it may die before the line's end
        write(self, state, history)

    checkpoint.Checkpoint.write = told


def ended(executor, path=None, **fit):
    """Return how such a fit ends, of a model or (executor "estimator") an estimator."""
    if executor != "estimator":
        return end_of(*fitted(executor, path=path, **fit))
    model, x = fitted_estimator(path=path, **fit)
    weights = {f"coefs {i}": coef for i, coef in enumerate([*model.coefs_, *model.intercepts_])}
    names = ("loss_curve_", "validation_scores_", "validation_loss_curve_", "n_iter_", "t_", "temperature_")
    measured = {name: np.array(getattr(model, name)) for name in names}
    weights |= {**model._kept.others, **model._kept.state}
    return {**weights, **measured, "prediction": model.predict_proba(x[:100])}


def end_of(model, history, prediction):
    """Return all that a fit leaves, to be compared bit for bit."""
    losses = {f"history of {name}": np.array(numbers) for name, numbers in history.items()}
    counters = np.array([model.epochs, model.steps])
    return {**model.weights, **model.state, **losses, "prediction": prediction, "counters": counters}


def fit_and_write_the_end(given):
    """Do what a line asks for; the first line of the output is the number of this process."""
    with open(given["problems"], "w") as problems:
        os.dup2(problems.fileno(), sys.stderr.fileno())
    print(os.getpid(), flush=True)
    look_often(given["seconds"])
    if "cut" in given:
        kill_in_write(*given["cut"])
    tell_each_write()
    np.savez(given["end"], **ended(**given["fit"], path=given["path"]))


if __name__ == "__main__":
    cr.MLPClassifier  # noqa: B018  scikit-learn is imported by this, and most of chainrule by a fit
    ended("numpy", rows=1, epochs=2)
    while line := sys.stdin.readline():
        process = os.fork()
        if process == 0:
            fit_and_write_the_end(json.loads(line))
            break
        print("ended", os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
