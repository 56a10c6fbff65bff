"""Does a search find what people look for? Articles of Wikipedia, asked for by their descriptions.

    make bench-search                                       all models that can be had, about a quarter of an hour
    .venv/bin/python benchmarks/known_items.py --texts 1000 --out /tmp    a quick look

A query is an article's `description`, such as "Painting by Georges Seurat", and the one right answer its lead text:
the reciprocal of its rank among the first ten (MRR@10), and whether it is there (recall@10). How hits of vectors and
of keywords are joined is tuned on one half of the descriptions; "reported" is of the other half. Vectors are compared
exactly.
"""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from bitsieve import Encoder, Index
from bitsieve.errors import BitsieveError
from bitsieve.evaluation.corpora import Corpus, load_corpus
from bitsieve.evaluation.machine import describe_machine
from bitsieve.index.answering import FUSED
from bitsieve.index.fusion import WEIGHT
from bitsieve.store import keywords
from commit import commit
from fusions import FUSIONS, OURS, PLAIN, WEIGHTS, Scored
from ranking import INTERVALS, K, differences, estimates, found, ranks, reciprocal

RESULTS = Path(__file__).parent / "results"
MODELS = ("BAAI/bge-small-en-v1.5", "sentence-transformers/all-MiniLM-L6-v2", "intfloat/e5-small-v2")
TOKENIZERS = ("unicode61", "porter")
SEED = 0
BATCH = 200
RULE = (
    "the highest mean MRR@10 over models and tokenizers of those ways whose recall@10 is nowhere below that of the "
    "better of the two lists"
)

Lists = list[Scored]


@dataclass(frozen=True, eq=False)
class Questions:
    """texts: q descriptions. rows: (q,) of the right answers in the corpus. tuned: (q,) whether to tune on it."""

    texts: list[str]
    rows: NDArray[np.int64]
    tuned: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Answers:
    """For each question a list of rows and scores: by model, by tokenizer, and by tokenizer without common words."""

    vector: dict[str, Lists] = field(default_factory=dict)
    keyword: dict[str, Lists] = field(default_factory=dict)
    uncommon: dict[str, Lists] = field(default_factory=dict)

    def pairs(self) -> Iterator[tuple[str, str, Lists, Lists]]:
        """Each model with each tokenizer, and their lists."""
        for model, vector in self.vector.items():
            for tokenizer, keyword in self.keyword.items():
                yield model, tokenizer, vector, keyword


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, help="the first so many leads; all 10,000 where left out")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    measured = commit()  # before the first result is written over
    corpus = load_corpus("wikipedia-en", limit=options.texts, metadata=None)
    questions = ask(corpus)
    answers = answer(corpus, questions)
    points = tune(answers, questions)
    report = {
        "what": "known items: leads of Wikipedia asked for by their articles' descriptions",
        **facts(corpus, questions),
        "k": K,
        "n_joined": FUSED,
        "seed": SEED,
        "intervals": INTERVALS,
        "commit": measured,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "tuning": {
            "rule": RULE,
            "best": max((p for p in points if p["keeps_recall"]), key=lambda p: p["mean_mrr"], default=None),
            "default": {"fusion": OURS, "weight": WEIGHT},
            "points": points,
        },
        "reported": list(compare(answers, questions)),
        "uncommon_words": list(compare_uncommon(answers, questions)),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "known-items.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")


