"""The page that lists what there is uses the words of the docstrings. Run as a script, this writes it."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path

import chainrule as cr
from chainrule.layers import ACTIVATIONS
from chainrule.layers.initializers import INITIALIZERS
from chainrule.losses import LOSSES
from chainrule.optimizers import OPTIMIZERS

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"

QUOTED = '`"{}"`'
NEED_A_NUMBER = {"constant", "uniform"}
#: The sections in order: title, the modules whose public names stand in it, and what may be written by name.
SECTIONS = [
    ("Models", ("model", "loading", "training.history"), ()),
    ("Estimators", ("estimators.",), ()),
    ("Layers", ("layers.",), ()),
    ("Activations", ("functions.activations",), ACTIVATIONS),
    ("Initial weights", ("layers.initializers",), sorted({*INITIALIZERS} - NEED_A_NUMBER)),
    ("Losses", ("losses.",), LOSSES),
    ("Penalties", ("losses.penalties",), ()),
    ("Optimizers", ("optimizers.",), OPTIMIZERS),
    ("Schedules of the learning rate", ("optimizers.schedules",), ()),
    ("Callbacks", ("training.",), ()),
    ("Derivatives", ("gradient.transforms",), ()),
    ("Native code", ("compiler.",), ()),
    ("Checks", ("gradient.check", "diagnosis."), ()),
    ("Explanations", ("explanation.",), ()),
    ("Functions of arrays", ("functions.",), ()),
    ("Symbolic arrays", ("graph.",), ()),
]
INTRODUCTION = """# What there is

Every public name of `import chainrule as cr`, such as `cr.Adam`. `help(cr.Adam)` tells more, with an example.
"""


def section_of(name):
    """Return the section whose modules name this one's most closely."""
    home = "graph.types" if name == "ROWS" else getattr(cr, name).__module__.removeprefix("chainrule.")
    fitting = [
        (len(start), title) for title, starts, _ in SECTIONS for start in starts if home.startswith(start)
    ]
    return max(fitting)[1]


def line_of(name, item):
    """Return the first line of a docstring, as Markdown has it."""
    first = inspect.getdoc(item).splitlines()[0].replace("``", "`")
    formulas = re.sub(r":math:`(.*?)`", r"$\1$", first)
    return wrapped(f"- `{name}`: {formulas}", "  ")


def wrapped(text, indent=""):
    """Return a text in lines of the docs' width."""
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def page():
    """Return what the page should be."""
    names = {title: [] for title, _, _ in SECTIONS}
    for name in cr.__all__:
        names[section_of(name)].append(name)
    parts = [INTRODUCTION]
    for title, _, by_name in SECTIONS:
        lines = [line_of(name, getattr(cr, name)) for name in sorted(names[title], key=str.lower)]
        if title == "Models":
            public = (name for name in dir(cr.Model) if not name.startswith("_"))
            lines += [line_of(f"model.{name}", getattr(cr.Model, name)) for name in public]
            lines.append(line_of("model(x)", cr.Model.__call__))
        written = wrapped(f"By name: {', '.join(map(QUOTED.format, by_name))}.")
        told = f"\n{written}\n" if by_name else ""
        parts.append(f"## {title}\n{told}\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def test_the_page_is_what_the_docstrings_say():
    assert PAGE.read_text(encoding="utf-8") == page()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
