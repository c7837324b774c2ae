"""JAX: one `jit` an epoch, with `lax.scan` over its batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.networks import LEARNING_RATE, Network, Task
from benchmarks.peers import Run

Arrays = Any


def shuffled(task: Task) -> Run:
    x, y = _data(task)
    network = task.network
    step = stepping(loss_of(network))

    def epoch(state: Arrays, key: Arrays, x: Arrays, y: Arrays) -> Arrays:
        key, drawn = jax.random.split(key)
        batches = jax.random.permutation(drawn, network.rows).reshape(network.steps, network.batch)
        state, losses = jax.lax.scan(lambda state, rows: step(state, key, x[rows], y[rows]), state, batches)
        return state, key, losses.mean()

    return _training(epoch, task, (x, y), (x, y))


def in_order(task: Task) -> Run:
    x, y = _data(task)
    network = task.network
    step = stepping(loss_of(network))

    def epoch(state: Arrays, key: Arrays, x: Arrays, y: Arrays) -> Arrays:
        key, drawn = jax.random.split(key)
        state, losses = jax.lax.scan(lambda state, rows: step(state, drawn, *rows), state, (x, y))
        return state, key, losses.mean()

    batches = x.reshape(network.steps, network.batch, -1), y.reshape(network.steps, network.batch)
    return _training(epoch, task, batches, (x, y))


def single(task: Task) -> Run:
    all_rows = _data(task)
    batches = [(x, y.astype("int32")) for x, y in task.batches()]
    step = jax.jit(stepping(loss_of(task.network)), donate_argnums=0)
    held = [initial(_weights(task), task)]
    whole = jax.jit(loss_of(task.network))

    def go(epochs: int) -> None:
        for _ in range(epochs):
            for x, y in batches:
                held[0], loss = step(held[0], None, x, y)
                float(loss)

    return Run(go, lambda: float(whole(held[0][0], None, *all_rows)))


def prediction(task: Task) -> Run:
    enable(task)
    x, weights = task.data()[0], _weights(task)
    predict = jax.jit(lambda weights, x: forward(task.network, weights, x, None))

    def go(calls: int) -> None:
        for _ in range(calls):
            np.asarray(predict(weights, x))

    return Run(go, lambda: float(predict(weights, x).mean()))


def product(task: Task) -> Run:
    enable(task)
    x, w = jnp.asarray(task.data()[0]), jnp.asarray(task.weights()[0][0])
    multiply = jax.jit(lambda x, w: x @ w)

    def go(calls: int) -> None:
        for _ in range(calls):
            multiply(x, w).block_until_ready()

    return Run(go, lambda: float(jnp.abs(multiply(x, w)).mean()))


def enable(task: Task) -> None:
    """Have the task's dtype."""
    jax.config.update("jax_enable_x64", task.dtype == "float64")


def _data(task: Task) -> tuple[Arrays, Arrays]:
    enable(task)
    x, y = task.data()
    return jnp.asarray(x), jnp.asarray(y, jnp.int32)


def _weights(task: Task) -> Arrays:
    """Return for each layer its weight, its bias and, before an activation, LayerNorm's two."""
    layers = [[jnp.asarray(weight), jnp.asarray(bias)] for weight, bias in task.weights()]
    if task.network.normalized:
        for layer in layers[:-1]:
            layer += [jnp.ones_like(layer[1]), jnp.zeros_like(layer[1])]
    return layers


def _training(epoch: Callable[..., Arrays], task: Task, data: Arrays, all_rows: Arrays) -> Run:
    """Return the run: an epoch is one call of the compiled function, which reuses the state's memory."""
    compiled = jax.jit(epoch, donate_argnums=(0, 1))
    held = [initial(_weights(task), task), jax.random.key(0)]
    whole = jax.jit(loss_of(task.network))

    def go(epochs: int) -> None:
        for _ in range(epochs):
            *held[:], loss = compiled(*held, *data)
        jax.block_until_ready((held, loss))

    return Run(go, lambda: float(whole(held[0][0], None, *all_rows)))


def forward(network: Network, weights: Arrays, x: Arrays, key: Arrays) -> Arrays:
    """Return the network's output; without a key nothing is dropped."""
    activation = {"relu": lambda x: jnp.maximum(x, 0), "tanh": jnp.tanh, "gelu": gelu}[network.activation]
    *hidden, last = weights
    for number, (weight, bias, *norm) in enumerate(hidden):
        x = x @ weight + bias
        if norm:
            centred = x - x.mean(axis=1, keepdims=True)
            variance = (centred**2).mean(axis=1, keepdims=True)
            x = centred / jnp.sqrt(variance + 1e-5) * norm[0] + norm[1]
        x = activation(x)
        if network.dropout and key is not None:
            kept = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - network.dropout, x.shape)
            x = jnp.where(kept, x / (1 - network.dropout), 0)
    return x @ last[0] + last[1]


def gelu(x: Arrays) -> Arrays:
    return jax.nn.gelu(x, approximate=False)


def loss_of(network: Network) -> Callable[..., Arrays]:
    """Return the function (weights, key, x, y) → mean loss."""

    def loss(weights: Arrays, key: Arrays, x: Arrays, y: Arrays) -> Arrays:
        logits = forward(network, weights, x, key)
        chosen = jnp.sum(logits * jax.nn.one_hot(y, logits.shape[1], dtype=logits.dtype), axis=1)
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - chosen)

    return loss


def initial(weights: Arrays, task: Task) -> Arrays:
    """Return Adam's state before the first step."""
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return weights, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros((), task.dtype)


def stepping(loss_function: Callable[..., Arrays]) -> Callable[..., Arrays]:
    """Return a step of Adam (Kingma and Ba, 2015), written out; ``key`` is the epoch's."""

    def step(state: Arrays, key: Arrays, *data: Arrays) -> tuple[Arrays, Arrays]:
        weights, m, v, t = state
        key = None if key is None else jax.random.fold_in(key, t.astype(jnp.int32))
        loss, gradients = jax.value_and_grad(loss_function)(weights, key, *data)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
        unbias_m, unbias_v = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
        weights = jax.tree.map(
            lambda w, m, v: w - LEARNING_RATE * (m * unbias_m) / (jnp.sqrt(v * unbias_v) + 1e-8),
            weights,
            m,
            v,
        )
        return (weights, m, v, t), loss

    return step
