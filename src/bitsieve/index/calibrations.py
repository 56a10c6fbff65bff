"""Calibrations of an index: in its catalog, for everybody, or in the memory of a process that only reads."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import apsw

from ..arrays import FloatArray
from ..errors import FormatError
from ..recall import Calibration, Progress, calibrate
from ..store.facts import fact, facts_named
from .sieve import IndexSieve
from .snapshot import Snapshot

OTHERS = 1 / 3
"""A calibration no longer holds once more than this share of the passages is new, or of those that it knew is gone."""

QUICK_QUERIES, QUICK_SECONDS = 500, 5.0
"""What a search spends that asks for a recall of an index which was never calibrated."""

_NAME = "calibration"


@dataclass(frozen=True)
class Calibrated:
    """A calibration of an index.

    generation: that was measured. made_of: what its answers depended on. in_catalog: whether everybody has it, or
    only this process.
    """

    calibration: Calibration
    generation: int
    made_of: Mapping[str, Any]
    in_catalog: bool

    def holds_for(self, snapshot: Snapshot) -> bool:
        """Whether it says anything of a later generation: it is made as this one was, and mostly of the same."""
        then, now = dict(self.made_of), made_of(snapshot)
        # Each segment gives as many candidates as a plan says: merged into one, four found .93 by a plan for .95.
        merged = now.pop("n_segments") < then.pop("n_segments", 0)
        last_key = then.pop("last_key", -1)
        del now["last_key"]
        if then != now or merged:
            return False
        n, n_now, n_new = self.calibration.n, snapshot.n_passages, snapshot.n_after(last_key)
        return n_new <= OTHERS * n_now and n - (n_now - n_new) <= OTHERS * n


def made_of(snapshot: Snapshot) -> dict[str, Any]:
    """What answers depend on: model, codec, the larger segments, and which documents there are, by the last key."""
    large = [view.kind for view in snapshot.views if len(view.keys) * 10 > snapshot.n_passages]
    codec = max(snapshot.codecs, default=None)
    return {
        "epoch": snapshot.model_epoch,
        "codec": codec,
        "kinds": sorted(set(large)),
        "n_segments": len(large),
        "last_key": int(snapshot.views[-1].keys[-1]) if snapshot.views else -1,
    }


def calibrate_snapshot(
    snapshot: Snapshot,
    k: int,
    queries: FloatArray | None = None,
    *,
    confidence: float = 0.95,
    n_queries: int,
    seconds: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibrated:
    """Calibrate a generation, as `bitsieve.recall.calibrate` says."""
    sieve = IndexSieve(snapshot, os.cpu_count() or 1)
    calibration = calibrate(
        sieve, k, queries, confidence=confidence, n_queries=n_queries, seconds=seconds, seed=seed, progress=progress
    )  # fmt: skip
    return Calibrated(calibration, snapshot.generation, made_of(snapshot), in_catalog=False)


class Calibrations:
    """What an open index knows of its recall. Threads may share it."""

    def __init__(self) -> None:
        self._own: dict[int, Calibrated] = {}
        self._read: dict[int, tuple[int, Calibrated | None]] = {}

    def keep(self, calibrated: Calibrated) -> None:
        """In the memory of this process."""
        self._own[calibrated.calibration.k] = calibrated

    def own(self) -> set[int]:
        """The k that this process has calibrated itself."""
        return set(self._own)

    def of(self, connection: apsw.Connection, snapshot: Snapshot, k: int) -> Calibrated | None:
        """The latest that holds for recall@k of a snapshot, None where there is none."""
        known = [
            one for one in (self._own.get(k), self._in_catalog(connection, snapshot, k)) if one is not None
        ]
        known = [one for one in known if one.holds_for(snapshot)]
        return max(known, key=lambda one: one.calibration.date, default=None)

    def _in_catalog(self, connection: apsw.Connection, snapshot: Snapshot, k: int) -> Calibrated | None:
        generation, calibrated = self._read.get(k, (0, None))
        if generation != snapshot.generation:
            stored = fact(connection, name_of(k))
            calibrated = None if stored is None else _from_json(stored)
            self._read[k] = snapshot.generation, calibrated
        return calibrated


def all_in_catalog(connection: apsw.Connection) -> list[Calibrated]:
    """Every calibration of the catalog that this version can read, by k."""
    stored = [_from_json(json.loads(value)) for value in facts_named(connection, f"{_NAME}@")]
    return sorted((one for one in stored if one is not None), key=lambda one: one.calibration.k)


def name_of(k: int) -> str:
    """The name of the fact that the catalog keeps a calibration of recall@k under."""
    return f"{_NAME}@{k}"


def to_json(calibrated: Calibrated) -> dict[str, Any]:
    """As the catalog keeps it."""
    return {
        "calibration": calibrated.calibration.to_dict(),
        "generation": calibrated.generation,
        "made_of": dict(calibrated.made_of),
    }


def _from_json(stored: Mapping[str, Any]) -> Calibrated | None:
    """None for what another version made in a way that this one does not know: it is as good as not there."""
    try:
        calibration = Calibration.from_dict(stored["calibration"])
        return Calibrated(calibration, stored["generation"], stored["made_of"], in_catalog=True)
    except (FormatError, KeyError):
        return None
