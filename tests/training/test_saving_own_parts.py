"""Parts of one's own are saved as graphs: a model is used and trained on without their source."""

import subprocess
import sys

import numpy as np
import own_parts
import pytest
from training_cases import arrays_of, assert_same, network, regression, table

import chainrule as cr

NAMES = list(own_parts.models())
BATCH, EPOCHS = 5, 2

PROGRAM = """
import json, sys
import numpy as np
import chainrule as cr

folder = sys.argv[1]
for name in json.loads(sys.argv[2]):
    data = dict(np.load(f"{folder}/{name}.npz"))
    x, y = data["x"], data.get("y")
    model = cr.load(f"{folder}/{name}.safetensors")
    found = {"prediction": model.predict(x), "link": model.predict(x, link=True)}
    found |= {f"evaluation {key}": number for key, number in model.evaluate(x, y).items()}
    loss, gradients = model.gradients(x, y)
    found |= {"gradients loss": loss} | {f"gradient {key}": array for key, array in gradients.items()}
    found["losses"] = model.fit(x, y, epochs=2, batch_size=5)["loss"]
    found["afterwards"] = model.predict(x)
    found |= {f"array {key}": array for key, array in {**model.weights, **model.state}.items()}
    model.save(f"{folder}/{name} again.safetensors")
    np.savez(f"{folder}/{name} found.npz", **found)
assert not {"own_parts", "training_cases"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with every model, trained a little and saved, and what a fresh process found in it."""
    import json

    place = tmp_path_factory.mktemp("models")
    for name, (model, (x, y)) in own_parts.models().items():
        model.fit(x, y, epochs=EPOCHS, batch_size=BATCH)
        model.save(place / f"{name}.safetensors")
        np.savez(place / f"{name}.npz", x=x, **({} if y is None else {"y": y}))
    command = [sys.executable, "-c", PROGRAM, str(place), json.dumps(NAMES)]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place


def here(name):
    """Return the model that was never saved, as it was then, and its data."""
    model, (x, y) = own_parts.models()[name]
    model.fit(x, y, epochs=EPOCHS, batch_size=BATCH)
    return model, x, y


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_process_finds_the_same(folder, name):
    model, x, y = here(name)
    found = np.load(folder / f"{name} found.npz")
    np.testing.assert_array_equal(found["prediction"], model.predict(x))
    np.testing.assert_array_equal(found["link"], model.predict(x, link=True))
    measured = {f"evaluation {key}": number for key, number in model.evaluate(x, y).items()}
    assert {key: float(found[key]) for key in found if key.startswith("evaluation")} == measured
    loss, gradients = model.gradients(x, y)
    assert float(found["gradients loss"]) == loss
    for key, gradient in gradients.items():
        np.testing.assert_array_equal(found[f"gradient {key}"], gradient)


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_process_trains_on_in_the_same_way(folder, name):
    model, x, y = here(name)
    found = np.load(folder / f"{name} found.npz")
    assert list(found["losses"]) == model.fit(x, y, epochs=2, batch_size=BATCH)["loss"]
    np.testing.assert_array_equal(found["afterwards"], model.predict(x))
    arrays = {f"array {key}": array for key, array in arrays_of(model).items()}
    assert_same({key: found[key] for key in found if key.startswith("array")}, arrays)


@pytest.mark.parametrize("name", NAMES)
def test_saving_a_loaded_model_again(folder, name):
    model, x, y = here(name)
    model.fit(x, y, epochs=2, batch_size=BATCH)
    again = cr.load(folder / f"{name} again.safetensors")
    assert again.fit(x, y, batch_size=BATCH)["loss"] == model.fit(x, y, batch_size=BATCH)["loss"]
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


@pytest.mark.parametrize("name", [name for name in NAMES if "one number" not in name])
def test_weighted_rows_after_loading(folder, name):
    model, x, y = here(name)
    weights = np.linspace(0, 1, len(x))
    loaded = cr.load(folder / f"{name}.safetensors")
    options = {"batch_size": BATCH, "sample_weight": weights}
    assert loaded.fit(x, y, **options)["loss"] == model.fit(x, y, **options)["loss"]


def test_a_model_is_saved_before_any_fit(tmp_path):
    x, y = table()
    model = regression(network(activation=own_parts.swish), loss=own_parts.Quartic())
    model.build(features=x.shape[1])
    model.save(tmp_path / "fresh.safetensors")
    loaded = cr.load(tmp_path / "fresh.safetensors")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.fit(x, y)["loss"] == model.fit(x, y)["loss"]


def test_evaluating_before_saving_does_not_matter(tmp_path):
    """What was last looked at is not what the functions are traced on."""
    model, (x, y) = own_parts.models()["objective"]
    model.fit(x, y)
    model.predict(x[:3])
    model.save(tmp_path / "model.safetensors")
    loaded = cr.load(tmp_path / "model.safetensors")
    assert loaded.fit(x, y)["loss"] == model.fit(x, y)["loss"]


# What cannot be saved ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": own_parts.SignDescent(0.1)},
        {"penalties": type("Cubic", (cr.Penalty,), {"size": lambda self, w: cr.sum(cr.abs(w) ** 3)})(0.1)},
    ],
    ids=["optimizer", "penalty"],
)
def test_classes_that_a_file_cannot_hold(options, tmp_path):
    x, y = table()
    model = regression(**options)
    model.fit(x, y)
    with pytest.raises(ValueError, match="is a class of your own that a model file cannot hold"):
        model.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())
