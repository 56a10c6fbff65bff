"""The generation that was last committed, and of which index, in a file of its own beside the catalog.

So a catalog is noticed that is older, or another's. The file says no more than what was true when it was written: where
it is missing, damaged or behind, the catalog is believed.
"""

import os
import re
from pathlib import Path

from .disk import Disk

GENERATION = "generation.txt"


def note_generation(disk: Disk, root: Path, generation: int, identity: str) -> None:
    """Write down what the catalog of an index is to be at, unsynced: it is no help against power cuts.

    identity: of the index, 16 hexadecimal digits. Raises: DiskError when the system refuses.
    """
    path = root / GENERATION
    with disk.step("note generation", path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, f"{generation:020d} {identity}\n".encode())
        finally:
            os.close(descriptor)


def last_noted(root: Path) -> tuple[int, str]:
    """The generation and the identity that were noted, 0 and nothing where none can be read."""
    try:
        noted = re.fullmatch(r"([0-9]{20}) ([0-9a-f]{16})\n", (root / GENERATION).read_text())
    except (OSError, ValueError):
        noted = None
    return (int(noted[1]), noted[2]) if noted else (0, "")
