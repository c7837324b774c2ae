"""The shape of the project itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule as cr

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MOST_LINES = 500
MOST_LINES_OF_A_FUNCTION = 50  # of code: a screen
HEAVY = {
    "scipy",
    "sklearn",
    "safetensors",
    "rich",
    "typer",
    "pandas",
    "polars",
    "matplotlib",
    "llvmlite",
    "platformdirs",
    "tensorboard",
}
#: The parts that are loaded when they are asked for: a program that only imports chainrule does without them.
LATE = tuple(
    f"chainrule.{part}" for part in ("compiler", "diagnosis", "explaining", "explanation", "estimators")
)


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_too_long(path):
    assert path.read_text().count("\n") <= MOST_LINES


def _functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_function_fits_a_screen(path):
    for function in _functions(ast.parse(path.read_text())):
        docstring = ast.get_docstring(function, clean=False) or ""
        lines = function.end_lineno - function.lineno - docstring.count("\n")
        assert lines <= MOST_LINES_OF_A_FUNCTION, function.name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_our_own_modules_are_imported_at_the_top(path):
    for function in _functions(ast.parse(path.read_text())):
        for node in ast.walk(function):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            own = [name for name in names if name.split(".")[0] == "chainrule"]
            assert all(name.startswith(LATE) for name in own), function.name


def test_every_public_name_is_there_once_and_documented():
    assert len(cr.__all__) == len(set(cr.__all__))
    for name in cr.__all__:
        assert getattr(getattr(cr, name), "__doc__", None), name


def _loaded_after(code):
    code = f"import sys; {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_chainrule_imports_nothing_else():
    loaded = _loaded_after("import chainrule")
    assert [name for name in loaded if name.startswith("chainrule.")] == ["chainrule.version"]
    assert "numpy" not in loaded


def test_a_model_imports_nothing_heavy():
    loaded = _loaded_after("import chainrule as cr; cr.Model")
    assert "chainrule.model" in loaded
    assert not HEAVY & {name.split(".")[0] for name in loaded}
    assert not [name for name in loaded if name.startswith(LATE)]


def test_type_checkers_know_the_names_that_are_public():
    tree = ast.parse((ROOT / "src" / "chainrule" / "__init__.py").read_text())
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: node.module for node in nodes for alias in node.names if alias.asname == alias.name}
    told = {name: home for name, home in homes.items() if name != "__version__"}
    known = {name: f"chainrule.{home}" for home, names in cr._HOMES.items() for name in names}
    assert told == known


def test_what_is_loaded_late_is_there_when_it_is_asked_for():
    code = "import chainrule as cr; print(all(getattr(cr, name) is not None for name in cr.__all__))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_the_readme_and_contributing_tell_the_checks_that_the_ci_runs():
    run = (ROOT / ".ci" / "run").read_text()
    told = (
        (ROOT / "CONTRIBUTING.md")
        .read_text()
        .partition("## Check")[2]
        .partition("```sh")[2]
        .partition("```")[0]
    )
    written = [check.strip() for check in re.sub("#.*", "", told).replace("&&", "\n").splitlines()]
    checks = re.findall(r'^"\$venv/bin/(?!pip)(.*?)"(.*)$', run, re.MULTILINE)
    checks = [f".venv/bin/{name}{options}" for name, options in checks]
    assert list(filter(None, written)) == checks
    assert f"&& {checks[-1]}\n" in (ROOT / "README.md").read_text()


def test_the_contract_on_imports_holds():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("first", ["compile(f)(x)", "jacobian(f)(x)", "vjp(f, x)"])
def test_operators_work_whatever_is_asked_for_first(first):
    f = "lambda x: (x @ x + x[:, 1] / 2) ** 3"
    code = f"import chainrule as cr, numpy as np; f, x = {f}, np.ones((2, 2)); cr.{first}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not ended.returncode, ended.stderr
