"""For all tests: real models where they are, and never the caches or settings of whoever runs them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitsieve.encoder import Encoder

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"
SETTINGS = ("BITSIEVE_MODEL_DIR", "BITSIEVE_OFFLINE", "BITSIEVE_CACHE_MAX_BYTES")


@pytest.fixture(scope="session", autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches of this session's own, and no setting from outside."""
    folder = tmp_path_factory.mktemp("session-cache")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name in SETTINGS or name.startswith("HF_"):
                patch.delenv(name)
        patch.setenv("BITSIEVE_CACHE_DIR", str(folder / "bitsieve"))
        patch.setenv("FASTEMBED_CACHE_PATH", str(folder / "fastembed"))
        yield


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of model folders; see its README."""
    if not MODELS.is_dir():
        pytest.skip(f"needs the models in {MODELS}")
    return MODELS


def _encoder(models: Path, folder: str) -> Encoder:
    if not (models / folder / "model.onnx").is_file():
        pytest.skip(f"needs the model {models / folder}")
    return Encoder(str(models / folder), cache=False)


@pytest.fixture(scope="session")
def minilm(models: Path) -> Encoder:
    """all-MiniLM-L6-v2, int8, mean pooling: the quickest. Without a cache."""
    return _encoder(models, "all-MiniLM-L6-v2-int8")


@pytest.fixture(scope="session")
def bge(models: Path) -> Encoder:
    """bge-small-en-v1.5, float32, CLS pooling. Without a cache."""
    return _encoder(models, "bge-small-en-v1.5")


@pytest.fixture(scope="session")
def e5(models: Path) -> Encoder:
    """e5-small-v2, int8: prefixes, and one text a call. Without a cache."""
    return _encoder(models, "e5-small-v2-int8")
