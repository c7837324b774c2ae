"""The weight update: from parameters and gradients to new parameters, as more values of the graph.

``optimizer.update(parameters, gradients, state, step) -> (parameters, state)``. One optimizer is one file:
its rule beside its formula. Schedules, clipping, weight decay, factors and averaging are the same for all.
"""

from chainrule.graph.names import unknown_name
from chainrule.optimizers.adadelta import Adadelta
from chainrule.optimizers.adagrad import Adagrad
from chainrule.optimizers.adam import Adam, AdamW, AMSGrad
from chainrule.optimizers.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from chainrule.optimizers.lion import Lion
from chainrule.optimizers.nadam import Nadam
from chainrule.optimizers.optimizer import Optimizer
from chainrule.optimizers.radam import RAdam
from chainrule.optimizers.rmsprop import RMSprop
from chainrule.optimizers.schedules import (
    ConstantRate,
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    PolynomialDecay,
    Schedule,
    StepDecay,
)
from chainrule.optimizers.sgd import SGD

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AMSGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "ConstantRate",
    "CosineDecay",
    "ExponentialDecay",
    "Lion",
    "Nadam",
    "OneCycle",
    "Optimizer",
    "PolynomialDecay",
    "RAdam",
    "RMSprop",
    "Schedule",
    "StepDecay",
    "as_optimizer",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
]

#: Every optimizer by the name that `as_optimizer` takes.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adadelta": Adadelta,
    "adam": Adam,
    "amsgrad": AMSGrad,
    "adamw": AdamW,
    "nadam": Nadam,
    "radam": RAdam,
    "lion": Lion,
}


def as_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """Return an optimizer for an object, or for a name with that optimizer's defaults.

    Parameters
    ----------
    optimizer : str or Optimizer
        An optimizer, or a name in `OPTIMIZERS`, such as ``"adam"``.

    Returns
    -------
    Optimizer
        The object itself, or a new one.

    Raises
    ------
    ValueError
        If there is no such name; the sentence gives the nearest ones.
    TypeError
        If it is neither a name nor an optimizer.

    Examples
    --------
    >>> from chainrule.optimizers import as_optimizer
    >>> as_optimizer("adam").learning_rate
    0.001
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise ValueError(unknown_name("optimizer", optimizer, OPTIMIZERS))
        return OPTIMIZERS[optimizer]()  # type: ignore[call-arg]  # each has a default learning rate
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        raise TypeError(f"an optimizer is needed, not its class: write {optimizer.__name__}()")
    raise TypeError(f"an optimizer is a name or an object such as Adam(1e-3), not {optimizer!r}")
