"""The focal losses: cross-entropy in which rows that are right already count for little."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

import numpy as np

from chainrule.functions import exp, expm1, log_softmax, maximum, softplus, sum, where
from chainrule.graph.hyperparameters import is_zero
from chainrule.graph.options import AT_LEAST_ZERO, FRACTION
from chainrule.graph.value import Value
from chainrule.losses.classification import BinaryCrossEntropy, CrossEntropy, smoothed


@dataclass(frozen=True)
class Focal(CrossEntropy):
    r"""Cross-entropy of one class among several, weighted by how wrong the answer is, from logits.

    .. math:: L = -\sum_{k=1}^{K} t_k (1 - p_k)^\gamma \ln p_k, \qquad p = \operatorname{softmax}(\hat y)

    Parameters
    ----------
    gamma : float, default 2.0
        γ, at least 0: how little rows count that are right already. With 0 it is the cross-entropy.
    label_smoothing : float, default 0.0
        As for `CrossEntropy`.

    Raises
    ------
    TypeError, ValueError
        If an option is no such number.

    Notes
    -----
    Prediction and target are those of `CrossEntropy`. For weights of classes, which the paper calls α, use
    sample weights.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollár, "Focal loss for dense object detection", 2017.

    Examples
    --------
    >>> import chainrule as cr
    >>> logits = [[0.0, 0.0], [4.0, 0.0]]
    >>> cr.Focal()(logits, [0, 0]).round(6)
    array([1.73287e-01, 6.00000e-06])
    >>> cr.Focal(0.0)(logits, [0, 0]).round(6)
    array([0.693147, 0.01815 ])
    """

    gamma: float = field(default=2.0, metadata=AT_LEAST_ZERO)
    _: KW_ONLY
    label_smoothing: float = field(default=0.0, metadata=FRACTION)

    def _divergence(self, prediction: Value, target: Value) -> Value:
        if is_zero(self.gamma):
            return super()._divergence(prediction, target)
        target = smoothed(target, self.label_smoothing, int(prediction.shape[-1]))
        log_p = log_softmax(prediction)
        # Kept from 0, where a power below 1 has an infinite derivative.
        wrong = maximum(-expm1(log_p), float(np.finfo(prediction.dtype).tiny))
        return -sum(where(target == 0, 0, target * wrong**self.gamma * log_p), axis=-1)


@dataclass(frozen=True)
class BinaryFocal(BinaryCrossEntropy):
    r"""Binary cross-entropy of each output, weighted by how wrong the answer is, from logits.

    .. math::
        L = -\frac{1}{n} \sum_{j=1}^{n} \left(
        t_j (1 - p_j)^\gamma \ln p_j + (1 - t_j) \, p_j^\gamma \ln (1 - p_j) \right),
        \qquad p = \sigma(\hat y)

    Parameters
    ----------
    gamma : float, default 2.0
        γ, at least 0: how little outputs count that are right already. With 0 it is the binary cross-entropy.
    label_smoothing : float, default 0.0
        As for `BinaryCrossEntropy`.

    Raises
    ------
    TypeError, ValueError
        If an option is no such number.

    Notes
    -----
    Prediction and target are those of `BinaryCrossEntropy`.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollár, "Focal loss for dense object detection", 2017.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.BinaryFocal()([[0.0], [4.0]], [1, 1]).round(6)
    array([1.73287e-01, 6.00000e-06])
    """

    gamma: float = field(default=2.0, metadata=AT_LEAST_ZERO)
    _: KW_ONLY
    label_smoothing: float = field(default=0.0, metadata=FRACTION)

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return t (1 - p)^γ softplus(-x) + (1 - t) p^γ softplus(x) for logits x."""
        target = smoothed(target, self.label_smoothing, 2)
        yes, no = softplus(-prediction), softplus(prediction)  # -ln p and -ln (1 - p)
        return target * exp(-self.gamma * no) * yes + (1 - target) * exp(-self.gamma * yes) * no
