"""Killed at any moment, a writer leaves what it said is on the disk; and the judge who says so notices what is not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from crash_documents import LATER, D, found_in, given, problems
from crash_writer import CALLS, ViolationError, judge, plan

from bitsieve.errors import BitsieveError
from bitsieve.index import Index

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "crash.py"
HELD = {"a": 1, "b": 2, "c": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    result = tmp_path / "crash.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", "100", "--least", "1", "--save", str(result)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(result.read_text())
    assert report["violations"] == []
    assert report["kills"] >= 100
    assert sum(report["kills_at_random"].values()) > 0
    assert report["kills_before_the_first_commit_returned"] > 0
    for step in ("commit index/catalog.sqlite", "sync index/catalog.sqlite-wal", "rename index/segments/tmp"):
        assert min(report["kills_at_steps"][step].values()) > 0


@pytest.fixture
def place(tmp_path: Path) -> Path:
    with Index.create(tmp_path / "index", dimension=D) as index:
        index.add(**given(HELD))
    return tmp_path / "index"


def test_the_judge_takes_what_was_committed_and_adds_to_it(place: Path) -> None:
    assert judge(place, [{"a": 1}, HELD]) == HELD
    assert judge(place, [HELD], LATER) == HELD
    assert judge(place, [{**HELD, **LATER}]) == {**HELD, **LATER}


def test_before_the_first_commit_there_may_be_no_index(tmp_path: Path) -> None:
    assert judge(tmp_path / "index", [None, {}]) is None
    assert judge(tmp_path / "index", [None, {}], LATER) is None
    assert judge(tmp_path / "index", [LATER]) == LATER


@pytest.mark.parametrize(
    "allowed",
    [{}, {"a": 1, "b": 2}, {**HELD, "d": 1}, {**HELD, "a": 2}],
    ids=["none", "fewer", "more", "another"],
)
def test_the_judge_notices_other_documents(place: Path, allowed: dict[str, int]) -> None:
    with pytest.raises(ViolationError):
        judge(place, [None, allowed])


def test_the_judge_notices_that_there_is_no_index(place: Path) -> None:
    shutil.rmtree(place)
    with pytest.raises(BitsieveError):
        judge(place, [{}, HELD])


def test_the_judge_notices_a_document_that_is_not_whole(place: Path) -> None:
    with Index.open(place, write=True) as index, index._catalog.writing() as (connection, _):
        connection.execute("UPDATE documents SET text = 'another' WHERE id = 'a'")
    with pytest.raises(ViolationError, match="another"):
        judge(place, [HELD])


def test_a_plan_is_the_same_each_time_and_says_what_comes_of_it(tmp_path: Path) -> None:
    assert [call.after for call in plan(7, None)] == [call.after for call in plan(7, None)]
    names = {call.name for seed in range(30) for call in plan(seed, HELD)}
    assert names == {"add", "upsert", "delete", "compact", "refit", "reopen"}
    calls = list(plan(7, None))
    assert len(calls) == CALLS + 1
    with Index.create(tmp_path / "index", dimension=D) as index:
        for call in calls[1:]:
            if call.name != "reopen":
                getattr(index, call.name)(**call.arguments)
            assert judge(tmp_path / "index", [call.after]) == call.after


def test_a_reader_does_not_take_a_new_segment_for_an_old_one_of_its_number(place: Path) -> None:
    with Index.open(place) as reader:
        for versions in (LATER, HELD):
            with Index.open(place, write=True) as index:
                index.delete(list(found_in(index)))
            with Index.open(place, write=True) as index:  # which finds no number on the disk
                index.add(**given(versions))
                assert [path.name for path in place.glob("segments/*")] == ["00000001"]
            assert list(problems(reader, versions)) == []
