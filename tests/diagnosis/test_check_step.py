"""A step of one's own: right ones get no complaint, each classic mistake gets its name, also in company."""

import itertools
import warnings

import numpy as np
import pytest
from homework import SOFTMAX, columns, homework, in_columns, layers_of, problem
from step_matrix import NAMES

import chainrule as cr

SQUARE = (4, 4, 4)  # where a transposed gradient fits


def names(report):
    return {mistake.name for mistake in report.mistakes}


# What is right -----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
@pytest.mark.parametrize("loss", ["cross_entropy", "squares"])
@pytest.mark.parametrize("widths", [(4, 5, 3), SQUARE, (3, 1), (2, 2), (3, 6, 4, 2), (1, 3, 1)])
def test_a_right_step_gets_no_complaint(activation, loss, widths):
    if widths[-1] == 1 and loss == "cross_entropy":
        return
    for seed in range(3):
        given = problem(widths, seed=seed, classes=loss == "cross_entropy", named=seed % 2 == 0)
        report = cr.check_step(homework(activation=activation, loss=loss), *given)
        assert report.passed, report
        assert bool(report)
        assert not report.notes
        assert str(report).startswith("the step is right\n")
        report.raise_if_wrong()


@pytest.mark.parametrize("options", [{"biases": False}, {"dtype": np.float32}], ids=str)
def test_right_steps_of_other_kinds(options):
    for seed in range(5):
        given = problem(seed=seed, biases=options.get("biases", True))
        report = cr.check_step(homework(**options), *given, tolerance=1e-2 if "dtype" in options else 1e-4)
        assert report, report


def test_a_step_in_place_with_columns_for_examples():
    def step(weights, x, y, learning_rate):
        w1, b1, w2, b2 = (weights[name] for name in ("W1", "b1", "W2", "b2"))
        a = np.tanh(w1 @ x + b1)
        error = w2 @ a + b2 - y
        loss = np.mean(error**2)
        d2 = 2 * error / error.size
        d1 = (w2.T @ d2) * (1 - a**2)
        w2 -= learning_rate * d2 @ a.T
        b2 -= learning_rate * d2.sum(axis=1, keepdims=True)
        w1 -= learning_rate * d1 @ x.T
        b1 -= learning_rate * d1.sum(axis=1, keepdims=True)
        return loss, weights

    generator = np.random.default_rng(1)
    shapes = {"W1": (4, 3), "b1": (4, 1), "W2": (2, 4), "b2": (2, 1)}
    weights = {name: generator.normal(size=shape) for name, shape in shapes.items()}
    before = {name: array.copy() for name, array in weights.items()}
    x, y = generator.normal(size=(3, 7)), generator.normal(size=(2, 7))
    assert cr.check_step(step, weights, x, y)
    for name, array in weights.items():  # it worked on copies
        np.testing.assert_array_equal(array, before[name])


def test_lists_of_numbers_are_arrays():
    weights, x, y = problem()
    assert cr.check_step(homework(), [array.tolist() for array in weights], x.tolist(), y.tolist())
    named = {f"w{i}": array.tolist() for i, array in enumerate(weights)}
    assert [found.size for found in cr.check_step(homework(), named, x, y).arrays] == [20, 5, 15, 3]


def test_our_own_gradients_as_a_step():
    def step(w, x, y, learning_rate):
        loss = lambda w: cr.mean((cr.tanh(x @ w["W"] + w["b"]) - y) ** 2)
        value, gradient = cr.value_and_grad(loss)(w)
        return value, {name: w[name] - learning_rate * gradient[name] for name in w}

    generator = np.random.default_rng(2)
    weights = {"W": generator.normal(size=(3, 2)), "b": generator.normal(size=2)}
    assert cr.check_step(step, weights, generator.normal(size=(5, 3)), generator.normal(size=(5, 2)))


