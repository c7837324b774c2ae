"""The page in a real browser: each number that it shows is the model's, and everybody can use it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from browser import places_at_stop
from explained_cases import CLASSES, NUMBERS, ROWS, built, dense
from reading_mathml import in_python

import chainrule as cr
from chainrule.explanation.plain import to_text

#: Reads all arrays of the page by its own modules.
READ = """async () => {
  const script = document.querySelector("script[type=module]").textContent + "\\nexport { data, numbersOf };";
  const page = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
  return Object.fromEntries(Object.keys(page.data.arrays).map((key) => [key, [...page.numbersOf(key)]]));
}"""
#: Arrays whose formulas are products and sums.
SUMS = ("layers.0.z", "layers.1.z", "d layers.0.a", "d layers.1.weight", "d x")


def told(explanation):
    """Every array of the story by name."""
    return {step.quantity.symbol.key: step.quantity.array for step in explanation.steps}


def close(text, number):
    """Whether a number on the page is this one, to the six digits that are written."""
    shown = float(in_python(text).strip("()"))
    return shown == pytest.approx(float(number), rel=6e-6, abs=1e-300)


def at(arrays, place):
    """The number at a place such as layers.0.z[0, 1]."""
    key, _, index = place.partition("[")
    return arrays[key][tuple(int(i) for i in index.rstrip("]").split(",") if i)]


def check_lines(page, arrays, where):
    """Compare every line's value, and every number put into its formula; return how many there were."""
    count = 0
    for place, text in page.eval_on_selector_all(
        f"{where} output[data-value]", "all => all.map(one => [one.dataset.value, one.textContent])"
    ):
        assert close(text, at(arrays, place)), place
        count += 1
    leaves = page.eval_on_selector_all(
        f"{where} .formula:not(.whole) [data-at]",
        "all => all.map(one => [one.dataset.at, one.textContent, one.children[0].tagName])",
    )
    for place, text, tag in leaves:
        if (
            tag == "mn"
            and place.partition("[")[0] in arrays
            and not re.search(r"[^-\d.e()]", in_python(text))
        ):
            assert close(text, at(arrays, place)), place
            count += 1
    return count


@pytest.mark.parametrize("which", ["small", "large"])
def test_each_number_of_each_step_is_the_models(which, opened, request):
    _, explanation = request.getfixturevalue(which)
    page, arrays = opened(explanation), told(explanation)
    for number, step in enumerate(explanation.steps, start=1):
        assert page.text_content("#told h2") == f"{number}. {step.title}"
        assert check_lines(page, arrays, "#told") >= min(step.quantity.array.size, 6)
        page.keyboard.press("ArrowRight")
    verdict = page.text_content("#verdict")
    for number in (explanation.loss, explanation.loss_after):
        assert any(close(text, number) for text in re.findall(r"\d+\.\d+", verdict))


def test_the_gradients_on_the_page_are_the_models(small, opened):
    model, explanation = small
    _, gradients = model.gradients(ROWS, NUMBERS)
    page = opened(explanation)
    page.locator("#step").fill(str(len(explanation.steps)))
    for edge in page.locator(".edge").all():
        edge.focus()
        name = page.text_content("#chosen-name")
        shown = page.text_content(f'#chosen output[data-value="d {name}"]')
        assert close(shown, at(gradients, name))
        new = page.text_content(f"""#chosen output[data-value="{name.replace("[", "′[")}"]""")
        assert close(new, at(told(explanation), name.replace("[", "′[")))


def test_units_and_edges_show_the_numbers_of_the_step(small, opened):
    _, explanation = small
    page, arrays = opened(explanation), told(explanation)
    assert page.locator(".unit").count() == 4 + 3 + 2 + 1
    assert page.locator(".edge").count() == 4 * 3 + 3 * 2
    steps = {step.quantity.symbol.key: step.number for step in explanation.steps}
    for number in (1, 9, 14, len(explanation.steps)):
        page.locator("#step").fill(str(number))
        for element in page.locator(".units [data-shows]").all():
            place, label = element.get_attribute("data-shows"), element.get_attribute("aria-label")
            assert place.replace("d ", "derivative of the loss with respect to ") in label
            if label.endswith(", not computed yet"):
                assert steps[place.partition("[")[0]] > number
                assert element.text_content() == ""
            else:
                assert close(label.rpartition(" ")[2], at(arrays, place))


