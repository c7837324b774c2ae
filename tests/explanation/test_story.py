"""Each number of the story is the model's, and each formula comes to its number."""

from __future__ import annotations

import io
import itertools
import json
import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from explained_cases import CLASSES, NUMBERS, ROWS, built, cases, dense, half_squared
from reading_latex import is_well_formed
from rich.console import Console

import chainrule as cr
from chainrule import explaining
from chainrule.explanation.formula import names, numeric
from chainrule.explanation.latex import to_latex
from chainrule.explanation.mathml import to_mathml
from chainrule.explanation.plain import to_text
from chainrule.graph.graph import Graph
from chainrule.graph.loop import Stage
from chainrule.graph.notation import function
from chainrule.graph.value import PRIMITIVES
from chainrule.primitives import trigonometric

CASES = list(cases())
SIGMOID = cr.Sequential([cr.Dense(2, activation="sigmoid"), cr.Dense(2, activation="sigmoid")])


@pytest.mark.parametrize(("name", "model", "x", "y", "weight"), CASES, ids=[case[0] for case in CASES])
def test_every_formula_comes_to_its_number(name, model, x, y, weight):
    before = {**model.weights, **model._trainer.loop_state.carried}
    explanation = model.explain(x, y, sample_weight=weight)
    assert len({step.title for step in explanation.steps}) == len(explanation.steps)  # none is told twice
    stages = [step.stage for step in explanation.steps]
    in_order = [stage for stage, _ in itertools.groupby(stages)]
    assert in_order == ["given", "forward", "loss", "backward", "update"]
    for step in explanation.steps:
        quantity = step.quantity
        assert to_text(quantity.equation)
        assert is_well_formed(to_latex(quantity.equation))
        if quantity.formula is None:
            continue
        for place in quantity.places():
            expected = float(quantity.array[place])
            assert float(numeric(quantity.element(place))) == pytest.approx(expected, rel=1e-9, abs=1e-12), (
                step.title
            )
    loss, gradients = model.gradients(x, y, sample_weight=weight)
    told = {step.quantity.symbol.key: step.quantity.array for step in explanation.steps}
    assert explanation.loss == pytest.approx(loss, rel=1e-12)
    for key, gradient in gradients.items():
        np.testing.assert_allclose(told[f"d {key}"], gradient, rtol=1e-9, atol=1e-14)
    assert explanation.verdict.right, str(explanation.verdict)
    for key, array in before.items():
        np.testing.assert_array_equal(model._trainer.loop_state.carried.get(key, array), array)
    model.step(x, y, sample_weight=weight)
    for key, array in model.weights.items():
        np.testing.assert_allclose(told[f"{key}′"], array, rtol=1e-9, atol=1e-14)
    assert explanation.loss_after == pytest.approx(
        _loss_at(model, x, y, weight, model._trainer.loop_state.step - 1), rel=1e-9
    )


@pytest.mark.parametrize(("name", "model", "x", "y", "weight"), CASES, ids=[case[0] for case in CASES])
def test_nothing_is_used_before_it_is_told(name, model, x, y, weight):
    explanation = model.explain(x, y, sample_weight=weight)
    told = set()
    for step in explanation.steps:
        assert step.quantity.symbol.key not in told
        for used in names(step.quantity.formula) if step.quantity.formula else ():
            is_told = explanation.names.landmark(used.value) is not None or used.symbol.derivative
            assert not is_told or used.symbol.key in told, step.title
        told.add(step.quantity.symbol.key)


def _loss_at(model, x, y, weight, step):
    """The loss of training with the random draws of a step that is past."""
    stage, arrays, _ = model._trainer.prepared("gradients", x, y, weight)
    arrays = {**arrays, "step": np.asarray(step, np.int32)}
    return float(model._prepare(stage.graph)(*[arrays[v.name] for v in stage.graph.inputs])[0])


@pytest.fixture
def explanation():
    """The 2-2-2 net of sigmoids that many courses work by hand."""
    model = cr.Model(SIGMOID, loss=half_squared, optimizer=cr.SGD(0.5), dtype="float64")
    model.build(features=2)
    model.set_weights(
        {
            "layers.0.weight": [[0.15, 0.25], [0.20, 0.30]],
            "layers.0.bias": [0.35, 0.35],
            "layers.1.weight": [[0.40, 0.50], [0.45, 0.55]],
            "layers.1.bias": [0.60, 0.60],
        }
    )
    return model.explain([[0.05, 0.10]], [[0.01, 0.99]])


