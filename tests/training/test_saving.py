"""A model in a file: it predicts the same bits and trains on as if nothing had happened."""

import errno
import json
import struct

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from training_cases import (
    CLASSES,
    arrays_of,
    assert_same,
    classes,
    classification,
    network,
    regression,
    table,
)

import chainrule as cr

SCHEDULES = [
    cr.ConstantRate(0.05),
    cr.StepDecay(0.05, every=3, factor=0.5),
    cr.ExponentialDecay(0.05, every=3),
    cr.PolynomialDecay(0.05, steps=9, final_rate=0.01, power=2.0),
    cr.CosineDecay(0.05, steps=4, warmup_steps=2, restarts=True, period_multiplier=2),
    cr.OneCycle(0.05, steps=12),
]
SHARED = {
    "weight_decay": 0.1,
    "clip_value": 1.0,
    "clip_norm": 0.9,
    "clip_global_norm": 0.8,
    "average": 0.7,
    "learning_rate_factors": {"layers.0": 0.5, "layers.1.bias": 0.0},
}
OPTIMIZERS = [
    *(cr.SGD(schedule) for schedule in SCHEDULES),
    cr.SGD(0.05, momentum=0.9, nesterov=True),
    cr.RMSprop(0.01, momentum=0.5, centered=True),
    *(one(0.02, **SHARED) for one in (cr.SGD, cr.RMSprop, cr.Adagrad, cr.Adadelta, cr.Adam, cr.AMSGrad)),
    *(one(0.02, **SHARED) for one in (cr.AdamW, cr.Nadam, cr.RAdam, cr.Lion)),
    cr.Adam(cr.CosineDecay(0.05, steps=30)),
]
EVERY_LAYER = cr.Sequential(
    [
        cr.Concatenate(
            [
                cr.Columns([0, 1]),
                cr.Sequential(
                    [cr.Columns([2]), cr.Embedding(4, units=2, weight_initializer="he_normal"), cr.Flatten()]
                ),
            ]
        ),
        cr.Dense(6, activation="mish", use_bias=False, weight_initializer=cr.Orthogonal()),
        cr.BatchNorm(momentum=0.8),
        cr.Dropout(0.25),
        cr.Residual([cr.LayerNorm(epsilon=1e-4), cr.Dense(6, bias_initializer=cr.Constant(0.1))]),
        cr.Activation("leaky_relu"),
        cr.Dense(CLASSES, weight_initializer=cr.LeCunNormal()),
    ]
)
LOSSES = [
    cr.CrossEntropy(label_smoothing=0.1),
    cr.BinaryCrossEntropy(label_smoothing=0.2),
    cr.Hinge(),
    cr.MeanSquaredError(),
    cr.MeanAbsoluteError(),
    cr.Huber(0.7),
    cr.LogCosh(),
    cr.Quantile(0.9),
    cr.Quantile((0.1, 0.3, 0.5, 0.9)),
    cr.Poisson(),
    cr.Gamma(),
    cr.Focal(1.5, label_smoothing=0.1),
    cr.BinaryFocal(gamma=0.5),
]


def saved(model, folder):
    """Return what is loaded after saving."""
    model.save(folder / "model.safetensors")
    return cr.load(folder / "model.safetensors")


def trained(model, x, y, epochs=1):
    """Return the history of a fit; all are alike, so that they share their code."""
    return model.fit(x, y, epochs=epochs, batch_size=6, validation_data=(x, y))


def assert_goes_on(model, loaded, x, y):
    """Both predict the same bits, and do so after more training."""
    assert repr(loaded) == repr(model)
    assert (loaded.steps, loaded.epochs, loaded.seed) == (model.steps, model.epochs, model.seed)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    np.testing.assert_array_equal(loaded.predict(x, link=True), model.predict(x, link=True))
    assert loaded.evaluate(x, y) == model.evaluate(x, y)
    assert_same(arrays_of(loaded), arrays_of(model))
    assert trained(loaded, x, y, epochs=3) == trained(model, x, y, epochs=3)
    assert_same(arrays_of(loaded), arrays_of(model))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: repr(one)[:45])
