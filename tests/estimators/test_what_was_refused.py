"""What scikit-learn's classes cannot do: what some of the options mean, and many of them together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.preprocessing import scale

import chainrule as cr
from chainrule.graph.sparse import SparseRows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = scale(X)
PLAIN = {"hidden_layer_sizes": (6, 6), "max_iter": 6, "random_state": 0, "learning_rate_init": 0.01}


def curve(kind=cr.MLPClassifier, **options):
    data = (X, Y) if kind is cr.MLPClassifier else (X[:, :3], X[:, 3] + 3)
    return kind(**{**PLAIN, **options}).fit(*data).loss_curve_


def test_together():
    model = cr.MLPClassifier(
        (16, 16, 16), activation=("gelu", "tanh", "mish"), normalization="layer", residual=True, dropout=0.1,
        solver="adamw", learning_rate=cr.CosineDecay(0.02, steps=400), weight_decay=0.01,
        clip_global_norm=1.0, average=0.9, class_weight="balanced", max_iter=40, random_state=0,
        early_stopping=True, scoring="neg_log_loss", callbacks=[cr.TimeLimit(60)],
    ).fit(X, Y)  # fmt: skip
    assert model.score(X, Y) > 0.9
    assert [coef.shape for coef in model.coefs_] == [(4, 16), (16, 16), (16, 16), (16, 3)]


def test_class_weights_are_sample_weights():
    weights = {0: 5.0, 1: 1.0, 2: 0.5}
    each = np.array([weights[label] for label in Y])
    weighted = cr.MLPClassifier(**PLAIN).fit(X, Y, sample_weight=each)
    np.testing.assert_array_equal(
        cr.MLPClassifier(**PLAIN, class_weight=weights).fit(X, Y).coefs_[0], weighted.coefs_[0]
    )


@pytest.mark.parametrize("several", [False, True], ids=["classes", "labels"])
def test_class_weights_of_a_batch_that_lacks_a_class(several):
    y = np.column_stack([Y == 1, Y == 2]).astype(int) if several else Y
    weights = [{1: 3.0}, {1: 2.0}] if several else {2: 3.0}
    each = np.where(Y == 1, 3.0, 1.0) if several else np.where(Y == 2, 3.0, 1.0)
    own, given = (cr.MLPClassifier(**PLAIN, class_weight=given) for given in (weights, None))
    for rows in (Y < 3, Y < 2):
        own.partial_fit(X[rows], y[rows], classes=[0, 1] if several else [0, 1, 2])
        factors = each * np.where(Y == 2, 2.0, 1.0) if several else each
        given.partial_fit(
            X[rows], y[rows], classes=[0, 1] if several else [0, 1, 2], sample_weight=factors[rows]
        )
    np.testing.assert_array_equal(own.coefs_[0], given.coefs_[0])


def test_balanced_classes_count_rows_by_their_weight():
    """A row of weight 2 is two rows, and one of weight 0 none."""
    each = np.where(np.arange(150) % 3 == 0, 2, 1) * (np.arange(150) > 20)
    options = {**PLAIN, "solver": "lbfgs", "class_weight": "balanced"}
    weighted = cr.MLPClassifier(**options).fit(X, Y, sample_weight=each)
    repeated = cr.MLPClassifier(**options).fit(np.repeat(X, each, axis=0), np.repeat(Y, each))
    np.testing.assert_allclose(weighted.coefs_[0], repeated.coefs_[0], rtol=1e-7)


def test_class_weights_count_on_rows_that_are_not_trained_on():
    """They are those of the training rows, whether a part of these is held out or other rows are given."""
    seen = []

    def scorer(model, x, y, sample_weight):
        seen.append(dict(zip(y.tolist(), sample_weight.tolist(), strict=True)))
        return model.score(x, y, sample_weight)

    options = {**PLAIN, "early_stopping": True, "scoring": scorer, "max_iter": 1}
    few = np.flatnonzero((Y != 2) | (np.arange(150) % 5 == 0))  # 50, 50 and 10 rows of the classes
    for weights, expected in (
        ("balanced", {0: 110 / 150, 1: 110 / 150, 2: 110 / 30}),
        ({2: 3.0}, {0: 1.0, 1: 1.0, 2: 3.0}),
    ):
        model = cr.MLPClassifier(**options, class_weight=weights)
        model.fit(X[few], Y[few])
        model.fit(X[few], Y[few], validation_data=(X[:90], Y[:90]))  # without the class that counts more
        model.fit(X[few], Y[few], validation_data=(X, Y, np.full(150, 2.0)))
        assert seen.pop() == pytest.approx({label: 2 * number for label, number in expected.items()})
        for found in (seen.pop(), seen.pop()):
            assert found == pytest.approx({label: expected[label] for label in found})


@pytest.mark.parametrize("kind", [cr.MLPClassifier, cr.MLPRegressor])
def test_some_rows_count_among_those_that_are_held_out_and_among_the_others(kind):
    model, refused = kind(**PLAIN, early_stopping=True), []
    for row in range(150):  # the only one that counts
        with pytest.raises(ValueError, match="class weights included; leave out rows of weight 0") as caught:
            model.fit(X, Y, np.arange(150) == row)
        refused.append(str(caught.value).partition(" must")[0])
    held, others = (f"Sample weights of rows that are {no}held out" for no in ("", "not "))
    assert sorted(refused) == [held] * 135 + [others] * 15
    for solver in ("adam", "lbfgs"):
        model = cr.MLPClassifier(**PLAIN, solver=solver, calibrate=True, class_weight={2: 0.0})
        with pytest.raises(ValueError, match=f"^{held} must"):
            model.fit(X, Y, validation_data=(X[Y == 2], Y[Y == 2]))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_several_labels_with_class_weights_and_held_out_rows(form):
    x, y = make_multilabel_classification(60, 5, n_classes=3, random_state=0)
    options = {**PLAIN, "early_stopping": True, "max_iter": 3}
    own = [{0: 1.0, 1: weight} for weight in (2.0, 1.0, 0.5)]
    each = np.where(y, [2.0, 1.0, 0.5], 1.0).prod(axis=1)
    weighted = cr.MLPClassifier(**options).fit(x, form(y), each)
    model = cr.MLPClassifier(**options, class_weight=own).fit(x, form(y))
    assert model.validation_scores_ == weighted.validation_scores_
    np.testing.assert_array_equal(model.coefs_[0], weighted.coefs_[0])
    weighted.fit(x, form(y), each, validation_data=(x[:9], form(y[:9]), each[:9]))
    model.fit(x, form(y), validation_data=(x[:9], form(y[:9])))
    assert model.validation_loss_curve_ == weighted.validation_loss_curve_


@pytest.mark.parametrize(
    "loss",
    [
        "mean_absolute_error",
        "huber",
        "log_cosh",
        cr.Quantile(0.9),
        lambda p, t: cr.sum((p - t) ** 4, axis=-1),
    ],
    ids=["mean_absolute_error", "huber", "log_cosh", "quantile", "function"],
)
def test_losses_of_the_regressor(loss):
    assert curve(cr.MLPRegressor, loss=loss) != curve(cr.MLPRegressor)


def test_a_quantile_is_predicted():
    x, y = load_diabetes(return_X_y=True)
    model = cr.MLPRegressor(cr.Quantile(0.9), (8,), random_state=0, learning_rate_init=0.03, max_iter=300)
    assert 0.84 < np.mean(model.fit(20 * x, y / 100).predict(20 * x) > y / 100) < 0.96


def test_averaged_weights_predict():
    plain, averaged = (cr.MLPClassifier(**PLAIN, average=d).fit(X, Y) for d in (0.0, 0.95))
    assert plain.loss_curve_ == averaged.loss_curve_  # the average does not act on training
    assert np.abs(plain.coefs_[0] - averaged.coefs_[0]).max() > 1e-3
    before = averaged.coefs_[0]
    averaged.partial_fit(X, Y)
    plain.partial_fit(X, Y)
    assert averaged.loss_curve_ == plain.loss_curve_
    assert (averaged.coefs_[0] != before).any()


def test_validation_data_and_scorers():
    options = {**PLAIN, "max_iter": 200, "early_stopping": True, "n_iter_no_change": 3}
    own = cr.MLPClassifier(**options).fit(X[::2], Y[::2], validation_data=(X[1::2], Y[1::2]))
    assert own.best_validation_score_ == max(own.validation_scores_) == own.score(X[1::2], Y[1::2])
    assert own.n_iter_ < 200
    loss = cr.MLPClassifier(**options, scoring="neg_log_loss").fit(X, Y)
    assert max(loss.validation_scores_) < 0
    with pytest.raises(ValueError, match="validation_data"):
        cr.MLPClassifier(**options).fit(X, Y, validation_data=X)


def test_callbacks_see_each_epoch_and_stop(tmp_path):
    seen = []

    def look(progress):
        seen.append((progress.epoch, progress.logs["loss"], progress.model.score(X, Y)))
        if progress.epoch == 3:
            progress.stop()

    model = cr.MLPClassifier(**PLAIN, callbacks=[look, cr.CSVLogger(tmp_path / "log.csv")]).fit(X, Y)
    assert [epoch for epoch, *_ in seen] == [1, 2, 3]
    assert model.loss_curve_ == [loss for _, loss, _ in seen]
    assert seen[-1][2] == model.score(X, Y)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4


def test_scorers_that_know_no_weights_are_not_given_any():
    """As with scikit-learn's own metric of this kind, and with a user's function of three arguments."""
    options = {**PLAIN, "early_stopping": True, "max_iter": 2}
    data = X[:, :3], X[:, 3], np.linspace(0, 1, 150)
    for scoring in ("neg_max_error", lambda model, x, y: -np.abs(model.predict(x) - y).max()):
        model = cr.MLPRegressor(**options, scoring=scoring).fit(*data, validation_data=data)
        assert model.validation_scores_[-1] <= model.best_validation_score_ < 0


def test_the_doctor_looks_at_an_estimator_as_it_is_trained():
    """What it looks at are the weights of the epoch, and rows that may be sparse."""

    def compare(progress):
        carried = progress.model._trainer.loop_state.carried
        np.testing.assert_array_equal(carried["layers.0.weight"], progress.model.coefs_[0])

    doctor = cr.Doctor(tell=None)
    options = {**PLAIN, "solver": "sgd", "callbacks": [doctor, compare]}
    cr.MLPRegressor(**options).fit(X, Y)
    assert not doctor.verdicts
    cr.MLPRegressor(**{**options, "learning_rate_init": 3.0}, clip_norm=100.0).fit(sparse.csr_matrix(X), Y)
    assert "learning rate too high" in {verdict.name for verdict in doctor.verdicts}


def test_the_doctor_takes_few_rows_of_a_sparse_table(monkeypatch):
    """A table may fit into memory only as long as its zeros are left out."""
    table = sparse.random(5000, 30, 0.1, "csr", random_state=np.random.default_rng(0))
    taken, dense = [], SparseRows.__getitem__
    monkeypatch.setattr(SparseRows, "__getitem__", lambda self, rows: taken.append(rows) or dense(self, rows))
    doctor = cr.Doctor(tell=None)
    options = {**PLAIN, "max_iter": 2, "callbacks": [doctor]}
    cr.MLPRegressor(**options).fit(table, np.asarray(table.sum(axis=1)).ravel())
    assert doctor.verdicts == []
    assert max(len(np.arange(5000)[rows]) for rows in taken) == 2000


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"n_threads": np.int64(2)}, {"n_threads": 2}),
        ({"activation": np.array(["tanh", "logistic"])}, {"activation": ("tanh", "logistic")}),
        ({"callbacks": np.array([])}, {"callbacks": []}),
        ({"hidden_layer_sizes": np.array([6, 5])}, {"hidden_layer_sizes": (6, 5)}),
        ({"class_weight": [{0: 1.0, 1: 2.0}]}, {"class_weight": {0: 1.0, 1: 2.0}}),
    ],
    ids=lambda options: "-".join(options),
)
def test_options_as_numpy_has_them(given, plain):
    assert curve(**given) == curve(**plain)