def test_the_story_is_in_the_order_of_the_textbook(explanation):
    formulas = [to_text(step.quantity.equation) for step in explanation.steps if step.stage != "given"]
    assert formulas == [
        "z⁽⁰⁾ = x W⁽⁰⁾ + b⁽⁰⁾",
        "a⁽⁰⁾ = σ(z⁽⁰⁾)",
        "z⁽¹⁾ = a⁽⁰⁾ W⁽¹⁾ + b⁽¹⁾",
        "a⁽¹⁾ = σ(z⁽¹⁾)",
        "L = (∑_j (t − a⁽¹⁾)²)/2",
        "∂L/∂a⁽¹⁾ = −(t − a⁽¹⁾)",
        "∂a⁽¹⁾/∂z⁽¹⁾ = a⁽¹⁾ · (1 − a⁽¹⁾)",
        "∂L/∂z⁽¹⁾ = ∂L/∂a⁽¹⁾ · a⁽¹⁾ · (1 − a⁽¹⁾)",
        "∂L/∂W⁽¹⁾ = a⁽⁰⁾ᵀ ∂L/∂z⁽¹⁾",
        "∂L/∂b⁽¹⁾ = ∂L/∂z⁽¹⁾",
        "∂L/∂a⁽⁰⁾ = ∂L/∂z⁽¹⁾ W⁽¹⁾ᵀ",
        "∂a⁽⁰⁾/∂z⁽⁰⁾ = a⁽⁰⁾ · (1 − a⁽⁰⁾)",
        "∂L/∂z⁽⁰⁾ = ∂L/∂a⁽⁰⁾ · a⁽⁰⁾ · (1 − a⁽⁰⁾)",
        "∂L/∂W⁽⁰⁾ = xᵀ ∂L/∂z⁽⁰⁾",
        "∂L/∂b⁽⁰⁾ = ∂L/∂z⁽⁰⁾",
        "∂L/∂x = ∂L/∂z⁽⁰⁾ W⁽⁰⁾ᵀ",
        "W⁽⁰⁾′ = W⁽⁰⁾ − η · ∂L/∂W⁽⁰⁾",
        "b⁽⁰⁾′ = b⁽⁰⁾ − η · ∂L/∂b⁽⁰⁾",
        "W⁽¹⁾′ = W⁽¹⁾ − η · ∂L/∂W⁽¹⁾",
        "b⁽¹⁾′ = b⁽¹⁾ − η · ∂L/∂b⁽¹⁾",
    ]


def test_the_rules_are_named(explanation):
    rules = {step.quantity.symbol.key: step.rule for step in explanation.steps}
    assert rules["d layers.1.a"] == "chain rule"
    assert rules["d layers.1.z"] == "chain rule"
    assert rules["d layers.1.weight"] == "chain rule"
    assert rules["d layers.1.bias"].startswith("broadcast ↔ sum")
    assert rules["d layers.0.a"].startswith("chain rule, and sum over paths")
    assert rules["layers.0.weight′"] == "η = 0.5"


def test_the_numbers_of_the_courses(explanation):
    """Mazur, "A step by step backpropagation example" (2015), to the digits that are printed there."""
    told = {step.quantity.symbol.key: step.quantity.array for step in explanation.steps}
    np.testing.assert_allclose(told["layers.1.a"], [[0.75136507, 0.772928465]], rtol=1e-8)
    assert explanation.loss == pytest.approx(0.298371109, abs=1e-9)
    np.testing.assert_allclose(told["d layers.1.weight"][0, 0], 0.082167041, atol=1e-9)
    np.testing.assert_allclose(
        told["layers.1.weight′"], [[0.35891648, 0.511301270], [0.408666186, 0.561370121]], atol=1e-8
    )
    np.testing.assert_allclose(
        told["layers.0.weight′"], [[0.149780716, 0.24975114], [0.19956143, 0.29950229]], atol=1e-8
    )


def test_the_text_has_the_numbers_put_in(explanation):
    text = str(explanation)
    assert "z₀⁽⁰⁾ = x₀ · W₀,₀⁽⁰⁾ + x₁ · W₁,₀⁽⁰⁾ + b₀⁽⁰⁾ = 0.05 · 0.15 + 0.1 · 0.2 + 0.35 = 0.3775" in text
    assert "W₀,₀⁽⁰⁾′ = W₀,₀⁽⁰⁾ − η · ∂L/∂W₀,₀⁽⁰⁾ = 0.15 − 0.5 · 0.000438568 = 0.149781" in text
    assert "The gradient is right" in text
    assert "Finite differences at all 12 entries: relative error" in text
    assert "before the step and is" in text
    assert text.index("Forward pass") < text.index("The loss") < text.index("Backward pass")


