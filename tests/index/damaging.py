"""Damage to files of an index, and what comes of it.

Whatever is done to one file, each question gets the answer of the undamaged index or a BitsieveError, and `verify`
names the file unless nothing reads what was damaged.
"""

import gc
import json
import os
import random
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from children import fork
from small_index import Contents, ask, build_index, contents, kill_a_writer

from bitsieve.errors import BitsieveError
from bitsieve.index import Index
from bitsieve.index.inspection import verify_folder

CATALOG = "catalog.sqlite"
OPTIONAL = ("writer.lock", "generation.txt", f"{CATALOG}-shm")
"""Files without which an index is whole: a lock's text, a note that is only believed when it says more was committed,
and what SQLite makes anew from the -wal when nobody has it open."""

_CHUNK = 500
_SECONDS = 60
"""A question that takes longer is taken for one that is never answered."""


@dataclass(frozen=True)
class Damage:
    """What is done to a file.

    kind: flip a bit, truncate, delete, swap with another file of the index, or replace by another index's.
    at: the byte, or the length that is left. bit: of the byte. by: the other file, or whose it is.
    """

    file: str
    kind: str
    at: int = 0
    bit: int = 0
    by: str = ""

    def changes(self, scene: "Scene") -> dict[str, bytes | None]:
        """The files that become others; None where they vanish."""
        data = scene.pristine[self.file]
        if self.kind == "flip":
            flipped = bytearray(data)
            flipped[self.at] ^= 1 << self.bit
            return {self.file: bytes(flipped)}
        if self.kind == "truncate":
            return {self.file: data[: self.at]}
        if self.kind == "delete":
            return {self.file: None}
        if self.kind == "swap":
            return {self.file: scene.pristine[self.by], self.by: data}
        return {self.file: scene.others[self.by][self.file]}


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    result: unharmed (all answers as before), refused (a BitsieveError), and what must not be: wrong, raw, crashed.
    detail: the error. named: whether `verify` named a damaged file.
    """

    damage: Damage
    result: str
    detail: str
    named: bool

    @property
    def is_violation(self) -> bool:
        """Whether a promise is broken."""
        if self.result == "unharmed":
            return not self.named and not self.damage.file.startswith((CATALOG, *OPTIONAL))
        return self.result != "refused" or not self.named


@dataclass(frozen=True)
class Scene:
    """An undamaged index, others to take files from, and its answers."""

    name: str
    pristine: Contents
    others: Mapping[str, Contents]
    expected: list[Any]


def scenes(folder: Path) -> list[Scene]:
    """An index that was closed, and one whose writer was killed."""
    index, other = folder / "index", folder / "other"
    older = build_index(index)
    build_index(other, seed=9)
    closed = _scene("closed", index, {"older": older, "other": contents(other)})
    kill_a_writer(index)
    kill_a_writer(other, seed=9)
    return [closed, _scene("killed", index, {"older": older, "other": contents(other)})]


def _scene(name: str, root: Path, others: Mapping[str, Contents]) -> Scene:
    pristine = contents(root)
    with Index.open(root) as index:
        assert index.verify() == []
        return Scene(name, pristine, others, ask(index))


def write(root: Path, pristine: Contents) -> None:
    """Lay out an index."""
    for file, data in pristine.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(data)


def deletions(scene: Scene) -> Iterator[Damage]:
    """Each file gone."""
    return (Damage(file, "delete") for file in scene.pristine)


def replacements(scene: Scene) -> Iterator[Damage]:
    """Each file swapped with those of its name elsewhere in the index, or replaced by that of another index."""
    for file in scene.pristine:
        name = Path(file).name
        for other in scene.pristine:
            if other > file and Path(other).name == name:
                yield Damage(file, "swap", by=other)
        for by, files in scene.others.items():
            if file in files and files[file] != scene.pristine[file]:
                yield Damage(file, "replace", by=by)


def truncations(scene: Scene, step: int) -> Iterator[Damage]:
    """Each file cut at every `step`th length, and next to its ends."""
    for file, data in scene.pristine.items():
        lengths = {0, 1, len(data) - 1, len(data) // 2, *range(step, len(data), step)}
        yield from (Damage(file, "truncate", at) for at in sorted(lengths) if 0 <= at < len(data))


def flips(scene: Scene, share: float = 1.0, seed: int = 0) -> Iterator[Damage]:
    """One random bit at every byte of every file, or at a share of them."""
    rng = random.Random(seed)
    for file, data in scene.pristine.items():
        for at in range(len(data)):
            bit, drawn = rng.randrange(8), rng.random()
            if drawn < share:
                yield Damage(file, "flip", at, bit)


def examine_all(root: Path, scene: Scene, damages: Sequence[Damage]) -> Iterator[Outcome]:
    """Do each damage to an index laid out at `root`, in forked processes, one after another."""
    write(root, scene.pristine)
    left = list(damages)
    while left:
        outcomes, status = _in_fork(root, scene, left[:_CHUNK])
        yield from outcomes
        del left[: len(outcomes)]
        if status:
            yield Outcome(left.pop(0), "crashed", f"status {status}", False)
            restore(root, scene, scene.pristine)
    assert contents(root) == scene.pristine


def _in_fork(root: Path, scene: Scene, damages: Sequence[Damage]) -> tuple[list[Outcome], int]:
    readable, writable = os.pipe()
    child = fork()
    if not child:
        try:
            with os.fdopen(writable, "w") as pipe:
                for damage in damages:
                    signal.alarm(_SECONDS)
                    print(json.dumps(asdict(examine(root, scene, damage))), file=pipe, flush=True)
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as pipe:
        lines = [json.loads(line) for line in pipe.read().splitlines(keepends=True) if line.endswith("\n")]
    _, status = os.waitpid(child, 0)
    return [Outcome(**{**line, "damage": Damage(**line["damage"])}) for line in lines], status


def examine(root: Path, scene: Scene, damage: Damage) -> Outcome:
    """Damage the index at `root`, ask it everything, verify it, and mend it again."""
    open_before = _open_files()
    changes = damage.changes(scene)
    for file, data in changes.items():
        (root / file).unlink()
        if data is not None:
            (root / file).write_bytes(data)
    try:
        result, detail = ("unharmed" if _answers(root) == scene.expected else "wrong"), ""
    except BitsieveError as error:
        result, detail = "refused", f"{type(error).__name__}: {error}"
    except Exception as error:
        result, detail = "raw", f"{type(error).__name__}: {error}"
    _close_all(
        open_before
    )  # a connection that is still open would spare the next one the recovery of the -wal
    try:
        findings = verify_folder(root)
        named = any(_family(file) in finding.file for finding in findings for file in changes)
    except BitsieveError as error:
        named = any(_family(file) in str(error) for file in changes)
    except Exception as error:
        result, detail, named = "raw", f"verify, {type(error).__name__}: {error}", False
    _close_all(open_before)
    restore(root, scene, changes)
    return Outcome(damage, result, detail.replace(str(root), ""), named)


def _answers(root: Path) -> list[Any]:
    with Index.open(root) as index:
        return ask(index)


def restore(root: Path, scene: Scene, files: Mapping[str, bytes | None]) -> None:
    """Write files as they were, and those that SQLite writes to even when it only reads."""
    for file in {*files, f"{CATALOG}-shm", f"{CATALOG}-wal"}:
        if file in scene.pristine:
            (root / file).write_bytes(scene.pristine[file])
        else:
            (root / file).unlink(missing_ok=True)


def _family(file: str) -> str:
    """The catalog's files are one thing to who reads them."""
    return CATALOG if file.startswith((CATALOG, "generation.txt")) else file


def _open_files() -> int:
    own = Path("/proc/self/fd")
    return len(list(own.iterdir())) if own.is_dir() else 0


def _close_all(n: int) -> None:
    if _open_files() > n:
        gc.collect()
