"""Work in a forked process: what it returns, raises, or dies of."""

import os
import pickle
import select
import signal
import traceback
import warnings
from collections.abc import Callable
from typing import Any


class Child:
    """A fork of this process that does `work` and ends. result: waits for it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._readable, writable = os.pipe()
        self.pid = fork()
        if not self.pid:
            outcome: tuple[str, Any] = ("died", None)
            try:
                os.close(self._readable)
                outcome = ("returned", work())
            except BaseException:
                outcome = ("raised", traceback.format_exc())
            finally:
                with os.fdopen(writable, "wb") as pipe:
                    pickle.dump(outcome, pipe)
                os._exit(0)
        os.close(writable)

    def kill(self) -> None:
        """Kill it, as kill -9 does."""
        os.kill(self.pid, signal.SIGKILL)
        os.close(self._readable)
        os.waitpid(self.pid, 0)

    def result(self) -> Any:
        """What the work returned; AssertionError when it raised or the process died."""
        with os.fdopen(self._readable, "rb") as pipe:
            data = pipe.read()
        _, status = os.waitpid(self.pid, 0)
        assert status == 0, f"the child ended with status {status}"
        how, what = pickle.loads(data)  # noqa: S301
        assert how == "returned", what
        return what


def in_child(work: Callable[[], Any]) -> Any:
    """What work returns in a process of its own."""
    return Child(work).result()


class Gate:
    """Lets a child wait for its parent, or the other way round. Make it before the fork."""

    def __init__(self) -> None:
        self._readable, self._writable = os.pipe()

    def open(self) -> None:
        """Let the one that waits, or that will, go on."""
        os.write(self._writable, b".")

    def wait(self) -> None:
        """Return when the gate was opened, once for each time."""
        assert select.select([self._readable], [], [], 60)[0], "waited in vain"
        os.read(self._readable, 1)


def fork() -> int:
    """os.fork, whose newer versions warn wherever a library such as OpenBLAS has started threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
