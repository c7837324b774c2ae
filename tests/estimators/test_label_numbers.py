"""Several labels in other numbers than 0 and 1: as in scikit-learn, each number but 0 is the label."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.neural_network import MLPClassifier
from sklearn.utils.fixes import parse_version

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
KINDS = MLPClassifier, cr.MLPClassifier
X = np.random.default_rng(0).normal(size=(80, 3))
ONES = (X[:, :2] > 0).astype(int)
SHAPE = {"hidden_layer_sizes": (4,), "max_iter": 6, "random_state": 0, "learning_rate_init": 0.05}
EARLY = {"early_stopping": True, "validation_fraction": 0.3}
TARGETS = {
    "2": 2 * ONES,
    "255": (255 * ONES).astype(np.uint8),
    "-1 and 1": 2 * ONES - 1,
    "-0.0 and 3.0": np.where(ONES, 3.0, -0.0),
    "sparse 7": sparse.csr_matrix(7 * ONES),
    "bool": ONES > 0,
}


@pytest.mark.parametrize("options", [{}, {"solver": "lbfgs"}, EARLY], ids=["adam", "lbfgs", "early stopping"])
@pytest.mark.parametrize("name", TARGETS)
def test_they_are_trained_on_as_scikit_learn_does(name, options):
    if parse_version(sklearn.__version__) < parse_version("1.7") and options is EARLY:
        pytest.skip("scikit-learn's own class cannot do it")
    y = TARGETS[name]
    theirs, ours = (kind(**SHAPE, **options, shuffle=False).fit(X, y) for kind in KINDS)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-6, atol=1e-9)
    if options is EARLY:
        assert ours.validation_scores_ == pytest.approx(theirs.validation_scores_)
    if options or name == "-1 and 1":
        return
    for model in (theirs, ours):
        for _ in range(3):
            model.partial_fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-6, atol=1e-9)
    found = [model.predict(X) for model in (theirs, ours)]
    assert sparse.issparse(found[0]) == sparse.issparse(found[1]) == (name == "sparse 7")
    np.testing.assert_array_equal(*(each.toarray() if sparse.issparse(each) else each for each in found))


@pytest.mark.parametrize(
    "options",
    [{}, {"loss": cr.BinaryCrossEntropy()}, {"class_weight": "balanced"}, {"scoring": "f1_macro"}],
    ids=lambda options: "".join(options) or "plain",
)
def test_the_numbers_of_the_labels_change_nothing(options):
    """Of rows to train on, of those to validate on, and for the scores of the latter."""

    def ended(times):
        model = cr.MLPClassifier(**SHAPE, early_stopping=True, **options)
        model.fit(X[:60], times * ONES[:60], validation_data=(X[60:], times * ONES[60:]))
        return [*model.coefs_, model.validation_scores_, model.validation_loss_curve_, model.predict(X)]

    np.testing.assert_equal(ended(3), ended(1))
