"""A `where` is read as the language has it, and what is not in the language is refused."""

import doctest
from datetime import date
from typing import Any

import numpy as np
import pytest

from bitsieve.errors import InputError
from bitsieve.store import where as where_module
from bitsieve.store.where import Condition, Group, Not, parse_where


def test_a_hand_checked_where() -> None:
    read = parse_where(
        {"a.b": {"$gte": 1, "$ne": 5}, "$or": [{"c": None}, {"d": {"$nin": ["x", 2, 1, [3]]}}]}
    )
    ab, d = ("a", "b"), ("d",)
    nin = (Condition(d, "$in", ["x"]), Condition(d, "$in", [2, 1]), Condition(d, "$eq", [3]))
    choices = (
        Group("$and", (Condition(("c",), "$eq", None),)),
        Group("$and", (Group("$and", (Not(Group("$or", nin)),)),)),
    )
    assert read == Group(
        "$and",
        (
            Group("$and", (Condition(ab, "$gte", 1), Not(Condition(ab, "$eq", 5)))),
            Group("$or", choices),
        ),
    )


def test_examples_in_docstrings() -> None:
    results = doctest.testmod(where_module)
    assert results.attempted
    assert not results.failed


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
        parse_where(where)
