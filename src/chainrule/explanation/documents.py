"""An explanation as text, Markdown, LaTeX and plain data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.explanation.latex import escaped, to_display, to_latex
from chainrule.explanation.layout import Layout
from chainrule.explanation.plain import to_text
from chainrule.explanation.quantity import whole
from chainrule.explanation.story import StoryStep
from chainrule.graph.types import BOOL

if TYPE_CHECKING:
    from chainrule.explanation.explanation import Explanation

#: So many elements of an array are written out; and on a worksheet so many that are to be worked out.
MOST_ELEMENTS, MOST_ASKED = 6, 48
STAGES = {
    "given": "What is given",
    "forward": "Forward pass",
    "loss": "The loss",
    "backward": "Backward pass",
    "update": "Weight update",
}
NOTE = (
    "Subscripts count from 0, as Python does: W₁,₀ is the weight from input 1 to unit 0. "
    "A number in raised parentheses is the layer's; ′ marks what is new. "
    "· multiplies element by element; side by side is the matrix product."
)


def as_text(explanation: Explanation, answers: bool = True) -> str:
    """Return the story as plain text."""
    return "\n".join(line for line, _ in _lines(explanation, answers))


def as_rich(explanation: Explanation) -> Any:
    """Return the story as rich's Text, with headings and rules set off."""
    from rich.text import Text

    return Text("\n").join(Text(line, style) for line, style in _lines(explanation, answers=True))


def _lines(explanation: Explanation, answers: bool) -> Iterator[tuple[str, str]]:
    """Yield the lines of the story as text, each with a style."""
    yield from ((explanation.title, "bold"), ("=" * len(explanation.title), "bold"), ("", ""), (NOTE, "dim"))
    for heading, step in _under_headings(explanation):
        if heading:
            yield from (("", ""), (heading, "bold"), ("-" * len(heading), "bold"))
        yield from (("", ""), (f"{step.number}. {step.title}", "bold"))
        if step.rule:
            yield f"   {step.rule}", "italic"
        if step.quantity.formula is not None:
            yield f"   {to_text(step.quantity.equation)}", "cyan"
        for line, label in _elements(explanation, step, answers):
            yield f"     {to_text(line)}" + (f"   ({label})" if label else ""), ""
        yield from ((line, "dim") for line in _rest(explanation, step, answers, "     "))
    yield "", ""
    yield from ((line, "") for line in _ending(explanation, answers))


def as_markdown(explanation: Explanation, answers: bool = True) -> str:
    """Return the story as Markdown with formulas in LaTeX."""
    lines = [f"# {_as_plain(explanation.title)}", "", NOTE]
    for heading, step in _under_headings(explanation):
        if heading:
            lines += ["", f"## {heading}"]
        lines += [
            "",
            f"**{step.number}. {_as_plain(step.title)}**" + (f" ({step.rule})" if step.rule else ""),
        ]
        if step.quantity.formula is not None:
            lines += ["", f"$${to_latex(step.quantity.equation)}$$"]
        lines.append("")
        for line, label in _elements(explanation, step, answers):
            lines.append(f"- ${to_latex(line)}$" + (f" ({_as_plain(label)})" if label else ""))
        lines += _rest(explanation, step, answers, "- ")
    return "\n".join([*lines, "", "## The end", "", *_ending(explanation, answers)]) + "\n"


def as_latex(explanation: Explanation, answers: bool = True) -> str:
    """Return the story as a LaTeX document."""
    lines = [
        rf"\section*{{{escaped(explanation.title)}}}",
        "Subscripts count from 0. A number in raised parentheses is the layer's; a prime marks what is new.",
    ]
    for heading, step in _under_headings(explanation):
        if heading:
            lines.append(rf"\subsection*{{{heading}}}")
        rule = f" ({escaped(step.rule)})" if step.rule else ""
        lines.append(rf"\paragraph{{{step.number}.}} {escaped(step.title)}{rule}")
        if step.quantity.formula is not None:
            lines.append(to_display(step.quantity.equation))
        for line, label in _elements(explanation, step, answers):
            lines.append(to_display(line, rf"\quad \text{{({escaped(label)})}}" if label else ""))
        lines += map(escaped, _rest(explanation, step, answers, ""))
    lines += [r"\subsection*{The end}", *map(escaped, _ending(explanation, answers))]
    return _as_document("\n".join(lines))