def test_every_optimizer_goes_on(optimizer, tmp_path):
    x, y = classes()
    model = classification(optimizer=optimizer, seed=9)
    trained(model, x, y, epochs=2)
    assert_goes_on(model, saved(model, tmp_path), x, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_layer_goes_on(dtype, tmp_path):
    x, y = classes()
    x[:, 2] = np.arange(len(x)) % 4
    penalties = [cr.L1(0.01), cr.L2(0.1, parameters=("weight", "bias"))]
    model = cr.Model(EVERY_LAYER, loss="cross_entropy", dtype=dtype, seed=2**40, penalties=penalties)
    trained(model, x, y, epochs=2)
    loaded = saved(model, tmp_path)
    assert loaded.dtype == np.dtype(dtype)
    assert loaded.network == EVERY_LAYER
    assert_goes_on(model, loaded, x, y)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_every_loss_goes_on(loss, tmp_path):
    x, y = table(outputs=4)
    if isinstance(loss, cr.Quantile) and isinstance(loss.quantiles, tuple):
        y = y[:, :1]
    elif isinstance(loss, cr.CrossEntropy):
        y = y.argmax(axis=1)
    elif isinstance(loss, cr.Hinge):
        y = np.sign(y)
    elif isinstance(loss, cr.BinaryCrossEntropy | cr.Poisson):
        y = y > 0
    elif isinstance(loss, cr.Gamma):
        y = np.exp(y)
    model = regression(network(outputs=4), loss=loss)
    trained(model, x, y, epochs=2)
    loaded = saved(model, tmp_path)
    assert loaded.loss == loss
    assert_goes_on(model, loaded, x, y)


def test_activations_by_name(tmp_path):
    x, y = table()
    names = [
        "identity",
        "relu",
        "leaky_relu",
        "elu",
        "selu",
        "gelu",
        "silu",
        "mish",
        "softplus",
        "sigmoid",
        "tanh",
    ]
    model = regression(cr.Sequential([*(cr.Dense(3, activation=name) for name in names), cr.Dense(1)]))
    trained(model, x, y)
    assert_goes_on(model, saved(model, tmp_path), x, y)


def test_several_axes(tmp_path):
    x = np.random.default_rng(2).normal(size=(8, 2, 3))
    model = regression(cr.Sequential([cr.Dense(4), cr.Flatten(), cr.Dense(1)]))
    model.fit(x, x[:, 0, 0])
    assert_goes_on(model, saved(model, tmp_path), x, x[:, 0, 0])


def test_weights_that_were_set_are_saved(tmp_path):
    model = regression()
    model.build(features=3)
    model.set_weights({"layers.1.bias": [0.125]})
    assert saved(model, tmp_path).weights["layers.1.bias"] == [0.125]


def test_a_model_without_weights_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="no weights yet"):
        regression().save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_metadata_comes_back(tmp_path):
    model = regression()
    model.build(features=3)
    model.metadata = {"columns": ["a", "ü"], "mean": [0.1, None], "nested": {"1": True}}
    assert saved(model, tmp_path).metadata == model.metadata


def test_metadata_that_json_cannot_hold(tmp_path):
    path = tmp_path / "model.safetensors"
    model = regression()
    model.build(features=3)
    model.save(path)
    before = path.read_bytes()
    model.metadata = {"mean": np.zeros(2)}
    with pytest.raises(ValueError, match="the model's metadata cannot be written as JSON"):
        model.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_saving_changes_nothing(tmp_path):
    x, y = classes()
    model, alone = classification(EVERY_LAYER_OF_NUMBERS), classification(EVERY_LAYER_OF_NUMBERS)
    for one in (model, alone):
        one.fit(x, y)
    model.save(tmp_path / "model.safetensors")
    assert model.fit(x, y) == alone.fit(x, y)
    assert_same(arrays_of(model), arrays_of(alone))


EVERY_LAYER_OF_NUMBERS = cr.Sequential([cr.Dense(5), cr.BatchNorm(), cr.Dropout(0.5), cr.Dense(CLASSES)])


# Files that are none -----------------------------------------------------------------------------


def built():
    """A model that has weights."""
    model = regression()
    model.build(features=3)
    return model


@pytest.fixture
def file(tmp_path):
    """A small model's file."""
    x, y = table()
    model = regression(optimizer=cr.Adam(0.01))
    model.fit(x, y)
    model.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def rewrite(path, change, arrays=lambda arrays: None):
    """Write the file again with its header and arrays changed."""
    with safe_open(path, framework="numpy") as opened:
        header = json.loads(opened.metadata()["chainrule"].partition("\n")[0])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    change(header)
    arrays(tensors)
    save_file(tensors, path, metadata={"chainrule": json.dumps(header)})


