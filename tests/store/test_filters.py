"""Filters: SQLite finds the documents that a plain reading of the language in Python does, whatever the keys and
values are."""

import doctest
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsieve.errors import InputError
from bitsieve.store import filters
from bitsieve.store.filters import MAX_CONDITIONS, MAX_DEPTH, to_sql

# The language in Python.

MISSING = object()


def matches(where: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Whether `where` asks for a document with this metadata."""
    return all(_holds(key, operand, metadata) for key, operand in where.items())


def _holds(key: str, operand: Any, metadata: Mapping[str, Any]) -> bool:
    if key == "$not":
        return not matches(operand, metadata)
    if key in ("$and", "$or"):
        return (all if key == "$and" else any)(matches(part, metadata) for part in operand)
    value: Any = metadata
    for name in _names(key):
        value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
    if isinstance(operand, dict) and any(name.startswith("$") for name in operand):
        return all(_passes(value, operator, x) for operator, x in operand.items())
    return _passes(value, "$eq", operand)


def _names(key: str) -> list[str]:
    names, characters = [""], iter(key)
    for character in characters:
        if character == ".":
            names.append("")
        else:
            names[-1] += next(characters) if character == "\\" else character
    return names


def _passes(value: Any, operator: str, operand: Any) -> bool:
    match operator:
        case "$eq":
            return _equal(value, operand) or (value is MISSING and operand is None)
        case "$ne":
            return not _passes(value, "$eq", operand)
        case "$in":
            return any(_passes(value, "$eq", x) for x in operand)
        case "$nin":
            return not _passes(value, "$in", operand)
        case "$not":
            return not all(_passes(value, name, x) for name, x in operand.items())
        case "$exists":
            return (value is not MISSING) == operand
        case "$contains" if isinstance(value, list):
            return any(_equal(x, operand) for x in value)
        case "$contains":
            return isinstance(value, str) and isinstance(operand, str) and operand in value
    if _kind(value) != _kind(operand):
        return False
    value = _as_held(value)
    less, more = value < operand, value > operand
    return {"$gt": more, "$gte": not less, "$lt": less, "$lte": not more}[operator]


def _equal(value: Any, operand: Any) -> bool:
    if _kind(value) != _kind(operand):
        return False
    if isinstance(value, list):
        return len(value) == len(operand) and all(map(_equal, value, operand))
    if isinstance(value, dict):
        return value.keys() == operand.keys() and all(_equal(value[key], operand[key]) for key in value)
    return bool(_as_held(value) == operand)


def _kind(value: Any) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__


def _as_held(value: Any) -> Any:
    return float(value) if type(value) is int and not -(2**63) <= value < 2**63 else value


# SQLite's answer.


class Documents:
    """A table of documents, numbered from 0, whose metadata is there as text and as JSONB."""

    def __init__(self) -> None:
        self.database = apsw.Connection(":memory:")
        self.database.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, metadata TEXT, packed BLOB)")

    def hold(self, documents: Sequence[Mapping[str, Any]]) -> None:
        self.database.execute("DELETE FROM documents")
        texts = [json.dumps(x, ensure_ascii=False, allow_nan=False) for x in documents]
        self.database.executemany("INSERT INTO documents VALUES (?1, ?2, jsonb(?2))", enumerate(texts))

    def found(self, where: Mapping[str, Any], column: str = "metadata") -> list[int]:
        condition, parameters = to_sql(where, column)
        sql = f"SELECT id FROM documents WHERE {condition} ORDER BY id"
        return [row for (row,) in self.database.execute(sql, parameters)]

    def everything(self) -> Any:
        tables = ("documents", "sqlite_schema")
        return [self.database.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


@pytest.fixture(scope="module")
def documents() -> Iterator[Documents]:
    documents = Documents()
    yield documents
    documents.database.close()


def check(documents: Documents, held: Sequence[Mapping[str, Any]], where: Mapping[str, Any]) -> None:
    """SQLite finds what the oracle does, and $not finds the others."""
    documents.hold(held)
    expected = [row for row, metadata in enumerate(held) if matches(where, metadata)]
    others = [row for row in range(len(held)) if row not in expected]
    for column in ("metadata", "packed"):
        assert documents.found(where, column) == expected
        assert documents.found({"$not": where}, column) == others


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
    documents.hold([ZOLA])
    assert documents.found(where) == [0] * expected
    check(documents, [ZOLA], where)


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


def test_examples_in_docstrings() -> None:
    results = doctest.testmod(filters)
    assert results.attempted
    assert not results.failed


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


def escaped(name: str) -> str:
    return re.sub(r"[.\\$]", r"\\\g<0>", name)


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
    check(documents, held, where)


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
    if not holds_huge(value):
        others = data.draw(st.lists(VALUES, max_size=2))
        check(documents, held, {key: {"$eq": value}})
        check(documents, held, {key: {"$in": [*others, value]}})
        if type(value) in (int, float, str):
            check(documents, held, {key: {data.draw(st.sampled_from(["$gt", "$gte", "$lt", "$lte"])): value}})
    if isinstance(value, list | str) and value and not holds_huge(value[0]):
        check(documents, held, {key: {"$contains": value[0]}})
    check(documents, held, {key: {"$exists": True}})


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
        check(documents, held, where)


# Nothing that a user gives is SQL.

HOSTILE = st.lists(
    st.sampled_from(
        ["'", '"', "`", ";", "--", "/*", "*/", "(", ")", "')", '")', "[", "]", "$", ".", "\\", "\0"]
    )
    | st.sampled_from(
        ["?", "?1", ":x", "%", "\n", " ", "a", "\\u0000", " OR 1=1", "'; DROP TABLE documents; --"]
    ),
    max_size=4,
).map("".join)


@settings(deadline=None, max_examples=50)
@given(names=st.lists(HOSTILE, min_size=1, max_size=3), text=HOSTILE, other=HOSTILE)
def test_hostile_keys_and_values_stay_keys_and_values(
    documents: Documents, names: list[str], text: str, other: str
) -> None:
    nested_value: Any = text
    for name in reversed(names):
        nested_value = {name: nested_value, other: [text]}
    held = [nested_value, {other: text}, {text: {other: [other, text]}}, {"a": 1}]
    key = ".".join(map(escaped, names))
    documents.hold(held)
    before = documents.everything()
    for operand in (
        {"$eq": text},
        {"$ne": other},
        {"$in": [text, other, [text], {text: other}]},
        {"$gte": text},
        {"$lt": other},
        {"$contains": text},
        {"$contains": [other]},
        {"$eq": nested_value},
    ):
        for where in (
            {key: operand},
            {escaped(text): operand},
            {"$or": [{key: operand}, {escaped(other): text}]},
        ):
            expected = [row for row, metadata in enumerate(held) if matches(where, metadata)]
            assert documents.found(where) == documents.found(where, "packed") == expected
    assert documents.everything() == before


@settings(deadline=None, max_examples=50)
@given(key=HOSTILE, text=HOSTILE)
def test_sql_is_the_same_for_all_keys_and_values(key: str, text: str) -> None:
    def sql(key: str, text: str) -> tuple[str, int]:
        operands = [
            {"$eq": text},
            {"$in": [text, [text]]},
            {"$contains": text},
            {"$gt": text},
            {"$eq": {text: 1}},
        ]
        condition, parameters = to_sql({"$or": [{escaped(key): operand} for operand in operands]})
        return condition, len(parameters)

    assert sql(key, text) == sql("key\0" if "\0" in key else "key", "text")


def test_a_condition_is_part_of_the_callers_statement(documents: Documents) -> None:
    documents.hold([{"level": 1}, {"level": 2}, {"level": 3}])
    condition, parameters = to_sql({"level": {"$gte": 2}}, "d.metadata")
    sql = f"SELECT d.id FROM (SELECT ? AS x) JOIN documents AS d ON {condition} AND d.id < ? WHERE x = 7"
    assert documents.database.execute(sql, (7, *parameters, 2)).fetchall() == [(1,)]


# Large ones.


def test_a_long_list_is_one_parameter(documents: Documents) -> None:
    documents.hold([{"id": i, "name": f"n{i}"} for i in range(2_000)])
    some = {
        "id": {"$in": list(range(0, 100_000, 3))},
        "name": {"$nin": [f"n{i}" for i in range(0, 100_000, 2)]},
    }
    assert documents.found(some) == list(range(3, 2_000, 6))
    assert len(to_sql(some)[1]) < 20


def test_as_many_conditions_as_are_allowed_run(documents: Documents) -> None:
    def nested_conditions(n: int) -> dict[str, Any]:
        conditions = [{"a": {"$contains": str(i)}} for i in range(n)]
        levels = 14
        where: dict[str, Any] = {"$or": conditions[10 * levels :]}
        for level in range(levels):
            where = {"$or": [{"$not": where}, *conditions[10 * level : 10 * level + 10]]}
        return where

    flat = {f"k{i}": {"$ne": [i]} for i in range(MAX_CONDITIONS)}
    arrays = {"a": {"$in": [[i] for i in range(MAX_CONDITIONS)]}}
    held = [{"a": ["1"]}, {"a": "19"}, {"a": [19]}, {"k499": [499]}, {"k499": [498]}]
    documents.hold(held)
    for where in (nested_conditions(MAX_CONDITIONS), flat, arrays):
        assert documents.found(where) == [
            row for row, metadata in enumerate(held) if matches(where, metadata)
        ]
    for where in (nested_conditions(MAX_CONDITIONS + 1), flat | {"one": 1}):
        with pytest.raises(InputError, match=r"has 501 conditions, expected at most 500: .*'\$in'"):
            to_sql(where)
    with pytest.raises(InputError, match="has 501 conditions"):
        to_sql({"a": {"$in": [[i] for i in range(MAX_CONDITIONS + 1)]}})


def test_as_deep_as_is_allowed_runs(documents: Documents) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = {"a\0": value}
    key = ".".join(["a\0"] * MAX_DEPTH)
    check(documents, [value, {}], {key: 1})
    with pytest.raises(InputError, match="leads 33 keys deep, expected at most 32"):
        to_sql({key + ".a": 1})
    with pytest.raises(InputError, match=r"takes .* parameters in SQL, expected at most 30000"):
        to_sql({"$or": [{key: i} for i in range(MAX_CONDITIONS)]})

    documents.hold([{"a": 1}, {"a": 2}])
    where: dict[str, Any] = {"a": 1}
    for _ in range(MAX_DEPTH - 1):
        where = {"$not": where}
    assert documents.found(where) == [1]
    with pytest.raises(InputError, match="deeper than 32 levels, at where"):
        to_sql({"$not": where})

    array: Any = 1
    for _ in range(MAX_DEPTH - 2):
        array = [array]
    check(documents, [{"a": array}, {"a": [array]}], {"a": array})
    array.append(array)
    for operand in ([array], {"$eq": array}, {"$in": array}, {"$contains": array}):
        with pytest.raises(InputError, match="deeper than 32 levels"):
            to_sql({"a": operand})


# What is refused.

REFUSED: list[tuple[Any, str]] = [
    ([("a", 1)], r"where must be a dict, got \[\('a', 1\)\]: write {'field': value}"),
    (None, "where must be a dict, got None"),
    ({1: 2}, "where has a key of type int, expected a string"),
    ({"a": {1: 2}}, r"where\['a'\] has a key of type int"),
    ({"a": {"$eq": [{None: 2}]}}, r"where\['a'\]\['\$eq'\]\[0\] has a key of type NoneType"),
    (
        {"a": {"$gtee": 1}},
        r"where\['a'\] has the operator '\$gtee', expected one of \$eq, .*: did you mean '\$gte'\?",
    ),
    (
        {"a": {"$regex": "x"}},
        r"'\$regex', expected one of .*: a value with such a key is written {'\$eq': value}",
    ),
    (
        {"a": {"$not": {"$inn": []}}},
        r"where\['a'\]\['\$not'\] has the operator '\$inn'.*did you mean '\$in'\?",
    ),
    (
        {"a": {"$or": [{"$gt": 1}]}},
        r"'\$or', .*: write {'\$or': \[{'field': …}, …\]} around whole conditions",
    ),
    ({"$gt": 1}, r"'\$gt', expected one of \$and, \$or, \$not: write {'field': {'\$gt': …}}"),
    ({"$ref": 1}, r"'\$ref', expected one of .*: a field of this name is written '\\\$ref'"),
    ({"a": {"$GTE": 1}}, r"did you mean '\$gte'\?"),
    ({"$orr": []}, r"'\$orr', .*: did you mean '\$or'\?"),
    ({"a": {"$gt": 1, "b": 2}}, r"where\['a'\] has the operator '\$gt' beside the key 'b', .* with a dot"),
    ({"a": {"b": {"$gt": 1}}}, r"where\['a'\]\['b'\]\['\$gt'\] is an operator inside a value: .* with a dot"),
    ({"a": [{"$gt": 1}]}, r"where\['a'\]\[0\]\['\$gt'\] is an operator inside a value"),
    ({"$and": []}, r"where\['\$and'\] must be a list of conditions, one at least, got \[\]"),
    ({"$or": {"a": 1}}, r"where\['\$or'\] must be a list of conditions, one at least, got {'a': 1}"),
    ({"$or": [{"a": 1}, 5]}, r"where\['\$or'\]\[1\] must be a dict, got 5"),
    ({"$not": [{"a": 1}]}, r"where\['\$not'\] must be a dict, got \[{'a': 1}\]"),
    ({"a": {"$not": 5}}, r"where\['a'\]\['\$not'\] must be a dict of operators, got 5: .*{'\$ne': value}"),
    ({"a": {"$not": {}}}, "must be a dict of operators, got {}"),
    ({"a": {"$in": "xy"}}, r"where\['a'\]\['\$in'\] must be a list of values, got 'xy'"),
    ({"a": {"$nin": {"b": 1}}}, r"where\['a'\]\['\$nin'\] must be a list of values, got {'b': 1}"),
    ({"a": {"$gt": None}}, r"where\['a'\]\['\$gt'\] must be a number or a string, got None"),
    ({"a": {"$gte": True}}, "must be a number or a string, got True"),
    ({"a": {"$lt": [1]}}, r"must be a number or a string, got \[1\]"),
    ({"a": {"$lte": {"b": 1}}}, "must be a number or a string, got {'b': 1}"),
    ({"a": {"$exists": 1}}, r"where\['a'\]\['\$exists'\] must be True or False, got 1"),
    ({"a": float("nan")}, r"where\['a'\] must be finite, got nan"),
    ({"a": {"$lt": float("inf")}}, "must be finite, got inf"),
    ({"a": {"$in": [0, float("-inf")]}}, r"where\['a'\]\['\$in'\]\[1\] must be finite, got -inf"),
    (
        {"a": 2**63},
        r"where\['a'\] must be within ±2\*\*63 \(64 bits\), got 9223372036854775808: give a float",
    ),
    ({"a": {"$contains": -(2**63) - 1}}, "got -9223372036854775809: give a float"),
    ({"a": 10**5000}, "got one int: give a float"),
    (
        {"a": date(2026, 7, 1)},
        r"where\['a'\] must be a JSON value .*, got datetime.date\(2026, 7, 1\).*isoformat",
    ),
    ({"a": {"$in": {1, 2}}}, "must be a list of values, got {1, 2}"),
    ({"a": b"x"}, "must be a JSON value .*, got b'x' of type bytes"),
    ({"a": np.int64(1)}, "must be a JSON value .* of type int64"),
    ({"a": "\ud800"}, r"where\['a'\] is not valid Unicode \(surrogates not allowed\)"),
    ({"\udfff": 1}, r"where\['\\udfff'\] is not valid Unicode"),
    ({"a": {"b": {"\udfff": 1}}}, r"where\['a'\]\['b'\]\['\\udfff'\] is not valid Unicode"),
    ({r"a\b": 1}, r"where\['a\\\\b'\] has .* after a backslash"),
    ({"a\\": 1}, "after a backslash"),
]


@pytest.mark.parametrize(("where", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_no_condition_is_refused(where: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        to_sql(where)
