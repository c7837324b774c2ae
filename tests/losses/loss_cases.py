"""Every loss with data to try it on and an independent formula: NumPy's, SciPy's or scikit-learn's."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special, stats
from sklearn import metrics

from chainrule import losses

ROWS = 7
QUANTILES = (0.1, 0.5, 0.8)


@dataclass(frozen=True)
class Case:
    loss: losses.Loss
    draw_target: Callable
    reference: Callable  # (prediction, target) -> one number a row, float64
    outputs: tuple[int, ...] = (3,)

    def draw(self, dtype="float64"):
        generator = np.random.default_rng(5)
        prediction = generator.normal(size=(ROWS, *self.outputs)).astype(dtype)
        return prediction, self.draw_target(generator)


def per_row(metric, **options):
    """A scikit-learn metric for each row: its outputs are our rows."""
    return lambda p, t: metric(t.T, p.T, multioutput="raw_values", **options)


def reals(generator):
    return generator.normal(size=(ROWS, 3))


def counts(generator):
    return generator.integers(0, 6, (ROWS, 3)).astype(float)


def signs(generator):
    return generator.choice([-1.0, 1.0], (ROWS, 3))


def probabilities(generator):
    return generator.uniform(size=(ROWS, 3))


def distributions(generator):
    return generator.dirichlet(np.ones(3), ROWS)


def class_numbers(generator):
    return generator.integers(0, 3, ROWS)


def poisson(p, t):
    likelihood = stats.poisson.logpmf(t, np.exp(p)) + special.gammaln(t + 1)
    return -likelihood.mean(axis=1)


def amounts(generator):
    return generator.gamma(2.0, size=(ROWS, 3))


def half_gamma_deviance(p, t):
    pairs = zip(np.exp(p), t, strict=True)
    return [metrics.mean_gamma_deviance(row_t, mean) / 2 for mean, row_t in pairs]


def focal(p, t, gamma=2.0):
    q = special.softmax(p, axis=-1)
    return -(t * (1 - q) ** gamma * np.log(q)).sum(axis=-1)


def binary_focal(p, t, gamma=2.0):
    q = special.expit(p)
    yes, no = (1 - q) ** gamma * np.log(q), q**gamma * np.log(1 - q)
    return -(t * yes + (1 - t) * no).mean(axis=1)


def binary(p, t):
    return -(special.xlogy(t, special.expit(p)) + special.xlogy(1 - t, special.expit(-p))).mean(axis=1)


def divergence(p, t):
    return -(t * np.log(special.softmax(p, axis=-1))).sum(axis=-1)


def of_class_numbers(p, t):
    return [
        metrics.log_loss([k], special.softmax(row)[None], labels=[0, 1, 2])
        for row, k in zip(p, t, strict=True)
    ]


def several_quantiles(p, t):
    columns = [
        [metrics.mean_pinball_loss(row_t, [x], alpha=q) for x, q in zip(row, QUANTILES, strict=True)]
        for row, row_t in zip(p, t, strict=True)
    ]
    return np.mean(columns, axis=1)


CASES = [
    Case(losses.MeanSquaredError(), reals, per_row(metrics.mean_squared_error)),
    Case(losses.MeanAbsoluteError(), reals, per_row(metrics.mean_absolute_error)),
    Case(losses.Huber(), reals, lambda p, t: special.huber(1.0, p - t).mean(axis=1)),
    Case(losses.Huber(0.3), reals, lambda p, t: special.huber(0.3, p - t).mean(axis=1)),
    Case(losses.LogCosh(), reals, lambda p, t: np.log(np.cosh(p - t)).mean(axis=1)),
    Case(losses.Quantile(), reals, per_row(metrics.mean_pinball_loss, alpha=0.5)),
    Case(losses.Quantile(0.9), reals, per_row(metrics.mean_pinball_loss, alpha=0.9)),
    Case(losses.Quantile(QUANTILES), lambda g: g.normal(size=(ROWS, 1)), several_quantiles),
    Case(losses.Poisson(), counts, poisson),
    Case(losses.Gamma(), amounts, half_gamma_deviance),
    Case(losses.Hinge(), signs, lambda p, t: np.where(t * p < 1, 1 - t * p, 0).mean(axis=1)),
    Case(losses.CrossEntropy(), class_numbers, of_class_numbers),
    Case(losses.CrossEntropy(), distributions, divergence),
    Case(losses.CrossEntropy(0.2), distributions, lambda p, t: divergence(p, 0.8 * t + 0.2 / 3)),
    Case(losses.CrossEntropy(0.2), class_numbers, lambda p, t: divergence(p, 0.8 * np.eye(3)[t] + 0.2 / 3)),
    Case(losses.BinaryCrossEntropy(), probabilities, binary),
    Case(losses.BinaryCrossEntropy(0.2), probabilities, lambda p, t: binary(p, 0.8 * t + 0.1)),
    Case(losses.Focal(), class_numbers, lambda p, t: focal(p, np.eye(3)[t])),
    Case(losses.Focal(gamma=0.5), distributions, lambda p, t: focal(p, t, 0.5)),
    Case(
        losses.Focal(3.0, label_smoothing=0.2),
        class_numbers,
        lambda p, t: focal(p, 0.8 * np.eye(3)[t] + 0.2 / 3, 3),
    ),
    Case(losses.BinaryFocal(), probabilities, binary_focal),
    Case(
        losses.BinaryFocal(0.5, label_smoothing=0.2),
        probabilities,
        lambda p, t: binary_focal(p, 0.8 * t + 0.1, 0.5),
    ),
    Case(
        losses.FunctionLoss(lambda p, t: ((p - t) ** 2)[:, 0] + p[:, 1]),
        reals,
        lambda p, t: (p[:, 0] - t[:, 0]) ** 2 + p[:, 1],
    ),
]


def exactly(sentence):
    """The pattern that only this sentence matches."""
    return f"^{re.escape(sentence)}$"


def case_id(case):
    named = re.sub(r" at 0x\w+", "", f"{case.loss}-{case.draw_target.__name__}")  # addresses differ
    return named.replace("<lambda>", "drawn")[:60]
