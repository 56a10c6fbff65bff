"""A disk that fails at any step, of arrays or of SQLite: a clear error, nothing half, and the next attempt works."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from crash_documents import LATER, D, found_in, given, problems, shrink
from failures import CALLS, HELD, MANY, Fault, FaultyDisk, assert_nothing_half, error_of, try_each_fault
from plain_index import unit_vectors
from recording import RecordingDisk
from recording_vfs import kind_of

from bitsieve.arrays import FloatArray
from bitsieve.errors import DuplicateIdError, InputError, ModelMismatchError
from bitsieve.index import Index


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch.setattr)
        yield


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of indexes by their names; "killed" has what a killed writer leaves."""
    root = tmp_path_factory.mktemp("bases")
    with Index.create(root / "one segment", dimension=D, n_bits=16) as index:
        index.add(**given(HELD))
    with Index.create(root / "segments", dimension=D, n_bits=16) as index:
        for first in range(0, 18, 6):
            index.add(**given(dict.fromkeys(list(HELD)[first : first + 6], 1)))
        shutil.copytree(root / "segments", root / "killed")
    for leftover in ("tmp-00000000", "00000009"):
        shutil.copytree(root / "killed/segments/00000001", root / "killed/segments" / leftover)
    shutil.copytree(root / "segments", root / "codec")
    with Index.open(root / "codec", write=True) as index:
        index.add(**given(MANY))
    return root


@pytest.mark.parametrize("name", CALLS)
def test_whatever_step_fails_the_index_is_searchable_and_the_next_attempt_works(
    bases: Path, in_memory: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    call, place = CALLS[name], in_memory / "index"

    def attempt(disk: FaultyDisk, fault: Fault) -> range:
        with Index.open(place, write=True, disk=disk) as index, Index.open(place) as reader:
            first = len(disk.begun)
            failed = error_of(lambda: call.do(index), fault)
            steps = range(first, len(disk.begun))
            if re.match(r"rename .*/N$|remove ", kind_of(*disk.begun[fault.step])):
                assert failed is None, fault  # the commit stands, only sweeping has failed
            possible = [call.after] if failed is None else [call.before, call.after]
            for open_index in (index, reader):
                held = found_in(open_index)
                assert held in possible, fault
                assert list(problems(open_index, held)) == [], fault
            disk.repair()
            if failed is not None:
                with suppress(DuplicateIdError):  # it has happened after all
                    call.do(index)
            for open_index in (index, reader):
                assert list(problems(open_index, call.after)) == [], fault
            index.upsert(**given(LATER))
        return steps

    n = try_each_fault(bases / call.base, place, {**call.after, **LATER}, attempt)
    record_property("faults", n)
    assert n > 6


def test_whatever_step_of_opening_fails_the_next_attempt_works(
    bases: Path, in_memory: Path, record_property: Callable[[str, object], None]
) -> None:
    place = in_memory / "index"

    def attempt(disk: FaultyDisk, fault: Fault) -> range:
        error_of(lambda: Index.open(place, write=True, disk=disk).close(), fault)
        return range(len(disk.begun))

    n = try_each_fault(bases / "killed", place, HELD, attempt)
    record_property("faults", n)
    assert n > 10


def test_whatever_step_of_closing_fails_nothing_is_lost(
    bases: Path, in_memory: Path, record_property: Callable[[str, object], None]
) -> None:
    call, place = CALLS["add, merging"], in_memory / "index"

    def attempt(disk: FaultyDisk, fault: Fault) -> range:
        index = Index.open(place, write=True, disk=disk)
        call.do(index)
        first = len(disk.begun)
        error_of(index.close, fault)
        return range(first, len(disk.begun))

    n = try_each_fault(bases / call.base, place, call.after, attempt)
    record_property("faults", n)
    assert n > 6


def test_whatever_step_of_making_an_index_fails_the_next_attempt_works(
    in_memory: Path, record_property: Callable[[str, object], None]
) -> None:
    place = in_memory / "index"

    def attempt(disk: FaultyDisk, fault: Fault) -> range:
        failed = error_of(lambda: Index.create(place, dimension=D, disk=disk).close(), fault)
        steps = range(len(disk.begun))
        disk.repair()
        if failed is not None:
            with suppress(InputError):  # it has happened after all
                Index.create(place, dimension=D).close()
        return steps

    n = try_each_fault(None, place, {}, attempt)
    record_property("faults", n)
    assert n > 20


class InterruptedDisk(RecordingDisk):
    """A disk of somebody who presses Ctrl-C, before a step or after it; on creating a file only before."""

    def __init__(self, root: Path, number: int, after: bool) -> None:
        super().__init__(root)
        self.number, self.after = number, after

    @contextmanager
    def step(self, operation: str, path: Path) -> Iterator[None]:
        now = len(self.begun) == self.number
        with super().step(operation, path):
            if now and (not self.after or operation == "create"):
                raise KeyboardInterrupt
            yield
            if now:
                raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["add, merging", "upsert", "delete", "compact", "refit"])
