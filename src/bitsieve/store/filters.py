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

import difflib
import json
import math
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypeAlias

from ..errors import InputError

SQLValue: TypeAlias = int | float | str | bytes

MAX_DEPTH = 32
"""How deep conditions, values and the dots of a key may nest."""
MAX_CONDITIONS = 500
"""SQLite's expressions are at most 1,000 deep, and each condition joined to others makes them one deeper."""
MAX_PARAMETERS = 30_000
"""SQLite takes 32,766 in a statement, which may have others."""

_ON_FIELDS = ("$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$not", "$exists", "$contains")
_ON_CONDITIONS = ("$and", "$or", "$not")
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
    reader = _Reader()
    condition = reader.conditions(where, "where", 1)
    if reader.n_tests > MAX_CONDITIONS:
        raise InputError(
            f"where has {reader.n_tests} conditions, expected at most {MAX_CONDITIONS}: "
            "give several values of a field as one '$in'"
        )
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


class _Reader:
    """Checks a `where` and writes its SQL; `place` is the part of it at hand, as Python would reach it."""

    def __init__(self) -> None:
        self.n_tests = 0

    def conditions(self, where: Any, place: str, depth: int) -> _SQL:
        _check_depth(place, depth)
        if not isinstance(where, Mapping):
            raise InputError(f"{place} must be a dict, got {_shown(where)}: write {{'field': value}}")
        parts: list[_SQL] = []
        for key, operand in where.items():
            inner = _place(place, key)
            if key == "$not":
                parts.append(_negated(self.conditions(operand, inner, depth + 1)))
            elif key in _ON_CONDITIONS:
                several = _list(operand, inner, "conditions, one at least", least=1)
                choices = [self.conditions(x, f"{inner}[{i}]", depth + 1) for i, x in enumerate(several)]
                parts.append(_joined("OR" if key == "$or" else "AND", choices))
            elif key.startswith("$"):
                _refuse_operator(key, place, _ON_CONDITIONS)
            else:
                parts.append(self._field(_split(key, inner), operand, inner, depth + 1))
        return _joined("AND", parts)

    def _field(self, keys: tuple[str, ...], operand: Any, place: str, depth: int) -> _SQL:
        if not _has_operators(operand, place):
            return self._test(keys, "$eq", _json_value(operand, place, depth, literal=False), place, depth)
        _check_depth(place, depth)
        tests = [self._test(keys, key, x, _place(place, key), depth + 1) for key, x in operand.items()]
        return _joined("AND", tests)

    def _test(self, keys: tuple[str, ...], operator: str, operand: Any, place: str, depth: int) -> _SQL:
        """What one operator asks of the value under `keys`."""
        self.n_tests += 1
        value, kind = _Lookup(keys, "value"), _Lookup(keys, "type")
        match operator:
            case "$eq":
                return _equals(value, kind, _json_value(operand, place, depth))
            case "$ne":
                return _negated(_equals(value, kind, _json_value(operand, place, depth)))
            case "$in" | "$nin":
                choices = _json_value(_list(operand, place, "values"), place, depth)
                parts = _equals_one(value, kind, choices)
                self.n_tests += max(len(parts) - 1, 0)
                return _joined("OR", parts) if operator == "$in" else _negated(_joined("OR", parts))
            case "$exists":
                if not isinstance(operand, bool):
                    raise InputError(f"{place} must be True or False, got {_shown(operand)}")
                return _fill("{} IS NOT NULL" if operand else "{} IS NULL", kind)
            case "$contains":
                return _contains(value, kind, _json_value(operand, place, depth))
            case "$not":
                if not _has_operators(operand, place):
                    raise InputError(
                        f"{place} must be a dict of operators, got {_shown(operand)}: "
                        "write {'$not': {'$eq': value}}, or {'$ne': value}"
                    )
                return _negated(self._field(keys, operand, place, depth))
        if not _is_scalar(operand):
            raise InputError(
                f"{place} must be a number or a string, got {_shown(operand)}: nothing else has an order"
            )
        return _compares(value, kind, _ORDERINGS[operator], _json_value(operand, place, depth))


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


def _is_scalar(value: Any) -> bool:
    """Whether this is a number or a string: what is one value in SQL too."""
    return isinstance(value, int | float | str) and not isinstance(value, bool)


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
    if _is_scalar(operand):
        return _compares(value, kind, "=", operand)
    # Values are equal when the same leaves are at the same paths, which spell names as the JSON does.
    tree = "SELECT fullkey, iif(type = 'real', 'integer', type), atom FROM json_tree({})"
    mine, other = _fill(tree, value), _fill(tree, _Parameter(_json_text(operand)))
    differ = _fill("EXISTS ({} EXCEPT {}) OR EXISTS ({} EXCEPT {})", mine, other, other, mine)
    # CASE keeps json_tree from a string's value, which is no JSON.
    name = "array" if isinstance(operand, list) else "object"
    return _fill(f"CASE {{}} WHEN '{name}' THEN NOT ({{}}) END", kind, differ)


