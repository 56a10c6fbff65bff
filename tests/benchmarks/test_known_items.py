"""How known items are asked for, and how their ranks are measured."""

from dataclasses import replace

import numpy as np
import pytest

from bitsieve.evaluation.corpora import Corpus
from fusions import FUSIONS
from known_items import ask, facts
from ranking import bootstrap, differences, estimates, found, ranks, reciprocal

CORPUS = Corpus(
    name="some",
    ids=["0", "1", "2", "3", "4"],
    titles=["Rome", "Bern", "Oslo", "Blue", "Red"],
    texts=["A city in Italy.", "The capital of Switzerland.", "It is in Norway.", "Blue is a colour.", "Red is too."],
    licence="",
    source="",
    metadata=[{"description": "City in Italy"}, {"description": "Bern, a city"}, {}, {"description": "Colour"},
              {"description": "Colour"}],
)  # fmt: skip


def test_each_article_with_a_description_is_asked_for() -> None:
    questions = ask(CORPUS)
    assert questions.texts == ["City in Italy", "Bern, a city", "Colour", "Colour"]
    assert questions.rows.tolist() == [0, 1, 3, 4]
    told = facts(CORPUS, questions)
    assert (told["n_queries"], told["n_without_description"], told["n_of_several_articles"]) == (4, 1, 2)
    assert (told["share_in_lead"], told["share_with_title"]) == (0.5, 0.25)


def test_questions_of_the_same_words_fall_into_the_same_half() -> None:
    texts = [f"description {n % 70}" for n in range(100)]
    many = replace(
        CORPUS, ids=texts, titles=texts, texts=texts, metadata=[{"description": text} for text in texts]
    )
    questions = ask(many)
    halves = [{text for text, tuned in zip(questions.texts, questions.tuned, strict=True) if tuned == half}
              for half in (True, False)]  # fmt: skip
    assert [len(half) for half in halves] == [35, 35]
    assert not halves[0] & halves[1]


def test_mrr_and_recall_of_some_ranks() -> None:
    lists = [[7, 8], [8, 7], [*range(10, 20), 7], []]
    places = ranks(lists, np.array([7, 7, 7, 7]))
    assert places.tolist() == [1, 2, 11, np.inf]
    assert reciprocal(places).tolist() == [1, 0.5, 0, 0]
    assert found(places).tolist() == [1, 1, 0, 0]
    assert (estimates(places)["mrr"]["value"], estimates(places)["recall"]["value"]) == (0.375, 0.5)


def test_an_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    draws = np.random.default_rng(1)
    intervals = [bootstrap((draws.random(400) < 0.3).astype(float)) for _ in range(200)]
    assert 0.9 <= np.mean([interval["low"] <= 0.3 <= interval["high"] for interval in intervals]) <= 0.99


def test_differences_are_paired() -> None:
    places = np.array([1.0, 2, 3, 20] * 25)
    assert differences(places, places)["mrr"] == {"value": 0, "low": 0, "high": 0}
    better = differences(np.maximum(places - 1, 1), places)
    assert better["mrr"]["low"] > 0
    assert better["recall"]["value"] == 0


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("words", [[], [(3, 4.0)], [(3, 4.0), (9, 2.0), (1, 2.0)]])
def test_each_fusion_gives_each_key_once(name: str, words: list[tuple[int, float]]) -> None:
    near = [(1, 0.9), (2, 0.8), (3, 0.1)]
    joined = FUSIONS[name](near, words, 3, 0.5)
    assert sorted(joined) == sorted({1, 2, 3, *(key for key, _ in words)})
