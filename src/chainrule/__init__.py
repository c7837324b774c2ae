"""Neural networks trained by backpropagation: correct, clear, fast, and able to show every step."""

import importlib
from typing import TYPE_CHECKING, Any

from chainrule import functions
from chainrule.compiler.function import compile
from chainrule.diagnosis.check_step import check_step
from chainrule.diagnosis.diagnose import Diagnosis
from chainrule.diagnosis.doctor import Doctor
from chainrule.diagnosis.step_report import StepReport
from chainrule.diagnosis.verdict import Verdict
from chainrule.explanation.explanation import Explanation
from chainrule.functions import *  # noqa: F403  (every name in functions.__all__ is public)
from chainrule.gradient.check import check_gradients
from chainrule.gradient.transforms import grad, hessian, jacobian, value_and_grad, vjp
from chainrule.graph.types import ROWS, ArrayType
from chainrule.graph.value import Value
from chainrule.layers import (
    Activation,
    BatchNorm,
    Columns,
    Concatenate,
    Constant,
    Context,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    Layer,
    LayerNorm,
    LeCunNormal,
    LeCunUniform,
    Ones,
    Orthogonal,
    Residual,
    Sequential,
    Uniform,
    Zeros,
)
from chainrule.loading import load
from chainrule.losses import (
    L1,
    L2,
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
    FunctionLoss,
    Gamma,
    Hinge,
    Huber,
    LogCosh,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Penalty,
    Poisson,
    Quantile,
)
from chainrule.model import Model
from chainrule.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    AMSGrad,
    ConstantRate,
    CosineDecay,
    ExponentialDecay,
    Lion,
    Nadam,
    OneCycle,
    Optimizer,
    PolynomialDecay,
    RAdam,
    RMSprop,
    StepDecay,
)
from chainrule.training.callbacks import Callback, Progress, ProgressBar, Recorder, TimeLimit
from chainrule.training.history import History
from chainrule.training.loggers import CSVLogger, EpochLogger, TensorBoard
from chainrule.training.plateau import ReduceOnPlateau
from chainrule.training.stopping import EarlyStopping
from chainrule.version import __version__ as __version__

if TYPE_CHECKING:
    from chainrule.estimators import MLPClassifier as MLPClassifier
    from chainrule.estimators import MLPRegressor as MLPRegressor

__all__ = [
    "L1",
    "L2",
    "ROWS",
    "SGD",
    "AMSGrad",
    "Activation",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "ArrayType",
    "BatchNorm",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CSVLogger",
    "Callback",
    "Columns",
    "Concatenate",
    "Constant",
    "ConstantRate",
    "Context",
    "CosineDecay",
    "CrossEntropy",
    "Dense",
    "Diagnosis",
    "Doctor",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "EpochLogger",
    "Explanation",
    "ExponentialDecay",
    "Flatten",
    "Focal",
    "FunctionLoss",
    "Gamma",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Hinge",
    "History",
    "Huber",
    "Initializer",
    "Layer",
    "LayerNorm",
    "LeCunNormal",
    "LeCunUniform",
    "Lion",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Model",
    "Nadam",
    "OneCycle",
    "Ones",
    "Optimizer",
    "Orthogonal",
    "Penalty",
    "Poisson",
    "PolynomialDecay",
    "Progress",
    "ProgressBar",
    "Quantile",
    "RAdam",
    "RMSprop",
    "Recorder",
    "ReduceOnPlateau",
    "Residual",
    "Sequential",
    "StepDecay",
    "StepReport",
    "TensorBoard",
    "TimeLimit",
    "Uniform",
    "Value",
    "Verdict",
    "Zeros",
    "check_gradients",
    "check_step",
    "compile",
    "grad",
    "hessian",
    "jacobian",
    "load",
    "value_and_grad",
    "vjp",
]
__all__ += functions.__all__

#: What needs scikit-learn, which is imported when one of them is asked for.
_ESTIMATORS = ("MLPClassifier", "MLPRegressor")


def __getattr__(name: str) -> Any:
    if name not in _ESTIMATORS:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    try:
        estimators = importlib.import_module("chainrule.estimators")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise ModuleNotFoundError(
            f"cr.{name} needs scikit-learn; install it with: pip install 'chainrule[sklearn]'", name="sklearn"
        ) from None
    return getattr(estimators, name)


def __dir__() -> list[str]:
    return [*globals(), *_ESTIMATORS]
