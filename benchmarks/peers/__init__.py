"""Who is measured. A peer's module has ``prepare(task)``, which returns ``train(epochs)``."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.networks import Task

Train = Callable[[int], None]
"""Trains for so many epochs, and returns when that is done."""


@dataclass(frozen=True)
class Peer:
    """A library in one of its forms."""

    name: str
    title: str
    package: str
    imports: str
    prepare: str
    how: str

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.imports) is not None

    def load(self) -> Callable[[Task], Train]:
        """Import it, and return its ``prepare``."""
        module, function = self.prepare.split(":")
        prepare: Callable[[Task], Train] = getattr(
            importlib.import_module(f"benchmarks.peers.{module}"), function
        )
        return prepare


OURS = Peer(
    "chainrule",
    "chainrule",
    "chainrule",
    "chainrule",
    "chainrule_fit:prepare",
    "`Model.fit`, rows shuffled in each epoch",
)

PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "jax",
            "JAX, shuffle inside",
            "jax",
            "jax",
            "jax_scan:prepare_shuffled",
            "one `jit` an epoch: a permutation, then `lax.scan` over batches that are gathered by it",
        ),
        Peer(
            "jax-in-order",
            "JAX, no shuffle",
            "jax",
            "jax",
            "jax_scan:prepare_in_order",
            "one `jit` an epoch: `lax.scan` over batches that lie ready",
        ),
        Peer(
            "torch",
            "torch eager",
            "torch",
            "torch",
            "torch_eager:prepare",
            "one permutation an epoch, views of the permuted rows, `Adam(fused=True)`",
        ),
        Peer(
            "torch-compile",
            "torch.compile",
            "torch",
            "torch",
            "torch_compiled:prepare",
            "the whole step with Adam written out as one graph, `cpp_wrapper` and `max_autotune`, its guards "
            "not checked once it is compiled; rows as for torch eager",
        ),
        Peer(
            "scikit-learn",
            "scikit-learn",
            "scikit-learn",
            "sklearn",
            "sklearn_fit:prepare",
            "`MLPClassifier.fit`, rows shuffled in each epoch",
        ),
    )
}


def find(name: str) -> Peer:
    """Return the peer, or us, of that name."""
    return OURS if name == OURS.name else PEERS[name]
