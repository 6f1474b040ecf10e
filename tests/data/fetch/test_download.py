"""Downloads from a server that breaks off, redirects, changes the file, or is overloaded."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.data.fetch import Downloader, download
from lesionlab.data.fetch.download import partial_file
from lesionlab.errors import DownloadError, LesionlabError
from tests.data.fetch.server import Fault, FileServer, Served, running_server

CONTENT = b"".join(number.to_bytes(2) for number in range(25_000))


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def get(server: FileServer, tmp_path: Path, waits: list[float]) -> Callable[[str], bytes]:
    """Return a function that downloads a path of the server to `Läsion 黒.zip`, without waiting between attempts."""
    downloader = Downloader(timeout=0.3, attempts=4, sleep=waits.append)

    def download_path(path: str) -> bytes:
        return downloader.download(server.url + path, tmp_path / "Läsion 黒.zip", check=Path.read_bytes)

    return download_path


Get = Callable[[str], bytes]


def test_a_file_is_downloaded_completely(server: FileServer, get: Get, tmp_path: Path, waits: list[float]) -> None:
    server.files["/a"] = Served(CONTENT)
    assert get("/a") == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["Läsion 黒.zip"]
    assert (server.ranges("/a"), waits) == ([None], [])


def test_a_broken_transfer_continues_where_it_ended(server: FileServer, get: Get, waits: list[float]) -> None:
    server.files["/a"] = Served(CONTENT, faults=[Fault(cut_after=20_000), Fault(cut_after=10_000)])
    assert get("/a") == CONTENT
    assert server.ranges("/a") == [None, "bytes=20000-", "bytes=30000-"]
    assert waits == [2, 2]


@pytest.mark.parametrize(
    "served", [Served(CONTENT, ranges=False), Served(CONTENT, etag=None), Served(CONTENT, 'W/"1"')]
)
def test_a_server_without_ranges_or_validator_starts_again(server: FileServer, get: Get, served: Served) -> None:
    served.faults = [Fault(cut_after=20_000)]
    server.files["/a"] = served
    assert get("/a") == CONTENT
    assert len(server.requests) == 2


def test_the_date_is_a_validator(server: FileServer, get: Get) -> None:
    date = "Wed, 01 Jul 2026 10:00:00 GMT"
    server.files["/a"] = Served(CONTENT, None, date, faults=[Fault(cut_after=20_000)])
    assert get("/a") == CONTENT
    assert server.requests[1][1]["If-Range"] == date


@pytest.mark.parametrize("ranges", [True, "always"])
def test_a_file_that_changes_in_between_is_not_mixed(server: FileServer, get: Get, ranges: bool | str) -> None:
    server.files["/a"] = Served(CONTENT, faults=[Fault(cut_after=20_000)] * 4)
    server.files["/a"].faults = [Fault(cut_after=20_000)] + [Fault(503)] * 3
    with pytest.raises(DownloadError, match=r"20,000 bytes are kept; the same command continues"):
        get("/a")
    new = CONTENT[::-1]
    server.files["/a"] = Served(new, '"2"', ranges=ranges)
    assert get("/a") == new


def test_a_shorter_file_than_the_part_starts_again(server: FileServer, get: Get) -> None:
    server.files["/a"] = Served(CONTENT, faults=[Fault(cut_after=20_000), *[Fault(503)] * 3])
    with pytest.raises(DownloadError):
        get("/a")
    server.files["/a"] = Served(CONTENT[:9000], ranges="always")
    assert get("/a") == CONTENT[:9000]


def test_a_part_without_its_state_starts_again(server: FileServer, get: Get, tmp_path: Path) -> None:
    server.files["/a"] = Served(CONTENT)
    partial_file(tmp_path / "Läsion 黒.zip").write_bytes(b"something else")
    assert get("/a") == CONTENT


def test_a_complete_part_needs_no_request(server: FileServer, tmp_path: Path) -> None:
    server.files["/a"] = Served(CONTENT)

    def stop(_path: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Downloader().download(f"{server.url}/a", tmp_path / "a", check=stop)
    assert Downloader().download(f"{server.url}/a", tmp_path / "a", check=Path.read_bytes) == CONTENT
    assert len(server.requests) == 1


def test_redirects_are_followed_with_the_range(server: FileServer, get: Get) -> None:
    server.files["/a"] = Served(faults=[Fault(302, {"Location": "/b"})] * 2)
    server.files["/b"] = Served(CONTENT, faults=[Fault(cut_after=20_000)])
    assert get("/a") == CONTENT
    assert server.ranges("/b") == [None, "bytes=20000-"]


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("/a", "redirects in a circle"),
        ("http://example.org/a", r"http://example\.org/a: only https addresses are read"),
        ("ftp://127.0.0.1/a", "ftp://127.0.0.1/a: only https addresses are read"),
        ("file:///etc/passwd", "redirects in a circle or to an address that is not read"),
    ],
)
def test_other_redirects_are_errors(server: FileServer, get: Get, location: str, message: str) -> None:
    server.files["/a"] = Served(faults=[Fault(302, {"Location": location})] * 20)
    with pytest.raises(DownloadError, match=message):
        get("/a")


@pytest.mark.parametrize("url", ["http://example.org/a", "ftp://127.0.0.1/a", "file:///etc/passwd", "nothing"])
def test_only_https_is_read(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="only https addresses are read"):
        Downloader().download(url, tmp_path / "a", check=Path.read_bytes)


def test_a_slow_transfer_times_out_and_continues(server: FileServer, get: Get, waits: list[float]) -> None:
    server.files["/a"] = Served(CONTENT, faults=[Fault(delay=0.6)])
    assert get("/a") == CONTENT
    assert server.ranges("/a") == [None, "bytes=25000-"]
    assert waits == [2]


def test_a_wrong_length_is_an_error_and_the_part_is_kept(server: FileServer, get: Get, tmp_path: Path) -> None:
    server.files["/a"] = Served(CONTENT, ranges=False, faults=[Fault(extra_length=10)] * 4)
    with pytest.raises(
        DownloadError, match=r"ended after 50,000 of 50,010 bytes, 4 times in succession\. 50,000 bytes"
    ):
        get("/a")
    assert not (tmp_path / "Läsion 黒.zip").exists()
    assert get("/a") == CONTENT


@pytest.mark.parametrize("cut_after", [None, 20_000])
def test_chunks_are_read(server: FileServer, get: Get, cut_after: int | None) -> None:
    server.files["/a"] = Served(CONTENT, ranges=False, transfer="chunked", faults=[Fault(cut_after=cut_after)])
    assert get("/a") == CONTENT


def test_a_transfer_without_any_length_is_an_error(server: FileServer, get: Get) -> None:
    server.files["/a"] = Served(CONTENT, transfer="open")
    with pytest.raises(DownloadError, match="does not state the size"):
        get("/a")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_server_is_asked_again(server: FileServer, get: Get, status: int, waits: list[float]) -> None:
    soon = formatdate(time.time() + 100, usegmt=True)
    retries = [{"Retry-After": "7"}, {}, {"Retry-After": soon}]
    server.files["/a"] = Served(CONTENT, faults=[Fault(status, headers) for headers in retries])
    assert get("/a") == CONTENT
    assert waits[:2] == [7, 4]
    assert 95 < waits[2] < 101


def test_a_long_wait_is_left_to_the_user(server: FileServer, get: Get) -> None:
    server.files["/a"] = Served(CONTENT, faults=[Fault(429, {"Retry-After": "3600"})])
    with pytest.raises(DownloadError, match="asks to wait 60 minutes"):
        get("/a")


def test_a_missing_file_is_an_error_at_once(server: FileServer, get: Get) -> None:
    with pytest.raises(DownloadError, match=r"/a: HTTP 404 Not Found; the file may have moved") as caught:
        get("/a")
    assert caught.value.status == 404
    assert len(server.requests) == 1


def test_a_web_page_is_no_file(server: FileServer, get: Get, tmp_path: Path) -> None:
    server.files["/a"] = Served(b"<html>Log in</html>", content_type="text/html; charset=utf-8")
    with pytest.raises(DownloadError, match="sent a web page instead of the file"):
        get("/a")
    assert not (tmp_path / "Läsion 黒.zip").exists()


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path, waits: list[float]) -> None:
    with running_server() as stopped:
        url = stopped.url
    with pytest.raises(
        DownloadError, match=r"connection failed \(Connection refused\), 3 times in succession"
    ) as caught:
        Downloader(attempts=3, sleep=waits.append).download(f"{url}/a", tmp_path / "a", check=Path.read_bytes)
    assert "\n" not in str(caught.value)
    assert waits == [2, 4]


def test_content_that_fails_the_check_is_removed(server: FileServer, tmp_path: Path) -> None:
    server.files["/a"] = Served(CONTENT)
    (tmp_path / "a").write_bytes(b"old")

    def fail(_path: Path) -> None:
        raise DownloadError("another file")

    with pytest.raises(DownloadError, match="another file"):
        Downloader().download(f"{server.url}/a", tmp_path / "a", check=fail)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_a_full_disk_keeps_what_was_received(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/a"] = Served(CONTENT)
    write_all = download._write_all

    def write_a_part(stream: object, block: bytes) -> None:
        write_all(stream, block[:100])  # type: ignore[arg-type] # passed through
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download, "_write_all", write_a_part)
    with pytest.raises(LesionlabError, match=r"cannot write .*: No space left on device\. What was received is kept"):
        Downloader().download(f"{server.url}/a", tmp_path / "a", check=Path.read_bytes)
    monkeypatch.undo()
    assert partial_file(tmp_path / "a").read_bytes() == CONTENT[:100]
    assert Downloader().download(f"{server.url}/a", tmp_path / "a", check=Path.read_bytes) == CONTENT
    assert server.ranges("/a") == [None, "bytes=100-"]


def test_space_is_checked_before_a_transfer(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/a"] = Served(CONTENT)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=49_999))
    with pytest.raises(LesionlabError, match="50,000 bytes are needed, 49,999 are free"):
        Downloader().download(f"{server.url}/a", tmp_path / "a", check=Path.read_bytes)
    assert partial_file(tmp_path / "a").stat().st_size == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX locks")
def test_two_processes_do_not_write_one_file(server: FileServer, tmp_path: Path) -> None:
    server.files["/a"] = Served(CONTENT)

    def second(_done: int, _total: int) -> None:
        with pytest.raises(DownloadError, match="another process is downloading it"):
            Downloader().download(f"{server.url}/a", tmp_path / "a", check=Path.read_bytes)

    data = Downloader().download(f"{server.url}/a", tmp_path / "a", check=Path.read_bytes, progress=second)
    assert data == CONTENT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_killed_process_is_continued(server: FileServer, tmp_path: Path) -> None:
    server.files["/a"] = Served(CONTENT, faults=[Fault(delay=30)])
    code = (
        "import sys; from pathlib import Path; from lesionlab.data.fetch.download import Downloader\n"
        "Downloader().download(sys.argv[1], Path(sys.argv[2]), check=Path.read_bytes)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, f"{server.url}/a", str(tmp_path / "a")])
    part = partial_file(tmp_path / "a")
    while not (part.exists() and part.stat().st_size == 25_000):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert Downloader().download(f"{server.url}/a", tmp_path / "a", check=Path.read_bytes) == CONTENT
    assert server.ranges("/a") == [None, "bytes=25000-"]


def test_json_is_read_and_repeated(server: FileServer, waits: list[float]) -> None:
    server.files["/a"] = Served(b'{"count": 3}', faults=[Fault(503), Fault(cut_after=5)])
    downloader = Downloader(sleep=waits.append)
    assert downloader.read_json(f"{server.url}/a") == {"count": 3}
    server.files["/a"] = Served(b"<html>")
    with pytest.raises(DownloadError, match="the response is not JSON"):
        downloader.read_json(f"{server.url}/a")


faults = st.builds(
    Fault,
    status=st.sampled_from([None, None, None, 503]),
    cut_after=st.integers(0, 400) | st.none(),
    extra_length=st.sampled_from([0, 0, 5]),
)
servers = st.builds(
    Served,
    st.binary(min_size=1, max_size=300),
    st.sampled_from([None, '"1"', '"2"', 'W/"1"']),
    st.sampled_from([None, "Wed, 01 Jul 2026 10:00:00 GMT"]),
    st.sampled_from([True, False, "always"]),
    transfer=st.sampled_from(["length", "chunked"]),
    faults=st.lists(faults, max_size=3),
)


@pytest.mark.slow
@given(versions=st.lists(servers, min_size=1, max_size=2))
def test_the_result_is_one_version_of_the_file_or_an_error(
    versions: list[Served], tmp_path_factory: pytest.TempPathFactory
) -> None:
    if len({served.etag for served in versions}) < len(versions):
        versions = versions[:1]  # one ETag for two versions is a mistake of the server
    target = tmp_path_factory.mktemp("download") / "a"
    with running_server() as server:
        for served in versions:
            server.files["/a"] = served
            try:
                data = Downloader(attempts=3, sleep=lambda _: None).download(
                    f"{server.url}/a", target, check=Path.read_bytes
                )
            except DownloadError:
                assert not target.exists() or target.read_bytes() in {one.content for one in versions}
            else:
                assert data == served.content
