"""PyTorch on a physical residual: gradients of gradients, as it is mostly written and compiled."""

from __future__ import annotations

import torch

from benchmarks.networks import LEARNING_RATE, VISCOSITY, Task
from benchmarks.peers import Run
from benchmarks.peers.torch_compiled import Tensors, compiled_step, forward, run_of
from benchmarks.peers.torch_eager import network_of, prepare_threads


def eager(task: Task) -> Run:
    prepare_threads(task)
    points = torch.from_numpy(task.points()).requires_grad_()
    module = network_of(task)
    optimizer = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, fused=True)

    def loss_of() -> torch.Tensor:
        u = module(points)
        (slopes,) = torch.autograd.grad(u.sum(), points, create_graph=True)
        u_t, u_x = slopes[:, :1], slopes[:, 1:]
        (bends,) = torch.autograd.grad(u_x.sum(), points, create_graph=True)
        return ((u_t + u * u_x - VISCOSITY * bends[:, 1:]) ** 2).mean()

    def go(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            loss_of().backward()
            optimizer.step()

    return Run(go, lambda: float(loss_of().detach()))


def compiled(task: Task) -> Run:
    prepare_threads(task)
    points = torch.from_numpy(task.points())

    def loss_of(weights: Tensors, points: torch.Tensor) -> torch.Tensor:
        def total(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            u = forward(task.network, weights, points, True)
            return u.sum(), u[:, 0]

        def slope(points: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
            slopes, u = torch.func.grad(total, has_aux=True)(points)
            return slopes[:, 1].sum(), (slopes, u)

        bends, (slopes, u) = torch.func.grad(slope, has_aux=True)(points)
        return ((slopes[:, 0] + u * slopes[:, 1] - VISCOSITY * bends[:, 1]) ** 2).mean()

    state, step = compiled_step(task, loss_of)
    return run_of(lambda: step(*state, points), lambda: loss_of(state[0], points))
