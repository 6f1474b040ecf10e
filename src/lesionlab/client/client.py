"""The client: one connection pool and one method per route."""

import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from lesionlab.bundle import Patient
from lesionlab.client.errors import ServerProblemError
from lesionlab.results import BatchItem, BatchResponse, ExplainResponse, ModelCard, PredictResponse, Problem

_BUSY: Final = (429, 503)
_MAX_WAIT: Final = 30.0
_IMAGE_PROBLEMS: Final = (413, 415, 422)
_NO_PATIENT_DATA: Final = Patient()

Model = TypeVar("Model", bound=BaseModel)


class Client:
    """A client of one server. Safe to use from several threads.

    Responses of newer servers are accepted: unknown keys are ignored.

    Example:
        >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
        ...     print(client.predict("lesion.jpg").result.headline)
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Make a client; it connects at the first request.

        Args:
            url: Address of the server, such as `http://127.0.0.1:8000`.
            api_key: API key of the server.
            timeout: Seconds to wait for one response, and in total for a busy server.
            transport: Transport of httpx in place of the network.
        """
        self._timeout = timeout
        self._http = httpx2.Client(
            base_url=url, headers={"X-API-Key": api_key} if api_key else {}, timeout=timeout, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(self, image: str | Path | bytes, patient: Patient = _NO_PATIENT_DATA) -> PredictResponse:
        """Classify one image.

        Args:
            image: Path or bytes of an image file.
            patient: Patient data.

        Raises:
            ServerProblemError: The image cannot be read, the server rejects the request or cannot be reached.
            OSError: The file cannot be read.
        """
        return self._post_image("/v1/predict", image, patient, PredictResponse)

    def explain(
        self, image: str | Path | bytes, diagnosis: str | None = None, patient: Patient = _NO_PATIENT_DATA
    ) -> ExplainResponse:
        """Classify one image and explain the prediction.

        Args:
            image: Path or bytes of an image file.
            diagnosis: Code of the class to explain; None: the most probable one.
            patient: Patient data.

        Raises:
            ServerProblemError: As `predict`; status 409 for a model without class activation map.
            OSError: The file cannot be read.
        """
        return self._post_image("/v1/explain", image, patient, ExplainResponse, diagnosis=diagnosis)

    def predict_many(self, images: Iterable[str | Path | bytes], *, batch_size: int = 16) -> Iterator[BatchItem]:
        """Classify images in their order, several per request; a bad image does not stop the others.

        Args:
            images: Paths or bytes of image files, read as they are sent.
            batch_size: Maximum number of images in a request; the limits of the server apply too.

        Yields:
            For each image its index, and its prediction or the problem with it.

        Raises:
            ServerProblemError: The server rejects a request or cannot be reached.
            OSError: A file cannot be read.
        """
        limits = self.model().limits
        first, batch, size = 0, list[bytes](), 0
        for data in map(_read, images):
            full = len(batch) == min(batch_size, limits.max_batch) or size + len(data) > limits.max_batch_bytes
            if batch and full:
                yield from self._predict_batch(first, batch)
                first, batch, size = first + len(batch), [], 0
            batch.append(data)
            size += len(data)
        if batch:
            yield from self._predict_batch(first, batch)

    def model(self) -> ModelCard:
        """Return the model card, which includes the limits of the server.

        Raises:
            ServerProblemError: The server rejects the request or cannot be reached.
        """
        return self._request("GET", "/v1/model", ModelCard)

    def _predict_batch(self, first: int, batch: list[bytes]) -> Iterator[BatchItem]:
        if len(batch) == 1:  # a single file may be too large for a batch
            yield self._predict_one(first, batch[0])
            return
        files = [("files", ("image", data, "application/octet-stream")) for data in batch]
        for item in self._request("POST", "/v1/predict/batch", BatchResponse, files=files).results:
            yield item.model_copy(update={"index": first + item.index})

    def _predict_one(self, index: int, data: bytes) -> BatchItem:
        try:
            return BatchItem(index=index, result=self.predict(data).result)
        except ServerProblemError as error:
            if error.status not in _IMAGE_PROBLEMS:
                raise
            problem = Problem(title=error.title, status=error.status, detail=error.detail, request_id=error.request_id)
            return BatchItem(index=index, problem=problem)

    def _post_image(
        self, path: str, image: str | Path | bytes, patient: Patient, kind: type[Model], **params: str | None
    ) -> Model:
        known = patient.model_dump(mode="json", exclude_none=True)
        query = known | {name: value for name, value in params.items() if value is not None}
        headers = {"Content-Type": "application/octet-stream"}
        return self._request("POST", path, kind, params=query, content=_read(image), headers=headers)

    def _request(self, method: str, path: str, kind: type[Model], **request: Any) -> Model:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                response = self._http.request(method, path, **request)
            except httpx2.TransportError as error:
                cause = str(error) or type(error).__name__
                raise ServerProblemError(None, "No response", f"{self._http.base_url}: {cause}") from error
            wait = _retry_after(response)
            if wait is None or time.monotonic() + wait > deadline:
                return _parse(response, kind)
            time.sleep(wait)


def _read(image: str | Path | bytes) -> bytes:
    return image if isinstance(image, bytes) else Path(image).read_bytes()


def _retry_after(response: httpx2.Response) -> float | None:
    """Return the seconds until the next attempt, or None for a final response."""
    if response.status_code not in _BUSY:
        return None
    seconds = response.headers.get("Retry-After", "")
    return min(float(seconds), _MAX_WAIT) if seconds.isascii() and seconds.isdecimal() else 1.0


def _parse(response: httpx2.Response, kind: type[Model]) -> Model:
    try:
        if response.is_success:
            # For every model within it: some of them reject unknown keys in files.
            return kind.model_validate_json(response.content, extra="ignore")
        problem = Problem.model_validate_json(response.content)
    except ValidationError as error:
        title = HTTPStatus(response.status_code).phrase
        detail = "the response is not that of a lesionlab server of a compatible version; is the address right?"
        raise ServerProblemError(response.status_code, title, detail) from error
    raise ServerProblemError(problem.status, problem.title, problem.detail, problem.request_id)
