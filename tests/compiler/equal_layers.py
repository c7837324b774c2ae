"""A network of many equal layers, compiled: what is written for each of them again, and what only once."""

import numpy as np

import chainrule as cr
from chainrule.compiler.compiled_loop import CompiledLoop


def built(depth, width):
    """Return a trainer of so many equal layers, and rows for it."""
    net = cr.Sequential([*[cr.Dense(width, activation="tanh") for _ in range(depth)], cr.Dense(3)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(1e-3))
    model.build(features=width)
    return model._trainer, model._trainer.batch(np.ones((4, width)), np.zeros(4, int), None)


def compiled(trainer, data):
    """Return what is made of a trainer's step, which is traced for it."""
    return CompiledLoop(trainer.loop(data, {}, shuffle=True), sorted(trainer.loop_state.carried))
