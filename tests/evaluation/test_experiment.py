"""The experiment against a plain re-statement of the notebook, and the laws its report must keep."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bitsieve.encoder import EncodeStats, Model
from bitsieve.errors import InputError
from bitsieve.evaluation.artifacts import CHECK_TEXTS, short_name, size_label, write_artifacts
from bitsieve.evaluation.comparison import check_distinct, conclude, find
from bitsieve.evaluation.corpora.corpus import Corpus
from bitsieve.evaluation.experiment import Experiment, run_experiment
from bitsieve.evaluation.measures import Estimate
from bitsieve.evaluation.protocol import Setup, check_size
from bitsieve.evaluation.published import published_for
from bitsieve.evaluation.recommendation import recommend
from bitsieve.evaluation.results import CombinedPoint, PivotPoint, RecallPoint, StageTime

N, D = 600, 48
BESIDE = published_for("BAAI/bge-small-en-v1.5", "wikipedia-en", 128, 8)


def clustered(n: int, seed: int) -> np.ndarray:
    draws = np.random.default_rng(seed)
    vectors = draws.normal(size=(20, D))[draws.integers(20, size=n)] + 0.7 * draws.normal(size=(n, D)) + 0.4
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def make_encoder(name: str = "BAAI/bge-small-en-v1.5", query_prefix: str = "") -> Any:
    """An encoder's description, with vectors that only the text decides."""
    model = Model(
        name=name, weights="made up", dimension=D, pooling="cls", max_tokens=512, query_prefix=query_prefix,
        passage_prefix="", licence="MIT", files={"model.onnx": "0" * 64}, size_bytes=1, source="test",
        one_text_a_call=False,
    )  # fmt: skip
    return SimpleNamespace(
        model=model,
        stats=EncodeStats(N, N, 0, 0, 1.5),
        threads=1,
        load_seconds=0.1,
        encode_queries=lambda texts: clustered(len(texts), seed=len("".join(texts))),
    )


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return clustered(N, seed=0)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    names = [str(i) for i in range(N)]
    return Corpus("made-up", names, names, [f"text {i}" for i in range(N)], "none", "a test", 0, ())


@pytest.fixture(scope="module")
def notebook(corpus: Corpus, vectors: np.ndarray) -> Experiment:
    return run_experiment(corpus, make_encoder(), vectors, Setup(n_bits=32, n_iter=20))


@pytest.fixture(scope="module")
def held_out(corpus: Corpus, vectors: np.ndarray) -> Experiment:
    return run_experiment(corpus, make_encoder(), vectors, Setup("held-out", n_bits=32, n_iter=20))


def test_the_notebooks_steps_restated_give_the_same_figures(
    notebook: Experiment, vectors: np.ndarray
) -> None:
    bits = np.unpackbits(notebook.codes, axis=1)
    pivots = vectors[notebook.report.pivot_rows]
    assert notebook.report.pivot_rows[0] == np.random.RandomState(42).randint(N)
    pivot_distances = 1 - vectors @ pivots.T
    np.random.seed(42)
    queries = np.random.choice(N, 100, replace=False)
    recall: dict[int, list[float]] = {100: [], 500: []}
    passed, kept = [], []
    for query in queries:
        others = np.delete(np.arange(N), query)
        truth = set(others[np.argsort(-(vectors[others] @ vectors[query]), kind="stable")[:10]])
        hamming = (bits[others] != bits[query]).sum(axis=1)
        order = others[np.argsort(hamming, kind="stable")]
        for depth in recall:
            recall[depth].append(len(truth & set(order[:depth])) / 10)
        passes = others[np.abs(pivot_distances[others] - pivot_distances[query]).max(axis=1) < 0.20]
        passed.append(len(passes))
        kept.append(len(truth & set(passes)) / 10)
    report = notebook.report
    for depth, values in recall.items():
        measured = report.recall_of("hamming", depth)
        assert measured is not None
        assert measured.value == pytest.approx(np.mean(values), abs=0.002)
    point = report.pivots_at(0.20)
    assert point is not None
    assert point.recall.value == pytest.approx(np.mean(kept), abs=0.002)
    assert point.passed == pytest.approx(np.mean(passed), abs=0.05)
    assert point.reduction == pytest.approx(1 - np.mean(passed) / (N - 1), abs=1e-4)


def test_recall_by_ranks_is_recall_of_the_cascade(held_out: Experiment) -> None:
    sample = held_out.sample
    exact = np.argsort(-(sample.queries @ sample.vectors.T), axis=1, kind="stable")[:, :10]
    for scoring in ("hamming", "asymmetric"):
        rows, _ = held_out.cascade.search(sample.queries, 10, n_candidates=50, scoring=scoring)
        found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, exact, strict=True)])
        measured = held_out.report.recall_of(scoring, 50)
        assert measured is not None
        assert measured.value == pytest.approx(found, abs=1e-9)


