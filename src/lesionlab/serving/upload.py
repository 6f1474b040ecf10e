"""Reads images from requests into memory, with limits and without temporary files."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from lesionlab.results import ProblemType
from lesionlab.serving.clients import client_of
from lesionlab.serving.concurrency import Admission
from lesionlab.serving.decoding import too_large
from lesionlab.serving.problem import ProblemError, field_error
from lesionlab.serving.service import Service

FORM_BYTES: Final = 65_536  # of a form beside its files: boundaries, part headers, short fields
_FIELD_BYTES: Final = 1_024
_MAX_FIELDS: Final = 8
_SECONDS: Final = 60.0
_STALL_SECONDS: Final = 10.0


_SINGLE_IMAGE: Final = ("", "application/octet-stream", "application/dicom")


@dataclass(frozen=True)
class Upload:
    """The files of a request in their order, without their names, and the other fields of the form by name.

    Attributes:
        second: The files in the second field for files.
    """

    files: tuple[bytes, ...]
    fields: dict[str, str] = field(default_factory=dict)
    second: tuple[bytes, ...] = ()


@asynccontextmanager
async def received(
    request: Request, service: Service, name: str, *, max_files: int, limit: int, second: str | None = None
) -> AsyncIterator[Upload]:
    """Admit a request, read its body (see `read_upload`), and hold its place in the server while the block runs.

    Raises:
        ProblemError: 429, the client exceeds the rate of images; 503, the server is busy or stopping; and those of
            `read_upload`.
        ClientDisconnect: The client disconnected.
    """
    with service.concurrency.admit(client_of(request.scope), declared_size(request, limit)) as admission:
        upload = await read_upload(request, admission, name, max_files=max_files, limit=limit, second=second)
        images = len(upload.files) + len(upload.second)
        service.count_images(admission.client, images - 1)  # the request counted as one
        admission.add_images(images)
        yield upload


def declared_size(request: Request, limit: int) -> int:
    """Return the size of the body as its header states it, or 0 without such a header.

    Raises:
        ProblemError: 413, more than `limit`; 415, compressed.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError(
            ProblemType.UNSUPPORTED_BODY, "compressed requests are not supported; send the image uncompressed"
        )
    declared = request.headers.get("content-length", "")
    if not (declared.isascii() and declared.isdecimal()):
        return 0
    if len(declared) > 18 or int(declared) > limit:
        raise too_large(limit)
    return int(declared)


async def read_upload(
    request: Request, admission: Admission, name: str, *, max_files: int, limit: int, second: str | None = None
) -> Upload:
    """Read a body of at most `limit` bytes.

    It is a form with files in the field `name`; or, for one file, the file itself; or, for several, multipart/related
    with the files as its parts, as in DICOM's STOW-RS.

    Further files may be in the field `second`.

    Raises:
        ProblemError: 400, the form is malformed; 408, the body is too slow; 413, it is too large; 415, it is neither a
            form nor an image; 422, the form has no files or too many; 503, there is no memory for it.
        ClientDisconnect: The client disconnected.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        async with asyncio.timeout(_SECONDS), aclosing(_bounded(request, admission, limit)) as body:
            if kind == "multipart/form-data":
                return await _read_form(request, body, name, max_files, second)
            if kind == "multipart/related" and max_files > 1:
                return await _read_form(request, body, name, max_files, parser_class=_RelatedParser)
            if max_files > 1 or not (kind in _SINGLE_IMAGE or kind.startswith("image/")):
                raise ProblemError(ProblemType.UNSUPPORTED_BODY, _expected_form(name, max_files))
            return Upload((b"".join([chunk async for chunk in body]),))
    except TimeoutError as error:
        detail = f"the request did not arrive within {_SECONDS:.0f} s, or nothing arrived for {_STALL_SECONDS:.0f} s"
        raise ProblemError(ProblemType.TOO_SLOW, detail) from error


async def _bounded(request: Request, admission: Admission, limit: int) -> AsyncGenerator[bytes, None]:
    async with aclosing(request.stream()) as stream:
        while True:
            async with asyncio.timeout(_STALL_SECONDS):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            if admission.bytes + len(chunk) > limit:
                raise too_large(limit)
            admission.add_bytes(len(chunk))
            yield chunk


class _InMemoryParser(MultiPartParser):
    # Starlette writes files above 1 MB to a temporary file. The body is limited before it is parsed.
    spool_max_size = sys.maxsize


class _RelatedParser(_InMemoryParser):
    """Reads each part of multipart/related, which has no name, as a file of the form's field."""

    def on_headers_finished(self) -> None:
        self._current_part.content_disposition = b'form-data; name="files"; filename="image"'
        super().on_headers_finished()


async def _read_form(
    request: Request,
    body: AsyncGenerator[bytes, None],
    name: str,
    max_files: int,
    second: str | None = None,
    *,
    parser_class: type[_InMemoryParser] = _InMemoryParser,
) -> Upload:
    parser = parser_class(
        request.headers, body, max_files=max_files, max_fields=_MAX_FIELDS, max_part_size=_FIELD_BYTES
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            detail = f"there are too many files. {_expected_form(name, max_files)}"
            raise ProblemError(ProblemType.INVALID_FILES, detail) from error
        raise ProblemError(ProblemType.INVALID_FORM, f"the form is malformed: {error.message}") from error
    try:
        files: dict[str | None, list[bytes]] = {name: [], second: []}
        fields: dict[str, str] = {}
        for key, value in form.multi_items():
            if isinstance(value, UploadFile) and key in files:
                files[key].append(await value.read())
            elif isinstance(value, str) and key not in fields and key not in files:
                fields[key] = value
            else:
                expected = _expected_form(name, max_files)
                errors = (field_error(key, expected),)
                raise ProblemError(ProblemType.INVALID_FILES, expected, errors=errors)
    finally:
        await form.close()
    if not any(files.values()):
        detail = f"there is no file in the request. {_expected_form(name, max_files)}"
        raise ProblemError(ProblemType.INVALID_FILES, detail)
    return Upload(tuple(files[name]), fields, tuple(files[second]))


def _expected_form(name: str, max_files: int) -> str:
    if max_files > 1:
        return f"Send a form (multipart/form-data) with up to {max_files} files in the field `{name}`, repeated"
    return f"Send a form (multipart/form-data) with one file in the field `{name}`, or an image as the body"
