"""What the hub's files were when first used: a revision's bytes never change, so a later difference is damage.

The hub names large files by their sha256, and so does its cache; small ones are pinned as they first came.
"""

import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import DigestError

log = logging.getLogger("bitsieve")


def check_pins(repository: str, folder: Path, digests: Mapping[str, str], *, ledger: Path) -> None:
    """Refuse files that changed since they were first used, or that never were what the hub names them.

    folder: a snapshot as huggingface_hub keeps it; digests: file name in it → sha256 found now.
    ledger: the JSON file that remembers them. Raises: DigestError.
    """
    before = _read_ledger(ledger)
    pinned = dict(before)
    for file, digest in digests.items():
        path = folder / file
        # One link and no further: since huggingface_hub 1.32 the blob may be a link itself, to a file that is
        # named by another hash.
        blob = path.readlink().name if path.is_symlink() else ""
        named = blob if re.fullmatch("[0-9a-f]{64}", blob) else digest
        expected = pinned.setdefault(f"{repository}@{folder.name}/{file}", named)
        if expected != digest:
            raise DigestError(
                f"{path} has sha256 {digest}, expected {expected}: it is damaged; "
                f"delete {path.resolve()} and fetch it again"
            )
    if pinned == before:
        return
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        fresh = ledger.with_name(f"{ledger.name}.{os.getpid()}")
        fresh.write_text(json.dumps(pinned, indent=1, sort_keys=True))
        fresh.replace(ledger)
    except OSError as error:
        log.warning("the digests of %s could not be pinned: %s", repository, error)


def _read_ledger(ledger: Path) -> dict[str, str]:
    try:
        pinned = json.loads(ledger.read_text())
    except (OSError, ValueError):
        return {}
    return pinned if isinstance(pinned, dict) else {}