def test_held_out_queries_are_not_in_the_corpus(held_out: Experiment, corpus: Corpus) -> None:
    sample = held_out.sample
    assert not set(sample.rows) & set(sample.query_rows)
    assert sorted([*sample.rows, *sample.query_rows]) == list(range(N))
    assert (held_out.report.protocol.n_queries, held_out.report.protocol.n_vectors) == (N // 5, N - N // 5)


def test_held_out_queries_carry_the_query_prefix(corpus: Corpus, vectors: np.ndarray) -> None:
    encoder = make_encoder(query_prefix="query: ")
    asked: list[list[str]] = []
    encoder.encode_queries = lambda texts: (asked.append(list(texts)), clustered(len(texts), 1))[1]
    result = run_experiment(corpus, encoder, vectors, Setup("held-out", n_bits=32, n_iter=2))
    assert asked == [[corpus.texts[row] for row in result.sample.query_rows]]


@pytest.mark.parametrize("which", ["notebook", "held_out"])
def test_a_reports_figures_keep_their_laws(which: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(which).report
    for scoring in ("hamming", "asymmetric"):
        curve = [point for point in report.recall if point.scoring == scoring]
        values = [point.recall.value for point in curve]
        assert values == sorted(values)
        assert values[-1] == 1.0
        assert curve[-1].n_candidates == report.protocol.n_vectors - report.protocol.in_sample
        assert all(point.recall.low <= point.recall.value <= point.recall.high for point in curve)
    assert report.angular.recall == 1.0
    assert 0 <= report.angular.reduction <= report.angular.best_reduction <= 1
    for combined in report.combined:
        pivot = report.pivots_at(combined.threshold)
        codes = report.recall_of(combined.scoring, combined.n_candidates)
        assert combined.recall.value <= pivot.recall.value + 1e-9
        assert codes is None or combined.recall.value >= codes.value + pivot.recall.value - 1 - 1e-9
    density = report.correlation.density
    assert sum(map(sum, density.counts)) == report.correlation.n_pairs
    assert -1 <= report.correlation.spearman < 0
    assert report.codec.explained_variance_by_bits[32] == pytest.approx(
        report.codec.explained_variance, abs=1e-5
    )
    assert report.codec.explained_variance_by_bits[D] == pytest.approx(1)


def test_a_report_survives_json(notebook: Experiment) -> None:
    saved = replace(notebook.report, published=BESIDE).to_dict()
    assert json.loads(json.dumps(saved))["format"] == "bitsieve-experiment"
    assert json.loads(json.dumps(saved))["published"]["hamming_recall"]["100"] == 0.829


def test_the_files_are_the_notebooks_and_another_system_gets_the_same_codes(
    notebook: Experiment, tmp_path: Path
) -> None:
    encoder = make_encoder()
    written = write_artifacts(notebook, encoder, tmp_path)
    data, export = tmp_path / "data", tmp_path / "data" / "export"
    assert all(path.exists() for path in written)
    assert not list(tmp_path.rglob("*.pkl"))
    assert np.load(data / "600_bge_small_embeddings.npy").shape == (N, D)
    hashes = np.load(data / "600_bge_small_hashes_32bits.npy")
    assert (hashes.shape, hashes.dtype, set(np.unique(hashes))) == ((N, 32), np.uint8, {0, 1})
    assert np.load(data / "pivots_8_bge_small.npy").shape == (8, D)
    assert np.load(data / "600_bge_small_pivot_distances.npy").shape == (N, 8)
    mean, pca, rotation = (
        np.load(export / f"bge_small_itq_{name}.npy", allow_pickle=False)
        for name in ("mean_vector", "pca_matrix", "rotation_matrix")
    )
    metadata = json.loads((export / "bge_small_itq_metadata.json").read_text())
    published = {
        "n_bits": 32,
        "n_iterations": 20,
        "seed": 42,
        "model_name": "BAAI/bge-small-en-v1.5",
        "embedding_dim": D,
    }
    assert published.items() <= metadata.items()
    theirs = np.packbits((encoder.encode_queries(CHECK_TEXTS) - mean) @ pca @ rotation >= 0, axis=1)
    assert [code.tobytes().hex() for code in theirs] == [line["code"] for line in metadata["check"]]
    transposed = np.packbits((encoder.encode_queries(CHECK_TEXTS) - mean) @ pca @ rotation.T >= 0, axis=1)
    assert [code.tobytes().hex() for code in transposed] != [line["code"] for line in metadata["check"]]


def test_file_names_are_the_notebooks() -> None:
    assert [size_label(n) for n in (10_000, 9_000, 1_000, 999, 1_500)] == ["10k", "9k", "1k", "999", "1500"]
    assert short_name("BAAI/bge-small-en-v1.5") == "bge_small"
    assert short_name("sentence-transformers/all-MiniLM-L6-v2") == "all_minilm_l6_v2"


@pytest.mark.parametrize(
    ("setup", "n", "said"),
    [
        (Setup(n_bits=128), 127, "128"),
        (Setup("held-out", n_bits=128), 159, "160"),
        (Setup(n_bits=64), 1000, "d=48"),
        (Setup(n_bits=8), 11, "12"),
    ],
)
def test_too_small_a_corpus_is_refused_before_anything_is_embedded(setup: Setup, n: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_size(setup, n, D if setup.n_bits == 64 else 384)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"protocol": "notebok"}, "held-out"), ({"n_bits": 12}, "multiple of 8"), ({"n_pivots": 0}, "n_pivots")],
)
def test_a_wrong_setup_is_refused_before_any_text_is_read(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Setup(**wrong)


def recommended(asymmetric: float, threshold_recall: float, pivot_ms: float = 0.4) -> str:
    recall = [
        RecallPoint("asymmetric", 100, Estimate(0.98, 0.97, 0.985)),
        RecallPoint("asymmetric", 200, Estimate(asymmetric, 0.981, 1.0)),
        RecallPoint("hamming", 200, Estimate(0.9, 0.89, 0.91)),
        RecallPoint("hamming", 800, Estimate(0.995, 0.992, 0.998)),
    ]
    pivots = [PivotPoint(0.2, Estimate(threshold_recall, threshold_recall, 1.0), 0.3, 700.0)]
    combined = [CombinedPoint(0.2, "asymmetric", 500, Estimate(0.985, 0.98, 0.99))]
    stages = [
        StageTime("codes", 0.1, 500),
        StageTime("rerank", 0.1, 10),
        StageTime("pivots (pivots first)", pivot_ms, 700),
    ]
    return " ".join(recommend(recall, pivots, combined, stages, n=1000).text)


def test_the_recommendation_names_the_fewest_candidates_at_the_target_with_their_interval() -> None:
    said = recommended(asymmetric=0.995, threshold_recall=0.995)
    assert "200 candidates with asymmetric" in said
    assert "98.1% to 100.0%" in said
    assert "800, 4.0 times" in said
    assert "leave them out" in said
    assert "worth a try" in recommended(asymmetric=0.995, threshold_recall=0.995, pivot_ms=0.02)
    short = recommended(asymmetric=0.985, threshold_recall=0.9)
    assert "take more bits" in short
    assert "no threshold keeps" in short


def test_conclusions_name_a_winner_only_where_intervals_part(notebook: Experiment, corpus: Corpus) -> None:
    other = run_experiment(
        corpus, make_encoder("other/model"), clustered(N, 5), Setup(n_bits=32, n_iter=5)
    ).report
    reports = [notebook.report, other]
    lines = {
        line.use: line for line in conclude(reports, {"BAAI/bge-small-en-v1.5": 30.0, "other/model": 10.0})
    }
    assert lines["embedding speed"].winner == "other/model"
    assert "3.0 times" in lines["embedding speed"].reason
    assert lines["recall@10 at 100 candidates, asymmetric"].winner is None
    same = conclude(reports, {"BAAI/bge-small-en-v1.5": 10.0, "other/model": 10.5})[0]
    assert same.winner is None
    assert not any("The notebook" in finding for finding in find(reports))
    assert any("−0.611" in finding for finding in find([replace(notebook.report, published=BESIDE), other]))


def test_the_notebooks_claim_of_spread_is_judged_only_with_bge_small(notebook: Experiment) -> None:
    report = replace(notebook.report, published=BESIDE)
    wider = replace(report.spread, cosine_std=report.spread.cosine_std * 2)
    other = replace(report, model={**report.model, "name": "other/model"}, spread=wider)
    third = replace(report, model={**report.model, "name": "third/model"})
    assert "the other way round" in find([report, other])[-1]
    assert "here they do" in find([replace(report, spread=wider), third])[-1]
    assert "The notebook says" not in find([other, third])[-1]


def test_models_that_share_a_file_name_are_not_compared() -> None:
    models = [make_encoder(name).model for name in ("a/model", "b/model")]
    with pytest.raises(InputError, match="model is there twice"):
        check_distinct(models)
    check_distinct(models[:1])


@pytest.mark.parametrize(
    ("corpus", "n_bits", "there"),
    [("wikipedia-en", 128, True), ("wikimedia/wikipedia", 128, True), ("wikimedia/wikipedia/20231101.en", 128, True),
     ("wikipedia-en", 64, False), ("wikipedia-es", 128, False), ("mine.jsonl", 128, False)],
)  # fmt: skip
def test_the_notebooks_figures_stand_only_beside_what_they_compare_with(
    corpus: str, n_bits: int, there: bool
) -> None:
    assert (published_for("BAAI/bge-small-en-v1.5", corpus, n_bits, 8) is not None) is there
