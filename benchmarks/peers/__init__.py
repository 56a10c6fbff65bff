"""What bitsieve is measured against: one file a peer, behind the interface of `base.py`."""

from importlib import import_module

from .base import MissingPeerError, Peer, Setting, Sizes

__all__ = ["OURS", "PEERS", "MissingPeerError", "Peer", "Setting", "Sizes", "configurations"]

PEERS = {
    "bitsieve": "bitsieve_cells",
    "bitsieve-spilled": "bitsieve_spilled",
    "bitsieve-flat": "bitsieve_flat",
    "scann": "scann_tree",
    "faiss": "faiss_ivf",
    "hnswlib": "hnswlib_graph",
    "usearch": "usearch_graph",
    "svs": "svs_vamana",
    "rabitqlib": "rabitqlib_ivf",
    "symphonyqg": "rabitqlib_symphonyqg",
    "turbovec": "turbovec_scan",
    "blas": "blas",
}
"""Name on the command line → module. A front is drawn over all configurations of one name."""

OURS = "bitsieve"
"""Whose speed is divided by the best peer's: the one with at most 32 bytes of code."""


def configurations(name: str, n: int, d: int) -> list[Peer]:
    """The peer's configurations for n vectors of d dimensions, none built yet, the most usual first.

    Raises: MissingPeerError when its package is not installed, with the command that installs it.
    """
    made: list[Peer] = import_module(f"{__name__}.{PEERS[name]}").configurations(n, d)
    return made
