"""Whatever happens to one file of an index, nothing it answers is wrong; a sample of what `make damage` does."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import damaging
import pytest
from children import in_child
from damaging import Damage, Outcome, Scene
from small_index import ask, build_index, given, small_thresholds

from bitsieve.errors import BitsieveError, DamageError
from bitsieve.index import Index
from bitsieve.index.inspection import verify_folder

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="damages in forked processes")

CATALOG = "catalog.sqlite"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    return damaging.scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(params=["closed", "killed"])
def scene(request: pytest.FixtureRequest, both: list[Scene]) -> Scene:
    return next(scene for scene in both if scene.name == request.param)


def outcomes_of(root: Path, scene: Scene, damages: Iterator[Damage]) -> list[Outcome]:
    """What came of damages; AssertionError for what must not be."""
    outcomes = list(damaging.examine_all(root, scene, list(damages)))
    assert [outcome for outcome in outcomes if outcome.is_violation] == []
    return outcomes


def results(outcomes: Sequence[Outcome], file: str = "") -> Counter[str]:
    return Counter(outcome.result for outcome in outcomes if outcome.damage.file == file or not file)


def test_a_flipped_bit_is_noticed_or_changes_no_answer(scene: Scene, tmp_path: Path) -> None:
    outcomes = outcomes_of(tmp_path, scene, damaging.flips(scene, share=0.0004, seed=1))
    assert results(outcomes)["refused"] > 20


def test_a_flipped_bit_of_an_array_is_named(scene: Scene, tmp_path: Path) -> None:
    arrays = (damage for damage in damaging.flips(scene, 0.004, seed=2) if damage.file.endswith(".npy"))
    assert all(outcome.named for outcome in outcomes_of(tmp_path, scene, arrays))


def test_a_file_cut_short_is_noticed_or_changes_no_answer(scene: Scene, tmp_path: Path) -> None:
    outcomes = outcomes_of(tmp_path, scene, damaging.truncations(scene, step=30_011))
    for outcome in outcomes:
        if outcome.damage.file not in (
            *damaging.OPTIONAL,
            CATALOG,
        ):  # what a -wal has may be missing below it
            assert outcome.result == "refused", outcome


def test_a_catalog_cut_short_is_noticed_though_a_wal_has_a_part_of_what_is_missing(
    both: list[Scene], tmp_path: Path
) -> None:
    killed = both[1]
    lengths = range(4_000, len(killed.pristine[CATALOG]), 8_192)
    outcomes = outcomes_of(tmp_path, killed, (Damage(CATALOG, "truncate", at) for at in lengths))
    assert results(outcomes)["refused"] > len(lengths) / 2


def test_a_deleted_file_is_noticed_unless_an_index_is_whole_without_it(scene: Scene, tmp_path: Path) -> None:
    for outcome in outcomes_of(tmp_path, scene, damaging.deletions(scene)):
        expected = "unharmed" if outcome.damage.file in damaging.OPTIONAL else "refused"
        assert outcome.result == expected, outcome


def test_a_file_in_another_ones_place_is_noticed_or_changes_no_answer(scene: Scene, tmp_path: Path) -> None:
    outcomes = outcomes_of(tmp_path, scene, damaging.replacements(scene))
    assert results(outcomes, CATALOG) == {"refused": 2}


def test_every_kind_of_segment_and_the_codec_have_been_damaged(both: list[Scene]) -> None:
    files = {file.split("/", 1)[-1] for file in both[0].pristine}
    wanted = ["vectors", "keys", "places", "codes", "rerank_int8", "cell_codes", "components"]
    assert {f"{name}.npy" for name in wanted} <= {file.rsplit("/", 1)[-1] for file in files}


def test_what_is_damaged_after_opening_is_noticed_by_the_first_search_that_reads_it(tmp_path: Path) -> None:
    build_index(tmp_path / "index")
    with Index.open(tmp_path / "index") as index:
        path = tmp_path / "index" / "segments" / "00000003" / "vectors.npy"
        with path.open("r+b") as file:
            file.seek(200)
            file.write(b"\xff\xff")
        with pytest.raises(DamageError, match=r"segments/00000003/vectors\.npy is damaged"):
            ask(index)


def test_damage_is_not_copied_into_a_new_segment(tmp_path: Path) -> None:
    build_index(tmp_path / "index")
    path = tmp_path / "index" / "segments" / "00000002" / "vectors.npy"
    data = bytearray(path.read_bytes())
    data[-9] ^= 4
    path.write_bytes(data)
    with Index.open(tmp_path / "index", write=True) as index:
        generation = index.stats().generation
        with small_thresholds(), pytest.raises(DamageError, match="00000002"):
            index.compact()
        assert index.stats().generation == generation
    assert [finding.file for finding in verify_folder(tmp_path / "index")] == [
        "segments/00000002/vectors.npy"
    ]


def test_a_writer_refuses_a_damaged_catalog(both: list[Scene], tmp_path: Path) -> None:
    closed = both[0]

    def write_to_damaged() -> int:
        refused = 0
        for at in range(5_000, len(closed.pristine[CATALOG]), 8_192):
            damaging.write(tmp_path, closed.pristine)
            damage = Damage(CATALOG, "flip", at, 3).changes(closed)[CATALOG]
            assert damage is not None
            (tmp_path / CATALOG).write_bytes(damage)
            try:
                with small_thresholds(), Index.open(tmp_path, write=True) as index:
                    index.upsert(**given(0, 90, 5))
                    index.delete(where={"even": True})
            except BitsieveError:
                refused += 1
            for left in tmp_path.glob(f"{CATALOG}-*"):
                left.unlink()
        return refused

    n_pages = len(closed.pristine[CATALOG]) // 8_192
    assert in_child(write_to_damaged) >= n_pages // 2


def test_all_damaged_files_are_named_not_only_the_first(tmp_path: Path) -> None:
    build_index(tmp_path / "index")
    damaged = ["codecs/00000001/mean.npy", "segments/00000001/keys.npy", "segments/00000003/vectors.npy"]
    for file in damaged:
        (tmp_path / "index" / file).unlink()
    assert sorted(finding.file for finding in verify_folder(tmp_path / "index")) == damaged
