"""Holding a measurement to its threads: the environment that libraries read, and the cores they may run on."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

ALLOWED = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""The cores this process may use, before any pinning."""


def thread_environment(threads: int) -> dict[str, str]:
    """The environment of a process not started yet, whose OpenMP, BLAS and Rayon take so many threads."""
    return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


def begin_with(threads: int) -> None:
    """Run this script again, and end as it ends, unless its libraries have been loaded for so many threads."""
    environment = thread_environment(threads)
    if environment != os.environ:
        raise SystemExit(subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode)


def pin(threads: int) -> None:
    """Keep this process, with every thread it has by now, on as many cores (Linux; elsewhere nothing happens).

    A library that starts more threads than asked then gains nothing by it.
    """
    if not ALLOWED:
        return
    cores = ALLOWED[-threads:]  # the last ones: the first serves most of a system's interrupts
    for task in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # a thread that has just ended
            os.sched_setaffinity(int(task.name), cores)


def free_memory() -> float:
    """Bytes that can be had without swapping; infinite where that cannot be known."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    return 1024 * float(next(line.split()[1] for line in lines if line.startswith("MemAvailable")))
