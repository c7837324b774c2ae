"""Estimators: `fit` beside scikit-learn's, with its defaults, in a process of each library's own."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks import machine
from benchmarks.report import markdown
from benchmarks.rounds import PAUSE, REPOSITORY, Say, Settings, WorkerError, environment
from benchmarks.start import run
from benchmarks.summary import Ratio, digits

if TYPE_CHECKING:
    from benchmarks.tables import Table

OURS, THEIRS = "chainrule", "scikit-learn"
SEEDS_PER_ROUND = 2
"""So that the usual five rounds are ten seeds."""
SEEDS = {"large": 2, "search": 2}
"""At most so many of a table whose fit takes a minute."""
SCRIPTS = 3
"""How often a script is run, at most."""
WIDE, NARROW = "float64", "float32"
DTYPES = {"search": (WIDE,)}
"""Of a table, if it is not measured in both."""
TABLES = ("digits", "diabetes", "breast-cancer", "wine", "friedman", "large", "search")
EXAMPLES = ("compare_strategies", "vary_regularization", "compare_classifiers")
FIRST_ROWS = 300
"""Of the fit by which a process gets ready."""
PAGE = "benchmarks-estimators.md"


class Process:
    """One library with one table in a process of its own."""

    def __init__(self, library: str, table: str, dtype: str, settings: Settings, cache: Path) -> None:
        order = {"library": library, "table": table, "dtype": dtype, "threads": settings.threads}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.estimator_worker", json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**_environment(table, settings), "CHAINRULE_CACHE_DIR": str(cache)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        if problem[0] is not None:
            self._process.kill()
        self._process.communicate()

    def fit(self, seed: int, rows: int | None = None) -> dict[str, float]:
        """Return the seconds of a fit to so many rows, or to all that are trained on, and its score."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"seed": seed, "rows": rows}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"its process ended with code {self._process.wait()}")
        answer: dict[str, float] = json.loads(line)
        return answer


def _environment(table: str, settings: Settings) -> dict[str, str]:
    """Return a worker's environment; a search leaves it to joblib how many threads its processes have."""
    env, searched = environment(settings.threads), _known(table).searched
    return {name: value for name, value in env.items() if not (searched and name.endswith("_THREADS"))}


def _known(table: str) -> Table:
    from benchmarks.tables import TABLES  # scikit-learn need not be there for other sections

    return TABLES[table]


