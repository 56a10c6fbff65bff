"""The arrays that a search in C++ fills: of another shape or type they are refused, not written beyond."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitsieve.codec import Cells
from bitsieve.search.cells import CellCodes

pytest.importorskip("bitsieve._native", reason="built without a C++ compiler")

Q, K = 3, 5


@pytest.fixture(scope="module")
def search() -> Any:
    """Search for Q queries with all but the results given."""
    vectors = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    codes = CellCodes(Cells(4).fit(vectors), vectors)
    plan = codes.plan(K, 50, 4, None, 2.0, False)
    codes.search(vectors[:Q], plan)

    def with_results(*results: NDArray[Any] | None) -> Any:
        return codes._native.search("scalar", vectors[:Q], *plan, None, None, 1, *results)

    return with_results


def room() -> list[NDArray[Any]]:
    return [np.full((Q, K), -7), np.full((Q, K), -7, np.float32), np.full((4, Q), -7)]


def test_results_are_filled_with_and_without_effort(search: Any) -> None:
    ids, scores, effort = room()
    search(ids, scores, effort)
    assert (ids >= 0).all()
    assert (effort >= 0).all()
    again, scores_again, _ = room()
    search(again, scores_again, None)
    np.testing.assert_array_equal(again, ids)
    np.testing.assert_array_equal(scores_again, scores)


@pytest.mark.parametrize(("which", "what"), [(0, "ids"), (1, "scores"), (2, "effort")])
def test_results_of_another_shape_are_refused(search: Any, which: int, what: str) -> None:
    for change in (lambda array: array[:-1], lambda array: np.ascontiguousarray(array[:, 1:])):
        results = room()
        results[which] = change(results[which])
        with pytest.raises(ValueError, match=f"room for the {what}"):
            search(*results)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_results_that_would_be_copied_or_are_read_only_are_refused(search: Any, which: int) -> None:
    results = room()
    read_only = results[which].copy()
    read_only.flags.writeable = False
    for wrong in (results[which].astype(np.float64), np.asfortranarray(results[which]), read_only):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            search(*results[:which], wrong, *results[which + 1 :])
