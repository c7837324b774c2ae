"""Every loss: its value against an independent formula, its derivative against finite differences."""

import dataclasses
import re

import numpy as np
import pytest
from loss_cases import CASES, ROWS, case_id, exactly
from scipy import special

import chainrule as cr
from chainrule import losses
from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.hyperparameters import hyperparameters, with_inputs
from chainrule.graph.trace import trace
from chainrule.graph.types import ROWS as ROWS_DIM
from chainrule.graph.types import ArrayType
from chainrule.graph.value import input_value
from chainrule.graph.verify import verify

every_case = pytest.mark.parametrize("case", CASES, ids=case_id)


def test_every_loss_has_a_case():
    tried = {type(case.loss) for case in CASES}
    assert tried == {*losses.LOSSES.values(), losses.FunctionLoss}


@every_case
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_value(case, dtype, tolerance):
    prediction, target = case.draw(dtype)
    expected = case.reference(prediction.astype(float), target)
    result = case.loss(prediction, target)
    assert result.dtype == dtype
    assert result.shape == (ROWS,)
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


@every_case
def test_derivative(case):
    """Against central differences of the weighted sum of the rows' losses."""
    prediction, target = case.draw()
    weights = np.linspace(-1, 2, ROWS)

    def total(p):
        return cr.sum(case.loss(p, target) * weights)

    gradient = cr.grad(total)(prediction)
    h = 1e-6
    for index in np.ndindex(prediction.shape):
        step = np.zeros_like(prediction)
        step[index] = h
        numeric = (total(prediction + step) - total(prediction - step)) / (2 * h)
        assert gradient[index] == pytest.approx(numeric, rel=1e-6, abs=1e-8)


def types_of(case, dtype):
    """The types of a batch of unknown size, and its arrays."""
    prediction, y = case.draw(dtype)
    target = case.loss.as_target(y, ArrayType((ROWS_DIM, *prediction.shape[1:]), prediction.dtype))
    batch = [ArrayType((ROWS_DIM, *array.shape[1:]), array.dtype) for array in (prediction, target)]
    return batch, (prediction, target)


@every_case
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_traced_on_rows(case, dtype):
    """A graph for any number of rows computes what the direct call does, in the same dtype."""
    types, arrays = types_of(case, dtype)
    graph = trace(case.loss, *types)
    verify(graph)
    assert str(graph.outputs[0].type) == f"{dtype}[rows]"
    np.testing.assert_array_equal(evaluate(graph, *arrays)[0], case.loss(*arrays))


@pytest.mark.parametrize("case", [case for case in CASES if hyperparameters(case.loss, "loss")], ids=case_id)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_hyperparameters_are_inputs(case, dtype):
    """A traced loss takes its numbers as arguments, in the arrays' dtype, and another number matters."""
    types, arrays = types_of(case, dtype)
    numbers = hyperparameters(case.loss, "loss")
    inputs = {}
    loss = with_inputs(case.loss, "loss", inputs)
    batch = [input_value(name, type_.shape, type_.dtype) for name, type_ in zip("pt", types, strict=True)]
    graph = Graph([*batch, *inputs.values()], [loss(*batch)])
    assert str(graph.outputs[0].type) == f"{dtype}[rows]"
    assert list(inputs) == list(numbers)
    (result,) = evaluate(graph, *arrays, *map(np.float64, numbers.values()))
    np.testing.assert_allclose(result, case.loss(*arrays), rtol=1e-6)
    (other,) = evaluate(graph, *arrays, *(np.float64(number * 0.7) for number in numbers.values()))
    assert np.all(np.isfinite(other))
    assert not np.allclose(other, result)


def cases_but(excluded):
    return pytest.mark.parametrize(
        "case", [case for case in CASES if not isinstance(case.loss, excluded)], ids=case_id
    )


@cases_but(losses.Poisson | losses.Gamma)  # exp(10000) is infinite
def test_extreme_predictions(case):
    """Predictions of ±10 000 give finite losses and derivatives."""
    _, target = case.draw()
    prediction = np.where(np.arange(ROWS * 3).reshape(ROWS, 3) % 2, 1e4, -1e4).astype("float32")
    assert np.all(np.isfinite(case.loss(prediction, target)))
    assert np.all(np.isfinite(cr.grad(lambda p: cr.sum(case.loss(p, target)))(prediction)))


@cases_but(losses.FunctionLoss)  # a function reduces by itself
def test_further_axes_are_averaged(case):
    """A prediction of shape (rows, positions, outputs) is the mean of the losses of its positions."""
    prediction, target = case.draw()
    stacked = case.loss(np.stack([prediction, prediction * 2], 1), np.stack([target, target], 1))
    expected = (case.loss(prediction, target) + case.loss(prediction * 2, target)) / 2
    np.testing.assert_allclose(stacked, expected, rtol=1e-12)


