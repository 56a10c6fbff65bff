"""Errors: each of them reaches whoever asked, from another process too."""

import pickle
from collections.abc import Iterator

import pytest

from bitsieve.errors import BitsieveError, MissingExtraError


def classes(of: type[BitsieveError] = BitsieveError) -> Iterator[type[BitsieveError]]:
    yield of
    for inner in of.__subclasses__():
        yield from classes(inner)


@pytest.mark.parametrize("kind", sorted(set(classes()), key=lambda kind: kind.__name__))
def test_an_error_comes_out_of_a_pickle_as_it_went_in(kind: type[BitsieveError]) -> None:
    error = kind("the HTML report", "report") if kind is MissingExtraError else kind("what is wrong")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301, of our own
    assert (type(again), str(again), again.args) == (kind, str(error), error.args)
    if kind is MissingExtraError:
        assert str(again) == "the HTML report needs the extra [report]: pip install 'bitsieve[report]'"
