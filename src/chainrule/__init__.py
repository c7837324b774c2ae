"""Neural networks trained by backpropagation: correct, clear, fast, and able to show every step.

What is public is imported when it is first asked for, so that nobody waits for parts that are not used.
"""

import importlib.util
from typing import TYPE_CHECKING, Any

from chainrule.version import __version__ as __version__

if TYPE_CHECKING:  # the same names for type checkers and editors
    from chainrule.compiler.function import compile as compile
    from chainrule.diagnosis.check_step import check_step as check_step
    from chainrule.diagnosis.diagnose import Diagnosis as Diagnosis
    from chainrule.diagnosis.doctor import Doctor as Doctor
    from chainrule.diagnosis.step_report import StepReport as StepReport
    from chainrule.diagnosis.verdict import Verdict as Verdict
    from chainrule.estimators import MLPClassifier as MLPClassifier
    from chainrule.estimators import MLPRegressor as MLPRegressor
    from chainrule.explanation.explanation import Explanation as Explanation
    from chainrule.functions import *  # noqa: F403
    from chainrule.gradient.check import check_gradients as check_gradients
    from chainrule.gradient.transforms import grad as grad
    from chainrule.gradient.transforms import hessian as hessian
    from chainrule.gradient.transforms import jacobian as jacobian
    from chainrule.gradient.transforms import value_and_grad as value_and_grad
    from chainrule.gradient.transforms import vjp as vjp
    from chainrule.graph.types import ROWS as ROWS
    from chainrule.graph.types import ArrayType as ArrayType
    from chainrule.graph.value import Value as Value
    from chainrule.layers import Activation as Activation
    from chainrule.layers import BatchNorm as BatchNorm
    from chainrule.layers import Columns as Columns
    from chainrule.layers import Concatenate as Concatenate
    from chainrule.layers import Constant as Constant
    from chainrule.layers import Context as Context
    from chainrule.layers import Dense as Dense
    from chainrule.layers import Dropout as Dropout
    from chainrule.layers import Embedding as Embedding
    from chainrule.layers import Flatten as Flatten
    from chainrule.layers import GlorotNormal as GlorotNormal
    from chainrule.layers import GlorotUniform as GlorotUniform
    from chainrule.layers import HeNormal as HeNormal
    from chainrule.layers import HeUniform as HeUniform
    from chainrule.layers import Initializer as Initializer
    from chainrule.layers import Layer as Layer
    from chainrule.layers import LayerNorm as LayerNorm
    from chainrule.layers import LeCunNormal as LeCunNormal
    from chainrule.layers import LeCunUniform as LeCunUniform
    from chainrule.layers import Ones as Ones
    from chainrule.layers import Orthogonal as Orthogonal
    from chainrule.layers import Residual as Residual
    from chainrule.layers import Sequential as Sequential
    from chainrule.layers import Uniform as Uniform
    from chainrule.layers import Zeros as Zeros
    from chainrule.loading import load as load
    from chainrule.losses import L1 as L1
    from chainrule.losses import L2 as L2
    from chainrule.losses import BinaryCrossEntropy as BinaryCrossEntropy
    from chainrule.losses import BinaryFocal as BinaryFocal
    from chainrule.losses import CrossEntropy as CrossEntropy
    from chainrule.losses import Focal as Focal
    from chainrule.losses import FunctionLoss as FunctionLoss
    from chainrule.losses import Gamma as Gamma
    from chainrule.losses import Hinge as Hinge
    from chainrule.losses import Huber as Huber
    from chainrule.losses import LogCosh as LogCosh
    from chainrule.losses import Loss as Loss
    from chainrule.losses import MeanAbsoluteError as MeanAbsoluteError
    from chainrule.losses import MeanSquaredError as MeanSquaredError
    from chainrule.losses import Penalty as Penalty
    from chainrule.losses import Poisson as Poisson
    from chainrule.losses import Quantile as Quantile
    from chainrule.model import Model as Model
    from chainrule.optimizers import SGD as SGD
    from chainrule.optimizers import Adadelta as Adadelta
    from chainrule.optimizers import Adagrad as Adagrad
    from chainrule.optimizers import Adam as Adam
    from chainrule.optimizers import AdamW as AdamW
    from chainrule.optimizers import AMSGrad as AMSGrad
    from chainrule.optimizers import ConstantRate as ConstantRate
    from chainrule.optimizers import CosineDecay as CosineDecay
    from chainrule.optimizers import ExponentialDecay as ExponentialDecay
    from chainrule.optimizers import Lion as Lion
    from chainrule.optimizers import Nadam as Nadam
    from chainrule.optimizers import OneCycle as OneCycle
    from chainrule.optimizers import Optimizer as Optimizer
    from chainrule.optimizers import PolynomialDecay as PolynomialDecay
    from chainrule.optimizers import RAdam as RAdam
    from chainrule.optimizers import RMSprop as RMSprop
    from chainrule.optimizers import StepDecay as StepDecay
    from chainrule.training.callbacks import Callback as Callback
    from chainrule.training.callbacks import Progress as Progress
    from chainrule.training.callbacks import Recorder as Recorder
    from chainrule.training.callbacks import TimeLimit as TimeLimit
    from chainrule.training.history import History as History
    from chainrule.training.loggers import CSVLogger as CSVLogger
    from chainrule.training.loggers import EpochLogger as EpochLogger
    from chainrule.training.loggers import TensorBoard as TensorBoard
    from chainrule.training.plateau import ReduceOnPlateau as ReduceOnPlateau
    from chainrule.training.progress_bar import ProgressBar as ProgressBar
    from chainrule.training.stopping import EarlyStopping as EarlyStopping

