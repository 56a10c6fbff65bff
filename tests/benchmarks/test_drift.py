"""The experiment of drift, on vectors in clumps: the new kind's lie in dimensions that the old kind's have not."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from drift import TARGET, Kind, drift
from vectors import unit

D = 64


def clumps(n: int, dimensions: slice) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    points = np.zeros((60, D))
    points[:, dimensions] = rng.normal(size=points[:, dimensions].shape)
    return unit(points[rng.integers(len(points), size=n)] + 0.5 * rng.normal(size=(n, D)))


def test_a_watch_warns_when_data_have_drifted_not_before_and_not_after_the_remedy(tmp_path: Path) -> None:
    old, new = Kind.split(clumps(5600, slice(0, 32))), Kind.split(clumps(2900, slice(32, 64)))
    days = drift(old, new, tmp_path / "index", n_bits=40, n_searches=200, rate=1.0)
    before, added, compacted, _, _, by_queries, refitted = days
    for day in (before, by_queries, refitted):
        assert day["recall"] > TARGET - 0.01
        assert day["warned_after"] is None
    for day in (added, compacted):
        assert day["recall"] < TARGET - 0.03
        assert day["warned_after"] < 200
    assert refitted["n_candidates"] < by_queries["n_candidates"]
    for day in days:  # the watch was asked to compare every search
        assert day["watch"]["n"] == 200
        assert day["watch"]["recall"] == pytest.approx(day["recall"])
        assert day["watch"]["lower"] < day["recall"] < day["watch"]["upper"]
    assert [day["calibration_held"] for day in days] == [True, True, False, False, True, True, True]


def test_kinds_share_nothing_with_the_queries_held_out_of_them() -> None:
    vectors = clumps(1000, slice(0, 32))
    kind = Kind.split(vectors)
    parts = (kind.documents, kind.calibrating, kind.live)
    assert [len(part) for part in parts] == [780, 110, 110]
    assert {row.tobytes() for part in parts for row in part} == {row.tobytes() for row in vectors}
