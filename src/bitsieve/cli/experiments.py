"""`bitsieve demo`, `experiment`, `compare` and `corpora`: measure codes on a corpus."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import (
    DEMO_MODEL,
    Bits,
    CorpusArgument,
    Id,
    Limit,
    MaxTokens,
    ModelDir,
    Out,
    PassagePrefix,
    Pivots,
    Pooling,
    Protocol,
    ProtocolOption,
    QueryPrefix,
    Seed,
    SkipBad,
    Text,
    Threads,
)

if TYPE_CHECKING:
    from ..arrays import FloatArray
    from ..encoder import Encoder
    from ..evaluation.corpora import Corpus
    from ..evaluation.experiment import Experiment
    from ..evaluation.protocol import Setup

FALLBACK_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
QUICK_TEXTS = 1000
INDEX_QUERY = "who painted water lilies"
DEMO_QUERIES = (
    "a fairy tale about a girl and a glass slipper",
    "instruments that are played with a bow",
    "how medieval cathedrals were built",
    "small fish preserved in salt",
    "a disease of the brain that grows inside the skull",
)


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="1,000 texts, in under a minute.")] = False,
    out: Out = None,
    threads: Threads = None,
) -> None:
    """Run experiment 67 on 10,000 Wikipedia texts: a report, five searches, an index."""
    from ..errors import ModelError
    from ..evaluation.corpora import load_corpus
    from ..evaluation.protocol import Setup
    from .console import make_console, print_plain, told
    from .tables import print_experiment, print_search

    console = make_console()
    with told():
        corpus = load_corpus("wikipedia-en", limit=QUICK_TEXTS if quick else None, metadata=None)
        try:
            encoder = encoder_of(DEMO_MODEL, threads=threads)
        except ModelError as error:
            print_plain(console, f"{DEMO_MODEL} cannot be had, so the demo runs {FALLBACK_MODEL}. {error}")
            encoder = encoder_of(FALLBACK_MODEL, threads=threads)
        folder = out or Path("demo-quick" if quick else "demo")
        experiment = _run(corpus, encoder, Setup(), folder)
        written = _write(experiment, encoder, folder)
        print_experiment(console, experiment.report)
        print_search(console, experiment, encoder, DEMO_QUERIES)
        # The notebook's protocol samples all of the corpus, in its order.
        written += _demo_index(corpus, encoder, experiment.sample.vectors, folder / "wiki.sieve")
        _say(written)


def experiment(
    corpus: CorpusArgument,
    model: Annotated[str, typer.Option(help="A model's name, or the path of a model folder.")] = DEMO_MODEL,
    n_bits: Bits = 128,
    n_pivots: Pivots = 8,
    protocol: ProtocolOption = Protocol.notebook,
    seed: Seed = 42,
    out: Out = None,
    text: Text = "text",
    id_: Id = None,
    limit: Limit = None,
    skip_bad: SkipBad = False,
    model_dir: ModelDir = None,
    pooling: Pooling = None,
    query_prefix: QueryPrefix = None,
    passage_prefix: PassagePrefix = None,
    max_tokens: MaxTokens = None,
    threads: Threads = None,
) -> None:
    """Measure what codes and pivots find of a corpus's true neighbours, with one model."""
    from ..evaluation.artifacts import short_name
    from ..evaluation.corpora import load_corpus
    from ..evaluation.protocol import Setup
    from .console import make_console, told
    from .tables import print_experiment

    with told():
        setup = Setup(protocol.value, n_bits=n_bits, n_pivots=n_pivots, seed=seed)
        texts = load_corpus(corpus, text_field=text, id_field=id_, limit=limit, skip_bad=skip_bad)
        encoder = encoder_of(
            model,
            model_dir=model_dir,
            pooling=pooling,
            query_prefix=query_prefix,
            passage_prefix=passage_prefix,
            max_tokens=max_tokens,
            threads=threads,
        )
        about = (short_name(texts.name), short_name(encoder.model.name), f"{n_bits}bits", protocol.value)
        folder = out or Path("experiment-" + "-".join(about))
        result = _run(texts, encoder, setup, folder)
        written = _write(result, encoder, folder)
        print_experiment(make_console(), result.report)
        _say(written)


