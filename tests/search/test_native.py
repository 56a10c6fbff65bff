"""Which kernels run, what forces others, and what is said where there are none in C++."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from bitsieve.cli import app
from bitsieve.errors import InputError
from bitsieve.search import native


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settle anew which kernels run, before and after each test."""
    monkeypatch.delenv(native.VARIABLE, raising=False)
    caches = (native.active, native._load, native._say_once)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def without_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the package had been built without a C++ compiler."""
    monkeypatch.setitem(sys.modules, "bitsieve._native", None)


def test_the_best_that_can_run_runs() -> None:
    assert native.active() == native.available()[0]
    assert native.available()[-1] == "numpy"


def test_each_that_can_run_can_be_forced_and_only_for_a_while() -> None:
    before = native.active()
    for name in native.available():
        with native.forced(name):
            assert native.active() == name
            assert (native.module() is None) == (name == "numpy")
        assert native.active() == before


def test_the_choice_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = native.active()
    monkeypatch.setenv(native.VARIABLE, "numpy")
    assert native.active() == before


@pytest.mark.parametrize("written", ["numpy", " NumPy ", "NUMPY"])
def test_names_are_taken_however_they_are_written(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv(native.VARIABLE, written)
    assert native.active() == "numpy"


def test_unknown_kernels_are_refused_with_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.VARIABLE, "mmx")
    with pytest.raises(InputError, match=r"BITSIEVE_KERNELS='mmx' is no name .* available: .*numpy"):
        native.active()


def test_kernels_of_another_machine_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = next(name for name in native.NAMES if name not in native.available())
    monkeypatch.setenv(native.VARIABLE, foreign)
    with pytest.raises(InputError, match=f"'{foreign}' cannot run on this machine"):
        native.active()


@pytest.mark.usefixtures("without_extension")
def test_without_the_extension_numpy_runs_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    assert native.available() == ("numpy",)
    with caplog.at_level(logging.WARNING, logger="bitsieve"):
        assert native.module() is None
        assert native.module() is None
    assert [record.getMessage() for record in caplog.records] == [
        f"searching with NumPy, which is slower: {native.BUILT_WITHOUT}"
    ]


@pytest.mark.usefixtures("without_extension")
def test_forcing_what_was_not_built_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.VARIABLE, "scalar")
    with pytest.raises(InputError, match=r"available: numpy \(built without .*apt-get install"):
        native.active()


def test_choosing_numpy_is_not_remarked_on(caplog: pytest.LogCaptureFixture) -> None:
    if native.why_numpy():
        pytest.skip("built without a C++ compiler")
    with native.forced("numpy"):
        assert native.module() is None
    assert not caplog.records


def test_info_names_what_runs_and_what_could() -> None:
    printed = CliRunner().invoke(app, ["info"]).stdout
    assert native.active() in printed
    known = json.loads(CliRunner().invoke(app, ["info", "--json"]).stdout)
    assert known["kernels"] == native.active()
    assert known["available"] == list(native.available())
    assert set(known) == {
        "bitsieve", "python", "numpy", "system", "cpu", "cores", "kernels", "available", "native", "note"
    }  # fmt: skip


def test_info_says_what_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    if native.why_numpy():
        pytest.skip("built without a C++ compiler")
    monkeypatch.setenv(native.VARIABLE, "numpy")
    assert "kernels    numpy, chosen by BITSIEVE_KERNELS" in CliRunner().invoke(app, ["info"]).stdout


@pytest.mark.usefixtures("without_extension")
def test_info_says_how_to_get_the_extension() -> None:
    printed = CliRunner().invoke(app, ["info"]).stdout
    assert "kernels    NumPy (slower): built without a C++ compiler" in printed
    known = json.loads(CliRunner().invoke(app, ["info", "--json"]).stdout)
    assert known["native"] is False
    assert known["note"].startswith("built without a C++ compiler")
