"""Experiment 67: do 16-byte codes find what exact search finds, for this model and this corpus?

`run_experiment` follows the notebook step by step: embed, fit ITQ, correlate, measure recall, measure pivots.
The `notebook` protocol is its own (queries are corpus texts, codec fitted on them too); `held-out` asks with
texts that neither codec nor corpus have seen.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ..arrays import CodeArray, FloatArray, RowArray
from ..codec import ITQ, PivotFilter
from ..codec.pca import mean_of, scatter_of
from ..encoder import Encoder
from ..search import Cascade, hamming_distances
from ..search.kernels import asymmetric_scores
from .corpora import Corpus
from .machine import describe_machine
from .measures import exact_neighbours, neighbour_ranks, recall_at, recall_interval, spearman, spread
from .pivot_study import measure_angular, measure_combined, measure_pivots
from .protocol import K, Sample, Setup, choose
from .published import published_for
from .recommendation import recommend
from .results import (
    CodecFacts,
    CorpusFacts,
    Correlation,
    Density,
    EncodingFacts,
    ExperimentReport,
    ProtocolFacts,
    RecallPoint,
    StageTime,
)

CORRELATION_ROWS = 500
DEPTHS = (10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000)
STAGE_DEPTH = 500
STAGE_THRESHOLD = 0.15
BANNED = ("torch", "datasets")
"""What the notebook pulled in without wanting to."""


@dataclass(frozen=True)
class Experiment:
    """An experiment's report with the parts that made it, to search with and to save."""

    report: ExperimentReport
    corpus: Corpus
    sample: Sample
    itq: ITQ
    pivots: PivotFilter
    codes: CodeArray
    cascade: Cascade


def run_experiment(
    corpus: Corpus, encoder: Encoder, vectors: FloatArray, setup: Setup, *, command: str = ""
) -> Experiment:
    """Measure how well codes and pivots find the nearest neighbours of a corpus.

    vectors: (n, d) float32, the corpus's texts through `encoder.encode_passages`, just made: the encoder's
    stats go into the report.
    Raises: InputError when the corpus is too small for the protocol or the codec.
    """
    stats = encoder.stats
    clock = Clock()
    sample = choose(setup, corpus, encoder, vectors)
    with clock("fit"):
        itq = ITQ(setup.n_bits, setup.n_iter, seed=setup.seed).fit(sample.vectors)
    with clock("pivots"):
        pivots = PivotFilter(setup.n_pivots, seed=setup.seed).fit(sample.vectors)
        angular = PivotFilter(setup.n_pivots, "angular", seed=setup.seed).fit(sample.vectors)
    with clock("codes"):
        codes = itq.transform(sample.vectors)
    with clock("truth"):
        truth = exact_neighbours(sample.queries, sample.vectors, K, exclude=sample.exclude)
    with clock("correlation"):
        correlation = measure_correlation(sample.vectors, codes, seed=setup.seed)
    with clock("recall"):
        scores = {
            "hamming": -hamming_distances(itq.transform(sample.queries), codes).astype(np.float32),
            "asymmetric": asymmetric_scores(itq.project(sample.queries), codes),
        }
        recall = [point for name in scores for point in measure_recall(name, scores[name], truth, sample)]
    with clock("pivot filter"):
        pivot_points = measure_pivots(pivots, sample.queries, truth, sample.exclude)
        angular_facts = measure_angular(angular, sample.queries, sample.vectors, truth, sample.exclude)
        combined = measure_combined(pivots, sample.queries, scores, truth, sample.exclude)
    cascade = Cascade(itq, pivots).build(sample.vectors)
    with clock("search"):
        stages = measure_stages(cascade, sample.queries, len(sample.vectors))

    report = ExperimentReport(
        corpus=CorpusFacts(
            name=corpus.name,
            n_texts=len(corpus),
            mean_characters=float(np.mean([len(text) for text in corpus.texts])),
            n_skipped=corpus.n_skipped,
            n_truncated=stats.n_truncated,
            licence=corpus.licence,
            source=corpus.source,
            digest=corpus.digest,
        ),
        protocol=ProtocolFacts(
            name=setup.protocol,
            in_sample=sample.exclude is not None,
            n_vectors=len(sample.vectors),
            n_queries=len(sample.queries),
            n_correlation=min(CORRELATION_ROWS, len(sample.vectors)),
            k=K,
            seed=setup.seed,
        ),
        model=encoder.model.to_dict(),
        encoding=EncodingFacts(
            load_seconds=encoder.load_seconds,
            seconds=stats.seconds,
            n_embedded=stats.n_embedded,
            n_cached=stats.n_cached,
            ms_per_text=1000 * stats.seconds / stats.n_texts if stats.n_embedded == stats.n_texts else None,
            threads=encoder.threads,
        ),
        codec=CodecFacts(
            n_bits=setup.n_bits,
            n_iter=setup.n_iter,
            n_fit_rows=itq.n_fit_rows_,
            fit_seconds=clock.seconds["fit"],
            mean_norm=float(np.linalg.norm(itq.mean_)),
            explained_variance=float(itq.explained_variance_ratio_.sum()),
            explained_variance_by_bits=variance_by_bits(sample.vectors),
            quantization_error=itq.quantization_error_.tolist(),
        ),
        spread=spread(sample.vectors, seed=setup.seed),
        correlation=correlation,
        recall=recall,
        pivot_rows=pivots.pivot_rows_.tolist(),
        pivots=pivot_points,
        angular=angular_facts,
        combined=combined,
        stages=stages,
        recommendation=recommend(recall, pivot_points, combined, stages, n=len(sample.vectors)),
        imported={name: name in sys.modules for name in BANNED},
        published=published_for(encoder.model.name, corpus.name, setup.n_bits, setup.n_pivots),
        machine=describe_machine(),
        command=command,
        seconds={"embedding": stats.seconds, **clock.seconds},
    )
    return Experiment(report, corpus, sample, itq, pivots, codes, cascade)