def compare(
    corpus: CorpusArgument,
    models: Annotated[
        str, typer.Option(help="Names or paths, separated by commas.")
    ] = f"{DEMO_MODEL},{FALLBACK_MODEL}",
    n_bits: Bits = 128,
    n_pivots: Pivots = 8,
    protocol: ProtocolOption = Protocol.notebook,
    seed: Seed = 42,
    out: Out = None,
    text: Text = "text",
    id_: Id = None,
    limit: Limit = None,
    skip_bad: SkipBad = False,
    model_dir: ModelDir = None,
    threads: Threads = None,
) -> None:
    """Run the experiment with several models side by side, and say which is for what."""
    from ..errors import InputError
    from ..evaluation.artifacts import short_name
    from ..evaluation.comparison import check_distinct
    from ..evaluation.comparison import compare as compare_models
    from ..evaluation.corpora import load_corpus
    from ..evaluation.protocol import Setup
    from ..evaluation.report import write_comparison
    from .console import make_console, told
    from .tables import print_comparison, print_experiment

    names = [name.strip() for name in models.split(",") if name.strip()]
    if len(names) < 2 or len({name.lower() for name in names}) < len(names):
        raise InputError(f"--models needs two different models or more, separated by commas, got {models!r}")
    with told():
        setup = Setup(protocol.value, n_bits=n_bits, n_pivots=n_pivots, seed=seed)
        texts = load_corpus(corpus, text_field=text, id_field=id_, limit=limit, skip_bad=skip_bad)
        encoders = [encoder_of(name, model_dir=model_dir, threads=threads) for name in names]
        check_distinct(encoder.model for encoder in encoders)
        about = (short_name(texts.name), "compared", f"{n_bits}bits", protocol.value)
        folder = out or Path("experiment-" + "-".join(about))
        console, results, said = make_console(), [], list[str]()
        for encoder in encoders:
            own = folder / short_name(encoder.model.name)
            results.append(_run(texts, encoder, setup, own))
            said += _write(results[-1], encoder, own)
            print_experiment(console, results[-1].report)
        reports = [result.report for result in results]
        comparison = compare_models(reports, encoders, texts, command=command_line())
        facts = comparison.to_dict()
        said.append(_write_json(facts, folder / "comparison.json"))
        said.append(write_html(lambda path: write_comparison(facts, path), folder / "comparison.html"))
        print_comparison(console, comparison)
        _say(said)


def corpora() -> None:
    """List the corpora known by name."""
    from ..evaluation.corpora import list_corpora

    for name, what in list_corpora().items():
        typer.echo(f"{name}\n    {what}")
    typer.echo("a path\n    JSON Lines, CSV, TSV, Parquet, or a folder of .txt and .md files")


def encoder_of(model: str, **options: Any) -> "Encoder":
    """Load a model, saying so while it takes."""
    from ..encoder import Encoder
    from .console import waiting

    with waiting(f"loading {model}"):
        return Encoder(model, **options)


def _run(corpus: "Corpus", encoder: "Encoder", setup: "Setup", folder: Path) -> "Experiment":
    from ..evaluation.experiment import run_experiment
    from ..evaluation.protocol import check_size
    from .console import encode_progress

    check_size(setup, len(corpus), encoder.model.dimension)
    folder.mkdir(parents=True, exist_ok=True)
    with encode_progress(f"embedding, {encoder.model.name.rsplit('/', 1)[-1]}") as progress:
        vectors = encoder.encode_passages(corpus.texts, progress=progress)
    return run_experiment(corpus, encoder, vectors, setup, command=command_line())


def _write(experiment: "Experiment", encoder: "Encoder", folder: Path) -> list[str]:
    """Write the report and the arrays; return what to say of it after the tables."""
    from ..evaluation.artifacts import write_artifacts
    from ..evaluation.report import write_report

    said = [
        _write_json(experiment.report.to_dict(), folder / "report.json"),
        write_html(lambda path: write_report(experiment.report, path), folder / "report.html"),
    ]
    write_artifacts(experiment, encoder, folder)
    return [*said, f"wrote {folder / 'data'}"]


def _demo_index(corpus: "Corpus", encoder: "Encoder", vectors: "FloatArray", path: Path) -> list[str]:
    """Make an index of the vectors that are there, and say how to search it."""
    from ..errors import ModelMismatchError
    from .filling import write_index

    try:
        write_index(path, corpus, encoder, vectors)
    except ModelMismatchError:
        return [f"{path} is of another model, from an earlier run: remove it to have one of this"]
    return [f"wrote {path}, an index: search it with", f'  bitsieve search {path} "{INDEX_QUERY}"']


def _write_json(report: dict[str, Any], path: Path) -> str:
    import json

    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return f"wrote {path}"


def write_html(write: Callable[[Path], object], path: Path) -> str:
    """Write a page if what draws it is installed. Returns: what to say of it."""
    from ..errors import MissingExtraError

    try:
        write(path)
    except MissingExtraError as error:
        return f"no {path.name}: {error}"
    return f"wrote {path}"


def _say(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line)


def command_line() -> str:
    """The command as it was given."""
    return shlex.join(["bitsieve", *sys.argv[1:]])
