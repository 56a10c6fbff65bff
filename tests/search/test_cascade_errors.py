"""What a cascade refuses: each error says what was expected and what to do, and changes nothing."""

from typing import Any

import numpy as np
import pytest
from brute_force import any_itq, clustered, unit_rows
from numpy.typing import NDArray

from bitsieve.codec import ITQ, Cells, PivotFilter
from bitsieve.errors import BitsieveError, DimensionError, InputError, NotFittedError
from bitsieve.search import Cascade

N, D = 300, 24


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return clustered(N, D)


@pytest.fixture(scope="module")
def itq() -> ITQ:
    return any_itq(D, 16)


@pytest.fixture(scope="module")
def plain(itq: ITQ, vectors: NDArray[np.float32]) -> Cascade:
    return Cascade(itq, PivotFilter(3)).build(vectors)


@pytest.fixture(scope="module")
def by_cells(itq: ITQ, vectors: NDArray[np.float32]) -> Cascade:
    return Cascade(itq, PivotFilter(3), cells=10).build(vectors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be a whole number of at least 1, got 0"),
        ({"k": 2.0}, "k must be a whole number"),
        ({"n_candidates": 0}, "n_candidates must be a whole number of at least 1, got 0"),
        ({"k": 20, "n_candidates": 10}, "k=20 is more than n_candidates=10: raise n_candidates"),
        ({"threads": 0}, "threads must be a whole number of at least 1, got 0"),
        ({"scoring": "cosine"}, "scoring must be 'asymmetric' or 'hamming', got 'cosine'"),
        ({"pivot_threshold": -1.0}, "threshold must be a number of at least 0, got -1.0"),
        ({"rerank_margin": -0.1}, "rerank_margin must be a number of at least 0, got -0.1"),
        ({"rerank_margin": True}, "rerank_margin must be a number of at least 0, got True"),
        ({"rerank_margin": np.nan}, "rerank_margin must be a number of at least 0, got nan"),
        ({"rerank_margin": "2"}, "rerank_margin must be a number of at least 0, got '2'"),
        ({"n_probes": 0}, "n_probes must be a whole number of at least 1, got 0"),
        ({"n_probes": 1.5}, "n_probes must be a whole number of at least 1, got 1.5"),
        ({"probe_margin": -0.1}, "probe_margin must be a number of at least 0, got -0.1"),
        ({"probe_margin": np.nan}, "probe_margin must be a number of at least 0, got nan"),
        (
            {"allowed": np.ones(N - 1, bool)},
            rf"allowed must be bool of shape \({N},\), got bool of shape \({N - 1},\)",
        ),
        ({"allowed": np.arange(N)}, r"allowed must be bool .* np.isin\(np.arange\(n\), rows\)"),
        ({"allowed": np.ones((2, N), bool)}, "allowed must be bool"),
        ({"allowed": "all"}, "allowed must be bool"),
    ],
)
def test_arguments_out_of_range_are_refused_with_and_without_cells(
    plain: Cascade, by_cells: Cascade, vectors: NDArray[np.float32], arguments: dict[str, Any], message: str
) -> None:
    for cascade in (plain, by_cells):
        # Even where the answer would not depend on them.
        for rest in ({}, {"allowed": np.zeros(N, bool)}):
            with pytest.raises(InputError, match=message):
                cascade.search(vectors[:2], **{**rest, **arguments})


@pytest.mark.parametrize("arguments", [{"n_probes": 3}, {"probe_margin": 0.1}])
@pytest.mark.parametrize("besides", [{"scoring": "hamming"}, {"pivot_threshold": 0.2}])
def test_cells_are_chosen_only_where_a_search_goes_by_them(
    plain: Cascade,
    by_cells: Cascade,
    vectors: NDArray[np.float32],
    arguments: dict[str, Any],
    besides: dict[str, Any],
) -> None:
    with pytest.raises(InputError, match=r"choose cells: make the cascade with Cascade\(cells=…\)"):
        plain.search(vectors[:2], **arguments)
    with pytest.raises(InputError, match=r"without pivots and with scoring='asymmetric'"):
        by_cells.search(vectors[:2], **arguments, **besides)
    by_cells.search(vectors[:2], **arguments)
    by_cells.search(vectors[:2], **besides)


