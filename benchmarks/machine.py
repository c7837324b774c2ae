"""What was measured on."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import time
from collections.abc import Iterable
from pathlib import Path


def cpu() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def vectors() -> str:
    """Return the widest vectors that the processor has, as its flags call them."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return "unknown"
    return next((name for name in ("avx512f", "avx2", "avx", "sse2") if name in flags), "unknown")


def busy_during(seconds: float) -> float:
    """Sleep; return the share of all processors' time that was used meanwhile, 0 where it is not known."""
    busy, total = _ticks()
    time.sleep(seconds)
    busy_after, total_after = _ticks()
    return (busy_after - busy) / max(total_after - total, 1)


def _ticks() -> tuple[int, int]:
    """Return how long the processors were busy since the start, and how long they were there."""
    try:
        first = Path("/proc/stat").read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return 0, 0
    user, nice, system, idle, waiting, *more = map(int, first.split()[1:9])
    busy = user + nice + system + sum(more)
    return busy, busy + idle + waiting


def stay_on_cores(count: int) -> None:
    """Keep this process on so many processors, of different cores where there are enough."""
    if not hasattr(os, "sched_setaffinity"):  # not Linux
        return
    allowed = sorted(os.sched_getaffinity(0))
    seen: set[tuple[str, str]] = set()
    first: list[int] = []
    siblings: list[int] = []
    for number in allowed:
        core = _core(number)
        (siblings if core in seen else first).append(number)
        seen.add(core)
    if count > len(allowed):
        raise ValueError(f"{count} threads are asked for, but there are {len(allowed)} processors")
    os.sched_setaffinity(0, [*first[::-1], *siblings][:count])


def _core(processor: int) -> tuple[str, str]:
    """Return what names the processor's core; itself where the system does not say."""
    folder = Path(f"/sys/devices/system/cpu/cpu{processor}/topology")
    try:
        return (folder / "physical_package_id").read_text(), (folder / "core_id").read_text()
    except OSError:
        return "", str(processor)


def today() -> str:
    """Return the date, as a page says when it was written."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the installed versions by package, Python's first."""
    found = {package: importlib.metadata.version(package) for package in sorted(set(packages))}
    return {"Python": platform.python_version(), **found}


def openblas() -> dict[str, str]:
    """Return the variables that change how OpenBLAS, hence NumPy and scikit-learn, computes."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith("OPENBLAS_")}
