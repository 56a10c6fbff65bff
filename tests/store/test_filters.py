"""SQLite finds the documents that a plain reading of the language in Python does, whatever the keys and values are."""

import json
import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Documents, escaped, python_finds, sqlite_finds


@pytest.fixture(scope="module")
def documents() -> Iterator[Documents]:
    documents = Documents()
    yield documents
    documents.database.close()


# What the language means, by hand.

ZOLA = {
    "title": "Germinal",
    "year": 1885,
    "price": 2.5,
    "read": True,
    "lent": None,
    "tags": ["novel", 1885, None, True, ["a"], {"b": 1.0, "c": [2]}],
    "author": {"name": "Émile Zola", "born": {"year": 1840, "town": "Paris"}},
    "1.5": "dotted",
    "a\\b": "backslash",
    "$ref": "dollar",
    "": {"": "empty"},
}

YES: list[dict[str, Any]] = [
    {},
    {"title": "Germinal", "year": 1885},
    {"year": 1885.0},
    {"year": {"$gte": 1885, "$lt": 1885.5}},
    {"year": {"$gt": 1884.999, "$lte": 1885}},
    {"title": {"$gt": "Germ", "$lt": "Germz"}},
    {"title": {"$gt": "", "$lt": "\U0001f600"}},
    {"author.name": {"$gt": "Z"}},  # É is U+00C9
    {"read": True},
    {"lent": None},
    {"lent": {"$exists": True}},
    {"missing": None},
    {"missing": {"$exists": False}},
    {"missing": {"$ne": 1}},
    {"missing": {"$nin": [1, "x"]}},
    {"missing": {"$in": [1, None]}},
    {"missing": {"$not": {"$gt": 1}}},
    {"read": {"$ne": 1}},
    {"year": {"$ne": "1885"}},
    {"year": {"$ne": None}},
    {"year": {"$in": [1885.0, "x"]}},
    {"title": {"$in": ["x", "Germinal"]}},
    {"read": {"$in": [1, True]}},
    {"author.born": {"$in": [1, {"town": "Paris", "year": 1840}]}},
    {"year": {"$nin": []}},
    {"year": {"$not": {"$gt": 1880, "$lt": 1885}}},
    {"year": {"$not": {"$not": {"$eq": 1885}}}},
    {"author.born.year": 1840},
    {"author.born": {"year": 1840.0, "town": "Paris"}},
    {"author.born": {"$eq": {"town": "Paris", "year": 1840}}},
    {"tags": ZOLA["tags"]},
    {"tags": ["novel", 1885.0, None, True, ["a"], {"c": [2.0], "b": 1}]},
    {"tags": {"$contains": "novel"}},
    {"tags": {"$contains": 1885.0}},
    {"tags": {"$contains": None}},
    {"tags": {"$contains": True}},
    {"tags": {"$contains": ["a"]}},
    {"tags": {"$contains": {"c": [2], "b": 1}}},
    {"title": {"$contains": "mina"}},
    {"title": {"$contains": ""}},
    {"author.name": {"$contains": "É"}},
    {r"1\.5": "dotted"},
    {r"a\\b": "backslash"},
    {r"\$ref": "dollar"},
    {".": "empty"},
    {"$or": [{"year": 1}, {"year": 1885}]},
    {"$or": [{"year": 1}, {}]},
    {"$and": [{"year": 1885}, {"title": "Germinal"}]},
    {"$not": {"year": 1}},
    {"$not": {"$or": [{"year": 1}, {"missing": {"$gt": 1}}]}},
]

NO: list[dict[str, Any]] = [
    {"title": "Germinal", "year": 1886},
    {"title": "germinal"},
    {"title": {"$contains": "MINA"}},
    {"year": "1885"},
    {"year": {"$gt": "1"}},
    {"year": {"$lt": "z"}},
    {"title": {"$gt": 1}},
    {"read": 1},
    {"read": {"$gte": 0}},
    {"read": {"$in": [1, "true"]}},
    {"lent": {"$ne": None}},
    {"lent": {"$lt": 1}},
    {"lent": {"$contains": None}},
    {"missing": {"$ne": None}},
    {"missing": {"$nin": [None]}},
    {"missing": {"$lt": 1}},
    {"missing": {"$exists": True}},
    {"missing": {"$contains": None}},
    {"year": {"$in": []}},
    {"year": {"$contains": 1885}},
    {"tags": "novel"},
    {"tags": {"$gt": 0}},
    {"tags.0": "novel"},
    {"tags": {"$contains": "nov"}},
    {"tags": {"$contains": {"b": 1}}},
    {"tags": {"$contains": 1}},
    {"tags": ["novel"]},
    {"tags": {"0": "novel"}},
    {"tags": json.dumps(ZOLA["tags"])},
    {"author": {"name": "Émile Zola"}},
    {"author": {"$contains": "name"}},
    {"author.born": '{"year":1840,"town":"Paris"}'},
    {"title.x": "Germinal"},
    {"1.5": "dotted"},
    {"$or": [{"year": 1}, {"year": 2}]},
    {"$and": [{"year": 1885}, {"title": "x"}]},
    {"$not": {}},
]


@pytest.mark.parametrize(("where", "expected"), [(x, True) for x in YES] + [(x, False) for x in NO], ids=repr)
def test_each_line_of_the_language(documents: Documents, where: dict[str, Any], expected: bool) -> None:
    assert sqlite_finds(documents, [ZOLA], where) == python_finds([ZOLA], where) == [0] * expected


