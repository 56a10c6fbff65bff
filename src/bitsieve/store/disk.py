"""The one way by which arrays are written, a step at a time, so that a test can record, delay or fail each step.

A file is written once, from its start to its end, and synced through the descriptor that wrote it. A failed
sync is final: the kernel may have dropped what it could not write, and the next sync of the same file would
report success (https://wiki.postgresql.org/wiki/Fsync_Errors). So nothing here tries again.
"""

import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from ..errors import DiskError

WINDOWS = os.name == "nt"

_PERMISSION = "check who may read and write there"
_SPACE = "free space on that disk and repeat; what was committed before is as it was"
_REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EIO: "the disk may be failing: look at the system's log, and open the index again before going on",
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EROFS: _PERMISSION,
    errno.ENOENT: "check the path: the folder that it is to be in must be there",
    errno.ENAMETOOLONG: "move the index to a folder with a shorter path",
    errno.EMFILE: "allow this process more open files (ulimit -n)",
    errno.ENOLCK: "the file system gives no locks: keep the index on one that does, such as a local disk",
}
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOTTY)
"""What a file system answers that has no such operation; EIO is never among them."""


@contextmanager
def explained(operation: str, path: Path) -> Iterator[None]:
    """Turn an OSError into a DiskError that says which file, what the system said and what to do."""
    try:
        yield
    except DiskError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = _REMEDIES.get(error.errno or 0, "remove the cause and repeat")
        explanation = DiskError(f"cannot {operation} {error.filename or path} ({reason}): {remedy}")
        explanation.errno = error.errno
        raise explanation from error


class Disk:
    """The real disk. Every method raises DiskError when the system refuses."""

    @contextmanager
    def step(self, operation: str, path: Path) -> Iterator[None]:
        """What each operation runs in: the place for a subclass to record it, delay it or raise an OSError."""
        with explained(operation, path):
            yield

    def make_folder(self, path: Path) -> None:
        """Make a folder that does not exist, with the rights that the umask leaves."""
        with self.step("make folder", path):
            path.mkdir()

    def create(self, path: Path) -> FileIO:
        """Open a new file for writing; its `name` is the path."""
        with self.step("create", path):
            return FileIO(path, "xb")

    def write(self, file: FileIO, data: memoryview) -> None:
        """Append bytes, all of them."""
        with self.step("write", Path(file.name)):
            while len(data) > 0:
                data = data[file.write(data) :]

    def sync(self, file: FileIO) -> None:
        """Return when the file's bytes are on the disk."""
        with self.step("sync", Path(file.name)):
            _sync(file.fileno())

    def sync_folder(self, path: Path) -> None:
        """Return when the folder's entries are on the disk: what was made, renamed and removed in it."""
        with self.step("sync folder", path):
            if WINDOWS:  # it cannot open a folder; NTFS keeps its entries in a journal
                return
            descriptor = os.open(path, os.O_RDONLY)
            try:
                _sync(descriptor)
            except OSError as error:
                if error.errno not in _NO_SYNC:  # some network file systems only sync files
                    raise
            finally:
                os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a folder another name in the same parent, at once or not at all."""
        with self.step("rename", source):
            source.rename(target)

    def remove_tree(self, path: Path) -> None:
        """Remove a folder and what is in it, not at once: the folder must be one that nothing names.

        Of a link to a folder only the link is removed.
        """
        with self.step("remove", path):
            if path.is_symlink():
                path.unlink()
            else:
                shutil.rmtree(path)


def status_of(path: Path) -> os.stat_result | None:
    """What the system knows of a file, None where there is none. Raises: DiskError when it does not say."""
    with explained("read", path):
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
    return status if stat.S_ISREG(status.st_mode) else None


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        try:  # fsync alone leaves the bytes in the drive's cache there (man 2 fsync)
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
    os.fsync(descriptor)
