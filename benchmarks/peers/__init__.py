"""Who is measured. For each kind of network a peer has a function that takes a task and returns a `Run`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.networks import Task


class Run(NamedTuple):
    """What a peer has prepared.

    Attributes
    ----------
    go : callable
        Trains for so many epochs, or calls so many times, and returns when that is done.
    outcome : callable
        Returns a number on which all peers agree after the same: the loss of all rows as it is now, or the
        mean of what was computed.
    """

    go: Callable[[int], None]
    outcome: Callable[[], float]


@dataclass(frozen=True)
class Peer:
    """A library in one of its forms; ``prepare`` has for each kind of network "module:function"."""

    name: str
    title: str
    package: str
    imports: str
    prepare: Mapping[str, str]
    how: Mapping[str, str]

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.imports) is not None

    def load(self, kind: str) -> Callable[[Task], Run]:
        """Import it, and return what prepares a task of this kind."""
        module, function = self.prepare[kind].split(":")
        prepare: Callable[[Task], Run] = getattr(
            importlib.import_module(f"benchmarks.peers.{module}"), function
        )
        return prepare


OURS = Peer(
    "chainrule",
    "chainrule",
    "chainrule",
    "chainrule",
    {
        "training": "chainrule_fit:training",
        "single": "chainrule_fit:single",
        "physics": "chainrule_fit:physics",
        "prediction": "chainrule_fit:prediction",
        "product": "chainrule_fit:product",
    },
    {
        "training": "`Model.fit`, rows shuffled in each epoch",
        "single": "`Model.step`",
        "physics": "`Model(objective=...)`, with `cr.grad` of the network in it, and `Model.fit`",
        "prediction": "`Model.predict`",
        "product": "`cr.compile` of the product, with one thread",
    },
)

PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "jax",
            "JAX",
            "jax",
            "jax",
            {
                "training": "jax_scan:shuffled",
                "single": "jax_scan:single",
                "physics": "jax_physics:physics",
                "prediction": "jax_scan:prediction",
                "product": "jax_scan:product",
            },
            {
                "training": "one `jit` an epoch: a permutation, then `lax.scan` over batches gathered by it",
                "single": "one `jit` a step, which reuses the memory of weights and moments",
                "physics": "one `jit` a step; derivatives by nested `jvp` on the whole batch",
                "prediction": "one `jit`",
                "product": "one `jit`",
            },
        ),
        Peer(
            "jax-in-order",
            "JAX, no shuffle",
            "jax",
            "jax",
            {"training": "jax_scan:in_order"},
            {"training": "one `jit` an epoch: `lax.scan` over batches that lie ready"},
        ),
        Peer(
            "torch",
            "torch eager",
            "torch",
            "torch",
            {
                "training": "torch_eager:training",
                "single": "torch_eager:single",
                "physics": "torch_physics:eager",
                "prediction": "torch_eager:prediction",
                "product": "torch_eager:product",
            },
            {
                "training": "one permutation an epoch, views of the permuted rows, `Adam(fused=True)`",
                "single": "`Adam(fused=True)`",
                "physics": "`autograd.grad` with `create_graph`, `Adam(fused=True)`",
                "prediction": "the module, in `inference_mode`",
                "product": "`torch.mm` into a tensor that is there",
            },
        ),
        Peer(
            "torch-compile",
            "torch.compile",
            "torch",
            "torch",
            {
                "training": "torch_compiled:training",
                "single": "torch_compiled:single",
                "physics": "torch_physics:compiled",
                "prediction": "torch_compiled:prediction",
            },
            {
                "training": "the whole step with Adam written out as one graph, `cpp_wrapper` and "
                "`max_autotune`, its guards not checked once it is compiled; rows as for torch eager",
                "single": "the same step as in an epoch",
                "physics": "the whole step with Adam written out as one graph, derivatives by nested `grad`",
                "prediction": "the functions of the layers as one graph, in `inference_mode`",
            },
        ),
        Peer(
            "scikit-learn",
            "scikit-learn",
            "scikit-learn",
            "sklearn",
            {
                "training": "sklearn_fit:training",
                "single": "sklearn_fit:single",
                "prediction": "sklearn_fit:prediction",
            },
            {
                "training": "`MLPClassifier.fit`, rows shuffled in each epoch",
                "single": "`MLPClassifier.partial_fit`",
                "prediction": "`MLPClassifier.predict_proba`, of which the softmax is a small part",
            },
        ),
        Peer(
            "numpy",
            "NumPy",
            "numpy",
            "numpy",
            {"prediction": "numpy_plain:prediction", "product": "numpy_plain:product"},
            {"prediction": "products, sums and maxima", "product": "`np.matmul` into an array that is there"},
        ),
    )
}


def find(name: str) -> Peer:
    """Return the peer, or us, of that name."""
    return OURS if name == OURS.name else PEERS[name]
