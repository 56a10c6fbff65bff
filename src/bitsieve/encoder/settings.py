"""What a model is run with: the spelling of its name, pooling, limit, prefixes. What the caller says goes first."""

import os
from pathlib import Path

from ..arrays import check_count
from ..errors import InputError, ModelError
from . import hub
from .files import ModelFiles, cached, is_path, open_folder
from .registry import KNOWN, LISTED_PREFIXES
from .runtime import folder_pooling, token_limit


def canonical_name(name: str) -> str:
    """The listed spelling of a model's name."""
    spellings = {known.lower(): known for known in (*KNOWN, *hub.listed())}
    if name.lower() not in spellings:
        raise ModelError(
            f"no model is called {name!r}: `bitsieve models` lists the names; a folder with an ONNX file and "
            "tokenizer.json is named by its path, such as ./my-model"
        )
    return spellings[name.lower()]


def files_here(model: str | Path) -> dict[str, str] | None:
    """The sha256 of a model's files by their names, None where they are not on this machine. Nothing is fetched or run.

    Raises: ModelError when no model is called so, or a folder holds none; DigestError when a file was changed.
    """
    name = os.fspath(model)
    files = open_folder(name) if is_path(name) else cached(canonical_name(name))
    return None if files is None else files.digests


def model_name(name: str, files: ModelFiles) -> str:
    """The name that reports show: the known one, else the listed, else the folder's own."""
    return files.known.name if files.known else Path(name).resolve().name if is_path(name) else name


def settle_pooling(name: str, files: ModelFiles, given: str | None) -> str:
    """The pooling asked for, else what the registry, FastEmbed's list or the folder itself says."""
    if given is not None:
        return given
    if files.known:
        return files.known.pooling
    if name in hub.listed():
        return hub.listed()[name][1]
    pooling = folder_pooling(files.folder)
    if pooling is None:
        raise ModelError(f"{files.folder} does not say how it pools: pass pooling='mean' or pooling='cls'")
    return pooling


def settle_max_tokens(name: str, files: ModelFiles, given: int | None) -> int:
    """Where texts are cut: the limit asked for, else the most that the model takes."""
    limit = files.known.max_tokens if files.known else token_limit(files.folder)
    if given is None:
        if limit is None:
            raise ModelError(f"{files.folder} does not say how many tokens {name} takes: pass max_tokens=")
        return limit
    count = check_count(given, "max_tokens", least=3)
    if limit is not None and count > limit:
        raise InputError(f"max_tokens is {count}, but {name} takes {limit} at most: pass that or less")
    return count


def settle_prefixes(name: str, files: ModelFiles, query: str | None, passage: str | None) -> tuple[str, str]:
    """(query, passage) prefixes: the ones asked for, else those of the model's card."""
    if files.known:
        usual = (files.known.query_prefix, files.known.passage_prefix)
    elif name in LISTED_PREFIXES:
        usual = LISTED_PREFIXES[name]
    else:
        needs = name in hub.listed() and "documents: necessary" in hub.listed()[name][0].description
        if needs and (query is None or passage is None):
            raise ModelError(
                f"{name} needs prefixes that bitsieve does not know: pass query_prefix= and passage_prefix= "
                "from the model's card ('' for none)"
            )
        usual = ("", "")
    return (usual[0] if query is None else query, usual[1] if passage is None else passage)


def licence(name: str, files: ModelFiles) -> str:
    """The licence, as the registry or FastEmbed's list has it."""
    if files.known:
        return files.known.licence
    return hub.listed()[name][0].license if name in hub.listed() else "unknown"