def test_a_terminal_shows_the_same_text(explanation):
    console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system="standard")
    console.print(explanation, soft_wrap=True)
    shown = console.file.getvalue()
    assert "\x1b[1m" in shown  # bold headings
    assert re.sub(r"\x1b\[[\d;]*m", "", shown).strip() == str(explanation).strip()


def test_formulas_are_written_by_the_rows_notation(monkeypatch):
    monkeypatch.setattr(trigonometric, "tanh", replace(PRIMITIVES["tanh"], notation=function("th")))
    assert "a⁽⁰⁾ = t h(z⁽⁰⁾)" in str(built(dense("tanh")).explain(ROWS, NUMBERS))


def test_a_loss_that_is_not_finite_is_told():
    model = built(dense("relu"))
    model.set_weights({"layers.0.weight": np.full((4, 3), 1e308)})
    with pytest.raises(
        ValueError,
        match=r"^the loss of these rows is nan in step 1, which has no derivative to explain: "
        r"the first is inf in row 0, made by matmul in layers.0 of the forward pass; ",
    ):
        model.explain(np.full((2, 4), 9.0), NUMBERS[:2])


def test_a_worksheet_has_none_of_the_answers(explanation):
    for sheet in (
        explanation.to_text(answers=False),
        explanation.to_markdown(answers=False),
        explanation.to_latex(answers=False),
    ):
        assert "0.3775" not in sheet
        assert "0.15" in sheet
        assert "0.75136" not in sheet
    assert "______" in explanation.to_text(answers=False)
    assert r"\underline" in explanation.to_latex(answers=False)


def test_plain_data_is_at_full_precision(explanation):
    data = json.loads(json.dumps(explanation.to_dict()))
    for step, told in zip(explanation.steps, data["steps"], strict=True):
        np.testing.assert_array_equal(np.asarray(told["value"]), step.quantity.array)
    assert data["loss"] == explanation.loss
    assert data["verdict"]["right"] is True


def test_large_arrays_are_cut_and_the_remainder_stated():
    model = cr.Model(cr.Dense(40), loss="mean_squared_error", dtype="float64")
    narrow = cr.Model(cr.Dense(10), loss="mean_squared_error", dtype="float64")
    text = str(model.explain(ROWS, np.zeros((3, 40))))
    assert "and 114 more; all lie from" in text
    x = np.random.default_rng(0).normal(size=(1, 50))
    steps = narrow.explain(x, np.zeros((1, 10))).steps
    line = next(step.quantity for step in steps if step.quantity.symbol.key == "z").line((0, 3))
    assert "⋯" in to_text(line.formula)
    assert to_text(line.numbers).count("·") == 4  # four terms are written out
    assert "<math>" in to_mathml(line.formula)


def test_consecutive_steps_are_those_of_training():
    model = built(dense(), optimizer=cr.Adam(0.05))
    history = model.explain(ROWS, NUMBERS, steps=5).history
    losses, norms = [], []
    for _ in range(5):
        before = model.weights
        losses.append(model.step(ROWS, NUMBERS))
        norms.append(np.linalg.norm(model.weights["layers.0.weight"] - before["layers.0.weight"]))
    np.testing.assert_allclose([step["loss"] for step in history], losses, rtol=1e-9)
    for step, norm in zip(history, norms, strict=True):
        assert step["layers"]["layers.0"]["update"] >= norm * (1 - 1e-9)
    assert set(history[0]["layers"]) == {"layers.0", "layers.1"}


def test_explaining_changes_nothing():
    model = built(
        cr.Sequential([cr.Dense(3), cr.BatchNorm(), cr.Dropout(0.5), cr.Dense(2)]), optimizer=cr.Adam(0.1)
    )
    twin = built(
        cr.Sequential([cr.Dense(3), cr.BatchNorm(), cr.Dropout(0.5), cr.Dense(2)]), optimizer=cr.Adam(0.1)
    )
    first = model.explain(ROWS, NUMBERS, steps=3)
    assert str(first) == str(model.explain(ROWS, NUMBERS, steps=3))
    for one in (model, twin):
        one.fit(ROWS, NUMBERS, epochs=2, batch_size=2)
    for name, array in model.weights.items():
        np.testing.assert_array_equal(array, twin.weights[name])


