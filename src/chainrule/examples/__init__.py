"""Worked examples: training steps to do by hand, each with a worksheet and its answers.

>>> from chainrule import examples
>>> sorted(examples.EXAMPLES)
['adam', 'momentum', 'sigmoid', 'sigmoid_biases', 'softmax', 'xor']
>>> print(examples.EXAMPLES["sigmoid"].answers().splitlines()[0])
Two inputs, two hidden units, two outputs, all of them sigmoids
"""

from chainrule.examples.example import Example
from chainrule.examples.one_weight import ADAM, MOMENTUM
from chainrule.examples.sigmoid import SIGMOID, SIGMOID_BIASES
from chainrule.examples.softmax import SOFTMAX
from chainrule.examples.xor import XOR

#: The worked examples by name.
EXAMPLES = {
    "xor": XOR,
    "sigmoid": SIGMOID,
    "sigmoid_biases": SIGMOID_BIASES,
    "softmax": SOFTMAX,
    "momentum": MOMENTUM,
    "adam": ADAM,
}

__all__ = ["ADAM", "EXAMPLES", "MOMENTUM", "SIGMOID", "SIGMOID_BIASES", "SOFTMAX", "XOR", "Example"]
