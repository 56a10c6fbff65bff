"""Laws of Ctrl-C: exit code 130 and a short message, nothing committed is lost, and the same command goes on."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bitsieve import Index
from bitsieve.cli.console import KEPT
from bitsieve.cli.index import GO_ON
from bitsieve.cli.interrupts import AT_ONCE, SHOW_CURSOR
from bitsieve.downloads import cache_dir
from bitsieve.encoder.cache import VectorCache

from .conftest import SHARED_MODELS, Run

MODEL = str(SHARED_MODELS / "all-MiniLM-L6-v2-int8")
N_TEXTS, COMMIT_TEXTS = 30, 10  # of 67 tokens each: two calls of the model for a commit
RESTORED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs tests in the background has it ignored
"""
HELD = f"""{RESTORED}
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import bitsieve.cli.console, bitsieve.cli.filling
from bitsieve.cli import main
from bitsieve.encoder.runtime import Runtime

bitsieve.cli.console.LINE_SECONDS = 0.0  # a line of progress for each call of the model
bitsieve.cli.filling.COMMIT_TEXTS = {COMMIT_TEXTS}
embed, shutdown, ever = Runtime.embed, ThreadPoolExecutor.shutdown, sys.argv.pop(1) == "for ever"
n_texts, interrupted = 0, threading.Event()

def held(self, texts):
    global n_texts
    if threading.current_thread() is not threading.main_thread():
        while n_texts > {2 * COMMIT_TEXTS} and (ever or not interrupted.is_set()):
            embed(self, texts)
        n_texts += len(texts)
    return embed(self, texts)

def told(self, **options):
    if sys.exc_info()[0] is KeyboardInterrupt:
        interrupted.set()
        print("waits for the model", file=sys.stderr, flush=True)
    shutdown(self, **options)

Runtime.embed, ThreadPoolExecutor.shutdown = held, told
main()
"""
"""`bitsieve` with a model that, in the third commit's second call, runs until Ctrl-C comes, or for ever."""

pytestmark = pytest.mark.usefixtures("needs_models")


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """30 texts that no cache knows."""
    monkeypatch.setenv("BITSIEVE_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "rivers.csv"
    rows = (f"River {i}: " + "it rises in the hills and ends in the sea; " * 6 for i in range(N_TEXTS))
    path.write_text("\n".join(["text", *rows]))
    return path


@pytest.fixture(params=["index", "add"])
def command(request: pytest.FixtureRequest, bitsieve: Run, corpus: Path, tmp_path: Path) -> list[str]:
    """`index` of the corpus, or `add` of it to an empty index, in x.sieve."""
    if request.param == "index":
        return ["index", str(corpus), "-o", "x.sieve", "--model", MODEL, "--threads", "1"]
    Index.create(tmp_path / "x.sieve", model=MODEL).close()
    return ["add", "x.sieve", str(corpus), "--threads", "1"]


def interrupt(command: list[str], folder: Path, times: int) -> tuple[int, int, list[str]]:
    """Run it until it embeds for the third commit, and interrupt it.

    Returns: its exit code, the texts embedded by then, and what it said after that.
    """
    with subprocess.Popen(
        [sys.executable, "-c", HELD, "for ever" if times > 1 else "until Ctrl-C", *command],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as run:  # fmt: skip
        assert run.stderr
        try:
            n_done, before = 0, []
            while n_done <= 2 * COMMIT_TEXTS:
                before.append(run.stderr.readline())
                found = re.match(r"indexing, .*: (\d+) of", before[-1])
                assert before[-1], f"ended too soon: {before}"
                n_done = int(found[1]) if found else 0
            run.send_signal(signal.SIGINT)
            while "waits for the model" not in (line := run.stderr.readline()):
                assert line, f"ended too soon: {before}"
            if times > 1:
                run.send_signal(signal.SIGINT)
            after, code = run.stderr.read().splitlines(), run.wait(timeout=60)
        finally:
            run.kill()
    return code, n_done, after


def assert_goes_on(bitsieve: Run, command: list[str], folder: Path) -> None:
    with Index.open(folder / "x.sieve") as opened:
        assert opened.stats().n_documents == 2 * COMMIT_TEXTS
    again = bitsieve(*command, *(["--if-exists", "skip"] if command[0] == "add" else []))
    assert f"{N_TEXTS - 2 * COMMIT_TEXTS} added; {2 * COMMIT_TEXTS} were there already" in again.stdout
    assert f"documents in it: {N_TEXTS}," in again.stdout


def test_an_interrupted_command_says_what_is_kept_and_goes_on(
    command: list[str], bitsieve: Run, tmp_path: Path
) -> None:
    code, n_done, said = interrupt(command, tmp_path, times=1)
    assert (code, said) == (130, [KEPT if command[0] == "index" else GO_ON])
    (vectors,) = VectorCache(cache_dir()).contents()
    assert vectors.n_vectors >= n_done > 2 * COMMIT_TEXTS
    assert_goes_on(bitsieve, command, tmp_path)


def test_a_second_interruption_ends_a_command_that_waits_for_the_model(
    command: list[str], bitsieve: Run, tmp_path: Path
) -> None:
    code, _, said = interrupt(command, tmp_path, times=2)
    assert (code, said) == (130, [AT_ONCE])
    assert_goes_on(bitsieve, command, tmp_path)


LISTENS = f"{RESTORED}\nfrom bitsieve.cli import interrupts\ninterrupts.listen()\n"


def test_an_interruption_in_a_destructor_is_not_passed_over() -> None:
    code = f"""{LISTENS}
class Dropped:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
Dropped()
print("went on")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", AT_ONCE + "\n")


def test_other_errors_in_a_destructor_are_told_as_ever() -> None:
    code = f"{LISTENS}\nclass Dropped:\n    def __del__(self):\n        1 / 0\nDropped()\nprint('went on')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "went on\n")
    assert "ZeroDivisionError" in run.stderr


def test_where_interruptions_are_ignored_they_stay_so() -> None:
    code = LISTENS.replace("signal.default_int_handler", "signal.SIG_IGN")
    code += "signal.raise_signal(signal.SIGINT)\nprint('went on')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "went on\n", "")


def test_a_terminal_gets_its_cursor_back() -> None:
    code = f"""{LISTENS}
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    signal.raise_signal(signal.SIGINT)
"""
    ours, theirs = pty.openpty()
    try:
        run = subprocess.run([sys.executable, "-c", code], stderr=theirs, check=False)
        assert run.returncode == 130
        assert os.read(ours, 1_000).decode() == f"{SHOW_CURSOR}{AT_ONCE}\r\n"
    finally:
        os.close(ours)
        os.close(theirs)
