"""Properties that are found out when they are first asked for."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class lazily(Generic[T]):  # noqa: N801 - as `property` is
    """`functools.cached_property` without its lock.

    Up to Python 3.11 all instances of a class share that lock, so threads would wait for each other; and a fork would
    wait for good where a thread of its parent had it. Here two threads may find out the same thing twice.
    """

    def __init__(self, find_out: Callable[[Any], T]) -> None:
        self._find_out = find_out
        self.__doc__ = find_out.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> T:
        value: T = self._find_out(instance)
        vars(instance)[self._name] = value
        return value
