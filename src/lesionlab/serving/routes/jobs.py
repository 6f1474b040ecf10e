"""The routes of jobs."""

from typing import Annotated

from fastapi import Path, Query, Request
from starlette.responses import Response, StreamingResponse

from lesionlab.results import Job, ProblemType
from lesionlab.serving.media import NDJSON
from lesionlab.serving.parameters import JobParameters
from lesionlab.serving.problem import ProblemError, invalid_fields, request_id_of, unknown_fields
from lesionlab.serving.routes.openapi import (
    API_PROBLEMS,
    KEY,
    UPLOAD_PROBLEMS,
    problems,
    representations,
    several_images,
)
from lesionlab.serving.routes.router import Router
from lesionlab.serving.service import Service
from lesionlab.serving.upload import FORM_BYTES, received

JobId = Annotated[str, Path(max_length=64, description="Identifier of the job.")]
_NO_PARAMETERS = JobParameters()
_OF_A_JOB = (*API_PROBLEMS, ProblemType.NO_JOB, ProblemType.INVALID_FIELDS)


def job_routes(service: Service) -> Router:
    """Return the routes of jobs."""
    routes = Router(prefix="/v1/jobs", tags=["jobs"], dependencies=KEY)
    jobs = service.jobs
    form = several_images(service.settings.max_batch)

    @routes.post(
        "",
        status_code=202,
        responses=problems(*UPLOAD_PROBLEMS, ProblemType.JOB_CLOSED, ProblemType.NO_JOBS),
        openapi_extra=form,
    )
    async def create_job(
        request: Request,
        response: Response,
        query: Annotated[JobParameters, Query()],
    ) -> Job:
        """Start a job with its first images: a form with repeated fields `files`, as for a batch."""
        query.setting(service.predictor.pipeline.setting)
        job = await _add(service, request, None, query)
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/v1/jobs/{job.id}"
        return job

    @routes.post(
        "/{job}/images",
        status_code=202,
        responses=problems(*UPLOAD_PROBLEMS, ProblemType.NO_JOB, ProblemType.JOB_CLOSED),
        openapi_extra=form,
    )
    async def add_to_job(request: Request, job: JobId) -> Job:
        """Add further images to a job; their indices continue."""
        jobs.describe(job, "")
        return await _add(service, request, job)

    @routes.get("/{job}", responses=problems(*_OF_A_JOB))
    async def job(request: Request, job: JobId) -> Job:
        """Return the progress of a job."""
        return jobs.describe(job, request_id_of(request.scope))

    @routes.get(
        "/{job}/results",
        response_class=StreamingResponse,
        responses=problems(*_OF_A_JOB) | representations(NDJSON),
    )
    async def job_results(
        job: JobId,
        first: Annotated[int, Query(ge=0, description="Number of results to leave out, which the client has.")] = 0,
    ) -> Response:
        """Return the results of a job as lines in the order of completion, until the job has ended."""
        return StreamingResponse(jobs.lines(job, first), media_type=NDJSON)

    @routes.post("/{job}/cancel", responses=problems(*_OF_A_JOB))
    async def cancel_job(request: Request, job: JobId) -> Job:
        """Cancel a job: images without result are dropped, results are kept until the job expires."""
        jobs.cancel(job)
        return jobs.describe(job, request_id_of(request.scope))

    @routes.delete("/{job}", status_code=204, responses=problems(*_OF_A_JOB))
    async def delete_job(job: JobId) -> None:
        """Cancel a job and delete its results."""
        jobs.delete(job)

    return routes


async def _add(service: Service, request: Request, job: str | None, parameters: JobParameters = _NO_PARAMETERS) -> Job:
    """Add the images of a request to a job, or to a new one with some parameters, and return it.

    Raises:
        ProblemError: The request cannot be read, or the job cannot take the images.
    """
    settings, jobs, request_id = service.settings, service.jobs, request_id_of(request.scope)
    limit = settings.max_batch_bytes + FORM_BYTES
    async with received(request, service, "files", max_files=settings.max_batch, limit=limit) as upload:
        if upload.fields:
            raise invalid_fields(unknown_fields(upload.fields, ["files"]))
        known = job or jobs.create(parameters.images or len(upload.files), parameters)
        try:
            jobs.add(known, upload.files, request_id)
        except ProblemError:
            if job is None:
                jobs.delete(known)
            raise
    return jobs.describe(known, request_id)
