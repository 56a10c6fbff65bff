"""The shape of report.json: what one experiment measured, section by section.

Shares (recall, reduction, variance) are 0 to 1, times are seconds unless the name says ms, angles radians.
"""

from dataclasses import asdict, dataclass
from typing import Any

from .measures import Estimate, Spread

FORMAT_VERSION = 1


@dataclass(frozen=True)
class CorpusFacts:
    """Which texts: `digest` is the sha256 over all of them in order."""

    name: str
    n_texts: int
    mean_characters: float
    n_skipped: int
    n_truncated: int
    licence: str
    source: str
    digest: str


@dataclass(frozen=True)
class ProtocolFacts:
    """Who was asked what: in-sample queries are corpus texts that leave themselves out."""

    name: str
    in_sample: bool
    n_vectors: int
    n_queries: int
    n_correlation: int
    k: int
    seed: int


@dataclass(frozen=True)
class EncodingFacts:
    """What embedding cost. ms_per_text is None when the vectors came from the cache."""

    load_seconds: float
    seconds: float
    n_embedded: int
    n_cached: int
    ms_per_text: float | None
    threads: int


@dataclass(frozen=True)
class CodecFacts:
    """The fitted hash. explained_variance: of all n_bits components; _by_bits: bits → share, up to d."""

    n_bits: int
    n_iter: int
    n_fit_rows: int
    fit_seconds: float
    mean_norm: float
    explained_variance: float
    explained_variance_by_bits: dict[int, float]
    quantization_error: list[float]


@dataclass(frozen=True)
class Density:
    """How many pairs have a cosine in a bin of 0.02 and a Hamming distance of `distance`."""

    cosine_edges: list[float]
    distances: list[int]
    counts: list[list[int]]
    """counts[i][j]: cosine bin i, distances[j]."""


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over all pairs of a sample of vectors."""

    spearman: float
    n_pairs: int
    density: Density


@dataclass(frozen=True)
class RecallPoint:
    """recall@k after exact rerank of the n_candidates best by codes."""

    scoring: str
    n_candidates: int
    recall: Estimate


@dataclass(frozen=True)
class PivotPoint:
    """What the pivot filter keeps at a threshold: filter recall, share removed, mean number passed."""

    threshold: float
    recall: Estimate
    reduction: float
    passed: float


@dataclass(frozen=True)
class CombinedPoint:
    """Pivots first, codes second, exact rerank last."""

    threshold: float
    scoring: str
    n_candidates: int
    recall: Estimate


@dataclass(frozen=True)
class AngularFacts:
    """The lossless filter at the angle of each query's true k-th neighbour: what it removes for nothing lost."""

    mean_radius: float
    recall: float
    reduction: float
    best_reduction: float


@dataclass(frozen=True)
class StageTime:
    """Mean time of a search stage for one query, in a batch of all of them; `kept`: mean rows it passed on."""

    stage: str
    ms_per_query: float
    kept: float


@dataclass(frozen=True)
class Recommendation:
    """What the numbers advise. n_candidates: fewest at the target by scoring, None when none is."""

    target: float
    n_candidates: dict[str, int | None]
    pivot_threshold: float | None
    text: list[str]


@dataclass(frozen=True)
class ExperimentReport:
    """All of one experiment, as `report.json` holds it."""

    corpus: CorpusFacts
    protocol: ProtocolFacts
    model: dict[str, Any]
    encoding: EncodingFacts
    codec: CodecFacts
    spread: Spread
    correlation: Correlation
    recall: list[RecallPoint]
    pivot_rows: list[int]
    pivots: list[PivotPoint]
    angular: AngularFacts
    combined: list[CombinedPoint]
    stages: list[StageTime]
    recommendation: Recommendation
    imported: dict[str, bool]
    published: dict[str, Any] | None
    machine: dict[str, Any]
    command: str
    seconds: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON keeps it."""
        return {"format": "bitsieve-experiment", "format_version": FORMAT_VERSION, **asdict(self)}

    def recall_of(self, scoring: str, n_candidates: int) -> Estimate | None:
        """recall@k at a number of candidates, if that was measured."""
        for point in self.recall:
            if (point.scoring, point.n_candidates) == (scoring, n_candidates):
                return point.recall
        return None

    def pivots_at(self, threshold: float) -> PivotPoint | None:
        """The row of the pivot table at a threshold, if that was measured."""
        return next((point for point in self.pivots if abs(point.threshold - threshold) < 1e-9), None)
