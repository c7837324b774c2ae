"""PyTorch on a physical residual: reverse mode as it is mostly written, and forward mode compiled."""

from __future__ import annotations

import torch

from benchmarks.networks import LEARNING_RATE, VISCOSITY, Task
from benchmarks.peers import Run
from benchmarks.peers.torch_compiled import Tensors, compiled_step, run_of
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
    by_t, by_x = (torch.zeros_like(points) for _ in range(2))
    by_t[:, 0] = 1
    by_x[:, 1] = 1

    def loss_of(
        weights: Tensors, points: torch.Tensor, by_t: torch.Tensor, by_x: torch.Tensor
    ) -> torch.Tensor:
        def u(points: torch.Tensor) -> torch.Tensor:
            for number in range(0, len(weights) - 2, 2):
                points = torch.tanh(points @ weights[number] + weights[number + 1])
            return (points @ weights[-2] + weights[-1])[:, 0]

        def slope(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.func.jvp(u, (points,), (by_x,))

        (value, u_x), (_, u_xx) = torch.func.jvp(slope, (points,), (by_x,))
        _, u_t = torch.func.jvp(u, (points,), (by_t,))
        return ((u_t + value * u_x - VISCOSITY * u_xx) ** 2).mean()

    state, step = compiled_step(task, loss_of)
    data = (points, by_t, by_x)
    return run_of(lambda: step(*state, *data), lambda: loss_of(state[0], *data))