def _as_document(body: str) -> str:
    """Return a whole LaTeX document. Letters for which pdfTeX has no shape, it prints by their numbers."""
    body = unicodedata.normalize("NFC", body)
    foreign = sorted(sign for sign in set(body) if not sign.isascii())
    declared = (
        rf"\ifcsname u8:\detokenize{{{sign}}}\endcsname\else"
        rf"\DeclareUnicodeCharacter{{{ord(sign):04X}}}{{\textsubscript{{U+{ord(sign):04X}}}}}\fi"
        for sign in foreign
    )
    head = [
        r"\documentclass{article}",
        r"\usepackage{amsmath}",
        r"\usepackage[a4paper,margin=2cm]{geometry}",
        *([r"\ifdefined\DeclareUnicodeCharacter", *declared, r"\fi"] if foreign else []),
        r"\sloppy",
        r"\begin{document}",
    ]
    return "\n".join([*head, body, r"\end{document}"]) + "\n"


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """Return the story as plain Python data."""
    verdict = explanation.verdict
    return {
        "title": explanation.title,
        "loss": explanation.loss,
        "loss_after": explanation.loss_after,
        "steps": [_step_as_dict(explanation, step) for step in explanation.steps],
        "verdict": {
            "right": verdict.right,
            "finite_differences": verdict.differences,
            "compiled": verdict.compiled,
            "faults": list(verdict.faults),
            "parameters": [vars(one) for one in verdict.comparisons],
        },
        "history": explanation.history,
    }


def _step_as_dict(explanation: Explanation, step: StoryStep) -> dict[str, Any]:
    quantity = step.quantity
    return {
        "number": step.number,
        "stage": step.stage,
        "part": step.part,
        "title": step.title,
        "rule": step.rule,
        "name": quantity.symbol.key,
        "formula": to_text(quantity.equation),
        "latex": to_latex(quantity.equation),
        "value": np.asarray(quantity.array).tolist(),
        "numbers": dict(step.numbers),
        "labels": list(explanation.labels.listed.get(quantity.symbol.key, ())),
    }


def _under_headings(explanation: Explanation) -> Iterator[tuple[str, StoryStep]]:
    """Yield each step, with the heading of its stage before the first."""
    before = ""
    for step in explanation.steps:
        yield (STAGES[step.stage] if step.stage != before else ""), step
        before = step.stage


def _is_asked(explanation: Explanation, step: StoryStep) -> bool:
    """Whether a worksheet leaves it out: what is computed, in this update or in the one before."""
    if step.stage == "forward" and step.quantity.stop is None:  # random numbers, which nobody can work out
        return False
    kept = {*explanation.names.recording.step.parameters.values(), *explanation.names.state}
    return step.stage != "given" or (explanation.goes_on and step.quantity.value in kept)


def _elements(explanation: Explanation, step: StoryStep, answers: bool) -> Iterator[tuple[Layout, str]]:
    """Yield the equations of the first elements; on a worksheet of all that is given, in full.

    Beside each stands what a person calls the element, if anything.
    """
    quantity, asked = step.quantity, _is_asked(explanation, step)
    to_work_out = MOST_ASKED if asked else None
    most = _most(explanation) if answers else to_work_out
    for place in quantity.places(most):
        label = explanation.labels.of(quantity.symbol.key, quantity.value, place)
        yield whole(quantity.line(place), quantity.names, answers or not asked), label


def _most(explanation: Explanation) -> int:
    """Return how many elements of an array the answers give: all that a worksheet asks for, or the first."""
    return MOST_ASKED if explanation.in_full else MOST_ELEMENTS


def _rest(explanation: Explanation, step: StoryStep, answers: bool, indent: str) -> list[str]:
    """Say what is not written out."""
    array = step.quantity.array
    if not answers:
        more = array.size - MOST_ASKED if _is_asked(explanation, step) else 0
        return [f"{indent}and {more:,} more in the same way"] if more > 0 else []
    more = array.size - _most(explanation)
    if more <= 0:
        return []
    if array.dtype == BOOL:
        return [f"{indent}and {more:,} more; {np.sum(array):,} of all {array.size:,} are true"]
    number = step.quantity.names.printer.number
    low, high = to_text(number(array.min())), to_text(number(array.max()))
    if array.min() == array.max():
        return [f"{indent}and {more:,} more, all the same"]
    return [f"{indent}and {more:,} more; all lie from {low} to {high}"]


def _ending(explanation: Explanation, answers: bool) -> list[str]:
    if not answers:
        return ["The loss before the step: ______   and after it: ______"]
    loss, *verdict = ending(explanation)
    return [loss, "", *verdict]


def ending(explanation: Explanation) -> list[str]:
    """Return the sentences at the end of a story: the loss before the step and after it, and the verdict."""
    number: Callable[[float], str] = explanation.names.printer.text
    before, after = number(explanation.loss), number(explanation.loss_after)
    is_drawn = any(step.stage == "forward" and step.quantity.stop is None for step in explanation.steps)
    same = ", with the same random numbers" if is_drawn else ""
    return [
        f"The loss was {before} before the step and is {after} after it{same}.",
        *explanation.verdict.sentences(),
    ]


def _as_plain(text: str) -> str:
    """Return text of a person's so that Markdown reads no marks in it."""
    return re.sub(r"([\\`*_{}\[\]<>$#|])", r"\\\1", text)
