"""The README's recall figures: `bitsieve compare wikipedia-en` by both protocols, kept with the commit.

make bench-recall        about 6 minutes on 2 cores, 1 when the vectors are cached
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from commit import commit, write

RESULTS = Path(__file__).parent / "results"
RUNS = {"notebook": [], "held-out": ["--protocol", "held-out"]}


def main() -> None:
    measured = commit()  # before the first result is written over
    for name, options in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "bitsieve", "compare", "wikipedia-en", *options, "--out", name]
            subprocess.run(command, cwd=folder, check=True)
            comparison = json.loads((Path(folder) / name / "comparison.json").read_text(encoding="utf-8"))
        write({**comparison, "commit": measured}, RESULTS / f"{name}.json")


if __name__ == "__main__":
    main()