def test_a_wrong_gradient_is_told(monkeypatch):
    wrong = replace(PRIMITIVES["tanh"], derivative=lambda dy, y, x: (dy * (1 - y),))
    monkeypatch.setattr(trigonometric, "tanh", wrong)
    verdict = built(dense("tanh")).explain(ROWS, NUMBERS).verdict
    assert not verdict.right
    assert "WRONG" in verdict.sentences()[0]
    assert any("the derivative of tanh" in sentence.lower() for sentence in verdict.sentences())
    assert [one.name for one in verdict.comparisons if not one.right] == ["layers.0.weight", "layers.0.bias"]


def test_an_explained_number_that_is_not_the_training_steps_is_told(monkeypatch):
    """The story is told of another graph than the gradients that are trained with."""
    traced = explaining.explained_step

    def spoilt(*given):
        graph = traced(*given)
        gradients = {name: 2.0 * gradient for name, gradient in graph.gradients.items()}
        outputs = [*graph.stage.graph.outputs, *gradients.values()]
        names = (*graph.stage.outputs, *(f"spoilt {name}" for name in gradients))
        stage = Stage(Graph(graph.stage.graph.inputs, outputs), names)
        return replace(graph, gradients=gradients, stage=stage)

    monkeypatch.setattr(explaining, "explained_step", spoilt)
    verdict = built(dense("tanh")).explain(ROWS, NUMBERS).verdict
    assert not verdict.right
    assert (
        "The explained gradient of layers.0.weight is not that of the training step." in verdict.sentences()
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([[1.0, 2.0]], [1.0]), "^x has the shape"),
        ((ROWS, NUMBERS[:2]), "^x has 3 rows and y 2"),
        ((ROWS, None), "^y is missing"),
        (([[1.0, 2.0, np.nan, 3.0]], [[1.0, 1.0]]), "^x holds nan"),
    ],
)
def test_bad_rows_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        built(dense()).explain(*arguments)


def test_steps_is_a_count():
    with pytest.raises(ValueError, match=r"^steps is a whole number"):
        built(dense()).explain(ROWS, NUMBERS, steps=0)
    with pytest.raises(ValueError, match="no option 'step'; did you mean 'steps'"):
        built(dense()).explain(ROWS, NUMBERS, step=2)


def test_classes_of_a_single_precision_model():
    model = cr.Model(dense("relu"), loss="cross_entropy")
    explanation = model.explain(ROWS, CLASSES)
    assert explanation.verdict.right
    assert explanation.steps[0].quantity.array.dtype == np.float32


@pytest.mark.parametrize("weights", [[0.0, 0.0], [0.0]])
def test_rows_that_weigh_nothing_are_told_in_every_form(weights, tmp_path):
    model = cr.Model(cr.Sequential([cr.Dense(4), cr.Dense(3)]), loss="cross_entropy")
    rows = np.ones((len(weights), 4))
    explanation = model.explain(rows, np.zeros(len(weights), int), sample_weight=weights)
    explanation.to_html(tmp_path / "page.html")
    texts = [str(explanation), explanation.to_markdown(), explanation.to_latex()]
    assert explanation.loss == 0
    assert all(len(text) > 1000 for text in texts)
    assert explanation.to_dict()


def test_the_rule_of_what_was_repeated_tells_what_is_added_up():
    def rules(net, rows, features=(4,)):
        model = cr.Model(net, loss="mean_squared_error", optimizer=cr.SGD(0.1), dtype="float64")
        model.build(features=features)
        x = np.random.default_rng(0).normal(size=(rows, *features))
        steps = model.explain(x, np.ones((rows, 2))).steps
        return {step.quantity.symbol.key.split()[-1]: step.rule for step in steps if step.stage == "backward"}

    norm = cr.Sequential([cr.LayerNorm(), cr.Dense(2)])
    three, one = rules(norm, 3), rules(norm, 1)
    assert "the sum over the rows" in three["layers.1.bias"]
    assert "the sum over the rows" in three["layers.0.scale"]
    assert "within each row" in three["layers.0.v"]
    assert "nothing to add up" in one["layers.1.bias"]
    assert "within each row" in one["layers.0.v"]
    pictures = rules(cr.Sequential([cr.Dense(3), cr.Flatten(), cr.Dense(2)]), 3, (2, 2))
    assert "in every row and within it" in pictures["layers.0.bias"]