@cases_but(losses.FunctionLoss)  # a function decides what fits
def test_target_of_another_shape_is_refused(case):
    prediction = ArrayType((ROWS_DIM, 3), np.dtype("float32"))
    for shape in ((3,), (ROWS_DIM, 3, 1), (ROWS_DIM, 2)):
        with pytest.raises(ValueError, match=r"the target has the shape \(.*needs a target of the shape"):
            trace(case.loss, prediction, ArrayType(shape, np.dtype("float32")))


def test_squared_error_of_a_column_does_not_broadcast():
    """(rows, 1) against (rows,) would give (rows, rows) differences."""
    column = ArrayType((ROWS_DIM, 1), np.dtype("float32"))
    with pytest.raises(ValueError, match=r"^the target has the shape \(rows,\), and the network's output"):
        trace(losses.MeanSquaredError(), column, ArrayType((ROWS_DIM,), np.dtype("float32")))


# What each loss promises -------------------------------------------------------------------------


def gradient_of(loss, prediction, target):
    return cr.grad(lambda p: cr.sum(loss(p, target)))(np.asarray(prediction, float))


def test_derivative_of_cross_entropy_is_softmax_minus_target():
    logits = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, -2.0], [50.0, 0.0, -900.0]])
    gradient = gradient_of(losses.CrossEntropy(), logits, [0, 2, 1])
    np.testing.assert_allclose(gradient, special.softmax(logits, axis=1) - np.eye(3)[[0, 2, 1]], atol=1e-15)


def test_derivative_of_binary_cross_entropy_is_sigmoid_minus_target():
    """Exactly, at the logit 0 too; and the second derivative is σ (1 - σ)."""
    logits = np.array([[0.0], [0.0], [3.0], [-700.0], [40.0]])
    target = np.array([[1.0], [0.3], [0.0], [1.0], [1.0]])
    gradient = gradient_of(losses.BinaryCrossEntropy(), logits, target)
    p = special.expit(logits)
    np.testing.assert_allclose(gradient, target * -special.expit(-logits) + (1 - target) * p, rtol=1e-14)
    curvature = cr.hessian(lambda x: cr.sum(losses.BinaryCrossEntropy()(x, target)))(logits)
    np.testing.assert_allclose(np.diag(curvature.reshape(5, 5)), (p * (1 - p))[:, 0], rtol=1e-12, atol=1e-16)


def test_certain_answers_keep_a_precise_loss():
    """-ln σ(30) is e^-30, not the difference of two numbers near 30; in float32 too."""
    logits = np.array([[30.0], [-30.0]], "float32")
    np.testing.assert_allclose(losses.BinaryCrossEntropy()(logits, [1, 0]), np.exp(-30.0), rtol=1e-5)


def test_derivatives_of_log_cosh():
    """They are tanh e and 1 - tanh² e, at 0 and far away too."""
    error = np.array([[0.0], [0.5], [-2.0], [1e4], [-1e4]])
    zero = np.zeros((5, 1))
    np.testing.assert_allclose(gradient_of(losses.LogCosh(), error, zero), np.tanh(error), atol=1e-15)
    curvature = cr.hessian(lambda x: cr.sum(losses.LogCosh()(x, zero)))(error)
    np.testing.assert_allclose(
        np.diag(curvature.reshape(5, 5)), 1 - np.tanh(error[:, 0]) ** 2, rtol=1e-12, atol=1e-15
    )


def test_log_cosh_of_small_errors_is_precise():
    """About e² / 2, in float32 too, and never negative."""
    error = np.logspace(-6, -2, 50)[:, None].astype("float32")
    result = losses.LogCosh()(error, np.zeros_like(error))
    assert (result >= 0).all()
    np.testing.assert_allclose(result[-10:], error[-10:, 0] ** 2 / 2, rtol=1e-3)


@pytest.mark.parametrize(
    "loss", [losses.MeanAbsoluteError(), losses.Quantile(0.9), losses.Quantile((0.1, 0.9))]
)
def test_no_derivative_where_the_prediction_is_right(loss):
    target = np.ones((1, 1)) if isinstance(getattr(loss, "quantiles", None), tuple) else np.ones((1, 2))
    assert not gradient_of(loss, np.ones((1, 2)), target).any()


def test_hinge_has_no_derivative_at_the_margin():
    assert not gradient_of(losses.Hinge(), [[1.0]], [[1]]).any()