def measure_correlation(vectors: FloatArray, codes: CodeArray, *, seed: int) -> Correlation:
    """Spearman's correlation of cosine and Hamming distance over all pairs of 500 vectors (negative is good)."""
    n = min(CORRELATION_ROWS, len(vectors))
    rows = np.random.RandomState(seed).choice(len(vectors), n, replace=False)
    upper = np.triu_indices(n, k=1)
    cosines = (vectors[rows] @ vectors[rows].T)[upper]
    distances = hamming_distances(codes[rows], codes[rows])[upper]
    edges = np.arange(np.floor(cosines.min() * 50) / 50, cosines.max() + 0.02, 0.02)
    least, most = int(distances.min()), int(distances.max())
    counts, _, _ = np.histogram2d(cosines, distances, bins=[edges, np.arange(least - 0.5, most + 1.5)])
    density = Density(
        cosine_edges=edges.round(4).tolist(),
        distances=list(range(least, most + 1)),
        counts=counts.astype(int).tolist(),
    )
    return Correlation(spearman(cosines, distances), len(cosines), density)


def measure_recall(scoring: str, scores: FloatArray, truth: RowArray, sample: Sample) -> list[RecallPoint]:
    """recall@k at every depth: exact rerank finds each true row that is among the candidates."""
    ranks = neighbour_ranks(scores, truth, exclude=sample.exclude)
    most = len(sample.vectors) - (sample.exclude is not None)
    depths = sorted({depth for depth in DEPTHS if depth < most} | {most})
    return [RecallPoint(scoring, depth, recall_interval(recall_at(ranks, depth), K)) for depth in depths]


def measure_stages(cascade: Cascade, queries: FloatArray, n: int) -> list[StageTime]:
    """Time a query's way through the sieve: once without pivots, once with."""
    n_candidates = min(STAGE_DEPTH, n)
    times = []
    for threshold in (None, STAGE_THRESHOLD):
        _, _, stages = cascade.search(
            queries, min(K, n_candidates), n_candidates=n_candidates, pivot_threshold=threshold, explain=True
        )
        for stage in stages:
            name = stage.name if threshold is None else f"{stage.name} (pivots first)"
            times.append(StageTime(name, 1000 * stage.seconds / len(queries), float(stage.kept.mean())))
    return times


def variance_by_bits(vectors: FloatArray) -> dict[int, float]:
    """Share of the variance that the first b components hold, for b = 8, 16, … d."""
    values = np.linalg.eigvalsh(scatter_of(vectors, None, mean_of(vectors, None)))[::-1]
    shares = np.cumsum(values) / values.sum()
    return {bits: float(shares[bits - 1]) for bits in range(8, len(values) + 1, 8)}


class Clock:
    """Adds up the seconds of named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - started
