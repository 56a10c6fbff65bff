"""`Encoder`: texts in, unit vectors out; the same text gives the same vector whatever stands beside it."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import FloatArray, check_count
from ..downloads import cache_dir
from ..errors import InputError, TextError, warn_caller
from .batching import batches_by_length
from .cache import VectorCache, text_key
from .chunks import Chunking, Span, split
from .files import is_path, locate, open_folder
from .model import Model
from .runtime import POOLINGS, Runtime
from .settings import canonical_name, licence, model_name, settle_max_tokens, settle_pooling, settle_prefixes

Progress = Callable[[int, int], None]
"""Called with (texts done, texts in all), the last time with all of them done; never for no texts."""

WINDOW = 8192
"""Texts sorted by length together; bounds the memory for tokens, and the wait for the first vector."""

SAVE_SECONDS = 2.0
"""How often finished vectors go into the cache: what a killed run loses at most."""


class TruncationWarning(UserWarning):
    """Some texts were longer than the model's limit and were cut."""


@dataclass(frozen=True)
class EncodeStats:
    """What one call did: texts given, embedded now, found in the cache, cut at the limit; seconds it took."""

    n_texts: int
    n_embedded: int
    n_cached: int
    n_truncated: int
    seconds: float


class Encoder:
    """Turns texts into unit vectors with an ONNX model, through FastEmbed, on the CPU.

    model: a name (`bitsieve models` lists them) or the path of a folder with an ONNX file and tokenizer.json.
    model_dir: a folder that holds model folders (default: BITSIEVE_MODEL_DIR).
    pooling: "cls" or "mean". query_prefix, passage_prefix: put before each text. max_tokens: where a text is cut,
        special tokens included. What is None comes from the registry of models or from the folder itself.
    cache: True keeps vectors of passages on disk (see `bitsieve cache`), a path keeps them there, False nowhere.
    threads: calls of the model at once, one thread each (default: one for each CPU this process may use).
    offline: fetch nothing.
    Raises: ModelError when the model is unknown or cannot be had; DigestError when a file was changed.
    """

    model: Model
    """What made the vectors."""
    made_from: str
    """What finds the model again: its name, or the absolute path of its folder."""
    stats: EncodeStats
    """What the last call did."""
    threads: int
    """Of the CPU."""
    load_seconds: float
    """Seconds from a located model to a loaded one."""

    def __init__(
        self,
        model: str | Path = "BAAI/bge-small-en-v1.5",
        *,
        model_dir: str | Path | None = None,
        pooling: str | None = None,
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
        max_tokens: int | None = None,
        cache: bool | str | Path = True,
        threads: int | None = None,
        offline: bool | None = None,
    ) -> None:
        if pooling not in (None, *POOLINGS):
            raise InputError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        self.threads = available_cpus() if threads is None else check_count(threads, "threads")
        name = os.fspath(model)
        name = name if is_path(name) else canonical_name(name)
        self.made_from = str(Path(name).expanduser().resolve()) if is_path(name) else name
        files = open_folder(name) if is_path(name) else locate(name, model_dir=model_dir, offline=offline)
        pooling = settle_pooling(name, files, pooling)
        max_tokens = settle_max_tokens(name, files, max_tokens)
        prefixes = settle_prefixes(name, files, query_prefix, passage_prefix)

        started = time.perf_counter()
        self._runtime = Runtime(files, name=name, pooling=pooling, max_tokens=max_tokens)
        self.load_seconds = time.perf_counter() - started
        alone = files.one_text_a_call
        self.model = Model(
            name=model_name(name, files),
            weights=files.label,
            dimension=self._runtime.dimension,
            pooling=pooling,
            max_tokens=max_tokens,
            query_prefix=prefixes[0],
            passage_prefix=prefixes[1],
            licence=licence(name, files),
            files=files.digests,
            size_bytes=files.size_bytes,
            source=files.source,
            one_text_a_call=self._runtime.depends_on_batch() if alone is None else alone,
        )
        self._cache = None if cache is False else VectorCache(cache_dir() if cache is True else Path(cache))
        self.stats = EncodeStats(0, 0, 0, 0, 0.0)

    def encode_passages(self, texts: Sequence[str], *, progress: Progress | None = None) -> FloatArray:
        """Embed texts that are searched.

        texts: n strings, none of them blank. progress: called with (done, n).
        Returns: (n, d) float32, rows of L2 norm 1, in the order of the texts.
        Raises: TextError for a text that is no string, blank, or holds a lone surrogate. Warns: TruncationWarning.
        """
        return self._encode(texts, self.model.passage_prefix, progress, self._cache)

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts to search with; nothing of them is kept on disk.

        texts: n strings, none of them blank.
        Returns: (n, d) float32, rows of L2 norm 1, in the order of the texts.
        Raises: TextError for a text that is no string, blank, or holds a lone surrogate. Warns: TruncationWarning.
        """
        return self._encode(texts, self.model.query_prefix, None, None)

    def split(self, texts: Sequence[str], chunking: Chunking) -> list[list[Span]]:
        """Cut long texts into passages, as many sentences to each as the model takes at once.

        texts: n strings, none blank. A sentence over the limit is cut after a clause, else a word, else a token.
        Returns: for each text its passages' (start, stop) in characters, in order, no space at either end; whatever
            is not space is in one of them, and in no other unless they are to overlap.
        Raises: TextError as `encode_passages` does; InputError when the chunking does not go with the model.
        """
        return split(check_texts(texts), chunking, runtime=self._runtime, model=self.model)

    def _encode(
        self, texts: Sequence[str], prefix: str, progress: Progress | None, cache: VectorCache | None
    ) -> FloatArray:
        started = time.perf_counter()
        prefixed = [prefix + text for text in check_texts(texts)]
        vectors = np.empty((len(prefixed), self.model.dimension), dtype=np.float32)
        n_embedded = n_truncated = 0
        for start in range(0, len(prefixed), WINDOW):
            window = prefixed[start : start + WINDOW]
            step = _Progress(progress, start, len(prefixed))
            found, fresh = self._window(window, step, cache)
            n_embedded += fresh
            for row, text in enumerate(window, start):
                vectors[row], n_tokens = found[text]
                n_truncated += n_tokens > self.model.max_tokens
        seconds = time.perf_counter() - started
        n_cached = len(prefixed) - n_embedded
        self.stats = EncodeStats(len(prefixed), n_embedded, n_cached, n_truncated, seconds)
        if n_truncated:
            warn_caller(
                f"{n_truncated:,} of {len(prefixed):,} texts are longer than {self.model.max_tokens} tokens "
                "and were cut there",
                TruncationWarning,
                every_time=True,
            )
        return vectors

    def _window(
        self, texts: Sequence[str], progress: "_Progress", cache: VectorCache | None
    ) -> tuple[dict[str, tuple[FloatArray, int]], int]:
        """Vectors and token counts of the different texts of a window, and how many texts were embedded."""
        digest = self.model.vectors_digest
        keys = {text: text_key(digest, text) for text in dict.fromkeys(texts)}
        cached = cache.get(list(keys.values()), self.model.dimension) if cache else {}
        found = {text: cached[key] for text, key in keys.items() if key in cached}
        missing = [text for text in keys if text not in found]
        times = dict.fromkeys(missing, 0)
        for text in texts:
            if text in times:
                times[text] += 1
        progress.advance(len(texts) - sum(times.values()))

        lengths = self._runtime.lengths(missing)
        capped = [min(length, self.model.max_tokens) for length in lengths]
        unsaved: list[tuple[bytes, FloatArray, int]] = []
        saved_at = time.monotonic()

        def save() -> None:
            if cache and unsaved:
                cache.put((digest, f"{self.model.name} ({self.model.weights})"), unsaved)
                unsaved.clear()

        batches = batches_by_length(capped, one_text_a_call=self.model.one_text_a_call)
        pool = ThreadPoolExecutor(self.threads)
        try:
            calls = {
                pool.submit(self._runtime.embed, [missing[i] for i in batch]): batch for batch in batches
            }
            for call in as_completed(calls):
                batch = calls.pop(call)
                for index, vector in zip(batch, call.result(), strict=True):
                    text = missing[index]
                    found[text] = vector, lengths[index]
                    unsaved.append((keys[text], vector, lengths[index]))
                progress.advance(sum(times[missing[index]] for index in batch))
                if time.monotonic() - saved_at > SAVE_SECONDS:
                    save()
                    saved_at = time.monotonic()
        finally:
            pool.shutdown(cancel_futures=True)
            save()  # also after Ctrl-C: the next run goes on from here
        return found, sum(times.values())


class _Progress:
    def __init__(self, call: Progress | None, done: int, total: int) -> None:
        self._call, self._done, self._total = call, done, total

    def advance(self, n: int) -> None:
        self._done += n
        if self._call and n:
            self._call(self._done, self._total)


def available_cpus() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_texts(texts: Sequence[str]) -> list[str]:
    """Return the texts as a list, or raise TextError for the first that cannot be embedded."""
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise TextError(f"expected a list of texts, got one {type(texts).__name__}: pass [text]")
    checked = list(texts)
    for row, text in enumerate(checked):
        if not isinstance(text, str):
            raise TextError(f"text {row} is {type(text).__name__}, expected str: {text!r:.60}")
        if not text.strip():
            raise TextError(
                f"text {row} is empty or blank: leave such texts out, they have no meaning to find"
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise TextError(
                f"text {row} holds a lone surrogate at character {error.start}: decode its source again, "
                "or replace it with text.encode('utf-8', 'replace').decode()"
            ) from error
    return checked
