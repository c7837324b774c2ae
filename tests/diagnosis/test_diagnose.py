"""Before training: sound networks get no complaint, planted faults get their names, over several seeds."""

import itertools

import numpy as np
import pytest
from patients import ACTIVATIONS, DATA, combined, digits, iris, model_for, names, standardized
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_moons

import chainrule as cr
from chainrule.diagnosis.patient import Patient
from chainrule.diagnosis.start import start_loss

SEEDS = range(3)


# Both ways ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_sound_networks_get_no_complaint(name, activation, thorough):
    seed = len(name) + len(activation)  # another one for each
    optimizers = [cr.Adam(1e-3), cr.SGD(0.1), cr.SGD(0.01, momentum=0.9)]
    for optimizer in combined(optimizers, name, activation, thorough):
        model = model_for(name, activation=activation, optimizer=optimizer, seed=seed)
        found = model.diagnose(*DATA[name][0])
        assert found.sound, found
        assert len(found.checked) == 13
        assert str(found).startswith("nothing is wrong\nlooked at: scale of the features, ")


@pytest.mark.parametrize(
    "layers",
    [
        [cr.Dense(32, activation="relu")] * 3,
        [cr.Dense(32), cr.BatchNorm(), cr.Activation("relu"), cr.Dropout(0.2)],
        [cr.LayerNorm(), cr.Dense(32, activation="gelu"), cr.Residual([cr.Dense(32, activation="silu")])],
        [cr.Concatenate([cr.Dense(16, activation="softmax"), cr.Dense(16, activation="tanh")])],
        [],
    ],
    ids=["deep", "norm", "residual", "branches", "linear"],
)
def test_sound_networks_of_other_kinds(layers, thorough):
    for seed in SEEDS[: 2 if thorough else 1]:
        net = cr.Sequential([*layers, cr.Dense(10)])
        options = {"penalties": cr.L2(1e-4), "dtype": ("float32", "float64")[(seed + len(layers)) % 2]}
        found = cr.Model(net, loss="cross_entropy", optimizer="adam", seed=seed, **options).diagnose(
            *digits()
        )
        assert found, found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_small_learning_rate_is_no_fault(seed):
    """Its steps change weights by a tenth of what is usual and more, however slow a small network is."""
    x, y = make_moons(300, noise=0.2, random_state=0)
    net = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(2)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(1e-4), seed=seed)
    found = model.diagnose(standardized(x), y)
    assert found, found


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_a_weak_signal_and_a_truth_table_are_no_faults(seed):
    """Parity of rows that are all there are tells nothing of one that is held out."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(1000, 5))
    weak = x[:, 0] + 7 * generator.normal(size=1000)
    net = cr.Sequential([cr.Dense(32, activation="relu"), cr.Dense(1)])
    assert cr.Model(net, loss="mean_squared_error", seed=seed).diagnose(x, standardized(weak))
    bits = np.array(list(itertools.product([0.0, 1.0], repeat=6)))
    net = cr.Sequential([cr.Dense(32, activation="tanh"), cr.Dense(2)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(0.01), seed=seed)
    assert model.diagnose(bits, bits.sum(axis=1).astype(int) % 2)
    some = np.concatenate([bits, bits])[generator.permutation(128)[:100]]
    assert names(model.diagnose(some, generator.integers(2, size=100))) == FAULTS[-1:]


@pytest.mark.parametrize(
    "last",
    [
        [cr.Dense(10, weight_initializer="zeros")],
        [
            cr.Residual([cr.Dense(32, activation="relu"), cr.Dense(32, weight_initializer="zeros")]),
            cr.Dense(10),
        ],
        [cr.Dropout(0.8), cr.Dense(10, weight_initializer=cr.Constant(0.1))],
    ],
    ids=["zeros", "residual", "told apart by dropout"],
)
def test_layers_that_start_alike_and_do_not_stay_so(last):
    alike = {"weight_initializer": cr.Constant(0.1)} if isinstance(last[0], cr.Dropout) else {}
    net = cr.Sequential([cr.Dense(32, activation="relu", **alike), *last])
    model = cr.Model(net, loss="cross_entropy")
    found, doctor = model.diagnose(*digits()), cr.Doctor(tell=None)
    assert found, found
    model.fit(*digits(), epochs=2, callbacks=[doctor])
    assert not doctor.verdicts


def faulty(fault, seed):
    """A model with a fault, and its data."""
    generator = np.random.default_rng(seed)
    (x, y), (flowers, kinds) = digits(), iris()
    if fault == "features of wildly different scale":
        return model_for("cancer", seed=seed), load_breast_cancer(return_X_y=True)
    if fault == "target far from unit scale":
        raw = load_diabetes(return_X_y=True)
        return model_for("diabetes", seed=seed), (standardized(raw[0]), raw[1])
    if fault == "duplicated columns":
        return model_for("iris", seed=seed), (np.c_[flowers, 5 - 3 * flowers[:, 2]], kinds)
    if fault == "leaking columns":
        return model_for("iris", seed=seed), (np.c_[flowers, np.array([0.5, -1, 2])[kinds]], kinds)
    if fault == "softmax twice":
        return model_for("digits", last="softmax", seed=seed), (x, y)
    if fault == "sigmoid twice":
        return model_for("cancer", last="sigmoid", seed=seed), DATA["cancer"][0]
    if fault == "loss at the start too high":
        wide = cr.Sequential([cr.Dense(32), cr.Dense(10, weight_initializer=Normal(10.0))])
        return cr.Model(wide, loss="cross_entropy", seed=seed), (x, y)
    if fault == "features far from unit scale":
        return model_for("digits", depth=0, seed=seed), (16 * x, y)
    if fault == "units that are copies":
        alike = {"weight_initializer": cr.Constant(0.1)}
        layers = [cr.Dense(32, activation=("relu", "tanh", "sigmoid")[seed], **alike), cr.Dense(10, **alike)]
        return cr.Model(cr.Sequential(layers), loss="cross_entropy", seed=seed), (x, y)
    if fault == "dropout too high":
        layers = [cr.Dense(64, activation="relu"), cr.Dropout(0.99), cr.Dense(10)]
        return cr.Model(cr.Sequential(layers), loss="cross_entropy", seed=seed), (x, y)
    if fault == "dead units":
        return model_for("iris", bias_initializer=cr.Constant(-20.0), seed=seed), (flowers, kinds)
    if fault == "saturated units":
        return model_for("iris", activation="tanh", weight_initializer=Normal(40.0), seed=seed), (
            flowers,
            kinds,
        )
    if fault == "vanishing gradients":
        return model_for("digits", depth=9, activation="sigmoid", seed=seed), (x, y)
    if fault == "exploding gradients":
        strong = lambda z: 3 * z
        net = cr.Sequential(
            [*[cr.Dense(32, activation=strong)] * 8, cr.Dense(3, weight_initializer=Normal(1e-7))]
        )
        return cr.Model(net, loss="cross_entropy", seed=seed), (flowers, kinds)
    if fault == "learning rate too high":
        return model_for("digits", optimizer=(cr.SGD(30.0), cr.Adam(3.0))[seed % 2], seed=seed), (x, y)
    if fault == "learning rate too low":
        return model_for("digits", optimizer=(cr.SGD(1e-4), cr.Adam(1e-6))[seed % 2], seed=seed), (x, y)
    if fault == "updates too small":
        frozen = cr.Adam(1e-3, learning_rate_factors={"layers.0": 1e-7})
        return model_for("digits", optimizer=frozen, seed=seed), (x, y)
    if fault == "cannot overfit two rows":
        return model_for("iris", last=lambda z: 0.05 * cr.sin(2 * z), seed=seed), (flowers, kinds)
    assert fault == "input that does not help"
    name = ("digits", "wine", "diabetes")[seed % 3]
    (x, y), *_ = DATA[name]
    return model_for(name, seed=seed), (x, generator.permutation(y))


class Normal(cr.Initializer):
    """Normal numbers of any size."""

    def __init__(self, size):
        self.size = size

    def __call__(self, generator, shape):
        return self.size * generator.normal(size=shape)


FAULTS = [
    *["features of wildly different scale", "target far from unit scale", "duplicated columns"],
    *["leaking columns", "softmax twice", "sigmoid twice", "loss at the start too high", "dead units"],
    *["saturated units", "vanishing gradients", "exploding gradients", "learning rate too high"],
    *["features far from unit scale", "units that are copies", "dropout too high"],
    *["learning rate too low", "updates too small", "cannot overfit two rows", "input that does not help"],
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fault_gets_its_name_and_no_other(fault, seed):
    model, data = faulty(fault, seed)
    found = model.diagnose(*data)
    assert names(found) == [fault], found
    assert not found
    verdict = found.verdicts[0]
    assert verdict.evidence
    assert verdict.remedy
    assert any(sign.isdigit() for sign in verdict.evidence) or "twice" in fault


# What a verdict says -----------------------------------------------------------------------------


def test_outputs_that_happen_to_lie_between_0_and_1():
    """A sigmoid before the last layer, and nothing after it, is no probability."""
    for seed in range(12, 16):
        model = model_for(
            "cancer", depth=2, hidden=64, activation="sigmoid", seed=seed, optimizer=cr.AdamW(3e-3)
        )
        assert "sigmoid twice" not in names(model.diagnose(*DATA["cancer"][0]))


def test_where_and_by_what():
    (dead,) = faulty("dead units", 0)[0].diagnose(*iris()).verdicts
    assert dead.where == "layers.0 (Dense)"
    assert "100 % give 0" in dead.evidence
    model, data = faulty("duplicated columns", 0)
    assert "columns 2 and 4 say the same" in model.diagnose(*data).verdicts[0].evidence
    model, data = faulty("leaking columns", 0)
    assert (
        "column 4 alone tells the target: it says the class in 100 % of 150 rows"
        in model.diagnose(*data).verdicts[0].evidence
    )
    model, data = faulty("learning rate too high", 0)
    assert "at 30 (a step changes weights by" in model.diagnose(*data).verdicts[0].evidence
    model, data = faulty("vanishing gradients", 0)
    assert model.diagnose(*data).verdicts[0].where == "layers.0 (Dense)"


def test_a_leak_among_numbers():
    x, y = DATA["diabetes"][0]
    found = model_for("diabetes").diagnose(np.c_[x, 3 - 2 * y], y)
    assert names(found) == ["leaking columns"]


def test_the_other_scales():
    x, y = iris()
    assert "varies by" in str(model_for("iris").diagnose(100 * x, y))
    years = x.copy()
    years[:, 1] += 2000
    assert "lies around 2000" in str(model_for("iris").diagnose(years, y))
    norm = cr.Sequential([cr.BatchNorm(), cr.Dense(16, activation="relu"), cr.Dense(3)])
    assert cr.Model(norm, loss="cross_entropy").diagnose(100 * x, y)  # it standardizes by itself


def test_a_schedule_is_made_slower_and_faster():
    model = model_for("digits", optimizer=cr.SGD(lambda t: 1e-4 * 0.999**t))
    found = model.diagnose(*digits())
    assert names(found) == ["learning rate too low"]
    assert "the schedule's" in found.verdicts[0].evidence


# The model and its data --------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["compiled", "numpy"])
def test_nothing_is_changed(executor):
    x, y = iris()
    alone, examined = (
        cr.Model(
            cr.Sequential([cr.Dense(8, activation="tanh"), cr.Dropout(0.1), cr.Dense(3)]),
            loss="cross_entropy",
            executor=executor,
        )
        for _ in range(2)
    )
    assert examined.diagnose(x, y)
    assert (examined.steps, examined.epochs) == (0, 0)
    assert alone.fit(x, y, epochs=2) == examined.fit(x, y, epochs=2)
    if executor == "compiled":
        assert examined.diagnose(x, y, sample_weight=np.arange(len(x)) % 2)
        assert alone.fit(x, y) == examined.fit(x, y)
        assert repr(examined.diagnose(x, y)) == repr(alone.diagnose(x, y))


def test_few_rows_and_odd_sizes():
    """There is little to say, and nothing fails."""
    xor = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    net = cr.Sequential([cr.Dense(8, activation="tanh"), cr.Dense(2)])
    assert cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(0.05)).diagnose(xor, [0, 1, 1, 0])
    cr.Model(cr.Dense(1), loss="mean_squared_error").diagnose([[1.0]], [2.0])
    cr.Model(cr.Dense(2), loss="huber").diagnose(np.ones((3, 2)), np.ones((3, 2)))
    images = cr.Sequential([cr.Flatten(), cr.Dense(3)])
    cr.Model(images, loss="cross_entropy").diagnose(
        np.random.default_rng(0).normal(size=(9, 4, 4)), [0, 1, 2] * 3
    )
    words = cr.Sequential([cr.Embedding(50, 8), cr.Flatten(), cr.Dense(2)])
    x = np.random.default_rng(0).integers(50, size=(100, 3))
    assert cr.Model(words, loss="cross_entropy", optimizer=cr.Adam(0.01)).diagnose(x, (x[:, 0] > 25) * 1)


def test_an_objective():
    x, y = DATA["diabetes"][0]
    objective = lambda network, x, y: (network(x)[:, 0] - y) ** 2
    net = cr.Sequential([cr.Dense(16, activation="tanh"), cr.Dense(1)])
    assert cr.Model(net, objective=objective).diagnose(x, y)


def test_an_objective_that_differentiates_the_network_and_takes_no_target():
    """u' = -u with u(0) = 1."""
    x = np.linspace(0, 2, 60)[:, None]

    def objective(network, x, y):
        slope = cr.grad(lambda t: cr.sum(network(t)))(x)
        return (slope + network(x))[:, 0] ** 2 + (network(0 * x)[:, 0] - 1) ** 2

    for activation in ("tanh", "sigmoid"):
        net = cr.Sequential([cr.Dense(16, activation=activation), cr.Dense(1)])
        found = cr.Model(net, objective=objective, optimizer=cr.Adam(0.01)).diagnose(x)
        assert found, found
    dead = cr.Sequential([cr.Dense(16, activation="relu", bias_initializer=cr.Constant(-20.0)), cr.Dense(1)])
    assert names(cr.Model(dead, objective=objective).diagnose(x)) == ["dead units"]