def test_what_flows_is_lit(small, opened):
    _, explanation = small
    page = opened(explanation)
    steps = {step.quantity.symbol.key: step.number for step in explanation.steps}
    page.locator("#step").fill(str(steps["layers.0.z"]))
    assert page.locator(".unit.lit").count() == 3
    assert page.locator(".unit.source").count() == 4
    assert page.locator(".edge.source").count() == 12
    page.locator("#step").fill(str(steps["loss"]))
    assert page.locator(".unit.lit").get_attribute("data-shows") == "loss"
    assert page.locator(".unit.source").count() == 2
    page.locator("#step").fill(str(steps["d layers.1.weight"]))
    assert page.locator(".edge.lit").count() == 6
    assert page.locator(".unit.lit").count() == 0


def test_a_factor_lights_where_it_came_from(small, opened):
    _, explanation = small
    page = opened(explanation)
    page.locator(".unit").nth(4).focus()
    leaf = page.locator('#chosen button[data-at="layers.0.weight[2, 0]"]')
    leaf.hover()
    assert page.locator(".edge.pointed").get_attribute("data-shows") == "layers.0.weight[2, 0]"
    leaf.click()
    assert page.text_content("#chosen-name") == "layers.0.weight[2, 0]"
    page.mouse.move(1, 1)
    page.locator("#row").fill("1")
    page.locator('#chosen mrow[data-at="x[1, 2]"]').first.hover()
    assert page.locator(".unit.pointed").get_attribute("data-shows") == "x[1, 2]"


def test_the_factors_of_what_is_chosen_have_their_formulas(small, opened):
    """∂L/∂z is a factor of the weight's derivative, and is told by what it is computed from."""
    _, explanation = small
    page, arrays = opened(explanation), told(explanation)
    page.locator("#step").fill(str(len(explanation.steps)))
    page.locator('.edge[data-shows="layers.0.weight′[2, 1]"]').focus()
    factor = page.locator('#chosen .leaves .formula:has(button[data-at="d layers.0.z[0, 1]"])')
    named, numbered = factor.locator("> span").all()
    places = named.locator("[data-at]").evaluate_all("all => all.map(one => one.dataset.at)")
    assert set(places) == {"d layers.0.a[0, 1]", "layers.0.a[0, 1]"}
    assert "=" not in named.text_content().removeprefix("=\u00a0")
    assert numbered.locator("mn").count() >= 2
    assert check_lines(page, arrays, "#chosen .leaves") > 10


def test_rows_can_be_chosen(small, opened):
    _, explanation = small
    page = opened(explanation)
    page.locator("#row").fill("2")
    assert page.locator(".unit").first.get_attribute("data-shows") == "x[2, 0]"


@pytest.mark.parametrize(("typed", "row"), [("7", 2), ("-1", 0), ("1.5", 1), ("", 0)])
def test_a_row_that_is_none_is_not_shown(typed, row, small, opened):
    _, explanation = small
    page = opened(explanation)
    page.locator("#row").fill(typed)
    page.locator("#row").blur()
    assert page.locator("#row").input_value() == str(row)
    labels = page.eval_on_selector_all("#drawing [aria-label]", "all => all.map(one => one.ariaLabel)")
    inputs = [label for label in labels if label.startswith("x[")]
    assert len(inputs) == len(ROWS[0])
    assert all(label.startswith(f"x[{row}, ") for label in inputs)
    assert not any("∞" in label for label in labels)


