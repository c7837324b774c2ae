"""What users call on values and arrays: the array API's names, activations, random numbers.

Everything here is composed of primitives. Called on plain arrays, a function evaluates at once.
"""
