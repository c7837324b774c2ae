"""Every public name has a docstring with an example; every example in the package and the README runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import chainrule as cr
from chainrule import functions

README = Path(__file__).parents[1] / "README.md"
SECTIONS = ["Parameters", "Returns", "Examples"]


def is_documented_by_itself(name):
    """Whether a public name is a function or class; a constant or a module has its text elsewhere."""
    item = getattr(cr, name)
    return inspect.isroutine(item) or inspect.isclass(item)


NAMES = sorted(filter(is_documented_by_itself, cr.__all__))


def sections(name):
    """The headings of a docstring."""
    return re.findall(r"^(\w[\w ]*)\n-{3,}$", inspect.getdoc(getattr(cr, name)) or "", re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_has_a_docstring_with_an_example(name):
    text = inspect.getdoc(getattr(cr, name)) or ""
    assert text.splitlines()[0].endswith("."), f"{name} needs a first line that is a sentence"
    assert "Examples" in sections(name)
    assert ">>> import chainrule as cr" in text


@pytest.mark.parametrize("name", functions.__all__)
def test_a_function_says_what_it_takes_and_returns(name):
    known = [section for section in sections(name) if section in SECTIONS]
    assert known == SECTIONS
    documented = inspect.getdoc(getattr(cr, name)).partition("Parameters\n")[2].partition("Returns\n")[0]
    for parameter in inspect.signature(getattr(cr, name)).parameters:
        assert re.search(rf"^(\w+, )*{parameter}(, \w+)* : ", documented, re.MULTILINE), parameter


MODULES = ["chainrule", *(module.name for module in pkgutil.walk_packages(cr.__path__, "chainrule."))]


def examples(module):
    """The docstrings of a module that hold examples."""
    found = doctest.DocTestFinder().find(importlib.import_module(module))
    return [test for test in found if test.examples]


def outer_name(test, module):
    """The function or class of a module that an example belongs to."""
    return test.name.removeprefix(f"{module}.").partition(".")[0]


@pytest.mark.parametrize("module", [module for module in MODULES if examples(module)])
def test_the_examples_run(module, tmp_path, monkeypatch):
    """In an empty folder; those of public names need no more than what they import themselves."""
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(verbose=False)
    report = []
    for test in examples(module):
        if outer_name(test, module) in NAMES:
            test.globs = {}
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


def test_every_example_of_a_public_name_is_found():
    """Also where its module is not the one that it was written in."""
    found = {outer_name(test, module) for module in MODULES for test in examples(module)}
    assert set(NAMES) <= found


def python_blocks(path):
    """The ```python blocks of a text, each with its line number, so that an error shows where it is."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for match in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield "\n" * text.count("\n", 0, match.start(1)) + match.group(1)


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    """Its blocks run in order and share their names."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for block in python_blocks(README):
        exec(compile(block, str(README), "exec"), names)