def test_every_element_of_a_step_can_be_reached(large, opened):
    _, explanation = large
    page, arrays = opened(explanation), told(explanation)
    titles = [step.title for step in explanation.steps]
    number = 1 + next(
        n for n, title in enumerate(titles) if title.startswith("given: W⁽⁰⁾, which is layers.0.weight")
    )
    page.locator("#step").fill(str(number))
    for count in (6, 106, 206):
        places = page.eval_on_selector_all(
            "#told output[data-value]", "all => all.map(one => one.dataset.value)"
        )
        assert len(places) == len(set(places)) == count
        page.get_by_role("button", name=re.compile(r"^\d+ more$")).press("Enter")
    assert check_lines(page, arrays, "#told") >= 306


def test_large_layers_are_heat_maps(large, opened):
    _, explanation = large
    page, arrays = opened(explanation), told(explanation)
    assert page.locator("svg line").count() == 5  # from map to map, never one for each weight
    assert page.locator("figure:not(.tiles *) canvas").count() == 3 + 2 + 1
    canvas = page.locator("canvas").nth(1)
    canvas.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert page.text_content("#chosen-name") == "layers.0.weight[1, 2]"
    assert close(canvas.get_attribute("aria-label").rpartition(" ")[2], arrays["layers.0.weight"][1, 2])
    assert check_lines(page, arrays, "#chosen") > 4
    assert page.text_content("#count").startswith("1 of")  # the arrow keys stayed in the map


def test_heat_maps_are_joined_in_the_order_of_the_network(opened):
    net = cr.Sequential([cr.Dense(40, activation="relu"), cr.Residual([cr.LayerNorm()]), cr.Dense(3)])
    explanation = built(net).explain(ROWS[:1], [[0.0, 1.0, 2.0]])
    page, joined = opened(explanation), []
    for line in page.locator(".joins line").all():
        joined.append(line.get_attribute("data-join"))
        ends = [float(line.get_attribute(name)) for name in ("x1", "y1", "x2", "y2")]
        assert ends[:2] != ends[2:]
        assert all(end > 0 for end in ends)
    assert joined[:2] == ["input layers.0.weight", "layers.0.weight layers.0"]
    assert {"layers.0 layers.1.layers.0", "layers.0 layers.1", "layers.1.layers.0 layers.1"} <= set(joined)
    number = {step.quantity.symbol.key: step.number for step in explanation.steps}["layers.0.z"]
    page.locator("#step").fill(str(number))
    assert page.locator(".joins line.lit").count() == 2  # x and W are what z is computed from
    page.set_viewport_size({"width": 500, "height": 900})
    moved = page.locator(".joins line").last
    page.wait_for_function("document.querySelector('.joins').getAttribute('width') < 500")
    assert float(moved.get_attribute("x2")) < 500


@pytest.mark.parametrize("which", ["small", "large"])
def test_the_numbers_in_a_formula_come_to_its_value(which, opened, request):
    """Products and sums, with the sum of the terms that are not shown, as a person would add them up."""
    _, explanation = request.getfixturevalue(which)
    page, checked = opened(explanation), 0
    for step in explanation.steps:
        if step.quantity.symbol.key in SUMS:
            page.locator("#step").fill(str(step.number))
            for line in page.locator("#told [data-line]").all():
                numbers = line.locator("> span:not(.label)").last.text_content().removeprefix("=\u00a0")
                value = float(in_python(line.locator("output").text_content()))
                assert eval(in_python(numbers)) == pytest.approx(value, rel=1e-4, abs=1e-5), numbers
                checked += 1
    assert checked >= 5 * 6 - 3


def test_the_colour_of_a_cell_is_its_sign(large, opened):
    _, explanation = large
    page, weight = opened(explanation), told(explanation)["layers.0.weight"]
    pixels = page.eval_on_selector_all(
        "canvas", "all => [...all[1].getContext('2d').getImageData(0, 0, 100, 64).data]"
    )
    pixels = np.array(pixels).reshape(64, 100, 4)
    strong = np.abs(weight) > 0.5 * np.abs(weight).max()
    bluer = pixels[..., 2] > pixels[..., 0]
    np.testing.assert_array_equal(bluer[strong], (weight > 0)[strong])


