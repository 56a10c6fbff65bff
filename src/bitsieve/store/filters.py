r"""Filters: a `where` on documents' metadata, as a condition in SQL.

    {"year": {"$gte": 1870, "$lt": 1900}, "author.name": "Zola", "$or": [{"topic": "Arts"}, {"cited": True}]}

The language is MongoDB's. What stands side by side must all hold, {} matches every document, and a bare value
means `$eq`.

| condition                      | matches                                                                  |
| ------------------------------ | ------------------------------------------------------------------------ |
| {"a": v}, {"a": {"$eq": v}}    | values equal to v and of its kind: for 1 also 1.0, neither "1" nor true; |
|                                | arrays and objects as JSON values, in whatever order an object's keys    |
| {"a": None}                    | null, and documents without a                                            |
| $in: [v, …]                    | whatever `$eq` matches for one of the list                               |
| $ne: v, $nin: [v, …]           | all that `$eq`, `$in` do not; documents without a too, unless v is None  |
| $gt, $gte, $lt, $lte: v        | numbers for a number, strings (by code point) for a string, nothing else |
| $exists: True                  | documents with a, even if it is null; False: documents without a         |
| $contains: v                   | arrays with an element that equals v, strings with the substring v       |
| {"a": {"$not": {"$gt": v}}}    | all that the operators in it do not; so documents without a too          |
| $and: […], $or: […], $not: {…} | where all, at least one, not the one of these conditions holds           |

A dot in a key leads into an object: "author.name". `\.` is a dot in a key's own name, `\\` a backslash, and
`\$` a dollar sign that begins a name and no operator.

Unlike MongoDB, no condition looks into arrays by itself: {"tags": "x"} does not match ["x"], `$contains` does,
and dots do not lead through arrays. Integers and floats compare exactly; an integer beyond 64 bits counts as
the nearest float in metadata, and is refused in a `where`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..errors import InputError
from .where import Condition, Group, Not, Where, is_scalar, parse_where

SQLValue: TypeAlias = int | float | str | bytes

MAX_CONDITIONS = 500
"""SQLite's expressions are at most 1,000 deep, and each condition joined to others makes them one deeper."""
MAX_PARAMETERS = 30_000
"""SQLite takes 32,766 in a statement, which may have others."""

_ORDERINGS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_IS_TEXT, _IS_NUMBER = "= 'text'", "IN ('integer', 'real')"


@dataclass(frozen=True)
class _Parameter:
    value: SQLValue


@dataclass(frozen=True)
class _Lookup:
    """What is under nested keys: its value as SQL's, or the name of its JSON type; NULL where nothing is."""

    keys: tuple[str, ...]
    what: Literal["value", "type"]


_Piece: TypeAlias = str | _Parameter | _Lookup
_SQL: TypeAlias = list[_Piece]
"""SQL in pieces. A string is SQL of this file's own; what a user gives is in the other two."""


def to_sql(where: Mapping[str, Any], column: str = "metadata") -> tuple[str, list[SQLValue]]:
    """The condition of a `where`, as an SQL expression over a column of JSON and its parameters.

    where: in the language above.
    column: its name in SQL, which is not checked. It holds objects as `json.dumps` with `ensure_ascii=False`
        writes them, or as SQLite's `jsonb` makes of that.
    Returns: an expression that is true where a document matches and 0 or NULL elsewhere, with a `?` for every
        key and value, and these in order.
    Raises: InputError when `where` is not in the language, or too large.
    """
    parsed = parse_where(where)
    if (n := _n_conditions(parsed)) > MAX_CONDITIONS:
        raise InputError(
            f"where has {n} conditions, expected at most {MAX_CONDITIONS}: "
            "give several values of a field as one '$in'"
        )
    condition = _written(parsed)
    # A path is the fastest way to a value, but where a document's key has an escape SQLite (3.54) takes NUL for
    # its end: $."a" finds "a\0b". So metadata with a NUL in it, which JSON writes \u0000, goes the slower way.
    # CASE would say this in fewer words, and takes up to 1.75 times as long: it binds parameters for every document.
    nul = _fill(f"instr(CAST({column} AS BLOB), {{}})", _Parameter(rb"\u0000"))
    by_path, by_rows = (_resolved(condition, way, column) for way in (_by_path, _by_rows))
    sql = _fill("({} = 0 AND {} OR {} > 0 AND {})", nul, by_path, nul, by_rows)
    parameters = [piece.value for piece in sql if isinstance(piece, _Parameter)]
    if len(parameters) > MAX_PARAMETERS:
        raise InputError(
            f"where takes {len(parameters)} parameters in SQL, expected at most {MAX_PARAMETERS}: "
            "give fewer conditions, or shorter keys"
        )
    return "".join(piece if isinstance(piece, str) else "?" for piece in sql), parameters


def matches_all(where: Mapping[str, Any]) -> bool:
    """Whether every document matches, whatever it holds: as {} says, or {"$and": [{}]}. Raises: as `to_sql`."""
    return _constant(parse_where(where)) is True


def _constant(where: Where) -> bool | None:
    """What holds for every document, None where that is the document's matter."""
    match where:
        case Group(operator, parts):
            decisive = operator == "$or"
            of_parts = [_constant(part) for part in parts]
            return decisive if decisive in of_parts else None if None in of_parts else not decisive
        case Not(part):
            of_part = _constant(part)
            return None if of_part is None else not of_part
    return None


def _n_conditions(where: Where) -> int:
    """How many are joined; a group of none counts too, since TRUE and FALSE do."""
    match where:
        case Group(_, parts):
            return sum(map(_n_conditions, parts)) or 1
        case Not(part):
            return _n_conditions(part)
    return 1


