"""The files the notebook leaves, under its names: arrays as .npy, facts as JSON, no pickles.

    DIR/data/          embeddings, the codec, 0/1 hashes, pivots, pivot distances
    DIR/data/export/   mean, PCA matrix, rotation, pivots and metadata for other systems

Whoever reads the export can check the reading: the metadata states the formula and the prefixes, and holds the
codes of a few texts.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encoder import Encoder
from ..version import __version__
from .experiment import Experiment

CHECK_TEXTS = (
    "The cat sat on the mat.",
    "Photosynthesis turns light into chemical energy.",
    "Prices rose faster than wages in the last quarter.",
)
SHORT_NAMES = {"BAAI/bge-small-en-v1.5": "bge_small"}
"""What the notebook's file names call a model; others take their own name."""


def write_artifacts(experiment: Experiment, encoder: Encoder, folder: Path) -> list[Path]:
    """Write the notebook's files below `folder` / "data"; return their paths."""
    data = folder / "data"
    export = data / "export"
    export.mkdir(parents=True, exist_ok=True)
    sample, itq, pivots = experiment.sample, experiment.itq, experiment.pivots
    n, model = size_label(len(sample.vectors)), short_name(encoder.model.name)
    bits, n_pivots = itq.n_bits, pivots.n_pivots
    arrays: dict[Path, NDArray[Any]] = {
        data / f"{n}_{model}_embeddings.npy": sample.vectors,
        data / f"{n}_{model}_hashes_{bits}bits.npy": np.unpackbits(experiment.codes, axis=1),
        data / f"pivots_{n_pivots}_{model}.npy": pivots.pivots_,
        data / f"{n}_{model}_pivot_distances.npy": pivots.distances_,
        export / f"{model}_itq_mean_vector.npy": itq.mean_,
        export / f"{model}_itq_pca_matrix.npy": itq.components_,
        export / f"{model}_itq_rotation_matrix.npy": itq.rotation_,
        export / f"{model}_pivots_{n_pivots}.npy": pivots.pivots_,
    }
    for path, array in arrays.items():
        np.save(path, array, allow_pickle=False)
    codec = data / f"itq_{model}_{bits}bits"
    itq.save(codec, overwrite=True)
    metadata = export / f"{model}_itq_metadata.json"
    facts = json.dumps(export_metadata(experiment, encoder), indent=2, ensure_ascii=False)
    metadata.write_text(facts + "\n", encoding="utf-8")
    return [*arrays, codec, metadata]


def export_metadata(experiment: Experiment, encoder: Encoder) -> dict[str, Any]:
    """What another system must know to make the same codes, and texts to check itself with."""
    itq, model = experiment.itq, encoder.model
    codes = itq.transform(encoder.encode_queries([*CHECK_TEXTS]))
    return {
        "n_bits": itq.n_bits,
        "n_iterations": itq.n_iter,
        "seed": itq.seed,
        "model_name": model.name,
        "embedding_dim": model.dimension,
        "model": model.to_dict(),
        "formula": "bits = (vector - mean) @ pca_matrix @ rotation_matrix >= 0",
        "bit_order": "bit 0 is the most significant bit of byte 0",
        "prefixes": {"query": model.query_prefix, "passage": model.passage_prefix},
        "vectors": "float32, L2 norm 1",
        "check": [
            {"text": text, "prefix": model.query_prefix, "code": code.tobytes().hex()}
            for text, code in zip(CHECK_TEXTS, codes, strict=True)
        ],
        "bitsieve": __version__,
    }


def size_label(n: int) -> str:
    """How the notebook writes a size: 10000 → "10k"."""
    return f"{n // 1000}k" if n >= 1000 and n % 1000 == 0 else str(n)


def short_name(model: str) -> str:
    """A model's name in a file name: "intfloat/e5-small-v2" → "e5_small_v2"."""
    return SHORT_NAMES.get(model) or re.sub(r"[^a-z0-9]+", "_", model.rsplit("/", 1)[-1].lower()).strip("_")
