"""What can be set of a model acts; everything else is refused with what to do instead."""

import copy
import dataclasses
import pickle
import weakref

import pytest
from training_cases import assert_differ, assert_same, regression, table

import chainrule as cr
from bad_input import refused

X, Y = table()
OPTIMIZER = (
    r"^SGD: {0} cannot be set; set another optimizer, as in model\.optimizer = "
    r"dataclasses\.replace\(model\.optimizer, {0}=\.\.\.\)$"
)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("optimzer", "^there is no attribute of a model 'optimzer'; did you mean 'optimizer'"),
        ("meta", "^there is no attribute of a model 'meta'; did you mean 'metadata'"),
        ("zzz", "^there is no attribute of a model 'zzz'; there are build, check_gradients, "),
        (
            "learning_rate",
            r"^learning_rate is a number of the optimizer; set another optimizer, as in model\.optimizer = "
            r"dataclasses\.replace\(model\.optimizer, learning_rate=\.\.\.\)$",
        ),
        ("momentum", "^momentum is a number of the optimizer; "),
        ("beta_1", "^there is no attribute of a model 'beta_1'"),  # it has SGD
        ("weights", r"^a model's weights cannot be set; model\.set_weights\(\{\.\.\.\}\) replaces arrays by"),
        ("state", "^a model's state cannot be set; model.set_weights"),
        ("network", "^a model's network cannot be set; make another model, and hand over the weights"),
        *((name, f"^a model's {name} cannot be set; make") for name in ("loss", "dtype", "seed", "epochs")),
    ],
)
def test_what_cannot_be_set(name, sentence):
    model = regression()
    with refused(sentence, kind=AttributeError):
        setattr(model, name, 3)
    with pytest.raises(AttributeError):
        object.__getattribute__(model, "__dict__")


@pytest.mark.parametrize(
    ("part", "name", "sentence"),
    [
        (lambda model: model.optimizer, "learning_rate", OPTIMIZER.format("learning_rate")),
        (lambda model: model.optimizer, "momentum", OPTIMIZER.format("momentum")),
        (lambda model: model.optimizer, "lr", "nothing can be set, and there is no option 'lr'"),
        (lambda model: model.network.layers[0], "units", "^Dense: units cannot be set; make another, as in"),
        (lambda model: model.loss, "label_smoothing", "^MeanSquaredError: nothing can be set, and there"),
        (lambda model: cr.CosineDecay(0.1, steps=9), "steps", "^CosineDecay: steps cannot be set; make"),
    ],
)
def test_the_options_of_parts_cannot_be_set(part, name, sentence):
    model = regression()
    with refused(sentence, kind=dataclasses.FrozenInstanceError):
        setattr(part(model), name, 3)


def test_a_subclass_that_is_no_dataclass_has_its_own_attributes():
    class Counting(cr.Dense):
        pass

    layer = Counting(3)
    layer.count = 2
    assert layer.count == 2
    with refused("^Counting: units cannot be set; make another", kind=dataclasses.FrozenInstanceError):
        layer.units = 4


def test_what_is_to_be_written_instead_acts():
    slow, fast = regression(), regression()
    fast.optimizer = dataclasses.replace(fast.optimizer, learning_rate=0.5)
    for model in (slow, fast):
        model.fit(X, Y)
    assert fast.optimizer.learning_rate == 0.5
    assert_differ(slow.weights, fast.weights)


def test_the_executor_and_the_threads_can_be_set():
    model = regression()
    model.executor, model.n_threads = "numpy", 2
    assert (model.executor, model.n_threads) == ("numpy", 2)
    with refused("^there is no executor 'nump'; did you mean 'numpy'", model):
        model.executor = "nump"
    with refused("^n_threads is a whole number of at least 1, not 0$", model):
        model.n_threads = 0
    assert (model.executor, model.n_threads) == ("numpy", 2)
    model.fit(X, Y)
    model.n_threads = None


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_copies_have_all_attributes(copied):
    model = regression(seed=3, executor="numpy", n_threads=2)
    model.metadata["of"] = "rows"
    model.fit(X, Y)
    other = copied(model)
    assert (other.seed, other.executor, other.n_threads, other.metadata) == (3, "numpy", 2, {"of": "rows"})
    assert_same(other.weights, model.weights)
    assert weakref.ref(other)() is other


def test_a_subclass_may_have_attributes_of_its_own():
    class Named(cr.Model):
        def __init__(self, name):
            super().__init__(cr.Dense(1), loss="mean_squared_error")
            self.name = name

    assert copy.deepcopy(Named("one")).name == "one"
