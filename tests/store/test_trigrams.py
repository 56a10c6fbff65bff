"""Words of one and two characters, where texts are cut into three characters each."""

import gc
import math
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from bitsieve.store import documents
from bitsieve.store.catalog import Catalog
from bitsieve.store.connections import connect_to_write
from bitsieve.store.disk import Disk
from bitsieve.store.keywords import TOKENIZERS, best_by_keywords

pytestmark = pytest.mark.usefixtures("no_syncs")

Texts = list[str]
Open = Callable[..., Any]


def found(connection: apsw.Connection, query: str, **how: Any) -> list[int]:
    return [key for key, _ in best_by_keywords(connection, "trigram", query, 100, **how)]


def short_texts() -> Texts:
    """200 texts of few different characters."""
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(list("日本東京の a"), rng.integers(1, 12))) for _ in range(200)]


@pytest.mark.parametrize("word", ["東京", "本", "京京", "a", "aa"])
def test_one_or_two_characters_are_found_wherever_they_are_and_score_as_a_word(
    opened: Open, word: str
) -> None:
    texts = short_texts()
    times = {key: len(re.findall(f"(?={word})", text)) for key, text in enumerate(texts, 1) if word in text}
    average = sum(map(len, texts)) / len(texts)
    weight = max(math.log((len(texts) - len(times) + 0.5) / (len(times) + 0.5)), 1e-6)
    with opened(texts, "trigram") as connection:
        hits = best_by_keywords(connection, "trigram", word, 200)
    assert any(text.endswith(word) for text in texts)
    assert dict(hits) == pytest.approx(
        {
            key: weight * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * len(texts[key - 1]) / average))
            for key, n in times.items()
        }
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("東京 画", [1, 2]),
        ("「東京」、画", [1, 2]),
        ("cé", [3]),
        ("CE\u0301", [3]),
        ('京"', [1]),
        ("京*", [1]),
        ("-京", [1]),
        ("*", []),
        ("\0京", [1]),
        ("", []),
    ],
)
def test_short_words_end_at_spaces_and_punctuation_and_are_never_syntax(
    opened: Open, query: str, expected: list[int]
) -> None:
    with opened(["東京", "水墨画", "À Orce", "else"], "trigram") as connection:
        assert sorted(found(connection, query)) == expected


def test_short_words_of_an_expression_take_a_star(opened: Open) -> None:
    with opened(["東京の水墨画", "水墨画"], "trigram") as connection:
        assert found(connection, "水墨画 NOT 東京*", syntax=True) == [2]


def test_of_texts_that_fts5_took_in_by_itself_a_short_word_lacks_at_the_end_alone(
    opened: Open, tmp_path: Path
) -> None:
    with opened([], "trigram") as connection, closing(connect_to_write(tmp_path / "catalog.sqlite")) as plain:
        plain.executemany(
            "INSERT INTO keywords (rowid, text) VALUES (?, ?)", [(1, "東京都"), (2, "都の東京")]
        )
        connection.execute("COMMIT; BEGIN")
        assert found(connection, "東京") == [1]
        assert found(connection, "都の東") == [2]


def test_a_catalog_that_nobody_closes_lets_go_of_its_files(tmp_path: Path) -> None:
    Catalog.create(tmp_path, Disk(), {"tokenizer": "trigram"}, TOKENIZERS["trigram"]).close()
    catalog = Catalog(tmp_path, Disk(), writable=True)
    with catalog.writing() as (connection, _):
        documents.insert(connection, 1, ["a"], ["東京"], None)
    del connection
    assert (tmp_path / "catalog.sqlite-wal").exists()
    del catalog
    gc.collect()
    assert not (tmp_path / "catalog.sqlite-wal").exists()  # the last connection took it away
