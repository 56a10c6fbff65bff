"""One loaded model: FastEmbed runs it, we give it the tokenizer and the batches.

FastEmbed loads a folder as a custom model under a name of its own. Its tokenizer loader wants three more JSON
files than a model needs, so we build the tokenizer from tokenizer.json and set it before the model is loaded.
"""

import json
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from ..arrays import FloatArray, RowArray
from ..errors import ModelError
from .files import ModelFiles
from .registry import TOKENIZER, TOKENIZER_CONFIG

POOLINGS = ("cls", "mean")
PROBE_TEXTS = (
    "a cat",
    "The observatory records the light of distant galaxies every clear night of the year.",
)
ALONE_LIKE_BESIDE = 0.99999
"""Cosine below which a text's vector counts as changed by the texts beside it (int8 per call: down to 0.9945)."""


POSITIONS_AFTER_PADDING = ("camembert", "mpnet", "roberta", "xlm-roberta")
"""Families that count positions from the padding's id on, so 514 of them take 512 tokens."""


class Runtime:
    """A model in memory. `lengths` and `token_spans` count and place tokens, `embed` gives vectors of `dimension`.

    A call runs on one thread, and several may run at once: that is faster than one call on several threads
    (docs/decisions/0001), and a vector cannot depend on how many there are.
    """

    def __init__(self, files: ModelFiles, *, name: str, pooling: str, max_tokens: int) -> None:
        from fastembed import TextEmbedding

        self._counter = _read_tokenizer(files.folder)
        self._counter.no_truncation()
        self._counter.no_padding()
        ours = pooling in POOLINGS
        try:
            self._embedding = TextEmbedding(
                _register(files, pooling) if ours else name,
                cache_dir=str(files.folder),  # there already: FastEmbed makes the folder it is told of
                specific_model_path=str(files.folder),
                threads=1,
                lazy_load=ours,
            )
            inner: Any = self._embedding.model
            if ours:
                inner.tokenizer = _tokenizer(files.folder, max_tokens)
            else:
                inner.tokenizer.enable_truncation(max_tokens)
            self.dimension: int = self.embed(["dimension"]).shape[1]
        except ModelError:
            raise
        except Exception as error:  # onnxruntime's errors have no class of their own in common
            raise ModelError(
                f"{files.folder / files.onnx} does not run as a model with {pooling} pooling "
                f"({str(error).strip():.300}): export it again with token vectors as its first output"
            ) from error

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special ones included, uncut."""
        return [len(encoding) for encoding in self._counter.encode_batch_fast(list(texts))]

    def token_spans(self, texts: Sequence[str]) -> list[RowArray]:
        """Where the tokens of each text start and end, in characters: (n_tokens, 2), special ones left out."""
        encodings = self._counter.encode_batch(list(texts), add_special_tokens=False)
        return [
            np.fromiter(chain.from_iterable(encoding.offsets), dtype=np.int64).reshape(-1, 2)
            for encoding in encodings
        ]

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors (n, d) of one batch."""
        vectors = np.array(list(self._embedding.embed(list(texts), batch_size=len(texts))), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def depends_on_batch(self) -> bool:
        """Measure whether a text's vector changes with the texts beside it."""
        alone = self.embed(PROBE_TEXTS[:1])[0]
        beside = self.embed(PROBE_TEXTS)[0]
        return bool(alone @ beside < ALONE_LIKE_BESIDE)


def token_limit(folder: Path) -> int | None:
    """The most tokens a model takes, as its folder says: tokenizer_config.json, else tokenizer.json."""
    config = _json(folder / TOKENIZER_CONFIG)
    limits = [config.get("model_max_length"), config.get("max_length")]
    if not any(_is_limit(limit) for limit in limits):
        limits = [(_json(folder / TOKENIZER).get("truncation") or {}).get("max_length")]
    if not any(_is_limit(limit) for limit in limits):
        config = _json(folder / "config.json")
        limits = [config.get("max_position_embeddings")]
        if config.get("model_type") in POSITIONS_AFTER_PADDING and _is_limit(limits[0]):
            limits = [limits[0] - config.get("pad_token_id", 1) - 1]
    return min((limit for limit in limits if _is_limit(limit)), default=None)


def folder_pooling(folder: Path) -> str | None:
    """The pooling that a sentence-transformers folder names in 1_Pooling/config.json."""
    config = _json(folder / "1_Pooling" / "config.json")
    if config.get("pooling_mode_mean_tokens"):
        return "mean"
    return "cls" if config.get("pooling_mode_cls_token") else None


def _is_limit(value: Any) -> TypeGuard[int]:
    # transformers writes 1e30 where it does not know the limit
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < sys.maxsize


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ModelError(f"{path} is no JSON ({error}): export the model again") from error
    return loaded if isinstance(loaded, dict) else {}


def _read_tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # tokenizers raises the base class itself
        raise ModelError(
            f"{folder / TOKENIZER} cannot be read as a tokenizer ({error}): fetch or export the model again"
        ) from error


def _tokenizer(folder: Path, max_tokens: int) -> Any:
    """The tokenizer of a folder, cutting at max_tokens and padding each batch to its longest text."""
    tokenizer = _read_tokenizer(folder)
    settings = tokenizer.padding or {}
    config = _json(folder / TOKENIZER_CONFIG)
    pad = settings.get("pad_token") or config.get("pad_token") or "[PAD]"
    pad = pad.get("content", "[PAD]") if isinstance(pad, dict) else pad
    pad_id = settings.get("pad_id", tokenizer.token_to_id(pad))
    if pad_id is None:
        raise ModelError(f"{folder / TOKENIZER} has no pad token {pad!r}: name it in tokenizer_config.json")
    tokenizer.enable_truncation(
        max_tokens,
        direction=config.get("truncation_side") or (tokenizer.truncation or {}).get("direction", "right"),
    )
    tokenizer.enable_padding(
        direction=config.get("padding_side") or settings.get("direction", "right"),
        pad_id=pad_id,
        pad_type_id=settings.get("pad_type_id", 0),
        pad_token=pad,
    )
    return tokenizer


def _register(files: ModelFiles, pooling: str) -> str:
    """Tell FastEmbed of a folder under a name of our own; once per process and pooling."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    name = f"bitsieve/{files.digests[files.onnx][:16]}-{pooling}-{files.onnx}"
    if not any(model["model"].lower() == name.lower() for model in TextEmbedding.list_supported_models()):
        TextEmbedding.add_custom_model(
            name,
            pooling=PoolingType[pooling.upper()],
            normalization=True,
            sources=ModelSource(hf="local/folder"),
            dim=1,  # a description only: FastEmbed takes the output as the model gives it
            model_file=files.onnx,
            additional_files=[
                file for file in files.digests if file not in (files.onnx, TOKENIZER, TOKENIZER_CONFIG)
            ],
        )
    return name