def test_recorded_steps_are_scrubbed(small, opened):
    _, explanation = small
    page = opened(explanation)
    for number in (1, 17, 50):
        page.locator("#recorded").fill(str(number))
        step = explanation.history[number - 1]
        assert close(page.text_content("#recorded-loss"), step["loss"])
        cells = page.locator("#history tbody td").all_text_contents()
        sizes = [layer[key] for layer in step["layers"].values() for key in ("weight", "gradient", "update")]
        assert all(close(cell, size) for cell, size in zip(cells, sizes, strict=True))
    assert page.locator("#history .course path").last.get_attribute("d").count("L") == 49
    losses = [step["loss"] for step in explanation.history]
    high, low, below = page.locator("#history .curve text").all_text_contents()
    assert close(high, max(losses))
    assert close(low, min(losses))
    assert below == "training step"


def test_a_step_is_chosen_below_its_point_or_at_it(small, opened):
    page = opened(small[1])
    page.locator("#history").scroll_into_view_if_needed()
    middle = "one => { const { left, width } = one.getBoundingClientRect(); return left + width / 2; }"
    track = page.locator("#recorded").bounding_box()
    thumb = 16
    for number in (1, 18, 50):
        page.locator("#recorded").fill(str(number))
        point = page.locator("#history circle").evaluate(middle)
        along = track["x"] + thumb / 2 + (number - 1) / 49 * (track["width"] - thumb)
        assert point == pytest.approx(along, abs=2)
        height = page.locator("#history circle").bounding_box()["y"]
        page.locator("#recorded").fill("5")
        page.mouse.click(point, height)
        assert page.text_content("#recorded-count") == f"{number} of 50"


def test_the_keyboard_alone_reaches_everything(small, opened):
    _, explanation = small
    page = opened(explanation)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.update(places_at_stop(page))
    assert {"step", "previous", "next", "play", "row", "recorded"} <= reached
    assert (
        sum("[" in str(name) for name in reached) == 9 + 18 + 2 + 4 + 1
    )  # units, weights, biases, velocities, the target
    page.locator("#next").focus()
    page.keyboard.press("Enter")
    assert page.text_content("#count").startswith("2 of")
    page.keyboard.press("ArrowLeft")
    assert page.text_content("#count").startswith("1 of")
    page.keyboard.press("ArrowLeft")
    assert page.text_content("#count").startswith("1 of")


def test_play_walks_by_itself_and_stops(small, opened):
    page = opened(small[1])
    page.locator("#play").click()
    assert page.locator("#play").get_attribute("aria-pressed") == "true"
    page.wait_for_function("document.getElementById('step').value === '2'")
    page.locator("#play").click()
    assert page.locator("#play").get_attribute("aria-pressed") == "false"


def test_a_page_is_small_and_whole(large, small, tmp_path):
    page = large[1].to_html(tmp_path / "large.html")
    assert (tmp_path / "large.html").read_text("utf-8") == page
    assert len(page.encode()) < 1_000_000
    wide = cr.Model(
        cr.Sequential([cr.Dense(512, activation="relu"), cr.Dense(512, activation="relu"), cr.Dense(10)]),
        loss="cross_entropy",
        optimizer=cr.Adam(1e-3),
    )
    x = np.random.default_rng(0).random((3, 784))
    wide.fit(x, CLASSES, epochs=3, batch_size=1)
    assert len(wide.explain(x[:1], [3]).to_html()) < 7_500_000
    double = built(cr.Sequential([cr.Dense(100), cr.Dense(10)]), "cross_entropy", cr.Adam())
    assert len(double.explain(ROWS[:1], CLASSES[:1]).to_html().encode()) < 1_000_000
    assert "__" not in re.sub(r"__proto__", "", re.search(r"<body>.*?<script", page, re.DOTALL)[0])
    assert not re.search(r"""(src|href)=|url\(|@import|fetch\(""", page)
    assert "srcdoc" in small[1]._repr_html_()