def refused(path, sentence):
    """The file is refused in one line that names it."""
    with pytest.raises(ValueError, match=sentence) as caught:
        cr.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [FileNotFoundError, OSError, ValueError])
def test_no_file(tmp_path, kind):
    """It is caught as what it is, and as bad input."""
    place, missing = str(tmp_path), str(tmp_path / "no" / "m.safetensors")
    with pytest.raises(kind, match=f"^there is no file {missing!r}; check its path$") as caught:
        cr.load(missing)
    assert caught.value.errno == errno.ENOENT
    sentence = f"^the folder of {missing!r} does not exist; make it, or name another file$"
    with pytest.raises(kind, match=sentence):
        built().save(missing)
    kind = IsADirectoryError if kind is FileNotFoundError else kind
    with pytest.raises(
        kind, match=f"^{place!r} is a folder, not a model file; name the file in it$"
    ) as caught:
        cr.load(place)
    assert caught.value.errno == errno.EISDIR
    with pytest.raises(kind, match=f"^{place!r} is a folder; name a file$"):
        built().save(place)


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.99])
def test_cut_files(file, keep):
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    refused(file, "not a model file of chainrule, or it is damaged")


def test_other_files(file):
    file.write_text("a,b\n1,2\n" * 100)
    refused(file, "not a model file of chainrule, or it is damaged")
    save_file({"w": np.zeros(3)}, file)
    refused(file, "not a model file of chainrule, or it is damaged")
    file.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    refused(file, "not a model file of chainrule, or it is damaged")


def test_newer_format(file):
    rewrite(file, lambda header: header.update(format=2))
    refused(file, r"written by a newer version \(format 2\)")


def test_unknown_class(file):
    rewrite(file, lambda header: header["network"].update(type="Transformer"))
    refused(file, "uses 'Transformer', which this version of chainrule does not have")


@pytest.mark.parametrize("name", ["os.system", "Layer", "dict.fromkeys", "Optimizer"])
def test_only_parts_of_a_network_are_made(file, name):
    rewrite(file, lambda header: header["network"].update(type=name))
    refused(file, "cannot be read as a model")


PARTS = ["network", "loss", "objective", "optimizer", "penalties", "dtype", "x", "y"]
FIELDS = ["format", *PARTS, "step", "epoch", "seed", "metadata"]


@pytest.mark.parametrize("field", FIELDS)
def test_missing_entries(file, field):
    rewrite(file, lambda header: header.pop(field))
    refused(file, f"is damaged: it lacks '{field}'; train the model and save it again$")


def test_every_entry_is_tried(file):
    rewrite(file, lambda header: sorted(header) == sorted(FIELDS) or pytest.fail(str(sorted(header))))


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["network"]["layers"][0].update(units=-1),
        lambda header: header["network"]["layers"][0].update(units="5"),
        lambda header: header["network"]["layers"][0].update(colour="red"),
        lambda header: header["network"]["layers"][0].update(activation="reluu"),
        lambda header: header["optimizer"].update(beta_1=7),
        lambda header: header.update(dtype="float16"),
        lambda header: header.update(network=3),
        lambda header: header.update(seed="a"),
        lambda header: header.update(step="a"),
        lambda header: header.update(epoch=-1),
        lambda header: header.update(format="a"),
        lambda header: header.update(loss=-1),
        lambda header: header.update(loss="hubert"),
        lambda header: header.update(penalties=None),
        lambda header: header.update(penalties=[3]),
        lambda header: header.update(x=None),
        lambda header: header.update(x={"shape": ["rows", float("inf")], "dtype": "float64"}),
    ],
)
def test_entries_that_make_no_sense(file, change):
    rewrite(file, change)
    refused(file, "cannot be read as a model: .*; load it with the version .*, or train the model and save")


@pytest.mark.parametrize("name", ["parameters:layers.0.bias", "optimizer:layers.0.bias/mean"])
def test_missing_and_misshapen_arrays(file, name):
    content = file.read_bytes()
    rewrite(file, lambda header: None, lambda arrays: arrays.pop(name))
    refused(file, r"layers.0.bias.* should be there as float64\[5\]")
    file.write_bytes(content)
    rewrite(file, lambda header: None, lambda arrays: arrays.update({name: np.zeros(4)}))
    refused(file, r"layers.0.bias.* should be there as float64\[5\]")
