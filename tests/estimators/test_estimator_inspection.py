"""Estimators that check, diagnose and explain themselves, with targets as the user gives them."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

import chainrule as cr

X, KINDS = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"])[KINDS]
ROWS, NUMBERS = load_diabetes(return_X_y=True)
ROWS, NUMBERS = ROWS / ROWS.std(axis=0), (NUMBERS - NUMBERS.mean()) / NUMBERS.std()
TWO = np.column_stack([NUMBERS, -NUMBERS])


def classifier(**options):
    return cr.MLPClassifier((6,), **{"max_iter": 20, "tol": 0.0, "random_state": 0, **options})


def regressor(**options):
    return cr.MLPRegressor(**{"hidden_layer_sizes": (6,), "max_iter": 20, "random_state": 0, **options})


ESTIMATORS = {
    "names": (classifier(), X, NAMES),
    "yes and no": (classifier(class_weight="balanced"), X, NAMES == "virginica"),
    "labels": (classifier(), X, np.column_stack([KINDS == 0, KINDS > 0]).astype(int)),
    "numbers": (regressor(), ROWS, NUMBERS),
    "two outputs": (regressor(dropout=0.2, normalization="batch", solver=cr.SGD(0.01)), ROWS, TWO),
    "counts": (regressor(loss="poisson", solver="sgd"), ROWS, np.abs(NUMBERS)),
    "float32": (classifier(average=0.9), X.astype(np.float32), NAMES),
}


def fitted(name):
    estimator, x, y = ESTIMATORS[name]
    return estimator.fit(x, y), x, y


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fitted_estimator_answers_and_stays_as_it_is(name):
    estimator, x, y = fitted(name)
    before, state = [np.array(coef) for coef in estimator.coefs_], dict(vars(estimator))
    report = estimator.check_gradients(x[:12], y[:12])
    assert report, report
    explanation = estimator.explain(x[:2], y[:2], steps=2)
    assert explanation.verdict, explanation.verdict.sentences()
    assert len(explanation.history) == 2
    assert {key: value is state[key] for key, value in vars(estimator).items()} == dict.fromkeys(state, True)
    for coef, now in zip(before, estimator.coefs_, strict=True):
        np.testing.assert_array_equal(coef, now)


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
def test_the_explained_numbers_are_the_estimators():
    estimator, x, y = fitted("names")
    told = {step.quantity.symbol.key: step.quantity.array for step in estimator.explain(x[:1], y[:1]).steps}
    np.testing.assert_array_equal(told["layers.0.weight"], estimator.coefs_[0])
    hidden = np.maximum(x[:1] @ estimator.coefs_[0] + estimator.intercepts_[0], 0)
    np.testing.assert_allclose(told["layers.0.a"], hidden)
    logits = hidden @ estimator.coefs_[1] + estimator.intercepts_[1]
    np.testing.assert_allclose(told["layers.1.z"], logits)
    probabilities = estimator.predict_proba(x[:1])
    expected = -np.log(probabilities[0, estimator.classes_ == y[0]])
    np.testing.assert_allclose(estimator.explain(x[:1], y[:1]).loss, expected + _penalty(estimator))


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
def test_the_weights_of_classes_are_those_of_the_fit():
    estimator = classifier(class_weight="balanced", max_iter=2, early_stopping=False)
    first, other = (np.flatnonzero(name == NAMES) for name in np.unique(NAMES)[:2])
    kept = [*first, *other[:5]]
    estimator.fit(X[kept], NAMES[kept])
    steps = estimator.explain(X[kept[:1]], NAMES[kept[:1]]).steps
    told = {step.quantity.symbol.key: step.quantity.array for step in steps}
    assert told["sample_weight"] == pytest.approx(len(kept) / (2 * len(first)))
    assert len(kept) < 2 * len(first)


def _penalty(estimator):
    return estimator.alpha / 2 * sum(np.sum(coef**2) for coef in estimator.coefs_)


def test_before_a_fit():
    estimator = classifier()
    found = estimator.diagnose(X, NAMES)
    assert found, found
    assert estimator.check_gradients(X[:9], NAMES[:9])
    assert not hasattr(estimator, "coefs_")
    slow = classifier(solver="sgd", learning_rate_init=1e-6)
    assert [verdict.name for verdict in slow.diagnose(X, NAMES).verdicts] == ["learning rate too low"]


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
def test_the_next_step_is_explained_with_the_rate_to_which_the_last_have_let_it_fall(schedule):
    options = {"solver": "sgd", "learning_rate": schedule, "tol": 9.0, "n_iter_no_change": 1}
    model = regressor(**options, learning_rate_init=0.1, shuffle=False)
    for _ in range(6):
        model.partial_fit(ROWS[:4], NUMBERS[:4])
    explanation = model.explain(ROWS[:4], NUMBERS[:4])
    rate = {"constant": 0.1, "invscaling": 0.02, "adaptive": 0.004}[schedule]
    assert f"η = {rate}\n" in explanation.to_text()
    told = {step.quantity.symbol.key: step.quantity.array for step in explanation.steps}
    model.partial_fit(ROWS[:4], NUMBERS[:4])
    np.testing.assert_allclose(told["layers.0.weight′"], model.coefs_[0], rtol=1e-12)


def test_partial_fit_is_explained_with_its_optimizers_state():
    estimator = classifier(solver="sgd", momentum=0.5)
    estimator.partial_fit(X, NAMES, classes=np.unique(NAMES))
    steps = estimator.explain(X[:1], NAMES[:1]).steps
    told = {step.quantity.symbol.key: step.quantity.array for step in steps}
    by_gradient = -estimator.learning_rate_init * told["d layers.0.weight"]
    assert not np.allclose(told["layers.0.weight/velocity′"], by_gradient)


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
def test_rows_to_explain_need_not_have_every_class():
    estimators = [classifier(warm_start=warm_start).fit(X, NAMES) for warm_start in (False, True)]
    losses = [estimator.explain(X[:1], NAMES[:1]).loss for estimator in estimators]
    assert losses[0] == losses[1]


def test_an_estimator_whose_weights_were_set_explains_itself():
    estimator = classifier()
    estimator.coefs_, estimator.intercepts_ = [np.zeros((4, 3))], [np.zeros(3)]
    estimator.classes_ = np.unique(NAMES)
    np.testing.assert_allclose(estimator.explain(X[:1], NAMES[:1]).loss, np.log(3), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
def test_what_does_not_fit_is_told():
    estimator, *_ = fitted("names")
    with pytest.raises(ValueError, match="has classes not in"):
        estimator.explain(X[:1], ["rose"])
    with pytest.raises(ValueError, match="X has 2 features"):
        estimator.check_gradients(X[:1, :2], NAMES[:1])
    with pytest.raises(ValueError, match="did you mean 'steps'"):
        estimator.explain(X[:1], NAMES[:1], stpes=2)
    with pytest.raises(ValueError, match="lbfgs"):
        classifier(solver="lbfgs").explain(X[:1], NAMES[:1])
    many, *_ = fitted("two outputs")
    with pytest.raises(ValueError, match="y has 1 output, and the fit had 2"):
        many.explain(ROWS[:1], NUMBERS[:1])
    assert many.n_outputs_ == 2
