"""One class in each row, or several labels: a fit that goes on has the form that the first had."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = np.random.default_rng(0).normal(size=(40, 3))
LABELS = (X > 0).astype(int)
CLASS = LABELS.sum(axis=1) % 3
SHAPE = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}


@pytest.mark.parametrize("classes", [[0, 1], [5, 7, 9], ["a", "b", "c"]], ids=str)
@pytest.mark.parametrize("kind", [MLPClassifier, cr.MLPClassifier])
def test_the_classes_of_several_labels_are_their_columns(kind, classes):
    model = kind(**SHAPE)
    with pytest.raises(ValueError, match="`y` has classes not in "):
        model.partial_fit(X, LABELS, classes=classes)


@pytest.mark.parametrize("classes", [[0, 1, 2], [0, 1, 2, 99]], ids=str)
def test_the_classes_of_several_labels_are_those_that_were_passed_at_first(classes):
    theirs, ours = (kind(**SHAPE) for kind in (MLPClassifier, cr.MLPClassifier))
    for _ in range(2):
        for model in (theirs, ours):
            model.partial_fit(X, LABELS, classes=classes)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    assert ours.predict(X).shape == theirs.predict(X).shape == LABELS.shape


@pytest.mark.parametrize("again", ["fit", "partial_fit"])
def test_labels_are_no_classes_for_a_fit_that_goes_on(again):
    model = cr.MLPClassifier(**SHAPE, warm_start=again == "fit").fit(X, CLASS)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="y has 3 labels in each row, and one class in each before"):
        getattr(model, again)(X, LABELS)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.set_params(warm_start=False).fit(X, LABELS).predict(X).shape == LABELS.shape


@pytest.mark.parametrize(
    ("y", "held", "sentence"),
    [
        (CLASS, LABELS, "y has 3 labels in each row, and one class in each before"),
        (LABELS, CLASS, "validation_data has one class in each row, and 3 labels are trained on"),
    ],
)
def test_validation_data_has_the_form_of_the_training_rows(y, held, sentence):
    with pytest.raises(ValueError, match=sentence):
        cr.MLPClassifier(**SHAPE, early_stopping=True).fit(X, y, validation_data=(X, held))