def _equals_one(value: _Piece, kind: _Piece, choices: Sequence[Any]) -> list[_SQL]:
    """One condition for all strings, of which SQLite makes a table once, one for all numbers, one for each other."""
    parts = []
    texts = [choice for choice in choices if isinstance(choice, str)]
    numbers = [choice for choice in choices if _is_scalar(choice) and not isinstance(choice, str)]
    for group, is_kind in ((texts, _IS_TEXT), (numbers, _IS_NUMBER)):
        if group:
            table = _fill("SELECT choice.value FROM json_each({}) AS choice", _Parameter(_json_text(group)))
            parts.append(_fill(f"({{}} IN ({{}}) AND {{}} {is_kind})", value, table, kind))
    return parts + [_equals(value, kind, choice) for choice in choices if not _is_scalar(choice)]


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


def _has_operators(operand: Any, place: str) -> bool:
    """Whether this is a dict of operators, all of them known, rather than a value."""
    if not isinstance(operand, Mapping):
        return False
    operators = [key for key in operand if isinstance(key, str) and key.startswith("$")]
    if operators and len(operators) < len(operand):
        other = next(key for key in operand if key not in operators)
        raise InputError(
            f"{place} has the operator {operators[0]!r} beside the key {other!r}, expected operators alone or a "
            "value: reach into an object with a dot, {'field.key': …}"
        )
    for operator in operators:
        if operator not in _ON_FIELDS:
            _refuse_operator(operator, place, _ON_FIELDS)
    return bool(operators)


def _refuse_operator(operator: str, place: str, known: Sequence[str]) -> NoReturn:
    if operator in _ON_CONDITIONS:
        advice = f"write {{{operator!r}: [{{'field': …}}, …]}} around whole conditions"
    elif operator in _ON_FIELDS:
        advice = f"write {{'field': {{{operator!r}: …}}}}"
    elif close := difflib.get_close_matches(operator.lower(), known, n=1, cutoff=0.7):
        advice = f"did you mean {close[0]!r}?"
    elif known is _ON_CONDITIONS:
        advice = rf"a field of this name is written '\{operator}'"
    else:
        advice = "a value with such a key is written {'$eq': value}"
    raise InputError(f"{place} has the operator {operator!r}, expected one of {', '.join(known)}: {advice}")


def _split(key: str, place: str) -> tuple[str, ...]:
    r"""The keys that a dotted key leads through.

    >>> _split(r"author.full\.name", "where")
    ('author', 'full.name')
    """
    keys = [""]
    for token in re.findall(r"\\.?|\.|[^\\.]+", key, re.DOTALL):
        if token == ".":
            keys.append("")
        elif not token.startswith("\\"):
            keys[-1] += token
        elif token in (r"\.", r"\\", r"\$"):
            keys[-1] += token[1]
        else:
            raise InputError(
                f"{place} has {token!r} in its key, expected '\\.', '\\\\' or '\\$' after a backslash: "
                "write a backslash that is part of a name twice"
            )
    if len(keys) > MAX_DEPTH:
        raise InputError(
            f"{place} leads {len(keys)} keys deep, expected at most {MAX_DEPTH}: a dot in a name is written '\\.'"
        )
    return tuple(keys)


def _json_value(value: Any, place: str, depth: int, *, literal: bool = True) -> Any:
    """Return `value` in dicts, lists and scalars, or say what in it is no JSON.

    literal: whether keys may begin with $; where no operator says that a value follows, they look like a mistake.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _checked_text(value, place)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise InputError(f"{place} must be within ±2**63 (64 bits), got {_shown(value)}: give a float")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{place} must be finite, got {value}: JSON has no such number")
        return float(value)
    if isinstance(value, list | tuple | Mapping):
        _check_depth(place, depth)
    if isinstance(value, list | tuple):
        return [_json_value(x, f"{place}[{i}]", depth + 1, literal=literal) for i, x in enumerate(value)]
    if isinstance(value, Mapping):
        items = {}
        for key, x in value.items():
            inner = _place(place, key)
            if key.startswith("$") and not literal:
                raise InputError(
                    f"{inner} is an operator inside a value: reach into an object with a dot, "
                    "{'field.key': …}, or write {'$eq': value} if this is a name"
                )
            items[key] = _json_value(x, inner, depth + 1, literal=literal)
        return items
    raise InputError(
        f"{place} must be a JSON value (None, bool, int, float, str, list, dict), got {_shown(value)} of type "
        f"{type(value).__name__}: convert it as the documents' metadata was, such as a date with .isoformat()"
    )


def _check_depth(place: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InputError(f"where nests deeper than {MAX_DEPTH} levels, at {place}: write it flatter")


def _place(place: str, key: Any) -> str:
    """The place under `key`, which is checked."""
    if not isinstance(key, str):
        raise InputError(
            f"{place} has a key of type {type(key).__name__}, expected a string: JSON has no others"
        )
    inner = f"{place}[{key!r}]"
    _checked_text(key, inner)
    return inner


def _checked_text(text: str, place: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place} is not valid Unicode ({error.reason}): drop lone surrogates") from None
    return text


def _list(operand: Any, place: str, what: str, *, least: int = 0) -> Sequence[Any]:
    if not isinstance(operand, list | tuple) or len(operand) < least:
        raise InputError(f"{place} must be a list of {what}, got {_shown(operand)}: write […] around them")
    return operand


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"one {type(value).__name__}"
