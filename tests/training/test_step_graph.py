"""The training step is one graph: well-formed, readable, and free of the hyperparameters' numbers."""

from dataclasses import replace

import numpy as np
import pytest
from training_cases import CLASSES, FEATURES, ROWS, classes, network, table

import chainrule as cr
from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.loop import bind
from chainrule.graph.types import ArrayType
from chainrule.graph.verify import verify
from chainrule.losses import as_loss
from chainrule.training.step import evaluation_stage, gradient_stage, prediction_stage, training_step
from chainrule.training.task import DataTypes, Task
from chainrule.training.trainer import Trainer

DEEP = cr.Sequential(
    [
        cr.Dense(6, activation="gelu"),
        cr.BatchNorm(),
        cr.Dropout(0.2),
        cr.Residual([cr.LayerNorm(), cr.Dense(6, activation="relu")]),
        cr.Dense(CLASSES),
    ]
)
OPTIONS = cr.AdamW(1e-3, weight_decay=0.1, clip_global_norm=1.0, average=0.9)
PENALTIES = (cr.L2(0.01),)


def trainer(net=DEEP, loss="cross_entropy", optimizer=OPTIONS, penalties=PENALTIES):
    own = Trainer(Task(net, as_loss(loss), None, optimizer, penalties, np.dtype("float32")), seed=1)
    own.build((FEATURES,))
    return own


def types(weighted=False):
    x, y = ((cr.ROWS, FEATURES), "float32"), ((cr.ROWS,), "int32")
    return DataTypes(*(ArrayType(shape, np.dtype(name)) for shape, name in (x, y)), weighted)


def stages(own, weighted=False):
    """Return every graph of a task by name."""
    data = types(weighted)
    return {
        "step": training_step(own.task, own.carried, data),
        "gradients": gradient_stage(own.task, own.carried, data),
        "evaluation": evaluation_stage(own.task, own.carried, data),
        "prediction": prediction_stage(own.task, own.carried, data.x, link=False),
        "link": prediction_stage(own.task, own.carried, data.x, link=True),
    }


def arrays(own, weighted=False):
    x, y = classes()
    weights = {"sample_weight": np.linspace(0, 2, ROWS, dtype=np.float32)} if weighted else {}
    return own.arrays({"x": x.astype(np.float32), "y": y.astype(np.int32), **weights})


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["step", "gradients", "evaluation", "prediction", "link"])
def test_graph_is_well_formed_and_its_text_says_it_all(kind, weighted):
    own = trainer()
    graph = stages(own, weighted)[kind].graph
    verify(graph)
    inputs = bind(graph.inputs, arrays(own, weighted))
    reread = Graph.from_text(str(graph), [value.data for value in graph.captured])
    assert str(reread) == str(graph)
    for once, again in zip(evaluate(graph, *inputs), evaluate(reread, *inputs), strict=True):
        np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("weighted", [False, True])
def test_stages_come_in_the_order_of_the_story(weighted):
    graph = stages(trainer(), weighted)["step"].graph
    first = {}
    for position, value in enumerate(graph.equations):
        first.setdefault(value.origin.stage, position)
    story = ["forward", "loss", "backward", "update"]
    assert sorted(first, key=first.get) == story
    last = {value.origin.stage: position for position, value in enumerate(graph.equations)}
    assert sorted(last, key=last.get) == story


@pytest.mark.parametrize("stage", ["forward", "backward", "update"])
def test_values_name_their_layer(stage):
    graph = stages(trainer())["step"].graph
    parts = {value.origin.part for value in graph.equations if value.origin.stage == stage}
    expected = {f"layers.{i}" for i in (0, 1, 4)} | {f"layers.3.layers.{i}" for i in (0, 1)}
    assert expected <= parts


def test_weight_gradient_is_made_by_the_backward_pass_of_its_layer():
    stage = stages(trainer(penalties=()))["gradients"]
    made = dict(zip(stage.outputs, stage.graph.outputs, strict=True))
    for name in ("layers.0.weight", "layers.0.bias", "layers.4.weight", "layers.4.bias"):
        assert str(made[name].origin) == f"backward {name.rpartition('.')[0]}"


