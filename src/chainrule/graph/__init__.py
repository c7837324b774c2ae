"""The language: values, graphs, primitives; tracing, evaluation on NumPy, verification, text.

A computation is a graph of array operations. It is written by tracing an ordinary Python function, and read
by every other part: the backward pass adds to it, the evaluator runs it, a compiler compiles it.
"""
