"""The routes for several images in one request."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from lesionlab.results import BatchItem, BatchLine, BatchResponse, ModelName, ProblemType
from lesionlab.serving.items import predict_item
from lesionlab.serving.media import DICOM_JSON, DICOM_PARTS, FHIR, JSON, NDJSON, accepted
from lesionlab.serving.parameters import SettingParameters
from lesionlab.serving.problem import ProblemError, request_id_of, validation_problem
from lesionlab.serving.reports import Answered, fhir_collection, reports_in_parts, stow_response, study_of
from lesionlab.serving.routes.openapi import KEY, UPLOAD_PROBLEMS, instances, problems, representations, several_images
from lesionlab.serving.service import Service, while_connected
from lesionlab.serving.upload import FORM_BYTES, received

_REPRESENTATIONS = (JSON, NDJSON, FHIR, DICOM_PARTS)


def batch_routes(service: Service) -> APIRouter:
    """Return the routes for several images."""
    routes = APIRouter(prefix="/v1", tags=["images"], dependencies=KEY)
    responses = problems(*UPLOAD_PROBLEMS, ProblemType.NOT_ACCEPTABLE)
    of_instances: dict[str, Any] = {
        "response_model": BatchResponse,
        "responses": responses | representations(*_REPRESENTATIONS, DICOM_JSON),
        "openapi_extra": instances(),
    }

    @routes.post(
        "/predict/batch",
        response_model=BatchResponse,
        responses=responses | representations(*_REPRESENTATIONS),
        openapi_extra=several_images(service.settings.max_batch, SettingParameters),
    )
    async def predict_batch(request: Request) -> Response:
        """Classify several images: a form with repeated fields `files`. A bad image does not stop the others.

        With `Accept: application/x-ndjson`, each result is sent as a line once it is there, in no particular order.
        """
        return await _respond(service, request, accepted(request, *_REPRESENTATIONS))

    @routes.post("/dicomweb/studies", **of_instances)
    async def predict_instances(request: Request) -> Response:
        """Classify DICOM instances in a request of STOW-RS. They are not stored: the response has the results."""
        return await _respond(service, request, accepted(request, *_REPRESENTATIONS, DICOM_JSON))

    @routes.post("/dicomweb/studies/{study}", **of_instances)
    async def predict_instances_of_study(request: Request, study: str) -> Response:
        """Classify DICOM instances of one study in a request of STOW-RS, see `/v1/dicomweb/studies`."""
        return await _respond(service, request, accepted(request, *_REPRESENTATIONS, DICOM_JSON), study)

    return routes


async def _respond(service: Service, request: Request, media_type: str, study: str | None = None) -> Response:
    """Return the results of all images in a request as a media type.

    Raises:
        ProblemError: The request cannot be read.
    """
    settings, request_id = service.settings, request_id_of(request.scope)
    model = ModelName.of(service.predictor.info)
    async with AsyncExitStack() as held:
        limit = settings.max_batch_bytes + FORM_BYTES
        upload = await held.enter_async_context(
            received(request, service, "files", max_files=settings.max_batch, limit=limit)
        )
        parameters = _parameters(upload.fields)
        parameters.setting(service.predictor.pipeline.setting)  # reported once, not for each image
        work = (
            _predicted(service, index, data, request_id, study, parameters) for index, data in enumerate(upload.files)
        )
        if media_type == NDJSON:
            return _HeldStream(_lines(work, request_id, model), held.pop_all())
        answered = await while_connected(request, _all(work))
        if media_type == DICOM_PARTS:
            return await reports_in_parts(answered, model, request_id)
        if media_type == FHIR:
            return await fhir_collection(answered, model)
        if media_type == DICOM_JSON:
            return stow_response(answered)
    results = tuple(one.item for one in answered)
    whole = BatchResponse(request_id=request_id, model=model, results=results)
    return Response(whole.model_dump_json(), media_type=JSON)


def _parameters(fields: dict[str, str]) -> SettingParameters:
    try:
        return SettingParameters.model_validate(fields)
    except ValidationError as error:
        raise validation_problem(error, ("files", *SettingParameters.model_fields)) from error


async def _predicted(
    service: Service, index: int, data: bytes, request_id: str, study: str | None, parameters: SettingParameters
) -> Answered:
    if study is not None and study_of(data) != study:
        error = ProblemError(ProblemType.WRONG_STUDY, "this is not a DICOM instance of the study in the path")
        return Answered(data, BatchItem(index=index, problem=error.problem(request_id)))
    return Answered(data, await predict_item(service, index, data, request_id, parameters))


async def _all(work: Iterable[Coroutine[Any, Any, Answered]]) -> list[Answered]:
    return await asyncio.gather(*work)


async def _lines(
    work: Iterable[Coroutine[Any, Any, Answered]], request_id: str, model: ModelName
) -> AsyncIterator[bytes]:
    tasks = [asyncio.create_task(one) for one in work]
    try:
        for task in asyncio.as_completed(tasks):
            yield BatchLine.of((await task).item, request_id, model).model_dump_json().encode() + b"\n"
    finally:
        for pending in tasks:
            pending.cancel()


class _HeldStream(StreamingResponse):
    """A response of lines that holds the place of its request in the server until it is sent."""

    def __init__(self, lines: AsyncIterator[bytes], held: AsyncExitStack) -> None:
        super().__init__(lines, media_type=NDJSON)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)
