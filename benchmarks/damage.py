"""Damage every byte of a small index, one at a time, and see what comes of it.

    .venv/bin/python benchmarks/damage.py                    a bit of every byte: one to two hours
    .venv/bin/python benchmarks/damage.py --share 0.01       of one byte in a hundred
    .venv/bin/python benchmarks/damage.py --save

The index has segments of every kind; once it was closed, once its writer was killed and left a -wal. Each file is also
cut short at every 61st length, deleted, swapped with those of its name in the index and replaced by that of an older
state and of another index. Then everything is asked of it, and it is verified. Answers have to be those of the
undamaged index, or a BitsieveError; tests/index/damaging.py has the rules. A violation makes the exit code 1.
"""

import argparse
import json
import os
import random
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from bitsieve.evaluation.machine import describe_machine
from commit import commit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "index"))

from children import Child
from damaging import (
    OPTIONAL,
    Damage,
    Scene,
    deletions,
    examine_all,
    flips,
    replacements,
    scenes,
    truncations,
)

RESULT = Path(__file__).parent / "results" / "damage.json"
MEMORY = Path("/dev/shm")
CUT_EVERY = 61
SHOWN = 20


def main() -> None:
    options = parse()
    measured = commit()
    folder = Path(tempfile.mkdtemp(prefix="bitsieve-damage-", dir=options.folder))
    try:
        results = [run(folder, scene, options) for scene in scenes(folder)]
    finally:
        shutil.rmtree(folder)
    violations = sum(len(result["violations"]) for result in results)
    report = {
        "what": "what comes of damage to one file of a small index, by file, kind of damage and result",
        "scenes": results,
        "damages": sum(result["damages"] for result in results),
        "violations": violations,
        "optional": OPTIONAL,
        "seed": options.seed,
        "share": options.share,
        "machine": describe_machine(),
        "commit": measured,
        "command": shlex.join(["python", "benchmarks/damage.py", *sys.argv[1:]]),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    print(f"{report['damages']:,} damages, {violations} violations")
    if options.save:
        RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {RESULT}")
    sys.exit(violations > 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the bytes; 1.0 for every one")
    parser.add_argument("--seed", type=int, default=0, help="of the bits")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--folder", default=MEMORY if MEMORY.is_dir() else None, help="to work in, best in memory"
    )
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.name} into the results")
    return parser.parse_args()


def run(folder: Path, scene: Scene, options: argparse.Namespace) -> dict[str, Any]:
    """All damages to one scene, shared among processes."""
    damages = [
        *deletions(scene),
        *replacements(scene),
        *truncations(scene, CUT_EVERY),
        *flips(scene, options.share, options.seed),
    ]
    random.Random(0).shuffle(damages)  # so that every process has slow ones and quick ones
    print(f"{scene.name}: {len(damages):,} damages to {len(scene.pristine)} files", flush=True)
    parts = [
        (folder / f"{scene.name}-{part}", scene, damages[part :: options.processes])
        for part in range(options.processes)
    ]
    children = [Child(partial(examine_part, *part)) for part in parts]
    counts: Counter[tuple[str, str, str]] = Counter()
    violations = []
    for child in children:
        counted, found = child.result()
        counts += counted
        violations += found
    for violation in violations[:SHOWN]:
        print(violation)
    return {
        "scene": scene.name,
        "bytes": {file: len(data) for file, data in scene.pristine.items()},
        "damages": len(damages),
        "results": nested(counts),
        "violations": violations,
    }


def examine_part(
    root: Path, scene: Scene, damages: list[Damage]
) -> tuple[Counter[tuple[str, str, str]], list[str]]:
    """How often each result came of each kind of damage to each file, and the violations."""
    counts: Counter[tuple[str, str, str]] = Counter()
    violations = []
    for n, outcome in enumerate(examine_all(root, scene, damages), 1):
        seen = "" if outcome.named or outcome.result != "unharmed" else ", not seen by verify"
        counts[outcome.damage.file, outcome.damage.kind, outcome.result + seen] += 1
        if outcome.is_violation:
            violations.append(str(outcome))
        if n % 5_000 == 0:
            print(f"{root.name}: {n:,} of {len(damages):,}, {len(violations)} violations", flush=True)
    return counts, violations


def nested(counts: Counter[tuple[str, str, str]]) -> dict[str, Any]:
    """file → kind → result → how often."""
    found: dict[str, Any] = {}
    for (file, kind, result), n in sorted(counts.items()):
        found.setdefault(file, {}).setdefault(kind, {})[result] = n
    return found


if __name__ == "__main__":
    main()