def test_an_index_goes_on_after_an_interruption_at_any_step(
    bases: Path, in_memory: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    call, place = CALLS[name], in_memory / "index"

    def interrupted(number: int, after: bool) -> bool:
        shutil.copytree(bases / call.base, place)
        disk = InterruptedDisk(in_memory, -1, after)
        with Index.open(place, write=True, disk=disk) as index:
            disk.number = len(disk.begun) + number
            try:
                call.do(index)
                return False
            except KeyboardInterrupt:
                held = found_in(index)
                assert held in (call.before, call.after)
                assert list(problems(index, held)) == []
            with suppress(DuplicateIdError):
                call.do(index)
            index.upsert(**given(LATER))
        assert_nothing_half(place, {**call.after, **LATER})
        shutil.rmtree(place)
        return True

    number = 0
    while interrupted(number, after=False) and interrupted(number, after=True):
        number += 1
    record_property("interruptions", 2 * number)
    assert number > 1


class OtherModel:
    """Stands for an encoder of so many dimensions."""

    def __init__(self, d: int) -> None:
        self.made_from = f"of {d} dimensions"
        self.model = SimpleNamespace(
            name=self.made_from, fingerprint=self.made_from, dimension=d, to_dict=dict
        )

    def encode_passages(self, texts: list[str], progress: object) -> FloatArray:
        return unit_vectors(len(texts), self.model.dimension)


def test_after_a_move_that_was_interrupted_all_is_of_the_model_that_stands(
    bases: Path, in_memory: Path
) -> None:
    place, moved = in_memory / "index", []

    def interrupted(number: int, after: bool) -> bool:
        shutil.copytree(bases / "one segment", place)
        disk = InterruptedDisk(in_memory, -1, after)
        with Index.open(place, write=True, disk=disk) as index:
            disk.number = len(disk.begun) + number
            try:
                index.reembed(OtherModel(2 * D))  # type: ignore[arg-type]
                return False
            except KeyboardInterrupt:
                pass
            with Index.open(place) as reader:
                d = reader.dimension
                moved.append(d == 2 * D)
                with pytest.raises(ModelMismatchError, match=f"the index holds d={d} "):
                    index.add(["late"], ids=["late"], vectors=unit_vectors(1, 3 * D - d, seed=7))
                index.add(["late"], ids=["late"], vectors=unit_vectors(1, d, seed=7))
                assert reader.search(vector=unit_vectors(1, d, seed=7)[0], k=1)[0].id == "late"
                index.reembed(OtherModel(4 * D))  # type: ignore[arg-type]
                assert len(reader.search(vector=unit_vectors(1, 4 * D)[0], k=99)) == len(HELD) + 1
            assert index.verify() == []
        shutil.rmtree(place)
        return True

    number = 0
    while interrupted(number, after=False) and interrupted(number, after=True):
        number += 1
    assert set(moved) == {False, True}
