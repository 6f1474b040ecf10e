"""The requests of the API and the meaning of their responses, for the client and the asynchronous client alike."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeAlias, TypedDict, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from lesionlab.bundle import Patient
from lesionlab.client.errors import ServerProblemError
from lesionlab.results import (
    BatchItem,
    BatchLine,
    BatchResponse,
    ExplainResponse,
    Job,
    ModelCard,
    PredictResponse,
    Problem,
)
from lesionlab.results.model_card import Limits

Image: TypeAlias = str | Path | bytes
ReportFormat: TypeAlias = Literal["dicom-sr", "fhir"]
Model = TypeVar("Model", bound=BaseModel)

NO_PATIENT_DATA: Final = Patient()
BATCH_SIZE: Final = 16
_BUSY: Final = (429, 503)
_MAX_WAIT: Final = 30.0
_IMAGE_PROBLEMS: Final = (413, 415, 422)
# The images of a job wait on the server, whose memory for them may be full until some are predicted.
_JOB_PATIENCE: Final = 3600.0
_REPORT_TYPES: Final = {"dicom-sr": "application/dicom", "fhir": "application/fhir+json"}


class Settings(TypedDict, total=False):
    """The population and the operating point of a request, where they are given."""

    prevalence: str
    risk: str


@dataclass(frozen=True)
class Call(Generic[Model]):
    """A request.

    Attributes:
        method: The HTTP method.
        path: The path on the server.
        kind: Type of the response.
        options: Further arguments of httpx.
        patience: Seconds to wait for a busy server; None: the timeout of the client.
    """

    method: str
    path: str
    kind: type[Model]
    options: dict[str, Any] = field(default_factory=dict)
    patience: float | None = None

    def parse(self, response: httpx2.Response) -> Model:
        """Return the content of a response without problem.

        Raises:
            ServerProblemError: The server is not one of lesionlab.
        """
        try:
            # For every model within it: some of them reject unknown keys in files.
            return self.kind.model_validate_json(response.content, extra="ignore")
        except ValidationError as error:
            raise _foreign(response) from error


def settings_of(prevalence: str | None, risk: str | None) -> Settings:
    """Return the settings of a request from the arguments of a method."""
    found = Settings()
    if prevalence is not None:
        found["prevalence"] = prevalence
    if risk is not None:
        found["risk"] = risk
    return found


def predict_call(image: Image, patient: Patient, settings: Settings) -> Call[PredictResponse]:
    """Return the request for a prediction."""
    return Call("POST", "/v1/predict", PredictResponse, _one_image(image, patient, settings))


def report_call(
    image: Image, report_format: ReportFormat, patient: Patient, settings: Settings
) -> Call[PredictResponse]:
    """Return the request for a report, whose response is not parsed."""
    options = _one_image(image, patient, settings)
    options["headers"] |= {"Accept": _REPORT_TYPES[report_format]}
    return Call("POST", "/v1/predict", PredictResponse, options)


def lesion_call(
    dermoscopic: Iterable[Image], clinical: Iterable[Image], patient: Patient, settings: Settings
) -> Call[PredictResponse]:
    """Return the request for the prediction of a lesion."""
    images = {"dermoscopic": dermoscopic, "clinical": clinical}
    files = [file for kind, given in images.items() for file in _files(map(_read, given), kind)]
    options = {"files": files, "params": _known(patient) | settings}
    return Call("POST", "/v1/predict/lesion", PredictResponse, options)


def explain_call(image: Image, diagnosis: str | None, patient: Patient, settings: Settings) -> Call[ExplainResponse]:
    """Return the request for an explanation."""
    options = _one_image(image, patient, settings)
    if diagnosis is not None:
        options["params"] |= {"diagnosis": diagnosis}
    return Call("POST", "/v1/explain", ExplainResponse, options)


def batch_call(batch: list[bytes], settings: Settings) -> Call[BatchResponse]:
    """Return the request for a batch."""
    return Call("POST", "/v1/predict/batch", BatchResponse, {"files": _files(batch), "data": settings})


def model_call() -> Call[ModelCard]:
    """Return the request for the model card."""
    return Call("GET", "/v1/model", ModelCard)


def start_call(batch: list[bytes], images: int, settings: Settings) -> Call[Job]:
    """Return the request that starts a job with its first images."""
    return Call("POST", "/v1/jobs", Job, {"files": _files(batch), "params": {"images": images, **settings}})


def add_call(job: str, batch: list[bytes]) -> Call[Job]:
    """Return the request that adds images to a job."""
    return Call("POST", f"/v1/jobs/{job}/images", Job, {"files": _files(batch)}, _JOB_PATIENCE)


def job_call(job: str, *, cancel: bool = False) -> Call[Job]:
    """Return the request for the progress of a job, or for its cancellation."""
    return Call("POST", f"/v1/jobs/{job}/cancel", Job) if cancel else Call("GET", f"/v1/jobs/{job}", Job)


def batches(images: Iterable[Image], limits: Limits, batch_size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the position of the first image, and the images of each request, within the limits of the server."""
    first, batch, size = 0, list[bytes](), 0
    for data in map(_read, images):
        full = len(batch) == min(batch_size, limits.max_batch) or size + len(data) > limits.max_batch_bytes
        if batch and full:
            yield first, batch
            first, batch, size = first + len(batch), [], 0
        batch.append(data)
        size += len(data)
    if batch:
        yield first, batch