def test_tuples_mappings_and_numpys_floats_are_json_too(documents: Documents) -> None:
    documents.hold([{"a": [1, 2.5], "b": {"c": 2.5}}])
    where = MappingProxyType(
        {
            "a": (1, np.float64(2.5)),
            "b": MappingProxyType({"c": np.float64(2.5)}),
            "b.c": {"$in": (np.float64(2.5),), "$lte": np.float64(2.5)},
            "$or": ({"a": 0}, MappingProxyType({"b.c": np.float64(2.5)})),
        }
    )
    assert documents.found(where) == [0]


# Any documents and any conditions.

NAMES = (
    st.sampled_from(
        ["a", "b", "a.b", "", " ", "$", "$eq", "[0]", "0", '"', "'", "\\", '\\"', "$.a", "--", "?"]
    )
    | st.sampled_from(["a\0", "a\0b", "\0", "a\n", "\x7f", "é", "e\u0301", "\u2028", "\\u0000", "\U0001f600"])
    | st.sampled_from(["\ufffe", "\n\ufffe", "\n\uffff"])
    | st.text(max_size=3)
)
NUMBERS = (
    st.sampled_from([0, -0.0, 1, 1.0, -1, 0.1, 1e23, 1e308, -1e308, 5e-324])
    | st.sampled_from([2**53 + 1, 2.0**53, 2**63 - 1, -(2**63), 2.0**63])
    | st.floats(allow_nan=False, allow_infinity=False)
)
STRINGS = (
    st.sampled_from(
        ["", "a", "ab", "b", "1", "1.0", "null", "true", "[]", "{}", "[1]", '{"a":1}', '"a"', "a'b"]
    )
    | st.sampled_from(
        ["a\0", "a\0b", "\0", "é", "e\u0301", "\uffff", "\U0001f600", "\\", "\\n", "\n", "%", "_"]
    )
    | st.text(max_size=4)
)
SCALARS = st.none() | st.booleans() | NUMBERS | STRINGS


def nested(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars,
        lambda x: st.lists(x, max_size=3) | st.dictionaries(NAMES, x, max_size=3),
        max_leaves=4,
    )


VALUES = nested(SCALARS)
HUGE = st.sampled_from([2**63, -(2**63) - 1, 2**64, 10**30])  # in metadata only
METADATA = st.dictionaries(NAMES, nested(SCALARS | HUGE), max_size=5)


KEYS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: ".".join(map(escaped, names)))
OPERATORS = st.recursive(
    st.dictionaries(st.sampled_from(["$eq", "$ne", "$contains"]), VALUES, min_size=1, max_size=2)
    | st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(VALUES, max_size=4), min_size=1, max_size=1)
    | st.dictionaries(
        st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), NUMBERS | STRINGS, min_size=1, max_size=2
    )
    | st.fixed_dictionaries({"$exists": st.booleans()}),
    lambda x: st.fixed_dictionaries({"$not": x}),
    max_leaves=2,
)
CONDITIONS = st.recursive(
    st.dictionaries(KEYS, SCALARS | OPERATORS, max_size=2),
    lambda x: (
        st.dictionaries(st.sampled_from(["$and", "$or"]), st.lists(x, min_size=1, max_size=3), min_size=1)
        | st.fixed_dictionaries({"$not": x})
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=120)
@given(held=st.lists(METADATA, max_size=6), where=CONDITIONS)
def test_sqlite_finds_what_python_does(
    documents: Documents, held: list[dict[str, Any]], where: dict[str, Any]
) -> None:
    assert sqlite_finds(documents, held, where) == python_finds(held, where)


@settings(deadline=None, max_examples=120)
@given(data=st.data(), held=st.lists(METADATA.filter(bool), min_size=1, max_size=4))
def test_values_that_are_there_are_found(
    documents: Documents, data: st.DataObject, held: list[dict[str, Any]]
) -> None:
    """Conditions made of a document's own keys and values, which random ones seldom meet."""
    names: list[str] = []
    value: Any = data.draw(st.sampled_from(held))
    while isinstance(value, dict) and value and (not names or data.draw(st.booleans())):
        names.append(data.draw(st.sampled_from(sorted(value))))
        value = value[names[-1]]
    key = ".".join(map(escaped, names))
    operands: list[dict[str, Any]] = [{"$exists": True}]
    if not holds_huge(value):
        operands += [{"$eq": value}, {"$in": [*data.draw(st.lists(VALUES, max_size=2)), value]}]
        if type(value) in (int, float, str):
            operands.append({data.draw(st.sampled_from(["$gt", "$gte", "$lt", "$lte"])): value})
    if isinstance(value, list | str) and value and not holds_huge(value[0]):
        operands.append({"$contains": value[0]})
    for operand in operands:
        where = {key: operand}
        assert sqlite_finds(documents, held, where) == python_finds(held, where)


def holds_huge(value: Any) -> bool:
    return any(len(number) > 18 for number in re.findall(r"\d+", json.dumps(value)))


def test_each_character_is_a_key_of_its_own(documents: Documents) -> None:
    characters = [chr(i) for i in [*range(0x180), *range(0x2000, 0x2070), *range(0xFFF0, 0x10010)]]
    held = [{x + "!": -1, "\n" + x: i, x: i} for i, x in enumerate(characters)]
    documents.hold(held)
    for i, character in enumerate(characters):
        assert documents.found({escaped(character): {"$exists": True}}) == [i]
        if character != "\n":
            assert documents.found({"\n" + escaped(character): i}) == [i]


def test_a_key_does_not_end_at_nul(documents: Documents) -> None:
    held = [{"a\0b": 1, "a": 2}, {"a\0b": 1}, {"a": {"x\0": 1, "x": 2}}, {"a": 1}]
    for where in (
        {"a": 2},
        {"a": 1},
        {"a": {"$exists": True}},
        {"a\0b": 1},
        {"a\0": 1},
        {"a.x": 2},
        {"a.x\0": 1},
    ):
        assert sqlite_finds(documents, held, where) == python_finds(held, where)
