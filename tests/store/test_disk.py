"""Laws of the disk: every step says what failed, no sync is tried twice; and of the disks that tests use."""

import errno
import os
import sys
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest
from recording import Entry, Killed, KilledDisk, RecordingDisk, build, crash_states, states_after

from bitsieve.errors import BitsieveError, DiskError
from bitsieve.store import disk as disk_module
from bitsieve.store.disk import Disk

ACTIONS: dict[str, tuple[str, Callable[[Disk, Path], object]]] = {
    "make folder": ("pathlib.Path.mkdir", lambda disk, folder: disk.make_folder(folder / "new")),
    "create": ("bitsieve.store.disk.FileIO", lambda disk, folder: disk.create(folder / "new")),
    "sync folder": ("os.fsync", lambda disk, folder: disk.sync_folder(folder)),
    "rename": ("pathlib.Path.rename", lambda disk, folder: disk.rename(folder / "a", folder / "b")),
    "remove": ("shutil.rmtree", lambda disk, folder: disk.remove_tree(folder / "a")),
}


class Stubborn(FileIO):
    """A file that takes three bytes at a time, as the system may."""

    def write(self, data: object) -> int:
        return super().write(memoryview(data)[:3])  # type: ignore[arg-type]


def refuse(code: int) -> Callable[..., None]:
    def refusing(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refusing


def test_what_is_done_is_on_the_disk(tmp_path: Path) -> None:
    disk = Disk()
    disk.make_folder(tmp_path / "a")
    with disk.create(tmp_path / "a" / "x") as file:
        disk.write(file, memoryview(b"one "))
        disk.write(file, memoryview(b"two"))
        disk.sync(file)
    disk.sync_folder(tmp_path / "a")
    disk.rename(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "x").read_bytes() == b"one two"
    disk.remove_tree(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_the_system_cuts_short_is_carried_on(tmp_path: Path) -> None:
    with Stubborn(tmp_path / "x", "xb") as file:
        Disk().write(file, memoryview(b"0123456789"))
    assert (tmp_path / "x").read_bytes() == b"0123456789"


def test_nothing_that_exists_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(DiskError, match=r"create .*x \(File exists\)"):
        Disk().create(tmp_path / "x")
    with pytest.raises(DiskError, match="make folder"):
        Disk().make_folder(tmp_path)
    assert (tmp_path / "x").read_bytes() == b"mine"


@pytest.mark.parametrize(("code", "remedy"), [(errno.EIO, "system's log"), (errno.ENOSPC, "free space")])
@pytest.mark.parametrize("operation", ACTIONS)
def test_an_error_says_which_file_what_the_system_said_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, code: int, remedy: str
) -> None:
    place, action = ACTIONS[operation]
    monkeypatch.setattr(place, refuse(code))
    with pytest.raises(DiskError) as caught:
        action(Disk(), tmp_path)
    message = str(caught.value)
    assert message.startswith(f"cannot {operation} {tmp_path}")
    assert f"({os.strerror(code)})" in message
    assert remedy in message
    assert caught.value.errno == code
    assert isinstance(caught.value, BitsieveError)
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_full_or_failing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    syncs: list[int] = []

    def failing(descriptor: int) -> None:
        syncs.append(descriptor)
        raise OSError(code, os.strerror(code))

    disk = Disk()
    with disk.create(tmp_path / "x") as file:
        monkeypatch.setattr(os, "fsync", failing)
        with pytest.raises(DiskError, match=rf"cannot sync {tmp_path}/x \("):
            disk.sync(file)
    assert len(syncs) == 1
    with Stubborn(tmp_path / "y", "xb") as file:
        monkeypatch.setattr(Stubborn, "write", refuse(code))
        with pytest.raises(DiskError, match=rf"cannot write {tmp_path}/y \("):
            disk.write(file, memoryview(b"1"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_full_says_so() -> None:
    with FileIO("/dev/full", "wb") as file, pytest.raises(DiskError, match="No space left on device"):
        Disk().write(file, memoryview(b"1"))


def test_a_path_that_is_too_long_says_so(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="shorter path"):
        Disk().make_folder(tmp_path / ("x" * 300))


def test_a_folder_on_a_file_system_that_syncs_only_files_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    Disk().sync_folder(tmp_path)  # and says nothing
    with Disk().create(tmp_path / "x") as file, pytest.raises(DiskError):
        Disk().sync(file)


def test_windows_is_asked_for_no_sync_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(disk_module, "_sync", synced.append)
    monkeypatch.setattr(disk_module, "WINDOWS", True)
    Disk().sync_folder(tmp_path)
    assert synced == []
    with Disk().create(tmp_path / "x") as file:
        Disk().sync(file)
    assert len(synced) == 1


@pytest.mark.skipif(os.name == "nt", reason="needs fcntl")
def test_macos_is_asked_to_empty_the_drives_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    asked: list[int] = []
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda _, command: asked.append(command))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse(errno.EIO))
        Disk().sync_folder(tmp_path)
    assert asked == [51]
    monkeypatch.setattr(fcntl, "fcntl", refuse(errno.ENOTSUP))  # a network file system
    Disk().sync_folder(tmp_path)
    monkeypatch.setattr(fcntl, "fcntl", refuse(errno.EIO))
    with pytest.raises(DiskError):
        Disk().sync_folder(tmp_path)


def test_what_is_recorded_is_what_was_done(tmp_path: Path) -> None:
    disk = RecordingDisk(tmp_path)
    disk.make_folder(tmp_path / "a")
    with disk.create(tmp_path / "a" / "x") as file:
        disk.write(file, memoryview(b"1"))
    disk.rename(tmp_path / "a", tmp_path / "b")
    assert disk.log == [
        Entry("make folder", "a"),
        Entry("create", "a/x"),
        Entry("write", "a/x", data=b"1"),
        Entry("rename", "a", target="b"),
    ]
    disk.remove_tree(tmp_path / "b")
    assert disk.log[4:] == [Entry("remove", "b/x"), Entry("remove", "b")]
    assert disk.begun[-1] == ("remove", "b")


def test_states_of_a_hand_checked_log() -> None:
    log = [
        Entry("make folder", "a"),
        Entry("sync folder", "."),
        Entry("create", "a/x"),
        Entry("write", "a/x", data=b"1" * 600),
        Entry("write", "a/x", data=b"2" * 600),
    ]
    without = {"a": None}
    ones, twos = b"1" * 600, b"2" * 600
    expected = [
        without,  # all lost, or the entry of the file
        {"a": None, "a/x": ones + twos},
        {"a": None, "a/x": ones},
        {"a": None, "a/x": bytes(600) + twos},
        {"a": None, "a/x": ones + twos[:512]},
        {"a": None, "a/x": bytes(600) + twos[:512]},
    ]
    states = list(states_after(log))
    assert all(state in expected for state in states)
    assert all(state in states for state in expected)
    synced = [*log, Entry("sync", "a/x")]
    assert list(states_after(synced)) == [expected[1], without, without]
    renamed = [*synced, Entry("sync folder", "a"), Entry("rename", "a", target="b")]
    done, undone = {"b": None, "b/x": ones + twos}, expected[1]
    assert list(crash_states(renamed, len(renamed))) == [done, undone]
    assert list(states_after([*renamed, Entry("sync folder", ".")])) == [done, done]


def test_a_killed_process_does_nothing_more(tmp_path: Path) -> None:
    disk = KilledDisk(tmp_path, 1)
    disk.make_folder(tmp_path / "a")
    for _ in range(2):
        with pytest.raises(Killed):
            disk.make_folder(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_state_is_built_as_it_is_described(tmp_path: Path) -> None:
    build({"a": None, "a/x": b"1", "b": None}, tmp_path / "new")
    assert (tmp_path / "new" / "a" / "x").read_bytes() == b"1"
    assert (tmp_path / "new" / "b").is_dir()