def test_the_targets_letter_is_t_and_no_prime_marks_what_is_not_new():
    def letters(loss, y, **options):
        steps = built(cr.Dense(2), loss).explain(ROWS, y, **options).steps
        marks = [step.quantity.symbol for step in steps if step.stage in ("given", "forward", "loss")]
        return {mark.key: to_text(mark.layout) for mark in marks}, {
            step.quantity.symbol.key: to_text(step.quantity.equation) for step in steps
        }

    labels = (NUMBERS > 0) * 1.0
    named, told = letters("binary_cross_entropy", labels)
    assert named["y"] == "t"
    assert "target" not in named
    assert "(1 − t) · " in told["loss"]
    smoothed, told = letters(cr.BinaryCrossEntropy(label_smoothing=0.1), labels)
    assert (smoothed["y"], smoothed["target"]) == ("y", "t")
    assert "(1 − t) · " in told["loss"]
    weighted, _ = letters("cross_entropy", CLASSES, sample_weight=[1.0, 0.5, 2.0])
    assert (weighted["y"], weighted["target"], weighted["constant"]) == ("y", "t", "N")
    assert not any("′" in letter for letter in [*named.values(), *smoothed.values(), *weighted.values()])


@pytest.mark.parametrize("optimizer", [cr.SGD, cr.Adam])
def test_a_scheduled_learning_rate_is_eta(optimizer):
    schedule = cr.CosineDecay(0.1, steps=10)
    told = {}
    for rate in (schedule, 0.1):
        model = built(dense(), optimizer=optimizer(rate, clip_global_norm=0.1))
        model.step(ROWS, NUMBERS)
        steps = model.explain(ROWS, NUMBERS).steps
        told[rate] = {step.quantity.symbol.key: step for step in steps}
    eta = told[schedule]["update.learning_rate"]
    assert eta.title == "the learning rate of this step, η"
    assert to_text(eta.quantity.equation) == "η = rate · c₀"
    assert float(eta.quantity.array) == pytest.approx(0.1 * (1 + np.cos(np.pi / 10)) / 2)
    assert "η" in to_text(told[schedule]["layers.0.bias′"].quantity.equation)
    assert "update.learning_rate" not in told[0.1]
    assert "η" in to_text(told[0.1]["layers.0.bias′"].quantity.equation)


def test_a_mask_is_told_in_the_forward_pass_and_a_target_with_the_loss():
    net = cr.Sequential([cr.Dense(5), cr.Dropout(0.4), cr.Dense(3)])
    steps = built(net, "cross_entropy").explain(ROWS, CLASSES).steps
    titles = {step.title: (step.stage, step.part) for step in steps}
    assert titles["layers.1: r⁽¹⁾, drawn at random"] == ("forward", "layers.1")
    one_hot = "the loss: t, the target as one-hot: 1 at the class y, and 0 at the others"
    assert titles[one_hot] == ("loss", "")
    at = {step.quantity.symbol.key: step.number for step in steps}
    assert at["layers.0.z"] < at["layers.1.data"] < at["layers.1.a"] < at["layers.2.z"] < at["target"]


@pytest.mark.parametrize("layer", [cr.BatchNorm(), cr.LayerNorm()])
def test_a_normalization_has_a_name_for_its_deviation_so_that_no_sum_holds_another(layer):
    net = cr.Sequential([cr.Dense(20), layer, cr.Dense(2)])
    explanation = built(net).explain(ROWS, NUMBERS)
    equations = [to_text(step.quantity.equation) for step in explanation.steps]
    assert "z⁽¹⁾ = u⁽¹⁾/v⁽¹⁾ · γ⁽¹⁾ + β⁽¹⁾" in equations
    told = [equation for equation in equations if not equation.startswith("L = ")]
    assert [equation for equation in told if re.search(r"∑_\w [^∑]*\(∑", equation)] == []
    assert len(explanation.to_html()) < 250_000


def same_twice(prediction, target):
    """What is computed twice is one quantity: of it, and of its double."""
    double = 2 * (prediction - target)
    return cr.mean((prediction - target) ** 2 + cr.abs(prediction - target) + double, axis=-1)


def test_one_quantity_has_one_name():
    steps = built(cr.Dense(2), same_twice).explain(ROWS[:1], NUMBERS[:1]).steps
    told = [to_text(step.quantity.equation) for step in steps if step.stage == "loss"]
    assert told == ["u = z − t", "L = (∑_j (u² + |u| + 2 · u))/2"]
    weighted = built(dense(), "cross_entropy").explain(ROWS, CLASSES, sample_weight=[1.0, 0.5, 2.0])
    copies = [to_text(step.quantity.equation) for step in weighted.steps if step.stage == "loss"]
    assert not [one for one in copies if re.fullmatch(r"\w+ = \w[⁽⁾\d]*", one)]


