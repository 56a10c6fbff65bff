"""Nothing that a user gives is SQL, and as much as is allowed runs."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Documents, escaped, python_finds, sqlite_finds

from bitsieve.errors import InputError
from bitsieve.store.filters import MAX_CONDITIONS, to_sql
from bitsieve.store.where import MAX_DEPTH


@pytest.fixture(scope="module")
def documents() -> Iterator[Documents]:
    documents = Documents()
    yield documents
    documents.database.close()


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
            assert documents.found(where) == documents.found(where, "packed") == python_finds(held, where)
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
        assert documents.found(where) == python_finds(held, where)
    for where in (nested_conditions(MAX_CONDITIONS + 1), flat | {"one": 1}):
        with pytest.raises(InputError, match=r"has 501 conditions, expected at most 500: .*'\$in'"):
            to_sql(where)
    for operand in ({"$in": [[i] for i in range(MAX_CONDITIONS + 1)]}, {"$not": {"$in": [[]] * 501}}):
        with pytest.raises(InputError, match="has 501 conditions"):
            to_sql({"a": operand})


def test_conditions_of_nothing_count(documents: Documents) -> None:
    held = [{"a": 1}]
    for nothing in ({}, {"a": {"$in": []}}, {"$not": {}}):
        where = {"$or": [nothing] * MAX_CONDITIONS}
        assert sqlite_finds(documents, held, where) == python_finds(held, where)
        with pytest.raises(InputError, match="has 501 conditions"):
            to_sql({"$or": [nothing] * (MAX_CONDITIONS + 1)})


def test_as_deep_as_is_allowed_runs(documents: Documents) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = {"a\0": value}
    key = ".".join(["a\0"] * MAX_DEPTH)
    assert sqlite_finds(documents, [value, {}], {key: 1}) == [0]
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
    assert sqlite_finds(documents, [{"a": array}, {"a": [array]}], {"a": array}) == [0]
    array.append(array)
    for operand in ([array], {"$eq": array}, {"$in": array}, {"$contains": array}):
        with pytest.raises(InputError, match="deeper than 32 levels"):
            to_sql({"a": operand})
