"""Searching from an event loop: many at once, each in a thread, while a writer adds."""

import asyncio
import runpy
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_index import unit_vectors

from bitsieve import encoder
from bitsieve.encoder import Encoder
from bitsieve.index import Hits, Index

D = 16


@pytest.mark.usefixtures("small_segments")
def test_50_searches_at_once_answer_each_with_one_generation_while_a_writer_adds(tmp_path: Path) -> None:
    """Generation g holds 20 · (g − 1) documents; vector i is its own nearest, if it is there."""
    vectors = unit_vectors(1_000, D, 5)
    stop = threading.Event()

    def write() -> None:
        with Index.open(tmp_path / "own", write=True) as index:
            for start in range(20, 1_000, 20):
                if stop.is_set():
                    return
                ids = list(range(start, start + 20))
                index.add([f"text {i}" for i in ids], ids=ids, vectors=vectors[start : start + 20])

    with Index.create(tmp_path / "own", dimension=D, n_bits=16) as index:
        index.add([f"text {i}" for i in range(20)], ids=range(20), vectors=vectors[:20])

    async def ask() -> list[tuple[int, Hits]]:
        with Index.open(tmp_path / "own") as index:
            found: list[tuple[int, Hits]] = []
            while len(found) < 250 or found[-1][1].generation < 6:
                rows = np.random.default_rng(len(found)).integers(0, 1_000, 50).tolist()
                hits = await asyncio.gather(
                    *(asyncio.to_thread(index.search, vector=vectors[i], k=1) for i in rows)
                )
                found += zip(rows, hits, strict=True)
            return found

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = asyncio.run(ask())
    finally:
        stop.set()
        writer.join()
    for i, hits in found:
        assert (hits[0].id == str(i)) == (i < 20 * (hits.generation - 1)), (i, hits.generation)
    assert len({hits.generation for _, hits in found}) > 1


def test_a_model_is_loaded_once_however_many_searches_come_first(
    tmp_path: Path, minilm: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    Index.create(tmp_path / "own", model=minilm).close()
    loaded = []

    class Counted(Encoder):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            loaded.append(arguments)
            super().__init__(*arguments, **settings)

    monkeypatch.setattr(encoder, "Encoder", Counted)

    async def ask() -> None:
        with Index.open(tmp_path / "own") as index:
            await asyncio.gather(*(asyncio.to_thread(index.search, "anything") for _ in range(8)))

    asyncio.run(ask())
    assert len(loaded) == 1


def test_the_example_of_a_web_application_answers_many_requests_at_once(
    tmp_path: Path, minilm: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("starlette")
    httpx = pytest.importorskip("httpx")
    with Index.create(tmp_path / "own", model=minilm) as index:
        index.add(
            ["Bread rises.", "Violins sing."], ids=["bread", "violins"], metadata=[{"topic": "food"}, {}]
        )
    monkeypatch.setenv("WIKI_INDEX", str(tmp_path / "own"))
    path = Path(__file__).parents[2] / "examples" / "web.py"
    app = runpy.run_path(str(path))["app"]

    async def ask() -> list[Any]:
        async with app.router.lifespan_context(app) as state:

            async def with_state(scope: Any, receive: Any, send: Any) -> None:
                await app({**scope, "state": dict(state)}, receive, send)

            transport = httpx.ASGITransport(app=with_state)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                asked = ["/search?q=strings", "/search?q=strings&topic=food", "/search"] * 10
                return list(await asyncio.gather(*map(client.get, asked)))

    answers = asyncio.run(ask())
    assert [answer.status_code for answer in answers] == [200, 200, 400] * 10
    assert [hit["id"] for hit in answers[0].json()] == ["violins", "bread"]
    assert [(hit["id"], hit["topic"]) for hit in answers[1].json()] == [("bread", "food")]