def ask(corpus: Corpus) -> Questions:
    """A question for each article with a description; those of the same words fall into the same half."""
    asked = {
        row: about["description"] for row, about in enumerate(corpus.metadata) if about.get("description")
    }
    different = list(dict.fromkeys(asked.values()))
    chosen = np.random.default_rng(SEED).permutation(len(different))[: len(different) // 2]
    tuned = {different[place] for place in chosen}
    texts = list(asked.values())
    return Questions(texts, np.array(list(asked)), np.array([text in tuned for text in texts]))


def facts(corpus: Corpus, questions: Questions) -> dict[str, Any]:
    """What was asked of what."""
    texts, articles = questions.texts, questions.rows.tolist()
    times = Counter(texts)
    in_lead = [text.lower() in corpus.texts[row].lower() for text, row in zip(texts, articles, strict=True)]
    with_title = [
        corpus.titles[row].lower() in text.lower() for text, row in zip(texts, articles, strict=True)
    ]
    return {
        "corpus": corpus.name,
        "corpus_digest": corpus.digest,
        "n_texts": len(corpus),
        "n_queries": len(texts),
        "n_without_description": len(corpus) - len(texts),
        "n_tuned": int(questions.tuned.sum()),
        "n_reported": int((~questions.tuned).sum()),
        "n_of_several_articles": sum(n for n in times.values() if n > 1),
        "words_a_query": float(np.mean([len(text.split()) for text in texts])),
        "share_in_lead": float(np.mean(in_lead)),
        "share_with_title": float(np.mean(with_title)),
    }


def answer(corpus: Corpus, questions: Questions) -> Answers:
    """Search for all questions by each model at hand and each tokenizer, in indexes of the whole corpus."""
    answers = Answers()
    for name in MODELS:
        try:
            encoder = Encoder(name)
        except BitsieveError as error:
            print(f"{name} is left out: {error}")
            continue
        vectors = encoder.encode_queries(questions.texts)
        for tokenizer in TOKENIZERS:
            with index_of(corpus, encoder, tokenizer) as index:
                if name not in answers.vector:
                    answers.vector[name] = hits(index, questions, "vector", vectors)
                if tokenizer not in answers.keyword:
                    answers.keyword[tokenizer] = hits(index, questions, "keyword")
                    with patch.object(keywords, "SPARED", 0):
                        answers.uncommon[tokenizer] = hits(index, questions, "keyword")
                check(index, questions, vectors, answers.vector[name], answers.keyword[tokenizer])
            print(f"{name}, {tokenizer}: searched", flush=True)
    if not answers.vector:
        raise SystemExit("no model is at hand: see docs/encoder.md for where they come from")
    return answers


@contextmanager
def index_of(corpus: Corpus, encoder: Encoder, tokenizer: str) -> Iterator[Index]:
    """An index of the texts, whose ids are their rows."""
    with (
        tempfile.TemporaryDirectory(prefix="bitsieve-known-items-") as folder,
        Index.create(Path(folder) / "index", model=encoder, tokenizer=tokenizer) as index,
    ):
        index.add(corpus.texts, ids=range(len(corpus)))
        yield index


def hits(
    index: Index, questions: Questions, mode: Any, vectors: Any = None, k: int = FUSED, n: int | None = None
) -> Lists:
    """Rows and scores for each of the first n questions, all where n is left out."""
    texts, lists = questions.texts[:n], []
    for start in range(0, len(texts), BATCH):  # hits hold their texts
        part = slice(start, start + BATCH)
        of_part = index.search_batch(
            texts[part],
            k,
            vectors=None if vectors is None else vectors[: len(texts)][part],
            mode=mode,
            n_candidates=len(index),
        )
        lists += [[(int(hit.id), hit.score) for hit in found] for found in of_part]
    return lists


def check(index: Index, questions: Questions, vectors: Any, vector: Lists, keyword: Lists) -> None:
    """Refuse to measure what is not what a hybrid search finds."""
    both = hits(index, questions, "hybrid", vectors, K, n=BATCH)
    joined = [FUSIONS[OURS](*of_query, FUSED, WEIGHT)[:K] for of_query in zip(vector, keyword, strict=True)]
    if joined[: len(both)] != [[row for row, _ in found] for found in both]:
        raise SystemExit("a hybrid search does not join what its two halves find as fusions.py does")


def places_of(lists: Lists, questions: Questions) -> NDArray[np.float64]:
    """(q,) ranks of the right answers."""
    return ranks([[row for row, _ in of_query] for of_query in lists], questions.rows)


def joined_places(
    name: str, weight: float, vector: Lists, keyword: Lists, questions: Questions, asked: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Ranks of the right answers to the questions `asked` when lists are joined in a way."""
    join = FUSIONS[name]
    lists = [join(vector[i], keyword[i], FUSED, weight)[:K] for i in np.flatnonzero(asked)]
    return ranks(lists, questions.rows[asked])


def tune(answers: Answers, questions: Questions) -> list[dict[str, Any]]:
    """Each way and weight on the half to tune on."""
    half, points = questions.tuned, []
    singles = {
        id(lists): places_of(lists, questions)[half]
        for lists in (*answers.vector.values(), *answers.keyword.values())
    }
    for name in FUSIONS:
        for weight in WEIGHTS:
            settings = []
            for model, tokenizer, vector, keyword in answers.pairs():
                places = joined_places(name, weight, vector, keyword, questions, half)
                better = max(found(singles[id(lists)]).mean() for lists in (vector, keyword))
                settings.append(
                    {
                        "model": model,
                        "tokenizer": tokenizer,
                        "mrr": float(reciprocal(places).mean()),
                        "recall": float(found(places).mean()),
                        "keeps_recall": bool(found(places).mean() >= better),
                    }
                )
            point = {
                "fusion": name,
                "weight": weight,
                "mean_mrr": float(np.mean([setting["mrr"] for setting in settings])),
                "mean_recall": float(np.mean([setting["recall"] for setting in settings])),
                "keeps_recall": all(setting["keeps_recall"] for setting in settings),
                "settings": settings,
            }
            points.append(point)
            print(
                f"{name:40} {weight}: MRR@10 {point['mean_mrr']:.4f}, recall@10 {point['mean_recall']:.4f}"
                f"{'' if point['keeps_recall'] else ', loses recall'}",
                flush=True,
            )
    return points


def compare(answers: Answers, questions: Questions) -> Iterator[dict[str, Any]]:
    """Each search on the other half: keywords, vectors, and both joined, plainly and as the library does."""
    half = ~questions.tuned
    singles = {}
    for mode, by_name in (("keyword", answers.keyword), ("vector", answers.vector)):
        for name, lists in by_name.items():
            singles[name] = places_of(lists, questions)[half]
            yield {"mode": mode, "by": [name], **estimates(singles[name])}
    for model, tokenizer, vector, keyword in answers.pairs():
        for mode, (name, weight) in (("ranks", PLAIN), ("hybrid", (OURS, WEIGHT))):
            places = joined_places(name, weight, vector, keyword, questions, half)
            yield {
                "mode": mode,
                "by": [model, tokenizer],
                **estimates(places),
                "over_vector": differences(places, singles[model]),
                "over_keyword": differences(places, singles[tokenizer]),
            }


def compare_uncommon(answers: Answers, questions: Questions) -> Iterator[dict[str, Any]]:
    """What passing over common words changes, were these texts so many that it is done: on all questions."""
    for tokenizer, lists in answers.uncommon.items():
        places = places_of(lists, questions)
        all_words = places_of(answers.keyword[tokenizer], questions)
        yield {"by": [tokenizer], **estimates(places), "over_all_words": differences(places, all_words)}


if __name__ == "__main__":
    main()
