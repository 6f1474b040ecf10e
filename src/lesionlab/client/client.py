"""The client: one connection pool and one method per route."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import httpx2

from lesionlab.bundle import Patient
from lesionlab.client import calls
from lesionlab.client.calls import BATCH_SIZE, NO_PATIENT_DATA, Call, Image, Model, ReportFormat, Settings
from lesionlab.client.errors import ServerProblemError
from lesionlab.results import BatchItem, ExplainResponse, Job, ModelCard, PredictResponse


class Client:
    """A client of one server. Safe to use from several threads.

    Responses of newer servers are accepted: unknown keys are ignored. Requests to a busy server are repeated as it
    states, within the timeout.

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

    def predict(
        self,
        image: Image,
        patient: Patient = NO_PATIENT_DATA,
        *,
        prevalence: str | None = None,
        risk: str | None = None,
    ) -> PredictResponse:
        """Classify one image.

        Args:
            image: Path or bytes of an image file.
            patient: Patient data.
            prevalence: Prevalence in the population, such as `malignant=0.02`; None: that of the server.
            risk: Risk rule, such as `sensitivity=0.9`; None: that of the server.

        Raises:
            ServerProblemError: The image cannot be read, the server rejects the request or cannot be reached.
            OSError: The file cannot be read.
        """
        return self._request(calls.predict_call(image, patient, calls.settings_of(prevalence, risk)))

    def report(
        self,
        image: Image,
        report_format: ReportFormat,
        patient: Patient = NO_PATIENT_DATA,
        *,
        prevalence: str | None = None,
        risk: str | None = None,
    ) -> bytes:
        """Classify one image and return a DICOM Structured Report, for a DICOM image, or a FHIR DiagnosticReport.

        The arguments are those of `predict`.

        Raises:
            ServerProblemError: As `predict`; `ProblemType.NO_REPORT` for an image that no DICOM report can refer to.
            OSError: The file cannot be read.
        """
        settings = calls.settings_of(prevalence, risk)
        return self._content(calls.report_call(image, report_format, patient, settings)).content

    def predict_lesion(
        self,
        dermoscopic: Iterable[Image] = (),
        clinical: Iterable[Image] = (),
        patient: Patient = NO_PATIENT_DATA,
        *,
        prevalence: str | None = None,
        risk: str | None = None,
    ) -> PredictResponse:
        """Classify one lesion from one or several images.

        Args:
            dermoscopic: Paths or bytes of its dermoscopic images.
            clinical: The same of its clinical photographs, for a model that takes them.
            patient: Patient data.
            prevalence: Prevalence in the population; see `predict`.
            risk: Risk rule; see `predict`.

        Raises:
            ServerProblemError: As `predict`; `ProblemType.WRONG_IMAGE_TYPE` for images that the model does not take.
            OSError: A file cannot be read.
        """
        settings = calls.settings_of(prevalence, risk)
        return self._request(calls.lesion_call(dermoscopic, clinical, patient, settings))

    def explain(
        self,
        image: Image,
        diagnosis: str | None = None,
        patient: Patient = NO_PATIENT_DATA,
        *,
        prevalence: str | None = None,
        risk: str | None = None,
    ) -> ExplainResponse:
        """Classify one image and explain the prediction.

        Args:
            image: Path or bytes of an image file.
            diagnosis: Code of the class to explain; None: the most probable one.
            patient: Patient data.
            prevalence: Prevalence in the population, such as `malignant=0.02`; None: that of the server.
            risk: Risk rule, such as `sensitivity=0.9`; None: that of the server.

        Raises:
            ServerProblemError: As `predict`; `ProblemType.NOT_EXPLAINABLE` for a model without class activation map.
            OSError: The file cannot be read.
        """
        return self._request(calls.explain_call(image, diagnosis, patient, calls.settings_of(prevalence, risk)))

    def predict_many(
        self,
        images: Iterable[Image],
        *,
        batch_size: int = BATCH_SIZE,
        prevalence: str | None = None,
        risk: str | None = None,
    ) -> Iterator[BatchItem]:
        """Classify images in their order, several per request; a bad image does not stop the others.

        Args:
            images: Paths or bytes of image files, read as they are sent.
            batch_size: Maximum number of images in a request; the limits of the server apply too.
            prevalence: Prevalence in the population, such as `malignant=0.02`; None: that of the server.
            risk: Risk rule, such as `sensitivity=0.9`; None: that of the server.

        Yields:
            For each image its index, and its prediction or the problem with it.

        Raises:
            ServerProblemError: The server rejects a request or cannot be reached.
            OSError: A file cannot be read.
        """
        settings = calls.settings_of(prevalence, risk)
        for first, batch in calls.batches(images, self.model().limits, batch_size):
            if len(batch) == 1:  # a single file may be too large for a batch
                yield self._predict_one(first, batch[0], settings)
            else:
                yield from calls.moved(self._request(calls.batch_call(batch, settings)).results, first)

    def model(self) -> ModelCard:
        """Return the model card, which includes the limits of the server.

        Raises:
            ServerProblemError: The server rejects the request or cannot be reached.
        """
        return self._request(calls.model_call())

    def start_job(
        self,
        images: Sequence[Image],
        *,
        batch_size: int = BATCH_SIZE,
        prevalence: str | None = None,
        risk: str | None = None,
    ) -> Job:
        """Send images as a job, which the server predicts in the background.

        Args:
            images: Paths or bytes of image files, at least one, read as they are sent.
            batch_size: Maximum number of images in a request; the limits of the server apply too.
            prevalence: Prevalence in the population; see `predict`.
            risk: Risk rule; see `predict`.

        Raises:
            ServerProblemError: The server rejects a request or cannot be reached; the job is deleted.
            OSError: A file cannot be read; the job is deleted.
        """
        settings = calls.settings_of(prevalence, risk)
        job: Job | None = None
        try:
            for _, batch in calls.batches(images, self.model().limits, batch_size):
                call = calls.add_call(job.id, batch) if job else calls.start_call(batch, len(images), settings)
                job = self._request(call)
        except (ServerProblemError, OSError):
            if job:
                self.delete_job(job.id)
            raise
        if job is None:
            raise ValueError("a job has at least one image")
        return job

    def job(self, job: str) -> Job:
        """Return the progress of a job by its identifier.

        Raises:
            ServerProblemError: `ProblemType.NO_JOB`, or the server cannot be reached.
        """
        return self._request(calls.job_call(job))

    def job_results(self, job: str, *, first: int = 0) -> Iterator[BatchItem]:
        """Yield the results of a job in the order of completion, until it has ended.

        Args:
            job: Identifier of the job.
            first: Number of results to leave out; after a broken connection, those received.

        Raises:
            ServerProblemError: `ProblemType.NO_JOB`, or the connection breaks.
        """
        path, timeout = f"/v1/jobs/{job}/results", httpx2.Timeout(self._timeout, read=None)
        try:
            with self._http.stream("GET", path, params={"first": first}, timeout=timeout) as response:
                if not response.is_success:
                    response.read()
                    calls.raise_problem(response)
                yield from map(calls.line_item, response.iter_lines())
        except httpx2.RequestError as error:
            raise calls.no_response(self._http.base_url, error) from error

    def cancel_job(self, job: str) -> Job:
        """Drop the images of a job without a result; the results are kept until it expires.

        Raises:
            ServerProblemError: `ProblemType.NO_JOB`, or the server cannot be reached.
        """
        return self._request(calls.job_call(job, cancel=True))

    def delete_job(self, job: str) -> None:
        """Cancel a job and delete its results.

        Raises:
            ServerProblemError: `ProblemType.NO_JOB`, or the server cannot be reached.
        """
        self._content(Call("DELETE", f"/v1/jobs/{job}", Job))

    def _predict_one(self, index: int, data: bytes, settings: Settings) -> BatchItem:
        try:
            return BatchItem(index=index, result=self.predict(data, **settings).result)
        except ServerProblemError as error:
            return calls.problem_item(index, error)

    def _request(self, call: Call[Model]) -> Model:
        return call.parse(self._content(call))

    def _content(self, call: Call[Model]) -> httpx2.Response:
        deadline = time.monotonic() + (call.patience or self._timeout)
        while True:
            try:
                response = self._http.request(call.method, call.path, **call.options)
            except httpx2.RequestError as error:
                raise calls.no_response(self._http.base_url, error) from error
            wait = calls.retry_after(response)
            if wait is None or time.monotonic() + wait > deadline:
                calls.raise_problem(response)
                return response
            time.sleep(wait)
