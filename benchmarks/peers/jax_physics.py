"""JAX: derivatives by the points in forward mode, on the whole batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from benchmarks.networks import VISCOSITY, Task
from benchmarks.peers import Run
from benchmarks.peers.jax_scan import Arrays, enable, forward, initial, stepping


def physics(task: Task) -> Run:
    enable(task)
    network = task.network

    def loss(weights: Arrays, key: Arrays, points: Arrays) -> Arrays:
        by_t, by_x = (jnp.zeros_like(points).at[:, axis].set(1) for axis in (0, 1))

        def u(points: Arrays) -> Arrays:
            return forward(network, weights, points, None)[:, 0]

        def slope(points: Arrays) -> tuple[Arrays, Arrays]:
            return jax.jvp(u, (points,), (by_x,))

        (value, u_x), (_, u_xx) = jax.jvp(slope, (points,), (by_x,))
        _, u_t = jax.jvp(u, (points,), (by_t,))
        return jnp.mean((u_t + value * u_x - VISCOSITY * u_xx) ** 2)

    step = jax.jit(lambda state, points: stepping(loss)(state, None, points), donate_argnums=0)
    points = jnp.asarray(task.points())
    layers = [[jnp.asarray(weight), jnp.asarray(bias)] for weight, bias in task.weights()]
    held = [initial(layers, task)]
    whole = jax.jit(loss)

    def go(steps: int) -> None:
        for _ in range(steps):
            held[0], _ = step(held[0], points)
        jax.block_until_ready(held)

    return Run(go, lambda: float(whole(held[0][0], None, points)))
