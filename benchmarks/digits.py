"""Digits as users of other libraries train them, for a process that is measured from its start on."""

from __future__ import annotations


def train_torch(epochs: int) -> None:
    import numpy as np
    import torch
    from torch import nn

    data = np.load("digits.npz")
    x, y = torch.from_numpy(data["x"].astype("float32")), torch.from_numpy(data["y"])
    module = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer, loss_of = torch.optim.Adam(module.parameters(), fused=True), nn.CrossEntropyLoss()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for rows, classes in zip(x[order].split(32), y[order].split(32), strict=True):
            optimizer.zero_grad(set_to_none=True)
            loss_of(module(rows), classes).backward()
            optimizer.step()


def train_jax(epochs: int) -> None:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from benchmarks.networks import Network, Task
    from benchmarks.peers.jax_scan import initial, loss_of, stepping

    data = np.load("digits.npz")
    network = Network((64, 100, 10), 32)
    rows = len(data["x"]) // 32 * 32  # a whole number of batches
    x, y = jnp.asarray(data["x"][:rows], jnp.float32), jnp.asarray(data["y"][:rows], jnp.int32)
    step = stepping(loss_of(network))

    @jax.jit
    def epoch(state, key):
        batches = jax.random.permutation(key, rows).reshape(-1, 32)
        return jax.lax.scan(lambda state, chosen: step(state, None, x[chosen], y[chosen]), state, batches)

    weights = [
        [jnp.asarray(weight), jnp.asarray(bias)] for weight, bias in Task(network, "float32", 2).weights()
    ]
    state = initial(weights, Task(network, "float32", 2))
    for key in jax.random.split(jax.random.key(0), epochs):
        state, _ = epoch(state, key)
    jax.block_until_ready(state)
