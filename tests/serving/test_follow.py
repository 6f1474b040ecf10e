"""A server that follows a channel of a registry, under steady requests."""

import concurrent.futures
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.registry import Channel, Registry, promote, rollback
from lesionlab.registry.store import ChannelVersion

pytestmark = pytest.mark.slow


class Clients:
    """Threads that send one request after another, and the status and model of each response."""

    def __init__(self, url: str, image: bytes) -> None:
        self.seen: list[tuple[int, str]] = []
        self._url, self._image = url, image
        self._ended = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            threads = [pool.submit(self._request) for _ in range(4)]
            try:
                yield
            finally:
                self._ended.set()
            for thread in threads:
                thread.result(30)

    def wait_for(self, identity: str) -> None:
        """Wait until 40 successive responses are of one model."""
        first, last, deadline = len(self.seen), [""], time.monotonic() + 40
        while time.monotonic() < deadline:
            time.sleep(0.05)
            last = [found for _, found in self.seen[max(first, len(self.seen) - 40) :]]
            if last == [identity] * 40:
                return
        raise AssertionError(Counter(last))

    def _request(self) -> None:
        while not self._ended.is_set():
            # A connection stays with its process: a new one for each request reaches all of them.
            with httpx2.Client(base_url=self._url, timeout=20) as client:
                response = client.post("/v1/predict", content=self._image)
            self.seen.append((response.status_code, response.json()["model"]["identity"]))


@pytest.mark.usefixtures("figures_drawn_once")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_channel_is_followed_without_losing_a_request(
    process_of: Callable[..., Any],
    jpeg: bytes,
    tiny_whole_bundle: Path,
    phantoms: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    whole, registry = Bundle.load(tiny_whole_bundle), Registry(str(tmp_path / "models"))
    infos = [whole.info.model_copy(update={"name": name}) for name in ("first", "second", "damaged")]
    entries = [registry.push(replace(whole, info=info), name="skin") for info in infos]
    first, second = entries[0].identity, entries[1].identity

    def promoted(version: int) -> None:
        record = promote(registry, f"skin@{version}", "production", phantoms, margin=1, reason="a test", resamples=20)
        assert record.decision == "promoted"

    def named(version: int) -> None:
        """Let the channel name a version that `promote` would not accept or could not compare."""
        sha256 = entries[version - 1].sha256
        present = ChannelVersion(version=str(version), sha256=sha256, since="2026-01-01", record=4)
        registry.save_channel("skin", Channel(name="production", present=present))

    promoted(1)
    (tmp_path / "temporary").mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path / "temporary"))
        patch.setenv("LESIONLAB_REGISTRY", registry.url)
        server = process_of("--channel", "skin@production", "--follow", 0.2, "--workers", workers, model=None)
    clients = Clients(server.url, jpeg)
    with clients.running():
        clients.wait_for(first)
        promoted(2)
        clients.wait_for(second)
        assert httpx2.get(f"{server.url}/v1/model").json()["model"]["identity"] == second
        rollback(registry, "skin", "production", reason="a test")
        clients.wait_for(first)
        registry.write("skin/versions/3/bundle.zip", b"damaged")
        named(3)
        time.sleep(2)
        clients.wait_for(first)
        named(2)
        clients.wait_for(second)
    assert set(clients.seen) == {(200, first), (200, second)}
    code, err = server.end()
    assert code == 0
    assert "Traceback" not in err
    assert len(re.findall("is not followed, and the present model stays.*was changed", err)) == 1
    assert err.count(f"the model was reloaded: {second}") == 2 * workers
    assert list((tmp_path / "temporary").glob("lesionlab-*")) == []


def test_a_server_without_a_first_version_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lesionlab", "serve", "--port", "0", "--channel", "skin@production"]
    for options, message in (
        ([], "error: --channel needs --registry"),
        (["--registry", str(tmp_path)], "nothing was promoted to channel production of skin"),
    ):
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
