"""Neural networks trained by backpropagation: correct, clear, fast, and able to show every step."""

import importlib
from typing import TYPE_CHECKING, Any

from chainrule import functions
from chainrule.functions import *  # noqa: F403  (every name in functions.__all__ is public)
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
from chainrule.training.callbacks import Callback, Progress, Recorder, TimeLimit
from chainrule.training.history import History
from chainrule.training.loggers import CSVLogger, EpochLogger, TensorBoard
from chainrule.training.plateau import ReduceOnPlateau
from chainrule.training.progress_bar import ProgressBar
from chainrule.training.stopping import EarlyStopping
from chainrule.version import __version__ as __version__

if TYPE_CHECKING:
    from chainrule.compiler.function import compile as compile
    from chainrule.diagnosis.check_step import check_step as check_step
    from chainrule.diagnosis.diagnose import Diagnosis as Diagnosis
    from chainrule.diagnosis.doctor import Doctor as Doctor
    from chainrule.diagnosis.step_report import StepReport as StepReport
    from chainrule.diagnosis.verdict import Verdict as Verdict
    from chainrule.estimators import MLPClassifier as MLPClassifier
    from chainrule.estimators import MLPRegressor as MLPRegressor
    from chainrule.explanation.explanation import Explanation as Explanation
    from chainrule.gradient.check import check_gradients as check_gradients

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

#: What is imported when it is asked for, and from where: much code that training does without, and the
#: estimators, which need scikit-learn.
_LATE = {
    "Diagnosis": "diagnosis.diagnose",
    "Doctor": "diagnosis.doctor",
    "Explanation": "explanation.explanation",
    "MLPClassifier": "estimators",
    "MLPRegressor": "estimators",
    "StepReport": "diagnosis.step_report",
    "Verdict": "diagnosis.verdict",
    "check_gradients": "gradient.check",
    "check_step": "diagnosis.check_step",
    "compile": "compiler.function",
    "examples": "examples",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    try:
        module = importlib.import_module(f"chainrule.{_LATE[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise ModuleNotFoundError(
            f"cr.{name} needs scikit-learn; install it with: pip install 'chainrule[sklearn]'", name="sklearn"
        ) from None
    found = module if _LATE[name] == name else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *_LATE]
