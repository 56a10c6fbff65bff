"""The writer's lock: the system lets go of it when the process ends, however it ends."""

import json
import os
import socket
import sys
import weakref
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from ..errors import IndexLockedError
from .disk import explained

LOCK = "writer.lock"

if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 1 << 20
    """Far behind the text, which another process could not read if it were locked."""

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        # Not POSIX's lock (lockf): the process would lose it on closing any other descriptor of the file.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WriterLock:
    """The right to write to an index, of one holder at a time. A fork does not inherit it.

    Raises: IndexLockedError at once when another holds it; DiskError when the system refuses.
    """

    _descriptor = -1

    def __init__(self, root: Path) -> None:
        path = root / LOCK
        with explained("open", path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with explained("lock", path):
                self._lock(root)
            _held.add(self)
            with explained("write", path):
                self._sign()
        except BaseException:
            self.release()
            raise

    def _lock(self, root: Path) -> None:
        try:
            _try_lock(self._descriptor)
        except (BlockingIOError, PermissionError) as error:  # the latter on Windows
            raise IndexLockedError(
                f"{root} is being written to by {_holder(self._descriptor)}: wait until that writer is "
                "closed; to search it needs nobody's leave (Index.open without write=True)"
            ) from error

    def _sign(self) -> None:
        me = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(timezone.utc).isoformat(),
        }
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, json.dumps(me).encode())

    def __del__(self) -> None:
        self.release()

    def release(self) -> None:
        """Let another writer in; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


_held: "weakref.WeakSet[WriterLock]" = weakref.WeakSet()


def _leave_to_parent() -> None:
    for lock in list(_held):
        lock.release()  # the parent's descriptor still holds it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def _holder(descriptor: int) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        of = json.loads(os.read(descriptor, 4096))
        return f"process {of['pid']} on {of['host']}, since {of['since'][:19].replace('T', ' ')} UTC"
    return "another process"