def test_bad_input():
    model = model_for("iris")
    x, y = iris()
    with pytest.raises(ValueError, match=r"^x has 150 rows and y 3"):
        model.diagnose(x, y[:3])
    with pytest.raises(ValueError, match="did you mean 'sample_weight'"):
        model.diagnose(x, y, sample_weights=y)
    assert model._trainer.x is None


def test_raw_digits_have_one_verdict_with_the_cause():
    x, y = digits()
    (verdict,) = model_for("digits", seed=1).diagnose(16 * x, y).verdicts
    assert (verdict.name, verdict.where) == ("features far from unit scale", "x")
    assert "columns reach 16, and the loss at the start is 1" in verdict.evidence
    assert "; with standardized columns it would be" in verdict.evidence
    assert model_for("digits", seed=1).diagnose(standardized(x), y)


def test_raw_iris_is_not_refused_for_its_scale():
    x, y = load_iris(return_X_y=True)
    assert "features of wildly different scale" not in names(model_for("iris").diagnose(x, y))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_units_that_are_0_or_1_to_the_last_digit_are_saturated(activation):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(200, 16))
    net = cr.Sequential([cr.Dense(32, activation=activation), cr.Dense(3)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(2e-3))
    model.build(features=16)
    model.set_weights({"layers.0.weight": generator.normal(size=(16, 32)) * 1000})
    found = model.diagnose(x, generator.integers(0, 3, 200))
    assert "saturated units" in [verdict.name for verdict in found.verdicts]


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_the_unit_of_a_loss_is_no_fault(factor):
    x, y = DATA["diabetes"][0]
    loss = lambda prediction, target: factor * cr.sum((target - prediction) ** 2, axis=-1)
    for optimizer in (cr.Adam(1e-3), cr.SGD(0.01 / factor)):
        net = cr.Sequential([cr.Dense(16, activation="relu"), cr.Dense(1)])
        found = cr.Model(net, loss=loss, optimizer=optimizer).diagnose(x, y)
        assert found, found
        doctor = cr.Doctor(tell=None)
        cr.Model(net, loss=loss, optimizer=optimizer).fit(x, y, epochs=4, callbacks=[doctor])
        assert not doctor.verdicts
    for rate in (10, 1e6):  # with the second the loss is infinite, also with a hundredth of it
        fast = cr.Model(net, loss=loss, optimizer=cr.SGD(rate / factor))
        assert names(fast.diagnose(x, y)) == ["learning rate too high"]


def test_gradients_that_no_learning_rate_is_small_enough_for():
    x, y = DATA["diabetes"][0]
    large = {"weight_initializer": Normal(3.0)}
    net = cr.Sequential([*[cr.Dense(32, activation="relu", **large)] * 8, cr.Dense(1, **large)])
    objective = lambda network, x, y: (network(x)[:, 0] - y) ** 2
    found = cr.Model(net, objective=objective, optimizer=cr.SGD(0.1)).diagnose(x, y)
    assert names(found) == ["exploding gradients"]
    assert "however small the learning rate" in str(found)


def test_weights_that_make_gradients_explode_are_named():
    """The last layer's gradients are the largest, and its weights are as usual."""
    wide = [cr.Dense(32, activation="relu", weight_initializer=cr.Uniform(1.0)) for _ in range(8)]
    (verdict,) = (
        cr.Model(cr.Sequential([*wide, cr.Dense(3)]), loss="cross_entropy").diagnose(*iris()).verdicts
    )
    assert verdict.name == "exploding gradients"
    assert (
        "weights are up to 2.4 times as large as usual in 7 layers, layers.1 to layers.7" in verdict.evidence
    )


@pytest.mark.parametrize("hidden", [[], [8]])
def test_targets_that_are_small_or_lie_beside_0(hidden):
    x = np.random.default_rng(0).normal(size=(200, 2))
    for y in ((x[:, 0] > 0) * 1.0, 0.1 * x[:, 0], x[:, 0] + 2 + 0.2 * x[:, 1] ** 2):
        for size in (1.0, 100.0):
            last = cr.Dense(1, weight_initializer=Normal(size))
            net = cr.Sequential([*[cr.Dense(units, activation="tanh") for units in hidden], last])
            trainer = cr.Model(net, loss="huber")._trainer
            found = list(start_loss(Patient(trainer, trainer.batch(x, y, None))))
            assert [verdict.name for verdict in found] == FAULTS[6:7] * (size > 1)


def test_a_rate_that_is_far_too_high_also_where_the_loss_comes_down():
    for seed in range(3):
        model = model_for("iris", optimizer=cr.Adam(10.0), seed=seed)
        assert names(model.diagnose(*iris())) == ["learning rate too high"]


# Learning rates that are too low, to both doctors -------------------------------------------------


def regression():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 8))
    return x, np.sin(x[:, 0]) + x[:, 1] * x[:, 2] / 2 + 0.1 * generator.normal(size=500)


