"""Fits whose checkpoints the tests take away, and go on from."""

import numpy as np
from training_cases import arrays_of, assert_same, network, regression, table

import chainrule as cr

X, Y = table()
XV, YV = table(rows=9, seed=50)
EPOCHS, BATCH = 4, 6  # four steps in an epoch, the last on four rows


def rich_model(**options):
    """Return a model with all that a checkpoint must hold: layer state, random draws, optimizer state."""
    return regression(network(cr.BatchNorm(), cr.Dropout(0.3)), **{"optimizer": "adam", "seed": 4, **options})


def rich_fit(model, **options):
    """Train it with all that a fit decides by itself."""
    options = {
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "validation_data": (XV, YV),
        "sample_weight": np.linspace(0.5, 2, len(X)),
        "callbacks": [cr.EarlyStopping(patience=2)],
        **options,
    }
    return model.fit(X, Y, **options)


def end_of(model, history):
    """Return all that a fit leaves, to be compared bit for bit."""
    return {
        **arrays_of(model),
        **{f"history of {name}": np.array(numbers) for name, numbers in history.items()},
        "prediction": model.predict(XV),
        "counters": np.array([model.epochs, model.steps]),
    }


def assert_ends_alike(model, history, expected):
    """A fit has ended with exactly this."""
    assert_same(end_of(model, history), expected)