#: Where each public name is at home, besides those of `chainrule.functions`, which are all public.
_HOMES = {
    "compiler.function": ("compile",),
    "diagnosis.check_step": ("check_step",),
    "diagnosis.diagnose": ("Diagnosis",),
    "diagnosis.doctor": ("Doctor",),
    "diagnosis.step_report": ("StepReport",),
    "diagnosis.verdict": ("Verdict",),
    "estimators": (
        "MLPClassifier",
        "MLPRegressor",
    ),
    "explanation.explanation": ("Explanation",),
    "gradient.check": ("check_gradients",),
    "gradient.transforms": (
        "grad",
        "hessian",
        "jacobian",
        "value_and_grad",
        "vjp",
    ),
    "graph.types": (
        "ROWS",
        "ArrayType",
    ),
    "graph.value": ("Value",),
    "layers": (
        "Activation",
        "BatchNorm",
        "Columns",
        "Concatenate",
        "Constant",
        "Context",
        "Dense",
        "Dropout",
        "Embedding",
        "Flatten",
        "GlorotNormal",
        "GlorotUniform",
        "HeNormal",
        "HeUniform",
        "Initializer",
        "Layer",
        "LayerNorm",
        "LeCunNormal",
        "LeCunUniform",
        "Ones",
        "Orthogonal",
        "Residual",
        "Sequential",
        "Uniform",
        "Zeros",
    ),
    "loading": ("load",),
    "losses": (
        "L1",
        "L2",
        "BinaryCrossEntropy",
        "BinaryFocal",
        "CrossEntropy",
        "Focal",
        "FunctionLoss",
        "Gamma",
        "Hinge",
        "Huber",
        "LogCosh",
        "Loss",
        "MeanAbsoluteError",
        "MeanSquaredError",
        "Penalty",
        "Poisson",
        "Quantile",
    ),
    "model": ("Model",),
    "optimizers": (
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
        "StepDecay",
    ),
    "training.callbacks": (
        "Callback",
        "Progress",
        "Recorder",
        "TimeLimit",
    ),
    "training.history": ("History",),
    "training.loggers": (
        "CSVLogger",
        "EpochLogger",
        "TensorBoard",
    ),
    "training.plateau": ("ReduceOnPlateau",),
    "training.progress_bar": ("ProgressBar",),
    "training.stopping": ("EarlyStopping",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
#: Parts that are public by themselves.
_PARTS = ("examples", "functions", "layers", "losses", "optimizers")


def __getattr__(name: str) -> Any:
    _part("primitives")  # operators find them by name: `lambda a, b: a @ b` imports nothing
    if name in _PARTS:
        found = _part(name)
    elif name in _HOME_OF:
        found = getattr(_home_of(name), name)
    elif name == "__all__":
        missing = () if importlib.util.find_spec("sklearn") else _HOMES["estimators"]  # help() asks for all
        found = [*(name for name in _HOME_OF if name not in missing), *_part("functions").__all__]
    elif not name.startswith("_") and name in _part("functions").__all__:
        found = getattr(_part("functions"), name)
    else:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    globals()[name] = found
    return found


def _home_of(name: str) -> Any:
    try:
        return _part(_HOME_OF[name])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise ModuleNotFoundError(
            f"cr.{name} needs scikit-learn; install it with: pip install 'chainrule[sklearn]'", name="sklearn"
        ) from None


def _part(name: str) -> Any:
    return importlib.import_module(f"chainrule.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PARTS, *__getattr__("__all__")})
