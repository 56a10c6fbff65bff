"""A model hub on this machine: the part of its API that huggingface_hub 1.x and FastEmbed use, over real HTTP."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

REVISION = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1 << 20
"""Bytes from which the hub names a file by its sha256 instead of by git's hash."""


@dataclass
class FakeHub:
    """One repository. status: answer everything with it; hang: what is asked for and never answered."""

    repository: str = "nobody/nothing"
    files: Mapping[str, Path] = field(default_factory=dict)
    status: int = 200
    hang: str = "never"
    endpoint: str = ""
    asked: list[str] = field(default_factory=list)

    @cached_property
    def tree(self) -> list[dict[str, object]]:
        return [self._describe(name, path) for name, path in self.files.items()]

    def _describe(self, name: str, path: Path) -> dict[str, object]:
        content = path.read_bytes()
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        described: dict[str, object] = {"type": "file", "path": name, "size": len(content), "oid": oid}
        if len(content) >= LARGE:
            sha256 = hashlib.sha256(content).hexdigest()
            described["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
        return described

    def etag(self, name: str) -> str:
        (entry,) = (entry for entry in self.tree if entry["path"] == name)
        return entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]

    @property
    def answers(self) -> dict[str, bytes]:
        """Path → JSON."""
        info = {"id": self.repository, "sha": REVISION, "private": False, "tags": [], "downloads": 0}
        info["siblings"] = [{"rfilename": name} for name in self.files]
        root = f"/api/models/{self.repository}"
        answer = json.dumps(info).encode()
        return {
            root: answer,
            f"{root}/revision/main": answer,
            f"{root}/revision/{REVISION}": answer,
            f"{root}/tree/{REVISION}": json.dumps(self.tree).encode(),
        }


@contextmanager
def running(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve it on a free port until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    server.block_on_close = False
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            path = self.path.split("?")[0]
            hub.asked.append(f"{self.command} {path}")
            if hub.hang in f"{self.command} {path}":
                time.sleep(60)
                return
            path = path.replace("/resolve/main/", f"/resolve/{REVISION}/")
            files = f"/{hub.repository}/resolve/{REVISION}/"
            if hub.status != 200:
                self.send(b"no", status=hub.status)
            elif path in hub.answers:
                self.send(hub.answers[path])
            elif path.startswith(files) and path[len(files) :] in hub.files:
                name = path[len(files) :]
                etag = f'"{hub.etag(name)}"'
                self.send(
                    hub.files[name].read_bytes(),
                    headers={"ETag": etag, "X-Linked-Etag": etag, "X-Repo-Commit": REVISION},
                )
            else:
                self.send(b"Entry not found", status=404, headers={"X-Error-Code": "EntryNotFound"})

        def send(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