def test_quantile_is_minimised_by_the_quantile():
    sample = np.sort(np.random.default_rng(1).exponential(size=1001))
    for q in (0.1, 0.5, 0.9):
        totals = [losses.Quantile(q)(np.full((1001, 1), c), sample).sum() for c in sample[::100]]
        assert sample[::100][np.argmin(totals)] == np.quantile(sample, q)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_numbers_are_one_hot_probabilities(smoothing):
    loss = losses.CrossEntropy(smoothing)
    logits = np.random.default_rng(2).normal(size=(6, 4)) * 10
    numbers = np.array([0, 3, 1, 1, 2, 0])
    np.testing.assert_array_equal(loss(logits, numbers), loss(logits, np.eye(4)[numbers]))
    np.testing.assert_array_equal(
        gradient_of(loss, logits, numbers), gradient_of(loss, logits, np.eye(4)[numbers])
    )
    for form in (numbers, np.eye(4)[numbers]):
        np.testing.assert_array_equal(loss.metrics(logits, form)["accuracy"], logits.argmax(1) == numbers)


def test_impossible_classes_of_probability_0_cost_nothing():
    """A logit of -∞ masks a class: 0 ln 0 is 0, and its derivative is 0."""
    logits = np.array([[1.0, -np.inf, 1.0]])
    for target in ([2], [[0.5, 0.0, 0.5]]):
        np.testing.assert_allclose(losses.CrossEntropy()(logits, target), np.log(2))
        assert np.isfinite(gradient_of(losses.CrossEntropy(), logits, target)).all()


def test_class_number_outside_makes_a_traced_loss_nan():
    types = ArrayType((ROWS_DIM, 2), np.dtype("float32")), ArrayType((ROWS_DIM,), np.dtype("int32"))
    graph = trace(losses.CrossEntropy(), *types)
    (result,) = evaluate(graph, np.zeros((4, 2), "float32"), np.array([0, -1, 2, 1], "int32"))
    assert list(np.isnan(result)) == [False, True, True, False]


@pytest.mark.parametrize(
    ("loss", "link"),
    [
        (losses.CrossEntropy(), lambda x: special.softmax(x, axis=-1)),
        (losses.BinaryCrossEntropy(), special.expit),
        (losses.Poisson(), np.exp),
        (losses.Gamma(), np.exp),
        (losses.Focal(), lambda x: special.softmax(x, axis=-1)),
        (losses.MeanSquaredError(), lambda x: x),
        (losses.Hinge(), lambda x: x),
        (losses.FunctionLoss(lambda p, t: p), lambda x: x),
    ],
    ids=lambda part: re.sub(r" at 0x\w+", "", str(part)),
)
def test_link(loss, link):
    x = np.random.default_rng(3).normal(size=(4, 3))
    np.testing.assert_allclose(loss.link(x), link(x), rtol=1e-12)
    graph = trace(loss.link, ArrayType((ROWS_DIM, 3), x.dtype))
    np.testing.assert_array_equal(evaluate(graph, x)[0], loss.link(x))


@pytest.mark.parametrize(
    ("loss", "prediction", "target", "accuracy"),
    [
        (losses.CrossEntropy(), [[0.0, 2.0], [3.0, 1.0]], [1, 1], [1, 0]),
        (losses.CrossEntropy(), [[0.0, 2.0], [3.0, 1.0]], [[0.2, 0.8], [0.3, 0.7]], [1, 0]),
        (losses.CrossEntropy(), [[[0.0, 2.0], [3.0, 1.0]]], [[1, 1]], [0.5]),
        (losses.BinaryCrossEntropy(), [[0.5], [-0.5], [0.0]], [1, 1, 0], [1, 0, 1]),
        (losses.BinaryCrossEntropy(), [[0.5, -1.0]], [[1, 1]], [0.5]),
        (losses.BinaryCrossEntropy(), [[0.5], [0.5]], [0.6, 0.4], [1, 0]),
        (losses.Hinge(), [[0.5], [-0.5], [3.0]], [1, 1, -1], [1, 0, 0]),
    ],
)
def test_accuracy(loss, prediction, target, accuracy):
    np.testing.assert_array_equal(loss.metrics(prediction, target)["accuracy"], accuracy)


def test_metrics_are_traced_in_the_dtype_of_the_prediction():
    types = ArrayType((ROWS_DIM, 2), np.dtype("float32")), ArrayType((ROWS_DIM,), np.dtype("int32"))
    graph = trace(losses.CrossEntropy().metrics, *types)
    assert str(graph.outputs[0].type) == "float32[rows]"


def test_regression_has_no_further_metrics():
    assert losses.MeanSquaredError().metrics([[1.0]], [[2.0]]) == {}