def test_what_an_optimizer_keeps_of_very_many_weights_is_left_out(opened):
    net = cr.Sequential([cr.Dense(300, activation="relu"), cr.Dense(3)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(0.01))
    x = np.random.default_rng(0).random((3, 200))
    model.fit(x, CLASSES, epochs=2)
    explanation = model.explain(x[:1], CLASSES[:1])
    page, arrays = opened(explanation), told(explanation)
    steps = {step.quantity.symbol.key: step.number for step in explanation.steps}
    page.locator("#step").fill(str(steps["layers.0.weight/mean_square′"]))
    assert "too many for a page" in page.text_content("#told")
    assert page.locator("#told .formula").count() == 1
    page.locator("#step").fill(str(steps["layers.0.weight′"]))
    assert check_lines(page, arrays, "#told") >= 6
    places = "all => all.map(one => one.dataset.at ?? one.dataset.all)"
    assert not any("/mean" in one for one in page.locator("[data-at], [data-all]").evaluate_all(places))
    assert "its array is left out" in page.text_content("#told")
    page.locator("canvas").nth(1).focus()
    assert check_lines(page, arrays, "#chosen") >= 3
    assert "its array is left out" in page.text_content("#chosen")
    page.locator("#step").fill(str(steps["layers.1.weight/mean_square′"]))
    assert check_lines(page, arrays, "#told") >= 6  # of few weights all is there
    assert "is left out" not in page.text_content("#told")


def test_a_page_that_cannot_be_written_is_told(small, tmp_path):
    with pytest.raises(ValueError, match="missing"):
        small[1].to_html(tmp_path / "missing" / "page.html")


def test_layers_without_weights_are_joined(opened):
    net = cr.Sequential(
        [cr.Dense(3), cr.Residual([cr.LayerNorm(), cr.Dense(3, activation="tanh")]), cr.Dense(2)]
    )
    page = opened(built(net).explain(ROWS, NUMBERS))
    kinds = ["Dense", "LayerNorm", "Dense", "Residual", "Dense"]
    assert page.locator(".columns").all_text_contents() == ["input", *kinds, "loss"]
    links = page.locator(".link")
    assert [link.get_attribute("data-link") for link in links.all()] == ["1 2", "3 4", "1 4", "5 6"]
    assert [link.locator("path").count() for link in links.all()] == [0, 3, 3, 0]
    assert [link.locator("polygon").count() for link in links.all()] == [1, 0, 0, 1]


def test_one_unit_is_joined_to_the_loss(opened):
    page = opened(built(cr.Dense(1), "binary_cross_entropy").explain(ROWS, [[1.0], [0.0], [1.0]]))
    band = page.locator(".link polygon")
    assert band.count() == 1
    assert band.bounding_box()["height"] > 10


@pytest.mark.parametrize("optimizer", [cr.SGD(0.1, momentum=0.9), cr.Adam(0.01)], ids=["sgd", "adam"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 3])
def test_packed_numbers_are_the_models_to_the_last_bit(rows, dtype, optimizer, opened):
    """Some are not written out: products of two rows, and what is nearly another array."""
    net = cr.Sequential([cr.Dense(40, activation="relu"), cr.Dense(3)])
    model = cr.Model(net, loss="cross_entropy", optimizer=optimizer, dtype=dtype)
    x = np.random.default_rng(0).random((3, 30))
    model.fit(x, CLASSES, epochs=3)
    explanation = model.explain(x[:rows], CLASSES[:rows])
    page = opened(explanation)
    read = page.evaluate(READ)
    for key, array in told(explanation).items():
        np.testing.assert_array_equal(np.reshape(read[key], array.shape), array, err_msg=key)


def test_other_networks_are_drawn_too(opened):
    layers = [cr.LayerNorm(), cr.Dense(4, activation="gelu")]
    network = cr.Sequential([cr.Residual(layers), cr.Dense(2, activation="softmax")])
    explanation = built(network).explain(ROWS, NUMBERS)
    page, arrays = opened(explanation), told(explanation)
    for step in explanation.steps:
        assert check_lines(page, arrays, "#told") >= min(step.quantity.array.size, 6)
        page.keyboard.press("ArrowRight")
    for unit in page.locator(".unit").all():
        unit.focus()
        assert check_lines(page, arrays, "#chosen")


@pytest.mark.parametrize("rate", [10.0, 1e30])
def test_steps_that_diverge_are_shown_as_far_as_they_are_numbers(rate, opened):
    x = np.random.default_rng(0).normal(size=(3, 4))
    net = cr.Sequential([cr.Dense(8, activation="relu"), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", optimizer=cr.SGD(rate))
    explanation = model.explain(x, [1.0, 2.0, 3.0], steps=50)
    assert len(explanation.history) < 50
    page = opened(explanation)
    assert "NaN" not in page.locator("#history .course path").last.get_attribute("d")
    several = f"{len(explanation.history)} consecutive training steps"
    title = "One training step" if len(explanation.history) == 1 else several
    assert page.text_content("#history h2") == title
    page.keyboard.press("End")
    shown = page.inner_text("body").split()
    assert any("inf" in word for word in shown) == (explanation.loss_after == np.inf) == (rate == 1e30)


def test_what_an_optimizer_keeps_for_a_whole_weight_is_shown_as_it_is(opened):
    explanation = built(dense(), optimizer=cr.Nadam(0.01)).explain(ROWS, NUMBERS)
    page, arrays = opened(explanation), told(explanation)
    assert arrays["layers.0.weight/momentum_product"].shape == ()
    page.locator("#step").fill(str(len(explanation.steps)))
    page.locator(".edge").nth(5).focus()
    assert page.locator('#chosen output[data-value="layers.0.weight/momentum_product′"]').count() == 1
    assert check_lines(page, arrays, "#chosen") > 4


def test_formulas_that_are_each_their_own_take_little_room(opened):
    """A softmax's and a batch's: each element has its own, and they are much alike."""
    net = cr.Sequential([cr.Dense(12), cr.BatchNorm(), cr.Activation("relu"), cr.Dense(3)])
    explanation = built(net).explain(ROWS, np.ones((len(ROWS), 3)))
    assert len(explanation.to_html()) < 300_000
    page, arrays = opened(explanation), told(explanation)
    page.locator("#step").fill(str(next(s.number for s in explanation.steps if s.stage == "backward")))
    assert check_lines(page, arrays, "#told")


@pytest.mark.parametrize("which", ["small", "large"])
def test_a_narrow_page_does_not_scroll_sideways(which, opened, request):
    _, explanation = request.getfixturevalue(which)
    page = opened(explanation)
    for width in (380, 320):
        page.set_viewport_size({"width": width, "height": 800})
        for number in range(1, len(explanation.steps) + 1, 4):
            page.locator("#step").fill(str(number))
            page.locator(".unit, canvas").first.focus()
            wide, screen = page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            )
            assert wide <= screen, number


def test_long_names_of_layers_do_not_make_it_scroll_sideways(opened):
    """In the list of all steps, too."""
    net = cr.Sequential([cr.Residual([cr.Residual([cr.Dense(4)])]), cr.Dense(2)])
    page = opened(built(net, optimizer=cr.Adam(0.1)).explain(ROWS, NUMBERS, steps=2))
    page.set_viewport_size({"width": 320, "height": 640})
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_small_and_large_numbers_are_written_as_in_the_text(opened):
    """1.5 · 10⁻⁶, in formulas and beside them, in brackets where a factor needs them."""
    model = built(cr.Dense(2), optimizer=cr.SGD(0.1, momentum=0.9))
    explanation = model.explain(ROWS * 1e-7, NUMBERS * 2e6)
    page, arrays = opened(explanation), told(explanation)
    for step in explanation.steps:
        page.locator("#step").fill(str(step.number))
        check_lines(page, arrays, "#told")
        if step.quantity.symbol.key == "d weight":
            line = page.locator("#told [data-line]").first
            value = explanation.names.printer.number(step.quantity.array[0, 0])
            assert line.locator("output").text_content() == to_text(value)
            assert "·(−1.10915 · 10⁶)" in line.text_content()
    assert not re.search(r"\de[−+]?\d", page.text_content("#told"))
