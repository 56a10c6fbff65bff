"""SQLite and fork: nothing of it is in use, or even open, while this process forks.

A fork inherits SQLite's mutexes as they are, those too that another thread had, and would wait for them for good. It
inherits what SQLite knows of its locks but not the locks, so a connection that it makes believes to have some that it
has not. And closing a connection that it inherited takes away a -wal that has become another's
(sqlite.org/howtocorrupt.html, "Carrying an open database connection across a fork()").
"""

import os
import threading
import weakref
from typing import Protocol


class Holder(Protocol):
    """What has connections that can be made again."""

    def let_go(self) -> None:
        """Close them. Nobody is using one."""


_holders: "weakref.WeakSet[Holder]" = weakref.WeakSet()
_changed = threading.Condition()
_using: dict[int, int] = {}
"""How often each thread that uses SQLite has begun to and not ended."""
_forking: int | None = None
"""The thread that forks, or waits until it can."""


def let_go_at_forks(holder: Holder) -> None:
    """Have its connections closed whenever this process forks."""
    _holders.add(holder)


class using_sqlite:  # noqa: N801 - a class, since every search enters it and a generator takes twice the time
    """What uses SQLite, in a `with`: a fork in another thread waits for its end, and it for the fork's."""

    def __enter__(self) -> None:
        me = threading.get_ident()
        with _changed:
            while _forking is not None and me not in _using:
                _changed.wait()
            _using[me] = _using.get(me, 0) + 1

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with _changed:
            _using[me] -= 1
            if not _using[me]:
                del _using[me]
                _changed.notify_all()


def _before() -> None:
    global _forking
    me = threading.get_ident()
    with _changed:
        while _forking is not None:
            _changed.wait()
        _forking = me
        while _using.keys() - {me}:
            _changed.wait()
    if me not in _using:
        for holder in list(_holders):
            holder.let_go()


def _after_in_parent() -> None:
    global _forking
    with _changed:
        _forking = None
        _changed.notify_all()


def _after_in_child() -> None:
    global _changed, _forking
    _changed = threading.Condition()  # another thread of the parent may have it
    _forking = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
