"""Neural networks trained by backpropagation: correct, clear, fast, and able to show every step."""

from chainrule.functions import *  # noqa: F403
from chainrule.gradient.transforms import grad, hessian, jacobian, value_and_grad, vjp

__version__ = "0.1.0"
