"""The client: one connection pool, one method per question."""

import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from lesionlab.client.errors import ServerProblemError
from lesionlab.results import BatchItem, BatchResponse, ExplainResponse, ModelCard, PredictResponse, Problem

_BUSY: Final = (429, 503)
_LONGEST_WAIT: Final = 30.0
# The fault of the image, not of the server or of the way to it.
_ABOUT_THE_IMAGE: Final = (413, 415, 422)

Model = TypeVar("Model", bound=BaseModel)


class Client:
    """Asks a server about images. Safe to use from several threads.

    Example:
        >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
        ...     print(client.predict("lesion.jpg").result.headline)
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        patience: float = 60.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Make a client; nothing is sent before the first question.

        Args:
            url: Where the server is, such as `http://127.0.0.1:8000`.
            api_key: Its key.
            patience: Seconds to wait for one answer, and in all for a busy server to have room.
            transport: Another way to the server than the network.
        """
        self._patience = patience
        self._http = httpx2.Client(
            base_url=url,
            headers={"X-API-Key": api_key} if api_key else {},
            timeout=patience,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self, image: str | Path | bytes, *, age: float | None = None, sex: str | None = None, site: str | None = None
    ) -> PredictResponse:
        """Judge one image.

        Args:
            image: A file's path, or its bytes.
            age: The patient's age in years.
            sex: `female` or `male`.
            site: Place on the body, as HAM10000 names them.

        Raises:
            ServerProblemError: The image cannot be judged, or the server cannot be asked.
            OSError: The file cannot be read.
        """
        known = {"age": age, "sex": sex, "site": site}
        return self._ask_about(image, "/v1/predict", known, PredictResponse)

    def explain(
        self,
        image: str | Path | bytes,
        diagnosis: str | None = None,
        *,
        age: float | None = None,
        sex: str | None = None,
        site: str | None = None,
    ) -> ExplainResponse:
        """Judge one image and say where the model saw what speaks for a class; see `predict`.

        Args:
            image: A file's path, or its bytes.
            diagnosis: Code of the class; None: the most probable one.
            age: The patient's age in years.
            sex: `female` or `male`.
            site: Place on the body, as HAM10000 names them.

        Raises:
            ServerProblemError: As `predict`; with status 409 where the model cannot explain.
            OSError: The file cannot be read.
        """
        known = {"age": age, "sex": sex, "site": site, "diagnosis": diagnosis}
        return self._ask_about(image, "/v1/explain", known, ExplainResponse)

    def predict_many(self, images: Iterable[str | Path | bytes], *, batch_size: int = 16) -> Iterator[BatchItem]:
        """Judge images in their order, several per request; a bad one does not stop the rest.

        Args:
            images: Paths or bytes of files. They are read as they are sent, however many there are.
            batch_size: Most images of one request; fewer where the server takes fewer.

        Yields:
            For each image its place, and a result or the problem that there was with it.

        Raises:
            ServerProblemError: The server cannot be asked.
            OSError: A file cannot be read.
        """
        limits = self.model().limits
        first, group, size = 0, list[bytes](), 0
        for data in map(_bytes_of, images):
            full = len(group) == min(batch_size, limits.max_batch) or size + len(data) > limits.max_batch_bytes
            if group and full:
                yield from self._judge_group(first, group)
                first, group, size = first + len(group), [], 0
            group.append(data)
            size += len(data)
        if group:
            yield from self._judge_group(first, group)

    def model(self) -> ModelCard:
        """Ask what the model is, what its figures are and what the server takes.

        Raises:
            ServerProblemError: The server cannot be asked.
        """
        return self._ask("GET", "/v1/model", ModelCard)

    def _judge_group(self, first: int, group: list[bytes]) -> Iterator[BatchItem]:
        if len(group) == 1:
            yield self._judge_one(first, group[0])
            return
        files = [("files", ("image", data, "application/octet-stream")) for data in group]
        for item in self._ask("POST", "/v1/predict/batch", BatchResponse, files=files).results:
            yield item.model_copy(update={"index": first + item.index})

    def _judge_one(self, index: int, data: bytes) -> BatchItem:
        try:
            return BatchItem(index=index, result=self.predict(data).result, problem=None)
        except ServerProblemError as error:
            if error.status not in _ABOUT_THE_IMAGE:
                raise
            problem = Problem(
                type="about:blank",
                title=error.title,
                status=error.status,
                detail=error.detail,
                request_id=error.request_id,
            )
            return BatchItem(index=index, result=None, problem=problem)

    def _ask_about(self, image: str | Path | bytes, path: str, known: dict[str, Any], kind: type[Model]) -> Model:
        params = {name: value for name, value in known.items() if value is not None}
        headers = {"Content-Type": "application/octet-stream"}
        return self._ask("POST", path, kind, params=params, content=_bytes_of(image), headers=headers)

    def _ask(self, method: str, path: str, kind: type[Model], **request: Any) -> Model:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                response = self._http.request(method, path, **request)
            except httpx2.TransportError as error:
                told = str(error) or type(error).__name__
                raise ServerProblemError(None, "No answer", f"{self._http.base_url}: {told}") from error
            wait = _wait(response)
            if wait is None or time.monotonic() + wait > deadline:
                return _parsed(response, kind)
            time.sleep(wait)


def _bytes_of(image: str | Path | bytes) -> bytes:
    return image if isinstance(image, bytes) else Path(image).read_bytes()


def _wait(response: httpx2.Response) -> float | None:
    """Return the seconds after which to ask again, None for an answer to keep."""
    if response.status_code not in _BUSY:
        return None
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), _LONGEST_WAIT) if asked.isascii() and asked.isdecimal() else 1.0


def _parsed(response: httpx2.Response, kind: type[Model]) -> Model:
    try:
        if response.is_success:
            return kind.model_validate_json(response.content, extra="ignore")
        problem = Problem.model_validate_json(response.content)
    except ValidationError as error:
        title = HTTPStatus(response.status_code).phrase
        detail = "the answer is not that of a lesionlab server of this version; is the address right?"
        raise ServerProblemError(response.status_code, title, detail) from error
    raise ServerProblemError(problem.status, problem.title, problem.detail, problem.request_id)