def test_lists_and_integers_are_taken():
    np.testing.assert_array_equal(losses.MeanSquaredError()([[1], [2]], [0.5, 2.5]), [0.25, 0.25])


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_focal_losses_are_finite_where_the_answer_is_certain(gamma):
    """A probability that rounds to 1 has no loss and no derivative, also where the power is below 1."""
    logits = np.array([[40.0, -40.0], [0.0, 800.0]])
    for loss, target in (
        (losses.Focal(gamma=gamma), [0, 1]),
        (losses.BinaryFocal(gamma=gamma), np.array([[1.0, 0.0], [0.5, 1.0]])),
    ):
        assert np.isfinite(gradient_of(loss, logits, target)).all()
    np.testing.assert_allclose(gradient_of(losses.Focal(gamma=gamma), logits, [0, 1]), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("focal", "plain", "target"),
    [
        (losses.Focal(gamma=0.0), losses.CrossEntropy(), [1, 0]),
        (losses.BinaryFocal(gamma=0.0), losses.BinaryCrossEntropy(), np.array([[1, 0], [0.3, 1]])),
    ],
)
def test_focal_losses_without_a_focus_are_cross_entropies(focal, plain, target):
    logits = np.array([[1.0, -2.0], [0.3, 4.0]])
    np.testing.assert_allclose(focal(logits, target), plain(logits, target), rtol=1e-14)
    assert (type(focal)(gamma=2.0)(logits, target) < plain(logits, target)).all()


@pytest.mark.parametrize("focal", [losses.Focal, losses.BinaryFocal])
def test_the_first_number_of_a_focal_loss_is_its_gamma(focal):
    assert focal(0.5) == focal(gamma=0.5)
    assert focal(0.5, label_smoothing=0.1) == focal(gamma=0.5, label_smoothing=0.1)
    with pytest.raises(TypeError):
        focal(0.5, 0.1)


def test_gamma_is_nothing_where_the_mean_is_right():
    amounts = np.array([[0.01], [1.0], [3e5]])
    loss = losses.Gamma()
    np.testing.assert_allclose(loss(np.log(amounts), amounts), 0, atol=1e-15)
    assert (loss(np.log(amounts) + 1e-3, amounts) > 0).all()


# Options -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: losses.Huber(0), "Huber: delta is a finite number above 0, not 0"),
        (lambda: losses.Huber(np.inf), "Huber: delta is a finite number above 0, not inf"),
        (
            lambda: losses.Quantile((0.1, 1.0)),
            "Quantile: quantiles is a number between 0 and 1, or a tuple of such numbers, not (0.1, 1.0)",
        ),
        (
            lambda: losses.Quantile(()),
            "Quantile: quantiles is a number between 0 and 1, or a tuple of such numbers, not ()",
        ),
        (
            lambda: losses.CrossEntropy(1.0),
            "CrossEntropy: label_smoothing is a number from 0 to below 1, not 1.0",
        ),
        (
            lambda: losses.BinaryCrossEntropy(label_smoothing=float("nan")),
            "BinaryCrossEntropy: label_smoothing is a number from 0 to below 1, not nan",
        ),
        (lambda: losses.Focal(gamma=-1.0), "Focal: gamma is a finite number of at least 0, not -1.0"),
        (
            lambda: losses.BinaryFocal(gamma=np.inf),
            "BinaryFocal: gamma is a finite number of at least 0, not inf",
        ),
        (
            lambda: losses.Focal(label_smoothing=1.0),
            "Focal: label_smoothing is a number from 0 to below 1, not 1.0",
        ),
    ],
)
def test_impossible_options_are_refused(make, sentence):
    with pytest.raises(ValueError, match=exactly(sentence)):
        make()


@pytest.mark.parametrize("number", ["1", None, True, 1j])
def test_options_that_are_no_numbers_are_refused(number):
    with pytest.raises(TypeError, match=exactly(f"Huber: delta is a finite number above 0, not {number!r}")):
        losses.Huber(number)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: losses.Huber(detla=2.0), "Huber: there is no option 'detla'; did you mean 'delta'?"),
        (lambda: losses.L2(stength=2.0), "L2: there is no option 'stength'; did you mean 'strength'?"),
    ],
)
def test_unknown_options_are_refused(make, sentence):
    with pytest.raises(ValueError, match=exactly(sentence)):
        make()


def test_losses_are_frozen_comparable_and_printable():
    for name, cls in losses.LOSSES.items():
        loss = cls()
        assert losses.as_loss(name) == loss
        assert repr(loss).startswith(cls.__name__)
        assert hash(loss) == hash(cls())
        for field in dataclasses.fields(loss):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(loss, field.name, 1)


def test_a_quantile_of_numpy_becomes_a_plain_number():
    assert repr(losses.Quantile(np.float32(0.5))) == "Quantile(quantiles=0.5)"
    assert repr(losses.Quantile((np.float32(0.5),))) == "Quantile(quantiles=(0.5,))"
