"""What the notebook of experiment 67 published, to stand beside what is measured here.

None: not published. Recall and reduction are shares, not percent.
"""

import re
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class PublishedPivots:
    """One row of the notebook's pivot table."""

    recall: float
    reduction: float
    passed: int | None = None


@dataclass(frozen=True)
class Published:
    """The notebook's figures for one model: 10,000 Wikipedia openings, 128 bits, 8 pivots, in-sample."""

    dimension: int | None = None
    size_mb: float | None = None
    load_seconds: float | None = None
    embedding_seconds: float | None = None
    ms_per_text: float | None = None
    mean_norm: float | None = None
    explained_variance: float | None = None
    quantization_error: dict[int, float] = field(default_factory=dict)
    spearman: float | None = None
    hamming_recall: dict[int, float] = field(default_factory=dict)
    pivots: dict[float, PublishedPivots] = field(default_factory=dict)
    pivot_rows: tuple[int, ...] = ()
    torch_imported: bool | None = None


NOTEBOOK = "experiment 67, 'bge-small-en-v1.5 (FastEmbed): ITQ and pivots evaluated', February 2026"

PUBLISHED: dict[str, Published] = {
    "BAAI/bge-small-en-v1.5": Published(
        dimension=384,
        size_mb=66.5,
        load_seconds=0.2,
        embedding_seconds=302.2,
        ms_per_text=30.2,
        mean_norm=0.6669,
        explained_variance=0.7243,
        quantization_error={10: 0.9114, 20: 0.9109, 30: 0.9106, 40: 0.9105, 50: 0.9104},
        spearman=-0.6111,
        hamming_recall={100: 0.829, 500: 0.968, 1000: 0.990},
        pivots={
            0.10: PublishedPivots(0.753, 0.819, 1814),
            0.15: PublishedPivots(0.960, 0.397, 6025),
            0.20: PublishedPivots(0.997, 0.118, 8818),
            0.25: PublishedPivots(0.999, 0.026, 9735),
            0.30: PublishedPivots(1.000, 0.006, 9938),
        },
        pivot_rows=(7270, 986, 8445, 7455, 1405, 2673, 9083, 2003),
        torch_imported=True,
    ),
    "sentence-transformers/all-MiniLM-L6-v2": Published(
        dimension=384,
        size_mb=90.4,
        ms_per_text=10.2,
        explained_variance=0.796,
        spearman=-0.0225,
        hamming_recall={500: 0.969},
        pivots={0.20: PublishedPivots(0.898, 0.523)},
    ),
    "intfloat/multilingual-e5-base": Published(spearman=-0.65),
}


def published_for(model: str, corpus: str, n_bits: int, n_pivots: int) -> dict[str, Any] | None:
    """The notebook's figures for a model, where ours can be compared: English Wikipedia, 128 bits, 8 pivots."""
    english = corpus == "wikipedia-en" or re.fullmatch(r"wikimedia/wikipedia(/\d+\.en)?", corpus)
    if not english or (n_bits, n_pivots) != (128, 8) or model not in PUBLISHED:
        return None
    return asdict(PUBLISHED[model])
