"""scikit-learn's face: its two neural networks, with all that they were refused.

The estimators hold no training of their own: they turn scikit-learn's parameters into a `Task`, run the same
loop as `Model`, and keep what it learnt in scikit-learn's attributes.
"""

from chainrule.estimators.classifier import MLPClassifier
from chainrule.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
