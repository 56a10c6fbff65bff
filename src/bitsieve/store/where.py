"""A `where` read and checked: from dicts as users write them to conditions. `filters.py` describes the language."""

import difflib
import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypeAlias

from ..errors import InputError

MAX_DEPTH = 32
"""How deep conditions, values and the dots of a key may nest."""

_ON_FIELDS = ("$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$not", "$exists", "$contains")
_ON_CONDITIONS = ("$and", "$or", "$not")


@dataclass(frozen=True)
class Condition:
    """What one operator asks of the value under nested keys.

    operator: $eq, $in, $gt, $gte, $lt, $lte, $exists or $contains.
    operand: in dicts, lists and scalars that JSON has; of $in, all strings or all numbers.
    """

    keys: tuple[str, ...]
    operator: str
    operand: Any


@dataclass(frozen=True)
class Group:
    """All of `parts` ($and), or at least one of them ($or)."""

    operator: Literal["$and", "$or"]
    parts: tuple["Where", ...]


@dataclass(frozen=True)
class Not:
    """Whatever `part` does not hold for."""

    part: "Where"


Where: TypeAlias = Condition | Group | Not


def parse_where(where: Mapping[str, Any]) -> Where:
    """Read a `where`.

    Raises: InputError that names the place in it that is not in the language.
    """
    return _conditions(where, "where", 1)


def is_scalar(value: Any) -> bool:
    """Whether this is a number or a string: what has an order, and is one value in SQL too."""
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _conditions(where: Any, place: str, depth: int) -> Where:
    """`place` is the part at hand, as Python would reach it."""
    _check_depth(place, depth)
    if not isinstance(where, Mapping):
        raise InputError(f"{place} must be a dict, got {_shown(where)}: write {{'field': value}}")
    parts: list[Where] = []
    for key, operand in where.items():
        inner = _place(place, key)
        if key == "$not":
            parts.append(Not(_conditions(operand, inner, depth + 1)))
        elif key in ("$and", "$or"):
            several = _list(operand, inner, "conditions, one at least", least=1)
            choices = (_conditions(x, f"{inner}[{i}]", depth + 1) for i, x in enumerate(several))
            parts.append(Group(key, tuple(choices)))
        elif key.startswith("$"):
            _refuse_operator(key, place, _ON_CONDITIONS)
        else:
            parts.append(_field(_split(key, inner), operand, inner, depth + 1))
    return Group("$and", tuple(parts))


def _field(keys: tuple[str, ...], operand: Any, place: str, depth: int) -> Where:
    if not _has_operators(operand, place):
        return Condition(keys, "$eq", _json_value(operand, place, depth, literal=False))
    _check_depth(place, depth)
    parts = (_operator(keys, key, x, _place(place, key), depth + 1) for key, x in operand.items())
    return Group("$and", tuple(parts))


def _operator(keys: tuple[str, ...], operator: str, operand: Any, place: str, depth: int) -> Where:
    match operator:
        case "$ne":
            return Not(Condition(keys, "$eq", _json_value(operand, place, depth)))
        case "$in" | "$nin":
            choices = _in(keys, _json_value(_list(operand, place, "values"), place, depth))
            return choices if operator == "$in" else Not(choices)
        case "$not":
            if not _has_operators(operand, place):
                raise InputError(
                    f"{place} must be a dict of operators, got {_shown(operand)}: "
                    "write {'$not': {'$eq': value}}, or {'$ne': value}"
                )
            return Not(_field(keys, operand, place, depth))
        case "$exists":
            if not isinstance(operand, bool):
                raise InputError(f"{place} must be True or False, got {_shown(operand)}")
        case "$gt" | "$gte" | "$lt" | "$lte":
            if not is_scalar(operand):
                raise InputError(
                    f"{place} must be a number or a string, got {_shown(operand)}: nothing else has an order"
                )
    return Condition(keys, operator, _json_value(operand, place, depth))


def _in(keys: tuple[str, ...], choices: list[Any]) -> Where:
    """One condition for all strings, one for all numbers, and one for each other value."""
    texts = [choice for choice in choices if isinstance(choice, str)]
    numbers = [choice for choice in choices if is_scalar(choice) and not isinstance(choice, str)]
    parts = [Condition(keys, "$in", group) for group in (texts, numbers) if group]
    parts += [Condition(keys, "$eq", choice) for choice in choices if not is_scalar(choice)]
    return Group("$or", tuple(parts))


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


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"one {type(value).__name__}"
