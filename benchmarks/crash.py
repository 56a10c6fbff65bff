"""Kill a writer of an index, thousands of times, and look at what it leaves: `make crash`.

    .venv/bin/python benchmarks/crash.py               3,000 kills and more, 50 at each step, some minutes
    .venv/bin/python benchmarks/crash.py --save        written into the results
    .venv/bin/python benchmarks/crash.py --kills 100 --least 0

What is found has to be what the last call left that returned, or the one in flight: every document whole, with its
text, vector, metadata and words, and no other. It is opened for reading and for writing, or for writing at once, and
written to. Most writers go on with an index at which others were killed before. `tests/index/crash_writer.py` has the
writer and the judge.

What a killed process has written is in the system's memory, so nothing here depends on the disk, and the indexes lie
in memory where they can. A power cut, which loses it, is what `tests/index/test_power_cuts.py` is about.
"""

import argparse
import json
import os
import random
import shlex
import shutil
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import apsw

from commit import commit
from machine import begin_with

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS / "store"), str(TESTS / "index")]

from crash_writer import Ended, Moment, State, ViolationError, judge, run_writer  # noqa: E402

from bitsieve.evaluation.machine import describe_machine  # noqa: E402

RESULT = Path(__file__).parent / "results" / "crash.json"
MEMORY = Path("/dev/shm")
SURVEYS = 6
"""Writers that make an index, and as many that find one, which are not killed: to see what steps there are."""
AT_RANDOM = 0.15
"""Share of writers that are killed at a random moment; the others at a step."""
KILLED = -9
ENOUGH = 20
"""Violations after which there is no need for more."""


@dataclass
class Tally:
    """What has happened."""

    runs: int = 0
    at_steps: Counter[tuple[str, bool]] = field(default_factory=Counter)
    at_random: Counter[str] = field(default_factory=Counter)
    before_the_first_commit: int = 0
    in_flight: Counter[str] = field(default_factory=Counter)
    violations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.at_steps.total() + self.at_random.total()

    def note(self, ended: Ended, moment: Moment | float | None) -> None:
        """Count a writer that was killed."""
        if isinstance(moment, Moment):
            self.at_steps[ended.step, ended.ended] += 1
        else:
            self.at_random["between steps" if ended.ended else "inside a step"] += 1
        self.before_the_first_commit += ended.allowed[0] is None

    def note_found(self, ended: Ended, found: State) -> None:
        """Count what it left."""
        if len(ended.allowed) > 1 and ended.allowed[0] != ended.allowed[1]:
            self.in_flight["committed" if found == ended.allowed[1] else "not committed"] += 1


class Steps:
    """How often writers come to each step: those that make an index (True), and those that find one."""

    def __init__(self) -> None:
        self.counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}

    def least(self, tally: Tally) -> list[tuple[str, bool]]:
        """The beginnings and ends of steps that the fewest kills landed at."""
        moments = [
            (name, ended) for name in {*self.counts[True], *self.counts[False]} for ended in (False, True)
        ]
        fewest = min((tally.at_steps[moment] for moment in moments), default=0)
        return sorted(moment for moment in moments if tally.at_steps[moment] == fewest)

    def choose(self, tally: Tally, draws: random.Random) -> tuple[Moment, bool]:
        """A moment to be killed at, and whether the writer makes an index."""
        name, ended = draws.choice(self.least(tally))
        anew = draws.choice([anew for anew in (True, False) if self.counts[anew][name]])
        usual = round(self.counts[anew][name] / SURVEYS)
        return Moment(name, ended, draws.randint(1, max(1, usual))), anew


def run(options: argparse.Namespace, folder: Path) -> Tally:
    """Kill as many writers as are wanted."""
    draws, tally, steps = random.Random(options.seed), Tally(), Steps()
    place, surveyed_seconds = folder / "index", 0.0
    held: State = None
    while len(tally.violations) < ENOUGH and (
        tally.kills < options.kills or tally.at_steps[steps.least(tally)[0]] < options.least
    ):
        moment: Moment | float | None = None
        anew = tally.runs % 2 == 0
        if tally.runs >= 2 * SURVEYS:
            moment, anew = steps.choose(tally, draws)
            if draws.random() < AT_RANDOM:
                moment = draws.uniform(0, surveyed_seconds / (2 * SURVEYS))
        if anew:
            shutil.rmtree(place, ignore_errors=True)
            held = None
        seed, began = options.seed * 1_000_000 + tally.runs, time.monotonic()
        ended = run_writer(folder, seed, held, moment)
        if moment is None:
            surveyed_seconds += time.monotonic() - began
            steps.counts[held is None].update(ended.counts)
        tally.runs += 1
        if ended.code == KILLED:
            tally.note(ended, moment)
        try:
            if ended.error or ended.code not in (0, KILLED):
                raise ViolationError(f"the writer ended by itself, with {ended.code}: {ended.error}")
            read = [judge(place, ended.allowed)] if draws.random() < 0.5 else ended.allowed
            found = judge(place, read, new := {f"after-{seed}": 1})
            held = {**(found or {}), **new}
            tally.note_found(ended, found)
        except Exception as error:
            tally.violations.append({"seed": seed, "moment": moment, "problem": repr(error)})
            traceback.print_exc()
            kept = Path(mkdtemp(prefix="violation-")) / "index"
            if place.exists():
                shutil.move(place, kept)
            print(f"{ended}: the index is kept as {kept}", flush=True)
            held = None
        if tally.runs % 500 == 0:
            print(f"{tally.kills:,} kills, {len(tally.violations)} violations", flush=True)
    return tally


def report(tally: Tally, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """What is written into the results."""
    names = sorted({name for name, _ in tally.at_steps})
    return {
        "what": "a writer killed by SIGKILL, at steps of its writing and at random; what it left, opened and compared",
        "kills": tally.kills,
        "violations": tally.violations,
        "kills_at_steps": {
            name: {"begins": tally.at_steps[name, False], "has ended": tally.at_steps[name, True]}
            for name in names
        },
        "kills_at_random": dict(tally.at_random),
        "kills_before_the_first_commit_returned": tally.before_the_first_commit,
        "commits_in_flight": dict(tally.in_flight),
        "writers": tally.runs,
        "seconds": round(seconds),
        "seed": options.seed,
        "machine": describe_machine() | {"apsw": apsw.apsw_version()},
    }


def main() -> None:
    options = parse()
    begin_with(1)
    measured, started = commit(), time.monotonic()
    with TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        tally = run(options, Path(folder))
    result = report(tally, options, time.monotonic() - started) | {
        "commit": measured,
        "command": shlex.join(["python", "benchmarks/crash.py", *sys.argv[1:]]),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    print(
        f"{tally.kills:,} kills in {result['seconds']} s, {min(tally.at_steps.values(), default=0)} or more at each of "
        f"{len(tally.at_steps)} beginnings and ends of steps: {len(tally.violations)} violations"
    )
    if options.save:
        options.save.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {options.save}")
    raise SystemExit(bool(tally.violations))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=3000, help="at least")
    parser.add_argument(
        "--least", type=int, default=50, help="kills where each step begins, and where it has ended"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--save", type=Path, nargs="?", const=RESULT, help=f"write {RESULT.name} into the results"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
