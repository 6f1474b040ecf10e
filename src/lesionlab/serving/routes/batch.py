"""The route for several images."""

import asyncio

from fastapi import APIRouter, Request

from lesionlab.results import BatchItem, BatchResponse, ModelName
from lesionlab.serving.problem import ProblemError, request_id_of
from lesionlab.serving.routes.openapi import IMAGE_PROBLEMS, several_images
from lesionlab.serving.service import Service, while_connected
from lesionlab.serving.upload import FORM_BYTES, checked_size, received


def batch_routes(service: Service) -> APIRouter:
    """Return the route for several images."""
    routes = APIRouter(prefix="/v1", tags=["images"])
    settings, engine = service.settings, service.engine
    model = ModelName.of(service.predictor.info)
    limit = settings.max_batch_bytes + FORM_BYTES

    async def predicted(index: int, data: bytes, request_id: str) -> BatchItem:
        try:
            prediction = await engine.predict(checked_size(data, settings.max_bytes), group=request_id)
        except ProblemError as error:
            return BatchItem(index=index, problem=error.problem(request_id))
        return BatchItem(index=index, result=prediction)

    async def all_predicted(files: tuple[bytes, ...], request_id: str) -> tuple[BatchItem, ...]:
        items = (predicted(index, data, request_id) for index, data in enumerate(files))
        return tuple(await asyncio.gather(*items))

    @routes.post("/predict/batch", responses=IMAGE_PROBLEMS, openapi_extra=several_images(settings.max_batch))
    async def predict_batch(request: Request) -> BatchResponse:
        """Classify several images: a form with repeated fields `files`. A bad image does not stop the others."""
        request_id = request_id_of(request.scope)
        async with received(request, service, "files", max_files=settings.max_batch, limit=limit) as upload:
            if upload.fields:
                raise ProblemError(422, "there is an unknown field; a batch has only `files`")
            results = await while_connected(request, all_predicted(upload.files, request_id))
        return BatchResponse(request_id=request_id, model=model, results=results)

    return routes
