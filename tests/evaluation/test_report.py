"""The HTML report: one file, nothing fetched, nothing unescaped, every drawn number in a table."""

import json
import re
import subprocess
import sys
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bitsieve.errors import FormatError, MissingExtraError, NewerFormatError
from bitsieve.evaluation.measures import Estimate, Spread
from bitsieve.evaluation.published import PUBLISHED
from bitsieve.evaluation.report import write_comparison, write_report
from bitsieve.evaluation.report.numbers import milliseconds, number, percent, points, seconds, signed
from bitsieve.evaluation.results import (
    AngularFacts,
    CodecFacts,
    CombinedPoint,
    CorpusFacts,
    Correlation,
    Density,
    EncodingFacts,
    ExperimentReport,
    PivotPoint,
    ProtocolFacts,
    RecallPoint,
    Recommendation,
    StageTime,
)

pytest.importorskip("matplotlib", reason="the report needs bitsieve[report]")
pytest.importorskip("jinja2", reason="the report needs bitsieve[report]")

BGE = "BAAI/bge-small-en-v1.5"
DEPTHS = (10, 30, 100, 300, 500, 1000)
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3)
VOID = {"meta", "br", "wbr", "link", "img", "input", "hr"}


def estimate(value: float) -> Estimate:
    return Estimate(value, max(0.0, value - 0.02), min(1.0, value + 0.01))


def make_report(
    name: str = BGE, *, corpus: str = "wikipedia-en", published: bool = True, shift: float = 0.0
) -> ExperimentReport:
    """A plausible experiment; `shift` tells models of a comparison apart."""
    recalls = {
        "hamming": (0.551, 0.817, 0.929, 0.981, 0.9937, 0.998),
        "asymmetric": (0.671, 0.931, 0.988, 0.997, 0.999, 1.0),
    }
    kept = (0.774, 0.961, 0.9912, 0.9987, 1.0)
    return ExperimentReport(
        corpus=CorpusFacts(corpus, 10_000, 407.2, 3, 12, "CC BY-SA 4.0", "English Wikipedia", "48e7" * 16),
        protocol=ProtocolFacts("notebook", True, 10_000, 100, 500, 10, 42),
        model={
            "name": name,
            "weights": "float32",
            "dimension": 384,
            "pooling": "cls",
            "max_tokens": 512,
            "query_prefix": "",
            "passage_prefix": "",
            "licence": "MIT",
            "files": {"model.onnx": "ab" * 32, "tokenizer.json": "cd" * 32},
            "size_bytes": 133_093_490,
            "source": "cache",
            "one_text_a_call": False,
            "fingerprint": "ef" * 32,
        },
        encoding=EncodingFacts(0.41, 279.3, 10_000, 0, 27.93, 2),
        codec=CodecFacts(
            n_bits=128,
            n_iter=50,
            n_fit_rows=10_000,
            fit_seconds=3.21,
            mean_norm=0.7012,
            explained_variance=(128 / 384) ** 0.3 - shift,
            explained_variance_by_bits={bits: (bits / 384) ** 0.3 - shift for bits in range(8, 385, 8)},
            quantization_error=[0.91 + 0.005 / step for step in range(1, 51)],
        ),
        spread=Spread(0.7012, 0.492, 0.071, {1: 0.35, 5: 0.39, 50: 0.48, 95: 0.62, 99: 0.69}, 81.3),
        correlation=Correlation(
            -0.6719 + shift,
            124_750,
            Density(
                [0.3, 0.32, 0.34, 0.36], [40, 41, 42, 43], [[0, 1, 4, 12], [3, 40, 333, 2], [1200, 9, 0, 1]]
            ),
        ),
        recall=[
            RecallPoint(scoring, depth, estimate(value - shift))
            for scoring, values in recalls.items()
            for depth, value in zip(DEPTHS, values, strict=True)
        ],
        pivot_rows=[7270, 986, 8445, 7455, 1405, 2673, 9083, 2003],
        pivots=[
            PivotPoint(threshold, estimate(value - shift), 0.85 - 3 * (threshold - 0.1), 1500.0 * (i + 1))
            for i, (threshold, value) in enumerate(zip(THRESHOLDS, kept, strict=True))
        ],
        angular=AngularFacts(0.7812, 1.0, 0.0034, 0.0712),
        combined=[
            CombinedPoint(threshold, scoring, depth, estimate(value - 0.0123))
            for threshold, value in zip(THRESHOLDS, kept, strict=True)
            for scoring in ("hamming", "asymmetric")
            for depth in (100, 500, 1000)
        ],
        stages=[
            StageTime("codes", 1.558, 500.0),
            StageTime("rerank", 1.116, 10.0),
            StageTime("pivots (pivots first)", 0.018, 549.0),
            StageTime("codes (pivots first)", 2.422, 405.2),
            StageTime("rerank (pivots first)", 0.795, 9.8),
        ],
        recommendation=Recommendation(
            0.99, {"asymmetric": 300, "hamming": 1000}, 0.2, ["Ask for 300 candidates.", "Leave pivots out."]
        ),
        imported={"torch": False, "datasets": False},
        published=asdict(PUBLISHED[BGE]) if published else None,
        machine={"cpu": "A CPU", "cpus": 2, "python": "3.11", "bitsieve": "0.1.0", "fastembed": None},
        command="bitsieve experiment --model bge-small",
        seconds={"embedding": 279.3, "fit": 3.21, "recall": 0.44},
    )