@pytest.mark.parametrize(
    ("activation", "optimizer", "found"),
    [
        ("relu", cr.SGD(0.01), []),
        ("tanh", cr.SGD(1e-4), ["learning rate too low"]),
        ("relu", cr.SGD(1e-8), ["learning rate too low"]),
        ("relu", cr.SGD(1e-5, momentum=0.9), ["learning rate too low"]),
        ("relu", cr.Adam(1e-4), []),
        ("tanh", cr.Adam(1e-5), ["learning rate too low"]),
    ],
    ids=["sgd", "thousandth", "nothing moves", "momentum", "adam", "slow adam"],
)
def test_a_regression_at_a_thousandth_of_its_rate_and_less(activation, optimizer, found):
    net = cr.Sequential([cr.Dense(32, activation=activation), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", optimizer=optimizer)
    doctor = cr.Doctor(tell=None)
    assert names(model.diagnose(*regression())) == found
    model.fit(*regression(), epochs=5, callbacks=[doctor])
    assert names(doctor) == found


def test_a_schedule_that_warms_up_is_not_too_low_yet():
    x, y = DATA["wine"][0]
    warming = cr.SGD(cr.CosineDecay(0.1, steps=10000, warmup_steps=20000))
    doctor = cr.Doctor(tell=None)
    assert model_for("wine", optimizer=warming).diagnose(x, y)
    model_for("wine", optimizer=warming).fit(x, y, epochs=3, callbacks=[doctor])
    assert not doctor.verdicts


def test_a_rate_that_is_multiplied_at_each_step_is_looked_at():
    """As in a search for a rate: in some thousand steps it is more than any number."""
    x, y = DATA["wine"][0]
    rising = cr.SGD(lambda t: 1e-6 * 1.1**t)
    doctor = cr.Doctor(tell=None)
    assert "learning rate too low" not in names(model_for("wine", optimizer=rising).diagnose(x, y))
    model_for("wine", optimizer=rising).fit(x, y, epochs=3, callbacks=[doctor])
    assert not doctor.verdicts


# Units that are copies before a layer that is drawn at random ------------------------------------


@pytest.mark.parametrize("initializer", ["zeros", cr.Constant(0.1)], ids=["zeros", "constant"])
@pytest.mark.parametrize(
    ("activation", "name"), [("relu", "iris"), ("tanh", "diabetes"), ("sigmoid", "iris")]
)
def test_copies_before_a_layer_that_is_drawn(activation, initializer, name):
    model = model_for(name, activation=activation, weight_initializer=initializer)
    doctor = cr.Doctor(tell=None)
    (found,) = model.diagnose(*DATA[name][0]).verdicts
    assert (found.name, found.where) == ("units that are copies", "layers.0 (Dense)")
    assert "its 32 units start with the same weights" in found.evidence
    model.fit(*DATA[name][0], epochs=1, callbacks=[doctor])
    assert names(doctor) == ["units that are copies"]


def test_branches_that_start_at_0_are_no_copies():
    """What is added to them differs from unit to unit."""

    def block():
        inner = [cr.LayerNorm(), cr.Dense(64, activation="gelu"), cr.Dense(32, weight_initializer="zeros")]
        return cr.Residual(inner)

    net = cr.Sequential([cr.Dense(32), block(), block(), cr.LayerNorm(), cr.Dense(10)])
    found = cr.Model(net, loss="cross_entropy").diagnose(*digits())
    assert found, found


# Targets that are odd ----------------------------------------------------------------------------


def test_targets_that_are_all_alike_teach_nothing():
    x, y = iris()
    assert names(model_for("iris").diagnose(x, 0 * y)) == FAULTS[-1:]
    assert names(model_for("diabetes").diagnose(x, np.full(150, 2.0))) == FAULTS[-1:]
    assert names(model_for("cancer").diagnose(x, np.zeros(150))) == FAULTS[-1:]
    residual = model_for("diabetes").diagnose(x, np.zeros(150))  # as of an equation: it is to become 0
    assert residual, residual


@pytest.mark.parametrize("size", [1e20, 1e30])
def test_a_huge_target_is_named_and_warns_of_nothing(size):
    x, y = DATA["diabetes"][0]
    assert "target far from unit scale" in names(model_for("diabetes").diagnose(x, size * y))
