"""Four texts that no model takes for each other, and indexes of them."""

from pathlib import Path

from plain_index import unit_vectors

from bitsieve.index import Index

TEXTS = [
    "The heron waits in the reeds for a fish.",
    "A suspension bridge hangs from two cables.",
    "Bread rises because yeast makes gas.",
    "The comet returns every seventy-six years.",
]
QUERY = "how does dough get its bubbles"
BREAD = "2"
"""The id of what the query asks for."""


def index_of(model: Path, root: Path) -> Path:
    """An index by the model in a folder."""
    with Index.create(root, model=model) as index:
        index.add(TEXTS, ids=range(4))
    return root


def index_of_vectors(root: Path) -> Path:
    """An index of vectors whose model only has a name."""
    with Index.create(root, dimension=16, model="acme/embedder-3") as index:
        index.add(TEXTS, ids=range(4), vectors=unit_vectors(4, 16))
    return root