def make_comparison(*reports: ExperimentReport) -> dict[str, Any]:
    names = [report.model["name"] for report in reports]
    return {
        "format": "bitsieve-comparison",
        "format_version": 1,
        "reports": [report.to_dict() for report in reports],
        "ms_per_text": {name: 15.2 + i for i, name in enumerate(names)},
        "conclusions": [
            {
                "use": "speed",
                "winner": names[0],
                "reason": "faster",
                "values": dict.fromkeys(names, "15.2 ms"),
            }
        ],
        "findings": ["Spearman holds."],
        "machine": reports[0].machine,
        "command": "bitsieve compare",
    }


class Page(HTMLParser):
    """Ids, addresses and text of a page; a tag closed out of order is an error."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tables: dict[str, str] = {}
        self.svgs: dict[str, str] = {}
        self._figure = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.addresses += [str(values[name]) for name in ("href", "src", "xlink:href") if name in values]
        if tag == "figure":
            self._figure = str(values["id"])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "figure":
            self._figure = ""

    def handle_data(self, data: str) -> None:
        if self._figure and "svg" in self.open:
            self.svgs[self._figure] = self.svgs.get(self._figure, "") + data
        elif self._figure and "table" in self.open:
            self.tables[self._figure] = self.tables.get(self._figure, "") + data + " "


def page_of(report: ExperimentReport | dict[str, Any], folder: Path) -> str:
    return write_report(report, folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(make_report(), tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def comparison_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    comparison = make_comparison(make_report(), make_report("owner/second", published=False, shift=0.01))
    path = tmp_path_factory.mktemp("comparison") / "comparison.html"
    return write_comparison(comparison, path).read_text(encoding="utf-8")


@pytest.mark.parametrize("fixture", ["report_page", "comparison_page"])
def test_page_is_one_well_formed_file_that_fetches_nothing(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    source = request.getfixturevalue(fixture)
    page = Page(source)
    assert len(set(page.ids)) == len(page.ids)
    assert all(address.startswith("#") and address[1:] in page.ids for address in page.addresses)
    assert all(found in page.ids for found in re.findall(r"url\(#([^)]+)\)", source))
    assert not re.search(r"https?://|@import|<script|<link|url\((?!#)", source)
    assert not re.search(r"#0[1-6]0[0-9]0[0-9]\b", source), "a placeholder colour is left"
    assert len(source) < 1_000_000


def test_every_number_of_a_figure_is_in_its_table(report_page: str) -> None:
    tables, report = Page(report_page).tables, make_report()
    for recall in report.recall:
        assert f"{recall.n_candidates:,}" in tables["recall-figure"]
        assert percent(recall.recall.value) in tables["recall-figure"]
        assert percent(recall.recall.high) in tables["recall-figure"]
    for point in report.pivots:
        for text in (f"{point.threshold:.2f}", percent(point.recall.value), percent(point.reduction)):
            assert text in tables["pivots-figure"]
    for combined in report.combined:
        assert percent(combined.recall.value) in tables["combined-figure"]
    for share in report.codec.explained_variance_by_bits.values():
        assert percent(share) in tables["variance-figure"]
    for error in report.codec.quantization_error:
        assert number(error, 4) in tables["error-figure"]
    for stage in report.stages:
        assert milliseconds(stage.ms_per_query) in tables["time-figure"]
    for value in report.seconds.values():
        assert seconds(value) in tables["time-figure"]
    density = " ".join(tables["density-figure"].split())
    assert "0.33 378 42 41 to 42" in density, "3 pairs at 40, 40 at 41, 333 at 42, 2 at 43"


def test_published_numbers_stand_beside_ours_with_the_difference(report_page: str) -> None:
    text = " ".join(re.sub(r"<[^>]+>", " ", report_page).split())
    assert "norm of the mean 0.6669 0.7012 +0.0343" in text
    assert "quantization error, iteration 50 0.9104 0.9101 −0.0003" in text
    assert "recall@10, 100 candidates, Hamming 82.9% 92.9% +10.0 points outside" in text
    assert "pivots at 0.15: texts passed 6,025 3,000 −3,025" in text
    assert "Its model file had 66.5 MB" in text


def test_report_of_a_model_the_notebook_had_not_has_no_notebook_table(tmp_path: Path) -> None:
    source = page_of(make_report(published=False), tmp_path)
    assert "The notebook’s figures" not in source
    assert "notebook," not in "".join(Page(source).svgs.values())


def test_saved_report_gives_the_same_page_as_the_object(tmp_path: Path, report_page: str) -> None:
    assert page_of(json.loads(json.dumps(make_report().to_dict())), tmp_path) == report_page
    assert page_of(make_report().to_dict(), tmp_path) == report_page


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$x^{2$ & 中"]
)
def test_names_are_text_and_never_markup(name: str, tmp_path: Path) -> None:
    source = page_of(make_report(name, corpus=name), tmp_path)
    assert "<script" not in source
    assert "<img" not in source
    assert Page(source).open == []
    other = make_report("plain", shift=0.01)
    source = write_comparison(
        make_comparison(make_report(name, corpus=name), other), tmp_path / "c.html"
    ).read_text(encoding="utf-8")
    assert "<script" not in source
    assert "<img" not in source
    assert Page(source).open == []


def test_badge_says_whether_pytorch_was_imported(tmp_path: Path, report_page: str) -> None:
    assert "PyTorch: not imported" in report_page
    report = make_report().to_dict() | {"imported": {"torch": True, "datasets": False}}
    assert "PyTorch: imported" in page_of(report, tmp_path)


def test_corpus_of_few_texts_has_a_page_too(tmp_path: Path) -> None:
    report = make_report(published=False).to_dict()
    report["recall"] = [point for point in report["recall"] if point["n_candidates"] <= 30]
    report["combined"] = []
    page = Page(page_of(report, tmp_path))
    assert "combined-figure" not in page.ids
    assert "recall-figure" in page.ids


@pytest.mark.parametrize("n_models", [1, 2, 3, 4])
def test_comparison_has_a_column_and_a_curve_for_each_model(n_models: int, tmp_path: Path) -> None:
    reports = [make_report(f"owner/model-{i}", published=i == 0, shift=0.01 * i) for i in range(n_models)]
    source = write_comparison(make_comparison(*reports), tmp_path / "c.html").read_text(encoding="utf-8")
    page = Page(source)
    for i in range(n_models):
        assert f'<th scope="col">model-{i}</th>' in source
        assert f"model-{i}" in page.svgs["recall-figure"]
        assert f"model-{i}" in page.svgs["density-figure"]
        assert percent(0.988 - 0.01 * i) in page.tables["recall-figure"]


def test_models_of_one_name_are_told_apart_by_their_weights(tmp_path: Path) -> None:
    first, second = make_report(), make_report(shift=0.01)
    second.model["weights"] = "int8"
    source = write_comparison(make_comparison(first, second), tmp_path / "c.html").read_text(encoding="utf-8")
    assert f"{BGE} (int8)" in source
    assert f"{BGE} (float32)" in source


def test_report_without_the_extra_names_the_pip_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("matplotlib", "jinja2"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(MissingExtraError, match=r"pip install 'bitsieve\[report\]'"):
                write_report(make_report(), tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_importing_the_report_loads_neither_matplotlib_nor_jinja2() -> None:
    script = "import sys, bitsieve.evaluation.report; print({'matplotlib', 'jinja2'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "set()"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": "something"}, FormatError),
        ({"format_version": 99}, NewerFormatError),
        ({"codec": {}}, FormatError),
    ],
)
def test_another_dict_is_refused_and_leaves_no_file(
    change: dict[str, Any], error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        write_report(make_report().to_dict() | change, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_numbers_have_one_way_of_being_written() -> None:
    assert number(-1234.56, 1) == "−1,234.6"
    assert number(-0.04, 1) == "0.0"
    assert number(None) == "–"
    assert number(float("nan"), 3) == "undefined"
    assert percent(1.0) == "100.0%"
    assert points(-0.0123) == "−1.2 points"
    assert signed(0.04, 1) == "0.0"
    assert signed(0.06, 1) == "+0.1"
    assert [seconds(value) for value in (0.789, 21.36, 302.2)] == ["0.79 s", "21.4 s", "302 s"]
    assert [milliseconds(value) for value in (0.0181, 1.558, 27.93)] == ["0.018 ms", "1.56 ms", "27.9 ms"]
