"""Parquet shards of a data set on the Hugging Face hub. An unreachable hub costs seconds, not minutes."""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CorpusError
from .parquet import read_parquet

DEADLINE = 5.0
"""Seconds until the hub counts as out of reach. The client has time limits of its own, but none for DNS."""


@dataclass(frozen=True)
class Shards:
    """The files of one config, in order, at one revision (a commit) of the data set."""

    data_set: str
    revision: str
    paths: list[str]


def list_shards(data_set: str, config: str) -> Shards:
    """Ask the hub for the Parquet files of `config`, for example `20231101.en`.

    Raises: CorpusError when the hub does not answer in time or has no such config.
    """
    answers: queue.Queue[Any] = queue.Queue()

    def ask() -> None:
        try:
            answers.put(_describe(data_set))
        except Exception as error:  # whatever it is, it belongs to the thread that waits
            answers.put(error)

    # A daemon thread, because one that hangs in a DNS look-up would also hold up the end of the process.
    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=DEADLINE)
    except queue.Empty:
        raise _unreachable(data_set, f"no answer within {DEADLINE:g} s") from None
    if isinstance(answer, Exception):
        raise _unreachable(data_set, f"{type(answer).__name__}: {answer}") from answer
    revision, paths = answer
    shards = sorted(path for path in paths if path.startswith(f"{config}/") and path.endswith(".parquet"))
    if not shards:
        known = sorted({path.split("/")[0] for path in paths if path.endswith(".parquet")})
        raise CorpusError(
            f"{data_set} has no config {config!r}: expected one of its {len(known)}, such as {known[:5]}"
        )
    return Shards(data_set, revision, shards)


def read_shards(shards: Shards, *, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield rows shard by shard; a shard is downloaded when its first row is asked for.

    Raises: CorpusError when a shard cannot be downloaded or read.
    """
    for path in shards.paths:
        yield from read_parquet(_download(shards, path), lambda _: columns)


def _describe(data_set: str) -> tuple[str, list[str]]:
    """One request for both the current commit and the names of all files."""
    from huggingface_hub import HfApi

    info = HfApi().dataset_info(data_set, timeout=DEADLINE)
    return info.sha or "main", [file.rfilename for file in info.siblings or []]


def _download(shards: Shards, path: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(shards.data_set, path, repo_type="dataset", revision=shards.revision))
    except Exception as error:  # its HTTP library's, its own and the disk's errors share no base class
        raise _unreachable(f"{path} of {shards.data_set}", f"{type(error).__name__}: {error}") from error


def _unreachable(what: str, reason: str) -> CorpusError:
    return CorpusError(
        f"the hub does not give {what} ({reason.strip()[:300]}): "
        "check the connection, or use 'wikipedia-en', which comes in a Python package"
    )