@pytest.mark.parametrize("named", [False, True])
def test_a_step_alone_is_tried_on_an_example(named):
    def takes_dict(weights, x, y, learning_rate):
        assert weights["W1"].shape == (4, 4)
        return homework(*planted)(weights, x, y, learning_rate)

    for planted in [(), ("transposed",), ("order", "bias"), ("softmax twice",)]:
        report = cr.check_step(takes_dict if named else homework(*planted))
        assert names(report) == {NAMES[one] for one in planted}
        if named:
            assert {found.name for found in report.arrays} == {"W1", "b1", "W2", "b2"}


def test_a_sum_throughout_is_a_note_and_no_mistake():
    report = cr.check_step(homework("all a sum"), *problem())
    assert report.passed
    assert "the loss is the sum over the rows" in report.notes[0]
    assert "note: the loss is the sum" in str(report)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("output", ["sigmoid", "tanh"])
def test_one_softmax_over_bounded_outputs_is_no_mistake(output, classes):
    for seed in range(2):
        given = problem((3, classes), seed=seed)
        report = cr.check_step(homework(output=output), *given)
        assert report.passed, report


@pytest.mark.parametrize("widths", [(2, 2, 2), (3, 2), (4, 5, 3)], ids=str)
def test_squares_of_probabilities_are_not_softmax_twice(widths):
    """As a function of the class, half of (p - t)^2 is -p and a constant: -ln of a softmax of p is, too."""
    for biases in (True, False):
        weights, x, y = problem(widths, biases=biases)
        report = cr.check_step(homework(loss="brier", biases=biases), weights, x, np.eye(widths[-1])[y])
        assert report.passed, report


@pytest.mark.parametrize("epsilon", [1e-8, 1e-5])
def test_a_logarithm_that_is_cut_off_is_a_note_and_no_mistake(epsilon):
    weights, x, y = problem(seed=1)
    weights = [8 * w for w in weights]
    right = cr.check_step(homework(epsilon=epsilon), weights, x, y)
    assert right.passed, right
    assert "at 0.1 times the weights this is not so" in right.notes[0]
    assert names(cr.check_step(homework("sum", epsilon=epsilon), weights, x, y)) == {NAMES["sum"]}


