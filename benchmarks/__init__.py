"""How fast a training step is, beside other libraries: ``python -m benchmarks``.

Each library runs in a process of its own, on the same data, batch, dtype and cores, and they take turns:
ours, the first peer, the second, ..., ours again. So what is compared is never further apart than one round.
"""
