"""Laws of the vector cache: what it returns was computed, and its failures are warnings."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bitsieve.arrays import FloatArray
from bitsieve.downloads import cache_dir
from bitsieve.encoder import Encoder, TruncationWarning
from bitsieve.encoder.cache import CachedModel, VectorCache, max_bytes, text_key
from bitsieve.errors import InputError

TEXTS = [f"The {n}th text is about the number {n * n} and little else." for n in range(12)]
MODEL = ("0a" * 32, "a model (float32)")
D = 8


@pytest.fixture
def minilm_path(models: Path) -> Path:
    return models / "all-MiniLM-L6-v2-int8"


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path)


def rows(n: int, *, start: int = 0, d: int = D) -> list[tuple[bytes, FloatArray, int]]:
    return [
        (text_key(MODEL[0], str(i)), np.random.default_rng(i).standard_normal(d, dtype=np.float32), i + 1)
        for i in range(start, start + n)
    ]


def keys(some: list[tuple[bytes, FloatArray, int]]) -> list[bytes]:
    return [row[0] for row in some]


def assert_found(cache: VectorCache, some: list[tuple[bytes, FloatArray, int]]) -> None:
    found = cache.get(keys(some), D)
    assert len(found) == len(some)
    for key, vector, n_tokens in some:
        np.testing.assert_array_equal(found[key][0], vector)
        assert found[key][1] == n_tokens


class TestFile:
    def test_returns_what_was_put(self, cache: VectorCache, tmp_path: Path) -> None:
        put = rows(1_203)  # more than one SELECT
        cache.put(MODEL, put)
        assert_found(cache, put)
        again = VectorCache(tmp_path)
        assert_found(again, put)
        assert again.contents() == [CachedModel(MODEL[1], MODEL[0], len(put), 4 * D * len(put))]

    def test_knows_nothing_of_other_keys(self, cache: VectorCache) -> None:
        cache.put(MODEL, rows(3))
        assert cache.get([text_key(MODEL[0], "other"), text_key("0b" * 32, "0")], D) == {}
        assert cache.get([], D) == {}

    def test_texts_themselves_are_not_in_it(self, minilm_path: Path, tmp_path: Path) -> None:
        Encoder(minilm_path, cache=tmp_path).encode_passages(["a confidential sentence"])
        assert not any(b"confidential" in path.read_bytes() for path in tmp_path.iterdir())

    def test_stays_within_its_bound_and_the_oldest_go_first(self, tmp_path: Path) -> None:
        bound, d = 200_000, 384
        cache = VectorCache(tmp_path, bound=bound)
        for start in range(0, 1_000, 20):
            cache.put(MODEL, rows(20, start=start, d=d))
        assert cache.path.stat().st_size <= bound + 20 * 4 * d + 50_000
        kept = [i for i, key in enumerate(keys(rows(1_000, d=d))) if cache.get([key], d)]
        assert kept == list(range(kept[0], 1_000))
        assert len(kept) * 4 * d > bound / 2

    @pytest.mark.parametrize("n_flips", [1, 40])
    def test_flipped_bits_never_return_another_vector(self, tmp_path: Path, n_flips: int) -> None:
        original = VectorCache(tmp_path / "original")
        put = rows(60)
        original.put(MODEL, put)
        content = original.path.read_bytes()
        rng, n_returned = random.Random(1), 0
        for trial in range(60):
            damaged = bytearray(content)
            for _ in range(n_flips):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            folder = tmp_path / str(trial)
            folder.mkdir()
            (folder / original.path.name).write_bytes(damaged)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                cache = VectorCache(folder)
                found = cache.get(keys(put), D)
                cache.put(MODEL, rows(5, start=100))
                cache.contents()
            expected = {key: (vector, n_tokens) for key, vector, n_tokens in put}
            for key, (vector, n_tokens) in found.items():
                np.testing.assert_array_equal(vector, expected[key][0])
                assert n_tokens == expected[key][1]
            n_returned += len(found)
        assert n_returned > 0

    @pytest.mark.parametrize("garbage", [b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 9_000])
    def test_garbage_is_set_aside_and_begun_anew(self, tmp_path: Path, garbage: bytes) -> None:
        path = tmp_path / "vectors-1.sqlite"
        path.write_bytes(garbage)
        with pytest.warns(UserWarning, match="cannot be read .*: set aside as .*damaged.*, begun anew"):
            cache = VectorCache(tmp_path)
        cache.put(MODEL, rows(3))
        assert_found(cache, rows(3))
        (aside,) = tmp_path.glob("*.damaged-*")
        assert aside.read_bytes() == garbage
        cache.clear()
        assert not list(tmp_path.iterdir())

    def test_a_folder_that_cannot_be_written_is_a_warning(self, tmp_path: Path) -> None:
        blocked = tmp_path / "file"
        blocked.write_text("in the way")
        with pytest.warns(
            UserWarning, match="no vector cache: .* set BITSIEVE_CACHE_DIR to a folder you can"
        ):
            cache = VectorCache(blocked)
        cache.put(MODEL, rows(3))
        assert cache.get(keys(rows(3)), D) == {}
        assert cache.contents() == []

    def test_clear_forgets_everything(self, cache: VectorCache, tmp_path: Path) -> None:
        cache.put(MODEL, rows(3))
        cache.clear()
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("value", ["2 GB", "-1", "1e9", "²"])
    def test_a_bound_that_is_no_number_is_named(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("BITSIEVE_CACHE_MAX_BYTES", value)
        with pytest.raises(
            InputError, match=f"BITSIEVE_CACHE_MAX_BYTES must be a number of bytes, got '{value}'"
        ):
            max_bytes()

    def test_the_bound_can_be_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BITSIEVE_CACHE_MAX_BYTES", "1000")
        assert max_bytes() == 1_000
        monkeypatch.setenv("BITSIEVE_CACHE_MAX_BYTES", "")
        assert max_bytes() == 2 << 30


class TestEncoder:
    def test_the_same_texts_again_embed_nothing(self, minilm_path: Path, tmp_path: Path) -> None:
        first = Encoder(minilm_path, cache=tmp_path)
        vectors = first.encode_passages([*TEXTS, TEXTS[0]])
        assert (first.stats.n_embedded, first.stats.n_cached) == (len(TEXTS) + 1, 0)
        second = Encoder(minilm_path, cache=str(tmp_path))
        np.testing.assert_array_equal(second.encode_passages([*TEXTS, TEXTS[0]]), vectors)
        assert (second.stats.n_embedded, second.stats.n_cached) == (0, len(TEXTS) + 1)

    def test_only_new_texts_are_embedded(self, minilm_path: Path, minilm: Encoder, tmp_path: Path) -> None:
        encoder = Encoder(minilm_path, cache=tmp_path)
        encoder.encode_passages(TEXTS[:4])
        vectors = encoder.encode_passages(TEXTS[::-1])
        assert (encoder.stats.n_texts, encoder.stats.n_embedded, encoder.stats.n_cached) == (12, 8, 4)
        np.testing.assert_allclose(vectors, minilm.encode_passages(TEXTS[::-1]), atol=2e-6)

    def test_cut_texts_are_counted_and_warned_of_from_the_cache_too(
        self, minilm_path: Path, tmp_path: Path
    ) -> None:
        encoder = Encoder(minilm_path, cache=tmp_path)
        for n_cached in (0, 2):
            with pytest.warns(TruncationWarning, match="1 of 2 texts"):
                encoder.encode_passages(["cat " * 300, "a dog"])
            assert (encoder.stats.n_truncated, encoder.stats.n_cached) == (1, n_cached)

    def test_queries_are_not_kept(self, minilm_path: Path, tmp_path: Path) -> None:
        encoder = Encoder(minilm_path, cache=tmp_path)
        encoder.encode_queries(TEXTS)
        assert VectorCache(tmp_path).contents() == []
        encoder.encode_passages(TEXTS)
        encoder.encode_queries(TEXTS)
        assert encoder.stats.n_cached == 0

    def test_lies_where_it_is_asked_for_or_nowhere(
        self, minilm_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BITSIEVE_CACHE_DIR", str(tmp_path / "default"))
        Encoder(minilm_path, cache=False).encode_passages(TEXTS[:1])
        assert not cache_dir().exists()
        Encoder(minilm_path, cache=tmp_path / "own").encode_passages(TEXTS[:1])
        assert not cache_dir().exists()
        assert VectorCache(tmp_path / "own").contents()
        Encoder(minilm_path).encode_passages(TEXTS[:1])
        assert VectorCache(cache_dir()).contents()

    def test_models_limits_poolings_and_prefixes_do_not_mix(
        self, models: Path, minilm_path: Path, tmp_path: Path
    ) -> None:
        encoders = [
            Encoder(minilm_path, cache=tmp_path),
            Encoder(minilm_path, cache=tmp_path, pooling="cls"),
            Encoder(minilm_path, cache=tmp_path, max_tokens=8),
            Encoder(minilm_path, cache=tmp_path, passage_prefix="p: "),
            Encoder(models / "e5-small-v2-int8", cache=tmp_path),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncationWarning)
            fresh = [encoder.encode_passages(TEXTS[:2]) for encoder in encoders]
            assert [encoder.stats.n_cached for encoder in encoders] == [0] * len(encoders)
            for encoder, vectors in zip(encoders, fresh, strict=True):
                np.testing.assert_array_equal(encoder.encode_passages(TEXTS[:2]), vectors)
                assert encoder.stats.n_cached == 2
        assert len({vectors.tobytes() for vectors in fresh}) == len(encoders)

    def test_a_flipped_byte_in_a_vector_is_embedded_again(self, minilm_path: Path, tmp_path: Path) -> None:
        encoder = Encoder(minilm_path, cache=tmp_path)
        vectors = encoder.encode_passages(TEXTS)
        with sqlite3.connect(tmp_path / "vectors-1.sqlite") as database:
            blob = bytearray(database.execute("SELECT vector FROM vectors WHERE id = 3").fetchone()[0])
            blob[100] ^= 1
            database.execute("UPDATE vectors SET vector = ? WHERE id = 3", (bytes(blob),))
        database.close()
        for n_embedded in (1, 0):
            np.testing.assert_allclose(encoder.encode_passages(TEXTS), vectors, atol=2e-6)
            assert encoder.stats.n_embedded == n_embedded

    def test_without_a_usable_cache_encoding_works(self, minilm_path: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.warns(UserWarning, match="no vector cache"):
            encoder = Encoder(minilm_path, cache=tmp_path / "file")
        assert encoder.encode_passages(TEXTS[:1]).shape == (1, 384)

    def test_a_cache_that_is_lost_on_the_way_is_a_warning(self, minilm_path: Path, tmp_path: Path) -> None:
        encoder = Encoder(minilm_path, cache=tmp_path / "cache")
        vectors = encoder.encode_passages(TEXTS)
        (tmp_path / "cache" / "vectors-1.sqlite").write_bytes(b"\xff" * 20_000)
        with pytest.warns(UserWarning, match="begun anew"):
            np.testing.assert_allclose(encoder.encode_passages(TEXTS), vectors, atol=2e-6)
        encoder.encode_passages(TEXTS)
        assert encoder.stats.n_embedded == 0
        shutil.rmtree(tmp_path / "cache")


LONG_TEXTS = [f"Text {n}: " + "the quick brown fox jumps over the lazy dog, " * 8 for n in range(80)]
SCRIPT = """
import signal, sys
from pathlib import Path
import bitsieve.encoder.encoder as module
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs tests in the background has it ignored
model, cache, seconds, texts = sys.argv[1:]
module.SAVE_SECONDS = float(seconds)
encoder = module.Encoder(model, cache=cache, threads=1)
try:
    encoder.encode_passages(
        Path(texts).read_text().split("\\n"), progress=lambda done, n: print(done, flush=True)
    )
