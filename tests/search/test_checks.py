"""What is checked at every search, quickly: by a pass in C++, and once for parameters that have passed before."""

import doctest
from typing import Any

import numpy as np
import pytest
from brute_force import any_itq, clustered, unit_rows
from numpy.typing import NDArray

from bitsieve.arrays import NORM_TOLERANCE, check_vectors
from bitsieve.errors import DimensionError, InputError
from bitsieve.recall import Plan
from bitsieve.search import Cascade, checks, native
from bitsieve.search.checks import check_queries, check_search

D = 37  # two whole lanes of the pass in C++, and some more
RANGE = "must be a whole number of at least 1"


def queries_with(value: float, row: int = 2, column: int = 5) -> NDArray[np.float32]:
    queries = clustered(4, D)
    queries[row, column] = value
    return queries


def scaled(norm: float, row: int = 2) -> NDArray[np.float32]:
    queries = clustered(4, D)
    queries[row] *= np.float32(norm)
    return queries


GOOD = [
    clustered(4, D),
    clustered(1, 8),
    clustered(3, 384),
    clustered(4, D)[:0],
    -np.eye(3, D, dtype=np.float32),
    scaled(1 + 0.9 * NORM_TOLERANCE),
    scaled(1 - 0.9 * NORM_TOLERANCE, row=0),
]
BAD = [
    *(queries_with(value) for value in (np.nan, np.inf, -np.inf, 1e30)),
    *(queries_with(np.nan, row=3, column=column) for column in (0, 31, 32, D - 1)),
    *(
        scaled(norm, row)
        for norm in (0, 0.5, 1 - 1.1 * NORM_TOLERANCE, 1 + 1.1 * NORM_TOLERANCE)
        for row in (0, 3)
    ),
    np.zeros((1, D), np.float32),
    np.ones((2, 0), np.float32),
]


@pytest.mark.parametrize("kernels", native.available())
def test_good_queries_are_returned_as_they_are(kernels: str) -> None:
    with native.forced(kernels):
        for queries in GOOD:
            assert check_queries(queries, queries.shape[1]) is queries
            queries.flags.writeable = False
            assert check_queries(queries, queries.shape[1]) is queries


@pytest.mark.parametrize("kernels", native.available())
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_bad_queries_are_refused_as_check_vectors_refuses_them(kernels: str) -> None:
    others: list[Any] = [
        clustered(1, D)[0],
        np.float32(1),
        np.ones((1, D), int),
        [["a"] * D],
        clustered(2, D + 1),
    ]
    for queries in (*BAD, *others):
        d = queries.shape[1] if any(queries is bad for bad in BAD) else D
        with pytest.raises(InputError) as expected:
            check_vectors(queries, d=d, unit=True, name="queries")
        with native.forced(kernels), pytest.raises(type(expected.value)) as raised:
            check_queries(queries, d)
        assert str(raised.value) == str(expected.value)


@pytest.mark.parametrize("kernels", native.available())
def test_queries_of_other_kinds_are_converted_then_checked(kernels: str) -> None:
    queries = unit_rows(clustered(4, D).astype(np.float16))
    kinds: list[Any] = [
        queries.astype(np.float64), queries.astype(np.float16), queries.astype(">f4"), queries.astype(np.longdouble),
        queries.tolist(), np.asfortranarray(queries), np.repeat(queries, 2, axis=1)[:, ::2],
        np.repeat(queries, 2, axis=0)[::2],
    ]  # fmt: skip
    with native.forced(kernels):
        for kind in kinds:
            checked = check_queries(kind, D)
            assert checked.dtype == np.dtype(np.float32)
            assert checked.flags.c_contiguous
            np.testing.assert_array_equal(checked, np.asarray(kind).astype(np.float32))
            with pytest.raises(InputError, match=r"queries must have rows of L2 norm 1, row \d has 2:"):
                check_queries(2 * np.asarray(kind), D)
            with pytest.raises(DimensionError, match="queries have d=37, expected d=38"):
                check_queries(kind, D + 1)


def test_what_passed_is_remembered_with_its_type() -> None:
    good = dict.fromkeys(("k", "n_candidates", "threads", "n_probes"), 1)
    rest: dict[str, Any] = {"probe_margin": None, "rerank_margin": 1.0}
    check_search(*good.values(), *rest.values())
    check_search(*(np.int64(value) for value in good.values()), *rest.values())
    for name in ("k", "n_candidates", "threads", "n_probes"):
        for value in (True, 1.0, np.True_):
            with pytest.raises(InputError, match=f"{name} {RANGE}, got {value!r}"):
                check_search(*(good | {name: value}).values(), *rest.values())
    with pytest.raises(InputError, match="rerank_margin must be a number of at least 0, got True"):
        check_search(*good.values(), None, True)


def test_numbers_of_numpy_are_kept_as_pythons_own() -> None:
    counts = (np.uint8(200), np.int8(1), np.uint16(3))
    plan = check_search(np.uint8(100), *counts, np.float16(0.5), np.float32(2))
    assert plan == Plan(n_candidates=200, n_probes=3, probe_margin=0.5, rerank_margin=2.0)
    numbers = (plan.n_candidates, plan.n_probes, plan.probe_margin, plan.rerank_margin)
    assert [type(number) for number in numbers] == [int, int, float, float]


@pytest.mark.parametrize("kernels", native.available())
@pytest.mark.parametrize("cells", [None, 5])
def test_small_kinds_of_numbers_mean_what_pythons_do(kernels: str, cells: int | None) -> None:
    vectors = clustered(600, 24)
    cascade = Cascade(any_itq(24, 16), cells=cells).build(vectors)
    with native.forced(kernels):
        found = cascade.search(vectors[:9], np.uint8(100), n_candidates=np.uint8(200))  # type: ignore[call-overload]
        expected = cascade.search(vectors[:9], 100, n_candidates=200)
    np.testing.assert_array_equal(found[0], expected[0])


def test_what_was_refused_is_refused_again() -> None:
    for _ in range(3):
        with pytest.raises(InputError, match="k=20 is more than n_candidates=10"):
            check_search(20, 10, 1, None, None, 2.0)


@pytest.mark.parametrize(
    "name", ["k", "n_candidates", "threads", "n_probes", "probe_margin", "rerank_margin"]
)
@pytest.mark.parametrize("value", [[1], {}, np.array(1), np.ones(3)], ids=repr)
def test_what_cannot_be_looked_up_is_refused_by_name(name: str, value: Any) -> None:
    vectors = clustered(30, 8)
    with pytest.raises(InputError, match=f"^{name} must be a "):
        Cascade(cells=3).build(vectors).search(vectors[:1], **{name: value})


@pytest.mark.parametrize("kernels", native.available())
@pytest.mark.parametrize("arguments", [{}, {"scoring": "hamming"}, {"n_probes": 2}])
def test_explaining_changes_nothing(kernels: str, arguments: dict[str, Any]) -> None:
    vectors = clustered(200, 24)
    cascade = Cascade(any_itq(24, 16), cells=5).build(vectors)
    with native.forced(kernels):
        found = cascade.search(vectors[:9], 5, n_candidates=20, **arguments)
        explained = cascade.search(vectors[:9], 5, n_candidates=20, explain=True, **arguments)
    np.testing.assert_array_equal(found[0], explained[0])
    np.testing.assert_array_equal(found[1], explained[1])


def test_examples_in_docstrings() -> None:
    results = doctest.testmod(checks)
    assert results.attempted
    assert not results.failed