def _written(where: Where) -> _SQL:
    match where:
        case Group(operator, parts):
            return _joined("AND" if operator == "$and" else "OR", [_written(part) for part in parts])
        case Not(part):
            return _negated(_written(part))
        case Condition(keys, operator, operand):
            return _asked(_Lookup(keys, "value"), _Lookup(keys, "type"), operator, operand)


def _asked(value: _Piece, kind: _Piece, operator: str, operand: Any) -> _SQL:
    match operator:
        case "$eq":
            return _equals(value, kind, operand)
        case "$in":
            return _is_one_of(value, kind, operand)
        case "$exists":
            return _fill("{} IS NOT NULL" if operand else "{} IS NULL", kind)
        case "$contains":
            return _contains(value, kind, operand)
    return _compares(value, kind, _ORDERINGS[operator], operand)


def _fill(template: str, *parts: _Piece | _SQL) -> _SQL:
    """SQL with a part in place of each {}."""
    first, *texts = template.split("{}")
    sql: _SQL = [first]
    for part, text in zip(parts, texts, strict=True):
        sql += [*part, text] if isinstance(part, list) else [part, text]
    return sql


def _joined(operator: str, parts: Sequence[_SQL]) -> _SQL:
    """All of `parts` or one of them; of none, AND is true and OR is not."""
    if not parts:
        return ["TRUE" if operator == "AND" else "FALSE"]
    return _fill("(" + f" {operator} ".join(["{}"] * len(parts)) + ")", *parts)


def _negated(sql: _SQL) -> _SQL:
    """Not NOT, because a condition that is NULL does not match either."""
    return _fill("({}) IS NOT TRUE", sql)


def _compares(value: _Piece, kind: _Piece, operator: str, operand: int | float | str) -> _SQL:
    # The kind comes second, to be looked up only where the value passes. It has to be: for SQLite each string is
    # more than any number, and JSON's booleans are numbers.
    is_kind = _IS_TEXT if isinstance(operand, str) else _IS_NUMBER
    return _fill(f"({{}} {operator} {{}} AND {{}} {is_kind})", value, _Parameter(operand), kind)


def _equals(value: _Piece, kind: _Piece, operand: Any) -> _SQL:
    if operand is None:
        return _fill("coalesce({}, 'null') = 'null'", kind)
    if isinstance(operand, bool):
        return _fill("{} = 'true'" if operand else "{} = 'false'", kind)
    if is_scalar(operand):
        return _compares(value, kind, "=", operand)
    # Values are equal when the same leaves are at the same paths, which spell names as the JSON does.
    tree = "SELECT fullkey, iif(type = 'real', 'integer', type), atom FROM json_tree({})"
    mine, other = _fill(tree, value), _fill(tree, _Parameter(_json_text(operand)))
    differ = _fill("EXISTS ({} EXCEPT {}) OR EXISTS ({} EXCEPT {})", mine, other, other, mine)
    # CASE keeps json_tree from a string's value, which is no JSON.
    name = "array" if isinstance(operand, list) else "object"
    return _fill(f"CASE {{}} WHEN '{name}' THEN NOT ({{}}) END", kind, differ)


def _is_one_of(value: _Piece, kind: _Piece, choices: Sequence[int | float | str]) -> _SQL:
    """All strings or all numbers, of which SQLite makes a table once."""
    is_kind = _IS_TEXT if isinstance(choices[0], str) else _IS_NUMBER
    table = _fill("SELECT choice.value FROM json_each({}) AS choice", _Parameter(_json_text(choices)))
    return _fill(f"({{}} IN ({{}}) AND {{}} {is_kind})", value, table, kind)


def _contains(value: _Piece, kind: _Piece, operand: Any) -> _SQL:
    element = _equals("element.value", "element.type", operand)
    any_element = _fill("EXISTS (SELECT 1 FROM json_each({}) AS element WHERE {})", value, element)
    if not isinstance(operand, str):
        return _fill("CASE {} WHEN 'array' THEN {} END", kind, any_element)
    substring = _fill("instr({}, {}) > 0", value, _Parameter(operand))
    return _fill("CASE {} WHEN 'array' THEN {} WHEN 'text' THEN {} END", kind, any_element, substring)


def _resolved(sql: _SQL, way: Callable[[_Lookup, str], _SQL], column: str) -> _SQL:
    pieces: _SQL = []
    for piece in sql:
        pieces += way(piece, column) if isinstance(piece, _Lookup) else [piece]
    return pieces


def _by_path(lookup: _Lookup, column: str) -> _SQL:
    """Names in a path are written as in JSON, which allows every character; but see `to_sql` about NUL."""
    if any("\0" in key for key in lookup.keys):
        return _by_rows(lookup, column)
    path = "$" + "".join(f".{_json_text(key)}" for key in lookup.keys)
    function = "json_extract" if lookup.what == "value" else "json_type"
    return _fill(f"{function}({column}, {{}})", _Parameter(path))


def _by_rows(lookup: _Lookup, column: str) -> _SQL:
    """Through a table of names and values for each object on the way."""
    tables, source = [], column
    for level in range(len(lookup.keys)):
        tables.append(f"json_each({source}) AS level{level}")
        source = f"CASE level{level}.type WHEN 'object' THEN level{level}.value END"
    names = " AND ".join(f"level{level}.key = {{}}" for level in range(len(lookup.keys)))
    select = f"(SELECT level{len(lookup.keys) - 1}.{lookup.what} FROM {', '.join(tables)} WHERE {names})"
    return _fill(select, *map(_Parameter, lookup.keys))


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