def test_numbers_before_a_product_are_one():
    steps = built(cr.Dense(2), penalties=[cr.L2(0.1)]).explain(ROWS, NUMBERS).steps
    told = {step.quantity.symbol.key: to_text(step.quantity.equation) for step in steps}
    assert told["d weight"] == "∂L/∂W = strength · W + xᵀ ∂L/∂z"
    weighted = cr.MLPRegressor(hidden_layer_sizes=(2,), alpha=0.1, random_state=0).explain(ROWS, [1, 2, 3])
    told = {step.quantity.symbol.key: to_text(step.quantity.equation) for step in weighted.steps}
    assert told["d layers.0.weight"] == "∂L/∂W⁽⁰⁾ = 1/3 · strength · W⁽⁰⁾ + xᵀ ∂L/∂z⁽⁰⁾"


@dataclass(frozen=True)
class Gate(cr.Layer):
    """A layer of one's own, whose parameters meet in its output alone."""

    def forward(self, x, context):
        """Return tanh(x W) σ(gain)."""
        weight = context.parameter("weight", (int(x.shape[-1]), 3), "glorot_uniform")
        return cr.tanh(x @ weight) * cr.sigmoid(context.parameter("gain", (3,), "ones"))


def test_a_layer_of_ones_own_is_told_in_short_formulas_and_in_order():
    """Its product has a name; what is drawn does not turn the order of the parts around."""
    table = cr.Sequential([cr.Columns([2]), cr.Embedding(3, 2), cr.Flatten()])
    layers = [cr.Concatenate([cr.Columns([0, 1]), table]), Gate(), cr.Dropout(0.3), cr.Dense(2)]
    model = cr.Model(cr.Sequential(layers), loss="mean_squared_error", dtype="float64")
    explanation = model.explain(np.column_stack([ROWS[:, :2], [0, 2, 1]]), NUMBERS)
    told = {step.quantity.symbol.key: to_text(step.quantity.equation) for step in explanation.steps}
    assert told["layers.1.u"] == "u⁽¹⁾ = a⁽⁰⁾ W⁽¹⁾"
    assert told["layers.1.z"] == "z⁽¹⁾ = tanh(u⁽¹⁾) · σ(gain⁽¹⁾)"
    assert told["d layers.1.u"] == "∂L/∂u⁽¹⁾ = ∂L/∂z⁽¹⁾ · σ(gain⁽¹⁾) · (1 − tanh(u⁽¹⁾)²)"
    assert told["d layers.1.weight"] == "∂L/∂W⁽¹⁾ = a⁽⁰⁾ᵀ ∂L/∂u⁽¹⁾"
    at = {key: number for number, key in enumerate(told)}
    assert at["layers.1.z"] < at["layers.2.data"] < at["layers.2.a"]
    assert (
        at["d layers.3.z"]
        < at["d layers.2.a"]
        < at["d layers.1.z"]
        < at["d layers.0.layers.1.layers.1.weight"]
    )
    assert told["layers.0.layers.1.layers.1.z"] == "z_(n,0,j)⁽⁰·¹·¹⁾ = W_(x_(n,2),j)⁽⁰·¹·¹⁾"


def test_a_norm_is_told_as_it_is_and_not_how_overflow_is_kept_away():
    model = built(dense(), optimizer=cr.SGD(0.5, clip_global_norm=0.1))
    explanation = model.explain(ROWS, NUMBERS)
    shared = [step for step in explanation.steps if step.quantity.symbol.key.startswith("update.")]
    assert [step.title for step in shared] == ["c₀, which several updates use"]
    parts = ["√(∑_(i,j) (∂L/∂W⁽⁰⁾)²)", "√(∑_i (∂L/∂b⁽⁰⁾)²)", "√(∑_(i,j) (∂L/∂W⁽¹⁾)²)", "√(∑_i (∂L/∂b⁽¹⁾)²)"]
    quantity = shared[0].quantity
    assert to_text(quantity.equation) == f"c₀ = √(∑_i concat({', '.join(parts)})²)"
    _, gradients = model.gradients(ROWS, NUMBERS)
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients.values()))
    assert float(quantity.array) == pytest.approx(norm, rel=1e-12)
    assert float(numeric(quantity.element(()))) == pytest.approx(norm, rel=1e-12)
    assert to_text(quantity.line(()).formula).startswith("√((∂L/∂")
