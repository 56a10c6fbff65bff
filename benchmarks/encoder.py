"""Texts per second: bitsieve's Encoder and FastEmbed's own `embed()` with its defaults, in turn, in one run.

    make bench-encoder            both models, the first 2,000 leads, median of 3 (about 12 minutes on 2 cores)
    .venv/bin/python benchmarks/encoder.py --texts 200 --rounds 1     a quick look

Both run the same ONNX file on the same threads; the vectors must agree (cosine ≥ 0.99999).
"""

import argparse
import json
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

from bitsieve import Encoder
from bitsieve.encoder.files import locate
from bitsieve.evaluation.corpora import load_corpus
from bitsieve.evaluation.machine import describe_machine
from commit import commit, write

MODELS = {"BAAI/bge-small-en-v1.5": 1.8, "sentence-transformers/all-MiniLM-L6-v2": 2.2}
"""Model → how many times as fast as FastEmbed's defaults we mean to be."""
RESULTS = Path(__file__).parent / "results"


def fastembed_model(name: str, encoder: Encoder, folder: Path) -> TextEmbedding:
    """The same files, loaded as FastEmbed's documentation says: a custom model from a folder."""
    files = locate(name)
    for file in files.digests:
        (folder / file).symlink_to((files.folder / file).resolve())
    settings = {"model_max_length": encoder.model.max_tokens, "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    custom = f"benchmark/{name.rsplit('/', 1)[-1]}"
    TextEmbedding.add_custom_model(
        custom,
        pooling=PoolingType[encoder.model.pooling.upper()],
        normalization=True,
        sources=ModelSource(hf="local/folder"),
        dim=encoder.model.dimension,
        model_file=files.onnx,
    )
    return TextEmbedding(custom, specific_model_path=str(folder))


def measure(name: str, texts: list[str], rounds: int) -> dict[str, Any]:
    """Median texts/s of both, in turn, after a warm-up, and the smallest cosine between their vectors."""
    encoder = Encoder(name, cache=False)
    with tempfile.TemporaryDirectory() as folder:
        peer = fastembed_model(name, encoder, Path(folder))
        seconds: dict[str, list[float]] = {"fastembed": [], "bitsieve": []}
        run = {
            "fastembed": lambda some: np.array(list(peer.embed(some))),
            "bitsieve": encoder.encode_passages,
        }
        vectors = {}
        for side in run:
            run[side](texts[:32])
        for round_ in range(rounds):
            for side in run:
                started = time.perf_counter()
                vectors[side] = run[side](texts)
                seconds[side].append(time.perf_counter() - started)
                print(
                    f"  round {round_ + 1}, {side}: {len(texts) / seconds[side][-1]:.1f} texts/s", flush=True
                )
    speeds = {side: len(texts) / median(times) for side, times in seconds.items()}
    cosine = float(np.einsum("nd,nd->n", vectors["fastembed"], vectors["bitsieve"]).min())
    return {
        "model": encoder.model.to_dict(),
        "threads": encoder.threads,
        "texts_per_second": speeds,
        "ms_per_text": {side: 1000 / speed for side, speed in speeds.items()},
        "seconds": seconds,
        "ratio": speeds["bitsieve"] / speeds["fastembed"],
        "target_ratio": MODELS[name],
        "least_cosine": cosine,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=2000, help="the first so many leads of wikipedia-en")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "encoder.json")
    arguments = parser.parse_args()
    corpus = load_corpus("wikipedia-en", limit=arguments.texts)
    results = []
    for name in MODELS:
        print(name, flush=True)
        results.append(measure(name, corpus.texts, arguments.rounds))
    for result in results:
        speeds, met = result["texts_per_second"], result["ratio"] >= result["target_ratio"]
        print(
            f"{result['model']['name']}: bitsieve {speeds['bitsieve']:.1f} texts/s, FastEmbed "
            f"{speeds['fastembed']:.1f}: {result['ratio']:.2f} × (target {result['target_ratio']} ×, "
            f"{'met' if met else 'missed'}), least cosine {result['least_cosine']:.7f}"
        )
    report = {
        "what": "texts per second, median of rounds taken in turn",
        "corpus": corpus.name,
        "n_texts": len(corpus),
        "corpus_digest": corpus.digest,
        "rounds": arguments.rounds,
        "commit": commit(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "results": results,
    }
    write(report, arguments.out)


if __name__ == "__main__":
    main()
