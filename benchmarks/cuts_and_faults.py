"""Cut the power at every recorded write of an index, and fail every step of a disk: how many were tried, and what came.

    make crash                                    after 3,000 kills of writers (crash.py)
    .venv/bin/python benchmarks/cuts_and_faults.py    only this

The laws are tests, tests/index/test_power_cuts.py and test_failures.py, which try a sample when `make test` runs them.
Here they try everything, but for what a second writer leaves that goes on after a kill: of those a share. A test that
fails makes the exit code 1.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from bitsieve.evaluation.machine import describe_machine
from commit import commit, how_made, write

ROOT = Path(__file__).resolve().parents[1]
TESTS = ("tests/index/test_power_cuts.py", "tests/index/test_failures.py")
RESULT = Path(__file__).parent / "results" / "power-cuts.json"


def main() -> None:
    measured = commit()
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "tests.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            *TESTS,
            f"--junitxml={written}",
            "-o",
            "junit_family=xunit1",
        ]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "BITSIEVE_EVERY_CRASH": "1"}, check=False)
        tests = [described(case) for case in ElementTree.parse(written).iter("testcase")]
    totals = {
        what: sum(int(test.get(what, 0)) for test in tests)
        for what in ("power_cuts", "faults", "interruptions")
    }
    report = {
        "what": "states after a power cut that open as a whole commit, and failed steps after which nothing is lost",
        **totals,
        "failed": [test["name"] for test in tests if test["failed"]],
        "tests": tests,
        "machine": describe_machine(),
        **how_made(measured),
    }
    print(", ".join(f"{name}: {n:,}" for name, n in totals.items()), "failed:", report["failed"])
    write(report, RESULT)
    raise SystemExit(done.returncode)


def described(case: ElementTree.Element) -> dict[str, object]:
    """A test, and what it counted."""
    counted = {one.attrib["name"]: int(one.attrib["value"]) for one in case.iter("property")}
    failed = any(case.find(kind) is not None for kind in ("failure", "error"))
    return {
        "name": case.attrib["name"], "seconds": float(case.attrib["time"]), "failed": failed, **counted
    }  # fmt: skip


if __name__ == "__main__":
    main()
