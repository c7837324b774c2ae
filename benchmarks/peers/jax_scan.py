"""JAX: one `jit` an epoch, with `lax.scan` over its batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.networks import LEARNING_RATE, ROWS, Task
from benchmarks.peers import Train

Arrays = Any


def prepare_shuffled(task: Task) -> Train:
    x, y = _data(task)
    network = task.network

    def epoch(state: Arrays, key: Arrays, x: Arrays, y: Arrays) -> Arrays:
        key, drawn = jax.random.split(key)
        batches = jax.random.permutation(drawn, ROWS).reshape(network.steps, network.batch)
        state, losses = jax.lax.scan(lambda state, rows: _step(state, x[rows], y[rows]), state, batches)
        return state, key, losses.mean()

    return _training(epoch, task, x, y)


def prepare_in_order(task: Task) -> Train:
    x, y = _data(task)
    steps, batch = task.network.steps, task.network.batch

    def epoch(state: Arrays, key: Arrays, x: Arrays, y: Arrays) -> Arrays:
        state, losses = jax.lax.scan(lambda state, rows: _step(state, *rows), state, (x, y))
        return state, key, losses.mean()

    return _training(epoch, task, x.reshape(steps, batch, -1), y.reshape(steps, batch))


def _data(task: Task) -> tuple[Arrays, Arrays]:
    jax.config.update("jax_enable_x64", task.dtype == "float64")
    x, y = task.data()
    return jnp.asarray(x), jnp.asarray(y, jnp.int32)


def _training(epoch: Callable[..., Arrays], task: Task, x: Arrays, y: Arrays) -> Train:
    """Return ``train``: an epoch is one call of the compiled function, which reuses the state's memory."""
    compiled = jax.jit(epoch, donate_argnums=(0, 1))
    weights = jax.tree.map(jnp.asarray, task.weights())
    zeros = jax.tree.map(jnp.zeros_like, weights)
    held = [(weights, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros((), task.dtype)), jax.random.key(0)]

    def train(epochs: int) -> None:
        for _ in range(epochs):
            *held[:], loss = compiled(*held, x, y)
        jax.block_until_ready((held, loss))

    return train


def _loss(weights: Arrays, x: Arrays, y: Arrays) -> Arrays:
    *hidden, last = weights
    for weight, bias in hidden:
        x = jnp.maximum(x @ weight + bias, 0)
    logits = x @ last[0] + last[1]
    chosen = jnp.sum(logits * jax.nn.one_hot(y, logits.shape[1], dtype=logits.dtype), axis=1)
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - chosen)


def _step(state: Arrays, x: Arrays, y: Arrays) -> tuple[Arrays, Arrays]:
    """Adam (Kingma and Ba, 2015), written out."""
    weights, m, v, t = state
    loss, gradients = jax.value_and_grad(_loss)(weights, x, y)
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
    unbias_m, unbias_v = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
    weights = jax.tree.map(
        lambda w, m, v: w - LEARNING_RATE * (m * unbias_m) / (jnp.sqrt(v * unbias_v) + 1e-8), weights, m, v
    )
    return (weights, m, v, t), loss
