"""Start and memory: how long a process lasts from its start on, and how much memory it has at most."""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.networks import Network
from benchmarks.report import markdown
from benchmarks.rounds import REPOSITORY, Say, Settings, environment
from benchmarks.sections import FIVE

#: What a process imports; chainrule imports what is public when it is asked for.
IMPORTS = {
    "numpy": "import numpy",
    "chainrule": "import chainrule",
    "chainrule.Model": "import chainrule; chainrule.Model",
    "sklearn.neural_network": "import sklearn.neural_network",
    "jax": "import jax",
    "torch": "import torch",
}
DIGITS = Network((64, 100, 10), 32)
EPOCHS = 20

_LOAD = "import numpy as np; data = np.load('digits.npz'); x, y = data['x'], data['y']; "
TRAININGS = {
    "chainrule": "import chainrule as cr; "
    + _LOAD
    + "cr.Model(cr.Sequential([cr.Dense(100, activation='relu'), "
    f"cr.Dense(10)]), loss='cross_entropy').fit(x, y, epochs={EPOCHS}, batch_size=32)",
    "sklearn": "import warnings; warnings.simplefilter('ignore'); "
    "from sklearn.neural_network import MLPClassifier; "
    + _LOAD
    + "MLPClassifier((100,), batch_size=32, alpha=0, "
    f"max_iter={EPOCHS}, tol=0, n_iter_no_change=99).fit(x, y)",
    "jax": "from benchmarks.digits import train_jax; " + f"train_jax({EPOCHS})",
    "torch": "from benchmarks.digits import train_torch; " + f"train_torch({EPOCHS})",
}
#: What a process writes last: its peak resident KB. Its parent would be told its own, where that is more.
_PEAK = """
try:
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
except OSError:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@dataclass(frozen=True)
class Ended:
    """A process that has ended: how long it lasted, its peak resident size, and what it wrote."""

    seconds: float
    megabytes: float
    output: str


def measure(settings: Settings, say: Say, folder: Path | None) -> str:
    """Return the page of start and memory; `folder` gets no picture."""
    with tempfile.TemporaryDirectory() as place:
        _write_digits(Path(place) / "digits.npz")
        imports = {name: _median(IMPORTS[name], place, settings) for name in _installed(IMPORTS)}
        say("imports are measured")
        trainings: dict[str, Ended] = {}
        for name in _installed(TRAININGS):
            if name == "chainrule":
                cold = _median(TRAININGS[name], place, settings, cold=True)
                trainings["chainrule, compiled anew"] = cold
                name_shown = "chainrule, from its cache"
            else:
                name_shown = name
            trainings[name_shown] = _median(TRAININGS[name], place, settings)
            say(f"training of digits by {name} is measured")
        compiles = [_compile_times(network, place, settings) for network in FIVE]
    return _page(imports, trainings, compiles, settings)


def _page(
    imports: dict[str, Ended], trainings: dict[str, Ended], compiles: list[list[str]], settings: Settings
) -> str:
    def rows(found: dict[str, Ended]) -> list[list[str]]:
        return [[name, f"{e.seconds:.3f}", f"{e.megabytes:.0f}"] for name, e in found.items()]

    parts = [
        "# Start and memory",
        f"Median of {settings.rounds} processes. Written by `python -m benchmarks --section start` on "
        f"{machine.today()}.",
        "## A process that only imports",
        markdown(["import", "seconds", "peak resident MB"], rows(imports)),
        f"## A process that loads the digits from a file and trains {DIGITS.name} for {EPOCHS} epochs",
        markdown(["library", "seconds", "peak resident MB"], rows(trainings)),
        "## The first fit of a network, beyond the training itself",
        "Tracing, compiling or reading from the cache, and planning; LLVM is loaded and weights are drawn\n"
        "already. Of equal models the median of five that follow each other in one process.",
        markdown(["network, batch", "compiled anew, ms", "from the cache, ms", "equal models, ms"], compiles),
        f"Machine: {machine.cpu()} ({machine.vectors()}), {settings.threads} cores.",
    ]
    return "\n\n".join(parts) + "\n"


def _installed(names: Iterable[str]) -> list[str]:
    return [name for name in names if importlib.util.find_spec(name.partition(".")[0])]


def _median(code: str, place: str, settings: Settings, cold: bool = False) -> Ended:
    """Return the process of median length; the first, which may fill caches, does not count."""
    ended = []
    for number in range(settings.rounds + 1):
        cache = Path(place) / (f"cache-{number}-{time.monotonic_ns()}" if cold else "cache")
        ended.append(run(code, place, cache, settings))
    seconds = statistics.median(each.seconds for each in ended[1:])
    megabytes = statistics.median(each.megabytes for each in ended[1:])
    return Ended(seconds, megabytes, ended[-1].output)


def run(code: str, place: str, cache: Path, settings: Settings) -> Ended:
    """Run Python code in a process of its own, in a folder, with this cache for compiled code."""
    paths = [str(REPOSITORY), str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")]
    own = {"CHAINRULE_CACHE_DIR": str(cache), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    inherited = {k: v for k, v in environment(settings.threads).items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-c", code + _PEAK],
        cwd=place,
        stdout=subprocess.PIPE,
        text=True,
        env={**inherited, **own},
        check=False,
    )
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"a process ended with code {process.returncode}: {code}")
    *output, peak = process.stdout.splitlines()
    return Ended(seconds, float(peak) / 2**10, "\n".join(output))


_FIRST_FITS = """
import os, statistics, time
os.environ["CHAINRULE_NUM_THREADS"] = "{threads}"  # or the training itself would take longer now and then
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # others would still wait for more after the product of the data
from benchmarks.networks import Task
from benchmarks.peers.chainrule_fit import new_model
from benchmarks.sections import FIVE

def first_fit(network):
    task = Task(network, "float32", {threads})
    (x, y), model = task.data(), new_model(task, loss="cross_entropy")
    x, y = x[:network.batch], y[:network.batch]
    model.build(network.widths[0])
    times = []
    for _ in range(6):
        started = time.perf_counter()
        model.fit(x, y, batch_size=network.batch)
        times.append(time.perf_counter() - started)
    return 1e3 * (times[0] - min(times[1:]))

warm = FIVE[0].__class__((3, 5, 2), 8)
first_fit(warm)
network = FIVE[{number}]
print(first_fit(network), statistics.median(first_fit(network) for _ in range(5)))
"""


def _compile_times(network: Network, place: str, settings: Settings) -> list[str]:
    """Return a row: milliseconds of the first fit, anew and from the cache, and of equal models after it."""
    code = _FIRST_FITS.format(threads=settings.threads, number=FIVE.index(network))
    anew, cached, equal = [], [], []
    for number in range(settings.rounds):
        cache = Path(place) / f"compiles-{network.name}-{number}"
        for found in (anew, cached):
            first, again = map(float, run(code, place, cache, settings).output.split())
            found.append(first)
        equal.append(again)
    return [network.label, *(f"{statistics.median(found):.1f}" for found in (anew, cached, equal))]


def _write_digits(path: Path) -> None:
    """Write scikit-learn's digits, or where it is missing as many rows of another kind."""
    import numpy as np

    if importlib.util.find_spec("sklearn"):
        from sklearn.datasets import load_digits

        digits = load_digits()
        np.savez(path, x=digits.data / 16, y=digits.target)
        return
    rng = np.random.default_rng(0)
    np.savez(path, x=rng.random((1797, 64)), y=rng.integers(0, 10, 1797))