def test_what_a_cascade_does_not_have_is_not_searched_with(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    with pytest.raises(
        InputError, match=r"needs pivots: make the cascade with Cascade\(itq, PivotFilter\(\)\)"
    ):
        Cascade(itq).build(vectors).search(vectors[:2], pivot_threshold=0.2)
    cells_only = Cascade(cells=5).build(vectors)
    with pytest.raises(
        InputError, match=r"'hamming' compares codes of an ITQ: make the cascade with Cascade\(itq\)"
    ):
        cells_only.search(vectors[:2], scoring="hamming")
    with pytest.raises(InputError, match="needs pivots"):
        cells_only.search(vectors[:2], pivot_threshold=0.2)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "a cascade needs codes: give it a fitted ITQ, or cells="),
        ({"pivots": PivotFilter(3)}, "a cascade needs codes"),
        ({"pivots": PivotFilter(3), "cells": 4}, "pivots filter before the codes of an ITQ"),
        ({"itq": ITQ(16), "spill": True}, "spill lists vectors in two cells: give cells="),
        ({"cells": Cells(4), "spill": True}, r"make them with Cells\(spill=True\)"),
        ({"cells": 0}, "cells must be a whole number of at least 1, got 0"),
        ({"cells": 2.5}, "cells must be a whole number of at least 1, got 2.5"),
        ({"cells": True}, "cells must be a whole number of at least 1, got True"),
        ({"cells": 4, "corrections": True}, "corrections go with the codes of an ITQ"),
        ({"itq": ITQ(16), "corrections": "yes"}, "corrections must be True, False or None, got 'yes'"),
        ({"cells": 4, "spill": 2}, "spill must be True or False, got 2"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(
    vectors: NDArray[np.float32], parts: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Cascade(**parts).build(vectors)


def test_bad_ids_are_refused(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    for ids in (["a", 1, "b"], [1.0, 2.0, 3.0], [True, False, True], [2**63, 1, 2], [None, "a", "b"]):
        with pytest.raises(InputError, match="whole numbers"):
            Cascade(itq).build(vectors[:3], ids=ids)
    for wrong in ([1, 2], [[1], [2], [3]], "abc"):
        with pytest.raises(InputError, match=r"expected \(3,\)"):
            Cascade(itq).build(vectors[:3], ids=wrong)


def test_vectors_of_another_kind_are_refused(
    itq: ITQ, by_cells: Cascade, vectors: NDArray[np.float32]
) -> None:
    with pytest.raises(InputError, match="queries must have rows of L2 norm 1"):
        by_cells.search(2 * vectors[:2])
    with pytest.raises(DimensionError, match="queries have d=16, expected d=24"):
        by_cells.search(unit_rows(vectors[:2, :16]))
    for cascade in (Cascade(itq), Cascade(cells=Cells(5).fit(vectors))):
        with pytest.raises(InputError, match="vectors must have rows of L2 norm 1"):
            cascade.build(2 * vectors)
        with pytest.raises(DimensionError, match="vectors have d=16, expected d=24"):
            cascade.build(unit_rows(vectors[:, :16]))


def test_nothing_works_before_fit_and_build(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    with pytest.raises(NotFittedError, match=r"holds no vectors yet: call build\(vectors\)"):
        Cascade(itq).search(vectors)
    with pytest.raises(NotFittedError, match="fit"):
        Cascade(ITQ(16)).build(vectors)


@pytest.mark.parametrize(
    ("parts", "vectors_to_add", "ids"),
    [
        ({}, "double", None),
        ({}, "narrow", None),
        ({}, "same", [1.5] * N),
        ({"itq": ITQ(16)}, "same", None),
        ({"pivots": PivotFilter(N + 1)}, "same", None),
        ({"pivots": PivotFilter(3), "cells": Cells(4, n_bits=D + 8)}, "same", None),
        ({"cells": Cells(4, seed=-1)}, "same", None),
        ({"cells": 0}, "same", None),
        ({"corrections": 3}, "same", None),
    ],
)
def test_a_build_that_fails_changes_nothing(
    itq: ITQ, vectors: NDArray[np.float32], parts: dict[str, Any], vectors_to_add: str, ids: Any
) -> None:
    cascade = Cascade(itq, PivotFilter(3), cells=Cells(6)).build(vectors, ids=np.arange(N) + 1000)
    asked: list[dict[str, Any]] = [{}, {"scoring": "hamming"}, {"pivot_threshold": 0.2}, {"n_probes": 2}]
    before = [cascade.search(vectors[:5], explain=True, **arguments) for arguments in asked]
    kept = dict(vars(cascade))
    for name, part in parts.items():
        setattr(cascade, name, part)
    unfitted = {name: dict(vars(part)) for name, part in parts.items() if hasattr(part, "__dict__")}
    given = {"same": vectors, "double": 2 * vectors, "narrow": unit_rows(vectors[:, :16])}[vectors_to_add]
    with pytest.raises(BitsieveError):
        cascade.build(given, ids=ids)
    assert all(vars(parts[name]) == state for name, state in unfitted.items())
    assert {name: vars(cascade)[name] for name in parts} == parts
    vars(cascade).update({name: kept[name] for name in parts})
    assert vars(cascade).keys() == kept.keys()
    assert all(vars(cascade)[name] is value for name, value in kept.items())
    for arguments, expected in zip(asked, before, strict=True):
        found = cascade.search(vectors[:5], explain=True, **arguments)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