def moved(items: Iterable[BatchItem], first: int) -> Iterator[BatchItem]:
    """Yield the items of a batch with their position among all images."""
    return (item.model_copy(update={"index": first + item.index}) for item in items)


def problem_item(index: int, error: ServerProblemError) -> BatchItem:
    """Return the item of an image that was sent alone and has a problem.

    Raises:
        ServerProblemError: The problem is that of the request.
    """
    if error.status not in _IMAGE_PROBLEMS:
        raise error
    return BatchItem(index=index, problem=error.problem)


def line_item(line: str) -> BatchItem:
    """Return the item in a line of results."""
    return BatchLine.model_validate_json(line, extra="ignore").item


def retry_after(response: httpx2.Response) -> float | None:
    """Return the seconds until the next attempt, or None for a final response."""
    if response.status_code not in _BUSY:
        return None
    seconds = response.headers.get("Retry-After", "")
    return min(float(seconds), _MAX_WAIT) if seconds.isascii() and seconds.isdecimal() else 1.0


def raise_problem(response: httpx2.Response) -> None:
    """Raise the problem of a response that has one.

    Raises:
        ServerProblemError: The server reports a problem, or is not one of lesionlab.
    """
    if response.is_success:
        return
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError as error:
        raise _foreign(response) from error
    raise ServerProblemError.of(problem)


def no_response(url: httpx2.URL, error: Exception) -> ServerProblemError:
    """Return the error of a request without response."""
    return ServerProblemError(None, "No response", f"{url}: {str(error) or type(error).__name__}")


def _one_image(image: Image, patient: Patient, settings: Settings) -> dict[str, Any]:
    headers = {"Content-Type": "application/octet-stream"}
    return {"params": {**_known(patient), **settings}, "content": _read(image), "headers": headers}


def _known(patient: Patient) -> dict[str, Any]:
    return patient.model_dump(mode="json", exclude_none=True)


def _files(images: Iterable[bytes], field_name: str = "files") -> list[tuple[str, tuple[str, bytes, str]]]:
    return [(field_name, ("image", data, "application/octet-stream")) for data in images]


def _read(image: Image) -> bytes:
    return image if isinstance(image, bytes) else Path(image).read_bytes()


def _foreign(response: httpx2.Response) -> ServerProblemError:
    title = HTTPStatus(response.status_code).phrase
    detail = "the response is not that of a lesionlab server of a compatible version; is the address right?"
    return ServerProblemError(response.status_code, title, detail)
