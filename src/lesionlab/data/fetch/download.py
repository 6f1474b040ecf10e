"""Download of a file: resumable, with retries, and complete or not at all."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from lesionlab.data.fetch.connection import (
    NO_SUCH_RANGE,
    Response,
    TransientError,
    content_range,
    open_url,
    read_blocks,
)
from lesionlab.errors import DownloadError, LesionlabError
from lesionlab.files import try_lock, write_json

Progress = Callable[[int, int], None]
_Result = TypeVar("_Result")

_LONGEST_WAIT = 60.0
_WEB_PAGES = frozenset(("text/html", "application/xhtml+xml"))


@dataclass(frozen=True)
class Downloader:
    """Downloads files.

    Attributes:
        timeout: Seconds to wait for a connection and for each further block of bytes.
        attempts: Number of attempts in succession that may fail to get further.
        notify: Called with a line about each failed attempt.
        stop: No further attempt is made once it is set, as by another thread.
        sleep: Waits for a number of seconds; default: until `stop` is set.
    """

    timeout: float = 60
    attempts: int = 6
    notify: Callable[[str], None] = lambda _line: None
    stop: threading.Event = field(default_factory=threading.Event)
    sleep: Callable[[float], object] | None = None

    def download(
        self,
        url: str,
        target: Path,
        *,
        check: Callable[[Path], _Result],
        finds_cuts: bool = False,
        progress: Progress = lambda _done, _total: None,
    ) -> _Result:
        """Download a file. What an earlier call has received is continued where the server supports it.

        Until it is complete and checked, the content is in `partial_file(target)`.

        Args:
            url: Its address (see `open_url`).
            target: The file to create or replace.
            check: Checks the received content. If it raises an error, the content is removed.
            finds_cuts: Whether `check` finds that the end is missing, so that the server need not state the size.
            progress: Called with the received and the expected number of bytes; the latter is 0 if unknown.

        Returns:
            The result of `check`.

        Raises:
            DownloadError: The server does not have the file, cannot be reached or breaks off repeatedly.
            LesionlabError: The file cannot be written, for example because the disk is full.
        """
        part = partial_file(target)
        with _writing(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            stream = part.open("ab", buffering=0)
        with stream:
            if not try_lock(stream):
                raise DownloadError(f"{target}: another process is downloading it")
            self._repeatedly(url, part, lambda: self._transfer(url, part, stream, finds_cuts, progress))
            with _writing(part):
                os.fsync(stream.fileno())
        try:
            result = check(part)
        except LesionlabError:
            _state_file(part).unlink(missing_ok=True)
            part.unlink(missing_ok=True)
            raise
        with _writing(target):
            part.replace(target)
            _state_file(part).unlink(missing_ok=True)
        return result

    def read_json(self, url: str) -> Any:
        """Return the JSON content of an address.

        Raises:
            DownloadError: It cannot be read, or is not JSON.
        """

        def read() -> bytes:
            with open_url(url, {"Accept": "application/json"}, self.timeout) as response:
                _, total = content_range(response)
                data = b"".join(read_blocks(response, self.timeout))
                _check_length(len(data), total)
                return data

        try:
            return json.loads(self._repeatedly(url, None, read))
        except ValueError as error:
            raise DownloadError(f"{url}: the response is not JSON ({error}); try again later") from error

    def _repeatedly(self, url: str, part: Path | None, attempt: Callable[[], _Result]) -> _Result:
        """Call a function until it raises no `TransientError`; only failures without progress count."""
        furthest, failures = part.stat().st_size if part else 0, 0
        while True:
            try:
                return attempt()
            except TransientError as error:
                size = part.stat().st_size if part else 0
                failures = 1 if size > furthest else failures + 1
                furthest = max(furthest, size)
                if failures >= self.attempts:
                    kept = f". {size:,} bytes are kept; the same command continues" if size else ""
                    raise DownloadError(f"{url}: {error}, {failures} times in succession{kept}") from error
                wait = min(2.0**failures, _LONGEST_WAIT) if error.wait is None else error.wait
                self.notify(f"{urlsplit(url).netloc}: {error}; next attempt in {wait:.0f} s")
                (self.sleep or self.stop.wait)(wait)
                if self.stop.is_set():
                    raise DownloadError(f"{url}: interrupted") from error

    def _transfer(self, url: str, part: Path, stream: IO[bytes], finds_cuts: bool, progress: Progress) -> None:
        """Receive what is missing of a file."""
        state, done = _State.read(part), part.stat().st_size
        if done and done == state.total:
            return
        if state.validator is None or done > (state.total or done):
            done = 0  # whether the rest would belong to the same content is unknown
        headers = {"Range": f"bytes={done}-", "If-Range": state.validator or ""} if done else {}
        with open_url(url, headers, self.timeout) as response:
            first, total = content_range(response)
            new = _State(total, response.headers.get("ETag"), response.headers.get("Last-Modified"))
            if response.status == HTTPStatus.OK:
                _check_whole_file(url, response, sized=finds_cuts or total is not None)
                done = 0
                _truncate(stream, part)
            elif response.status == NO_SUCH_RANGE or first != done or not state.fits(new):
                _truncate(stream, part)
                raise TransientError("the file has changed; it is downloaded from the start", 0)
            write_json(_state_file(part), asdict(new))
            _check_space(part, (total or done) - done)
            progress(done, total or 0)
            for block in read_blocks(response, self.timeout):
                with _writing(part):
                    _write_all(stream, block)
                done += len(block)
                progress(done, total or 0)
        _check_length(done, total)


def partial_file(target: Path) -> Path:
    """Return the file with what has been received of another one. It is hidden, so that no dataset reader uses it."""
    return target.with_name(f".{target.name}.part")


@dataclass(frozen=True)
class _State:
    """Which content a partial file belongs to: its size, and the validators of HTTP (RFC 9110, section 8.8)."""

    total: int | None = None
    etag: str | None = None
    last_modified: str | None = None

    @classmethod
    def read(cls, part: Path) -> "_State":
        try:
            return cls(**json.loads(_state_file(part).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    @property
    def validator(self) -> str | None:
        strong = self.etag if self.etag and not self.etag.startswith("W/") else None
        return strong or self.last_modified

    def fits(self, new: "_State") -> bool:
        """Return whether another response has the same content, by what both state."""
        both = zip(asdict(self).values(), asdict(new).values(), strict=True)
        return all(mine == theirs for mine, theirs in both if mine is not None and theirs is not None)


def _check_whole_file(url: str, response: Response, *, sized: bool) -> None:
    headers: Message = response.headers
    if headers.get_content_type() in _WEB_PAGES:
        raise DownloadError(f"{url}: the server sent a web page instead of the file; open it in a browser")
    if not sized and not headers.get("Transfer-Encoding"):
        raise DownloadError(f"{url}: the server does not state the size, so that a broken transfer is not seen")


def _check_length(done: int, total: int | None) -> None:
    if total is not None and done != total:
        raise TransientError(f"the connection ended after {done:,} of {total:,} bytes")
    if done == 0:
        raise TransientError("the response is empty")


def _check_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise LesionlabError(f"{part.parent}: {needed:,} bytes are needed, {free:,} are free; free some space")


def _write_all(stream: IO[bytes], block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[stream.write(view) :]


def _truncate(stream: IO[bytes], part: Path) -> None:
    with _writing(part):
        stream.truncate(0)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise LesionlabError(
            f"cannot write {path}: {reason}. What was received is kept; free some space and repeat the command"
        ) from error


def _state_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