except KeyboardInterrupt:
    sys.exit(3)
"""


class TestProcesses:
    @pytest.fixture
    def command(self, minilm_path: Path, tmp_path: Path) -> list[str]:
        (tmp_path / "texts").write_text("\n".join(LONG_TEXTS))
        return [sys.executable, "-c", SCRIPT, str(minilm_path), str(tmp_path), "0", str(tmp_path / "texts")]

    @pytest.mark.parametrize(
        ("stop", "save_seconds"),
        [(signal.SIGKILL, "0"), (signal.SIGINT, "1000")],
        ids=["SIGKILL", "SIGINT"],
    )
    def test_a_stopped_run_is_gone_on_with(
        self,
        command: list[str],
        stop: signal.Signals,
        save_seconds: str,
        minilm_path: Path,
        minilm: Encoder,
        tmp_path: Path,
    ) -> None:
        command[5] = save_seconds
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout
            for line in run.stdout:
                if int(line) > len(LONG_TEXTS) // 4:  # early: it must not be done before the signal comes
                    os.kill(run.pid, stop)
                    run.stdout.read()  # or it would die of the closed pipe, if it wrote before the signal came
                    break
        assert run.returncode == (3 if stop == signal.SIGINT else -stop)
        encoder = Encoder(minilm_path, cache=tmp_path)
        vectors = encoder.encode_passages(LONG_TEXTS)
        assert 10 <= encoder.stats.n_cached < len(LONG_TEXTS)
        np.testing.assert_allclose(vectors, minilm.encode_passages(LONG_TEXTS), atol=2e-6)

    def test_two_writers_at_once_both_write(
        self, command: list[str], minilm_path: Path, tmp_path: Path
    ) -> None:
        runs = []
        for part in (LONG_TEXTS[:40], LONG_TEXTS[20:60]):
            path = tmp_path / f"part-{len(runs)}"
            path.write_text("\n".join(part))
            runs.append(
                subprocess.Popen(
                    [*command[:-1], str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
                )
            )
        assert [run.communicate(timeout=60)[1] for run in runs] == ["", ""]
        encoder = Encoder(minilm_path, cache=tmp_path)
        encoder.encode_passages(LONG_TEXTS[:60])
        assert encoder.stats.n_cached == 60


def test_threads_share_one_cache(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    digest = "ab" * 32
    vector = np.full(8, 0.5, np.float32)

    def work(thread: int) -> int:
        keys = [text_key(digest, f"{thread}-{i}") for i in range(40)]
        for key in keys:
            cache.put((digest, "a model"), [(key, vector, 3)])
            cache.contents()
        return len(cache.get(keys, 8))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [40] * 4
    assert [model.n_vectors for model in cache.contents()] == [160]
