"""Warnings are put on the line of whoever called bitsieve, and on bitsieve itself where nobody did."""

import asyncio
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bitsieve.errors import RecallWarning, warn_caller

CODE = "def outer():\n    inner()\ndef inner():\n    (lambda: warn_caller('low', RecallWarning))()\n"


@pytest.fixture
def within() -> Callable[[], None]:
    """What warns from below two more functions of bitsieve."""
    module = {
        "__name__": "bitsieve.search.somewhere",
        "warn_caller": warn_caller,
        "RecallWarning": RecallWarning,
    }
    exec(CODE, module)
    function: Callable[[], None] = module["outer"]  # type: ignore[assignment]
    return function


@pytest.fixture
def warned() -> Iterator[list[warnings.WarningMessage]]:
    """The warnings of all threads."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def line_of(marker: str) -> int:
    """The line of this file that ends in a comment."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    (number,) = [i for i, line in enumerate(lines, 1) if line.endswith(f"  # {marker}")]
    return number


def test_a_warning_is_put_on_the_users_line_from_however_deep(
    within: Callable[[], None], warned: list[warnings.WarningMessage]
) -> None:
    within()  # the user's line
    (one,) = warned
    assert (one.filename, one.lineno) == (__file__, line_of("the user's line"))
    assert (one.category, str(one.message)) == (RecallWarning, "low")


def in_thread(function: Callable[[], None]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def in_executor(function: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as executor:
        executor.submit(function).result()


def in_to_thread(function: Callable[[], None]) -> None:
    asyncio.run(asyncio.to_thread(function))


def in_event_loop(function: Callable[[], None]) -> None:
    async def soon() -> None:
        asyncio.get_running_loop().call_soon(function)
        await asyncio.sleep(0)

    asyncio.run(soon())


@pytest.mark.parametrize("run", [in_thread, in_executor, in_to_thread, in_event_loop])
def test_a_warning_of_what_a_thread_or_loop_called_is_bitsieves_own(
    run: Callable[[Callable[[], None]], None],
    within: Callable[[], None],
    warned: list[warnings.WarningMessage],
) -> None:
    run(within)
    assert [(one.filename, one.lineno) for one in warned] == [("bitsieve", 1)]


@pytest.mark.parametrize("run", [in_thread, in_executor, in_to_thread, in_event_loop])
def test_a_users_function_in_a_thread_or_loop_is_whose_line_it_is(
    run: Callable[[Callable[[], None]], None],
    within: Callable[[], None],
    warned: list[warnings.WarningMessage],
) -> None:
    run(lambda: within())  # the user's function
    assert [(one.filename, one.lineno) for one in warned] == [(__file__, line_of("the user's function"))]
