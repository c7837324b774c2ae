"""What can be measured, by name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.networks import Network

FIVE = (
    Network((4, 32, 32, 2), 32),
    Network((20, 64, 64, 10), 32),
    Network((784, 128, 10), 128),
    Network((64, 256, 256, 10), 256),
    Network((784, 1024, 1024, 10), 256),
)
SMALL = Network((20, 64, 64, 10), 32)
MIDDLE = Network((64, 256, 256, 10), 256)


@dataclass(frozen=True)
class Section:
    """Networks that are timed beside peers.

    Attributes
    ----------
    what : str
        What takes the time, as in "time of ...".
    how : str
        On which data, and with what.
    threads : int or None
        With how many threads everyone is measured, if it is not what was asked for.
    """

    name: str
    what: str
    how: str
    networks: tuple[Network, ...]
    peers: tuple[str, ...]
    dtype: str = "float32"
    threads: int | None = None


TRAINERS = ("jax", "jax-in-order", "torch", "torch-compile", "scikit-learn")
WITHOUT_ORDER = ("jax", "torch", "torch-compile", "scikit-learn")
CLASSES = "4096 rows in batches, softmax cross-entropy, Adam"

SECTIONS = {
    section.name: section
    for section in (
        Section("steps", "one training step", f"{CLASSES}, relu", FIVE, TRAINERS),
        Section("float64", "one training step", f"{CLASSES}, relu", FIVE, TRAINERS, dtype="float64"),
        Section(
            "layers",
            "one training step",
            f"{CLASSES}; relu where no other activation is named",
            (
                *(replace(each, activation="tanh") for each in (SMALL, MIDDLE)),
                *(replace(each, activation="gelu") for each in (SMALL, MIDDLE)),
                *(replace(each, dropout=0.2) for each in (SMALL, MIDDLE)),
                *(replace(each, normalized=True) for each in (SMALL, MIDDLE)),
                Network((16, *[32] * 16, 4), 64),
            ),
            TRAINERS,
        ),
        Section(
            "single",
            "one training step on a batch handed over by itself, until its loss is a number of Python",
            "batches are arrays of NumPy, softmax cross-entropy, Adam, relu",
            tuple(replace(each, kind="single") for each in FIVE),
            WITHOUT_ORDER,
        ),
        Section(
            "physics",
            "one training step with second derivatives",
            "the squared residual of Burgers' equation at 1000 points, Adam",
            (Network((2, 50, 50, 50, 50, 1), 1000, activation="tanh", kind="physics"),),
            ("jax", "torch", "torch-compile"),
        ),
        Section(
            "prediction",
            "one call with so many rows, from arrays of NumPy to arrays of NumPy",
            "the network's output, relu",
            tuple(
                Network(widths, rows, kind="prediction")
                for widths in ((20, 64, 64, 10), (784, 128, 10))
                for rows in (1, 100, 10_000)
            ),
            ("jax", "torch", "torch-compile", "scikit-learn", "numpy"),
        ),
        Section(
            "product",
            "one product of two square matrices",
            "the operands lie ready",
            tuple(Network((n, n), n, kind="product") for n in (64, 256, 512, 1024, 2048)),
            ("numpy", "jax", "torch"),
            threads=1,
        ),
    )
}