@dataclass
class Fits:
    """What was measured of a table in a dtype, seed by seed; and ours in new processes."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {OURS: [], THEIRS: []})
    scores: dict[str, list[float]] = field(default_factory=lambda: {OURS: [], THEIRS: []})
    others: list[float] = field(default_factory=list)
    cold: float = 0.0
    cached: float = 0.0

    def ratio(self) -> str:
        """Return theirs / ours: the median over the seeds, and the range."""
        return Ratio.of(self.seconds[THEIRS], self.seconds[OURS]).text()

    def milliseconds(self, library: str) -> str:
        return digits(1e3 * statistics.median(self.seconds[library]))

    def score(self, library: str) -> str:
        scores = self.scores[library]
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        return f"{statistics.fmean(scores):.4f} ± {spread:.4f}"

    def difference(self) -> str:
        """Return ours less theirs, and its standard error over the seeds."""
        found = [mine - its for mine, its in zip(self.scores[OURS], self.scores[THEIRS], strict=True)]
        error = statistics.stdev(found) / len(found) ** 0.5 if len(found) > 1 else 0.0
        return f"{statistics.fmean(found):+.4f} ± {error:.4f}"


def measure(settings: Settings, say: Say, folder: Path | None) -> str:
    """Return the page; as far as it is, it is written to `folder` after each part."""
    results: dict[str, dict[str, Fits]] = {}
    scripts: list[list[str]] = []

    def told(what: str) -> str:
        text = _page(results, scripts, settings)
        say(what)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / PAGE).write_text(text, encoding="utf-8")
        return text

    text = ""
    with tempfile.TemporaryDirectory() as place:
        for table in TABLES:
            for dtype in DTYPES.get(table, (WIDE, NARROW)):
                fits = _fits(table, dtype, settings, Path(place))
                results.setdefault(table, {})[dtype] = fits
                text = told(f"{table} in {dtype} is measured: {fits.ratio()}")
        for example in EXAMPLES:
            scripts.append(_script(example, place, settings))
            text = told(" ".join(scripts[-1]))
    return text


def _seeds(table: str, settings: Settings) -> int:
    return min(SEEDS_PER_ROUND * settings.rounds, SEEDS.get(table, 1000))


def _fits(table: str, dtype: str, settings: Settings, place: Path) -> Fits:
    """Let both libraries fit in turns; what a process does first of all is done before, on a few rows."""
    fits = Fits()
    cache = place / f"{table}-{dtype}"
    if dtype == WIDE:
        for name in ("cold", "cached"):  # the second of these processes finds what the first has compiled
            with Process(OURS, table, dtype, settings, cache) as process:
                setattr(fits, name, process.fit(0)["seconds"])
    with ExitStack() as stack:
        both = {
            library: stack.enter_context(Process(library, table, dtype, settings, cache))
            for library in (OURS, THEIRS)
        }
        for process in both.values():
            process.fit(0, rows=FIRST_ROWS)
        for seed in range(_seeds(table, settings)):
            for library, process in both.items():
                fits.others.append(machine.busy_during(PAUSE))
                answer = process.fit(seed)
                fits.seconds[library].append(answer["seconds"])
                fits.scores[library].append(answer["score"])
    return fits


def _script(example: str, place: str, settings: Settings) -> list[str]:
    """Return a row: the seconds of a whole process by both libraries, ours with an empty cache."""
    seconds: dict[str, list[float]] = {OURS: [], THEIRS: []}
    for number in range(min(SCRIPTS, settings.rounds)):
        for library, found in seconds.items():
            code = f"from benchmarks.gallery import {example}; {example}({library!r})"
            found.append(run(code, place, Path(place) / f"{example}-{number}", settings).seconds)
    theirs, ours = (statistics.median(seconds[library]) for library in (THEIRS, OURS))
    return [example.replace("_", " "), digits(theirs), digits(ours), digits(theirs / ours)]


def _page(results: dict[str, dict[str, Fits]], scripts: Sequence[list[str]], settings: Settings) -> str:
    def rows(cells: Callable[[dict[str, Fits]], list[str]]) -> list[list[str]]:
        return [[_known(table).title, *cells(found)] for table, found in results.items()]

    everything = [fits for found in results.values() for fits in found.values()]
    busy = statistics.fmean(share for fits in everything for share in fits.others)
    versions = machine.versions(["chainrule", "numpy", "scikit-learn", "scipy"])
    fewer = ", ".join(f"{_seeds(table, settings)} of {_known(table).title}" for table in SEEDS)
    parts = [
        "# Estimators beside scikit-learn's",
        "Each library's defaults, standardised x, three quarters of the rows. Written by "
        f"`python -m benchmarks --section estimators` on {machine.today()}.",
        "## Their time of `fit` divided by ours",
        f"Median (min–max) over {SEEDS_PER_ROUND * settings.rounds} seeds, in turns; {fewer}.",
        markdown(
            ["table", f"{WIDE}, ratio", "scikit-learn, ms", "chainrule, ms", f"{NARROW}, ratio"],
            rows(
                lambda found: [
                    found[WIDE].ratio(),
                    found[WIDE].milliseconds(THEIRS),
                    found[WIDE].milliseconds(OURS),
                    found[NARROW].ratio() if NARROW in found else "",
                ]
            ),
        ),
        "## The first fit of a process",
        "Compiled anew, and from the cache of an earlier process; float64.",
        markdown(
            ["table", "compiled anew, ms", "from the cache, ms"],
            rows(lambda found: [digits(1e3 * found[WIDE].cold), digits(1e3 * found[WIDE].cached)]),
        ),
        "## Scores on the other quarter",
        "Accuracy or R²: mean ± standard deviation over the seeds; the difference with its standard error.",
        markdown(
            ["table", "scikit-learn", "chainrule", "ours less theirs"],
            rows(lambda found: [*map(found[WIDE].score, (THEIRS, OURS)), found[WIDE].difference()]),
        ),
        "## Whole scripts with an empty cache",
        "What three examples of scikit-learn's gallery compute, without plots; seconds of a process.",
        markdown(["script", "scikit-learn", "chainrule", "ratio"], scripts),
        f"Machine: {machine.cpu()} ({machine.vectors()}), {settings.threads} cores; other processes used "
        f"{busy:.0%} of it meanwhile. Versions: {', '.join(f'{n} {v}' for n, v in versions.items())}.",
    ]
    return "\n\n".join(parts) + "\n"
