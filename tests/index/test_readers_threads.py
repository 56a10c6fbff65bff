"""Threads share an index: each answer is of one generation, writers take turns, closing waits for nobody's answer."""

import threading
import time
from pathlib import Path

import pytest
from small_index import ask, build_index, given, small_thresholds, vectors_of

from bitsieve.errors import BitsieveError
from bitsieve.index import Index

N_THREADS = 8


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build_index(tmp_path / "index")
    return tmp_path / "index"


def test_threads_search_one_index_while_another_writes(root: Path) -> None:
    stop = threading.Event()
    problems: list[str] = []
    with small_thresholds(), Index.open(root, write=True) as index, Index.open(root) as reader:
        # Of each commit there are two documents with its number: an answer that had one without the other, or of
        # two numbers, would be of no generation.
        def put(number: int) -> None:
            index.upsert(**given(600, 2, seed=number) | {"metadata": [{"number": number}] * 2})

        put(0)
        first = index.stats().generation

        def search(shared: Index) -> None:
            last = 0
            query = vectors_of(600, 2)
            while not stop.is_set():
                hits = shared.search_batch(vectors=query, k=2, where={"number": {"$exists": True}})
                numbers = {hit.metadata["number"] for of_query in hits for hit in of_query}
                generation = hits[0].generation
                found = len(numbers), hits[1].generation, [len(of_query) for of_query in hits]
                if found != (1, generation, [2, 2]) or numbers != {generation - first} or generation < last:
                    problems.append(f"{numbers} at {generation} after {last}: {found}")
                last = generation

        threads = [threading.Thread(target=search, args=([index, reader][i % 2],)) for i in range(N_THREADS)]
        for thread in threads:
            thread.start()
        for number in range(1, 41):
            put(number)
        stop.set()
        for thread in threads:
            thread.join()
    assert problems == []


def test_writing_threads_take_turns(root: Path) -> None:
    with small_thresholds(), Index.open(root, write=True) as index:
        before = index.stats().generation
        threads = [
            threading.Thread(target=lambda i=i: index.add(**given(600 + i, 1))) for i in range(N_THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert index.stats().generation == before + N_THREADS
        assert all(f"id-{600 + i}" in index for i in range(N_THREADS))


def test_closing_while_threads_search_ends_their_searches_with_an_answer_or_an_error(root: Path) -> None:
    for _ in range(10):
        index = Index.open(root)
        others: list[BaseException] = []

        def search(index: Index = index, others: list[BaseException] = others) -> None:
            try:
                while True:
                    ask(index)
            except BitsieveError:
                pass
            except BaseException as error:
                others.append(error)

        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        index.close()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
        assert others == []
