"""What scikit-learn's classes cannot do: what some of the options mean, and many of them together."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import scale

import chainrule as cr

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
