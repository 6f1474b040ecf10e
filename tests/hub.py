"""A local stand-in of the Hugging Face Hub: the requests that reading and uploading a repository need."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

_MODEL = r"/api/models/([\w-]+/[\w-]+)"


class Hub:
    """Repositories by name, each with its commits: files by path, the first commit empty.

    Attributes:
        url: Address of the stand-in; empty where it does not run.
        repositories: The commits of each repository; branch `main` is the last one, another revision its number.
        private: Names of the repositories that were created as private ones.
    """

    def __init__(self) -> None:
        self.url = ""
        self.repositories: dict[str, list[dict[str, bytes]]] = {}
        self.private: set[str] = set()

    def files(self, repository: str, revision: str = "main") -> dict[str, bytes] | None:
        commits = self.repositories.get(repository, [])
        number = len(commits) - 1 if revision == "main" else int(revision) if revision.isdigit() else -1
        return commits[number] if 0 <= number < len(commits) else None

    @contextmanager
    def running(self) -> Iterator[None]:
        hub = self

        class Handler(_Handler):
            def __init__(self, *arguments: Any) -> None:
                self.hub = hub
                super().__init__(*arguments)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if found := re.fullmatch(_MODEL + r"(?:/revision/([\w-]+))?", path):
            files = self.hub.files(found[1], found[2] or "main")
            siblings = [{"rfilename": name} for name in files or ()]
            self._send({"id": found[1], "sha": "0" * 40, "siblings": siblings}, missing=files is None)
        elif found := re.fullmatch(_MODEL + r"/tree/([\w-]+)(?:/(.*))?", path):
            files = self.hub.files(found[1], found[2]) or {}
            entries = _entries(files, f"{found[3]}/" if found[3] else "")
            self._send(entries, missing=not entries)
        elif found := re.fullmatch(r"/([\w-]+/[\w-]+)/resolve/([\w-]+)/(.+)", path):
            data = (self.hub.files(found[1], found[2]) or {}).get(found[3])
            self._send(data or b"", missing=data is None)
        else:
            self._send({}, missing=True)

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            if asked.get("private") or asked.get("visibility") == "private":
                self.hub.private.add(name)
            status = 409 if name in self.hub.repositories else 200
            self.hub.repositories.setdefault(name, [{}])
            self._send({"url": f"{self.hub.url}/{name}"}, status=status)
        elif path == "/api/validate-yaml":
            self._send({"errors": [], "warnings": []})
        elif re.fullmatch(_MODEL + r"/preupload/main", path):
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._send({"files": files})
        elif found := re.fullmatch(_MODEL + r"/commit/main", path):
            lines = [json.loads(line) for line in body.splitlines()]
            added = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            commits = self.hub.repositories[found[1]]
            commits.append(commits[-1] | added)
            self._send({"commitUrl": f"{self.hub.url}/{found[1]}/commit/1", "commitOid": f"{len(commits) - 1:040}"})
        else:
            self._send({}, missing=True)

    def _send(self, content: Any, *, status: int = 200, missing: bool = False) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(404 if missing else status)
        if missing:
            self.send_header("X-Error-Code", "RepoNotFound" if self.path.startswith("/api") else "EntryNotFound")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _entries(files: dict[str, bytes], prefix: str) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, data in files.items():
        if name.startswith(prefix):
            head, _, rest = name.removeprefix(prefix).partition("/")
            oid = hashlib.sha256(data).hexdigest()[:40]
            kind = {"type": "directory", "size": 0} if rest else {"type": "file", "size": len(data)}
            found[head] = {"path": prefix + head, "oid": oid, **kind}
    return list(found.values())


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running stand-in without repositories, in place of the Hub."""
    from huggingface_hub import HfFileSystem, constants

    found = Hub()
    with found.running():
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, found.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        monkeypatch.setenv("HF_ENDPOINT", found.url)  # for other processes
        monkeypatch.setenv("HF_TOKEN", "hf_of-a-test")
        HfFileSystem.clear_instance_cache()
        yield found
        HfFileSystem.clear_instance_cache()
