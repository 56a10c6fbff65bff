"""Where a model's files come from, and that damaged or incomplete ones are told."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitsieve.downloads import sha256_of
from bitsieve.encoder import Encoder
from bitsieve.encoder.files import cached, is_path, locate, models_dir, open_folder
from bitsieve.encoder.registry import KNOWN, LISTED_PREFIXES
from bitsieve.encoder.runtime import token_limit
from bitsieve.encoder.settings import canonical_name
from bitsieve.errors import DigestError, InputError, ModelError

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
FOLDER = "all-MiniLM-L6-v2-int8"
PAIR = ("model.onnx", "tokenizer.json")


def copy(source: Path, target: Path, *names: str, link: bool = True) -> Path:
    """Some files of a model elsewhere; hard links where the disk allows them."""
    target.mkdir(parents=True)
    for name in names or PAIR:
        try:
            if not link:
                raise OSError
            os.link(source / name, target / name)
        except OSError:
            shutil.copyfile(source / name, target / name)
    return target


def rewrite(path: Path, content: bytes) -> None:
    """Change a file that may be a hard link, without changing what it is linked to."""
    path.unlink()
    path.write_bytes(content)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    rewrite(path, content)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITSIEVE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def bare(models: Path, tmp_path: Path) -> Path:
    """MiniLM in a folder of its own, with just the ONNX file and the tokenizer, which no registry knows."""
    folder = copy(models / FOLDER, tmp_path / "my-model")
    rewrite(folder / "tokenizer.json", (folder / "tokenizer.json").read_bytes() + b"\n")
    return folder


class TestOrder:
    def test_is_argument_then_environment_then_cache(
        self, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        argument = copy(models / FOLDER, tmp_path / "argument" / FOLDER)
        environment = copy(models / FOLDER, tmp_path / "environment" / FOLDER)
        own = copy(models / FOLDER, models_dir() / FOLDER)
        monkeypatch.setenv("BITSIEVE_MODEL_DIR", str(environment.parent))
        assert locate(MINILM, model_dir=argument.parent, offline=True).folder == argument
        assert locate(MINILM, offline=True).folder == environment
        monkeypatch.delenv("BITSIEVE_MODEL_DIR")
        files = locate(MINILM, offline=True)
        assert (files.source.split()[0], files.folder) == ("cache", own)
        assert cached(MINILM) == files

    def test_a_model_dir_without_the_model_is_passed_over(self, models: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(
            ModelError, match=r"model_dir .*empty: no folder all-MiniLM-L6-v2-int8 or all-MiniLM-L6-v2"
        ):
            locate(MINILM, model_dir=tmp_path / "empty", offline=True)
        copy(models / FOLDER, models_dir() / FOLDER)
        assert locate(MINILM, model_dir=tmp_path / "empty", offline=True).source.startswith("cache ")

    @pytest.mark.parametrize(
        "folder", [FOLDER, "all-MiniLM-L6-v2", "sentence-transformers--all-MiniLM-L6-v2"]
    )
    def test_a_model_dirs_folder_may_have_the_models_name(
        self, models: Path, tmp_path: Path, folder: str
    ) -> None:
        copy(models / FOLDER, tmp_path / "models" / folder)
        files = locate(MINILM, model_dir=tmp_path / "models", offline=True)
        assert files.known is KNOWN[MINILM]
        assert files.label == "int8"

    def test_a_model_dir_that_is_none_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(
            ModelError, match=r"model_dir is .*absent, which is no folder: expected one that holds"
        ):
            locate(MINILM, model_dir=tmp_path / "absent")
        monkeypatch.setenv("BITSIEVE_MODEL_DIR", str(tmp_path / "absent"))
        with pytest.raises(ModelError, match=r"BITSIEVE_MODEL_DIR is .*absent, which is no folder"):
            locate(MINILM)

    def test_nothing_here_is_none(self) -> None:
        assert cached(MINILM) is None


class TestDamage:
    @pytest.mark.parametrize("name", PAIR)
    def test_one_changed_byte_in_a_model_dir_is_refused(
        self, models: Path, tmp_path: Path, name: str
    ) -> None:
        folder = copy(models / FOLDER, tmp_path / "models" / FOLDER)
        flip_a_byte(folder / name)
        with pytest.raises(DigestError, match=f"none of the files known as {MINILM}: it is damaged"):
            Encoder(MINILM, model_dir=folder.parent, offline=True)

    @pytest.mark.parametrize("name", PAIR)
    def test_one_changed_byte_in_our_cache_is_refused(self, models: Path, name: str) -> None:
        folder = copy(models / FOLDER, models_dir() / FOLDER)
        flip_a_byte(folder / name)
        with pytest.raises(
            DigestError, match=f"{name} has sha256 .*, expected .*: delete it and fetch it again|damaged"
        ):
            Encoder(MINILM, offline=True)

    def test_half_a_folder_in_our_cache_is_no_model(self, models: Path) -> None:
        copy(models / FOLDER, models_dir() / FOLDER, "model.onnx")
        assert cached(MINILM) is None

    @pytest.mark.parametrize(
        ("name", "content"),
        [("model.onnx", b"no model"), ("tokenizer.json", b"{}"), ("tokenizer.json", b"\xff no json")],
        ids=["onnx", "tokenizer", "no json"],
    )
    def test_files_that_are_none_are_told(self, bare: Path, name: str, content: bytes) -> None:
        rewrite(bare / name, content)
        with pytest.raises(ModelError, match=f"{name}.*(cannot be read|is no JSON|does not run)"):
            Encoder(bare, pooling="mean", max_tokens=128, cache=False)


class TestFolder:
    def test_a_bare_one_works_with_pooling(self, bare: Path, minilm: Encoder) -> None:
        encoder = Encoder(bare, pooling="mean", cache=False)
        texts = ["a cat", "The observatory records the light of distant galaxies."]
        np.testing.assert_allclose(encoder.encode_passages(texts), minilm.encode_passages(texts), atol=2e-6)
        model = encoder.model
        assert (model.name, model.weights, model.licence) == (bare.name, "model.onnx", "unknown")
        assert model.files == {name: sha256_of(bare / name) for name in PAIR}
        assert model.fingerprint != minilm.model.fingerprint

    def test_without_pooling_the_error_says_what_to_pass(self, bare: Path) -> None:
        with pytest.raises(
            ModelError, match=r"does not say how it pools: pass pooling='mean' or pooling='cls'"
        ):
            Encoder(bare)

    def test_pooling_may_be_named_as_sentence_transformers_do(self, bare: Path) -> None:
        (bare / "1_Pooling").mkdir()
        (bare / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
        assert Encoder(bare, cache=False).model.pooling == "cls"

    def test_a_known_model_under_another_folders_name_is_recognised(
        self, models: Path, tmp_path: Path
    ) -> None:
        files = open_folder(str(copy(models / FOLDER, tmp_path / "anything")))
        assert files.known is KNOWN[MINILM]

    def test_may_be_named_by_a_relative_path(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(bare.parent)
        for name in ("my-model", "./my-model"):
            assert is_path(name)
            assert Encoder(name, pooling="mean", cache=False).model.dimension == 384
        assert not is_path(MINILM)

    def test_weights_beside_the_onnx_file_are_part_of_it(self, bare: Path) -> None:
        (bare / "model.onnx_data").write_bytes(b"1")
        before = open_folder(str(bare)).digests
        rewrite(bare / "model.onnx_data", b"2")
        after = open_folder(str(bare)).digests
        assert {name for name in before if before[name] != after[name]} == {"model.onnx_data"}

    def test_what_is_missing_is_told(self, models: Path, tmp_path: Path) -> None:
        with pytest.raises(
            ModelError, match=r"absent is no folder: expected one with an ONNX file and tokenizer.json"
        ):
            Encoder(str(tmp_path / "absent"))
        with pytest.raises(
            ModelError, match=r"has no tokenizer.json: export the tokenizer beside the ONNX file"
        ):
            Encoder(copy(models / FOLDER, tmp_path / "a", "model.onnx"))
        with pytest.raises(
            ModelError, match=r"has no ONNX file \(looked for model.onnx, .* export the model"
        ):
            Encoder(copy(models / FOLDER, tmp_path / "b", "tokenizer.json"))

    def test_several_onnx_files_are_told_apart_by_name_only(self, bare: Path) -> None:
        (bare / "model.onnx").rename(bare / "a.onnx")
        (bare / "b.onnx").write_bytes(b"")
        with pytest.raises(
            ModelError, match=r"several ONNX files, a\.onnx, b\.onnx: name one of them model\.onnx"
        ):
            Encoder(bare)
        (bare / "a.onnx").rename(bare / "model.onnx")
        assert open_folder(str(bare)).onnx == "model.onnx"

    @pytest.mark.parametrize("name", ["no-such-model", "BAAI/bge-huge", ""])
    def test_an_unknown_name_is_told(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModelError, match=r"no model is called|has no tokenizer\.json"):
            Encoder(name)

    def test_names_are_known_in_any_case(self) -> None:
        assert canonical_name(MINILM.upper()) == MINILM
        assert canonical_name("jinaai/JINA-embeddings-v2-base-de") == "jinaai/jina-embeddings-v2-base-de"

    def test_a_known_name_keeps_its_prefixes_in_a_model_dir(self, models: Path, tmp_path: Path) -> None:
        """multilingual-e5-small has no pinned weights; any files in a folder of its name are taken for it."""
        name = "intfloat/multilingual-e5-small"
        copy(models / "e5-small-v2-int8", tmp_path / "models" / "multilingual-e5-small")
        model = Encoder(name, model_dir=tmp_path / "models", cache=False).model
        assert (model.name, model.pooling, model.query_prefix) == (name, "mean", "query: ")

    @pytest.mark.parametrize(("source", "depends"), [("e5-small-v2-int8", True), (FOLDER, False)])
    def test_batch_dependence_of_unknown_files_is_measured(
        self, models: Path, tmp_path: Path, source: str, depends: bool
    ) -> None:
        folder = copy(models / source, tmp_path / "unknown")
        rewrite(folder / "tokenizer.json", (folder / "tokenizer.json").read_bytes() + b" ")
        model = Encoder(folder, pooling="mean", max_tokens=128, cache=False).model
        assert model.one_text_a_call is depends

    @pytest.mark.parametrize(
        ("files", "limit"),
        [
            ({}, None),
            ({"tokenizer_config.json": '{"model_max_length": 512, "max_length": 128}'}, 128),
            ({"tokenizer_config.json": '{"model_max_length": 1000000000000000019884624838656}'}, None),
            ({"tokenizer.json": '{"truncation": {"max_length": 256}}'}, 256),
            (
                {"tokenizer.json": '{"truncation": null}', "config.json": '{"max_position_embeddings": 512}'},
                512,
            ),
            (
                {
                    "config.json": '{"max_position_embeddings": 514, "model_type": "xlm-roberta", "pad_token_id": 1}'
                },
                512,
            ),
        ],
        ids=["nothing", "stricter", "unknown", "tokenizer", "positions", "roberta"],
    )
    def test_limit_is_what_the_folder_says(
        self, tmp_path: Path, files: dict[str, str], limit: int | None
    ) -> None:
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        assert token_limit(tmp_path) == limit

    def test_a_limit_that_nobody_names_is_asked_for(self, bare: Path) -> None:
        tokenizer = bare / "tokenizer.json"
        content: dict[str, Any] = json.loads(tokenizer.read_text())
        rewrite(tokenizer, json.dumps(content | {"truncation": None}).encode())
        with pytest.raises(ModelError, match=r"does not say how many tokens .* takes: pass max_tokens="):
            Encoder(bare, pooling="mean")
        with pytest.raises(InputError, match="max_tokens must be a whole number of at least 3, got 1"):
            Encoder(bare, pooling="mean", max_tokens=1)
        assert Encoder(bare, pooling="mean", max_tokens=100, cache=False).model.max_tokens == 100


def test_every_listed_prefix_is_of_a_model_that_fastembed_lists() -> None:
    for name in LISTED_PREFIXES:
        assert canonical_name(name) == name