def test_hyperparameters_are_inputs():
    net = cr.Sequential([cr.Dropout(0.2), cr.Dense(CLASSES)])
    slow = trainer(net, cr.CrossEntropy(0.1), cr.Adam(1e-3, weight_decay=0.1), (cr.L1(0.1),))
    fast = trainer(
        cr.Sequential([cr.Dropout(0.5), cr.Dense(CLASSES)]),
        cr.CrossEntropy(0.3),
        cr.Adam(1e-2, beta_1=0.5, weight_decay=0.2),
        (cr.L1(0.2),),
    )
    assert str(stages(slow)["step"].graph) == str(stages(fast)["step"].graph)
    assert list(slow.arguments()) == list(fast.arguments())
    named = {
        path: (float(slow.arguments()[path]), float(fast.arguments()[path])) for path in fast.arguments()
    }
    assert named["task.optimizer.learning_rate"] == (1e-3, 1e-2)
    assert named["task.optimizer.beta_1"] == (0.9, 0.5)
    assert named["task.optimizer.weight_decay"] == (0.1, 0.2)
    assert named["task.network.layers.0.rate"] == (0.2, 0.5)
    assert named["task.loss.label_smoothing"] == (0.1, 0.3)
    assert named["task.penalties.0.strength"] == (0.1, 0.2)
    graph = stages(slow)["step"].graph
    used = {value.name for value in graph.inputs}
    assert set(named) <= used


def test_a_schedule_s_numbers_are_inputs():
    def step_text(schedule):
        return str(stages(trainer(optimizer=cr.SGD(schedule)))["step"].graph)

    text = step_text(cr.ExponentialDecay(0.1, every=9))
    assert step_text(cr.ExponentialDecay(0.2, every=8, factor=0.5)) == text
    warm, longer = (cr.CosineDecay(0.1, steps=n, warmup_steps=n, restarts=True) for n in (2, 3))
    assert step_text(warm) == step_text(longer)
    growing = step_text(replace(warm, period_multiplier=2))
    assert step_text(replace(warm, period_multiplier=3)) == growing
    assert growing != step_text(warm)  # where periods stay as long as they are there is no logarithm
    assert (
        step_text(replace(warm, warmup_steps=0))
        != step_text(warm)
        != step_text(replace(warm, restarts=False))
    )


def test_structure_is_in_the_graph():
    """What is absent (exactly 0), a width, a flag: another graph."""
    plain = str(stages(trainer(optimizer=cr.SGD(0.1), penalties=()))["step"].graph)
    for optimizer, penalties in [
        (cr.SGD(0.1, momentum=0.5), ()),
        (cr.SGD(0.1, weight_decay=0.5), ()),
        (cr.SGD(0.1, clip_norm=0.5), ()),
        (cr.SGD(0.1), (cr.L2(0.5),)),
    ]:
        assert str(stages(trainer(optimizer=optimizer, penalties=penalties))["step"].graph) != plain


def test_the_forward_pass_is_there_once():
    """Also where the loss and the metrics both look at the prediction."""

    def products(kind):
        return sum(value.primitive.name == "matmul" for value in stages(trainer())[kind].graph.equations)

    assert products("evaluation") == products("prediction") == 3


def test_rows_are_not_in_the_graph():
    own = trainer()
    graph = stages(own)["step"].graph
    x, y = classes(7)
    inputs = bind(graph.inputs, own.arrays({"x": x.astype(np.float32), "y": y.astype(np.int32)}))
    assert all(np.isfinite(array).all() for array in evaluate(graph, *inputs))
    assert "[rows, 3]" in str(graph)


def test_outputs_replace_what_is_carried():
    own = trainer()
    stage = stages(own)["step"]
    carried = own.carried
    expected = {*carried.parameters, *carried.state, *carried.optimizer_state}
    assert set(stage.outputs) == expected | {"batch_loss", "batch_weight"}
    for name, value in zip(stage.outputs, stage.graph.outputs, strict=True):
        array = own.loop_state.carried.get(name)
        if array is not None:
            assert value.type == ArrayType(array.shape, array.dtype)


def test_a_name_that_is_taken_is_refused():
    class Twice(cr.Layer):
        def forward(self, x, context):
            return x + context.parameter("x", (FEATURES,), "zeros")

    model = cr.Model(Twice(), loss="mean_squared_error")
    with pytest.raises(ValueError, match="the name 'x' is used twice"):
        model.fit(table()[0], table(outputs=FEATURES)[1])


def test_a_second_fit_traces_nothing_anew():
    traced = []
    spy = lambda z: (traced.append(z), cr.tanh(z))[1]
    x, y = classes()
    model = cr.Model(network(activation=spy, outputs=CLASSES), loss="cross_entropy")
    model.fit(x, y, epochs=2, batch_size=4)
    count = len(traced)
    model.fit(x[:9], y[:9], epochs=1, batch_size=5)
    model.step(x[:3], y[:3])
    assert len(traced) == count