# What is wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mistake", NAMES)
@pytest.mark.parametrize("seed", range(4))
def test_each_mistake_gets_its_name(mistake, seed):
    widths = SQUARE if mistake == "transposed" else ((4, 5, 3), (6, 7, 5, 4))[seed % 2]
    given = problem(widths, rows=6 + seed, seed=seed, named=seed % 2 == 1)
    report = cr.check_step(homework(mistake, activation=("tanh", "sigmoid")[seed // 2]), *given)
    assert names(report) == {NAMES[mistake]}, report
    assert str(report).startswith("the step is wrong\n")
    with pytest.raises(ArithmeticError, match=NAMES[mistake]):
        report.raise_if_wrong()


@pytest.mark.parametrize("mistake", ["order", "bias", "sum", "transposed", "uphill", "factor"])
def test_mistakes_with_squares_and_relu(mistake):
    for seed in range(3):
        given = problem(SQUARE, seed=seed, classes=False)
        report = cr.check_step(homework(mistake, activation="relu", loss="squares"), *given)
        assert names(report) == {NAMES[mistake]}, report


def test_a_transposed_gradient_that_is_reshaped_to_fit():
    report = cr.check_step(homework("transposed"), *problem((4, 5, 3)))
    assert names(report) == {"transposed weight gradient"}
    assert report.mistakes[0].where == "weights[0], weights[2]"


COMBINED = ["order", "bias", "sum", "transposed", "uphill", "factor", "late loss"]
PAIRS = [*itertools.combinations(COMBINED, 2), ("no rate", "sum"), ("no rate", "uphill"), ("no rate", "bias")]


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_two_mistakes_get_both_names_and_no_other(pair, thorough):
    for seed in range(2 if thorough else 1):
        report = cr.check_step(homework(*pair), *problem(SQUARE, seed=seed))
        assert names(report) == {NAMES[one] for one in pair}, report


@pytest.mark.parametrize("twice", SOFTMAX)
@pytest.mark.parametrize("mistake", ["order", "bias", "late loss"])
def test_softmax_twice_and_another(twice, mistake):
    if twice != "softmax twice in the gradient" and mistake == "late loss":
        return  # there the loss after the update has one softmax only
    given = problem((4, 5, 3), seed=3)
    report = cr.check_step(homework(twice, mistake), *given)
    assert names(report) == {"softmax twice", NAMES[mistake]}, report


@pytest.mark.parametrize("widths", [(4, 5, 3), (3, 2), (4, 5, 2), SQUARE, (3, 6, 4, 3)], ids=str)
@pytest.mark.parametrize("options", [{"biases": False}, {"activation": "relu"}], ids=str)
def test_softmax_twice_in_the_update_without_a_trained_bias(widths, options, thorough):
    """It is read off the weights of the output as well."""
    for seed in range(3 if thorough else 1):
        given = problem(widths, seed=seed, biases=options.get("biases", True))
        report = cr.check_step(homework("softmax twice in the gradient", "bias", **options), *given)
        expected = {"softmax twice"} | ({"bias not trained"} if "activation" in options else set())
        assert names(report) == expected, report


CLASSIC = ["order", "bias", "sum", "transposed", *SOFTMAX]


@pytest.mark.parametrize("mistake", CLASSIC)
@pytest.mark.parametrize("classes", [2, 3])
def test_weight_decay_hides_no_mistake(mistake, classes):
    weights, x, y = problem((3, classes, classes))
    report = cr.check_step(homework(mistake, decay=0.1), weights, x, y.astype(float))
    assert names(report) == {NAMES[mistake]}, report


@pytest.mark.parametrize("mistake", ["sum", "softmax twice in the loss", None])
def test_examples_in_columns_that_could_be_rows(mistake):
    """As many features as classes; and as many examples too."""
    for rows in (7, 3):
        given = problem((3, 3, 3), rows=rows, seed=rows)
        report = cr.check_step(in_columns(homework(mistake)), *columns(*given))
        assert names(report) == ({NAMES[mistake]} if mistake else set()), report


@pytest.mark.parametrize("mistake", ["sum", "softmax twice in the gradient"])
@pytest.mark.parametrize("scale", [1e-3])
def test_small_weights_hide_no_mistake(mistake, scale):
    weights, x, y = problem((6, 4, 2), seed=1)
    report = cr.check_step(homework(mistake), [scale * w for w in weights], x, y)
    assert names(report) == {NAMES[mistake]}, report


@pytest.mark.parametrize("shape", [(-1,), (1, -1)], ids=str)
@pytest.mark.parametrize("widths", [(4, 5, 3), (4, 1), (1, 3, 1), (4, 4, 1)], ids=str)
@pytest.mark.parametrize("form", ["x @ W", "x @ W.T"])
def test_a_bias_is_known_wherever_it_stands(shape, widths, form):
    """Behind all weights, as a row, beside weights that are rows themselves."""

    def turned(w):
        return w.T if form == "x @ W.T" else w

    def step_with(mistake):
        def step(weights, x, y, learning_rate):
            half = len(weights) // 2
            pairs = zip(map(turned, weights[:half]), weights[half:], strict=True)
            inner = [array for w, b in pairs for array in (w, b.ravel())]
            loss, new = homework(mistake, loss="squares")(inner, x, y, learning_rate)
            return loss, [*map(turned, new[::2]), *(b.reshape(shape) for b in new[1::2])]

        return step

    weights, x, y = problem(widths, classes=False)
    given = [*map(turned, weights[::2]), *(b.reshape(shape) for b in weights[1::2])]
    assert names(cr.check_step(step_with("bias"), given, x, y)) == {"bias not trained"}
    assert names(cr.check_step(step_with("weight"), given, x, y)) == {"weight not trained"}


@pytest.mark.parametrize("mistake", ["sum", None])
def test_a_step_alone_may_have_any_usual_form(mistake):
    expected = {NAMES[mistake]} if mistake else set()
    step = homework(mistake)

    def of_numbers(weights, x, y, learning_rate):
        return step(weights, x, np.eye(4)[y], learning_rate)

    def weights_first(weights, x, y, learning_rate):
        w1, w2, b1, b2 = weights
        loss, (w1, b1, w2, b2) = step([w1, b1, w2, b2], x, y, learning_rate)
        return loss, [w1, w2, b1, b2]

    for form in (of_numbers, weights_first, in_columns(step)):
        assert names(cr.check_step(form)) == expected


def test_a_step_alone_of_one_output():
    def step(weights, x, y, learning_rate):
        (w1, w2), y = weights, y.reshape(-1, 1)
        a = np.tanh(x @ w1)
        p = 1 / (1 + np.exp(-(a @ w2)))
        loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        d2 = p - y
        return loss, [w1 - learning_rate * x.T @ ((d2 @ w2.T) * (1 - a**2)), w2 - learning_rate * a.T @ d2]

    assert names(cr.check_step(step)) == {"sum where mean was meant"}


@pytest.mark.parametrize("mistake", SOFTMAX)
def test_softmax_twice_and_a_sum_of_two_classes(mistake):
    """p - t of one softmax is nearly a multiple of that of two; only the number of rows is told."""
    for rows in (1, 5):
        report = cr.check_step(homework(mistake, "sum"), *problem((4, 5, 2), rows=rows, seed=1))
        assert names(report) == {"softmax twice"} | ({NAMES["sum"]} if rows > 1 else set()), report


def test_a_deep_net_that_is_updated_too_early():
    """The gradient of the first layer is a polynomial of the learning rate then."""
    report = cr.check_step(homework("order", "sum"), *problem((5, 8, 8, 8, 2), rows=20))
    assert names(report) == {NAMES["order"], NAMES["sum"]}, report


def test_three_mistakes():
    report = cr.check_step(homework("order", "bias", "sum"), *problem((4, 5, 3)))
    assert names(report) == {NAMES[one] for one in ("order", "bias", "sum")}


def test_where_and_what_to_do():
    report = cr.check_step(homework("order"), *problem(named=True))
    assert report.mistakes[0].where == "W1, b1"
    assert "that of W2, b2 does not; compute all gradients with the old weights" in str(report)
    report = cr.check_step(homework("last bias"), *problem(named=True))
    assert report.mistakes[0].where == "b2"
    report = cr.check_step(homework("no slope"), *problem(named=True))
    assert report.mistakes[0].where == "W1, b1"
    assert "that of W2, b2 is right: look at what comes between" in str(report)


def test_a_weight_that_is_not_trained():
    def step(weights, x, y, learning_rate):
        loss, new = homework()(weights, x, y, learning_rate)
        return loss, {**new, "W1": weights["W1"]}

    report = cr.check_step(step, *problem(named=True))
    assert [(mistake.name, mistake.where) for mistake in report.mistakes] == [("weight not trained", "W1")]


@pytest.mark.parametrize("left", ["w", "b", None])
@pytest.mark.parametrize("named", [False, True])
def test_logistic_regression_with_a_vector_and_a_number(left, named):
    def step(weights, x, y, learning_rate):
        w, b = weights.values() if named else weights
        p = 1 / (1 + np.exp(-(x @ w + b)))
        loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        dw, db = x.T @ (p - y) / len(y), np.mean(p - y)
        new = [w if left == "w" else w - learning_rate * dw, b if left == "b" else b - learning_rate * db]
        return loss, dict(zip(weights, new, strict=True)) if named else new

    weights = {"slope": np.array([0.3, -0.2, 0.5]), "intercept": 0.1}
    x = np.random.default_rng(0).normal(size=(8, 3))
    report = cr.check_step(step, weights if named else list(weights.values()), x, np.arange(8) % 2)
    expected = {"w": ["weight not trained"], "b": ["bias not trained"], None: []}[left]
    assert [mistake.name for mistake in report.mistakes] == expected, report


def test_several_steps_in_a_call():
    def step(weights, x, y, learning_rate):
        loss, new = homework()(weights, x, y, learning_rate)
        return loss, homework()(new, x, y, learning_rate)[1]

    report = cr.check_step(step, *problem())
    assert "not one gradient step" in names(report)


def test_large_arrays_are_sampled():
    report = cr.check_step(homework("transposed"), *problem((30, 30, 3), rows=5), samples=6)
    assert [len(found.entries) for found in report.arrays] == [6, 6, 6, 3]
    assert names(report) == {"transposed weight gradient"}


# What is no step ---------------------------------------------------------------------------------


def count_up(memory=[0.0]):  # noqa: B006  (what it remembers is the point)
    memory[0] += 1
    return memory[0]


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (3, "a step is a function"),
        (lambda w, x, y, r: 1.0, r"should return \(loss, new weights\), and it returned 1.0; return both"),
        (lambda w, x, y, r: (np.ones(3), w), "loss should be one float"),
        (lambda w, x, y, r: ("a", w), "loss should be one float, and it is 'a'"),
        (lambda w, x, y, r: (1.0, w[:1]), "was given 4 arrays and returned 1"),
        (
            lambda w, x, y, r: (1.0, [w[0].T, *w[1:]]),
            r"given weights\[0\] of shape \(4, 5\) and returned \(5,",
        ),
        (lambda w, x, y, r: (np.nan, w), "loss is nan; check it where the loss is finite"),
        (lambda w, x, y, r: (1.0, [w[0] * np.inf, *w[1:]]), r"makes weights\[0\] NaN or infinite"),
        (lambda w, x, y, r: (count_up(), w), "gave another loss when it was called again"),
    ],
)
def test_what_is_no_step(step, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence) as caught:
        cr.check_step(step, *problem())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (({}, np.ones((2, 2)), [1, 2]), "there are no weights"),
        (([np.nan], np.ones((2, 2)), [1, 2]), r"weights\[0\] holds NaN or infinity"),
        ((["a"], np.ones((2, 2)), [1, 2]), r"weights\[0\] holds 'a'"),
        (([1.0], np.ones((2, 3)), np.ones((4, 5))), r"x has the shape \(2, 3\) and y \(4, 5\)"),
        (([1.0], 3.0, [1]), "x and y are arrays with one row for each example"),
        (([1.0],), "takes weights, x and y, or none of them"),
    ],
)
def test_what_cannot_be_checked(arguments, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        cr.check_step(homework(), *arguments)


def test_options_that_cannot_be():
    with pytest.raises(ValueError, match="did you mean 'learning_rate'"):
        cr.check_step(homework(), *problem(), learning_rates=1)
    numbers = [{"learning_rate": 0.0}, {"samples": 0}, {"tolerance": 2.0}]
    for option in (*numbers, {"learning_rate": "0.1"}, {"samples": 2.5}):
        with pytest.raises(ValueError, match="a step is checked with a learning rate above 0"):
            cr.check_step(homework(), *problem(), **option)


def test_an_error_of_the_step_itself_is_shown_as_it_is():
    def step(weights, x, y, learning_rate):
        return weights["missing"]

    with pytest.raises(KeyError, match="missing"):
        cr.check_step(step, *problem(named=True))
    with pytest.raises(
        ValueError, match=r"fails on the example, .* with TypeError: .*; call check_step\(step, w"
    ):
        cr.check_step(step)


def test_no_warning_reaches_the_user():
    """The loss is looked at where it is extreme, too; an unguarded exp overflows there."""

    def step(weights, x, y, learning_rate):
        warnings.warn("exp may overflow", stacklevel=1)
        (w, b), *_ = layers_of(weights, True)
        e = np.exp(x @ w + b)
        p = e / e.sum(axis=1, keepdims=True)
        target = np.eye(p.shape[1])[y]
        delta = (p - target) / len(x)
        return -np.mean(np.log(np.sum(p * target, axis=1))), [
            w - learning_rate * x.T @ delta,
            b - learning_rate * delta.sum(axis=0),
        ]

    assert cr.check_step(step, *problem((4, 3)))


def test_rows_that_no_unit_lets_through_tell_of_no_mistake():
    """Where all biases are 0, two such rows of both classes hide the kinks of the next layer's biases."""
    weights, x, y = problem((4, 5, 5, 2), seed=3)
    weights = [w if w.ndim == 2 else 0 * w for w in weights]
    weights[0][0], x[0] = 1.0, [-9, 0, 0, 0]
    x[-1], y[0], y[-1] = x[0], 0, 1
    assert names(cr.check_step(homework("sum", activation="relu"), weights, x, y)) == {NAMES["sum"]}


@pytest.mark.parametrize("inputs", [3, 30])
@pytest.mark.parametrize("trained", [True, False])
def test_a_bias_that_is_the_last_row_of_a_matrix(inputs, trained):
    def step(weights, x, y, learning_rate):
        (matrix,) = weights
        with_one = np.c_[x, np.ones(len(x))]
        error = with_one @ matrix - y
        gradient = 2 * with_one.T @ error / len(x)
        gradient[-1] *= trained
        return (error**2).sum() / len(x), [matrix - learning_rate * gradient]

    generator = np.random.default_rng(0)
    shapes = (inputs + 1, 20), (8, inputs), (8, 20)
    matrix, x, y = (generator.normal(size=shape) for shape in shapes)
    found = [mistake.name for mistake in cr.check_step(step, [matrix], x, y).mistakes]
    assert found == ([] if trained else ["bias not trained"])


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize(
    ("loss", "slope", "name", "words"),
    [
        (lambda e: np.mean(e**2), lambda e: 2 * e, "sum where mean was meant", "number of rows, 9; it is 3"),
        (lambda e: np.mean(e**2) / 2, lambda e: e, "sum where mean was meant", "number of rows, 9; it is 3"),
        (lambda e: np.sum(e**2), lambda e: 2 * e / e.size, "mean where sum was meant", "9; it is 1/3"),
        (lambda e: np.mean(e**2), lambda e: 2 * e / len(e), "sum where mean was meant", "uses 3 times"),
        (lambda e: np.sum(e**2) / len(e), lambda e: 2 * e / e.size, "mean where sum was meant", "uses 1/3"),
    ],
    ids=["sum", "sum of halves", "mean", "sum over outputs", "mean over outputs"],
)
def test_sums_over_rows_and_outputs_have_one_name(outputs, loss, slope, name, words):
    generator = np.random.default_rng(outputs)
    x, y = generator.normal(size=(9, 4)), generator.normal(size=(9, outputs))
    weights = [generator.normal(size=(4, outputs)), generator.normal(size=outputs)]

    def step(weights, x, y, learning_rate):
        error = x @ weights[0] + weights[1] - y
        delta = slope(error)
        gradients = [x.T @ delta, delta.sum(axis=0)]
        return loss(error), [w - learning_rate * g for w, g in zip(weights, gradients, strict=True)]

    found = cr.check_step(step, weights, x, y).mistakes
    of_outputs_only = words.startswith("uses")
    if of_outputs_only and outputs < 3:  # a factor of 2 may be that of a square
        assert [mistake.name for mistake in found] == ["gradient scaled"] * (outputs - 1)
    else:
        assert [mistake.name for mistake in found] == [name]
    if outputs == 3:
        assert words in found[0].evidence
        assert "outputs" in found[0].remedy
