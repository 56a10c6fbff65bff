"""A codec on disk: a folder of .npy files and a codec.json that describes them.

    codec/
      codec.json     format, version, parameters, conventions; dtype, shape and sha256 of each array
      mean.npy …     plain NumPy files, readable without bitsieve, never pickled

A folder appears whole or not at all: it is written beside its place, synced to disk, and renamed.
"""

import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, InputError, NewerFormatError
from ..version import __version__

DESCRIPTION = "codec.json"


@dataclass(frozen=True)
class Layout:
    """What a kind of codec keeps on disk.

    format, version: its name and the version of this layout.
    parameters: names of plain JSON values.
    arrays: name → dtype and shape, its sizes named: one name is one size throughout, and that of the
        parameter where one is called so.
    conventions: how to use the arrays, for readers in other languages.
    """

    format: str
    version: int
    parameters: tuple[str, ...]
    arrays: Mapping[str, tuple[str, tuple[str, ...]]]
    conventions: Mapping[str, str]


def write_bundle(
    folder: str | PathLike[str],
    layout: Layout,
    parameters: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    *,
    overwrite: bool = False,
) -> None:
    """Write a codec, all of it or nothing.

    Raises: InputError when the folder exists and `overwrite` is not set, or is no codec.
    """
    target = Path(folder).resolve()
    if target.exists():
        _check_replaceable(target, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    stage = _hidden_sibling(target)
    try:
        stage.mkdir()
        _write_files(stage, layout, parameters, arrays)
        _sync_folder(stage)
        _move_into_place(stage, target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def read_bundle(
    folder: str | PathLike[str], layout: Layout
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read and check a codec that `write_bundle` wrote.

    Returns: parameters and arrays by name.
    Raises: FormatError when a file is missing or is not what codec.json says;
        NewerFormatError when the version is higher than the layout's.
    """
    description = _read_description(Path(folder) / DESCRIPTION, layout)
    parameters = description["parameters"]
    sizes = {name: value for name, value in parameters.items() if isinstance(value, int)}
    arrays: dict[str, NDArray[Any]] = {}
    for name, (dtype, shape) in layout.arrays.items():
        path = Path(folder) / f"{name}.npy"
        array = _read_array(path, description["arrays"][name])
        expected = tuple(
            sizes.setdefault(size, found) for size, found in zip(shape, array.shape, strict=False)
        )
        if array.dtype != dtype or array.shape != expected or len(shape) != array.ndim:
            raise FormatError(
                f"{path} holds {array.dtype} of shape {array.shape}, expected {dtype} of shape "
                f"({', '.join(shape)}) = {expected}: save the codec again"
            )
        arrays[name] = array
    return parameters, arrays


def _write_files(
    stage: Path, layout: Layout, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    entries = {}
    for name in layout.arrays:
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(arrays[name]), allow_pickle=False)
        data = buffer.getvalue()
        entries[name] = {
            "dtype": str(arrays[name].dtype),
            "shape": list(arrays[name].shape),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        _write_synced(stage / f"{name}.npy", data)
    description = {
        "format": layout.format,
        "format_version": layout.version,
        "bitsieve_version": __version__,
        "parameters": dict(parameters),
        "arrays": entries,
        "conventions": dict(layout.conventions),
    }
    _write_synced(stage / DESCRIPTION, (json.dumps(description, indent=2, default=int) + "\n").encode())


def _read_description(path: Path, layout: Layout) -> Any:
    try:
        description: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise FormatError(
            f"{path} cannot be read ({error.strerror}): give the folder that save wrote"
        ) from error
    except ValueError as error:
        raise FormatError(f"{path} is not JSON ({error}): save the codec again") from error
    found = description.get("format") if isinstance(description, dict) else None
    if found != layout.format:
        raise FormatError(
            f"{path} has format {found!r}, expected {layout.format!r}: load it with its own class"
        )
    number = description.get("format_version")
    if isinstance(number, int) and number > layout.version:
        raise NewerFormatError(
            f"{path} has format version {number}, this bitsieve reads up to {layout.version}: "
            f"upgrade to bitsieve {description.get('bitsieve_version')} or later"
        )
    if number != layout.version:
        raise FormatError(f"{path} has format version {number!r}, expected {layout.version}: save it again")
    _check_names(path, description, "parameters", layout.parameters)
    _check_names(path, description, "arrays", layout.arrays)
    return description


def _check_names(path: Path, description: Mapping[str, Any], section: str, names: Iterable[str]) -> None:
    found = description.get(section)
    found_names = sorted(found) if isinstance(found, dict) else found
    if found_names != sorted(names):
        raise FormatError(
            f"{path} has {section} {found_names}, expected {sorted(names)}: save the codec again"
        )


def _read_array(path: Path, entry: Any) -> NDArray[Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path} cannot be read ({error.strerror}): copy the whole folder") from error
    expected = entry if isinstance(entry, dict) else {}
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected.get("sha256"):
        raise FormatError(
            f"{path} has sha256 {digest}, {DESCRIPTION} says {expected.get('sha256')}: "
            "it is damaged, copy it again"
        )
    try:
        array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FormatError(f"{path} is no .npy file ({error}): save the codec again") from error
    if str(array.dtype) != expected.get("dtype") or list(array.shape) != expected.get("shape"):
        raise FormatError(
            f"{path} holds {array.dtype} of shape {array.shape}, {DESCRIPTION} says {expected.get('dtype')} "
            f"of shape {expected.get('shape')}: save the codec again"
        )
    return array


def _check_replaceable(target: Path, overwrite: bool) -> None:
    if not overwrite:
        raise InputError(f"{target} exists: pass overwrite=True to replace it, or choose another folder")
    # What is replaced is deleted, so nothing but a codec may be there.
    if not target.is_dir() or any(p.name != DESCRIPTION and p.suffix != ".npy" for p in target.iterdir()):
        raise InputError(
            f"{target} is no codec or holds other files, which overwriting would delete: move them"
        )


def _move_into_place(stage: Path, target: Path) -> None:
    if not target.exists():
        stage.rename(target)
        _sync_folder(target.parent)
        return
    # A folder cannot be renamed onto a full one: step aside, and back if the new one cannot take its place.
    old = _hidden_sibling(target)
    target.rename(old)
    try:
        stage.rename(target)
    except OSError:
        old.rename(target)
        raise
    _sync_folder(target.parent)
    shutil.rmtree(old)


def _hidden_sibling(target: Path) -> Path:
    # Not tempfile.mkdtemp: its folders are readable by their owner alone, and a rename keeps that.
    return target.with_name(f".{target.name}-{uuid.uuid4().hex}")


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
