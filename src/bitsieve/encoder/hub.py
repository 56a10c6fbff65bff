"""The model hub, through FastEmbed: what it lists, whether it answers, and the download.

FastEmbed alone retries an unreachable hub for most of a minute and keeps a file of the right size with the wrong
bytes; `probe` answers within seconds, and files.py checks sha256.
"""

import http.client
import os
import threading
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..downloads import cache_dir
from ..errors import DownloadError
from .registry import KnownModel

if TYPE_CHECKING:
    from fastembed.common.model_description import DenseModelDescription

PROBE_SECONDS = 5.0

POOLING_OF_CLASS = {
    "OnnxTextEmbedding": "cls",
    "PooledEmbedding": "mean",
    "PooledNormalizedEmbedding": "mean",
}
"""FastEmbed's classes whose pooling is one of ours; the others keep theirs ("fastembed")."""


@cache
def listed() -> dict[str, tuple["DenseModelDescription", str]]:
    """What FastEmbed lists: model name → (description, pooling)."""
    from fastembed import TextEmbedding

    return {
        description.model: (description, POOLING_OF_CLASS.get(kind.__name__, "fastembed"))
        for kind in TextEmbedding.EMBEDDINGS_REGISTRY
        if kind.__name__ != "CustomTextEmbedding"
        for description in kind._list_supported_models()
    }


def entry(name: str, known: KnownModel | None) -> "DenseModelDescription | None":
    """The hub's repository and files for a model: our own entry, else FastEmbed's."""
    from fastembed.common.model_description import DenseModelDescription, ModelSource

    if known and known.hub:
        repository, file, size = known.hub
        return DenseModelDescription(
            model=name,
            sources=ModelSource(hf=repository),
            model_file=file,
            description="",
            license=known.licence,
            size_in_GB=size,
            dim=known.dimension,
        )
    return listed()[name][0] if name in listed() else None


def probe(repository: "DenseModelDescription") -> None:
    """Return when the hub sends a model's first byte; raise DownloadError within seconds when it does not.

    The file and not the API is asked for: where only the server with the files does not answer, FastEmbed was
    seen to try for more than six minutes. In a thread of its own, because a name look-up can hang far beyond any
    socket's timeout.
    """
    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    url = f"{endpoint}/{repository.sources.hf}/resolve/main/{repository.model_file}"
    outcome: list[str] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(url, headers={"Range": "bytes=0-0"})
            with urllib.request.urlopen(request, timeout=PROBE_SECONDS) as answer:
                answer.read(1)
            outcome.append("")
        except urllib.error.HTTPError as error:
            error.close()
            outcome.append(f"it answers {error.code} {error.reason} for {url}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            if not isinstance(reason, TimeoutError):  # no answer, whichever clock noticed first
                outcome.append(str(reason) or type(error).__name__)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if not outcome:
        raise DownloadError(f"no answer from {endpoint} within {PROBE_SECONDS:g} s")
    if outcome[0]:
        raise DownloadError(f"{endpoint} cannot be used ({outcome[0]})")


def download(repository: "DenseModelDescription", *, cached_only: bool) -> Path:
    """The folder with a repository's files: from our cache, FastEmbed's own, or the hub.

    Raises: DownloadError.
    """
    from fastembed.common.model_management import ModelManagement
    from fastembed.common.utils import define_cache_dir
    from loguru import logger

    logger.disable("fastembed")  # its retries and errors are told in our own words
    own = str(cache_dir() / "hub")
    problem = "not there"
    for place in (own, None) if cached_only else (own,):
        try:
            path = ModelManagement.download_model(
                repository, str(define_cache_dir(place)), retries=1, local_files_only=cached_only
            )
        except (
            Exception
        ) as error:  # of the hub's client, its transfer library, or the disk: other sources follow
            problem = problem if cached_only else str(error)
            continue
        if (path / repository.model_file).is_file():
            return path
    raise DownloadError(problem)
